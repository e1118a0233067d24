//! What the product counts and times, for /metrics. One typed place, so that a name or a label is written once.
//!
//! Invariant: labels are words from the code (a stage, an outcome, the API's code of a refusal, a job), never anything that a
//! caller sent or that says who somebody is. Counters are for watching; money is counted by the ledger alone, and a process
//! that dies between a commit and its counter loses the count.

use std::time::{Duration, SystemTime};

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};
use tracing::Instrument as _;

use super::traces;

/// Seconds. From a signature (0.1 ms) to an upload over a bad mobile network (30 s).
pub const BUCKETS: [f64; 17] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
];

/// A stage of what the product does: what is timed, and a span in traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A relying party's API key.
    AuthenticateRelyingParty,
    /// A holder's token and proof.
    AuthenticateHolder,
    /// A new device's proof.
    AuthenticateNewDevice,
    /// An admin's token.
    AuthenticateAdmin,
    /// Redemption: the transaction that resolves and spends a code.
    RedemptionOpen,
    /// Redemption: the frames come in.
    RedemptionUpload,
    /// Redemption: the transaction that claims the Idempotency-Key and checks that judging makes sense.
    RedemptionClaim,
    /// Redemption: waiting for the models, decoding, detecting, embedding.
    RedemptionModels,
    /// Redemption: the transaction that decides, charges and answers.
    RedemptionSettle,
    /// Use of another service: the pictures come in.
    UseUpload,
    /// Use of another service: waiting for the models, decoding, looking.
    UseModels,
    /// Enrolment: the transaction that records the consent.
    EnrolmentStart,
    /// Enrolment: the pictures come in.
    EnrolmentUpload,
    /// Enrolment: the transaction that counts a try.
    EnrolmentClaim,
    /// Enrolment: waiting for the models, reading the card.
    EnrolmentDocument,
    /// Enrolment: waiting for the models, looking at the face.
    EnrolmentModels,
    /// Enrolment: asking the authoritative source.
    EnrolmentSource,
    /// Enrolment: the transaction that issues.
    EnrolmentIssue,
    /// A signature by the issuing key, whatever for.
    Sign,
}

impl Stage {
    const ALL: [Stage; 19] = [
        Stage::AuthenticateRelyingParty,
        Stage::AuthenticateHolder,
        Stage::AuthenticateNewDevice,
        Stage::AuthenticateAdmin,
        Stage::RedemptionOpen,
        Stage::RedemptionUpload,
        Stage::RedemptionClaim,
        Stage::RedemptionModels,
        Stage::RedemptionSettle,
        Stage::UseUpload,
        Stage::UseModels,
        Stage::EnrolmentStart,
        Stage::EnrolmentUpload,
        Stage::EnrolmentClaim,
        Stage::EnrolmentDocument,
        Stage::EnrolmentModels,
        Stage::EnrolmentSource,
        Stage::EnrolmentIssue,
        Stage::Sign,
    ];

    /// The labels `operation` and `stage`.
    fn labels(self) -> [&'static str; 2] {
        match self {
            Stage::AuthenticateRelyingParty => ["relying_party", "authenticate"],
            Stage::AuthenticateHolder => ["holder", "authenticate"],
            Stage::AuthenticateNewDevice => ["new_device", "authenticate"],
            Stage::AuthenticateAdmin => ["admin", "authenticate"],
            Stage::RedemptionOpen => ["redemption", "open"],
            Stage::RedemptionUpload => ["redemption", "upload"],
            Stage::RedemptionClaim => ["redemption", "claim"],
            Stage::RedemptionModels => ["redemption", "models"],
            Stage::RedemptionSettle => ["redemption", "settle"],
            Stage::UseUpload => ["use", "upload"],
            Stage::UseModels => ["use", "models"],
            Stage::EnrolmentStart => ["enrolment", "start"],
            Stage::EnrolmentUpload => ["enrolment", "upload"],
            Stage::EnrolmentClaim => ["enrolment", "claim"],
            Stage::EnrolmentDocument => ["enrolment", "document"],
            Stage::EnrolmentModels => ["enrolment", "models"],
            Stage::EnrolmentSource => ["enrolment", "source"],
            Stage::EnrolmentIssue => ["enrolment", "issue"],
            Stage::Sign => ["issuer", "sign"],
        }
    }
}

