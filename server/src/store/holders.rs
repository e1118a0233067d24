//! Holders: the persons behind certificates, known by their eid.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::HolderId;
use wallet_core::pairwise::Eid;

use super::columns::{array, parse};
use super::schema::{certificates, holders};
use super::{Conn, exactly_one};

/// The holder of an eid, made if there is none.
pub fn find_or_insert(conn: &mut Conn, eid: &Eid, now: Timestamp) -> QueryResult<HolderId> {
    let found = holders::table.filter(holders::eid.eq(eid.as_bytes().as_slice())).select(holders::id);
    if let Some(id) = found.first::<String>(conn).optional()? {
        return parse(&id);
    }
    let id = HolderId::new(now, &mut rand::rng());
    let row = (
        holders::id.eq(id.to_string()),
        holders::eid.eq(eid.as_bytes().as_slice()),
        holders::created_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(holders::table).values(row).execute(conn)?;
    Ok(id)
}

/// By what a holder is known.
pub fn eid(conn: &mut Conn, holder: HolderId) -> QueryResult<Eid> {
    let found = holders::table.find(holder.to_string()).select(holders::eid);
    Ok(Eid::from_bytes(array(&found.first::<Vec<u8>>(conn)?)?))
}

/// Issues nothing to a holder from now on.
pub fn hold(conn: &mut Conn, holder: HolderId, now: Timestamp) -> QueryResult<()> {
    let row = holders::table.find(holder.to_string());
    exactly_one(diesel::update(row).set(holders::held_at.eq(now.as_microsecond())).execute(conn)?)
}

/// Ends a hold, if there is one.
pub fn release(conn: &mut Conn, holder: HolderId) -> QueryResult<()> {
    let row = holders::table.find(holder.to_string());
    exactly_one(diesel::update(row).set(holders::held_at.eq(None::<i64>)).execute(conn)?)
}

/// Whether nothing may be issued to a holder. A program before this one suspends without a hold.
pub fn is_held(conn: &mut Conn, holder: HolderId) -> QueryResult<bool> {
    use diesel::dsl::{exists, select};
    let holder = holder.to_string();
    let held = holders::table.find(&holder).filter(holders::held_at.is_not_null());
    let suspended = certificates::table
        .filter(certificates::holder_id.eq(&holder))
        .filter(certificates::state.eq("suspended"));
    select(exists(held).or(exists(suspended))).get_result(conn)
}
