//! Who is calling: from credentials to a caller. `http/callers.rs` makes them arguments that a handler can't have without.

use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use wallet_core::dpop::{self, Proof, Request};
use wallet_core::es256::sha256;
use wallet_core::ids::ApiKeyId;
use wallet_core::jws;
use wallet_core::refusal::Refusal;

use super::Context;
use super::caches::KnownKey;
use crate::stop::Flow;
pub use crate::store::devices::Device;
use crate::store::devices::{EndedWhy, TokenHolder};
use crate::store::relying_parties::ByKey;
pub use crate::store::relying_parties::RelyingParty;
use crate::store::{Conn, changes, devices, relying_parties, terminals};

/// What an RP's API key begins with.
const LIVE_KEY_PREFIX: &str = "ek_live_";
/// What one of the sandbox begins with.
const SANDBOX_KEY_PREFIX: &str = "ek_test_";

/// What the keys of a relying party begin with.
pub fn key_prefix(sandbox: bool) -> &'static str {
    if sandbox { SANDBOX_KEY_PREFIX } else { LIVE_KEY_PREFIX }
}

fn unauthenticated(why: &'static str) -> Refusal {
    Refusal::Unauthenticated { why }
}

/// The relying party of an API key `ek_live_{id}_{secret}`, or `ek_test_…` in the sandbox: by the prefix alone, before anything is looked up, it
/// is good for one of the two.
pub fn relying_party(ctx: &Context, api_key: &str) -> Flow<Arc<RelyingParty>> {
    let parts = parts(api_key)?;
    let id = parts.id;
    // Counted before it is read: a change in between makes it be read once more.
    let changes = match ctx.caches.changes.get(&()) {
        Some(changes) => changes,
        None => {
            let changes = ctx.rp_store.read(|conn| Ok(changes::of_relying_parties(conn)?))?;
            ctx.caches.changes.insert((), changes);
            changes
        }
    };
    let fresh = ctx.caches.relying_parties.get(&id).filter(|known| known.changes == changes);
    if let Some(known) = fresh {
        return Ok(proven(ctx, &known, &parts)?);
    }
    let ByKey { rp, secret_hash, expires_at } =
        ctx.rounds.relying_parties.join(id)?.ok_or_else(no_such_key)?;
    let known = Arc::new(KnownKey { rp: Arc::new(rp), secret_hash, expires_at, changes });
    ctx.caches.relying_parties.insert(id, Arc::clone(&known));
    Ok(proven(ctx, &known, &parts)?)
}

/// The same, if it can be said without asking the database; `None` if it can't.
pub fn known_relying_party(ctx: &Context, api_key: &str) -> Option<Result<Arc<RelyingParty>, Refusal>> {
    let parts = match parts(api_key) {
        Ok(parts) => parts,
        Err(refusal) => return Some(Err(refusal)),
    };
    let changes = ctx.caches.changes.get(&())?;
    let known = ctx.caches.relying_parties.get(&parts.id).filter(|known| known.changes == changes)?;
    Some(proven(ctx, &known, &parts))
}

fn no_such_key() -> Refusal {
    unauthenticated("the API key is not valid")
}

/// An API key as it was sent.
struct KeyParts<'a> {
    sandbox: bool,
    id: ApiKeyId,
    secret: &'a str,
}

fn parts(api_key: &str) -> Result<KeyParts<'_>, Refusal> {
    let of = |sandbox| api_key.strip_prefix(key_prefix(sandbox)).map(|rest| (sandbox, rest));
    let (sandbox, rest) = of(false).or_else(|| of(true)).ok_or_else(no_such_key)?;
    let (id, secret) = rest.split_once('_').ok_or_else(no_such_key)?;
    let id = format!("key_{id}").parse().map_err(|_| no_such_key())?;
    Ok(KeyParts { sandbox, id, secret })
}

