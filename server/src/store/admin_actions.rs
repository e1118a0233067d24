//! Acts that take a second person: asked for, then decided.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{AdminActionId, AdminId};

use super::columns::{parse, time};
use super::schema::admin_actions as a;
use super::{Conn, exactly_one};

/// Nobody decided it.
pub const REQUESTED: &str = "requested";
/// A second person agreed, and it is being done.
pub const APPROVED: &str = "approved";
/// It was done.
pub const DONE: &str = "done";
/// It could not be done any more.
pub const FAILED: &str = "failed";
/// Somebody said no, or took it back.
pub const REJECTED: &str = "rejected";

/// An act that takes a second person.
#[derive(Debug, Clone)]
pub struct Action {
    /// Which.
    pub id: AdminActionId,
    /// What kind of act.
    pub kind: String,
    /// Whom or what it is about.
    pub subject: String,
    /// What is to be done, as JSON without personal data.
    pub parameters: String,
    /// Why, in the words of whoever asked.
    pub why: Option<String>,
    /// Who asked.
    pub requested_by: AdminId,
    /// When.
    pub requested_at: Timestamp,
    /// One of the five words above.
    pub state: String,
    /// Who decided.
    pub decided_by: Option<AdminId>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// What came of it.
    pub outcome: Option<String>,
}

type Row = (
    (String, String, String, String, Option<String>),
    (String, i64, String),
    (Option<String>, Option<i64>, Option<String>),
);

macro_rules! columns {
    () => {
        (
            (a::id, a::kind, a::subject, a::parameters, a::reason),
            (a::requested_by, a::requested_at, a::state),
            (a::decided_by, a::decided_at, a::outcome),
        )
    };
}

fn from_row(row: Row) -> QueryResult<Action> {
    let ((id, kind, subject, parameters, why), (by, at, state), (decider, decided, outcome)) = row;
    Ok(Action {
        id: parse(&id)?,
        kind,
        subject,
        parameters,
        why,
        requested_by: parse(&by)?,
        requested_at: time(at)?,
        state,
        decided_by: decider.map(|by| parse(&by)).transpose()?,
        decided_at: decided.map(time).transpose()?,
        outcome,
    })
}

/// Adds one, with what a file holds, sealed.
pub fn insert(conn: &mut Conn, action: &Action, payload: Option<&[u8]>) -> QueryResult<()> {
    let row = (
        a::id.eq(action.id.to_string()),
        a::kind.eq(&action.kind),
        a::subject.eq(&action.subject),
        a::parameters.eq(&action.parameters),
        a::payload.eq(payload),
        a::reason.eq(&action.why),
        a::requested_by.eq(action.requested_by.to_string()),
        a::requested_at.eq(action.requested_at.as_microsecond()),
        a::state.eq(&action.state),
        a::decided_by.eq(action.decided_by.map(|by| by.to_string())),
        a::decided_at.eq(action.decided_at.map(Timestamp::as_microsecond)),
        a::outcome.eq(&action.outcome),
    );
    diesel::insert_into(a::table).values(row).execute(conn).map(drop)
}

/// One of them.
pub fn find(conn: &mut Conn, id: AdminActionId) -> QueryResult<Option<Action>> {
    let row = a::table.find(id.to_string()).select(columns!()).first::<Row>(conn).optional()?;
    row.map(from_row).transpose()
}

/// What its file holds, sealed.
pub fn payload(conn: &mut Conn, id: AdminActionId) -> QueryResult<Option<Vec<u8>>> {
    let of = a::table.find(id.to_string()).select(a::payload);
    Ok(of.first::<Option<Vec<u8>>>(conn).optional()?.flatten())
}

/// What to list: one state, before an id, asked for after a moment or until then.
#[derive(Debug, Default)]
pub struct Listed<'a> {
    /// In this state; in any without it.
    pub state: Option<&'a str>,
    /// Older than this one.
    pub before: Option<AdminActionId>,
    /// Asked for after this moment.
    pub after: Option<Timestamp>,
    /// Asked for at this moment or before it.
    pub until: Option<Timestamp>,
}

/// Those, the newest first.
pub fn list(conn: &mut Conn, listed: &Listed<'_>, most: i64) -> QueryResult<Vec<Action>> {
    let mut of = a::table.order(a::id.desc()).limit(most).select(columns!()).into_boxed();
    if let Some(state) = listed.state {
        of = of.filter(a::state.eq(state));
    }
    if let Some(before) = listed.before {
        of = of.filter(a::id.lt(before.to_string()));
    }
    if let Some(after) = listed.after {
        of = of.filter(a::requested_at.gt(after.as_microsecond()));
    }
    if let Some(until) = listed.until {
        of = of.filter(a::requested_at.le(until.as_microsecond()));
    }
    of.load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// How many that one admin asked for, after a moment, wait.
pub fn waiting_of(conn: &mut Conn, admin: AdminId, after: Timestamp) -> QueryResult<i64> {
    let of = a::table
        .filter(a::requested_by.eq(admin.to_string()))
        .filter(a::state.eq(REQUESTED))
        .filter(a::requested_at.gt(after.as_microsecond()));
    of.count().get_result(conn)
}

/// Notes a decision on what nobody decided before. A file is kept only while there is something to do with it.
pub fn decide(
    conn: &mut Conn,
    id: AdminActionId,
    state: &str,
    by: AdminId,
    now: Timestamp,
) -> QueryResult<bool> {
    let open = a::table.find(id.to_string()).filter(a::state.eq(REQUESTED));
    let values =
        (a::state.eq(state), a::decided_by.eq(by.to_string()), a::decided_at.eq(now.as_microsecond()));
    let decided = diesel::update(open).set(values).execute(conn)? == 1;
    if decided && state == REJECTED {
        erase(conn, id)?;
    }
    Ok(decided)
}

/// Notes what came of what was approved.
pub fn finish(conn: &mut Conn, id: AdminActionId, state: &str, outcome: &str) -> QueryResult<()> {
    let approved = a::table.find(id.to_string()).filter(a::state.eq(APPROVED));
    exactly_one(diesel::update(approved).set((a::state.eq(state), a::outcome.eq(outcome))).execute(conn)?)?;
    erase(conn, id)
}

fn erase(conn: &mut Conn, id: AdminActionId) -> QueryResult<()> {
    diesel::update(a::table.find(id.to_string())).set(a::payload.eq(None::<Vec<u8>>)).execute(conn).map(drop)
}

/// Erases the files of what nobody decided in time.
pub fn forget_files(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
    let left = a::table
        .filter(a::state.eq(REQUESTED))
        .filter(a::requested_at.le(before.as_microsecond()))
        .filter(a::payload.is_not_null());
    diesel::update(left).set(a::payload.eq(None::<Vec<u8>>)).execute(conn)
}
