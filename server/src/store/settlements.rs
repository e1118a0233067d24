//! All rows of one judged attempt, written at once: the redemption is closed, and with it come attempt, charge, ledger
//! transaction, the kept answer and the audit line. All of them, or none.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::AuditId;
use wallet_core::money::Currency;

use super::charges::{self, Charge};
use super::idempotency::{self, Lease};
use super::redemptions::{self, Attempt, Redemption};
use super::sql::{Statement, Value};
use super::{Conn, audit, ledger};
use crate::billing::posting::Balanced;

/// What a judged attempt leaves behind.
pub struct Settlement<'a> {
    /// Of which redemption.
    pub redemption: &'a Redemption,
    /// Passed, or failed.
    pub passed: bool,
    /// The whole answer.
    pub sealed_answer: &'a [u8],
    /// The attempt.
    pub attempt: Attempt<'a>,
    /// Its charge.
    pub charge: Charge<'a>,
    /// The money.
    pub postings: &'a Balanced,
    /// Under which key the answer is kept.
    pub lease: &'a Lease,
    /// What is kept there.
    pub kept: &'a [u8],
}

/// The kind of ledger transaction.
const USE: &str = "use";
const ACTION: &str = "redemption.judge";
/// The lines of a ledger transaction that the one statement has room for.
const LINES: usize = 2;

/// Writes a settlement; `false` when the redemption was closed before, and nothing was written.
pub fn insert(conn: &mut Conn, settlement: &Settlement<'_>, now: Timestamp) -> QueryResult<bool> {
    match conn {
        Conn::Postgres(postgres) if settlement.postings.postings().len() == LINES => {
            insert_at_once(postgres, settlement, now)
        }
        Conn::Postgres(_) | Conn::Sqlite(_) => insert_one_by_one(conn, settlement, now),
    }
}

fn insert_one_by_one(conn: &mut Conn, s: &Settlement<'_>, now: Timestamp) -> QueryResult<bool> {
    if !redemptions::close(conn, s.redemption, s.passed, s.sealed_answer, now)? {
        return Ok(false);
    }
    redemptions::insert_attempt(conn, &s.attempt, now)?;
    ledger::post(conn, s.redemption.rp, s.charge.transaction, USE, s.postings, now)?;
    charges::insert(conn, &s.charge, now)?;
    idempotency::finish(conn, s.lease, s.kept, now)?;
    audit::append(conn, s.redemption.rp, ACTION, s.redemption.id, s.attempt.outcome, now)?;
    Ok(true)
}

/// Everything hangs on `closed`, the compare-and-set. A key that is missing (its lease was lost in a crash) is made; one that
/// was answered is left alone, and then nothing may stand: the division by zero undoes the statement.
const AT_ONCE: &str = "
WITH closed AS (
    UPDATE redemptions SET state = ?, sealed_answer = ?, closed_at = ?
    WHERE rp_id = ? AND id = ? AND state = 'challenged'
    RETURNING rp_id, id, closed_at AS now
), attempt AS (
    INSERT INTO attempts (rp_id, redemption_id, id, service, outcome, reason, charge_id, receipt, judged_at)
    SELECT rp_id, id, ?, ?, ?, ?, ?, ?, now FROM closed
), transaction AS (
    INSERT INTO ledger_transactions (book, id, kind, posted_at)
    SELECT rp_id, ?, ?, now FROM closed RETURNING book, id
), posted AS (
    INSERT INTO postings (book, transaction_id, line, account, currency, micros)
    SELECT book, id, 0, ?, ?, ?::bigint FROM transaction
    UNION ALL SELECT book, id, 1, ?, ?, ?::bigint FROM transaction
), charge AS (
    INSERT INTO charges (rp_id, redemption_id, id, attempt_id, service, price_version, currency, micros,
                         transaction_id, usage_date, charged_at)
    SELECT rp_id, id, ?, ?, ?, ?, ?, ?::bigint, ?, ?, now FROM closed
), kept AS (
    INSERT INTO idempotency_keys AS k (rp_id, key, fingerprint, lease, leased_until, sealed_answer, created_at)
    SELECT rp_id, ?, ?, ?, ?::bigint, ?, now FROM closed
    ON CONFLICT (rp_id, key) DO UPDATE SET sealed_answer = excluded.sealed_answer
    WHERE k.sealed_answer IS NULL AND k.fingerprint = excluded.fingerprint
    RETURNING 1
), noted AS (
    INSERT INTO audit (actor, id, action, object, outcome, at)
    SELECT rp_id, ?, ?, id, ?, now FROM closed
)
SELECT CASE WHEN NOT EXISTS (SELECT FROM closed) THEN 0 ELSE 1 / (SELECT count(*) FROM kept) END";

fn insert_at_once(postgres: &mut PgConnection, s: &Settlement<'_>, now: Timestamp) -> QueryResult<bool> {
    let (redemption, attempt, charge) = (s.redemption, &s.attempt, &s.charge);
    let mut values = vec![
        Value::Str(if s.passed { "passed" } else { "failed" }),
        Value::Bytes(s.sealed_answer),
        Value::Int(now.as_microsecond()),
        Value::Text(redemption.rp.to_string()),
        Value::Text(redemption.id.to_string()),
        Value::Text(attempt.id.to_string()),
        Value::Str(attempt.service),
        Value::Str(attempt.outcome),
        Value::MaybeText(attempt.reason.map(str::to_owned)),
        Value::MaybeText(attempt.charge.map(|charge| charge.to_string())),
        Value::Str(attempt.receipt),
        Value::Text(charge.transaction.to_string()),
        Value::Str(USE),
    ];
    for posting in s.postings.postings() {
        values.push(Value::Text(posting.account.to_string()));
        values.push(Value::Str(Currency::Cny.code()));
        values.push(Value::Int(posting.micros.get()));
    }
    values.extend([
        Value::Text(charge.id.to_string()),
        Value::Text(charge.attempt.to_string()),
        Value::Str(charge.price.service.as_str()),
        Value::Str(&charge.price.version),
        Value::Str(Currency::Cny.code()),
        Value::Int(charge.price.micros.get()),
        Value::Text(charge.transaction.to_string()),
        Value::Text(charge.usage_date.to_string()),
        Value::Str(&s.lease.key),
        Value::Bytes(&s.lease.fingerprint),
        Value::Text(s.lease.by.to_string()),
        Value::Int(s.lease.until.as_microsecond()),
        Value::Bytes(s.kept),
        Value::Text(AuditId::new(now, &mut rand::rng()).to_string()),
        Value::Str(ACTION),
        Value::Str(attempt.outcome),
    ]);
    Ok(Statement::new(AT_ONCE, values).numbers(postgres)? == [1])
}
