//! API keys of relying parties, known here by the hashes of their secrets. Whose key a caller shows is found by
//! [`super::relying_parties::by_keys`], together with the relying party.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{ApiKeyId, RelyingPartyId};

use super::Conn;
use super::columns::{parse, time};
use super::schema::api_keys;

/// A key, as far as it is not secret.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Which.
    pub id: ApiKeyId,
    /// What its relying party calls it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good, if not for ever.
    pub expires_at: Option<Timestamp>,
}

/// Adds a key.
pub fn insert(conn: &mut Conn, rp: RelyingPartyId, key: &ApiKey, secret_hash: &[u8; 32]) -> QueryResult<()> {
    let row = (
        api_keys::id.eq(key.id.to_string()),
        api_keys::rp_id.eq(rp.to_string()),
        api_keys::name.eq(&key.name),
        api_keys::secret_hash.eq(secret_hash.as_slice()),
        api_keys::created_at.eq(key.created_at.as_microsecond()),
        api_keys::expires_at.eq(key.expires_at.map(Timestamp::as_microsecond)),
    );
    diesel::insert_into(api_keys::table).values(row).execute(conn).map(drop)
}

/// The keys of a relying party that were not revoked, the oldest first.
pub fn list(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<Vec<ApiKey>> {
    let found = api_keys::table
        .filter(api_keys::rp_id.eq(rp.to_string()))
        .filter(api_keys::revoked_at.is_null())
        .order((api_keys::created_at, api_keys::id))
        .select((api_keys::id, api_keys::name, api_keys::created_at, api_keys::expires_at));
    let rows = found.load::<(String, String, i64, Option<i64>)>(conn)?.into_iter();
    rows.map(|(id, name, created_at, expires_at)| {
        Ok(ApiKey {
            id: parse(&id)?,
            name,
            created_at: time(created_at)?,
            expires_at: expires_at.map(time).transpose()?,
        })
    })
    .collect()
}

/// Ends a key; whether the relying party had it, and it was not ended before.
pub fn revoke(conn: &mut Conn, rp: RelyingPartyId, id: ApiKeyId, now: Timestamp) -> QueryResult<bool> {
    let found = api_keys::table
        .filter(api_keys::rp_id.eq(rp.to_string()))
        .filter(api_keys::id.eq(id.to_string()))
        .filter(api_keys::revoked_at.is_null());
    let revoked = diesel::update(found).set(api_keys::revoked_at.eq(now.as_microsecond()));
    Ok(revoked.execute(conn)? == 1)
}
