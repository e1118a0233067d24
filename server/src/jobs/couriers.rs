//! Couriers: each takes one endpoint at a time and tells it what waits. They sleep until somebody looks and finds something, or until another
//! courier found something and there may be more.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Data};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::flow::Context;
use crate::flow::couriers::{self, Lane};
use crate::stop::{Flow, Stop};

/// How often a replica looks whether anything waits.
const LOOK: Duration = Duration::from_millis(250);
/// Couriers of a replica. Whoever is slow, failing or new can hold up the others of that kind, and never those who are quick.
const QUICK: usize = 8;
const SLOW: usize = 8;

/// Starts the couriers, and who wakes them.
pub(super) fn start(ctx: &Data<Context>, stopped: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let lanes =
        [(Lane::Quick, QUICK), (Lane::Slow, SLOW)].map(|(lane, many)| (lane, many, Arc::new(Notify::new())));
    let wakers: Vec<Arc<Notify>> = lanes.iter().map(|(.., waker)| Arc::clone(waker)).collect();
    let mut tasks = vec![tokio::spawn(look(ctx.clone(), wakers, stopped.clone()))];
    for (lane, many, waker) in lanes {
        let courier = || tokio::spawn(serve(ctx.clone(), lane, Arc::clone(&waker), stopped.clone()));
        tasks.extend(std::iter::repeat_with(courier).take(many));
    }
    tasks
}

async fn look(ctx: Data<Context>, wakers: Vec<Arc<Notify>>, mut stopped: watch::Receiver<bool>) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return,
        }
        if done(&ctx, couriers::any_due).await {
            wakers.iter().for_each(|waker| waker.notify_one());
        }
    }
}

async fn serve(ctx: Data<Context>, lane: Lane, waker: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = waker.notified() => {}
            _ = stopped.changed() => return,
        }
        while done(&ctx, move |ctx| couriers::serve_one(ctx, lane)).await {
            // There may be more than one courier can carry.
            waker.notify_one();
            if *stopped.borrow() {
                return;
            }
        }
    }
}

/// Whether there was anything to do; a failure is told, and nothing of it is lost: it is looked for again.
async fn done(ctx: &Data<Context>, work: impl FnOnce(&Context) -> Flow<bool> + Send + 'static) -> bool {
    let ctx = ctx.clone();
    match web::block(move || work(&ctx)).await {
        Ok(Ok(any)) => any,
        Ok(Err(Stop::Broken(error))) => {
            tracing::error!(error = format!("{error:#}"), "a courier failed");
            false
        }
        Ok(Err(Stop::Refused(refusal))) => {
            tracing::warn!(code = refusal.code(), "a courier was refused");
            false
        }
        Err(error) => {
            tracing::error!(%error, "a courier was not run");
            false
        }
    }
}
