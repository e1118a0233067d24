//! Visits without end: many clients open and judge redemptions, and write down what they were told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use wallet_core::es256::sha256;
use wallet_core::jws::from_base64url;

use super::client::{Ask, Reply, Site, What};
use crate::clients::{fresh_key, nonce, text};

/// A visit that waits longer than this lets another client start: it goes on asking without holding up the load.
const INLINE: Duration = Duration::from_secs(2);

/// An answer that a client holds in its hands.
#[derive(Debug, Clone)]
pub(super) struct Acknowledged {
    /// How it was asked for, so that it can be asked for again.
    pub(super) ask: Ask,
    /// SHA-256 of the answer's bytes.
    pub(super) answer: [u8; 32],
    /// The relying party that asked.
    pub(super) rp: String,
    /// Requests it took.
    pub(super) tries: u32,
    /// The redemption.
    pub(super) redemption: String,
    /// The outcome with its money, once judged.
    pub(super) judged: Option<Judged>,
}

/// What a client was told of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    /// `passed`, `failed` or `unusable`.
    pub(super) outcome: String,
    /// The attempt in the receipt.
    pub(super) attempt: String,
    /// SHA-256 of the receipt.
    pub(super) receipt: [u8; 32],
    /// What was charged: none when it was unusable.
    pub(super) charge: Option<Charge>,
}

/// What a client was told of its charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Charge {
    /// The charge.
    pub(super) id: String,
    /// The transaction in the ledger.
    pub(super) transaction: String,
    /// The amount.
    pub(super) micros: i64,
}

/// What all clients were told, in the order in which they were.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Redemptions opened.
    pub(super) opened: Vec<Acknowledged>,
    /// Captures judged, or found unusable.
    pub(super) captures: Vec<Acknowledged>,
    /// Refusals that asking again would not change.
    pub(super) refused: BTreeMap<String, u64>,
    /// Replies that made a client ask again; `-` stands for none at all.
    pub(super) retried: BTreeMap<String, u64>,
    /// Answers that no client can make sense of.
    pub(super) odd: Vec<String>,
    /// How long each request took that was answered at once.
    pub(super) latencies: Vec<Duration>,
    pending: u64,
    /// The last answer to a capture; none while clients are not at work.
    last: Option<Instant>,
    longest_gap: Duration,
}

impl Journal {
    fn heard(&mut self) {
        if let Some(last) = &mut self.last {
            self.longest_gap = self.longest_gap.max(last.elapsed());
            *last = Instant::now();
        }
    }

    /// Writes down the answer to an opening: the redemption and its nonce, or none when it was refused.
    ///
    /// # Errors
    /// When the answer makes no sense.
    pub(super) fn take_opening(
        &mut self,
        site: &Site,
        ask: Ask,
        reply: &Reply,
        tries: u32,
    ) -> anyhow::Result<Option<(String, [u8; 16])>> {
        if reply.status != 201 {
            *self.refused.entry(format!("open {}", reply.refusal())).or_default() += 1;
            return Ok(None);
        }
        let body = reply.json();
        let (redemption, nonce) = (text(&body, "/id")?, nonce(&body, "/challenge/nonce")?);
        let rp = site.rp(ask.shop);
        let answer = sha256(&reply.body);
        self.opened.push(Acknowledged {
            ask,
            answer,
            rp,
            tries,
            redemption: redemption.clone(),
            judged: None,
        });
        Ok(Some((redemption, nonce)))
    }

    /// Writes down the answer to a capture: its outcome, or none when it was refused without being looked at.
    ///
    /// # Errors
    /// When the answer makes no sense.
    pub(super) fn take_capture(
        &mut self,
        site: &Site,
        ask: Ask,
        redemption: &str,
        reply: &Reply,
        tries: u32,
    ) -> anyhow::Result<Option<String>> {
        let Some(judged) = judged(reply)? else {
            *self.refused.entry(format!("judge {}", reply.refusal())).or_default() += 1;
            return Ok(None);
        };
        self.heard();
        let outcome = judged.outcome.clone();
        let (rp, answer) = (site.rp(ask.shop), sha256(&reply.body));
        let redemption = redemption.to_owned();
        self.captures.push(Acknowledged { ask, answer, rp, tries, redemption, judged: Some(judged) });
        Ok(Some(outcome))
    }
}

