//! All rows of an opened redemption, written at once: the redemption, the kept answer, the audit line.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::AuditId;

use super::columns::join;
use super::idempotency::{self, Lease};
use super::redemptions::{self, Redemption};
use super::sql::{Statement, Value};
use super::{Conn, audit};

/// What an opening leaves behind.
pub struct Opening<'a> {
    /// The redemption, challenged.
    pub redemption: &'a Redemption,
    /// Under which key the answer is kept.
    pub lease: &'a Lease,
    /// What is kept there.
    pub kept: &'a [u8],
}

const ACTION: &str = "redemption.open";
const OUTCOME: &str = "challenged";

/// Writes an opening. That the redemption or the key is there already is a lost race.
pub fn insert(conn: &mut Conn, opening: &Opening<'_>, now: Timestamp) -> QueryResult<()> {
    match conn {
        Conn::Postgres(postgres) => insert_at_once(postgres, opening, now),
        Conn::Sqlite(_) => {
            redemptions::insert(conn, opening.redemption, now)?;
            idempotency::insert(conn, opening.lease, Some(opening.kept), now)?;
            let Redemption { rp, id, .. } = opening.redemption;
            audit::append(conn, rp, ACTION, id, OUTCOME, now)
        }
    }
}

const AT_ONCE: &str = "
WITH opened AS (
    INSERT INTO redemptions (rp_id, id, certificate_id, purpose, asked, share, nonce, deadline, state,
                             unusable_attempts, opened_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'challenged', 0, ?)
    RETURNING rp_id, id, opened_at AS now
), kept AS (
    INSERT INTO idempotency_keys (rp_id, key, fingerprint, lease, leased_until, sealed_answer, created_at)
    SELECT rp_id, ?, ?, ?, ?, ?, now FROM opened
), noted AS (
    INSERT INTO audit (actor, id, action, object, outcome, at)
    SELECT rp_id, ?, ?, id, ?, now FROM opened
)
SELECT count(*) FROM opened";

fn insert_at_once(postgres: &mut PgConnection, opening: &Opening<'_>, now: Timestamp) -> QueryResult<()> {
    let Opening { redemption, lease, kept } = opening;
    let values = vec![
        Value::Text(redemption.rp.to_string()),
        Value::Text(redemption.id.to_string()),
        Value::Text(redemption.certificate.to_string()),
        Value::Str(&redemption.purpose),
        Value::Text(join(redemption.asked.iter().map(|attribute| attribute.as_str()))),
        Value::Str(redemption.share.as_str()),
        Value::Bytes(&redemption.nonce),
        Value::Int(redemption.deadline.as_microsecond()),
        Value::Int(now.as_microsecond()),
        Value::Str(&lease.key),
        Value::Bytes(&lease.fingerprint),
        Value::Text(lease.by.to_string()),
        Value::Int(lease.until.as_microsecond()),
        Value::Bytes(kept),
        Value::Text(AuditId::new(now, &mut rand::rng()).to_string()),
        Value::Str(ACTION),
        Value::Str(OUTCOME),
    ];
    Statement::new(AT_ONCE, values).numbers(postgres).map(drop)
}
