//! Attempts: each capture or picture that was submitted to be judged, with its receipt. In the tables the occasion of one, be it a
//! redemption or a use of another service, stands in the column `redemption_id`.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{AttemptId, ChargeId, RelyingPartyId};
use wallet_core::receipt::Occasion;

use super::Conn;
use super::schema::attempts;

/// One capture submitted for judgement.
#[derive(Debug)]
pub struct Attempt {
    /// Which.
    pub id: AttemptId,
    /// By whom.
    pub rp: RelyingPartyId,
    /// In which redemption or use.
    pub occasion: Occasion,
    /// What is metered.
    pub service: &'static str,
    /// `passed`, `failed` or `unusable`.
    pub outcome: &'static str,
    /// Why it failed, or could not be judged.
    pub reason: Option<&'static str>,
    /// Its charge: there is one exactly when it was judged.
    pub charge: Option<ChargeId>,
    /// The signed receipt, shortened (`flow/tokens.rs`).
    pub receipt: String,
}

/// Adds an attempt.
pub fn insert(conn: &mut Conn, attempt: &Attempt, now: Timestamp) -> QueryResult<()> {
    use attempts as a;
    let row = (
        a::id.eq(attempt.id.to_string()),
        a::rp_id.eq(attempt.rp.to_string()),
        a::redemption_id.eq(attempt.occasion.to_string()),
        a::service.eq(attempt.service),
        a::outcome.eq(attempt.outcome),
        a::reason.eq(attempt.reason),
        a::charge_id.eq(attempt.charge.map(|charge| charge.to_string())),
        a::receipt.eq(&attempt.receipt),
        a::judged_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(a::table).values(row).execute(conn).map(drop)
}

/// The receipts of the attempts made in it, oldest first.
pub fn receipts(conn: &mut Conn, occasion: Occasion, rp: RelyingPartyId) -> QueryResult<Vec<String>> {
    attempts::table
        .filter(attempts::redemption_id.eq(occasion.to_string()))
        .filter(attempts::rp_id.eq(rp.to_string()))
        .order(attempts::id)
        .select(attempts::receipt)
        .load(conn)
}
