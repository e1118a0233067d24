//! What happens beside requests: effects from the outbox, and forgetting what is stale.
//!
//! Each run reads what is to be done from the database and can be repeated without harm, so a job may die at any point.

use std::time::Duration;

use actix_web::web::{self, Data};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::flow::{Context, health, retention, status_lists};
use crate::stop::{Flow, Stop};

/// A revocation reaches the published list within this and the time of signing it.
const OUTBOX_EVERY: Duration = Duration::from_millis(500);
/// What is forgotten by the hour, or signed anew, may be an hour late.
const HOURLY: Duration = Duration::from_secs(3600);
/// As often as /metrics is usually read.
const MEASURE_EVERY: Duration = Duration::from_secs(15);

/// The jobs of a running service.
pub struct Jobs {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts all jobs.
pub fn start(ctx: Data<Context>) -> Jobs {
    let (stop, stopped) = watch::channel(false);
    let outbox = every(OUTBOX_EVERY, "outbox", ctx.clone(), stopped.clone(), status_lists::publish_waiting);
    let forget = every(HOURLY, "forget", ctx.clone(), stopped.clone(), retention::forget);
    let renew = every(HOURLY, "status_lists", ctx.clone(), stopped.clone(), status_lists::publish_all);
    let check = every(HOURLY, "check_ledger", ctx.clone(), stopped.clone(), health::check_ledger);
    let measure = every(MEASURE_EVERY, "measure", ctx, stopped, health::measure);
    let tasks = vec![
        tokio::spawn(outbox),
        tokio::spawn(forget),
        tokio::spawn(renew),
        tokio::spawn(check),
        tokio::spawn(measure),
    ];
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

async fn every(
    period: Duration,
    name: &'static str,
    ctx: Data<Context>,
    mut stopped: watch::Receiver<bool>,
    work: fn(&Context) -> Flow<()>,
) {
    ctx.metrics.job_begins(name, period);
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return,
        }
        let ctx = ctx.clone();
        match web::block(move || ctx.metrics.job(name, || work(&ctx))).await {
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
