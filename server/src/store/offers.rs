//! What is sold beforehand.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::money::Micros;

use super::Conn;
use super::columns::{damaged, present, time};
use super::schema::offers;
use crate::billing::orders::Kind;
use crate::billing::price::Service;

/// An offer, as it is from one moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name.
    pub id: String,
    /// From when, until another of the same name takes its place.
    pub valid_from: Timestamp,
    /// Units of what.
    pub service: Service,
    /// How they come.
    pub kind: Kind,
    /// How many.
    pub units: i64,
    /// For how long, or how often.
    pub months: u32,
    /// What it costs: micro-yuan.
    pub micros: Micros,
    /// How many are left; without one there are always more.
    pub stock: Option<i64>,
}

/// Adds one.
pub fn insert(conn: &mut Conn, offer: &Offer) -> QueryResult<()> {
    let row = (
        offers::id.eq(&offer.id),
        offers::valid_from.eq(offer.valid_from.as_microsecond()),
        offers::service.eq(offer.service.as_str()),
        offers::kind.eq(offer.kind.as_str()),
        offers::units.eq(offer.units),
        offers::months.eq(i64::from(offer.months)),
        offers::micros.eq(offer.micros.get()),
        offers::stock.eq(offer.stock),
    );
    diesel::insert_into(offers::table).values(row).execute(conn).map(drop)
}

type Row = (String, i64, String, String, i64, i64, i64, Option<i64>);

fn offer((id, valid_from, service, kind, units, months, micros, stock): Row) -> QueryResult<Offer> {
    Ok(Offer {
        id,
        valid_from: time(valid_from)?,
        service: present(Service::parse(&service), "offers.service")?,
        kind: present(Kind::parse(&kind), "offers.kind")?,
        units,
        months: u32::try_from(months).map_err(|error| damaged(&error))?,
        micros: Micros::new(micros),
        stock,
    })
}

/// Every offer, past, in force and announced, by name and time.
pub fn all(conn: &mut Conn) -> QueryResult<Vec<Offer>> {
    let rows = offers::table.order((offers::id, offers::valid_from)).load::<Row>(conn)?;
    rows.into_iter().map(offer).collect()
}

/// The offer of a name that is in force at `now`.
pub fn in_force(conn: &mut Conn, id: &str, now: Timestamp) -> QueryResult<Option<Offer>> {
    let begun = offers::table.filter(offers::id.eq(id)).filter(offers::valid_from.le(now.as_microsecond()));
    begun.order(offers::valid_from.desc()).first::<Row>(conn).optional()?.map(offer).transpose()
}

/// The offer of a name that takes the place of the one in force at `now`.
pub fn next(conn: &mut Conn, id: &str, now: Timestamp) -> QueryResult<Option<Timestamp>> {
    let later = offers::table.filter(offers::id.eq(id)).filter(offers::valid_from.gt(now.as_microsecond()));
    let first = later.select(diesel::dsl::min(offers::valid_from)).first::<Option<i64>>(conn)?;
    first.map(time).transpose()
}

/// The offer of a name that is valid from this moment on.
pub fn find(conn: &mut Conn, id: &str, valid_from: Timestamp) -> QueryResult<Option<Offer>> {
    let found = offers::table.find((id, valid_from.as_microsecond()));
    found.first::<Row>(conn).optional()?.map(offer).transpose()
}

/// Whether there is any offer of these names yet.
pub fn any(conn: &mut Conn, ids: &[&str]) -> QueryResult<bool> {
    let found = offers::table.filter(offers::id.eq_any(ids.iter().copied()));
    diesel::dsl::select(diesel::dsl::exists(found)).get_result(conn)
}

/// Takes so many of what is left; `false`, and none is taken, when there are fewer. There are always enough of what has no stock.
pub fn take(conn: &mut Conn, offer: &Offer, quantity: i64) -> QueryResult<bool> {
    if offer.stock.is_none() {
        return Ok(true);
    }
    let enough =
        offers::table.find((&offer.id, offer.valid_from.as_microsecond())).filter(offers::stock.ge(quantity));
    Ok(diesel::update(enough).set(offers::stock.eq(offers::stock - quantity)).execute(conn)? == 1)
}
