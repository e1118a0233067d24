//! Where relying parties are told of what happens: webhooks and mail addresses.

use std::fmt;
use std::str::FromStr;

use diesel::dsl::{exists, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use jiff::Timestamp;
use wallet_core::ids::{ContactId, IdError, RelyingPartyId, WebhookId};

use super::columns::{damaged, parse, time};
use super::schema::{deliveries as d, endpoints as e};
use super::{Conn, exactly_one};
use crate::delivery::event::{Kind, Wanted};
use crate::delivery::schedule::Health;

/// Which, and by that of which channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndpointId {
    /// Told by HTTP.
    Webhook(WebhookId),
    /// Told by mail.
    Contact(ContactId),
}

impl EndpointId {
    /// The word for the channel.
    pub fn channel(self) -> &'static str {
        match self {
            EndpointId::Webhook(_) => WEBHOOK,
            EndpointId::Contact(_) => MAIL,
        }
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndpointId::Webhook(id) => id.fmt(f),
            EndpointId::Contact(id) => id.fmt(f),
        }
    }
}

impl FromStr for EndpointId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().map(EndpointId::Webhook).or_else(|_| text.parse().map(EndpointId::Contact))
    }
}

const WEBHOOK: &str = "webhook";
const MAIL: &str = "mail";

/// An endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Whose.
    pub rp: RelyingPartyId,
    /// Which.
    pub id: EndpointId,
    /// What it is told of.
    pub wanted: Wanted,
    /// The address, and the secrets of a webhook.
    pub sealed_target: Vec<u8>,
    /// Since when it is there.
    pub created_at: Timestamp,
    /// When it was proven that somebody there wants to be told; a webhook's is that of its making.
    pub confirmed_at: Option<Timestamp>,
    /// When it was switched off, and why, in a word.
    pub disabled: Option<(Timestamp, String)>,
    /// How it has taken things lately.
    pub health: Health,
}

type Row = (String, String, String, Vec<u8>, i64, Option<i64>, Option<i64>, Option<String>, Option<i64>, i64);

macro_rules! columns {
    () => {
        (
            e::rp_id,
            e::id,
            e::events,
            e::sealed_target,
            e::created_at,
            e::confirmed_at,
            e::disabled_at,
            e::disabled_why,
            e::failing_since,
            e::quick,
        )
    };
}

fn from_row(row: Row) -> QueryResult<Endpoint> {
    let (rp, id, events, sealed_target, created_at, confirmed_at, disabled_at, why, failing_since, quick) =
        row;
    let wanted = Wanted::parse(events.split(' ')).map_err(|error| damaged(&error))?;
    let disabled = disabled_at.map(time).transpose()?.zip(why);
    let health = Health { quick: quick == 1, failing_since: failing_since.map(time).transpose()? };
    Ok(Endpoint {
        rp: parse(&rp)?,
        id: parse(&id)?,
        wanted,
        sealed_target,
        created_at: time(created_at)?,
        confirmed_at: confirmed_at.map(time).transpose()?,
        disabled,
        health,
    })
}

fn read(rows: Vec<Row>) -> QueryResult<Vec<Endpoint>> {
    rows.into_iter().map(from_row).collect()
}

/// Adds one.
pub fn insert(conn: &mut Conn, endpoint: &Endpoint) -> QueryResult<()> {
    let row = (
        e::rp_id.eq(endpoint.rp.to_string()),
        e::id.eq(endpoint.id.to_string()),
        e::channel.eq(endpoint.id.channel()),
        e::events.eq(endpoint.wanted.words().join(" ")),
        e::sealed_target.eq(&endpoint.sealed_target),
        e::created_at.eq(endpoint.created_at.as_microsecond()),
        e::confirmed_at.eq(endpoint.confirmed_at.map(Timestamp::as_microsecond)),
        e::quick.eq(i64::from(endpoint.health.quick)),
        e::leased_until.eq(0),
        e::leased_by.eq(""),
    );
    diesel::insert_into(e::table).values(row).execute(conn).map(drop)
}

