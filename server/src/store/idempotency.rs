//! Idempotency keys: the same request twice is one request.
//!
//! A key is claimed before the work and finished in the transaction that does it. Between the two it is under a lease:
//! a second request with the same key is told to wait, and a crashed one frees the key when its lease ends.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use jiff::Timestamp;
use wallet_core::ids::{RedemptionId, RelyingPartyId, RequestId};

use super::certificates::{self, Certificate, Owner};
use super::redemptions::{self, Redemption};
use super::schema::idempotency_keys as keys;
use super::sql::{Column, Statement};
use super::{Conn, exactly_one};

/// A key in the hand of one request.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Whose key space.
    pub rp: RelyingPartyId,
    /// The key.
    pub key: String,
    /// Hash of what was asked.
    pub fingerprint: [u8; 32],
    /// The request that holds the lease.
    pub by: RequestId,
    /// Until when nobody else may take it.
    pub until: Timestamp,
}

/// What claiming a key finds.
#[derive(Debug)]
pub enum Held {
    /// It is ours.
    Claimed,
    /// Another request with it is being worked on.
    Running,
    /// It belongs to another request: another method, path or body.
    OtherRequest,
    /// The answer that was given, sealed.
    Answered(Vec<u8>),
}

/// Claims a key.
pub fn claim(conn: &mut Conn, lease: &Lease, now: Timestamp) -> QueryResult<Held> {
    let Some(row) = find(conn, lease)? else {
        insert(conn, lease, None, now)?;
        return Ok(Held::Claimed);
    };
    if row.fingerprint != lease.fingerprint {
        return Ok(Held::OtherRequest);
    }
    if let Some(answer) = row.sealed_answer {
        return Ok(Held::Answered(answer));
    }
    if row.leased_until > now.as_microsecond() {
        return Ok(Held::Running);
    }
    let stale = keys::table.find(id(lease)).filter(keys::lease.eq(row.lease));
    let values = (keys::lease.eq(lease.by.to_string()), keys::leased_until.eq(lease.until.as_microsecond()));
    exactly_one(diesel::update(stale).set(values).execute(conn)?)?;
    Ok(Held::Claimed)
}

/// A key to be claimed for judging a redemption.
#[derive(Debug)]
pub struct Claiming {
    /// The key.
    pub lease: Lease,
    /// What it is claimed for.
    pub redemption: RedemptionId,
    /// When.
    pub at: Timestamp,
}

/// What was found with a claimed key: the redemption, if there is one, and its certificate, if that lies in the same database.
pub type Found = Option<(Redemption, Option<(Certificate, Owner)>)>;

/// Claims keys that nobody has, and reads what they are claimed for; `None` for each of which something is known already.
/// Nobody waits for the disk: after a crash a claim may never have been.
pub(super) fn claim_all(conn: &mut Conn, claims: &[Claiming]) -> QueryResult<Vec<Option<Found>>> {
    match conn {
        Conn::Postgres(postgres) => claim_at_once(postgres, claims),
        Conn::Sqlite(_) => claims
            .iter()
            .map(|Claiming { lease, redemption, at }| {
                if is_known(conn, lease)? {
                    return Ok(None);
                }
                insert(conn, lease, None, *at)?;
                let Some(redemption) = redemptions::find(conn, *redemption, lease.rp)? else {
                    return Ok(Some(None));
                };
                let certificate = certificates::with_owners(conn, &[redemption.certificate])?.pop().flatten();
                Ok(Some(Some((redemption, certificate))))
            })
            .collect(),
    }
}

/// The redemption is read as it was before the statement, which does not touch it.
const CLAIM_AT_ONCE: &str = "
WITH volatile AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
given AS (
    SELECT * FROM unnest(?, ?, ?, ?, ?, ?, ?) AS g (rp_id, at, redemption_id, key, fingerprint, lease, leased_until)
), leased AS (
    INSERT INTO idempotency_keys (rp_id, key, fingerprint, lease, leased_until, created_at)
    SELECT rp_id, key, fingerprint, lease, leased_until, at FROM given, volatile
    ON CONFLICT DO NOTHING RETURNING lease
)
SELECT lease, r.certificate_id, r.purpose, r.asked, r.share, r.nonce, r.deadline, r.unusable_attempts, r.state,
       r.sealed_answer, r.closed_at, r.liveness, r.phase, r.terminal_id,
       c.id, c.holder_id, c.device_jkt, c.device_key, c.status_list, c.status_index, c.assurance, c.sealed_attributes,
       c.sealed_template, c.state, c.issued_at, c.expires_at, h.eid, h.kek, h.wrapped_key, h.has_blocks
FROM leased JOIN given USING (lease)
LEFT JOIN redemptions r ON r.rp_id = given.rp_id AND r.id = given.redemption_id
LEFT JOIN (certificates c JOIN holders h ON h.id = c.holder_id) ON c.id = r.certificate_id";

type ClaimedSql = (Text, Nullable<redemptions::SqlRow>, Nullable<certificates::SqlRow>);
type ClaimedRow = (String, Option<redemptions::Row>, Option<certificates::OwnedRow>);

