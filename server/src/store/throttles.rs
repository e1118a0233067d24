//! Counters by subject and window: limits live in the database, so that replicas share them.

use diesel::prelude::*;

use super::Conn;
use super::schema::throttles;

/// Adds one to a counter.
pub fn count(conn: &mut Conn, subject: &str, window_start: i64) -> QueryResult<()> {
    let counter = throttles::table.find((subject, window_start));
    let updated = diesel::update(counter).set(throttles::count.eq(throttles::count + 1)).execute(conn)?;
    if updated == 0 {
        let row = (
            throttles::subject.eq(subject),
            throttles::window_start.eq(window_start),
            throttles::count.eq(1),
        );
        diesel::insert_into(throttles::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// Takes one back from a counter that stands at one or more.
pub fn give_back(conn: &mut Conn, subject: &str, window_start: i64) -> QueryResult<()> {
    let counter = throttles::table.find((subject, window_start)).filter(throttles::count.gt(0));
    diesel::update(counter).set(throttles::count.eq(throttles::count - 1)).execute(conn).map(drop)
}

/// What a counter stands at.
pub fn read(conn: &mut Conn, subject: &str, window_start: i64) -> QueryResult<i64> {
    let counter = throttles::table.find((subject, window_start)).select(throttles::count);
    Ok(counter.first(conn).optional()?.unwrap_or(0))
}

/// What several counters stand at together.
pub fn sum(conn: &mut Conn, subjects: &[String], window_start: i64) -> QueryResult<i64> {
    let counters = throttles::table
        .filter(throttles::subject.eq_any(subjects))
        .filter(throttles::window_start.eq(window_start))
        .select(throttles::count);
    Ok(counters.load::<i64>(conn)?.into_iter().sum())
}

/// Drops all counters of a subject.
pub fn forget_subject(conn: &mut Conn, subject: &str) -> QueryResult<usize> {
    diesel::delete(throttles::table.filter(throttles::subject.eq(subject))).execute(conn)
}

/// Drops counters of windows that began before `start`.
pub fn forget(conn: &mut Conn, start: i64) -> QueryResult<usize> {
    diesel::delete(throttles::table.filter(throttles::window_start.lt(start))).execute(conn)
}
