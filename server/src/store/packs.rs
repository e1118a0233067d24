//! Packs: units of a service that were bought beforehand.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use jiff::Timestamp;
use wallet_core::ids::{PackId, RelyingPartyId};
use wallet_core::money::Micros;

use super::columns::{damaged, parse, time};
use super::relying_parties::Whose;
use super::schema::packs;
use super::{Conn, exactly_one};
use crate::billing::alerts::Recurrence;
use crate::billing::packs::Pack;
use crate::billing::price::Service;

/// A pack that is granted.
#[derive(Debug, Clone)]
pub struct Grant {
    /// What, and for how long.
    pub pack: Pack,
    /// To whom.
    pub rp: RelyingPartyId,
    /// By which order; or `first-purchase`.
    pub origin: String,
    /// What was paid for it.
    pub paid: Micros,
    /// Whether it is one month of several.
    pub monthly: bool,
}

/// Adds a pack.
pub fn insert(conn: &mut Conn, grant: &Grant, now: Timestamp) -> QueryResult<()> {
    let row = (
        packs::rp_id.eq(grant.rp.to_string()),
        packs::id.eq(grant.pack.id.to_string()),
        packs::service.eq(grant.pack.service.as_str()),
        packs::origin.eq(&grant.origin),
        packs::paid_micros.eq(grant.paid.get()),
        packs::earned_micros.eq(0),
        packs::units.eq(grant.pack.units),
        packs::remaining.eq(grant.pack.remaining),
        packs::monthly.eq(i64::from(grant.monthly)),
        packs::granted_at.eq(now.as_microsecond()),
        packs::starts_at.eq(grant.pack.starts_at.as_microsecond()),
        packs::expires_at.eq(grant.pack.expires_at.as_microsecond()),
    );
    diesel::insert_into(packs::table).values(row).execute(conn).map(drop)
}

