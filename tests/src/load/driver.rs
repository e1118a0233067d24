//! Many relying parties at once: each takes a fresh code of a random holder, redeems it and has a capture judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use reqwest::Client;
use serde::Deserialize;
use serde_json::json;
use wallet_core::capture::Statement;
use wallet_core::es256::sha256;
use wallet_core::jws::from_base64url;

use super::cpu;
use super::identities::LoadedRelyingParty;
use super::population::Population;
use super::report::{Acknowledged, GivenUp, Outcome, Report};
use super::sending::{Final, Patience, Sending};
use super::stock::Stock;
use crate::clients::fresh_key;

const JSON: &str = "application/json";
const BOUNDARY: &str = "ecert-load-7f3a9c";
const MULTIPART: &str = "multipart/form-data; boundary=ecert-load-7f3a9c";

/// Of a thousand captures, how many fail and how many are not judgeable; the rest passes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mix {
    /// Charged all the same.
    pub failed: u32,
    /// Not charged.
    pub unusable: u32,
}

/// When a load ends: whatever comes first. What is under way is finished.
#[derive(Debug, Clone, Default)]
pub struct Until {
    /// After this time.
    pub duration: Option<Duration>,
    /// After so many visits were begun.
    pub visits: Option<u64>,
    /// When this says so.
    pub flag: Option<Arc<AtomicBool>>,
}

/// Concurrent clients of a service, or of several replicas.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where the service is: client n begins at the n-th, and goes on to the next when a try fails.
    pub bases: Vec<String>,
    /// Who is there.
    pub population: Population,
    /// Clients at once.
    pub clients: usize,
    /// What becomes of captures.
    pub mix: Mix,
    /// Visits begun a second, over all clients; none: as fast as they are answered.
    pub rate: Option<f64>,
    /// When it ends.
    pub until: Until,
    /// How long a client tries.
    pub patience: Patience,
    /// Codes signed before the clock starts. A code is fresh for a minute.
    pub prepared: usize,
    /// Whether [`Report::acknowledged`] is kept, about 5 KiB each.
    pub keep: bool,
}

struct Shared {
    load: Load,
    http: Client,
    stock: Stock,
    started: Instant,
    begun: AtomicU64,
}

#[derive(Deserialize)]
struct Opened {
    id: String,
    challenge: Challenge,
}

#[derive(Deserialize)]
struct Challenge {
    nonce: String,
}

/// What is needed of an answer: the judged one, or the problem of a capture that was not judgeable.
#[derive(Deserialize)]
struct Judged {
    charge: Option<Charge>,
    receipt: Option<String>,
}

#[derive(Deserialize)]
struct Charge {
    id: String,
}

impl Load {
    /// 32 clients at one service, every capture passes; set when it ends.
    pub fn on(base: &str, population: &Population) -> Load {
        Load {
            bases: vec![base.to_owned()],
            population: population.clone(),
            clients: 32,
            mix: Mix::default(),
            rate: None,
            until: Until::default(),
            patience: Patience::default(),
            prepared: 0,
            keep: false,
        }
    }

    /// Runs the load to its end, in the runtime of whoever calls.
    ///
    /// # Errors
    /// When it can't be driven at all: an empty population, an answer of another form. Refusals, malfunctions and
    /// lost connections are no errors here; they stand in the report.
    pub async fn run(&self) -> anyhow::Result<Report> {
        ensure!(
            !self.bases.is_empty() && self.population.relying_parties > 0,
            "nobody to redeem, or nowhere"
        );
        let stock = Stock::new(self.population.clone());
        stock.fill(self.prepared)?;
        let (http, begun, own) = (client()?, AtomicU64::new(0), cpu::own()?);
        let shared = Arc::new(Shared { load: self.clone(), http, stock, started: Instant::now(), begun });
        let clients: Vec<_> =
            (0..self.clients).map(|number| tokio::spawn(be_client(Arc::clone(&shared), number))).collect();
        let mut report = Report::default();
        for client in clients {
            report.merge(client.await.context("a client of the load panicked")??);
        }
        report.driver_cpu = cpu::own()?.saturating_sub(own);
        Ok(report.finish(shared.started.elapsed()))
    }

