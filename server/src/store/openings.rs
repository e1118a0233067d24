//! All rows of an opened redemption, written at once: the redemption, the kept answer, the audit line. And that its code is used
//! up, where that lies in the same database.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use jiff::Timestamp;
use wallet_core::ids::AuditId;

use super::codes::{self, Spending};
use super::columns::join;
use super::idempotency::{self, Lease};
use super::redemptions::{self, Redemption, liveness};
use super::sql::{Column, Statement};
use super::{Conn, audit};

/// What an opening leaves behind.
#[derive(Debug)]
pub struct Opening {
    /// The code to use up with it; `None` when that was done before.
    pub spending: Option<Spending>,
    /// The redemption, challenged.
    pub redemption: Redemption,
    /// Under which key the answer is kept.
    pub lease: Lease,
    /// What is kept there.
    pub kept: Vec<u8>,
    /// When.
    pub at: Timestamp,
}

const ACTION: &str = "redemption.open";
const OUTCOME: &str = "challenged";

/// What became of an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is written.
    Opened,
    /// Nothing is: its code must be looked at more closely. It was used up, or the certificate is not in force.
    CodeNotSpent,
    /// Its code is used up, and no more is written: something is known of its key already.
    KeyKnown,
}

/// Writes openings.
pub(super) fn insert_all(conn: &mut Conn, openings: &[Opening]) -> QueryResult<Vec<Outcome>> {
    match conn {
        Conn::Postgres(postgres) => insert_at_once(postgres, openings),
        Conn::Sqlite(_) => openings.iter().map(|opening| insert(conn, opening)).collect(),
    }
}

fn insert(conn: &mut Conn, opening: &Opening) -> QueryResult<Outcome> {
    let Opening { spending, redemption, lease, kept, at } = opening;
    if let Some(spending) = spending
        && !codes::spend_one(conn, spending)?
    {
        return Ok(Outcome::CodeNotSpent);
    }
    if idempotency::is_known(conn, lease)? {
        return Ok(Outcome::KeyKnown);
    }
    redemptions::insert(conn, redemption, *at)?;
    idempotency::insert(conn, lease, Some(kept), *at)?;
    audit::append(conn, redemption.rp, ACTION, redemption.id, OUTCOME, *at)?;
    Ok(Outcome::Opened)
}

const AT_ONCE: &str = "
WITH given AS (
    SELECT * FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS g (
        rp_id, id, certificate_id, purpose, asked, share, nonce, deadline, opened_at,
        answer, audit_id, liveness, terminal_id, code_id, request_mac, key, fingerprint, lease, leased_until)
), spent AS (
    INSERT INTO spent_codes (certificate_id, code_id, rp_id, redemption_id, request_mac, spent_at)
    SELECT c.id, g.code_id, g.rp_id, g.id, g.request_mac, g.opened_at
    FROM given g JOIN certificates c ON c.id = g.certificate_id
        AND c.state = 'active' AND c.issued_at <= g.opened_at AND c.expires_at > g.opened_at
    WHERE g.code_id IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING redemption_id AS id
), ready AS (
    SELECT given.* FROM given LEFT JOIN spent USING (id) WHERE given.code_id IS NULL OR spent.id IS NOT NULL
), kept AS (
    INSERT INTO idempotency_keys (rp_id, key, fingerprint, lease, leased_until, sealed_answer, created_at)
    SELECT rp_id, key, fingerprint, lease, leased_until, answer, opened_at FROM ready
    ON CONFLICT DO NOTHING RETURNING lease
), fresh AS (
    SELECT ready.* FROM ready JOIN kept USING (lease)
), opened AS (
    INSERT INTO redemptions (rp_id, id, certificate_id, purpose, asked, share, nonce, deadline, state,
                             unusable_attempts, opened_at, liveness, terminal_id)
    SELECT rp_id, id, certificate_id, purpose, asked, share, nonce, deadline, 'challenged', 0, opened_at, liveness,
           terminal_id
    FROM fresh
), noted AS (
    INSERT INTO audit (actor, id, action, object, outcome, at)
    SELECT rp_id, audit_id, 'redemption.open', id, 'challenged', opened_at FROM fresh
)
SELECT ready.id, kept.lease FROM ready LEFT JOIN kept USING (lease)";

fn insert_at_once(postgres: &mut PgConnection, openings: &[Opening]) -> QueryResult<Vec<Outcome>> {
    let of = || openings.iter();
    let redemptions = || of().map(|opening| &opening.redemption);
    let spendings = || of().map(|opening| opening.spending.as_ref());
    let audit_id = |opening: &Opening| AuditId::new(opening.at, &mut rand::rng()).to_string();
    let mut columns = vec![
        Column::Texts(redemptions().map(|redemption| redemption.rp.to_string()).collect()),
        Column::Texts(redemptions().map(|redemption| redemption.id.to_string()).collect()),
        Column::Texts(redemptions().map(|redemption| redemption.certificate.to_string()).collect()),
        Column::Strs(redemptions().map(|redemption| redemption.purpose.as_str()).collect()),
        Column::Texts(
            redemptions()
                .map(|redemption| join(redemption.asked.iter().map(|asked| asked.as_str())))
                .collect(),
        ),
        Column::Strs(redemptions().map(|redemption| redemption.share.as_str()).collect()),
        Column::Bytes(redemptions().map(|redemption| redemption.challenge.nonce.as_slice()).collect()),
        Column::Ints(
            redemptions().map(|redemption| redemption.challenge.deadline.as_microsecond()).collect(),
        ),
        Column::Ints(of().map(|opening| opening.at.as_microsecond()).collect()),
        Column::Bytes(of().map(|opening| opening.kept.as_slice()).collect()),
        Column::Texts(of().map(audit_id).collect()),
        Column::MaybeStrs(redemptions().map(|redemption| liveness(redemption.challenge.mode)).collect()),
        Column::MaybeTexts(
            redemptions().map(|redemption| redemption.terminal.map(|id| id.to_string())).collect(),
        ),
        Column::MaybeBytes(spendings().map(|code| code.map(|code| code.code_id.as_slice())).collect()),
        Column::MaybeBytes(
            spendings().map(|code| code.map(|code| code.spent.request_mac.as_slice())).collect(),
        ),
    ];
    columns.extend(idempotency::columns_of(of().map(|opening| &opening.lease)));
    let rows = Statement::<(Text, Nullable<Text>)>::new(AT_ONCE, columns);
    let ready: HashMap<String, Option<String>> =
        rows.load::<(String, Option<String>)>(postgres)?.into_iter().collect();
    let outcome = |redemption: &Redemption| match ready.get(&redemption.id.to_string()) {
        None => Outcome::CodeNotSpent,
        Some(None) => Outcome::KeyKnown,
        Some(Some(_)) => Outcome::Opened,
    };
    Ok(redemptions().map(outcome).collect())
}
