//! What every relying party that buys a service is to be told, and how far that is done.

use diesel::prelude::*;
use jiff::Timestamp;
use serde_json::Value;
use wallet_core::ids::{MessageId, RelyingPartyId};

use super::columns::{damaged, parse, present};
use super::schema::{announcements as a, subscriptions as s};
use super::{Conn, exactly_one};
use crate::billing::price::Service;
use crate::delivery::event::Kind;

/// Something to be told.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// Which; in the order in which they are told.
    pub id: String,
    /// What it is about.
    pub kind: Kind,
    /// Who has bought one of these is told.
    pub services: Vec<Service>,
    /// The figures.
    pub body: Value,
    /// The last relying party that was told.
    pub told_up_to: String,
}

/// Adds one, in the transaction of what is announced: all who have bought one of the services are to be told it.
pub fn insert(
    conn: &mut Conn,
    kind: Kind,
    services: &[Service],
    body: &Value,
    now: Timestamp,
) -> QueryResult<()> {
    let services: Vec<&str> = services.iter().map(|service| service.as_str()).collect();
    let row = (
        a::id.eq(MessageId::new(now, &mut rand::rng()).to_string()),
        a::kind.eq(kind.as_str()),
        a::services.eq(services.join(" ")),
        a::body.eq(body.to_string()),
        a::at.eq(now.as_microsecond()),
        a::told_up_to.eq(""),
    );
    diesel::insert_into(a::table).values(row).execute(conn).map(drop)
}

/// The earliest that not everybody was told.
pub fn waiting(conn: &mut Conn) -> QueryResult<Option<Announcement>> {
    let found = a::table
        .filter(a::told_at.is_null())
        .order(a::id)
        .select((a::id, a::kind, a::services, a::body, a::told_up_to))
        .first::<(String, String, String, String, String)>(conn)
        .optional()?;
    let Some((id, kind, services, body, told_up_to)) = found else { return Ok(None) };
    let service = |name| present(Service::parse(name), "announcements.services");
    let services = services.split(' ').map(service).collect::<QueryResult<_>>()?;
    let body = serde_json::from_str(&body).map_err(|_| damaged(&"announcements.body"))?;
    let kind = parse(&kind)?;
    Ok(Some(Announcement { id, kind, services, body, told_up_to }))
}

/// Who is to be told next, by their ids.
pub fn listeners(
    conn: &mut Conn,
    announcement: &Announcement,
    limit: i64,
) -> QueryResult<Vec<RelyingPartyId>> {
    let services: Vec<&str> = announcement.services.iter().map(|service| service.as_str()).collect();
    let found = s::table
        .filter(s::rp_id.gt(&announcement.told_up_to))
        .filter(s::service.eq_any(services))
        .order(s::rp_id)
        .select(s::rp_id)
        .distinct()
        .limit(limit);
    found.load::<String>(conn)?.iter().map(|id| parse(id)).collect()
}

/// Notes up to whom it was told; at `done`, that there is nobody else. Once.
pub fn told(
    conn: &mut Conn,
    announcement: &Announcement,
    up_to: &str,
    done: Option<Timestamp>,
) -> QueryResult<()> {
    let as_read = a::table
        .find(&announcement.id)
        .filter(a::told_at.is_null())
        .filter(a::told_up_to.eq(&announcement.told_up_to));
    let values = (a::told_up_to.eq(up_to), a::told_at.eq(done.map(|at| at.as_microsecond())));
    exactly_one(diesel::update(as_read).set(values).execute(conn)?)
}
