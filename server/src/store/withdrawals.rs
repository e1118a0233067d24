//! Consents that holders took back, and relying parties that they want nothing to do with: the holders' side.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{HolderId, RedemptionId, RelyingPartyId, WithdrawalId};

use super::Conn;
use super::columns::{parse, time};
use super::exactly_one;
use super::schema::{blocks, holders, withdrawals as w};

/// A consent that was taken back.
#[derive(Debug, Clone)]
pub struct Withdrawal {
    /// By whom.
    pub holder: HolderId,
    /// Which.
    pub id: WithdrawalId,
    /// Towards whom.
    pub rp: RelyingPartyId,
    /// For which purpose; without one, for all.
    pub purpose: Option<String>,
    /// Who the holder is to the relying party.
    pub subject: String,
    /// What it is about.
    pub redemptions: Vec<RedemptionId>,
    /// When.
    pub at: Timestamp,
}

type Row = (String, String, String, Option<String>, String, String, i64);

fn from_row((holder, id, rp, purpose, subject, redemptions, at): Row) -> QueryResult<Withdrawal> {
    let (holder, id, rp) = (parse(&holder)?, parse(&id)?, parse(&rp)?);
    Ok(Withdrawal { holder, id, rp, purpose, subject, redemptions: ids(&redemptions)?, at: time(at)? })
}

/// Ids in one column: they are only ever read whole.
pub(super) fn ids(text: &str) -> QueryResult<Vec<RedemptionId>> {
    text.split_ascii_whitespace().map(parse).collect()
}

pub(super) fn text(ids: &[RedemptionId]) -> String {
    ids.iter().map(RedemptionId::to_string).collect::<Vec<_>>().join(" ")
}

macro_rules! columns {
    () => {
        (w::holder_id, w::id, w::rp_id, w::purpose, w::subject, w::redemptions, w::withdrawn_at)
    };
}

/// Adds one.
pub fn insert(conn: &mut Conn, withdrawal: &Withdrawal) -> QueryResult<()> {
    let row = (
        w::holder_id.eq(withdrawal.holder.to_string()),
        w::id.eq(withdrawal.id.to_string()),
        w::rp_id.eq(withdrawal.rp.to_string()),
        w::purpose.eq(&withdrawal.purpose),
        w::subject.eq(&withdrawal.subject),
        w::redemptions.eq(text(&withdrawal.redemptions)),
        w::withdrawn_at.eq(withdrawal.at.as_microsecond()),
    );
    diesel::insert_into(w::table).values(row).execute(conn).map(drop)
}

/// The newest of a holder, newest first.
pub fn of_holder(conn: &mut Conn, holder: HolderId, limit: i64) -> QueryResult<Vec<Withdrawal>> {
    let found = w::table.filter(w::holder_id.eq(holder.to_string())).order(w::id.desc()).limit(limit);
    found.select(columns!()).load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// Those that relying parties were not told of yet, the oldest first.
pub fn waiting(conn: &mut Conn, limit: i64) -> QueryResult<Vec<Withdrawal>> {
    let found = w::table.filter(w::told_at.is_null()).order(w::id).limit(limit);
    found.select(columns!()).load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// The relying party was told.
pub fn told(conn: &mut Conn, withdrawal: &Withdrawal, now: Timestamp) -> QueryResult<()> {
    let row = w::table.find((withdrawal.holder.to_string(), withdrawal.id.to_string()));
    diesel::update(row).set(w::told_at.eq(now.as_microsecond())).execute(conn).map(drop)
}

/// Refuses a relying party from now on.
pub fn block(conn: &mut Conn, holder: HolderId, rp: RelyingPartyId, now: Timestamp) -> QueryResult<()> {
    let row = (
        blocks::holder_id.eq(holder.to_string()),
        blocks::rp_id.eq(rp.to_string()),
        blocks::blocked_at.eq(now.as_microsecond()),
    );
    if !is_blocked(conn, holder, rp)? {
        diesel::insert_into(blocks::table).values(row).execute(conn)?;
    }
    let holder = holders::table.find(holder.to_string());
    exactly_one(diesel::update(holder).set(holders::has_blocks.eq(1)).execute(conn)?)
}

/// Refuses it no more; `false` when it was not refused.
pub fn lift(conn: &mut Conn, holder: HolderId, rp: RelyingPartyId) -> QueryResult<bool> {
    let row = blocks::table.find((holder.to_string(), rp.to_string()));
    let lifted = diesel::delete(row).execute(conn)? == 1;
    if blocked(conn, holder)?.is_empty() {
        let holder = holders::table.find(holder.to_string());
        exactly_one(diesel::update(holder).set(holders::has_blocks.eq(0)).execute(conn)?)?;
    }
    Ok(lifted)
}

/// Whether a holder refuses a relying party.
pub fn is_blocked(conn: &mut Conn, holder: HolderId, rp: RelyingPartyId) -> QueryResult<bool> {
    let row = blocks::table.find((holder.to_string(), rp.to_string()));
    diesel::dsl::select(diesel::dsl::exists(row)).get_result(conn)
}

/// Whom a holder refuses.
pub fn blocked(conn: &mut Conn, holder: HolderId) -> QueryResult<Vec<RelyingPartyId>> {
    let found = blocks::table.filter(blocks::holder_id.eq(holder.to_string())).select(blocks::rp_id);
    found.load::<String>(conn)?.iter().map(|id| parse(id)).collect()
}
