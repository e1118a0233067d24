//! Jobs that are due: with many replicas, each is run by one.

use diesel::prelude::*;
use jiff::Timestamp;

use super::columns::time;
use super::schema::jobs;
use super::{Conn, exactly_one};

/// Whether a job is due and nobody else is running it.
pub fn is_free(conn: &mut Conn, name: &str, replica: &str, now: Timestamp) -> QueryResult<bool> {
    Ok(find(conn, name)?.is_none_or(|row| row.is_free(replica, now)))
}

/// Takes a job, if it is free. Until `until` it is ours; should we die, it is free from then on.
pub fn take(
    conn: &mut Conn,
    name: &str,
    replica: &str,
    now: Timestamp,
    until: Timestamp,
) -> QueryResult<bool> {
    let lease = (jobs::leased_by.eq(replica), jobs::leased_until.eq(until.as_microsecond()));
    let Some(row) = find(conn, name)? else {
        let row = (jobs::name.eq(name), lease.0, lease.1, jobs::due_at.eq(now.as_microsecond()));
        return diesel::insert_into(jobs::table).values(row).execute(conn).map(|_| true);
    };
    if !row.is_free(replica, now) {
        return Ok(false);
    }
    let as_read = jobs::table
        .find(name)
        .filter(jobs::leased_by.eq(row.leased_by))
        .filter(jobs::leased_until.eq(row.leased_until));
    exactly_one(diesel::update(as_read).set(lease).execute(conn)?).map(|()| true)
}

/// Gives a job back, to be run when it is next due. Whoever lost it meanwhile changes nothing.
pub fn give_back(
    conn: &mut Conn,
    name: &str,
    replica: &str,
    due_at: Timestamp,
    succeeded_at: Option<Timestamp>,
) -> QueryResult<()> {
    let ours = jobs::table.find(name).filter(jobs::leased_by.eq(replica));
    let free = (jobs::leased_until.eq(0), jobs::due_at.eq(due_at.as_microsecond()));
    match succeeded_at {
        Some(at) => {
            let values = (free.0, free.1, jobs::succeeded_at.eq(at.as_microsecond()));
            diesel::update(ours).set(values).execute(conn)
        }
        None => diesel::update(ours).set(free).execute(conn),
    }
    .map(drop)
}

/// When a job last ended well; `None` before the first time.
pub fn succeeded_at(conn: &mut Conn, name: &str) -> QueryResult<Option<Timestamp>> {
    let found = jobs::table.find(name).select(jobs::succeeded_at).first::<Option<i64>>(conn).optional()?;
    found.flatten().map(time).transpose()
}

/// When each job last ended well, in microseconds since 1970.
pub fn successes(conn: &mut Conn) -> QueryResult<Vec<(String, Option<i64>)>> {
    jobs::table.select((jobs::name, jobs::succeeded_at)).order(jobs::name).load(conn)
}

#[derive(Queryable)]
struct Row {
    leased_by: String,
    leased_until: i64,
    due_at: i64,
}

impl Row {
    fn is_free(&self, replica: &str, now: Timestamp) -> bool {
        let now = now.as_microsecond();
        self.due_at <= now && (self.leased_until <= now || self.leased_by == replica)
    }
}

fn find(conn: &mut Conn, name: &str) -> QueryResult<Option<Row>> {
    let columns = (jobs::leased_by, jobs::leased_until, jobs::due_at);
    jobs::table.find(name).select(columns).first(conn).optional()
}
