//! Published status lists.

use diesel::prelude::*;
use jiff::Timestamp;

use super::Conn;
use super::schema::status_lists;

/// Puts a signed list in the place of the one before.
pub fn publish(conn: &mut Conn, number: i64, token: &str, now: Timestamp) -> QueryResult<()> {
    let values = (status_lists::token.eq(token), status_lists::published_at.eq(now.as_microsecond()));
    let updated = diesel::update(status_lists::table.find(number)).set(values).execute(conn)?;
    if updated == 0 {
        let row = (status_lists::number.eq(number), values.0, values.1);
        diesel::insert_into(status_lists::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// Every list that was published.
pub fn numbers(conn: &mut Conn) -> QueryResult<Vec<i64>> {
    status_lists::table.select(status_lists::number).order(status_lists::number).load(conn)
}

/// The signed list.
pub fn token(conn: &mut Conn, number: i64) -> QueryResult<Option<String>> {
    status_lists::table.find(number).select(status_lists::token).first(conn).optional()
}
