//! Taking events to where they are wanted. A courier takes an endpoint, not an event, so that one that is slow or dead takes up one courier;
//! and whoever is not known to be quick is served by couriers of their own, so that the others never wait for them.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::webhooks::Target;
use super::{Context, contacts, later, telling};
use crate::delivery::event::Kind;
use crate::delivery::letter::{self, Letter};
use crate::delivery::schedule::{self, Health, JITTER, Outcome, REST};
use crate::delivery::signature::{Secret, sign};
use crate::edge::webhooks::Headers;
use crate::stop::Flow;
use crate::store::Conn;
use crate::store::deliveries::{self, Delivery, State};
use crate::store::endpoints::{self, Endpoint, EndpointId, Waiting};

/// Endpoints that a courier looks at, should others be faster.
const CANDIDATES: i64 = 8;

/// Which endpoints a courier serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Those that took the last event in good time.
    Quick,
    /// The others: slow, failing, or new.
    Slow,
}

impl Lane {
    /// Events that are taken along, and how many at once.
    fn load(self) -> (i64, usize) {
        match self {
            Lane::Quick => (16, 4),
            Lane::Slow => (1, 1),
        }
    }

    /// How long an endpoint stays with a courier who died over it: longer than the load can take.
    fn lease(self) -> SignedDuration {
        match self {
            Lane::Quick => SignedDuration::from_secs(60),
            Lane::Slow => SignedDuration::from_secs(15),
        }
    }
}

/// Whether anything waits to be taken somewhere.
pub fn any_due(ctx: &Context) -> Flow<bool> {
    let now = ctx.now();
    ctx.rp_store.read(|conn| Ok(deliveries::any_due(conn, now)?))
}