/// One of a relying party.
pub fn find(conn: &mut Conn, rp: RelyingPartyId, id: EndpointId) -> QueryResult<Option<Endpoint>> {
    let found = e::table.find((rp.to_string(), id.to_string())).select(columns!());
    found.first::<Row>(conn).optional()?.map(from_row).transpose()
}

/// All webhooks, or all contacts, of a relying party, the oldest first.
pub fn list_webhooks(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<Vec<Endpoint>> {
    of_channel(conn, rp, WEBHOOK)
}

/// All contacts of a relying party, the oldest first.
pub fn list_contacts(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<Vec<Endpoint>> {
    of_channel(conn, rp, MAIL)
}

fn of_channel(conn: &mut Conn, rp: RelyingPartyId, channel: &str) -> QueryResult<Vec<Endpoint>> {
    let found = e::table.filter(e::rp_id.eq(rp.to_string())).filter(e::channel.eq(channel));
    read(found.order(e::id).select(columns!()).load(conn)?)
}

/// The endpoints of a relying party that are to be told of such a thing.
pub fn listening(conn: &mut Conn, rp: RelyingPartyId, kind: Kind) -> QueryResult<Vec<Endpoint>> {
    let on = e::table.filter(e::disabled_at.is_null()).filter(e::confirmed_at.is_not_null());
    let found = read(on.filter(e::rp_id.eq(rp.to_string())).select(columns!()).load(conn)?)?;
    Ok(found.into_iter().filter(|endpoint| wants(endpoint, kind)).collect())
}

/// The same for all webhooks of several relying parties.
pub fn webhooks_listening(conn: &mut Conn, rps: &[&str], kind: Kind) -> QueryResult<Vec<Endpoint>> {
    let on = e::table.filter(e::disabled_at.is_null()).filter(e::channel.eq(WEBHOOK));
    let found = read(on.filter(e::rp_id.eq_any(rps.to_vec())).select(columns!()).load(conn)?)?;
    Ok(found.into_iter().filter(|endpoint| wants(endpoint, kind)).collect())
}

fn wants(endpoint: &Endpoint, kind: Kind) -> bool {
    let fits = matches!(endpoint.id, EndpointId::Webhook(_)) || kind.goes_by_mail();
    fits && endpoint.wanted.has(kind)
}

/// Whether there is any webhook at all.
pub fn any_webhook(conn: &mut Conn) -> QueryResult<bool> {
    let on = e::table.filter(e::disabled_at.is_null()).filter(e::channel.eq(WEBHOOK)).select(e::id);
    diesel::dsl::select(exists(on)).get_result(conn)
}

/// Puts other secrets in the place of what was read. When that is there no more, the whole is run anew.
pub fn set_target(conn: &mut Conn, endpoint: &Endpoint, sealed: &[u8]) -> QueryResult<()> {
    let as_read = found(endpoint).filter(e::sealed_target.eq(endpoint.sealed_target.clone()));
    exactly_one(diesel::update(as_read).set(e::sealed_target.eq(sealed)).execute(conn)?)
}

/// Notes that a contact wants to be told.
pub fn confirm(conn: &mut Conn, endpoint: &Endpoint, now: Timestamp) -> QueryResult<()> {
    let confirmed = e::confirmed_at.eq(now.as_microsecond());
    exactly_one(diesel::update(found(endpoint)).set(confirmed).execute(conn)?)
}

/// Switches one off; `false` when it was off, or is there no more.
pub fn disable(conn: &mut Conn, endpoint: &Endpoint, why: &str, now: Timestamp) -> QueryResult<bool> {
    let on = found(endpoint).filter(e::disabled_at.is_null());
    let values = (e::disabled_at.eq(now.as_microsecond()), e::disabled_why.eq(why));
    Ok(diesel::update(on).set(values).execute(conn)? == 1)
}

/// Switches one on, as if it were new.
pub fn enable(conn: &mut Conn, endpoint: &Endpoint) -> QueryResult<()> {
    let values = (
        e::disabled_at.eq(None::<i64>),
        e::disabled_why.eq(None::<&str>),
        e::failing_since.eq(None::<i64>),
        e::quick.eq(0),
        // Not left alone any longer.
        e::leased_until.eq(0),
    );
    exactly_one(diesel::update(found(endpoint)).set(values).execute(conn)?)
}

/// Removes one; `false` when there is none.
pub fn delete(conn: &mut Conn, rp: RelyingPartyId, id: EndpointId) -> QueryResult<bool> {
    Ok(diesel::delete(e::table.find((rp.to_string(), id.to_string()))).execute(conn)? == 1)
}

/// Removes contacts that were asked for before `time`, and did not answer.
pub fn forget_unconfirmed(conn: &mut Conn, time: Timestamp) -> QueryResult<()> {
    let silent = e::table
        .filter(e::channel.eq(MAIL))
        .filter(e::confirmed_at.is_null())
        .filter(e::created_at.lt(time.as_microsecond()));
    let ids: Vec<String> = silent.select(e::id).load(conn)?;
    diesel::delete(d::table.filter(d::endpoint_id.eq_any(ids.clone()))).execute(conn)?;
    diesel::delete(e::table.filter(e::id.eq_any(ids))).execute(conn).map(drop)
}

type Found = diesel::dsl::Find<e::table, (String, String)>;

fn found(endpoint: &Endpoint) -> Found {
    e::table.find((endpoint.rp.to_string(), endpoint.id.to_string()))
}

/// An endpoint that something waits for, and until when it was served last.
pub type Waiting = (RelyingPartyId, EndpointId, i64);

/// Endpoints that nobody serves, and something waits for: of those that are quick, or of the others; first whoever was served longest ago.
pub fn waiting(conn: &mut Conn, quick: bool, now: Timestamp, most: i64) -> QueryResult<Vec<Waiting>> {
    let now = now.as_microsecond();
    let due = d::table
        .filter(d::endpoint_id.eq(e::id))
        // Spelt out, so that the index over what waits serves in every plan.
        .filter(sql::<Bool>("deliveries.state = 'waiting'"))
        .filter(d::due_at.le(now));
    let free = e::table
        .filter(e::quick.eq(i64::from(quick)))
        .filter(e::leased_until.le(now))
        .filter(e::disabled_at.is_null())
        .filter(exists(due))
        .order(e::leased_until)
        .limit(most)
        .select((e::rp_id, e::id, e::leased_until));
    let rows = free.load::<(String, String, i64)>(conn)?.into_iter();
    rows.map(|(rp, id, until)| Ok((parse(&rp)?, parse(&id)?, until))).collect()
}

/// Takes one to serve it; `false` when somebody else was faster.
pub fn take(conn: &mut Conn, waiting: Waiting, by: &str, until: Timestamp) -> QueryResult<bool> {
    let (rp, id, was_until) = waiting;
    let as_read = e::table.find((rp.to_string(), id.to_string())).filter(e::leased_until.eq(was_until));
    let lease = (e::leased_until.eq(until.as_microsecond()), e::leased_by.eq(by));
    Ok(diesel::update(as_read).set(lease).execute(conn)? == 1)
}

/// Gives one back, with how it took things; whoever lost it meanwhile changes nothing.
pub fn give_back(
    conn: &mut Conn,
    endpoint: &Endpoint,
    by: &str,
    free_from: Timestamp,
    health: Health,
) -> QueryResult<()> {
    let ours = found(endpoint).filter(e::leased_by.eq(by));
    let values = (
        e::leased_until.eq(free_from.as_microsecond()),
        e::leased_by.eq(""),
        e::quick.eq(i64::from(health.quick)),
        e::failing_since.eq(health.failing_since.map(Timestamp::as_microsecond)),
    );
    diesel::update(ours).set(values).execute(conn).map(drop)
}
