//! A good client: it asks again under the same Idempotency-Key until it has a word that it can rely on.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use wallet_core::attributes::Share;
use wallet_core::capture::Statement;
use wallet_core::code::qr::Q1;

use crate::clients::relying_party::capture_form;
use crate::load::Population;

/// Longer than the server gives any request.
const PATIENCE: Duration = Duration::from_secs(65);
/// A connection on loopback is there at once, or nobody listens.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a client waits that was told nothing: twice as long each time, from this to that.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// What the service answered.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) status: u16,
    /// Seconds of `Retry-After`, where there is one.
    pub(super) retry_after: Option<u64>,
    /// The body, byte for byte.
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// The body as JSON; null where it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// `status code` of a refusal.
    pub(super) fn refusal(&self) -> String {
        format!("{} {}", self.status, self.json()["code"].as_str().unwrap_or("-"))
    }

    /// Whether the same request may come to another end if it is asked again.
    fn is_open(&self) -> bool {
        let in_progress = || self.json()["code"] == "request-in-progress";
        matches!(self.status, 408 | 429 | 500..) || self.status == 409 && in_progress()
    }
}

/// One POST of a relying party, as often as it takes.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    /// Which relying party of the population.
    pub(super) shop: u64,
    /// The Idempotency-Key.
    pub(super) key: String,
    /// What is asked.
    pub(super) what: What,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// To redeem a code.
    Open {
        /// The text of the QR.
        code: String,
    },
    /// To judge a capture.
    Judge {
        /// The redemption.
        redemption: String,
        /// Its nonce.
        nonce: [u8; 16],
        /// `P` passes, `F` fails, `U` is unusable: the server is built with `bench-without-face`.
        face: u8,
    },
}

/// Where the service is, and whose clock the phones follow.
pub(super) struct Site {
    /// The addresses: more than one when there are replicas and nothing in front of them.
    bases: Vec<String>,
    /// Which of them is asked, counted on when nobody is there.
    at: AtomicUsize,
    /// Who may be played.
    pub(super) people: Population,
    http: Client,
    /// By how many seconds the phones' clocks are off, so that they can follow a server whose clock jumps.
    offset: AtomicI64,
}

impl Site {
    /// The service at `base`. `keep_alive`: whether connections serve more than one request.
    pub(super) fn new(base: &str, people: Population, keep_alive: bool) -> anyhow::Result<Site> {
        Self::of(&[base], people, keep_alive)
    }

    /// The same at several addresses.
    pub(super) fn of(bases: &[&str], people: Population, keep_alive: bool) -> anyhow::Result<Site> {
        let http = Client::builder().timeout(PATIENCE).connect_timeout(CONNECT);
        let http = http.pool_max_idle_per_host(if keep_alive { usize::MAX } else { 0 }).build()?;
        let bases = bases.iter().map(|&base| base.to_owned()).collect();
        Ok(Site { bases, at: AtomicUsize::new(0), people, http, offset: AtomicI64::new(0) })
    }

    /// The address that is asked.
    pub(super) fn base(&self) -> &str {
        &self.bases[self.at.load(Ordering::Relaxed) % self.bases.len()]
    }

    /// Sets the phones' clocks so many seconds ahead of this machine's.
    pub(super) fn set_clock(&self, seconds: i64) {
        self.offset.store(seconds, Ordering::SeqCst);
    }

    /// A fresh QR of a holder.
    pub(super) fn code(&self, holder: u64) -> anyhow::Result<String> {
        let now = Timestamp::now() + SignedDuration::from_secs(self.offset.load(Ordering::SeqCst));
        let identities = &self.people.identities;
        let code = Q1::new(identities.handle(holder, 0), Share::Name, now, &mut rand::rng());
        Ok(code.sign(&identities.device(holder)?)?)
    }

    /// Asks once.
    ///
    /// # Errors
    /// When no whole answer came.
    pub(super) async fn once(&self, ask: &Ask) -> anyhow::Result<Reply> {
        let request = match &ask.what {
            What::Open { code } => {
                self.post("/v1/redemptions").json(&json!({ "code": code, "purpose": "check" }))
            }
            What::Judge { redemption, nonce, face } => {
                let frames = [vec![*face, 0], vec![*face, 1]];
                let form = capture_form(&Statement::about(nonce, &frames, 200), &frames)?;
                self.post(&format!("/v1/redemptions/{redemption}/captures")).multipart(form)
            }
        };
        let shop = self.people.identities.relying_party(ask.shop);
        reply(request.bearer_auth(shop.api_key).header("Idempotency-Key", &ask.key)).await
    }

    /// The id of a relying party.
    pub(super) fn rp(&self, shop: u64) -> String {
        self.people.identities.relying_party(shop).id.to_string()
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base()))
    }

    /// GETs a path, as a relying party or as anybody.
    pub(super) async fn get(&self, path: &str, shop: Option<u64>) -> anyhow::Result<Reply> {
        let request = self.http.get(format!("{}{path}", self.base()));
        reply(match shop {
            Some(shop) => request.bearer_auth(self.people.identities.relying_party(shop).api_key),
            None => request,
        })
        .await
    }

    /// POSTs JSON with a bearer token.
    pub(super) async fn post_as(&self, token: &str, path: &str, body: &Value) -> anyhow::Result<Reply> {
        reply(self.post(path).bearer_auth(token).json(body)).await
    }

    /// Asks until there is an answer that stays: a success, or a refusal that asking again would not change. Waits as
    /// `Retry-After` says. `tried` is told of each reply that was none, and may take that as a reason for anything.
    pub(super) async fn until_answered(
        &self,
        ask: &Ask,
        mut tried: impl FnMut(Option<&Reply>),
    ) -> (Reply, u32) {
        let (mut tries, mut pause) = (1, PAUSES.0);
        loop {
            let reply = self.once(ask).await.ok();
            if reply.as_ref().is_none_or(|reply| reply.status >= 500) {
                self.at.fetch_add(1, Ordering::Relaxed);
            }
            match reply {
                Some(reply) if !reply.is_open() => return (reply, tries),
                reply => {
                    tried(reply.as_ref());
                    let told = reply.and_then(|reply| reply.retry_after).map(Duration::from_secs);
                    let jitter = Duration::from_millis(rand::random_range(0..200));
                    tokio::time::sleep(told.unwrap_or(pause) + jitter).await;
                    pause = PAUSES.1.min(pause * 2);
                }
            }
            tries += 1;
        }
    }
}

async fn reply(request: RequestBuilder) -> anyhow::Result<Reply> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let retry_after =
        response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(Reply { status, retry_after, body: response.bytes().await?.to_vec() })
}

/// Whether a status says "come again later".
pub(super) fn is_shed(reply: &Reply) -> bool {
    reply.status == StatusCode::SERVICE_UNAVAILABLE.as_u16() && reply.retry_after.is_some()
}
