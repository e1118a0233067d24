//! Telling relying parties what happened: a message on their pages, and a delivery to each webhook and contact that wants to hear of it, in
//! the transaction of what is told. Judged redemptions are found by a job that reads the transparency log, so that judging costs nothing more
//! (adr/0023).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};
use wallet_core::ids::{AuditId, EventId, RelyingPartyId};
use wallet_core::log::entry::Act;

use super::Context;
use crate::billing::arrears::Standing;
use crate::delivery::event::{Kind, payload};
use crate::stop::Flow;
use crate::store::deliveries::{self, Event};
use crate::store::endpoints::{self, Endpoint, EndpointId};
use crate::store::{Conn, audit, log, messages};

/// Leaves of the log that are looked through in one transaction.
const BATCH: i64 = 2000;
/// Transactions in one run, so that it ends before its lease does.
const BATCHES: usize = 20;
/// How far the log was looked through for judgements.
const JUDGEMENTS: &str = "redemption.judged";
/// What an endpoint may have waiting: whoever falls further behind is switched off, and the tables stay bounded.
const MOST_WAITING: i64 = 10_000;

/// When something happened, and when it is told: the first is by the relying party's own clock, which in the sandbox may be ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) happened: Timestamp,
    pub(super) told: Timestamp,
}

impl Context {
    /// Told now, of what happened at a moment of a relying party's own clock.
    pub(super) fn moments(&self, happened: Timestamp) -> Moments {
        Moments { happened, told: self.now() }
    }
}

impl From<Timestamp> for Moments {
    fn from(now: Timestamp) -> Moments {
        Moments { happened: now, told: now }
    }
}

fn event(id: EventId, kind: Kind, data: &Value, at: Timestamp) -> Event {
    Event { id, kind, body: payload(kind, at, data) }
}

/// Tells a relying party by a message, and by whatever else it has set up.
pub(super) fn message(
    conn: &mut Conn,
    rp: RelyingPartyId,
    kind: Kind,
    data: &Value,
    at: Moments,
) -> Flow<()> {
    let message = messages::insert(conn, rp, kind.as_str(), data, at.happened)?;
    let event = event(EventId::from_bytes(message.to_bytes()), kind, data, at.happened);
    tell(conn, rp, &event, at.told)
}

/// Tells a relying party by whatever it has set up, and by no message: what it can ask for anyhow.
pub(super) fn notify(
    conn: &mut Conn,
    rp: RelyingPartyId,
    kind: Kind,
    data: &Value,
    now: Timestamp,
) -> Flow<()> {
    tell(conn, rp, &event(EventId::new(now, &mut rand::rng()), kind, data, now), now)
}

fn tell(conn: &mut Conn, rp: RelyingPartyId, event: &Event, now: Timestamp) -> Flow<()> {
    let listening = endpoints::listening(conn, rp, event.kind)?;
    let told: Vec<_> = listening.iter().map(|endpoint| (endpoint, event)).collect();
    Ok(deliveries::insert(conn, &told, now)?)
}

/// Tells a relying party that arrears began, or are over.
pub(super) fn standing(
    conn: &mut Conn,
    rp: RelyingPartyId,
    (before, after): (Standing, Standing),
    at: Moments,
) -> Flow<()> {
    match (before, after) {
        (Standing::Clear, Standing::InArrears { since }) => {
            let data = json!({ "since": since, "suspended_from": after.suspended_from() });
            message(conn, rp, Kind::ArrearsBegun, &data, at)
        }
        (Standing::InArrears { since }, Standing::Clear) => {
            message(conn, rp, Kind::ArrearsEnded, &json!({ "since": since }), at)
        }
        (Standing::Clear, Standing::Clear) | (Standing::InArrears { .. }, Standing::InArrears { .. }) => {
            Ok(())
        }
    }
}

/// Switches an endpoint off, gives up what waits for it, and tells its relying party by the ways that are left.
pub(super) fn switch_off(conn: &mut Conn, endpoint: &Endpoint, why: &str, now: Timestamp) -> Flow<()> {
    if !endpoints::disable(conn, endpoint, why, now)? {
        return Ok(());
    }
    let (kind, action, name) = match endpoint.id {
        EndpointId::Webhook(_) => (Kind::WebhookDisabled, "webhook.disable", "webhook"),
        EndpointId::Contact(_) => (Kind::ContactDisabled, "contact.disable", "contact"),
    };
    deliveries::give_up(conn, endpoint.id, "disabled", now)?;
    message(conn, endpoint.rp, kind, &json!({ name: endpoint.id.to_string(), "why": why }), now.into())?;
    Ok(audit::append(conn, "service", action, endpoint.id, why, now)?)
}

