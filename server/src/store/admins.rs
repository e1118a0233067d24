//! Admins and their tokens.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::AdminId;

use super::Conn;
use super::columns::parse;
use super::schema::admins;

/// Adds an admin who proves themselves by the token with this hash.
pub fn insert(
    conn: &mut Conn,
    id: AdminId,
    name: &str,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> QueryResult<()> {
    let row = (
        admins::id.eq(id.to_string()),
        admins::name.eq(name),
        admins::token_hash.eq(token_hash.as_slice()),
        admins::created_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(admins::table).values(row).execute(conn).map(drop)
}

/// The admin of a token.
pub fn by_token(conn: &mut Conn, token_hash: &[u8; 32]) -> QueryResult<Option<AdminId>> {
    let found = admins::table.filter(admins::token_hash.eq(token_hash.as_slice())).select(admins::id);
    found.first::<String>(conn).optional()?.map(|id| parse(&id)).transpose()
}
