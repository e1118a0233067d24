//! Standing E-cert numbers, one live for each holder.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::attributes::Share;
use wallet_core::ids::HolderId;

use super::Conn;
use super::columns::{parse, time};
use super::schema::standing_numbers as numbers;

/// A number that stands, known by its MAC alone.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Whose.
    pub holder: HolderId,
    /// What it may share.
    pub share: Share,
    /// Since when.
    pub made_at: Timestamp,
}

type Row = (String, String, i64);

fn from_row((holder, share, made_at): Row) -> QueryResult<Standing> {
    Ok(Standing { holder: parse(&holder)?, share: parse(&share)?, made_at: time(made_at)? })
}

/// The live number with this MAC.
pub fn find(conn: &mut Conn, mac: &[u8; 32]) -> QueryResult<Option<Standing>> {
    let found = numbers::table.find(mac.as_slice()).filter(numbers::ended_at.is_null()).select((
        numbers::holder_id,
        numbers::share,
        numbers::made_at,
    ));
    found.first::<Row>(conn).optional()?.map(from_row).transpose()
}

/// The live number of a holder.
pub fn of_holder(conn: &mut Conn, holder: HolderId) -> QueryResult<Option<Standing>> {
    let found = numbers::table
        .filter(numbers::holder_id.eq(holder.to_string()))
        .filter(numbers::ended_at.is_null())
        .select((numbers::holder_id, numbers::share, numbers::made_at));
    found.first::<Row>(conn).optional()?.map(from_row).transpose()
}

/// Adds a live number. A holder has one: end the one before first.
pub fn insert(conn: &mut Conn, mac: &[u8; 32], number: &Standing) -> QueryResult<()> {
    let row = (
        numbers::number_mac.eq(mac.as_slice()),
        numbers::holder_id.eq(number.holder.to_string()),
        numbers::share.eq(number.share.as_str()),
        numbers::made_at.eq(number.made_at.as_microsecond()),
    );
    diesel::insert_into(numbers::table).values(row).execute(conn).map(drop)
}

/// Ends a holder's live number; `false` when there was none.
pub fn end(conn: &mut Conn, holder: HolderId, reason: &str, now: Timestamp) -> QueryResult<bool> {
    let live =
        numbers::table.filter(numbers::holder_id.eq(holder.to_string())).filter(numbers::ended_at.is_null());
    let values = (numbers::ended_at.eq(now.as_microsecond()), numbers::reason.eq(reason));
    Ok(diesel::update(live).set(values).execute(conn)? == 1)
}
