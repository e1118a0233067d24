//! Consents that holders took back, as relying parties are told of them and answer.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{RedemptionId, RelyingPartyId, WithdrawalId};

use super::Conn;
use super::columns::{parse, time};
use super::schema::withdrawal_notices as n;
use super::withdrawals::{ids, text};

/// What a relying party is told.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Whom.
    pub rp: RelyingPartyId,
    /// Which.
    pub id: WithdrawalId,
    /// Who took it back, as the relying party knows them.
    pub subject: String,
    /// For which purpose; without one, for all.
    pub purpose: Option<String>,
    /// What it is about.
    pub redemptions: Vec<RedemptionId>,
    /// When.
    pub withdrawn_at: Timestamp,
    /// Until when the data are to be deleted.
    pub due_at: Timestamp,
    /// When the relying party said that they are, and when it was.
    pub confirmed: Option<(Timestamp, Timestamp)>,
}

type Row = (String, String, String, Option<String>, String, i64, i64, Option<i64>, Option<i64>);

fn from_row(row: Row) -> QueryResult<Notice> {
    let (rp, id, subject, purpose, redemptions, withdrawn_at, due_at, confirmed_at, deleted_at) = row;
    let confirmed = confirmed_at.zip(deleted_at);
    Ok(Notice {
        rp: parse(&rp)?,
        id: parse(&id)?,
        subject,
        purpose,
        redemptions: ids(&redemptions)?,
        withdrawn_at: time(withdrawn_at)?,
        due_at: time(due_at)?,
        confirmed: confirmed
            .map(|(said, deleted)| QueryResult::Ok((time(said)?, time(deleted)?)))
            .transpose()?,
    })
}

macro_rules! columns {
    () => {
        (
            n::rp_id,
            n::id,
            n::subject,
            n::purpose,
            n::redemptions,
            n::withdrawn_at,
            n::due_at,
            n::confirmed_at,
            n::deleted_at,
        )
    };
}

/// Adds one; `false` when it is there.
pub fn insert(conn: &mut Conn, notice: &Notice) -> QueryResult<bool> {
    if find(conn, notice.rp, notice.id)?.is_some() {
        return Ok(false);
    }
    let row = (
        n::rp_id.eq(notice.rp.to_string()),
        n::id.eq(notice.id.to_string()),
        n::subject.eq(&notice.subject),
        n::purpose.eq(&notice.purpose),
        n::redemptions.eq(text(&notice.redemptions)),
        n::withdrawn_at.eq(notice.withdrawn_at.as_microsecond()),
        n::due_at.eq(notice.due_at.as_microsecond()),
    );
    diesel::insert_into(n::table).values(row).execute(conn).map(|_| true)
}

/// One of a relying party.
pub fn find(conn: &mut Conn, rp: RelyingPartyId, id: WithdrawalId) -> QueryResult<Option<Notice>> {
    let found = n::table.find((rp.to_string(), id.to_string())).select(columns!());
    found.first::<Row>(conn).optional()?.map(from_row).transpose()
}

/// Those after `after`, the oldest first.
pub fn list(conn: &mut Conn, rp: RelyingPartyId, after: &str, limit: i64) -> QueryResult<Vec<Notice>> {
    let found =
        n::table.filter(n::rp_id.eq(rp.to_string())).filter(n::id.gt(after)).order(n::id).limit(limit);
    found.select(columns!()).load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// Some of any relying parties.
pub fn find_all(conn: &mut Conn, of: &[(RelyingPartyId, WithdrawalId)]) -> QueryResult<Vec<Notice>> {
    let found = n::table
        .filter(n::rp_id.eq_any(of.iter().map(|(rp, _)| rp.to_string())))
        .filter(n::id.eq_any(of.iter().map(|(_, id)| id.to_string())));
    found.select(columns!()).load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// Notes what a relying party says of one; what it said before stands.
pub fn confirm(
    conn: &mut Conn,
    rp: RelyingPartyId,
    id: WithdrawalId,
    deleted_at: Timestamp,
    now: Timestamp,
) -> QueryResult<bool> {
    let row = n::table.find((rp.to_string(), id.to_string())).filter(n::confirmed_at.is_null());
    let values = (n::confirmed_at.eq(now.as_microsecond()), n::deleted_at.eq(deleted_at.as_microsecond()));
    Ok(diesel::update(row).set(values).execute(conn)? == 1)
}
