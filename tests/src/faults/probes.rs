//! Requests that are sent while something is wrong, to see what clients are told, and how soon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::client::{Ask, Reply, Site, What, is_shed};
use super::traffic::Traffic;
use crate::clients::fresh_key;

/// How soon `/healthz` must answer, whatever is wrong.
const HEALTHY: Duration = Duration::from_secs(1);

/// What came of one opening.
pub(super) struct Probe {
    /// What was asked; it is asked again at the end, so that it can be accounted for.
    ask: Ask,
    /// The first answer, if there was one.
    pub(super) reply: Option<Reply>,
    /// How long it took.
    pub(super) took: Duration,
}

/// Openings at a steady pace, and `/healthz` beside them.
pub(super) struct Probes {
    /// Each opening.
    pub(super) all: Vec<Probe>,
    /// How often `/healthz` was late or wrong.
    pub(super) unhealthy: usize,
}

impl Probes {
    /// Sends one opening every `every`, for `lasting`, whether or not those before are answered; then waits for all.
    pub(super) async fn send(site: &Arc<Site>, every: Duration, lasting: Duration) -> anyhow::Result<Probes> {
        let (began, mut sent, mut unhealthy) = (Instant::now(), JoinSet::new(), 0);
        while began.elapsed() < lasting {
            let people = &site.people;
            let code = site.code(rand::random_range(0..people.holders))?;
            let shop = rand::random_range(0..people.relying_parties);
            let ask = Ask { shop, key: fresh_key(), what: What::Open { code } };
            let site_of_it = Arc::clone(site);
            sent.spawn(async move {
                let began = Instant::now();
                let reply = site_of_it.once(&ask).await.ok();
                Probe { ask, reply, took: began.elapsed() }
            });
            let health = tokio::time::timeout(HEALTHY, site.get("/healthz", None)).await;
            if !health.is_ok_and(|health| health.is_ok_and(|health| health.status == 200)) {
                unhealthy += 1;
            }
            tokio::time::sleep(every).await;
        }
        let mut all = Vec::new();
        while let Some(probe) = sent.join_next().await {
            all.push(probe?);
        }
        Ok(Probes { all, unhealthy })
    }

    /// How many were told to come again later.
    pub(super) fn shed(&self) -> usize {
        self.all.iter().filter(|probe| probe.reply.as_ref().is_some_and(is_shed)).count()
    }

    /// How many were carried out.
    pub(super) fn carried_out(&self) -> usize {
        self.all.iter().filter(|probe| probe.reply.as_ref().is_some_and(|reply| reply.status < 300)).count()
    }

    /// The longest that one waited.
    pub(super) fn slowest(&self) -> Duration {
        self.all.iter().map(|probe| probe.took).max().unwrap_or_default()
    }

    /// What they were told, and how often.
    pub(super) fn words(&self) -> String {
        let mut counts = BTreeMap::<String, usize>::new();
        for probe in &self.all {
            let word = match &probe.reply {
                None => "no answer".to_owned(),
                Some(reply) if reply.status < 300 => reply.status.to_string(),
                Some(reply) if is_shed(reply) => format!("{} with Retry-After", reply.refusal()),
                Some(reply) => reply.refusal(),
            };
            *counts.entry(word).or_default() += 1;
        }
        counts.iter().map(|(word, count)| format!("{word} ×{count}")).collect::<Vec<_>>().join(", ")
    }

    /// Asks again for each, so that the journal knows what became of it.
    pub(super) async fn account(self, site: &Arc<Site>, traffic: &Traffic) -> anyhow::Result<()> {
        for probe in self.all {
            let (reply, tries) = site.until_answered(&probe.ask, |_| {}).await;
            traffic.journal().take_opening(site, probe.ask, &reply, tries + 1)?;
        }
        Ok(())
    }
}
