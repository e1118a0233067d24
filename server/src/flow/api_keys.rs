//! The API keys of a relying party. It has several at once, so that one takes another's place without a gap; each is shown once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use wallet_core::es256::sha256;
use wallet_core::ids::{AdminId, ApiKeyId, RelyingPartyId};
use wallet_core::jws::base64url;
use wallet_core::refusal::Refusal;

use super::amounts::{invalid, name};
use super::callers::{RelyingParty, key_prefix};
use super::{Context, random, telling};
use crate::delivery::event::Kind;
use crate::stop::Flow;
use crate::store::api_keys::{self, ApiKey};
use crate::store::{Conn, audit, relying_parties};

/// Keys that are good at once.
const MOST: usize = 20;

/// What a key is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ApiKeyRequest)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// What it is called: `[a-z0-9.-]`, 1 to 40 of them.
    pub name: String,
    /// Until when it is good; for ever without.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// A key, as far as it is not secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct Shown {
    id: ApiKeyId,
    name: String,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl From<ApiKey> for Shown {
    fn from(key: ApiKey) -> Shown {
        Shown { id: key.id, name: key.name, created_at: key.created_at, expires_at: key.expires_at }
    }
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKey)]
pub struct Made {
    #[serde(flatten)]
    key: Shown,
    /// The bearer token, shown once.
    api_key: String,
}

/// Makes a key in the transaction of what it is made for; the bearer token.
pub(super) fn mint(conn: &mut Conn, rp: RelyingPartyId, sandbox: bool, key: &ApiKey) -> Flow<String> {
    let secret = base64url(&random::<32>());
    api_keys::insert(conn, rp, key, &sha256(secret.as_bytes()))?;
    let id = key.id.to_string();
    let public = id.strip_prefix("key_").unwrap_or(&id);
    Ok(format!("{}{public}_{secret}", key_prefix(sandbox)))
}

/// Makes a key for the relying party that asks for one.
pub fn create(ctx: &Context, rp: &RelyingParty, wanted: &Wanted) -> Flow<Made> {
    if !rp.active {
        return Err(Refusal::RpSuspended.into());
    }
    make(ctx, &rp.id.to_string(), rp.id, wanted)
}

/// Makes a key for a relying party that has lost all of its own.
pub fn create_for(ctx: &Context, admin: AdminId, rp: RelyingPartyId, wanted: &Wanted) -> Flow<Made> {
    make(ctx, &admin.to_string(), rp, wanted)
}

fn make(ctx: &Context, by: &str, rp: RelyingPartyId, wanted: &Wanted) -> Flow<Made> {
    let now = ctx.now();
    name("name", &wanted.name)?;
    if wanted.expires_at.is_some_and(|end| end <= now) {
        return Err(invalid("expires_at", "a time to come").into());
    }
    let id = ApiKeyId::new(now, &mut rand::rng());
    let key = ApiKey { id, name: wanted.name.clone(), created_at: now, expires_at: wanted.expires_at };
    let api_key = ctx.rp_store.write(|conn| {
        let sandbox = relying_parties::is_sandbox(conn, rp)?.ok_or(Refusal::NotFound)?;
        if good(conn, rp, now)?.len() >= MOST {
            return Err(invalid("keys", format!("at most {MOST}: revoke one first")).into());
        }
        // Whoever took a key and makes another of it is not unnoticed.
        let told = json!({ "key": id, "name": key.name, "expires_at": key.expires_at });
        telling::message(conn, rp, Kind::KeyCreated, &told, now.into())?;
        audit::append(conn, by, "api_key.create", id, "done", now)?;
        mint(conn, rp, sandbox, &key)
    })?;
    Ok(Made { key: key.into(), api_key })
}

/// The keys that are good, the oldest first.
fn good(conn: &mut Conn, rp: RelyingPartyId, now: Timestamp) -> Flow<Vec<ApiKey>> {
    let mut keys = api_keys::list(conn, rp)?;
    keys.retain(|key| key.expires_at.is_none_or(|end| now < end));
    Ok(keys)
}

/// The keys of a relying party that are good, the oldest first.
pub fn list(ctx: &Context, rp: RelyingPartyId) -> Flow<Vec<Shown>> {
    let now = ctx.now();
    let keys = ctx.rp_store.read(|conn| {
        relying_parties::is_sandbox(conn, rp)?.ok_or(Refusal::NotFound)?;
        good(conn, rp, now)
    })?;
    Ok(keys.into_iter().map(Shown::from).collect())
}

/// Ends one of the keys of the relying party that asks, but not the one that it asks by: so that it always has one left.
pub fn revoke(ctx: &Context, rp: &RelyingParty, id: ApiKeyId) -> Flow<()> {
    if rp.key == Some(id) {
        return Err(invalid("id", "another key than the one that you call with").into());
    }
    end(ctx, &rp.id.to_string(), rp.id, id)
}

/// Ends a key of any relying party.
pub fn revoke_of(ctx: &Context, admin: AdminId, rp: RelyingPartyId, id: ApiKeyId) -> Flow<()> {
    end(ctx, &admin.to_string(), rp, id)
}

/// Seen everywhere within a second: what replicas remember of relying parties is counted by a trigger.
fn end(ctx: &Context, by: &str, rp: RelyingPartyId, id: ApiKeyId) -> Flow<()> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        if !api_keys::revoke(conn, rp, id, now)? {
            return Err(Refusal::NotFound.into());
        }
        Ok(audit::append(conn, by, "api_key.revoke", id, "done", now)?)
    })
}