fn claim_at_once(postgres: &mut PgConnection, claims: &[Claiming]) -> QueryResult<Vec<Option<Found>>> {
    let leases = || claims.iter().map(|claim| &claim.lease);
    let mut columns = vec![
        Column::Texts(leases().map(|lease| lease.rp.to_string()).collect()),
        Column::Ints(claims.iter().map(|claim| claim.at.as_microsecond()).collect()),
        Column::Texts(claims.iter().map(|claim| claim.redemption.to_string()).collect()),
    ];
    columns.extend(columns_of(leases()));
    let rows = Statement::<ClaimedSql>::new(CLAIM_AT_ONCE, columns).load::<ClaimedRow>(postgres)?;
    let mut claimed: HashMap<String, _> =
        rows.into_iter().map(|(lease, redemption, certificate)| (lease, (redemption, certificate))).collect();
    let found = |claim: &Claiming| {
        let Some((redemption, certificate)) = claimed.remove(&claim.lease.by.to_string()) else {
            return Ok(None);
        };
        let Some(redemption) = redemption else { return Ok(Some(None)) };
        let redemption = redemptions::from_row(claim.redemption, claim.lease.rp, redemption)?;
        Ok(Some(Some((redemption, certificate.map(certificates::from_owned_row).transpose()?))))
    };
    claims.iter().map(found).collect()
}

/// `key, fingerprint, lease, leased_until` of leases.
pub(super) fn columns_of<'a>(leases: impl Iterator<Item = &'a Lease> + Clone) -> [Column<'a>; 4] {
    [
        Column::Strs(leases.clone().map(|lease| lease.key.as_str()).collect()),
        Column::Bytes(leases.clone().map(|lease| lease.fingerprint.as_slice()).collect()),
        Column::Texts(leases.clone().map(|lease| lease.by.to_string()).collect()),
        Column::Ints(leases.map(|lease| lease.until.as_microsecond()).collect()),
    ]
}

/// Whether a key is in the hand of a request, or was answered.
pub(super) fn is_known(conn: &mut Conn, lease: &Lease) -> QueryResult<bool> {
    diesel::dsl::select(diesel::dsl::exists(keys::table.find(id(lease)))).get_result(conn)
}

/// The answer that was given under a key, sealed; `None` when there is none yet.
pub fn answer(conn: &mut Conn, lease: &Lease) -> QueryResult<Option<Held>> {
    Ok(match find(conn, lease)? {
        Some(row) if row.fingerprint != lease.fingerprint => Some(Held::OtherRequest),
        Some(row) => row.sealed_answer.map(Held::Answered),
        None => None,
    })
}

#[derive(Queryable)]
struct Row {
    fingerprint: Vec<u8>,
    lease: String,
    leased_until: i64,
    sealed_answer: Option<Vec<u8>>,
}

fn find(conn: &mut Conn, lease: &Lease) -> QueryResult<Option<Row>> {
    let columns = (keys::fingerprint, keys::lease, keys::leased_until, keys::sealed_answer);
    keys::table.find(id(lease)).select(columns).first::<Row>(conn).optional()
}

fn id(lease: &Lease) -> (String, &str) {
    (lease.rp.to_string(), &lease.key)
}

/// Adds a key, answered or only leased.
pub(super) fn insert(
    conn: &mut Conn,
    lease: &Lease,
    sealed_answer: Option<&[u8]>,
    now: Timestamp,
) -> QueryResult<()> {
    let row = (
        keys::rp_id.eq(lease.rp.to_string()),
        keys::key.eq(&lease.key),
        keys::fingerprint.eq(lease.fingerprint.as_slice()),
        keys::lease.eq(lease.by.to_string()),
        keys::leased_until.eq(lease.until.as_microsecond()),
        keys::sealed_answer.eq(sealed_answer),
        keys::created_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(keys::table).values(row).execute(conn).map(drop)
}

/// Stores the answer. Whose lease it is now does not matter, nor whether there is one: the first answer stands, and a second
/// one is a lost race.
pub fn finish(conn: &mut Conn, lease: &Lease, sealed_answer: &[u8], now: Timestamp) -> QueryResult<()> {
    let ours = keys::table
        .find(id(lease))
        .filter(keys::fingerprint.eq(lease.fingerprint.as_slice()))
        .filter(keys::sealed_answer.is_null());
    match diesel::update(ours).set(keys::sealed_answer.eq(sealed_answer)).execute(conn)? {
        0 => insert(conn, lease, Some(sealed_answer), now),
        _ => Ok(()),
    }
}

/// Gives the key back: the request was refused before anything was done, and may come again mended.
pub fn release(conn: &mut Conn, lease: &Lease) -> QueryResult<()> {
    let ours = keys::table
        .find(id(lease))
        .filter(keys::lease.eq(lease.by.to_string()))
        .filter(keys::sealed_answer.is_null());
    diesel::delete(ours).execute(conn).map(drop)
}

/// Forgets keys claimed before `time`. What they did stays done once: a redemption closes once.
pub fn forget(conn: &mut Conn, time: Timestamp) -> QueryResult<usize> {
    diesel::delete(keys::table.filter(keys::created_at.lt(time.as_microsecond()))).execute(conn)
}
