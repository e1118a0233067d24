//! Idempotency keys: the same request twice is one request.
//!
//! A key is claimed before the work and finished in the transaction that does it. Between the two it is under a lease:
//! a second request with the same key is told to wait, and a crashed one frees the key when its lease ends.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{RelyingPartyId, RequestId};

use super::schema::idempotency_keys as keys;
use super::sql::{Statement, Value};
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
pub enum Claim {
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
pub fn claim(conn: &mut Conn, lease: &Lease, now: Timestamp) -> QueryResult<Claim> {
    let Some(row) = find(conn, lease)? else {
        insert(conn, lease, None, now)?;
        return Ok(Claim::Claimed);
    };
    if row.fingerprint != lease.fingerprint {
        return Ok(Claim::OtherRequest);
    }
    if let Some(answer) = row.sealed_answer {
        return Ok(Claim::Answered(answer));
    }
    if row.leased_until > now.as_microsecond() {
        return Ok(Claim::Running);
    }
    let stale = keys::table.find(id(lease)).filter(keys::lease.eq(row.lease));
    let values = (keys::lease.eq(lease.by.to_string()), keys::leased_until.eq(lease.until.as_microsecond()));
    exactly_one(diesel::update(stale).set(values).execute(conn)?)?;
    Ok(Claim::Claimed)
}

/// Claims a key that nobody has, in one statement that nobody waits for the disk for; `false` when it must be looked at more
/// closely.
pub fn claim_at_once(conn: &mut Conn, lease: &Lease, now: Timestamp) -> QueryResult<bool> {
    const AT_ONCE: &str = "
        WITH volatile AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
        leased AS (
            INSERT INTO idempotency_keys (rp_id, key, fingerprint, lease, leased_until, created_at)
            VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1
        ) SELECT (SELECT count(*) FROM leased) * (SELECT count(*) FROM volatile)";
    let Conn::Postgres(postgres) = conn else { return Ok(false) };
    let values = vec![
        Value::Text(lease.rp.to_string()),
        Value::Str(&lease.key),
        Value::Bytes(&lease.fingerprint),
        Value::Text(lease.by.to_string()),
        Value::Int(lease.until.as_microsecond()),
        Value::Int(now.as_microsecond()),
    ];
    Ok(Statement::new(AT_ONCE, values).numbers(postgres)? == [1])
}

/// The answer that was given under a key, sealed; `None` when there is none yet.
pub fn answer(conn: &mut Conn, lease: &Lease) -> QueryResult<Option<Claim>> {
    Ok(match find(conn, lease)? {
        Some(row) if row.fingerprint != lease.fingerprint => Some(Claim::OtherRequest),
        Some(row) => row.sealed_answer.map(Claim::Answered),
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
