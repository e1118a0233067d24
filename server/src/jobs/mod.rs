//! What happens beside requests: effects from the outbox, telling of events, and forgetting what is stale.
//!
//! Every replica looks, and the one that takes a job runs it. Each run reads what is to be done from the database and can be
//! repeated without harm, so a job may die at any point, and two may even run it at once.

mod couriers;

use std::time::Duration;

use actix_web::web::{self, Data};
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::flow::{
    Context, alerts, announcements, consents, data_keys, earning, face_groups, health, issuer, jobs,
    listening, log, orders, retention, statements, status_lists, telling, test_clocks,
};
use crate::stop::{Flow, Stop};

/// One kind of work that comes again and again.
#[derive(Clone, Copy)]
struct Job {
    name: &'static str,
    /// How often a replica looks whether it is due.
    look: Duration,
    /// Whether there is anything to do; asked before the job is taken.
    waits: fn(&Context) -> Flow<bool>,
    work: fn(&Context) -> Flow<()>,
    /// From one run to the next.
    every: SignedDuration,
    /// How long it stays with a replica that died over it; none: every replica does it for itself.
    lease: Option<SignedDuration>,
}

impl Job {
    fn run(self, ctx: &Context) -> Flow<()> {
        if !(self.waits)(ctx)? {
            // Nothing to do is as good as done.
            return ctx.metrics.job(self.name, || Ok(()));
        }
        let Some(lease) = self.lease else { return ctx.metrics.job(self.name, || (self.work)(ctx)) };
        if !jobs::take(ctx, self.name, lease)? {
            return Ok(());
        }
        let outcome = ctx.metrics.job(self.name, || (self.work)(ctx));
        let due_in = if outcome.is_ok() { self.every } else { RETRY };
        jobs::give_back(ctx, self.name, due_in, outcome.is_ok())?;
        outcome
    }
}

/// What is forgotten by the hour, or signed anew, may be an hour late.
const HOURLY: Job = Job {
    name: "",
    look: Duration::from_secs(20),
    waits: |_| Ok(true),
    work: |_| Ok(()),
    every: SignedDuration::from_hours(1),
    lease: Some(SignedDuration::from_secs(300)),
};

