//! The same request twice is one request: claiming an Idempotency-Key, and answering under it.

use std::fmt::Display;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wallet_core::es256::sha256;
use wallet_core::ids::{RedemptionId, RelyingPartyId, RequestId};
use wallet_core::jws::base64url;
use wallet_core::pairwise::keyed;
use wallet_core::refusal::Refusal;

use super::callers::RelyingParty;
use super::{Context, later};
use crate::stop::Flow;
use crate::store::Conn;
use crate::store::idempotency::{self, Found, Held, Lease};
use crate::store::redemptions;

/// Longer than a judgement takes unless the service is crowded; a crashed one frees its key after this. Should a slow one lose
/// its lease, the first to finish still gives the one answer.
const LEASE: SignedDuration = SignedDuration::from_secs(20);

/// An Idempotency-Key with the fingerprint of what was asked under it.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// Of the operation and its body.
    pub fingerprint: [u8; 32],
}

impl Idempotency {
    /// `parts` say what is asked, and where: the same key at another address is another request. Keyed, since a plain
    /// hash over sixteen digits could be searched through.
    pub fn new(ctx: &Context, key: String, parts: &[&[u8]]) -> Idempotency {
        Idempotency { key, fingerprint: keyed(&ctx.secrets.fingerprint, parts) }
    }

    /// What stands for the whole request where its key and fingerprint are of no other use.
    pub(super) fn mac(&self, ctx: &Context, rp: &RelyingParty) -> Vec<u8> {
        let rp = rp.id.to_string();
        keyed(&ctx.secrets.fingerprint, &[rp.as_bytes(), self.key.as_bytes(), &self.fingerprint]).to_vec()
    }

    pub(super) fn lease(&self, rp: RelyingPartyId, now: Timestamp) -> Lease {
        Lease {
            rp,
            key: self.key.clone(),
            fingerprint: self.fingerprint,
            by: RequestId::new(now, &mut rand::rng()),
            until: later(now, LEASE),
        }
    }
}

/// What claiming a key for judging a redemption comes to.
pub(super) enum Claim<T> {
    /// It is ours; and what it is claimed for, if it is there.
    Claimed(Box<Found>),
    /// It was answered before; what was kept of the answer.
    Answered(T),
}

/// Claims the key.
///
/// A lease lost in a crash of the database is no loss: what it keeps apart can't happen twice anyhow.
pub(super) fn claim<T: DeserializeOwned>(
    ctx: &Context,
    lease: &Lease,
    redemption: RedemptionId,
    now: Timestamp,
) -> Flow<Claim<T>> {
    let claiming = idempotency::Claiming { lease: lease.clone(), redemption, at: now };
    if let Some(found) = ctx.rounds.claims.join(claiming)? {
        return Ok(Claim::Claimed(Box::new(found)));
    }
    match claim_alone(ctx, lease, now)? {
        Some(answer) => Ok(Claim::Answered(answer)),
        None => {
            let found = ctx.rp_store.read(|conn| Ok(redemptions::find(conn, redemption, lease.rp)?))?;
            Ok(Claim::Claimed(Box::new(found.map(|redemption| (redemption, None)))))
        }
    }
}

/// Claims the key for what has nothing to be found beside it; what was kept of the answer, if it was answered before.
pub(super) fn claim_alone<T: DeserializeOwned>(
    ctx: &Context,
    lease: &Lease,
    now: Timestamp,
) -> Flow<Option<T>> {
    let held = ctx.rp_store.write_volatile(|conn| Ok(idempotency::claim(conn, lease, now)?))?;
    known(ctx, lease, held)
}

fn known<T: DeserializeOwned>(ctx: &Context, lease: &Lease, held: Held) -> Flow<Option<T>> {
    match held {
        Held::Claimed => Ok(None),
        Held::Answered(sealed) => Ok(Some(ctx.vault.open_json(&context(lease), &sealed)?)),
        Held::Running => Err(Refusal::RequestInProgress.into()),
        Held::OtherRequest => Err(Refusal::IdempotencyKeyReused.into()),
    }
}

/// The answer that was given under the key, if there is one.
pub(super) fn answered<T: DeserializeOwned>(
    ctx: &Context,
    conn: &mut Conn,
    lease: &Lease,
) -> Flow<Option<T>> {
    match idempotency::answer(conn, lease)? {
        Some(held) => known(ctx, lease, held),
        None => Ok(None),
    }
}

/// Gives a key back: refused or broken before anything was decided, the same request may come again. Should this fail too, the
/// lease runs out by itself.
pub(super) fn give_back(ctx: &Context, lease: &Lease) {
    let released = ctx.rp_store.write_volatile(|conn| Ok(idempotency::release(conn, lease)?));
    if released.is_err() {
        tracing::warn!("a lease could not be given back");
    }
}

/// Stores the answer under the key, in the transaction that decided it.
pub(super) fn finish(
    ctx: &Context,
    conn: &mut Conn,
    lease: &Lease,
    answer: &impl Serialize,
    now: Timestamp,
) -> Flow<()> {
    Ok(idempotency::finish(conn, lease, &seal(ctx, lease, answer)?, now)?)
}

/// What is kept under the key, sealed.
pub(super) fn seal(ctx: &Context, lease: &Lease, answer: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    ctx.vault.seal_json(&context(lease), answer)
}

/// What a sealed answer is bound to.
fn context(lease: &Lease) -> String {
    answer_context(lease.rp, &lease.key)
}

/// The same, of a row.
pub(super) fn answer_context(rp: impl Display, key: &str) -> String {
    format!("idempotency_keys.answer {rp} {}", base64url(&sha256(key.as_bytes())))
}
