//! One request, sent as a good relying party must: again under the same Idempotency-Key until it has an answer, not
//! before the time that the service names, and not for ever.

use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response};
use serde_json::Value;

use super::report::Report;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How patient a client is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For an answer to one try.
    pub one_try: Duration,
    /// From the first try to giving up.
    pub all_tries: Duration,
    /// The longest that a Retry-After is waited for.
    pub retry_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Patience { one_try: seconds(10), all_tries: seconds(60), retry_after: seconds(5) }
    }
}

/// A request that may be sent again and again.
pub(super) struct Sending<'a> {
    pub(super) http: &'a Client,
    /// Where the service is; the next one is tried after a try that failed.
    pub(super) bases: &'a [String],
    /// The one to begin with.
    pub(super) first: usize,
    pub(super) path: &'a str,
    pub(super) api_key: &'a str,
    pub(super) key: &'a str,
    pub(super) content_type: &'a str,
    pub(super) body: Vec<u8>,
}

/// The final answer: neither a malfunction nor "come again".
pub(super) struct Final {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Final {
    /// `status code/reason` of a refusal.
    pub(super) fn refusal(&self) -> String {
        format!("{} {}", self.status, code_of(&self.body))
    }
}

enum Tried {
    Final(Final),
    Again { cause: String, after: Option<Duration> },
}

impl Sending<'_> {
    /// Sends until there is a final answer; `Err` with the last cause when patience ends.
    pub(super) async fn send(&self, patience: Patience, report: &mut Report) -> Result<Final, String> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        for turn in 0_usize.. {
            let (cause, after) = match self.once(turn, patience).await {
                Tried::Final(answer) => return Ok(answer),
                Tried::Again { cause, after } => (cause, after),
            };
            // Half to all of it, so that those who fell together do not come back together.
            let wait = after.map_or(pause, |after| after.min(patience.retry_after));
            let wait =
                wait.mul_f64(rand::random_range(0.5..=1.0)).max(after.map_or(Duration::ZERO, |_| wait));
            if started.elapsed() + wait >= patience.all_tries {
                return Err(cause);
            }
            Report::count(&mut report.retries, cause);
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err("no try was made".to_owned())
    }

    async fn once(&self, turn: usize, patience: Patience) -> Tried {
        let place = (self.first + turn) % self.bases.len().max(1);
        let base = self.bases.get(place).map_or("", String::as_str);
        let request = self.http.post(format!("{base}{}", self.path)).timeout(patience.one_try);
        let request = request.bearer_auth(self.api_key).header("Idempotency-Key", self.key);
        match request.header(CONTENT_TYPE, self.content_type).body(self.body.clone()).send().await {
            Ok(response) => read(response).await,
            Err(error) => again(&error),
        }
    }
}

async fn read(response: Response) -> Tried {
    let (status, after) = (response.status().as_u16(), retry_after(response.headers()));
    let body = match response.bytes().await {
        Ok(body) => body.to_vec(),
        // The answer broke off: what was decided is not known.
        Err(error) => return again(&error),
    };
    let code = || code_of(&body);
    match status {
        408 | 429 | 500..=599 => Tried::Again { cause: format!("{status} {}", code()), after },
        409 if code() == "request-in-progress" => Tried::Again { cause: format!("409 {}", code()), after },
        _ => Tried::Final(Final { status, body }),
    }
}

fn again(error: &reqwest::Error) -> Tried {
    let cause = match error {
        _ if error.is_timeout() => "time-out",
        _ if error.is_connect() => "no connection",
        _ => "connection lost",
    };
    Tried::Again { cause: cause.to_owned(), after: None }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// `code` or `code/reason` of a problem.
fn code_of(body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |member: &str| problem[member].as_str().map(str::to_owned);
    let code = text("code").unwrap_or_else(|| "-".to_owned());
    text("reason").map_or_else(|| code.clone(), |reason| format!("{code}/{reason}"))
}
