//! The model workers: a fixed number of threads, each with sessions of its own, behind a bounded queue.
//!
//! Measured: one-thread sessions on a thread a core beat one session with many threads. Work is CPU-bound, so a longer
//! queue only turns a clear "come again" into a time-out; hence the bound, and 503 above it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, anyhow};
use wallet_core::face::{Scale, Thresholds, Tier};
use wallet_core::onnx::{Engine, Models};
use wallet_core::refusal::Refusal;

use super::model_load::ModelLoad;
use crate::stop::{Flow, Stop};

type Job = Box<dyn FnOnce(&mut Engine) + Send>;

/// Whose work a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Anybody may begin an enrolment, so its jobs are refused once half of the queue is taken, by whomever.
    Enrolment,
    /// Redemptions are for relying parties that proved themselves; they find room while enrolments crowd.
    Redemption,
    /// Other services of relying parties that proved themselves.
    Use,
}

impl Lane {
    fn name(self) -> &'static str {
        match self {
            Lane::Enrolment => "enrolment",
            Lane::Redemption => "redemption",
            Lane::Use => "use",
        }
    }
}

/// Where models run.
pub struct ModelWorkers {
    queue: SyncSender<Job>,
    /// Jobs of all lanes above which an enrolment's is refused.
    enrolment_bound: i64,
    /// Jobs above which no redemption is opened.
    opening_bound: i64,
    load: ModelLoad,
    thresholds: Thresholds,
    main_model: String,
    scale: Scale,
    #[cfg(feature = "bench-without-face")]
    absent: bool,
}

impl ModelWorkers {
    /// Starts `workers` threads (each loads its sessions before this returns) with room for `waiting` jobs behind them.
    pub fn start(models: &Models, workers: usize, waiting: usize) -> anyhow::Result<Self> {
        let (queue, jobs) = sync_channel::<Job>(waiting);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..workers {
            let engine = models.engine()?;
            let jobs = Arc::clone(&jobs);
            let thread = thread::Builder::new().name(format!("models-{number}"));
            thread.spawn(move || work(engine, &jobs)).context("can't start a model worker")?;
        }
        Ok(Self {
            queue,
            enrolment_bound: i64::try_from(workers + waiting / 2)?,
            opening_bound: i64::try_from(workers + waiting - waiting / 4)?,
            load: ModelLoad::of(workers, waiting)?,
            thresholds: models.thresholds(),
            main_model: models.model_id(Tier::Main).unwrap_or_default(),
            scale: models.scale(),
            #[cfg(feature = "bench-without-face")]
            absent: false,
        })
    }

    /// No workers, for [`crate::flow`]'s captures that are judged without models.
    #[cfg(feature = "bench-without-face")]
    pub fn absent() -> anyhow::Result<Self> {
        tracing::warn!("this build judges no faces: it is for measuring, and must serve nobody");
        Ok(Self {
            queue: sync_channel::<Job>(0).0,
            enrolment_bound: 0,
            opening_bound: i64::MAX,
            load: ModelLoad::of(0, 0)?,
            thresholds: Thresholds::DEFAULT,
            main_model: String::new(),
            scale: Scale::DEFAULT,
            absent: true,
        })
    }

    /// Whether captures are judged without models.
    #[cfg(feature = "bench-without-face")]
    pub fn are_absent(&self) -> bool {
        self.absent
    }

    /// Runs `job` on a worker and waits for it. Refuses at once with `overloaded` when the queue is full.
    /// Must be called from a thread that may block.
    pub fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        job: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Flow<T> {
        if lane == Lane::Enrolment && self.load.in_flight() >= self.enrolment_bound {
            return Err(self.full(lane));
        }
        let (answer, answered) = sync_channel(1);
        let waiting = self.load.wait(lane.name());
        let job: Job = Box::new(move |engine| {
            // The one who waits may be gone: a closed channel is then nobody's loss.
            let _ = answer.send(waiting.run(|| job(engine)));
        });
        match self.queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(self.full(lane)),
            Err(TrySendError::Disconnected(_)) => {
                return Err(Stop::Broken(anyhow!("the model workers are gone")));
            }
        }
        answered.recv().map_err(|_| Stop::Broken(anyhow!("a model job panicked")))
    }

    /// Refuses what would lead to a capture while there is hardly room for those that are on their way: an opening costs a tenth of what
    /// a judgement does, and at ten times the load it would all be spent on captures that nobody can look at.
    ///
    /// # Errors
    /// `overloaded` from three quarters of the queue on.
    pub fn has_room(&self) -> Flow<()> {
        if self.load.in_flight() < self.opening_bound { Ok(()) } else { Err(self.full(Lane::Redemption)) }
    }

    fn full(&self, lane: Lane) -> Stop {
        self.load.refuse(lane.name());
        Refusal::Overloaded { retry_after: 1 }.into()
    }

    /// The scores that a capture must reach with these models.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// How the embedders' cosines become one score.
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// The embedder that templates are searched by: its name and the beginning of its hash.
    pub fn main_model(&self) -> &str {
        &self.main_model
    }

    /// The number of jobs running or waiting.
    pub fn in_flight(&self) -> i64 {
        self.load.in_flight()
    }

    /// How busy they are, for /metrics.
    pub fn load(&self) -> &ModelLoad {
        &self.load
    }
}

fn work(mut engine: Engine, jobs: &Mutex<Receiver<Job>>) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A panic in a decoder must cost one request, not a worker. Sessions hold no state between runs.
        let _ = catch_unwind(AssertUnwindSafe(|| job(&mut engine)));
    }
}