    /// Sends the capture of an acknowledged redemption again under its key: whether the same answer comes, byte for
    /// byte.
    ///
    /// # Errors
    /// When no final answer comes in time.
    pub async fn answers_the_same(&self, acknowledged: &Acknowledged) -> anyhow::Result<bool> {
        let party = self.population.identities.relying_party(acknowledged.relying_party);
        let body = capture(&acknowledged.nonce, acknowledged.outcome)?;
        let path = format!("/v1/redemptions/{}/captures", acknowledged.redemption);
        let http = client()?;
        let sending = Sending {
            http: &http,
            bases: &self.bases,
            first: 0,
            path: &path,
            api_key: &party.api_key,
            key: &acknowledged.capture_key,
            content_type: MULTIPART,
            body,
        };
        let sent = sending.send(self.patience, &mut Report::default()).await;
        let answer = sent.map_err(|cause| anyhow::anyhow!("no answer to a capture sent again: {cause}"))?;
        Ok(sha256(&answer.body) == acknowledged.answer)
    }
}

fn client() -> anyhow::Result<Client> {
    Ok(Client::builder().no_proxy().connect_timeout(Duration::from_secs(3)).build()?)
}

async fn be_client(shared: Arc<Shared>, number: usize) -> anyhow::Result<Report> {
    let mut report = Report::default();
    while let Some(due) = shared.next().await {
        let visit = Visit::new(&shared, number);
        visit.make(due, &mut report).await?;
    }
    Ok(report)
}

impl Shared {
    /// Waits for the next visit's turn: the moment at which it is due, or none when the load ends.
    async fn next(&self) -> Option<Instant> {
        let until = &self.load.until;
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        if until.visits.is_some_and(|visits| number >= visits) {
            return None;
        }
        let due = match self.load.rate {
            Some(rate) => self.started + Duration::from_secs_f64(number as f64 / rate),
            None => Instant::now(),
        };
        if until.duration.is_some_and(|duration| due >= self.started + duration) {
            return None;
        }
        tokio::time::sleep_until(due.into()).await;
        // Behind its time is too late as well.
        let is_over = until.duration.is_some_and(|duration| self.started.elapsed() >= duration)
            || until.flag.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed));
        (!is_over).then_some(due)
    }
}

/// One person at one relying party.
struct Visit<'a> {
    shared: &'a Shared,
    client: usize,
    number: u64,
    party: LoadedRelyingParty,
    outcome: Outcome,
    open_key: String,
    capture_key: String,
}