/// Serves one endpoint of the lane; `false` when there was none to serve.
pub fn serve_one(ctx: &Context, lane: Lane) -> Flow<bool> {
    let now = ctx.now();
    let waiting =
        ctx.rp_store.read(|conn| Ok(endpoints::waiting(conn, lane == Lane::Quick, now, CANDIDATES)?))?;
    for endpoint in waiting {
        // A courier's own name: a lease that ran out must not be given back by whoever had it before.
        let by = format!("{} {:016x}", ctx.replica, rand::random::<u64>());
        let until = later(now, lane.lease());
        if ctx.rp_store.write_guarded(|conn| Ok(endpoints::take(conn, endpoint, &by, until)?))? {
            serve(ctx, lane, endpoint, &by)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// What came of a try, in a word too, and how long it took.
struct Tried {
    outcome: Outcome,
    word: String,
    took: Duration,
}

fn serve(ctx: &Context, lane: Lane, (rp, id, _): Waiting, by: &str) -> Flow<()> {
    let (load, at_once) = lane.load();
    let found = ctx.rp_store.read(|conn| {
        let Some(endpoint) = endpoints::find(conn, rp, id)? else { return Ok(None) };
        Ok(Some((endpoint, deliveries::due(conn, id, ctx.now(), load)?)))
    })?;
    // Deleted since.
    let Some((endpoint, due)) = found else { return Ok(()) };
    let target = Target::open(&ctx.vault, &endpoint)?;
    let (mut health, mut is_gone, mut now) = (endpoint.health, false, ctx.now());
    for several in due.chunks(at_once) {
        let tried = try_all(ctx, &endpoint, &target, several);
        now = ctx.now();
        for one in &tried {
            health = health.after(one.outcome, one.took, now);
            is_gone |= one.outcome == Outcome::Gone;
        }
        ctx.rp_store.write_guarded(|conn| {
            several.iter().zip(&tried).try_for_each(|(delivery, tried)| note(ctx, conn, delivery, tried, now))
        })?;
        if health.failing_since.is_some() {
            break;
        }
    }
    leave(ctx, &endpoint, by, (health, is_gone), now)
}

/// Gives an endpoint back that was last tried at `now`; one that nobody is behind any more is switched off.
fn leave(
    ctx: &Context,
    endpoint: &Endpoint,
    by: &str,
    (health, is_gone): (Health, bool),
    now: Timestamp,
) -> Flow<()> {
    let free_from = if health.failing_since.is_some() { later(now, REST) } else { now };
    let why = match (is_gone, health.is_given_up(now)) {
        (true, _) => Some("gone"),
        (false, true) => Some("failing"),
        (false, false) => None,
    };
    ctx.rp_store.write_guarded(|conn| {
        endpoints::give_back(conn, endpoint, by, free_from, health)?;
        if let Some(why) = why {
            telling::switch_off(conn, endpoint, why, now)?;
        }
        Ok(())
    })
}

/// Tries several at once.
fn try_all(ctx: &Context, endpoint: &Endpoint, target: &Target, deliveries: &[Delivery]) -> Vec<Tried> {
    let timed = |delivery: &Delivery| {
        let began = Instant::now();
        let (outcome, word) = attempt(ctx, endpoint, target, delivery);
        Tried { outcome, word, took: began.elapsed() }
    };
    if let [delivery] = deliveries {
        return vec![timed(delivery)];
    }
    std::thread::scope(|scope| {
        let attempts: Vec<_> =
            deliveries.iter().map(|delivery| scope.spawn(move || timed(delivery))).collect();
        let broken =
            |_| Tried { outcome: Outcome::Failed, word: "internal".to_owned(), took: Duration::ZERO };
        attempts.into_iter().map(|attempt| attempt.join().unwrap_or_else(broken)).collect()
    })
}

fn attempt(ctx: &Context, endpoint: &Endpoint, target: &Target, delivery: &Delivery) -> (Outcome, String) {
    match endpoint.id {
        EndpointId::Webhook(_) => post(ctx, target, delivery),
        EndpointId::Contact(_) => match &ctx.mailer {
            Some(mailer) => mailer.send(&target.address, &delivery.id.to_string(), &written(ctx, delivery)),
            None => (Outcome::Failed, "mail-not-offered".to_owned()),
        },
    }
}

fn post(ctx: &Context, target: &Target, delivery: &Delivery) -> (Outcome, String) {
    let now = ctx.now();
    let valid = target.secrets.iter().filter(|secret| secret.is_valid(now));
    let secrets: Result<Vec<Secret>, _> = valid.map(|secret| Secret::parse(&secret.text)).collect();
    let Ok(secrets) = secrets else { return (Outcome::Failed, "internal".to_owned()) };
    let (id, body) = (delivery.event.id.to_string(), delivery.event.body.as_str());
    let signature = sign(&secrets, &id, now, body.as_bytes());
    ctx.webhooks.post(&target.address, &Headers { id, timestamp: now.as_second(), signature }, body)
}

fn written(ctx: &Context, delivery: &Delivery) -> Letter {
    if delivery.event.kind == Kind::ContactConfirmation {
        return letter::confirmation(&contacts::token(ctx, delivery.endpoint));
    }
    let body: Value = serde_json::from_str(&delivery.event.body).unwrap_or_default();
    letter::about(delivery.event.kind, body.get("data").unwrap_or(&Value::Null))
}

/// Notes what came of a try, and when the next is.
fn note(ctx: &Context, conn: &mut Conn, delivery: &Delivery, tried: &Tried, now: Timestamp) -> Flow<()> {
    let jitter = rand::random_range(0..=2 * JITTER);
    let next = || schedule::next_try(delivery.tries + 1, delivery.begun_at, now, jitter);
    let (state, due_at) = match tried.outcome {
        Outcome::Taken => (State::Delivered, now),
        Outcome::Refused => (State::Dead, now),
        Outcome::Failed | Outcome::Gone => next().map_or((State::Dead, now), |at| (State::Waiting, at)),
    };
    deliveries::tried(conn, delivery, (state, &tried.word), due_at, now)?;
    let outcome = if state == State::Waiting { "failed" } else { state.as_str() };
    ctx.metrics.told(delivery.endpoint.channel(), outcome);
    Ok(())
}
