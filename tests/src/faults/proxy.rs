//! Networks that misbehave, between a client and a server on loopback.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

const CHUNK: usize = 16 * 1024;

/// A line to `127.0.0.1:port` on which every piece, either way, arrives late. It ends with this value.
pub(super) struct SlowLine {
    /// Where it listens.
    pub(super) port: u16,
    latency: watch::Sender<Duration>,
    _connections: JoinSet<()>,
}

impl SlowLine {
    /// Without latency at first.
    pub(super) async fn to(port: u16) -> anyhow::Result<SlowLine> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let here = listener.local_addr()?.port();
        let (latency, now) = watch::channel(Duration::ZERO);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let now = now.clone();
                connections.spawn(async move {
                    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let (near_read, near_write) = near.into_split();
                    let (far_read, far_write) = far.into_split();
                    tokio::join!(
                        carry(near_read, far_write, now.clone()),
                        carry(far_read, near_write, now.clone())
                    );
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(SlowLine { port: here, latency, _connections: tasks })
    }

    /// From now on every piece takes so long. What is on its way arrives at once when this is zero.
    pub(super) fn set_latency(&self, latency: Duration) {
        self.latency.send_replace(latency);
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    latency: watch::Receiver<Duration>,
) {
    let (late, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    let mut changes = latency.clone();
    let read = async move {
        let mut piece = vec![0; CHUNK];
        while let Ok(length) = from.read(&mut piece).await {
            let arrives = Instant::now() + *latency.borrow();
            let bytes = piece.get(..length).unwrap_or_default().to_vec();
            if late.send((arrives, bytes)).await.is_err() || length == 0 {
                return;
            }
        }
    };
    let write = async move {
        while let Some((arrives, bytes)) = due.recv().await {
            let healed = changes.wait_for(Duration::is_zero);
            // Whichever comes first; the sender going away is as good as healed.
            let _ = tokio::time::timeout_at(arrives, healed).await;
            if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
                let _ = to.shutdown().await;
                return;
            }
        }
    };
    tokio::join!(read, write);
}

/// A line to an HTTP server that takes one request per connection, and loses some answers: the request goes through, the
/// server answers, and the client sees its connection break. It ends with this value.
pub(super) struct LossyLine {
    /// Where it listens.
    pub(super) port: u16,
    lost: Lost,
    _connections: JoinSet<()>,
}

/// Bodies of the answers that were lost, by Idempotency-Key.
type Lost = Arc<Mutex<HashMap<String, Vec<Vec<u8>>>>>;

impl LossyLine {
    /// One answer in `one_in` is lost.
    pub(super) async fn to(port: u16, one_in: u32) -> anyhow::Result<LossyLine> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let here = listener.local_addr()?.port();
        let lost = Lost::default();
        let mut tasks = JoinSet::new();
        let kept = Arc::clone(&lost);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let lost = Arc::clone(&kept);
                let lose = rand::random_ratio(1, one_in);
                connections.spawn(async move {
                    // A connection that breaks by itself is for the client to notice.
                    let _ = exchange(near, port, lose.then_some(&lost)).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(LossyLine { port: here, lost, _connections: tasks })
    }

    /// The bodies that were lost so far, by Idempotency-Key.
    pub(super) fn lost(&self) -> HashMap<String, Vec<Vec<u8>>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn exchange(mut near: TcpStream, port: u16, lost: Option<&Lost>) -> std::io::Result<()> {
    let mut far = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = message(&mut near).await?;
    far.write_all(&request.head).await?;
    far.write_all(&request.body).await?;
    let answer = message(&mut far).await?;
    let Some(lost) = lost else {
        near.write_all(&answer.head).await?;
        near.write_all(&answer.body).await?;
        return near.shutdown().await;
    };
    // Only what the server will stand by: a success, or a capture that was judged unusable.
    let is_kept = [&b"HTTP/1.1 200"[..], b"HTTP/1.1 201"].iter().any(|start| answer.head.starts_with(start));
    if let (true, Some(key)) = (is_kept, request.header("idempotency-key")) {
        lost.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().push(answer.body);
    }
    // Closed without a word: the client can't tell whether its request was carried out.
    Ok(())
}

struct Message {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Message {
    fn header(&self, name: &str) -> Option<String> {
        header(&self.head, name)
    }
}

fn header(head: &[u8], name: &str) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_owned())
}

/// Reads one HTTP/1.1 message with a Content-Length.
async fn message(from: &mut TcpStream) -> std::io::Result<Message> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; CHUNK];
    loop {
        let length = from.read(&mut piece).await?;
        bytes.extend_from_slice(piece.get(..length).unwrap_or_default());
        let head_ends = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        if let Some(head_ends) = head_ends {
            let length = header(bytes.get(..head_ends).unwrap_or_default(), "content-length");
            let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            if bytes.len() >= head_ends + length {
                let body = bytes.split_off(head_ends);
                return Ok(Message { head: bytes, body });
            }
        }
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}
