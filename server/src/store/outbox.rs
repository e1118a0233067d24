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

/// Whether anything waits on a topic.
pub fn any_waits(conn: &mut Conn, topic: &str) -> QueryResult<bool> {
    let waiting = outbox::table.filter(outbox::done_at.is_null()).filter(outbox::topic.eq(topic));
    diesel::dsl::select(diesel::dsl::exists(waiting.select(outbox::id))).get_result(conn)
}

/// The distinct subjects that wait on a topic.
pub fn waiting(conn: &mut Conn, topic: &str) -> QueryResult<Vec<String>> {
    let waiting = outbox::table.filter(outbox::done_at.is_null()).filter(outbox::topic.eq(topic));
    waiting.select(outbox::subject).distinct().load(conn)
}

/// Marks everything that waits on `subject` as done. Call it in the transaction that reads what the effect is made of:
/// an entry written later is then not marked, and is done by the next run.
pub fn done(conn: &mut Conn, topic: &str, subject: &str, now: Timestamp) -> QueryResult<()> {
    let entries = outbox::table
        .filter(outbox::topic.eq(topic))
        .filter(outbox::subject.eq(subject))
        .filter(outbox::done_at.is_null());
    diesel::update(entries).set(outbox::done_at.eq(now.as_microsecond())).execute(conn).map(drop)
}

/// Forgets effects done before `time`.
pub fn forget_done(conn: &mut Conn, time: Timestamp) -> QueryResult<usize> {
    diesel::delete(outbox::table.filter(outbox::done_at.lt(time.as_microsecond()))).execute(conn)
}