/// Whether somebody may want to hear of judgements, and the log has grown since it was last looked through.
pub fn any_judgements(ctx: &Context) -> Flow<bool> {
    ctx.rp_store.read(|conn| Ok(endpoints::any_webhook(conn)? && unread(conn)?.is_some()))
}

/// To be called before a webhook is switched on: while there is none, the log is not looked through, and what came into it is of no interest.
pub(super) fn begin_to_listen(conn: &mut Conn) -> Flow<()> {
    if endpoints::any_webhook(conn)? {
        return Ok(());
    }
    if let Some((_, size)) = unread(conn)? {
        let read = deliveries::cursor(conn, JUDGEMENTS)?;
        deliveries::move_cursor(conn, JUDGEMENTS, read, size)?;
    }
    Ok(())
}

/// The part of the log that was not looked through: from where, and to where.
fn unread(conn: &mut Conn) -> Flow<Option<(u64, u64)>> {
    let size = log::head(conn)?.map_or(0, |head| head.size());
    let from = deliveries::cursor(conn, JUDGEMENTS)?.unwrap_or(0);
    Ok((from < size).then_some((from, size)))
}

/// Puts judgements that came into the log on their way to those who want to hear of them.
pub fn tell_of_judgements(ctx: &Context) -> Flow<()> {
    let now = ctx.now();
    for _ in 0..BATCHES {
        let is_done = ctx.rp_store.write(|conn| {
            let Some((from, size)) = unread(conn)? else { return Ok(true) };
            let read = deliveries::cursor(conn, JUDGEMENTS)?;
            let leaves = log::between(conn, from, size, BATCH)?;
            let next = leaves.last().map_or(size, |(index, _)| index + 1);
            let judged: Vec<Act> = leaves.into_iter().map(|(_, act)| act).filter(is_judgement).collect();
            put_on_their_way(conn, &judged, now)?;
            deliveries::move_cursor(conn, JUDGEMENTS, read, next)?;
            Ok(next >= size)
        })?;
        if is_done {
            break;
        }
    }
    Ok(())
}

fn is_judgement(act: &Act) -> bool {
    act.action == "redemption.judge"
}

fn put_on_their_way(conn: &mut Conn, judged: &[Act], now: Timestamp) -> Flow<()> {
    let rps: BTreeSet<&str> = judged.iter().map(|act| act.actor.as_str()).collect();
    let rps: Vec<&str> = rps.into_iter().collect();
    let mut listening: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
    for endpoint in endpoints::webhooks_listening(conn, &rps, Kind::RedemptionJudged)? {
        listening.entry(endpoint.rp.to_string()).or_default().push(endpoint);
    }
    let mut told = Vec::new();
    for act in judged {
        let Some(endpoints) = listening.get(&act.actor) else { continue };
        let (event, at) = judgement(act)?;
        let since = |endpoint: &&Endpoint| endpoint.created_at <= at;
        told.extend(endpoints.iter().filter(since).map(|endpoint| (endpoint, event.clone())));
    }
    let told: Vec<_> = told.iter().map(|(endpoint, event)| (*endpoint, event)).collect();
    deliveries::insert(conn, &told, now)?;
    for endpoint in listening.values().flatten() {
        if deliveries::count_waiting(conn, endpoint.id, MOST_WAITING + 1)? > MOST_WAITING {
            switch_off(conn, endpoint, "backlog", now)?;
        }
    }
    Ok(())
}

/// The event that a line of the trail is told as, under the line's own id: however often it is read, it is one event.
fn judgement(act: &Act) -> Flow<(Event, Timestamp)> {
    let broken = |_| anyhow::anyhow!("a leaf of the log is no act of ours");
    let at = Timestamp::from_microsecond(act.at).map_err(anyhow::Error::from)?;
    let id: AuditId = act.id.parse().map_err(broken)?;
    let data = json!({ "redemption": act.object, "state": act.outcome });
    Ok((event(EventId::from_bytes(id.to_bytes()), Kind::RedemptionJudged, &data, at), at))
}
