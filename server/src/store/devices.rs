//! Device keys, their access tokens, and the DPoP proofs already seen.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::es256::PublicKey;
use wallet_core::ids::HolderId;

use super::columns::{damaged, parse, time};
use super::schema::{devices, proofs};
use super::{Conn, exactly_one};

/// A device and what it may use.
#[derive(Debug, Clone)]
pub struct Device {
    /// The RFC 7638 thumbprint of its key.
    pub jkt: String,
    /// Its key.
    pub key: PublicKey,
}

/// Why a device may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedWhy {
    /// The holder has another one now.
    Replaced,
    /// The holder said so.
    Revoked,
    /// The holder had everything erased.
    Erased,
}

impl EndedWhy {
    /// The word in the column and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            EndedWhy::Replaced => "replaced",
            EndedWhy::Revoked => "revoked",
            EndedWhy::Erased => "erased",
        }
    }
}

/// Gives a device a new access token, known here by its hash; the one before ends. A device that was ended begins as a stranger.
pub fn put(
    conn: &mut Conn,
    device: &Device,
    token_hash: &[u8; 32],
    expires_at: Timestamp,
    risk: &'static str,
    now: Timestamp,
) -> QueryResult<()> {
    let values = (
        devices::token_hash.eq(token_hash.as_slice()),
        devices::token_expires_at.eq(expires_at.as_microsecond()),
        devices::next_token_hash.eq(None::<Vec<u8>>),
        devices::next_token_expires_at.eq(None::<i64>),
        devices::risk.eq(risk),
        // They follow, under the key of whose device it is.
        devices::sealed_signals.eq(None::<Vec<u8>>),
    );
    let begun_anew = (
        devices::holder_id.eq(None::<String>),
        devices::since.eq(now.as_microsecond()),
        devices::ended_at.eq(None::<i64>),
        devices::ended_why.eq(None::<String>),
    );
    let ended = devices::table.find(&device.jkt).filter(devices::ended_at.is_not_null());
    diesel::update(ended).set(begun_anew).execute(conn)?;
    if diesel::update(devices::table.find(&device.jkt)).set(values.clone()).execute(conn)? == 0 {
        let row = (
            devices::jkt.eq(&device.jkt),
            devices::public_key.eq(device.key.to_sec1()),
            devices::since.eq(now.as_microsecond()),
            values,
        );
        diesel::insert_into(devices::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// Keeps what a device said of itself, sealed.
pub fn keep_signals(conn: &mut Conn, jkt: &str, sealed: &[u8]) -> QueryResult<()> {
    exactly_one(
        diesel::update(devices::table.find(jkt)).set(devices::sealed_signals.eq(sealed)).execute(conn)?,
    )
}

/// Forgets what a device said of itself.
pub fn forget_signals(conn: &mut Conn, jkt: &str) -> QueryResult<()> {
    let none = devices::sealed_signals.eq(None::<Vec<u8>>);
    exactly_one(diesel::update(devices::table.find(jkt)).set(none).execute(conn)?)
}

/// What a device said of itself, sealed.
pub fn signals(conn: &mut Conn, jkt: &str) -> QueryResult<Option<Vec<u8>>> {
    let found = devices::table.find(jkt).select(devices::sealed_signals);
    Ok(found.first::<Option<Vec<u8>>>(conn).optional()?.flatten())
}

/// What an access token belongs to.
#[derive(Debug)]
pub struct TokenHolder {
    /// Whose it is.
    pub device: Device,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// Whether it is a renewed one that was not used yet.
    pub is_next: bool,
    /// When and why the device was ended.
    pub ended: Option<(EndedWhy, Timestamp)>,
}

type TokenRow = (String, Vec<u8>, i64, Option<i64>, Option<String>);

/// The device that an access token belongs to, expired or ended as it may be.
pub fn by_token(conn: &mut Conn, token_hash: &[u8; 32]) -> QueryResult<Option<TokenHolder>> {
    use devices as d;
    let present = d::table
        .filter(d::token_hash.eq(token_hash.as_slice()))
        .select((d::jkt, d::public_key, d::token_expires_at, d::ended_at, d::ended_why))
        .first::<TokenRow>(conn)
        .optional()?;
    if let Some(row) = present {
        return token_holder(row, false).map(Some);
    }
    let next = d::table
        .filter(d::next_token_hash.eq(token_hash.as_slice()))
        .select((
            d::jkt,
            d::public_key,
            d::next_token_expires_at.assume_not_null(),
            d::ended_at,
            d::ended_why,
        ))
        .first::<TokenRow>(conn)
        .optional()?;
    next.map(|row| token_holder(row, true)).transpose()
}

fn token_holder((jkt, key, expires_at, ended_at, why): TokenRow, is_next: bool) -> QueryResult<TokenHolder> {
    let key = PublicKey::from_sec1(&key).map_err(|error| damaged(&error))?;
    let ended = ended_from(ended_at, why.as_deref())?;
    Ok(TokenHolder { device: Device { jkt, key }, expires_at: time(expires_at)?, is_next, ended })
}

fn ended_from(at: Option<i64>, why: Option<&str>) -> QueryResult<Option<(EndedWhy, Timestamp)>> {
    let Some(at) = at else { return Ok(None) };
    Ok(Some((ended_why(why)?, time(at)?)))
}

fn ended_why(word: Option<&str>) -> QueryResult<EndedWhy> {
    let all = [EndedWhy::Replaced, EndedWhy::Revoked, EndedWhy::Erased];
    all.into_iter().find(|why| word == Some(why.as_str())).ok_or_else(|| damaged(&"devices.ended_why"))
}

/// Gives a device a token that takes the place of the present one when it is first used.
pub fn offer_token(
    conn: &mut Conn,
    jkt: &str,
    token_hash: &[u8; 32],
    expires_at: Timestamp,
) -> QueryResult<()> {
    let values = (
        devices::next_token_hash.eq(token_hash.as_slice()),
        devices::next_token_expires_at.eq(expires_at.as_microsecond()),
    );
    let row = devices::table.find(jkt).filter(devices::ended_at.is_null());
    exactly_one(diesel::update(row).set(values).execute(conn)?)
}

/// Until when the present access token of a device is good.
pub fn token_until(conn: &mut Conn, jkt: &str) -> QueryResult<Option<Timestamp>> {
    let until = devices::table.find(jkt).select(devices::token_expires_at).first::<i64>(conn).optional()?;
    until.map(time).transpose()
}

/// The offered token was used: the present one ends. Done by another request already, it does nothing.
pub fn take_offered_token(
    conn: &mut Conn,
    jkt: &str,
    token_hash: &[u8; 32],
    expires_at: Timestamp,
) -> QueryResult<()> {
    let row = devices::table.find(jkt).filter(devices::next_token_hash.eq(token_hash.as_slice()));
    let values = (
        devices::token_hash.eq(token_hash.as_slice()),
        devices::token_expires_at.eq(expires_at.as_microsecond()),
        devices::next_token_hash.eq(None::<Vec<u8>>),
        devices::next_token_expires_at.eq(None::<i64>),
    );
    diesel::update(row).set(values).execute(conn).map(drop)
}

/// Says whose a device is.
pub fn belongs_to(conn: &mut Conn, jkt: &str, holder: HolderId) -> QueryResult<()> {
    let row = devices::table.find(jkt);
    exactly_one(diesel::update(row).set(devices::holder_id.eq(holder.to_string())).execute(conn)?)
}

/// Ends what devices a holder had beside `jkt`: those that are known to be theirs, and `others`, if these are nobody else's.
pub fn replace(
    conn: &mut Conn,
    holder: HolderId,
    jkt: &str,
    others: &[String],
    now: Timestamp,
) -> QueryResult<()> {
    let holder = holder.to_string();
    let of_nobody_else = devices::jkt.eq_any(others).and(devices::holder_id.is_null());
    let rows = devices::table
        .filter(devices::ended_at.is_null())
        .filter(devices::jkt.ne(jkt))
        .filter(devices::holder_id.eq(holder).assume_not_null().or(of_nobody_else));
    diesel::update(rows).set(ended(EndedWhy::Replaced, now)).execute(conn).map(drop)
}

/// Ends a device of a holder that was not ended before; `false` if there is none.
pub fn revoke(conn: &mut Conn, jkt: &str, now: Timestamp) -> QueryResult<bool> {
    let row = devices::table.find(jkt).filter(devices::ended_at.is_null());
    Ok(diesel::update(row).set(ended(EndedWhy::Revoked, now)).execute(conn)? == 1)
}

type Ended = (
    diesel::dsl::Eq<devices::ended_at, Option<i64>>,
    diesel::dsl::Eq<devices::ended_why, Option<&'static str>>,
);

fn ended(why: EndedWhy, now: Timestamp) -> Ended {
    (devices::ended_at.eq(Some(now.as_microsecond())), devices::ended_why.eq(Some(why.as_str())))
}

/// Whose a device is; `None` until it was issued something to.
pub fn holder_of(conn: &mut Conn, jkt: &str) -> QueryResult<Option<HolderId>> {
    let holder = devices::table.find(jkt).select(devices::holder_id).first::<Option<String>>(conn);
    holder.optional()?.flatten().map(|id| parse(&id)).transpose()
}

/// A device as its holder sees it.
#[derive(Debug)]
pub struct Shown {
    /// The thumbprint of its key.
    pub jkt: String,
    /// Since when it is known; not said of those from before this was kept.
    pub since: Option<Timestamp>,
    /// When and why it was ended.
    pub ended: Option<(EndedWhy, Timestamp)>,
    /// How risky it seemed.
    pub risk: Option<String>,
    /// What it said of itself, sealed.
    pub sealed_signals: Option<Vec<u8>>,
}

type ShownRow = (String, Option<i64>, Option<i64>, Option<String>, Option<String>, Option<Vec<u8>>);

/// The devices of a holder, or without one the device itself.
pub fn of_holder(conn: &mut Conn, holder: Option<HolderId>, jkt: &str) -> QueryResult<Vec<Shown>> {
    use devices as d;
    let columns = (d::jkt, d::since, d::ended_at, d::ended_why, d::risk, d::sealed_signals);
    let rows = match holder {
        Some(holder) => {
            let theirs = d::table.filter(d::holder_id.eq(holder.to_string()));
            theirs.order(d::since.desc()).select(columns).load::<ShownRow>(conn)?
        }
        None => d::table.find(jkt).select(columns).load::<ShownRow>(conn)?,
    };
    rows.into_iter().map(shown).collect()
}

fn shown((jkt, since, ended_at, why, risk, sealed_signals): ShownRow) -> QueryResult<Shown> {
    let ended = ended_from(ended_at, why.as_deref())?;
    Ok(Shown { jkt, since: since.map(time).transpose()?, ended, risk, sealed_signals })
}

/// How risky a device seemed.
pub fn risk_of(conn: &mut Conn, jkt: &str) -> QueryResult<Option<String>> {
    Ok(devices::table.find(jkt).select(devices::risk).first::<Option<String>>(conn).optional()?.flatten())
}

/// Remembers a DPoP proof until it is stale; `false` when it was used before.
pub fn remember_proof(conn: &mut Conn, jkt: &str, jti: &str, stale_at: Timestamp) -> QueryResult<bool> {
    let seen = proofs::table.find((jkt, jti)).select(proofs::stale_at);
    if seen.first::<i64>(conn).optional()?.is_some() {
        return Ok(false);
    }
    let row = (proofs::jkt.eq(jkt), proofs::jti.eq(jti), proofs::stale_at.eq(stale_at.as_microsecond()));
    diesel::insert_into(proofs::table).values(row).execute(conn).map(|_| true)
}

/// Forgets proofs that are refused for their age alone.
pub fn forget_proofs(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    diesel::delete(proofs::table.filter(proofs::stale_at.lt(now.as_microsecond()))).execute(conn)
}
