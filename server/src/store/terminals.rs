//! Terminals of relying parties, their keys and access tokens.

use std::collections::BTreeSet;

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::es256::PublicKey;
use wallet_core::ids::{RelyingPartyId, TerminalId};

use super::columns::{damaged, parse, present, time};
use super::devices::Device;
use super::schema::terminals as t;
use super::{Conn, exactly_one};

/// A till or tablet of a relying party.
#[derive(Debug, Clone)]
pub struct Terminal {
    /// Which.
    pub id: TerminalId,
    /// Whose.
    pub rp: RelyingPartyId,
    /// What the relying party calls it.
    pub name: String,
    /// The purposes that it may ask for; `None` for all of them.
    pub purposes: Option<BTreeSet<String>>,
    /// When it was added.
    pub created_at: Timestamp,
    /// Until when it may be activated.
    pub activation_expires_at: Timestamp,
    /// When it was activated, and the thumbprint of its key.
    pub activated: Option<(Timestamp, String)>,
    /// Until when its present token is good.
    pub token_expires_at: Option<Timestamp>,
    /// When it was switched off.
    pub revoked_at: Option<Timestamp>,
}

/// What an access token belongs to.
#[derive(Debug)]
pub struct ByToken {
    /// Whose it is, revoked as it may be.
    pub terminal: Terminal,
    /// Its key.
    pub device: Device,
    /// Until when the token is good.
    pub expires_at: Timestamp,
    /// Whether it is a renewed one that was not used yet.
    pub is_next: bool,
}

type Row = (
    (String, String, String, Option<String>),
    (i64, i64, Option<i64>),
    (Option<String>, Option<i64>, Option<i64>),
);

macro_rules! columns {
    () => {
        (
            (t::rp_id, t::id, t::name, t::purposes),
            (t::created_at, t::activation_expires_at, t::activated_at),
            (t::jkt, t::token_expires_at, t::revoked_at),
        )
    };
}

fn from_row(row: Row) -> QueryResult<Terminal> {
    let ((rp, id, name, purposes), (created, activation_expires, activated), (jkt, token_expires, revoked)) =
        row;
    let purposes = purposes.map(|text| serde_json::from_str(&text)).transpose();
    Ok(Terminal {
        id: parse(&id)?,
        rp: parse(&rp)?,
        name,
        purposes: purposes.map_err(|_| damaged(&"terminals.purposes"))?,
        created_at: time(created)?,
        activation_expires_at: time(activation_expires)?,
        activated: activated.map(time).transpose()?.zip(jkt),
        token_expires_at: token_expires.map(time).transpose()?,
        revoked_at: revoked.map(time).transpose()?,
    })
}

/// Adds a terminal that waits to be activated by whoever has the secret behind this hash.
pub fn insert(conn: &mut Conn, terminal: &Terminal, activation_hash: &[u8; 32]) -> QueryResult<()> {
    let purposes = terminal.purposes.as_ref().map(serde_json::to_string).transpose();
    let row = (
        t::rp_id.eq(terminal.rp.to_string()),
        t::id.eq(terminal.id.to_string()),
        t::name.eq(&terminal.name),
        t::purposes.eq(purposes.map_err(|error| damaged(&error))?),
        t::created_at.eq(terminal.created_at.as_microsecond()),
        t::activation_hash.eq(activation_hash.as_slice()),
        t::activation_expires_at.eq(terminal.activation_expires_at.as_microsecond()),
    );
    diesel::insert_into(t::table).values(row).execute(conn).map(drop)
}

/// Forgets terminals of a relying party whose activation was waited for in vain.
pub fn forget_expired(conn: &mut Conn, rp: RelyingPartyId, now: Timestamp) -> QueryResult<usize> {
    let never = t::table
        .filter(t::rp_id.eq(rp.to_string()))
        .filter(t::activated_at.is_null())
        .filter(t::activation_expires_at.le(now.as_microsecond()));
    diesel::delete(never).execute(conn)
}