/// Clients at work. They end with this value.
pub(super) struct Traffic {
    site: Arc<Site>,
    journal: Arc<Mutex<Journal>>,
    room: Arc<Semaphore>,
    clients: u32,
    tasks: JoinSet<()>,
}

impl Traffic {
    /// So many clients at once, each busy with one visit at a time. There are none at first.
    pub(super) fn new(site: Arc<Site>, clients: u32) -> Traffic {
        let room = Arc::new(Semaphore::new(clients as usize));
        Traffic { site, journal: Arc::default(), room, clients, tasks: JoinSet::new() }
    }

    /// Begins, or begins anew.
    pub(super) fn go(&mut self) {
        self.journal().last = Some(Instant::now());
        let (site, journal, room) =
            (Arc::clone(&self.site), Arc::clone(&self.journal), Arc::clone(&self.room));
        self.tasks.spawn(async move {
            let mut visits = JoinSet::new();
            // Closed by `settle`: no more visits, and those under way come to their end.
            while let Ok(place) = Arc::clone(&room).acquire_owned().await {
                visits.spawn(visit(Arc::clone(&site), Arc::clone(&journal), place));
                while visits.try_join_next().is_some() {}
            }
            while visits.join_next().await.is_some() {}
        });
    }

    /// What was told so far.
    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was told beyond the first so many openings and captures, with every refusal and oddity.
    pub(super) fn told_since(&self, (opened, captures): (usize, usize)) -> Journal {
        let journal = self.journal();
        Journal {
            opened: journal.opened.get(opened..).unwrap_or_default().to_vec(),
            captures: journal.captures.get(captures..).unwrap_or_default().to_vec(),
            refused: journal.refused.clone(),
            odd: journal.odd.clone(),
            ..Journal::default()
        }
    }

    /// How many captures were answered.
    pub(super) fn answered(&self) -> usize {
        self.journal().captures.len()
    }

