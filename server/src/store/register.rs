//! The local register: keyed hashes of name and number.

use diesel::dsl::{exists, select};
use diesel::prelude::*;
use jiff::Timestamp;

use super::Conn;
use super::schema::register_entries as entries;

/// Adds a person; `false` when they stand there already.
pub fn add(conn: &mut Conn, person: &[u8; 32], now: Timestamp) -> QueryResult<bool> {
    if contains(conn, person)? {
        return Ok(false);
    }
    let row = (entries::person_mac.eq(person.as_slice()), entries::added_at.eq(now.as_microsecond()));
    diesel::insert_into(entries::table).values(row).execute(conn).map(|_| true)
}

/// Whether the person stands in the register.
pub fn contains(conn: &mut Conn, person: &[u8; 32]) -> QueryResult<bool> {
    select(exists(entries::table.filter(entries::person_mac.eq(person.as_slice())))).get_result(conn)
}
