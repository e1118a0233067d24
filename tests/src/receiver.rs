//! Who is told: a relying party's receiver of webhooks, and a mail server, each at the other end of a real connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How long a story waits for what is to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// A status.
    Status(u16),
    /// A redirection to its own `/elsewhere`.
    Redirect,
    /// Nothing, for far longer than anybody waits.
    Hang,
}

/// A webhook as it came.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The path that was posted to.
    pub path: String,
    /// `webhook-id`
    pub id: String,
    /// `webhook-timestamp`
    pub timestamp: String,
    /// `webhook-signature`
    pub signature: String,
    /// Byte for byte.
    pub body: String,
}

impl Heard {
    /// The body as JSON.
    pub fn json(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.body)?)
    }

    /// Whether one of the signatures is by this secret.
    pub fn is_signed_by(&self, secret: &str) -> anyhow::Result<bool> {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").context("a secret")?)?;
        let message = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), message.as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(tag));
        Ok(self.signature.split(' ').any(|signature| signature == expected))
    }
}

#[derive(Default)]
struct Script {
    heard: Mutex<Vec<Heard>>,
    replies: Mutex<VecDeque<Reply>>,
    always: Mutex<Option<Reply>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A receiver of webhooks on this machine.
pub struct Receiver {
    /// Where it listens.
    pub url: String,
    script: Arc<Script>,
    handle: ServerHandle,
}

impl Receiver {
    /// Listens on a free port, and takes everything.
    pub fn start() -> anyhow::Result<Receiver> {
        let script = Arc::new(Script::default());
        let data = Data::from(Arc::clone(&script));
        let server =
            HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::to(receive)))
                .workers(1)
                .shutdown_timeout(0)
                .bind("127.0.0.1:0")?;
        let address = *server.addrs().first().context("no address")?;
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Ok(Receiver { url: format!("http://{address}/hooks"), script, handle })
    }

    /// Answers this to all from now on.
    pub fn always(&self, reply: Reply) {
        *locked(&self.script.always) = Some(reply);
    }

    /// Answers these first.
    pub fn first(&self, replies: impl IntoIterator<Item = Reply>) {
        locked(&self.script.replies).extend(replies);
    }

    /// What came so far.
    pub fn heard(&self) -> Vec<Heard> {
        locked(&self.script.heard).clone()
    }

    /// Waits until so many came; all that came.
    pub async fn wait_for(&self, many: usize) -> anyhow::Result<Vec<Heard>> {
        until(|| self.heard().len() >= many).await.with_context(|| format!("heard {:?}", self.heard()))?;
        Ok(self.heard())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        actix_web::rt::spawn(self.handle.stop(false));
    }
}

async fn receive(request: HttpRequest, body: Bytes, script: Data<Script>) -> HttpResponse {
    let header = |name| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    locked(&script.heard).push(Heard {
        path: request.path().to_owned(),
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    let next = locked(&script.replies).pop_front();
    let reply = next.or(*locked(&script.always)).unwrap_or(Reply::Status(204));
    match reply {
        Reply::Status(status) => {
            let status = actix_web::http::StatusCode::from_u16(status);
            HttpResponse::build(status.unwrap_or(actix_web::http::StatusCode::IM_A_TEAPOT)).finish()
        }
        Reply::Redirect => {
            HttpResponse::TemporaryRedirect().insert_header(("Location", "/elsewhere")).finish()
        }
        Reply::Hang => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            HttpResponse::NoContent().finish()
        }
    }
}

/// Waits until something is so.
///
/// # Errors
/// When it is not after half a minute.
pub async fn until(is_so: impl Fn() -> bool) -> anyhow::Result<()> {
    let began = Instant::now();
    while !is_so() {
        ensure!(began.elapsed() < PATIENCE, "it did not come about in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// A mail as it came.
#[derive(Debug, Clone)]
pub struct Mail {
    /// `RCPT TO`
    pub to: String,
    /// Headers and body, as they were sent.
    pub source: String,
}

impl Mail {
    /// The body in letters.
    pub fn text(&self) -> anyhow::Result<String> {
        let (headers, body) = self.source.split_once("\r\n\r\n").context("no body")?;
        let headers = headers.to_ascii_lowercase();
        let bytes = if headers.contains("content-transfer-encoding: base64") {
            STANDARD.decode(body.split_whitespace().collect::<String>())?
        } else if headers.contains("content-transfer-encoding: quoted-printable") {
            unquoted(body)?
        } else {
            body.as_bytes().to_vec()
        };
        Ok(String::from_utf8(bytes)?.replace("\r\n", "\n"))
    }
}

/// RFC 2045 §6.7.
fn unquoted(body: &str) -> anyhow::Result<Vec<u8>> {
    let body = body.replace("=\r\n", "");
    let mut parts = body.split('=');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).context("no digits")?;
        bytes.push(u8::from_str_radix(digits, 16)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Ok(bytes)
}

/// A mail server on this machine, which speaks SMTP (RFC 5321) without TLS.
pub struct MailServer {
    /// Where it listens, as the service is told.
    pub url: String,
    mails: Arc<Mutex<Vec<Mail>>>,
    /// What it says to `RCPT TO`, the first first; then `250`.
    refusals: Arc<Mutex<VecDeque<&'static str>>>,
    task: tokio::task::JoinHandle<()>,
}

impl MailServer {
    /// Listens on a free port.
    pub async fn start() -> anyhow::Result<MailServer> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("smtp://{}", listener.local_addr()?);
        let (mails, refusals) = (Arc::<Mutex<Vec<Mail>>>::default(), Arc::<Mutex<VecDeque<_>>>::default());
        let (kept, said) = (Arc::clone(&mails), Arc::clone(&refusals));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&kept), Arc::clone(&said)));
            }
        });
        Ok(MailServer { url, mails, refusals, task })
    }

    /// Says these to the next recipients.
    pub fn refuse(&self, answers: impl IntoIterator<Item = &'static str>) {
        locked(&self.refusals).extend(answers);
    }

    /// How many of these are still to be said.
    pub fn refusals_left(&self) -> usize {
        locked(&self.refusals).len()
    }

    /// The mails that came.
    pub fn mails(&self) -> Vec<Mail> {
        locked(&self.mails).clone()
    }

    /// Waits until so many came; all that came.
    pub async fn wait_for(&self, many: usize) -> anyhow::Result<Vec<Mail>> {
        until(|| self.mails().len() >= many).await?;
        Ok(self.mails())
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One SMTP session.
async fn converse(
    mut stream: TcpStream,
    mails: Arc<Mutex<Vec<Mail>>>,
    refusals: Arc<Mutex<VecDeque<&'static str>>>,
) -> anyhow::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 mail.example ESMTP\r\n").await?;
    let mut to = String::new();
    while let Some(line) = lines.next_line().await? {
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match word.as_str() {
            "EHLO" => "250-mail.example\r\n250 8BITMIME",
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                locked(&refusals).pop_front().unwrap_or("250 2.1.5 ok")
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await?;
                let mut source = String::new();
                while let Some(line) = lines.next_line().await?
                    && line != "."
                {
                    source.push_str(line.strip_prefix('.').unwrap_or(&line));
                    source.push_str("\r\n");
                }
                locked(&mails).push(Mail { to: to.clone(), source });
                "250 2.0.0 kept"
            }
            "QUIT" => {
                writer.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "250 ok",
        };
        writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
