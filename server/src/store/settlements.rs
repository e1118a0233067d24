//! All rows of one judged attempt, written at once: the redemption is closed, and with it come attempt, charge, ledger
//! transaction, the kept answer and the audit line. All of them, or none.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::Text;
use jiff::Timestamp;
use wallet_core::ids::AuditId;
use wallet_core::money::Currency;

use super::attempts::{self, Attempt};
use super::charges::{self, Charge, USE};
use super::idempotency::{self, Lease};
use super::redemptions::{self, Redemption};
use super::sql::{Column, Statement};
use super::{Conn, audit};
use crate::billing::posting::Balanced;

/// What a judged attempt leaves behind.
#[derive(Debug)]
pub struct Settlement {
    /// Of which redemption.
    pub redemption: Redemption,
    /// Passed, or failed.
    pub passed: bool,
    /// The whole answer.
    pub sealed_answer: Vec<u8>,
    /// The attempt.
    pub attempt: Attempt,
    /// Its charge.
    pub charge: Charge,
    /// The money.
    pub postings: Balanced,
    /// Under which key the answer is kept.
    pub lease: Lease,
    /// What is kept there.
    pub kept: Vec<u8>,
    /// When.
    pub at: Timestamp,
    /// When it is for the bill: the same, but in a sandbox with a clock of its own. One of those is written by [`insert`].
    pub billed_at: Timestamp,
}

const ACTION: &str = "redemption.judge";

/// Writes settlements; `false` for each that wrote nothing: its redemption was closed before (by another capture, or cancelled), or its
/// charge would not be paid from where it must be.
pub(super) fn insert_all(conn: &mut Conn, settlements: &[Settlement]) -> QueryResult<Vec<bool>> {
    match conn {
        Conn::Postgres(postgres) => insert_at_once(postgres, settlements),
        Conn::Sqlite(_) => settlements.iter().map(|settlement| insert(conn, settlement)).collect(),
    }
}

/// Writes one, in whatever transaction it is part of; `false` as above.
pub fn insert(conn: &mut Conn, s: &Settlement) -> QueryResult<bool> {
    if !charges::is_payable(conn, &s.charge)? {
        return Ok(false);
    }
    if !redemptions::close(conn, &s.redemption, s.passed, &s.sealed_answer, s.at)? {
        return Ok(false);
    }
    attempts::insert(conn, &s.attempt, s.billed_at)?;
    charges::write(conn, &s.charge, &s.postings, s.billed_at)?;
    idempotency::finish(conn, &s.lease, &s.kept, s.at)?;
    audit::append(conn, s.redemption.rp, ACTION, s.redemption.id, s.attempt.outcome, s.at)?;
    Ok(true)
}

/// Everything hangs on `closed`, the compare-and-set. `payable` are those whose charge is paid from where it must be: on account when there
/// is no pack to draw from, and else from the first to expire, which must suffice for all of them (what [`charges::is_payable`] says of
/// one). A key that is missing (its lease was lost in a crash) is made; one that was answered is left alone, and then nothing may stand;
/// nor when another replica drew a unit meanwhile: the division by zero undoes the statement.
const AT_ONCE: &str = "
WITH given AS (
    SELECT *, row_number() OVER (PARTITION BY rp_id, pack_id) AS place
    FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS g (
        rp_id, redemption_id, state, answer, at,
        attempt_id, service, outcome, reason, receipt,
        charge_id, price_version, currency, micros, transaction_id, usage_date, pack_id, period, submitted_at,
        kept, audit_id, kind, key, fingerprint, lease, leased_until)
), lines AS (
    SELECT * FROM unnest(?, ?, ?, ?, ?) AS l (transaction_id, line, account, currency, micros)
), payable AS (
    SELECT given.* FROM given LEFT JOIN LATERAL (
        SELECT p.id, p.remaining FROM packs p
        WHERE p.rp_id = given.rp_id AND p.service = given.service AND p.remaining > 0 AND p.voided_at IS NULL
            AND p.starts_at <= given.submitted_at AND p.expires_at > given.submitted_at
        ORDER BY p.expires_at, p.id LIMIT 1) first ON TRUE
    WHERE first.id IS NOT DISTINCT FROM given.pack_id AND (given.pack_id IS NULL OR given.place <= first.remaining)
        AND NOT EXISTS (SELECT 1 FROM statements s WHERE s.rp_id = given.rp_id AND s.period = given.period)
), closed AS (
    UPDATE redemptions r SET state = given.state, sealed_answer = given.answer, closed_at = given.at
    FROM payable AS given WHERE r.rp_id = given.rp_id AND r.id = given.redemption_id AND r.state = 'challenged'
        AND (r.phase IS NULL OR r.phase = 'holder') AND r.unusable_attempts < 3
    RETURNING given.*
), drawn AS (
    UPDATE packs p SET remaining = p.remaining - n.units
    FROM (SELECT rp_id, pack_id, count(*) AS units FROM closed WHERE pack_id IS NOT NULL GROUP BY rp_id, pack_id) n
    WHERE p.rp_id = n.rp_id AND p.id = n.pack_id AND p.remaining >= n.units
    RETURNING n.units
), attempt AS (
    INSERT INTO attempts (rp_id, redemption_id, id, service, outcome, reason, charge_id, receipt, judged_at)
    SELECT rp_id, redemption_id, attempt_id, service, outcome, reason, charge_id, receipt, at FROM closed
), transaction AS (
    INSERT INTO ledger_transactions (book, id, kind, posted_at)
    SELECT rp_id, transaction_id, kind, at FROM closed
), posted AS (
    INSERT INTO postings (book, transaction_id, line, account, currency, micros)
    SELECT closed.rp_id, closed.transaction_id, line, account, lines.currency, lines.micros
    FROM closed JOIN lines USING (transaction_id)
), charge AS (
    INSERT INTO charges (rp_id, redemption_id, id, attempt_id, service, price_version, currency, micros,
                         transaction_id, usage_date, pack_id, period, submitted_at, charged_at)
    SELECT rp_id, redemption_id, charge_id, attempt_id, service, price_version, currency, micros,
           transaction_id, usage_date, pack_id, period, submitted_at, at FROM closed
), kept AS (
    INSERT INTO idempotency_keys AS k (rp_id, key, fingerprint, lease, leased_until, sealed_answer, created_at)
    SELECT rp_id, key, fingerprint, lease, leased_until, kept, at FROM closed
    ON CONFLICT (rp_id, key) DO UPDATE SET sealed_answer = excluded.sealed_answer
    WHERE k.sealed_answer IS NULL AND k.fingerprint = excluded.fingerprint
    RETURNING 1
), noted AS (
    INSERT INTO audit (actor, id, action, object, outcome, at)
    SELECT rp_id, audit_id, 'redemption.judge', redemption_id, outcome, at FROM closed
)
SELECT attempt_id FROM closed
WHERE 1 = 1 / (CASE WHEN (SELECT count(*) FROM kept) = (SELECT count(*) FROM closed)
    AND (SELECT COALESCE(sum(units), 0) FROM drawn) = (SELECT count(pack_id) FROM closed) THEN 1 ELSE 0 END)";

