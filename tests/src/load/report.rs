//! What came of a load.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

/// What became of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Charged.
    Passed,
    /// Charged.
    Failed,
    /// Not charged.
    Unusable,
}

impl Outcome {
    /// Whether the service charges for it.
    pub fn is_charged(self) -> bool {
        self != Outcome::Unusable
    }

    /// The frame that makes a service without models come to it.
    pub(super) fn frame(self) -> &'static [u8] {
        match self {
            Outcome::Passed => b"P, a frame",
            Outcome::Failed => b"F, a frame",
            Outcome::Unusable => b"U, a frame",
        }
    }
}

/// A redemption that the service answered for to the end: it must still be there after any fault.
#[derive(Debug, Clone, Serialize)]
pub struct Acknowledged {
    /// The redemption.
    pub redemption: String,
    /// The number of the relying party in the population.
    pub relying_party: u64,
    /// What was answered.
    pub outcome: Outcome,
    /// What was charged; none when unusable.
    pub charge: Option<String>,
    /// The JWS.
    pub receipt: String,
    /// The key under which it was opened.
    pub open_key: String,
    /// The key under which the capture was judged.
    pub capture_key: String,
    /// The nonce that the capture answered.
    pub nonce: String,
    /// SHA-256 of the answer's body: the same key must give the same bytes.
    #[serde(skip)]
    pub answer: [u8; 32],
    /// When, since the start of the load.
    pub at: Duration,
}

/// A visit that a relying party gave up: what became of it is not known.
#[derive(Debug, Clone, Serialize)]
pub struct GivenUp {
    /// `open` or `judge`.
    pub step: &'static str,
    /// The redemption, where one was opened.
    pub redemption: Option<String>,
    /// The number of the relying party in the population.
    pub relying_party: u64,
    /// The Idempotency-Key that got no answer.
    pub key: String,
    /// What the last try met.
    pub last: String,
    /// When, since the start of the load.
    pub at: Duration,
}

/// Times of answers, in microseconds.
#[derive(Debug, Clone, Default)]
pub struct Latencies(Vec<u64>);

impl Latencies {
    pub(super) fn add(&mut self, took: Duration) {
        self.0.push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    fn append(&mut self, other: &mut Latencies) {
        self.0.append(&mut other.0);
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time within which this share of the answers came (nearest rank); zero where there was none.
    pub fn percentile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within the list")]
        let rank = (share * sorted.len() as f64).ceil() as usize;
        let place = rank.clamp(1, sorted.len().max(1)) - 1;
        Duration::from_micros(sorted.get(place).copied().unwrap_or(0))
    }
}

/// What one client saw, and all of them together.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// From the start to the last client's end.
    pub elapsed: Duration,
    /// Redemptions opened.
    pub opened: u64,
    /// Judged, by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Refused for good, as `step status code`.
    pub refusals: BTreeMap<String, u64>,
    /// Tries that were made again, by cause.
    pub retries: BTreeMap<String, u64>,
    /// Visits whose end is not known.
    pub given_up: Vec<GivenUp>,
    /// Every redemption that was acknowledged, where the load keeps them.
    pub acknowledged: Vec<Acknowledged>,
    /// From sending `POST /v1/redemptions` to its answer, tries together.
    pub open: Latencies,
    /// The same of the capture.
    pub judge: Latencies,
    /// Both together; under a rate, from the moment at which the visit was due.
    pub visit: Latencies,
    /// Codes that had to be signed while the clock ran: more than a few, and the driver was part of the load.
    pub signed_late: u64,
    /// CPU time of the process that drove, after the codes were signed.
    pub driver_cpu: Duration,
    /// Moments of acknowledgements.
    pub(super) moments: Vec<Instant>,
}

impl Report {
    /// Passed and failed: what the ledger must hold.
    pub fn charged(&self) -> u64 {
        self.outcomes.iter().filter(|(outcome, _)| outcome.is_charged()).map(|(_, count)| count).sum()
    }

    /// Charged redemptions a second.
    pub fn charged_per_second(&self) -> f64 {
        self.charged() as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// The longest time between two acknowledgements that followed one another, over all clients.
    pub fn longest_gap(&self) -> Duration {
        let pairs = self.moments.iter().zip(self.moments.iter().skip(1));
        pairs.map(|(one, next)| next.duration_since(*one)).max().unwrap_or_default()
    }

    pub(super) fn count(list: &mut BTreeMap<String, u64>, what: String) {
        *list.entry(what).or_default() += 1;
    }

    /// Takes in what another client saw; in the end call [`Report::finish`].
    pub(super) fn merge(&mut self, mut other: Report) {
        self.opened += other.opened;
        self.signed_late += other.signed_late;
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        for (list, others) in [(&mut self.refusals, other.refusals), (&mut self.retries, other.retries)] {
            for (what, count) in others {
                *list.entry(what).or_default() += count;
            }
        }
        self.given_up.append(&mut other.given_up);
        self.acknowledged.append(&mut other.acknowledged);
        self.open.append(&mut other.open);
        self.judge.append(&mut other.judge);
        self.visit.append(&mut other.visit);
        self.moments.append(&mut other.moments);
    }

    pub(super) fn finish(mut self, elapsed: Duration) -> Report {
        self.elapsed = elapsed;
        self.moments.sort_unstable();
        self.acknowledged.sort_by_key(|acknowledged| acknowledged.at);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let latencies = Latencies((1..=200).rev().collect());
        let at = |share| latencies.percentile(share).as_micros();
        assert_eq!((at(0.5), at(0.99), at(1.0), at(0.0)), (100, 198, 200, 1));
        assert_eq!(Latencies::default().percentile(0.99), Duration::ZERO);
    }

    #[test]
    fn the_longest_gap_is_over_all_clients() {
        let start = Instant::now();
        let at = |millis: &[u64]| Report {
            moments: millis.iter().map(|millis| start + Duration::from_millis(*millis)).collect(),
            ..Report::default()
        };
        let mut both = at(&[0, 900]);
        both.merge(at(&[300, 500]));
        assert_eq!(both.finish(Duration::from_secs(1)).longest_gap(), Duration::from_millis(400));
    }
}
