//! Holders: the persons behind certificates, known by their eid.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::HolderId;
use wallet_core::pairwise::Eid;

use super::Conn;
use super::columns::parse;
use super::schema::holders;

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