fn insert_at_once(postgres: &mut PgConnection, settlements: &[Settlement]) -> QueryResult<Vec<bool>> {
    let mut columns = redemption_and_attempt(settlements);
    columns.extend(charge(settlements));
    columns.extend(key_and_audit(settlements));
    columns.extend(lines(settlements));
    let written: HashSet<String> =
        Statement::<Text>::new(AT_ONCE, columns).load::<String>(postgres)?.into_iter().collect();
    Ok(settlements.iter().map(|settlement| written.contains(&settlement.attempt.id.to_string())).collect())
}

fn redemption_and_attempt(settlements: &[Settlement]) -> Vec<Column<'_>> {
    let of = || settlements.iter();
    let attempts = || of().map(|settlement| &settlement.attempt);
    vec![
        Column::Texts(of().map(|settlement| settlement.redemption.rp.to_string()).collect()),
        Column::Texts(of().map(|settlement| settlement.redemption.id.to_string()).collect()),
        Column::Strs(of().map(|settlement| redemptions::judged(settlement.passed)).collect()),
        Column::Bytes(of().map(|settlement| settlement.sealed_answer.as_slice()).collect()),
        Column::Ints(of().map(|settlement| settlement.at.as_microsecond()).collect()),
        Column::Texts(attempts().map(|attempt| attempt.id.to_string()).collect()),
        Column::Strs(attempts().map(|attempt| attempt.service).collect()),
        Column::Strs(attempts().map(|attempt| attempt.outcome).collect()),
        Column::MaybeStrs(attempts().map(|attempt| attempt.reason).collect()),
        Column::Strs(attempts().map(|attempt| attempt.receipt.as_str()).collect()),
    ]
}

fn charge(settlements: &[Settlement]) -> Vec<Column<'_>> {
    let charges = || settlements.iter().map(|settlement| &settlement.charge);
    vec![
        Column::Texts(charges().map(|charge| charge.id.to_string()).collect()),
        Column::Strs(charges().map(|charge| charge.price.version.as_str()).collect()),
        Column::Strs(charges().map(|_| Currency::Cny.code()).collect()),
        Column::Ints(charges().map(|charge| charge.micros().get()).collect()),
        Column::Texts(charges().map(|charge| charge.transaction.to_string()).collect()),
        Column::Texts(charges().map(|charge| charge.usage_date.to_string()).collect()),
        Column::MaybeTexts(charges().map(|charge| charge.pack.map(|pack| pack.to_string())).collect()),
        Column::Strs(charges().map(|charge| charge.period.as_str()).collect()),
        Column::Ints(charges().map(|charge| charge.submitted_at.as_microsecond()).collect()),
    ]
}

fn key_and_audit(settlements: &[Settlement]) -> Vec<Column<'_>> {
    let of = || settlements.iter();
    let audit_id = |settlement: &Settlement| AuditId::new(settlement.at, &mut rand::rng()).to_string();
    let mut columns = vec![
        Column::Bytes(of().map(|settlement| settlement.kept.as_slice()).collect()),
        Column::Texts(of().map(audit_id).collect()),
        Column::Strs(of().map(|_| USE).collect()),
    ];
    columns.extend(idempotency::columns_of(of().map(|settlement| &settlement.lease)));
    columns
}

/// The postings of all of them, each with the transaction that it belongs to.
fn lines(settlements: &[Settlement]) -> Vec<Column<'_>> {
    let lines = || {
        settlements.iter().flat_map(|settlement| {
            let transaction = settlement.charge.transaction;
            (0_i64..)
                .zip(settlement.postings.postings())
                .map(move |(line, posting)| (transaction, line, posting))
        })
    };
    vec![
        Column::Texts(lines().map(|(transaction, ..)| transaction.to_string()).collect()),
        Column::Ints(lines().map(|(_, line, _)| line).collect()),
        Column::Texts(lines().map(|(.., posting)| posting.account.to_string()).collect()),
        Column::Strs(lines().map(|(.., posting)| posting.unit().code()).collect()),
        Column::Ints(lines().map(|(.., posting)| posting.micros.get()).collect()),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_statement_knows_how_many_captures_there_may_be() {
        let bound = format!("r.unusable_attempts < {}", wallet_core::redemption::MAX_CAPTURES);
        assert!(super::AT_ONCE.contains(&bound));
    }
}
