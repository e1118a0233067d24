//! What happens beside requests: effects from the outbox, and forgetting what is stale.
//!
//! Each run reads what is to be done from the database and can be repeated without harm, so a job may die at any point.

use std::time::Duration;

use actix_web::web::{self, Data};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::flow::{Context, status_lists};
use crate::stop::{Flow, Stop};
use crate::store::{devices, throttles};

/// A revocation reaches the published list within this and the time of signing it.
const OUTBOX_EVERY: Duration = Duration::from_millis(500);
/// Used proofs and old counters are small; an hour of them does no harm.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// The longest window of a counter is a day.
const KEEP_COUNTERS_SECONDS: i64 = 2 * 86_400;

/// The jobs of a running service.
pub struct Jobs {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts all jobs.
pub fn start(ctx: Data<Context>) -> Jobs {
    let (stop, stopped) = watch::channel(false);
    let outbox = every(OUTBOX_EVERY, "outbox", ctx.clone(), stopped.clone(), status_lists::publish_waiting);
    let sweep = every(SWEEP_EVERY, "sweep", ctx, stopped, sweep);
    Jobs { stop, tasks: vec![tokio::spawn(outbox), tokio::spawn(sweep)] }
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
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return,
        }
        let ctx = ctx.clone();
        match web::block(move || work(&ctx)).await {
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

fn sweep(ctx: &Context) -> Flow<()> {
    let now = ctx.now();
    ctx.store.write(|conn| {
        devices::sweep_proofs(conn, now)?;
        throttles::sweep(conn, now.as_second() - KEEP_COUNTERS_SECONDS)?;
        Ok(())
    })
}
