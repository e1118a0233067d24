//! What every metered call ends with, whatever the service: the gate before any work, the charge, the receipt.

use std::sync::Arc;

use jiff::Timestamp;
use wallet_core::ids::{AttemptId, ChargeId, LedgerTransactionId, RelyingPartyId};
use wallet_core::money::{Amount, Currency};
use wallet_core::receipt::{Occasion, Receipt, ReceiptCharge};
use wallet_core::refusal::Refusal;

use super::callers::RelyingParty;
use super::{Context, caps, cycles, prices};
use crate::billing::cycles::in_force;
use crate::billing::packs::draw;
use crate::billing::periods::Period;
use crate::billing::posting::Balanced;
use crate::billing::price::{self, Service};
use crate::stop::Flow;
use crate::store::charges::Charge;
use crate::store::packs;

/// Before any work: is this relying party served, has it bought this, and may it spend what it costs?
pub(super) fn gate(ctx: &Context, rp: &RelyingParty, service: Service, purpose: Option<&str>) -> Flow<()> {
    if !rp.active {
        return Err(Refusal::RpSuspended.into());
    }
    if !rp.services.contains(service.as_str()) {
        return Err(Refusal::ServiceNotBought.into());
    }
    let now = ctx.now();
    if rp.standing.is_suspended(now) {
        return Err(Refusal::ArrearsSuspended.into());
    }
    caps::gate(ctx, rp, service, purpose, now)
}

/// The charge of a use that was submitted at `submitted_at` and is judged now, with its attempt, and its postings. From which pack it is drawn,
/// if from any, is a guess: whoever writes it notices when it is wrong, says [`guessed_wrong`] and comes again.
pub(super) fn charge(
    ctx: &Context,
    rp: RelyingPartyId,
    occasion: Occasion,
    service: Service,
    submitted_at: Timestamp,
    now: Timestamp,
) -> Flow<(Charge, Balanced)> {
    let known = ctx.caches.packs.get(&rp);
    let pack = known.and_then(|packs| draw(&packs, service, submitted_at).map(|pack| pack.id));
    let price = prices::in_force(ctx, service, submitted_at)?;
    let changes = cycles::of(ctx, service)?;
    let cycle = |at| in_force(&changes, at);
    let charge = Charge {
        id: ChargeId::new(now, &mut rand::rng()),
        rp,
        attempt: AttemptId::new(now, &mut rand::rng()),
        occasion,
        transaction: LedgerTransactionId::new(now, &mut rand::rng()),
        usage_date: price::usage_date(submitted_at, &ctx.zone),
        period: Period::for_use(cycle, submitted_at, now, &ctx.zone)?.to_string(),
        price,
        pack,
        submitted_at,
    };
    let postings = match pack {
        Some(_) => Balanced::pack_use(rp, service, 1)?,
        None => Balanced::for_use(rp, service, charge.price.micros)?,
    };
    Ok((charge, postings))
}

/// How often a guess is made anew: packs come to their end, and new ones are bought, but not as fast as this.
pub(super) const GUESSES: usize = 5;

/// Looks the packs of a relying party up, after a guess about them was wrong.
pub(super) fn guessed_wrong(ctx: &Context, rp: RelyingPartyId) -> Flow<()> {
    let packs = ctx.rp_store.read(|conn| Ok(packs::of(conn, rp)?))?;
    ctx.caches.packs.insert(rp, Arc::new(packs));
    Ok(())
}

/// A charge as receipts and answers tell it.
pub(super) fn told(charge: &Charge) -> ReceiptCharge {
    ReceiptCharge {
        id: charge.id,
        amount: Amount { currency: Currency::Cny, micros: charge.micros() },
        price_version: charge.price.version.clone(),
        transaction: charge.transaction,
        pack: charge.pack,
        period: Some(charge.period.clone()),
    }
}

/// What a receipt says beside who, when and where.
pub(super) struct Attempted {
    pub(super) id: AttemptId,
    pub(super) rp: RelyingPartyId,
    pub(super) occasion: Occasion,
    pub(super) service: Service,
    pub(super) outcome: &'static str,
    /// Or why there is none.
    pub(super) charge: Result<ReceiptCharge, &'static str>,
}

/// The signed receipt of an attempt.
pub(super) fn sign_receipt(ctx: &Context, attempted: Attempted, now: Timestamp) -> Flow<String> {
    let (charge, not_charged) = match attempted.charge {
        Ok(charge) => (Some(charge), None),
        Err(reason) => (None, Some(reason.to_owned())),
    };
    let receipt = Receipt {
        iss: ctx.public_url.clone(),
        iat: now.as_second(),
        attempt: attempted.id,
        occasion: attempted.occasion,
        relying_party: attempted.rp,
        service: attempted.service.as_str().to_owned(),
        outcome: attempted.outcome.to_owned(),
        not_charged,
        charge,
    };
    let signer = ctx.signer.current();
    Ok(receipt.sign(signer.header(), signer.as_ref())?)
}