/// The id of a key is public, its secret is not: only the comparison of the secret must take the same time for all.
fn proven(ctx: &Context, known: &KnownKey, sent: &KeyParts<'_>) -> Result<Arc<RelyingParty>, Refusal> {
    let matches: bool = sha256(sent.secret.as_bytes()).as_slice().ct_eq(&known.secret_hash).into();
    let is_good = known.expires_at.is_none_or(|end| ctx.now() < end);
    if matches && is_good && known.rp.sandbox == sent.sandbox {
        Ok(Arc::clone(&known.rp))
    } else {
        Err(no_such_key())
    }
}

/// The holder's device behind an access token and a fresh DPoP proof (RFC 9449 §7).
pub fn holder(ctx: &Context, token: &str, proof: &str, method: &str, url: &str) -> Flow<Device> {
    device(ctx, token, proof, Request { method, url, access_token: Some(token) }, |_| false)
}

/// The same, also of a holder who had everything erased: they may ask what they were told of it.
pub fn holder_or_erased(ctx: &Context, token: &str, proof: &str, method: &str, url: &str) -> Flow<Device> {
    let request = Request { method, url, access_token: Some(token) };
    device(ctx, token, proof, request, |why| why == EndedWhy::Erased)
}

fn device(
    ctx: &Context,
    token: &str,
    proof: &str,
    request: Request<'_>,
    may_be_ended: fn(EndedWhy) -> bool,
) -> Flow<Device> {
    let proof = verified(ctx, proof, request)?;
    let (token_hash, now) = (sha256(token.as_bytes()), ctx.now());
    let found = ctx.holder_store.read(|conn| Ok(devices::by_token(conn, &token_hash)?))?;
    let ours = found.filter(|found| found.device.key == proof.key && now < found.expires_at);
    let TokenHolder { device, expires_at, is_next, ended } =
        ours.ok_or_else(|| unauthenticated("the access token is not valid for this device key"))?;
    // Last, so that a stranger's proof costs no write.
    use_up(ctx, &device.jkt, &proof)?;
    if let Some((why, at)) = ended {
        if may_be_ended(why) {
            return Ok(device);
        }
        return Err(Refusal::DeviceEnded { replaced: why == EndedWhy::Replaced, at }.into());
    }
    if is_next {
        ctx.holder_store.write_guarded(|conn| {
            Ok(devices::take_offered_token(conn, &device.jkt, &token_hash, expires_at)?)
        })?;
    }
    Ok(device)
}

/// The terminal behind an access token and a fresh DPoP proof: its relying party, with what the terminal may ask for and no more. Nothing
/// of it is remembered, so that one that was revoked is refused everywhere at once.
pub fn terminal(ctx: &Context, token: &str, proof: &str, method: &str, url: &str) -> Flow<Terminal> {
    let proof = verified(ctx, proof, Request { method, url, access_token: Some(token) })?;
    let (token_hash, now) = (sha256(token.as_bytes()), ctx.now());
    let found = ctx.rp_store.read(|conn| {
        let Some(found) = terminals::by_token(conn, &token_hash)? else { return Ok(None) };
        let rp = relying_parties::find(conn, found.terminal.rp)?;
        Ok(rp.map(|rp| (found, rp)))
    })?;
    let ours = found.filter(|(found, _)| found.device.key == proof.key && now < found.expires_at);
    let (found, mut rp) =
        ours.ok_or_else(|| unauthenticated("the access token is not valid for this terminal's key"))?;
    use_up(ctx, &found.device.jkt, &proof)?;
    if found.terminal.revoked_at.is_some() {
        return Err(Refusal::TerminalRevoked.into());
    }
    if found.is_next {
        ctx.rp_store.write_guarded(|conn| {
            Ok(terminals::take_offered_token(conn, &found.terminal, &token_hash, found.expires_at)?)
        })?;
    }
    if let Some(allowed) = &found.terminal.purposes {
        rp.purposes.retain(|purpose, _| allowed.contains(purpose));
    }
    rp.terminal = Some(found.terminal.id);
    Ok(Terminal { terminal: found.terminal, device: found.device, rp: Arc::new(rp) })
}

/// A terminal that proved itself.
pub struct Terminal {
    /// As it is known.
    pub terminal: terminals::Terminal,
    /// Its key.
    pub device: Device,
    /// Whose it is, and what the terminal may ask for.
    pub rp: Arc<RelyingParty>,
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
