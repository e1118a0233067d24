//! The protected headers of stored tokens, by their hash.

use diesel::prelude::*;

use super::Conn;
use super::schema::jws_headers;

/// Adds a header, if it is not there.
pub fn put(conn: &mut Conn, id: &str, header: &str) -> QueryResult<()> {
    if find(conn, id)?.is_none() {
        let row = (jws_headers::id.eq(id), jws_headers::header.eq(header));
        diesel::insert_into(jws_headers::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// The header with this hash.
pub fn find(conn: &mut Conn, id: &str) -> QueryResult<Option<String>> {
    jws_headers::table.find(id).select(jws_headers::header).first(conn).optional()
}