    /// Waits until `more` captures are answered beyond those so far; how long it took, or none when it took longer.
    pub(super) async fn goes_on(&self, more: usize, within: Duration) -> Option<Duration> {
        let (began, before) = (Instant::now(), self.answered());
        while self.answered() < before + more {
            if began.elapsed() > within {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Some(began.elapsed())
    }

    /// The longest time without an answer to a capture while clients were at work.
    pub(super) fn longest_gap(&self) -> Duration {
        let journal = self.journal();
        journal.longest_gap.max(journal.last.map_or(Duration::ZERO, |last| last.elapsed()))
    }

    /// Starts no more visits and waits until each has its answer. How many have none after `patience`.
    pub(super) async fn settle(&mut self, patience: Duration) -> u64 {
        self.room.close();
        {
            let mut journal = self.journal();
            if let Some(last) = journal.last.take() {
                journal.longest_gap = journal.longest_gap.max(last.elapsed());
            }
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Those that are left are counted as pending.
        let _ = tokio::time::timeout(patience, all).await;
        self.tasks.abort_all();
        self.room = Arc::new(Semaphore::new(self.clients as usize));
        self.journal().pending
    }

    /// Asks again for answers that were given, `most` of them and first those that took more than one request: how many
    /// differ by a single bit.
    pub(super) async fn changed(&self, most: usize) -> anyhow::Result<u64> {
        let mut known: Vec<Acknowledged> = {
            let journal = self.journal();
            journal.opened.iter().chain(&journal.captures).cloned().collect()
        };
        known.sort_by_key(|answer| std::cmp::Reverse(answer.tries));
        let differing = Arc::new(AtomicU64::new(0));
        let room = Arc::new(Semaphore::new(8));
        let mut asking = JoinSet::new();
        for answer in known.into_iter().take(most) {
            let place = Arc::clone(&room).acquire_owned().await?;
            let (site, differing) = (Arc::clone(&self.site), Arc::clone(&differing));
            asking.spawn(async move {
                let _place = place;
                let (reply, _) = site.until_answered(&answer.ask, |_| {}).await;
                if sha256(&reply.body) != answer.answer {
                    differing.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while asking.join_next().await.is_some() {}
        Ok(differing.load(Ordering::Relaxed))
    }
}

/// A client in a visit.
struct Asking<'a> {
    site: &'a Site,
    journal: &'a Mutex<Journal>,
    place: Option<OwnedSemaphorePermit>,
    began: Instant,
}

impl Asking<'_> {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&mut self, ask: &Ask) -> (Reply, u32) {
        self.journal().pending += 1;
        let (journal, place, began) = (self.journal, &mut self.place, self.began);
        let answer = self.site.until_answered(ask, |reply| {
            let word = reply.map_or_else(|| "-".to_owned(), Reply::refusal);
            let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
            *journal.retried.entry(word).or_default() += 1;
            if began.elapsed() > INLINE {
                *place = None;
            }
        });
        let asked = Instant::now();
        let answer = answer.await;
        let mut journal = self.journal();
        journal.pending -= 1;
        if answer.1 == 1 {
            journal.latencies.push(asked.elapsed());
        }
        answer
    }
}

/// Opens a redemption and shows a face: mostly one that passes.
async fn visit(site: Arc<Site>, journal: Arc<Mutex<Journal>>, place: OwnedSemaphorePermit) {
    let mut asking = Asking { site: &site, journal: &journal, place: Some(place), began: Instant::now() };
    if let Err(error) = walk(&mut asking).await {
        asking.journal().odd.push(format!("{error:#}"));
    }
}

async fn walk(asking: &mut Asking<'_>) -> anyhow::Result<()> {
    let people = &asking.site.people;
    let shop = rand::random_range(0..people.relying_parties);
    let code = asking.site.code(rand::random_range(0..people.holders))?;
    let ask = Ask { shop, key: fresh_key(), what: What::Open { code } };
    let (reply, tries) = asking.answer(&ask).await;
    let Some((redemption, nonce)) = asking.journal().take_opening(asking.site, ask, &reply, tries)? else {
        return Ok(());
    };
    let mut face = match rand::random_range(0..10) {
        0 => b'U',
        1 => b'F',
        _ => b'P',
    };
    loop {
        let what = What::Judge { redemption: redemption.clone(), nonce, face };
        let ask = Ask { shop, key: fresh_key(), what };
        let (reply, tries) = asking.answer(&ask).await;
        let outcome = asking.journal().take_capture(asking.site, ask, &redemption, &reply, tries)?;
        if outcome.is_none_or(|outcome| outcome != "unusable") {
            return Ok(());
        }
        face = b'P';
    }
}

/// What became of a capture, or none when it was refused without being looked at.
fn judged(reply: &Reply) -> anyhow::Result<Option<Judged>> {
    let body = reply.json();
    let Some(receipt) = body["receipt"].as_str() else {
        anyhow::ensure!(reply.status >= 400, "an answer without a receipt: {}", reply.refusal());
        return Ok(None);
    };
    let said = claims(receipt)?;
    let charge = match &said["charge"] {
        Value::Null => None,
        charge => Some(Charge {
            id: text(charge, "/id")?,
            transaction: text(charge, "/transaction")?,
            micros: charge["amount"]["micros"].as_i64().unwrap_or(-1),
        }),
    };
    let in_answer = body["charge"]["id"].as_str();
    anyhow::ensure!(
        in_answer == charge.as_ref().map(|charge| charge.id.as_str()),
        "the receipt is about another charge than the answer"
    );
    let outcome = text(&said, "/outcome")?;
    anyhow::ensure!((outcome == "unusable") == charge.is_none(), "{outcome}, and the charge does not fit");
    let attempt = text(&said, "/attempt")?;
    Ok(Some(Judged { outcome, attempt, receipt: sha256(receipt.as_bytes()), charge }))
}

/// What a JWS says; that it is signed as it must be is shown elsewhere.
fn claims(jws: &str) -> anyhow::Result<Value> {
    let payload = jws.split('.').nth(1).unwrap_or_default();
    Ok(serde_json::from_slice(&from_base64url(payload)?)?)
}