impl<'a> Visit<'a> {
    fn new(shared: &'a Shared, client: usize) -> Visit<'a> {
        let people = &shared.load.population;
        let number = rand::random_range(0..people.relying_parties);
        let (drawn, mix) = (rand::random_range(0..1_000), shared.load.mix);
        let outcome = match drawn {
            _ if drawn < mix.failed => Outcome::Failed,
            _ if drawn < mix.failed + mix.unusable => Outcome::Unusable,
            _ => Outcome::Passed,
        };
        let party = people.identities.relying_party(number);
        Visit { shared, client, number, party, outcome, open_key: fresh_key(), capture_key: fresh_key() }
    }

    async fn make(&self, due: Instant, report: &mut Report) -> anyhow::Result<()> {
        let (code, late) = self.shared.stock.code()?;
        report.signed_late += u64::from(late);
        let Some(opened) = self.open(&code, report).await? else { return Ok(()) };
        report.opened += 1;
        let Some(answer) = self.judge(&opened, report).await? else { return Ok(()) };
        let now = Instant::now();
        report.visit.add(now.duration_since(due));
        report.moments.push(now);
        *report.outcomes.entry(self.outcome).or_default() += 1;
        if self.shared.load.keep {
            report.acknowledged.push(self.acknowledged(opened, &answer)?);
        }
        Ok(())
    }

    async fn open(&self, code: &str, report: &mut Report) -> anyhow::Result<Option<Opened>> {
        let body = serde_json::to_vec(&json!({ "code": code, "purpose": "check" }))?;
        let sending = self.sending("/v1/redemptions", &self.open_key, JSON, body);
        let started = Instant::now();
        let answer = sending.send(self.shared.load.patience, report).await;
        report.open.add(started.elapsed());
        let Some(answer) = self.settled("open", None, answer, report) else { return Ok(None) };
        match answer.status {
            201 => Ok(Some(
                serde_json::from_slice(&answer.body).context("an opened redemption has another form")?,
            )),
            _ => {
                Report::count(&mut report.refusals, format!("open {}", answer.refusal()));
                Ok(None)
            }
        }
    }

    async fn judge(&self, opened: &Opened, report: &mut Report) -> anyhow::Result<Option<Final>> {
        let body = capture(&opened.challenge.nonce, self.outcome)?;
        let path = format!("/v1/redemptions/{}/captures", opened.id);
        let sending = self.sending(&path, &self.capture_key, MULTIPART, body);
        let started = Instant::now();
        let answer = sending.send(self.shared.load.patience, report).await;
        report.judge.add(started.elapsed());
        let Some(answer) = self.settled("judge", Some(&opened.id), answer, report) else { return Ok(None) };
        let is_expected = match self.outcome {
            Outcome::Unusable => answer.status == 422 && answer.refusal().contains("capture-unusable"),
            Outcome::Passed | Outcome::Failed => answer.status == 200,
        };
        if !is_expected {
            Report::count(&mut report.refusals, format!("judge {}", answer.refusal()));
        }
        Ok(is_expected.then_some(answer))
    }

    fn sending<'b>(
        &'b self,
        path: &'b str,
        key: &'b str,
        content_type: &'b str,
        body: Vec<u8>,
    ) -> Sending<'b> {
        let Shared { load, http, .. } = self.shared;
        let api_key = &self.party.api_key;
        Sending { http, bases: &load.bases, first: self.client, path, api_key, key, content_type, body }
    }

    /// The answer; without one, the visit is noted as given up.
    fn settled(
        &self,
        step: &'static str,
        redemption: Option<&str>,
        answer: Result<Final, String>,
        report: &mut Report,
    ) -> Option<Final> {
        let key = if step == "open" { &self.open_key } else { &self.capture_key };
        let given_up = |last| GivenUp {
            step,
            redemption: redemption.map(str::to_owned),
            relying_party: self.number,
            key: key.clone(),
            last,
            at: self.shared.started.elapsed(),
        };
        answer.map_err(|last| report.given_up.push(given_up(last))).ok()
    }

    fn acknowledged(&self, opened: Opened, answer: &Final) -> anyhow::Result<Acknowledged> {
        let judged: Judged = serde_json::from_slice(&answer.body).context("an answer has another form")?;
        if judged.charge.is_some() != self.outcome.is_charged() {
            bail!("{:?} was answered, and what it cost does not fit that", self.outcome);
        }
        Ok(Acknowledged {
            redemption: opened.id,
            relying_party: self.number,
            outcome: self.outcome,
            charge: judged.charge.map(|charge| charge.id),
            receipt: judged.receipt.context("an answer without a receipt")?,
            open_key: self.open_key.clone(),
            capture_key: self.capture_key.clone(),
            nonce: opened.challenge.nonce,
            answer: sha256(&answer.body),
            at: self.shared.started.elapsed(),
        })
    }
}

/// A capture of two tiny frames as a multipart body, the same bytes each time.
fn capture(nonce: &str, outcome: Outcome) -> anyhow::Result<Vec<u8>> {
    let nonce = from_base64url(nonce)?.try_into().ok().context("a nonce has 16 bytes")?;
    let frames = [outcome.frame().to_vec(), b"another frame".to_vec()];
    let statement = serde_json::to_vec(&Statement::about(&nonce, &frames, 200))?;
    let part = |body: &mut Vec<u8>, disposition: &str, bytes: &[u8]| {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    };
    let mut body = Vec::with_capacity(1024);
    part(&mut body, "name=\"capture\"", &statement);
    for frame in &frames {
        part(&mut body, "name=\"frame\"; filename=\"frame.jpg\"", frame);
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    Ok(body)
}
