//! Device keys, their access tokens, and the DPoP proofs already seen.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::es256::PublicKey;

use super::Conn;
use super::columns::damaged;
use super::schema::{devices, proofs};

/// A device and what it may use.
#[derive(Debug, Clone)]
pub struct Device {
    /// The RFC 7638 thumbprint of its key.
    pub jkt: String,
    /// Its key.
    pub key: PublicKey,
}

/// Gives a device a new access token, known here by its hash; the one before ends.
pub fn put(
    conn: &mut Conn,
    device: &Device,
    token_hash: &[u8; 32],
    expires_at: Timestamp,
) -> QueryResult<()> {
    let values = (
        devices::token_hash.eq(token_hash.as_slice()),
        devices::token_expires_at.eq(expires_at.as_microsecond()),
    );
    if diesel::update(devices::table.find(&device.jkt)).set(values).execute(conn)? == 0 {
        let row =
            (devices::jkt.eq(&device.jkt), devices::public_key.eq(device.key.to_sec1()), values.0, values.1);
        diesel::insert_into(devices::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// The device that an unexpired access token belongs to.
pub fn by_token(conn: &mut Conn, token_hash: &[u8; 32], now: Timestamp) -> QueryResult<Option<Device>> {
    let found = devices::table
        .filter(devices::token_hash.eq(token_hash.as_slice()))
        .filter(devices::token_expires_at.gt(now.as_microsecond()))
        .select((devices::jkt, devices::public_key))
        .first::<(String, Vec<u8>)>(conn)
        .optional()?;
    let Some((jkt, key)) = found else { return Ok(None) };
    let key = PublicKey::from_sec1(&key).map_err(|error| damaged(&error))?;
    Ok(Some(Device { jkt, key }))
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