/// The product's metrics. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    stages: HistogramVec,
    redemptions: IntCounterVec,
    enrolments: IntCounterVec,
    charges: IntCounterVec,
    billed: IntCounterVec,
    problems: IntCounterVec,
    told: IntCounterVec,
    // Their label is `task`: Prometheus writes its own `job` on every series.
    job_intervals: GaugeVec,
    job_successes: GaugeVec,
    job_durations: HistogramVec,
    job_failures: IntCounterVec,
    certificate_expiry: IntGaugeVec,
    /// Signatures that the issuing key did not give.
    pub signing_failures: IntCounter,
    /// E-certs issued in the running hour, as counted for the limit.
    pub issued_this_hour: IntGauge,
    /// As many as may be.
    pub issuing_limit: IntGauge,
    /// 1 when the database answered the last time it was asked (every 15 s), else 0.
    pub ready: IntGauge,
    /// Effects in the outbox that wait for a job.
    pub outbox_entries: IntGauge,
    /// Seconds since the oldest of them was written; 0 when none waits.
    pub outbox_oldest_age: Gauge,
    /// Our clock less the database's, in seconds.
    pub clock_skew: Gauge,
    /// Recent ledger transactions whose postings do not sum to zero, at the last check.
    pub unbalanced: IntGauge,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> prometheus::Result<Metrics> {
        let metrics = Metrics {
            stages: histograms("ecert_stage_duration_seconds", "Time of a stage", &["operation", "stage"])?,
            redemptions: counters("ecert_redemptions_total", "Attempts decided, by outcome", "outcome")?,
            enrolments: counters("ecert_enrolments_total", "Enrolments that ended, by outcome", "outcome")?,
            charges: counters("ecert_charges_total", "Charges, by service", "service")?,
            billed: counters("ecert_billed_micro_yuan_total", "Micro-yuan charged, by service", "service")?,
            problems: counters("ecert_problems_total", "Refusals and malfunctions, by code", "code")?,
            told: IntCounterVec::new(
                Opts::new("ecert_deliveries_total", "Tries to tell of an event, by how they ended"),
                &["channel", "outcome"],
            )?,
            job_intervals: gauges("ecert_job_interval_seconds", "Time between two runs of a job", "task")?,
            job_successes: gauges(
                "ecert_job_last_success_timestamp_seconds",
                "When a job last succeeded here, or the process began",
                "task",
            )?,
            job_durations: histograms("ecert_job_duration_seconds", "Time of a run of a job", &["task"])?,
            job_failures: counters("ecert_job_failures_total", "Runs of a job that failed", "task")?,
            certificate_expiry: IntGaugeVec::new(
                Opts::new(
                    "ecert_certificate_expiry_timestamp_seconds",
                    "When a certificate of the issuer ends",
                ),
                &["certificate"],
            )?,
            signing_failures: IntCounter::new(
                "ecert_signing_failures_total",
                "Signatures that the issuing key did not give",
            )?,
            issued_this_hour: IntGauge::new("ecert_issued_this_hour", "E-certs issued in the running hour")?,
            issuing_limit: IntGauge::new("ecert_issuing_limit", "E-certs that may be issued in an hour")?,
            ready: IntGauge::new("ecert_ready", "1 when the database answered the last time it was asked")?,
            outbox_entries: IntGauge::new("ecert_outbox_entries", "Effects that wait for a job")?,
            outbox_oldest_age: Gauge::new(
                "ecert_outbox_oldest_age_seconds",
                "Age of the oldest effect that waits; 0 when none does",
            )?,
            clock_skew: Gauge::new("ecert_clock_skew_seconds", "This process's clock less the database's")?,
            unbalanced: IntGauge::new(
                "ecert_ledger_unbalanced_transactions",
                "Recent ledger transactions that do not sum to zero",
            )?,
        };
        metrics.begin_at_zero();
        Ok(metrics)
    }

    /// What can be known beforehand is there from the start: a rate over a series that was not yet there misses its first step.
    fn begin_at_zero(&self) {
        for stage in Stage::ALL {
            self.stages.with_label_values(&stage.labels());
        }
        for outcome in ["passed", "failed", "unusable"] {
            self.redemptions.with_label_values(&[outcome]);
        }
        for outcome in ["approved", "recovered", "referred"] {
            self.enrolments.with_label_values(&[outcome]);
        }
        for outcome in ["delivered", "failed", "dead"] {
            self.told.with_label_values(&["webhook", outcome]);
            self.told.with_label_values(&["mail", outcome]);
        }
        for code in ["overloaded", "internal"] {
            self.problems.with_label_values(&[code]);
        }
    }

    /// Makes them known to a registry.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        let all: [Box<dyn Collector>; 20] = [
            Box::new(self.stages.clone()),
            Box::new(self.redemptions.clone()),
            Box::new(self.enrolments.clone()),
            Box::new(self.charges.clone()),
            Box::new(self.billed.clone()),
            Box::new(self.problems.clone()),
            Box::new(self.told.clone()),
            Box::new(self.job_intervals.clone()),
            Box::new(self.job_successes.clone()),
            Box::new(self.job_durations.clone()),
            Box::new(self.job_failures.clone()),
            Box::new(self.certificate_expiry.clone()),
            Box::new(self.signing_failures.clone()),
            Box::new(self.issued_this_hour.clone()),
            Box::new(self.issuing_limit.clone()),
            Box::new(self.ready.clone()),
            Box::new(self.outbox_entries.clone()),
            Box::new(self.outbox_oldest_age.clone()),
            Box::new(self.clock_skew.clone()),
            Box::new(self.unbalanced.clone()),
        ];
        all.into_iter().try_for_each(|collector| registry.register(collector))
    }

    /// Times `work`, and shows it in the trace of its request.
    pub fn stage<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let labels = stage.labels();
        let _timer = self.stages.with_label_values(&labels).start_timer();
        traces::stage(labels[1]).in_scope(work)
    }

    /// The same for what waits without blocking.
    pub async fn stage_async<T>(&self, stage: Stage, work: impl Future<Output = T>) -> T {
        let labels = stage.labels();
        let _timer = self.stages.with_label_values(&labels).start_timer();
        work.instrument(traces::stage(labels[1])).await
    }

    /// An attempt was decided: `passed`, `failed` or `unusable`.
    pub fn redeemed(&self, outcome: &str) {
        self.redemptions.with_label_values(&[outcome]).inc();
    }

    /// A use of `service` was charged.
    pub fn charged(&self, service: &'static str, micro_yuan: i64) {
        self.charges.with_label_values(&[service]).inc();
        // A price is never below zero, and a counter may not be wound back.
        self.billed.with_label_values(&[service]).inc_by(u64::try_from(micro_yuan).unwrap_or(0));
    }

    /// An enrolment ended: `approved`, `recovered` or `referred`. One that is refused is counted by its code.
    pub fn enrolled(&self, outcome: &'static str) {
        self.enrolments.with_label_values(&[outcome]).inc();
    }

    /// A request was answered with a refusal or a malfunction.
    pub fn problem(&self, code: &'static str) {
        self.problems.with_label_values(&[code]).inc();
    }

    /// A webhook or a contact was tried: `delivered`, `failed` (to be tried again) or `dead`.
    pub fn told(&self, channel: &'static str, outcome: &'static str) {
        self.told.with_label_values(&[channel, outcome]).inc();
    }

    /// A job will run every `interval`.
    pub fn job_begins(&self, job: &'static str, interval: Duration) {
        self.job_intervals.with_label_values(&[job]).set(interval.as_secs_f64());
        self.job_successes.with_label_values(&[job]).set(unix_seconds());
        self.job_failures.with_label_values(&[job]);
    }

    /// Times a run of a job and notes how it ended.
    pub fn job<T, E>(&self, job: &'static str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let timer = self.job_durations.with_label_values(&[job]).start_timer();
        let outcome = work();
        timer.observe_duration();
        match outcome {
            Ok(_) => self.job_successes.with_label_values(&[job]).set(unix_seconds()),
            Err(_) => self.job_failures.with_label_values(&[job]).inc(),
        }
        outcome
    }

    /// When one of the issuer's certificates ends.
    pub fn certificate_ends(&self, certificate: &'static str, unix_seconds: i64) {
        self.certificate_expiry.with_label_values(&[certificate]).set(unix_seconds);
    }
}

/// The machine's clock, which is also that of whoever scrapes; the product's own may be wound by hand.
fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn counters(name: &str, help: &str, label: &str) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), &[label])
}

fn gauges(name: &str, help: &str, label: &str) -> prometheus::Result<GaugeVec> {
    GaugeVec::new(Opts::new(name, help), &[label])
}

fn histograms(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<HistogramVec> {
    HistogramVec::new(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()), labels)
}
