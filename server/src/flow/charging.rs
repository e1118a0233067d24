//! What every metered call ends with, whatever the service: the gate before any work, the charge, the receipt.

use std::sync::Arc;

use jiff::Timestamp;
use wallet_core::ids::{AttemptId, ChargeId, LedgerTransactionId, RelyingPartyId};
use wallet_core::money::{Amount, Currency};
use wallet_core::receipt::{Occasion, Receipt, ReceiptCharge};
use wallet_core::refusal::Refusal;

use super::callers::RelyingParty;
use super::limits::limit;
use super::test_clocks::Moment;
use super::{Context, caps, cycles, prices};
use crate::billing::cycles::in_force;
use crate::billing::packs::draw;
use crate::billing::periods::Period;
use crate::billing::posting::Balanced;
use crate::billing::price::{self, Service};
use crate::stop::{Flow, Stop};
use crate::store::charges::Charge;
use crate::store::{Conn, packs};

/// Services other than redemptions do their work in the sandbox as well, and nobody pays for it: so often a day, by the real time.
const TRIALS: (i64, i64) = (86_400, 500);

/// Before any work: is this relying party served, has it bought this, and may it spend what it costs?
pub(super) fn gate(ctx: &Context, rp: &RelyingParty, service: Service, purpose: Option<&str>) -> Flow<()> {
    if !rp.active {
        return Err(Refusal::RpSuspended.into());
    }
    if !rp.services.contains(service.as_str()) {
        return Err(Refusal::ServiceNotBought.into());
    }
    let moment = ctx.moment_of(rp)?;
    moment.standing()?;
    if rp.standing.is_suspended(moment.at) {
        return Err(Refusal::ArrearsSuspended.into());
    }
    caps::gate(ctx, rp, service, purpose, moment.at)?;
    if rp.sandbox && service != Service::EcertRedeem {
        limit(ctx, &format!("sandbox-uses/{}", rp.id), TRIALS, ctx.now())?;
    }
    Ok(())
}

/// The moments of a use.
#[derive(Clone, Copy)]
pub(super) struct When {
    /// When it is written. Ids and whatever is no bill are of this moment.
    pub(super) now: Timestamp,
    /// When it was submitted, by the clock of the bills: what it costs, and from which pack.
    pub(super) submitted: Timestamp,
    /// When it is charged, by that clock.
    pub(super) billed: Timestamp,
    moment: Moment,
}

impl When {
    /// Of a use that was submitted at `submitted_at` and is written now.
    pub(super) fn of(ctx: &Context, rp: &RelyingParty, submitted_at: Timestamp) -> Flow<When> {
        let (now, moment) = (ctx.now(), ctx.moment_of(rp)?);
        moment.standing()?;
        // A clock of the sandbox may have been advanced since; then it was submitted after that.
        let submitted = if rp.sandbox { moment.at } else { submitted_at };
        let billed = if rp.sandbox { moment.at } else { now };
        Ok(When { now, submitted, billed, moment })
    }

    /// Whether it is still so, and stays it until what is written in this transaction is there.
    pub(super) fn hold(&self, conn: &mut Conn) -> Flow<bool> {
        match self.moment.hold(conn) {
            Err(Stop::Refused(Refusal::TestClockAdvancing)) => Ok(false),
            held => held.map(|()| true),
        }
    }
}

/// The charge of a use, with its attempt, and its postings. From which pack it is drawn, if from any, is a guess: whoever writes it notices
/// when it is wrong, says [`guessed_wrong`] and comes again.
pub(super) fn charge(
    ctx: &Context,
    rp: RelyingPartyId,
    occasion: Occasion,
    service: Service,
    when: &When,
) -> Flow<(Charge, Balanced)> {
    let When { now, submitted, billed, .. } = *when;
    let known = ctx.caches.packs.get(&rp);
    let pack = known.and_then(|packs| draw(&packs, service, submitted).map(|pack| pack.id));
    let price = prices::in_force(ctx, service, submitted)?;
    let changes = cycles::of(ctx, service)?;
    let cycle = |at| in_force(&changes, at);
    let charge = Charge {
        id: ChargeId::new(now, &mut rand::rng()),
        rp,
        attempt: AttemptId::new(now, &mut rand::rng()),
        occasion,
        transaction: LedgerTransactionId::new(now, &mut rand::rng()),
        usage_date: price::usage_date(submitted, &ctx.zone),
        period: Period::for_use(cycle, submitted, billed, &ctx.zone)?.to_string(),
        price,
        pack,
        submitted_at: submitted,
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
    pub(super) sandbox: bool,
    pub(super) occasion: Occasion,
    pub(super) service: Service,
    pub(super) outcome: &'static str,
    /// Or why there is none.
    pub(super) charge: Result<ReceiptCharge, &'static str>,
}

/// The signed receipt of an attempt, of a moment by the clock of the bills.
pub(super) fn sign_receipt(ctx: &Context, attempted: Attempted, at: Timestamp) -> Flow<String> {
    let (charge, not_charged) = match attempted.charge {
        Ok(charge) => (Some(charge), None),
        Err(reason) => (None, Some(reason.to_owned())),
    };
    let receipt = Receipt {
        iss: ctx.public_url.clone(),
        iat: at.as_second(),
        attempt: attempted.id,
        occasion: attempted.occasion,
        relying_party: attempted.rp,
        service: attempted.service.as_str().to_owned(),
        outcome: attempted.outcome.to_owned(),
        not_charged,
        charge,
        sandbox: attempted.sandbox,
    };
    let signer = ctx.signer.current();
    Ok(receipt.sign(signer.header(), signer.as_ref())?)
}
