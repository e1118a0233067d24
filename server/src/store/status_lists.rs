//! Published status lists.

use diesel::prelude::*;
use jiff::Timestamp;

use super::Conn;
use super::schema::status_lists;

/// A list, signed in both forms.
#[derive(Debug)]
pub struct Signed {
    /// As a JWT.
    pub jwt: String,
    /// As a CWT.
    pub cwt: Vec<u8>,
}

/// A list as it was published.
#[derive(Debug, Clone)]
pub struct Published<T> {
    /// Rises with each publication.
    pub version: i64,
    /// When, in microseconds since 1970.
    pub published_at: i64,
    /// The signed list.
    pub token: T,
}

/// Puts a signed list in the place of the one before, under the next version.
pub fn publish(conn: &mut Conn, number: i64, signed: &Signed, now: Timestamp) -> QueryResult<()> {
    use status_lists as s;
    let values = (s::token.eq(&signed.jwt), s::cwt.eq(&signed.cwt), s::published_at.eq(now.as_microsecond()));
    let row = diesel::update(s::table.find(number));
    if row.set((values, s::version.eq(s::version + 1))).execute(conn)? == 0 {
        let row = (s::number.eq(number), values, s::version.eq(1));
        diesel::insert_into(s::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// Every list that was published.
pub fn numbers(conn: &mut Conn) -> QueryResult<Vec<i64>> {
    status_lists::table.select(status_lists::number).order(status_lists::number).load(conn)
}

/// The list as a JWT.
pub fn jwt(conn: &mut Conn, number: i64) -> QueryResult<Option<Published<String>>> {
    use status_lists as s;
    let found = s::table.find(number).select((s::version, s::published_at, s::token));
    let found = found.first::<(i64, i64, String)>(conn).optional()?;
    Ok(found.map(|(version, published_at, token)| Published { version, published_at, token }))
}

/// The list as a CWT; there is none where only a program before this one has published.
pub fn cwt(conn: &mut Conn, number: i64) -> QueryResult<Option<Published<Vec<u8>>>> {
    use status_lists as s;
    let found = s::table.find(number).filter(s::cwt.is_not_null());
    let found = found.select((s::version, s::published_at, s::cwt.assume_not_null()));
    let found = found.first::<(i64, i64, Vec<u8>)>(conn).optional()?;
    Ok(found.map(|(version, published_at, token)| Published { version, published_at, token }))
}
