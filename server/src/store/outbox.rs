//! Effects that wait for a job. Written in the transaction that causes them, done at least once afterwards.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::OutboxId;

use super::Conn;
use super::schema::outbox;

/// What a job is asked to do.
pub const REPUBLISH_STATUS_LIST: &str = "status_list.republish";

/// Asks for an effect on `subject`.
pub fn append(conn: &mut Conn, topic: &'static str, subject: &str, now: Timestamp) -> QueryResult<()> {
    let row = (
        outbox::id.eq(OutboxId::new(now, &mut rand::rng()).to_string()),
        outbox::topic.eq(topic),
        outbox::subject.eq(subject),
        outbox::created_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(outbox::table).values(row).execute(conn).map(drop)
}

/// The distinct subjects that wait on a topic, with the last entry that asked for each.
pub fn waiting(conn: &mut Conn, topic: &str) -> QueryResult<Vec<(String, String)>> {
    let waiting = outbox::table.filter(outbox::done_at.is_null()).filter(outbox::topic.eq(topic));
    let last = diesel::dsl::max(outbox::id);
    let rows = waiting.group_by(outbox::subject).select((outbox::subject, last));
    let rows: Vec<(String, Option<String>)> = rows.load(conn)?;
    Ok(rows.into_iter().filter_map(|(subject, last)| Some((subject, last?))).collect())
}

/// Marks everything on `subject` up to and including the entry `last` as done.
pub fn done(conn: &mut Conn, topic: &str, subject: &str, last: &str, now: Timestamp) -> QueryResult<()> {
    let entries = outbox::table
        .filter(outbox::topic.eq(topic))
        .filter(outbox::subject.eq(subject))
        .filter(outbox::done_at.is_null())
        .filter(outbox::id.le(last));
    diesel::update(entries).set(outbox::done_at.eq(now.as_microsecond())).execute(conn).map(drop)
}