const JOBS: [Job; 21] = [
    // A revocation reaches the published list within a quarter of a second and the time of signing it.
    Job {
        name: "outbox",
        look: Duration::from_millis(250),
        waits: status_lists::any_waits,
        work: status_lists::publish_waiting,
        every: SignedDuration::ZERO,
        lease: Some(SignedDuration::from_secs(10)),
    },
    // An act is in the log, under a signed checkpoint, within half a second and the time of a batch.
    Job {
        name: "log",
        look: Duration::from_millis(500),
        waits: log::any_waits,
        work: log::sequence,
        every: SignedDuration::ZERO,
        lease: Some(SignedDuration::from_secs(10)),
    },
    // As often as /metrics is usually read; each replica may be cut off by itself.
    Job {
        name: "measure",
        look: Duration::from_secs(15),
        work: health::measure,
        every: SignedDuration::from_secs(15),
        lease: None,
        ..HOURLY
    },
    // Each replica has keys of its own in memory; a rotation is followed within a second.
    Job {
        name: "follow_keys",
        look: Duration::from_secs(1),
        work: issuer::follow_keys,
        every: SignedDuration::from_secs(1),
        lease: None,
        ..HOURLY
    },
    // Whoever listens at this replica hears of a request within half a second: one look for all of them, and none when nobody listens.
    Job {
        name: "tell_listeners",
        look: Duration::from_millis(500),
        work: listening::look,
        every: SignedDuration::from_secs(1),
        lease: None,
        ..HOURLY
    },
    Job { name: "keep_up_keys", work: issuer::keep_up, ..HOURLY },
    // A relying party hears within some seconds that a holder took their consent back.
    Job {
        name: "withdrawals",
        look: Duration::from_secs(2),
        waits: consents::any_waits,
        work: consents::tell_waiting,
        every: SignedDuration::ZERO,
        lease: Some(SignedDuration::from_secs(60)),
    },
    // Holders from before there were data keys, and a rotation of the key that wraps: done in the background, a run after the other.
    Job {
        name: "data_keys",
        look: Duration::from_secs(5),
        waits: data_keys::any_waits,
        work: data_keys::work,
        every: SignedDuration::ZERO,
        lease: Some(data_keys::LEASE),
    },
    // Each replica has files of its own.
    Job {
        name: "face_indexes",
        look: Duration::from_secs(3600),
        work: face_groups::forget_erased,
        lease: None,
        ..HOURLY
    },
    // A day is closed ten minutes after its end; the statement is promised within ten hours.
    Job {
        name: "close_periods",
        work: statements::close_due,
        every: SignedDuration::from_secs(60),
        lease: Some(SignedDuration::from_secs(600)),
        ..HOURLY
    },
    // Whoever advances a clock of the sandbox waits for it; two replicas at one clock get in each other's way and do no harm.
    Job {
        name: "test_clocks",
        look: Duration::from_millis(500),
        waits: test_clocks::any_advances,
        work: test_clocks::go_on,
        every: SignedDuration::ZERO,
        lease: Some(SignedDuration::from_secs(10)),
    },
    Job {
        name: "close_in_sandbox",
        work: test_clocks::close_due,
        every: SignedDuration::from_secs(60),
        lease: Some(SignedDuration::from_secs(600)),
        ..HOURLY
    },
    Job {
        name: "pack_alerts",
        look: Duration::from_secs(5),
        work: alerts::tell,
        every: SignedDuration::from_secs(5),
        lease: Some(SignedDuration::from_secs(60)),
        ..HOURLY
    },
    // A judgement is on its way within half a second of its place in the log.
    Job {
        name: "tell_judgements",
        look: Duration::from_millis(500),
        waits: telling::any_judgements,
        work: telling::tell_of_judgements,
        every: SignedDuration::ZERO,
        lease: Some(SignedDuration::from_secs(60)),
    },
    // A new price or cycle is known to all whom it concerns within some seconds.
    Job {
        name: "announcements",
        look: Duration::from_secs(5),
        waits: announcements::any_waits,
        work: announcements::tell,
        every: SignedDuration::ZERO,
        lease: Some(SignedDuration::from_secs(60)),
    },
    Job { name: "void_packs", work: earning::void_expired, ..HOURLY },
    Job { name: "check_ledger", work: health::check_ledger, ..HOURLY },
    Job { name: retention::FORGET, work: retention::forget, ..HOURLY },
    Job { name: "partitions", work: retention::roll_partitions, ..HOURLY },
    Job { name: "orders", work: orders::expire, ..HOURLY },
    Job { name: "status_lists", work: status_lists::publish_all, ..HOURLY },
];

/// A job that failed is tried again after this.
const RETRY: SignedDuration = SignedDuration::from_secs(10);

/// The jobs of a running service.
pub struct Jobs {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts all jobs.
pub fn start(ctx: &Data<Context>) -> Jobs {
    let (stop, stopped) = watch::channel(false);
    let task = |job| tokio::spawn(again_and_again(job, ctx.clone(), stopped.clone()));
    let jobs = JOBS.into_iter().map(task);
    let tasks = jobs.chain(couriers::start(ctx, &stopped)).collect();
    Jobs { stop, tasks }
}

impl Jobs {
    /// Lets the runs under way finish.
    pub async fn stop(self) {
        // Nobody listens when the tasks are over already.
        let _ = self.stop.send(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a job ended badly");
            }
        }
    }
}

async fn again_and_again(job: Job, ctx: Data<Context>, mut stopped: watch::Receiver<bool>) {
    ctx.metrics.job_begins(job.name, job.every.unsigned_abs().max(job.look));
    let mut ticks = interval(job.look);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return,
        }
        let (ctx, name) = (ctx.clone(), job.name);
        match web::block(move || job.run(&ctx)).await {
            Ok(Ok(())) => {}
            Ok(Err(Stop::Broken(error))) => {
                tracing::error!(job = name, error = format!("{error:#}"), "job failed")
            }
            Ok(Err(Stop::Refused(refusal))) => {
                tracing::error!(job = name, code = refusal.code(), "job refused")
            }
            Err(error) => tracing::error!(job = name, %error, "job not run"),
        }
    }
}
