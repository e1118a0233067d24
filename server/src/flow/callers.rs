//! Who is calling: from credentials to a caller. `http/callers.rs` makes them arguments that a handler can't have without.

use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use wallet_core::dpop::{self, Proof, Request};
use wallet_core::es256::sha256;
use wallet_core::ids::{AdminId, ApiKeyId};
use wallet_core::jws;
use wallet_core::refusal::Refusal;

use super::Context;
use crate::stop::Flow;
pub use crate::store::devices::Device;
pub use crate::store::relying_parties::RelyingParty;
use crate::store::{Conn, admins, devices, relying_parties};

/// What an RP's API key begins with.
pub const API_KEY_PREFIX: &str = "ek_live_";

fn unauthenticated(why: &'static str) -> Refusal {
    Refusal::Unauthenticated { why }
}

/// The relying party of an API key `ek_live_{id}_{secret}`.
pub fn relying_party(ctx: &Context, api_key: &str) -> Flow<RelyingParty> {
    let refused = || unauthenticated("the API key is not valid");
    let (id, secret) =
        api_key.strip_prefix(API_KEY_PREFIX).and_then(|rest| rest.split_once('_')).ok_or_else(refused)?;
    let id: ApiKeyId = format!("key_{id}").parse().map_err(|_| refused())?;
    let known = match ctx.caches.relying_parties.get(&id) {
        Some(known) => known,
        None => {
            let found = ctx.rp_store.read(|conn| Ok(relying_parties::by_key(conn, id)?))?;
            let known = Arc::new(found.ok_or_else(refused)?);
            ctx.caches.relying_parties.insert(id, Arc::clone(&known));
            known
        }
    };
    let (rp, secret_hash) = known.as_ref();
    // The id is public, the secret is not: only the comparison of the secret must take the same time for all.
    let matches: bool = sha256(secret.as_bytes()).as_slice().ct_eq(secret_hash).into();
    if matches { Ok(rp.clone()) } else { Err(refused().into()) }
}

/// The admin of a token.
pub fn admin(ctx: &Context, token: &str) -> Flow<AdminId> {
    let found = ctx.rp_store.read(|conn| Ok(admins::by_token(conn, &sha256(token.as_bytes()))?))?;
    Ok(found.ok_or_else(|| unauthenticated("the admin token is not valid"))?)
}

/// The holder's device behind an access token and a fresh DPoP proof (RFC 9449 §7).
pub fn holder(ctx: &Context, token: &str, proof: &str, method: &str, url: &str) -> Flow<Device> {
    let request = Request { method, url, access_token: Some(token) };
    let proof = verified(ctx, proof, request)?;
    let (token_hash, now) = (sha256(token.as_bytes()), ctx.now());
    let device = ctx.holder_store.read(|conn| Ok(devices::by_token(conn, &token_hash, now)?))?;
    let ours = device.filter(|device| device.key == proof.key);
    let device = ours.ok_or_else(|| unauthenticated("the access token is not valid for this device key"))?;
    // Last, so that a stranger's proof costs no write.
    use_up(ctx, &device.jkt, &proof)?;
    Ok(device)
}

/// A device that has no access token yet: it proves only that it holds its key.
pub fn new_device(ctx: &Context, proof: &str, method: &str, url: &str) -> Flow<Device> {
    let proof = verified(ctx, proof, Request { method, url, access_token: None })?;
    let jkt = jws::thumbprint(&proof.key);
    use_up(ctx, &jkt, &proof)?;
    Ok(Device { jkt, key: proof.key })
}

fn verified(ctx: &Context, proof: &str, request: Request<'_>) -> Result<Proof, Refusal> {
    dpop::verify(proof, request, ctx.now()).map_err(|error| unauthenticated(error.detail()))
}

fn use_up(ctx: &Context, jkt: &str, proof: &Proof) -> Flow<()> {
    let remember = |conn: &mut Conn| Ok(devices::remember_proof(conn, jkt, &proof.jti, proof.stale_at)?);
    if ctx.holder_store.write_guarded(remember)? {
        Ok(())
    } else {
        Err(unauthenticated("the DPoP proof was used before").into())
    }
}
