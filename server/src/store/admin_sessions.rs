//! Sessions of admins, known here by the hashes of their cookies.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{AdminId, AdminSessionId};

use super::columns::{parse, time};
use super::schema::admin_sessions as s;
use super::{Conn, exactly_one};

/// An admin at a browser.
#[derive(Debug, Clone)]
pub struct Session {
    /// Which.
    pub id: AdminSessionId,
    /// Whose.
    pub admin: AdminId,
    /// When a request was last noted.
    pub seen_at: Timestamp,
    /// When it ends however busy it is.
    pub ends_at: Timestamp,
    /// Until when a passkey counts as shown just now.
    pub stepped_up_until: Option<Timestamp>,
}

type Row = (String, String, i64, i64, Option<i64>);

/// Begins a session.
pub fn insert(conn: &mut Conn, session: &Session, secret_hash: &[u8; 32]) -> QueryResult<()> {
    let row = (
        s::id.eq(session.id.to_string()),
        s::admin_id.eq(session.admin.to_string()),
        s::secret_hash.eq(secret_hash.as_slice()),
        s::started_at.eq(session.seen_at.as_microsecond()),
        s::seen_at.eq(session.seen_at.as_microsecond()),
        s::ends_at.eq(session.ends_at.as_microsecond()),
    );
    diesel::insert_into(s::table).values(row).execute(conn).map(drop)
}

/// The session of a cookie.
pub fn by_secret(conn: &mut Conn, secret_hash: &[u8; 32]) -> QueryResult<Option<Session>> {
    let of = s::table.filter(s::secret_hash.eq(secret_hash.as_slice()));
    let columns = (s::id, s::admin_id, s::seen_at, s::ends_at, s::stepped_up_until);
    let row = of.select(columns).first::<Row>(conn).optional()?;
    let session = |(id, admin, seen, ends, stepped): Row| {
        Ok(Session {
            id: parse(&id)?,
            admin: parse(&admin)?,
            seen_at: time(seen)?,
            ends_at: time(ends)?,
            stepped_up_until: stepped.map(time).transpose()?,
        })
    };
    row.map(session).transpose()
}

/// Notes that it is in use.
pub fn seen(conn: &mut Conn, id: AdminSessionId, now: Timestamp) -> QueryResult<()> {
    let of = s::table.find(id.to_string()).filter(s::seen_at.lt(now.as_microsecond()));
    diesel::update(of).set(s::seen_at.eq(now.as_microsecond())).execute(conn).map(drop)
}

/// Gives a session another cookie, and notes that a passkey was shown. Nobody else may have done so since.
pub fn step_up(conn: &mut Conn, session: &Session, from: &[u8; 32], to: &[u8; 32]) -> QueryResult<()> {
    let as_read = s::table.find(session.id.to_string()).filter(s::secret_hash.eq(from.as_slice()));
    let values = (
        s::secret_hash.eq(to.as_slice()),
        s::seen_at.eq(session.seen_at.as_microsecond()),
        s::stepped_up_until.eq(session.stepped_up_until.map(Timestamp::as_microsecond)),
    );
    exactly_one(diesel::update(as_read).set(values).execute(conn)?)
}

/// Ends the session of a cookie; which it was.
pub fn end(conn: &mut Conn, secret_hash: &[u8; 32]) -> QueryResult<Option<AdminSessionId>> {
    let Some(session) = by_secret(conn, secret_hash)? else { return Ok(None) };
    let ended = diesel::delete(s::table.find(session.id.to_string())).execute(conn)?;
    Ok((ended == 1).then_some(session.id))
}

/// Drops those that are over.
pub fn forget(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    diesel::delete(s::table.filter(s::ends_at.le(now.as_microsecond()))).execute(conn)
}
