//! How busy the model workers are, for /metrics.

use std::time::Instant;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::metrics::BUCKETS;

/// Jobs by where they are.
#[derive(Clone)]
pub struct ModelLoad {
    jobs: IntGaugeVec,
    running: IntGauge,
    waiting: IntGauge,
    places: IntGaugeVec,
    refused: IntCounterVec,
    waits: Histogram,
    runs: HistogramVec,
}

impl ModelLoad {
    /// Of so many workers with so many places in the queue before them.
    pub(super) fn of(workers: usize, queue: usize) -> anyhow::Result<ModelLoad> {
        let jobs =
            IntGaugeVec::new(Opts::new("ecert_model_jobs", "Model jobs running or waiting"), &["state"])?;
        let places = Opts::new("ecert_model_places", "Model jobs that may run or wait at once");
        let places = IntGaugeVec::new(places, &["state"])?;
        places.with_label_values(&["running"]).set(i64::try_from(workers)?);
        places.with_label_values(&["waiting"]).set(i64::try_from(queue)?);
        let refused =
            Opts::new("ecert_model_jobs_refused_total", "Model jobs refused since the queue was full");
        let refused = IntCounterVec::new(refused, &["lane"])?;
        let waits = HistogramOpts::new("ecert_model_job_wait_seconds", "Time of model jobs in the queue");
        let runs = HistogramOpts::new("ecert_model_job_duration_seconds", "Time of model jobs on a worker");
        let load = ModelLoad {
            running: jobs.with_label_values(&["running"]),
            waiting: jobs.with_label_values(&["waiting"]),
            jobs,
            places,
            refused,
            waits: Histogram::with_opts(waits.buckets(BUCKETS.to_vec()))?,
            runs: HistogramVec::new(runs.buckets(BUCKETS.to_vec()), &["lane"])?,
        };
        for lane in ["enrolment", "redemption", "use"] {
            load.refused.with_label_values(&[lane]);
            load.runs.with_label_values(&[lane]);
        }
        Ok(load)
    }

    /// Jobs running or waiting.
    pub(super) fn in_flight(&self) -> i64 {
        self.running.get() + self.waiting.get()
    }

    pub(super) fn refuse(&self, lane: &'static str) {
        self.refused.with_label_values(&[lane]).inc();
    }

    /// A job waits from here on, until it [`Waiting::run`]s or is dropped.
    pub(super) fn wait(&self, lane: &'static str) -> Waiting {
        self.waiting.inc();
        Waiting { load: self.clone(), lane, since: Instant::now() }
    }

    /// Makes them known to a registry.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        let all: [Box<dyn Collector>; 5] = [
            Box::new(self.jobs.clone()),
            Box::new(self.places.clone()),
            Box::new(self.refused.clone()),
            Box::new(self.waits.clone()),
            Box::new(self.runs.clone()),
        ];
        all.into_iter().try_for_each(|collector| registry.register(collector))
    }
}

/// A job in the queue.
pub(super) struct Waiting {
    load: ModelLoad,
    lane: &'static str,
    since: Instant,
}

impl Waiting {
    /// Counts and times `work`, also when it panics.
    pub(super) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        self.load.waits.observe(self.since.elapsed().as_secs_f64());
        let _timer = self.load.runs.with_label_values(&[self.lane]).start_timer();
        let _running = Running::begin(&self.load.running);
        drop(self);
        work()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.load.waiting.dec();
    }
}

struct Running(IntGauge);

impl Running {
    fn begin(gauge: &IntGauge) -> Running {
        gauge.inc();
        Running(gauge.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}
