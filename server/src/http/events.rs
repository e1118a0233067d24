//! `/v1/me/events`: a wallet is told what waits for its holder, as server-sent events (WHATWG HTML §9.2). Which and how each stands, and no more: what it is about is
//! asked for with a proof of its own.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::rt::time::{Instant, Interval, interval_at, sleep_until};
use actix_web::web::{Bytes, Data};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Serialize;
use wallet_core::ids::RedemptionId;

use super::callers::Holder;
use super::problem::Problem;
use super::run;
use crate::edge::listeners::{Listening, Waiting};
use crate::flow::Context;
use crate::flow::listening;

/// How often something is sent at least: proxies cut what is silent for a minute, and a phone that is gone is found out.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// `GET /v1/me/events`
pub async fn listen(holder: Holder, ctx: Data<Context>) -> Result<HttpResponse, Problem> {
    let (listening, lasts) = run(ctx, move |ctx| listening::listen(ctx, &holder.0)).await?;
    let mut answer = HttpResponse::Ok();
    answer
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        // nginx holds back what it may buffer.
        .insert_header(("X-Accel-Buffering", "no"));
    Ok(answer.streaming(frames(listening, lasts)))
}

struct Told {
    listening: Listening,
    heartbeat: Interval,
    until: Instant,
    begun: bool,
}

fn frames(listening: Listening, lasts: Duration) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let now = Instant::now();
    let heartbeat = interval_at(now + HEARTBEAT, HEARTBEAT);
    let told = Told { listening, heartbeat, until: now + lasts, begun: false };
    unfold(told, |mut told| async { Some((Ok(told.next().await?), told)) })
}

impl Told {
    /// What is sent next; nothing at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(event(self.listening.waiting()));
        }
        tokio::select! {
            goes_on = self.listening.changed() => goes_on.then(|| event(self.listening.waiting())),
            _ = self.heartbeat.tick() => Some(Bytes::from_static(b":\n\n")),
            () = sleep_until(self.until) => None,
        }
    }
}

#[derive(Serialize)]
struct Shown {
    id: RedemptionId,
    state: &'static str,
}

/// All that waits, each time: whoever missed an event has missed nothing.
fn event(waiting: Waiting) -> Bytes {
    let redemptions: Vec<Shown> = waiting.into_iter().map(|(id, state)| Shown { id, state }).collect();
    format!("event: waiting\ndata: {}\n\n", serde_json::json!({ "redemptions": redemptions })).into()
}