/// How many terminals of a relying party are not switched off.
pub fn count(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<i64> {
    let of = t::table.filter(t::rp_id.eq(rp.to_string())).filter(t::revoked_at.is_null());
    of.count().get_result(conn)
}

/// The terminals of a relying party, the newest first, at most so many.
pub fn of_relying_party(conn: &mut Conn, rp: RelyingPartyId, most: i64) -> QueryResult<Vec<Terminal>> {
    let of = t::table.filter(t::rp_id.eq(rp.to_string())).order(t::id.desc()).limit(most);
    of.select(columns!()).load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// The terminal that a secret activates.
pub fn by_activation(conn: &mut Conn, activation_hash: &[u8; 32]) -> QueryResult<Option<Terminal>> {
    let found = t::table.filter(t::activation_hash.eq(activation_hash.as_slice()));
    found.select(columns!()).first::<Row>(conn).optional()?.map(from_row).transpose()
}

/// Binds a terminal to a key and gives it a token. Exactly one that nobody has activated with another key.
pub fn activate(
    conn: &mut Conn,
    terminal: &Terminal,
    device: &Device,
    token_hash: &[u8; 32],
    token_expires_at: Timestamp,
    now: Timestamp,
) -> QueryResult<()> {
    let row = t::table
        .find(key(terminal))
        .filter(t::revoked_at.is_null())
        .filter(t::jkt.is_null().or(t::jkt.eq(&device.jkt)));
    let values = (
        t::activated_at.eq(Some(now.as_microsecond())),
        t::jkt.eq(Some(&device.jkt)),
        t::public_key.eq(Some(device.key.to_sec1())),
        t::token_hash.eq(Some(token_hash.as_slice())),
        t::token_expires_at.eq(Some(token_expires_at.as_microsecond())),
        t::next_token_hash.eq(None::<Vec<u8>>),
        t::next_token_expires_at.eq(None::<i64>),
    );
    exactly_one(diesel::update(row).set(values).execute(conn)?)
}

type TokenRow = (Row, Option<Vec<u8>>, Option<i64>);

/// The terminal that an access token belongs to, expired or revoked as it may be.
pub fn by_token(conn: &mut Conn, token_hash: &[u8; 32]) -> QueryResult<Option<ByToken>> {
    let present = t::table
        .filter(t::token_hash.eq(token_hash.as_slice()))
        .select((columns!(), t::public_key, t::token_expires_at))
        .first::<TokenRow>(conn)
        .optional()?;
    if let Some(row) = present {
        return of_token(row, false).map(Some);
    }
    let next = t::table
        .filter(t::next_token_hash.eq(token_hash.as_slice()))
        .select((columns!(), t::public_key, t::next_token_expires_at))
        .first::<TokenRow>(conn)
        .optional()?;
    next.map(|row| of_token(row, true)).transpose()
}

fn of_token((row, public_key, expires_at): TokenRow, is_next: bool) -> QueryResult<ByToken> {
    let terminal = from_row(row)?;
    let (_, jkt) = terminal.activated.clone().ok_or_else(|| damaged(&"terminals.jkt"))?;
    let key = PublicKey::from_sec1(&present(public_key, "terminals.public_key")?);
    let device = Device { jkt, key: key.map_err(|error| damaged(&error))? };
    let expires_at = time(present(expires_at, "terminals.token_expires_at")?)?;
    Ok(ByToken { terminal, device, expires_at, is_next })
}

/// Gives a terminal a token that takes the place of the present one when it is first used.
pub fn offer_token(
    conn: &mut Conn,
    terminal: &Terminal,
    token_hash: &[u8; 32],
    expires_at: Timestamp,
) -> QueryResult<()> {
    let values = (
        t::next_token_hash.eq(Some(token_hash.as_slice())),
        t::next_token_expires_at.eq(Some(expires_at.as_microsecond())),
    );
    let row = t::table.find(key(terminal)).filter(t::revoked_at.is_null());
    exactly_one(diesel::update(row).set(values).execute(conn)?)
}

/// The offered token was used: the present one ends. Done by another request already, it does nothing.
pub fn take_offered_token(
    conn: &mut Conn,
    terminal: &Terminal,
    token_hash: &[u8; 32],
    expires_at: Timestamp,
) -> QueryResult<()> {
    let row = t::table.find(key(terminal)).filter(t::next_token_hash.eq(token_hash.as_slice()));
    let values = (
        t::token_hash.eq(Some(token_hash.as_slice())),
        t::token_expires_at.eq(Some(expires_at.as_microsecond())),
        t::next_token_hash.eq(None::<Vec<u8>>),
        t::next_token_expires_at.eq(None::<i64>),
    );
    diesel::update(row).set(values).execute(conn).map(drop)
}

/// Switches a terminal off; `None` when the relying party has no such terminal, `false` when it was off before.
pub fn revoke(
    conn: &mut Conn,
    rp: RelyingPartyId,
    id: TerminalId,
    now: Timestamp,
) -> QueryResult<Option<bool>> {
    let row = t::table.find((rp.to_string(), id.to_string()));
    let on = row.clone().filter(t::revoked_at.is_null());
    if diesel::update(on).set(t::revoked_at.eq(Some(now.as_microsecond()))).execute(conn)? == 1 {
        return Ok(Some(true));
    }
    Ok(row.select(t::id).first::<String>(conn).optional()?.map(|_| false))
}

fn key(terminal: &Terminal) -> (String, String) {
    (terminal.rp.to_string(), terminal.id.to_string())
}