/// The packs of a relying party that are not void, the earliest to expire first.
pub fn of(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<Vec<Pack>> {
    let found = packs::table
        .filter(packs::rp_id.eq(rp.to_string()))
        .filter(packs::voided_at.is_null())
        .order((packs::expires_at, packs::id))
        .select(columns!());
    found.load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// The packs of a service that recur so, void or not.
pub fn recurring(
    conn: &mut Conn,
    rp: RelyingPartyId,
    service: Service,
    recurrence: Recurrence,
) -> QueryResult<Vec<Pack>> {
    let found = packs::table
        .filter(packs::rp_id.eq(rp.to_string()))
        .filter(packs::service.eq(service.as_str()))
        .filter(packs::monthly.eq(i64::from(recurrence == Recurrence::Monthly)))
        .select(columns!());
    found.load::<Row>(conn)?.into_iter().map(from_row).collect()
}

type Row = (String, String, i64, i64, i64, i64);

macro_rules! columns {
    () => {
        (packs::id, packs::service, packs::units, packs::remaining, packs::starts_at, packs::expires_at)
    };
}
use columns;

fn from_row((id, service, units, remaining, starts_at, expires_at): Row) -> QueryResult<Pack> {
    let service = Service::parse(&service).ok_or_else(|| damaged(&"packs.service"))?;
    let (starts_at, expires_at) = (time(starts_at)?, time(expires_at)?);
    Ok(Pack { id: parse(&id)?, service, units, remaining, starts_at, expires_at })
}

/// The pack that a use at `at` is drawn from: the earliest to expire, of two of them the earlier granted. The same rule as
/// [`crate::billing::packs::draw`], asked where nobody can be faster.
pub fn first(
    conn: &mut Conn,
    rp: RelyingPartyId,
    service: Service,
    at: Timestamp,
) -> QueryResult<Option<PackId>> {
    let at = at.as_microsecond();
    let found = packs::table
        .filter(packs::rp_id.eq(rp.to_string()))
        .filter(packs::service.eq(service.as_str()))
        .filter(packs::remaining.gt(0))
        .filter(packs::voided_at.is_null())
        .filter(packs::starts_at.le(at))
        .filter(packs::expires_at.gt(at))
        .order((packs::expires_at, packs::id))
        .select(packs::id);
    found.first::<String>(conn).optional()?.map(|id| parse(&id)).transpose()
}

/// The origin of what is given with a first purchase.
pub const FIRST_PURCHASE: &str = "first-purchase";

/// All packs of one origin, and whether each is void.
pub fn of_origin(conn: &mut Conn, rp: RelyingPartyId, origin: &str) -> QueryResult<Vec<(Pack, bool)>> {
    let found = packs::table
        .filter(packs::rp_id.eq(rp.to_string()))
        .filter(packs::origin.eq(origin))
        .order((packs::starts_at, packs::id))
        .select((
            packs::id,
            packs::service,
            packs::units,
            packs::remaining,
            packs::starts_at,
            packs::expires_at,
            packs::voided_at,
        ));
    let rows = found.load::<(String, String, i64, i64, i64, i64, Option<i64>)>(conn)?;
    rows.into_iter()
        .map(|(id, service, units, remaining, starts_at, expires_at, voided_at)| {
            let service = Service::parse(&service).ok_or_else(|| damaged(&"packs.service"))?;
            let (starts_at, expires_at) = (time(starts_at)?, time(expires_at)?);
            let pack = Pack { id: parse(&id)?, service, units, remaining, starts_at, expires_at };
            Ok((pack, voided_at.is_some()))
        })
        .collect()
}

/// A pack, void or not.
pub fn find(conn: &mut Conn, rp: RelyingPartyId, id: PackId) -> QueryResult<Pack> {
    from_row(packs::table.find((rp.to_string(), id.to_string())).select(columns!()).first(conn)?)
}

/// Draws a unit; `false` when there is none left.
pub fn draw(conn: &mut Conn, rp: RelyingPartyId, id: PackId) -> QueryResult<bool> {
    let left = packs::table.find((rp.to_string(), id.to_string())).filter(packs::remaining.gt(0));
    let drawn = diesel::update(left).set(packs::remaining.eq(packs::remaining - 1)).execute(conn)?;
    Ok(drawn == 1)
}

/// What was paid for a pack, and what of it is earned.
#[derive(Debug, Clone)]
pub struct Paid {
    /// Of what.
    pub service: Service,
    /// How many it began with.
    pub units: i64,
    /// How many are left.
    pub remaining: i64,
    /// What was paid for them.
    pub paid: Micros,
    /// What of it is earned.
    pub earned: Micros,
    /// When what was left became void.
    pub voided_at: Option<Timestamp>,
}

/// What was paid for a pack that there is.
pub fn paid(conn: &mut Conn, rp: RelyingPartyId, id: PackId) -> QueryResult<Paid> {
    let found = packs::table.find((rp.to_string(), id.to_string())).select((
        packs::service,
        packs::units,
        packs::remaining,
        packs::paid_micros,
        packs::earned_micros,
        packs::voided_at,
    ));
    let (service, units, remaining, paid, earned, voided_at): (String, _, _, _, _, Option<i64>) =
        found.first(conn)?;
    Ok(Paid {
        service: Service::parse(&service).ok_or_else(|| damaged(&"packs.service"))?,
        units,
        remaining,
        paid: Micros::new(paid),
        earned: Micros::new(earned),
        voided_at: voided_at.map(time).transpose()?,
    })
}

/// Packs that ended before `before`, and are not void yet.
pub fn ended(conn: &mut Conn, whose: Whose, before: Timestamp) -> QueryResult<Vec<(RelyingPartyId, PackId)>> {
    let found = packs::table
        .filter(sql::<Bool>(&whose.condition("rp_id")))
        .filter(packs::expires_at.lt(before.as_microsecond()))
        .filter(packs::voided_at.is_null())
        .select((packs::rp_id, packs::id));
    found.load::<(String, String)>(conn)?.iter().map(|(rp, id)| Ok((parse(rp)?, parse(id)?))).collect()
}

/// Voids a pack of which `remaining` is left.
pub fn void(
    conn: &mut Conn,
    rp: RelyingPartyId,
    id: PackId,
    remaining: i64,
    now: Timestamp,
) -> QueryResult<()> {
    let as_read = packs::table
        .find((rp.to_string(), id.to_string()))
        .filter(packs::remaining.eq(remaining))
        .filter(packs::voided_at.is_null());
    let values = (packs::remaining.eq(0), packs::voided_at.eq(now.as_microsecond()));
    exactly_one(diesel::update(as_read).set(values).execute(conn)?)
}

/// Notes what a pack has earned.
pub fn earn(
    conn: &mut Conn,
    rp: RelyingPartyId,
    id: PackId,
    before: Micros,
    by_now: Micros,
) -> QueryResult<()> {
    let as_read =
        packs::table.find((rp.to_string(), id.to_string())).filter(packs::earned_micros.eq(before.get()));
    exactly_one(diesel::update(as_read).set(packs::earned_micros.eq(by_now.get())).execute(conn)?)
}
