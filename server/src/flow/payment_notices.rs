//! What payment gateways tell us: once or ten times, in any order. What is told is compared with what is known; money that came in is
//! credited whatever else is wrong.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::ids::PaymentId;
use wallet_core::money::{Micros, SentAmount};
use wallet_core::refusal::Refusal;

use super::amounts::{MOST_PAYMENT, invalid, reference, yuan};
use super::{Context, payments as flow, refunds};
use crate::billing::account::Provider;
use crate::edge::payments::{Notice, Paid, Signed, TakenBack, Unreadable};
use crate::stop::Flow;
use crate::store::chargebacks::{self, Chargeback};
use crate::store::payments::{self, CREDITED, Payment, RECORDED};
use crate::store::{audit, relying_parties};

/// What came of a notice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NoticeOutcome)]
pub struct Received {
    /// `topped-up`, `order-paid` … of a payment; `noted`, `confirmed` or `ignored` of anything else.
    outcome: String,
}

impl Received {
    fn as_(outcome: impl Into<String>) -> Received {
        Received { outcome: outcome.into() }
    }
}

/// Takes a gateway's notice in.
pub fn receive(ctx: &Context, provider: &str, signed: &Signed<'_>) -> Flow<Received> {
    let now = ctx.now();
    let gateway = ctx.gateways.of(provider).ok_or(Refusal::NotFound)?;
    let notice = gateway.read(signed, now).map_err(|error| {
        tracing::warn!(provider, why = error.why(), "a payment notice was not taken");
        match error {
            Unreadable::Forged(why) => Refusal::Unauthenticated { why },
            Unreadable::Malformed(field, expected) => invalid(field, expected),
        }
    })?;
    let taken = match notice {
        Notice::Paid(paid) => take_payment(ctx, gateway.provider(), &paid, now),
        Notice::TakenBack(taken) => take_back(ctx, gateway.provider(), &taken, now),
        Notice::Other => Ok(Received::as_("ignored")),
    };
    if taken.is_err() {
        // It is signed and does not fit: somebody should look, and the gateway will send it again.
        tracing::warn!(provider, "a payment notice that is signed could not be taken");
    }
    taken
}

fn checked(amount: &SentAmount, names: [(&'static str, &str); 1]) -> Result<Micros, Refusal> {
    for (field, name) in names {
        reference(field, name)?;
    }
    yuan("amount", amount, 1, MOST_PAYMENT)
}

fn take_payment(ctx: &Context, provider: &Provider, paid: &Paid, now: Timestamp) -> Flow<Received> {
    let micros = checked(&paid.amount, [("payment", &paid.payment)])?;
    let rp = paid.rp.parse().map_err(|_| invalid("rp", "a relying party"))?;
    // An order that is none is no reason not to take the money.
    let order = paid.order.as_deref().map(str::parse);
    let is_unknown = matches!(order, Some(Err(_)));
    let payment = Payment {
        rp,
        id: PaymentId::new(now, &mut rand::rng()),
        provider: provider.clone(),
        reference: paid.payment.clone(),
        micros,
        order: order.and_then(Result::ok),
        state: RECORDED.to_owned(),
        // Their clock may be ahead of ours.
        received_at: paid.paid_at.min(now),
        recorded_at: now,
        recorded_by: provider.as_str().to_owned(),
        decided_by: None,
        outcome: None,
    };
    ctx.rp_store.write(|conn| {
        if let Some(known) = payments::by_reference(conn, provider, &payment.reference)? {
            let is_same =
                (known.rp, known.micros, known.order) == (payment.rp, payment.micros, payment.order);
            let outcome = known.outcome.filter(|_| is_same && known.state == CREDITED);
            return Ok(Received::as_(outcome.ok_or(Refusal::PaymentDiffers)?));
        }
        // Real money does not go into the sandbox.
        if !relying_parties::is_live(conn, rp)? {
            return Err(invalid("rp", "a relying party, not of the sandbox").into());
        }
        payments::insert(conn, &payment)?;
        let outcome = flow::credit(ctx, conn, &payment, provider.as_str(), now)?;
        audit::append(conn, provider.as_str(), "payment.receive", payment.id, outcome.as_str(), now)?;
        if is_unknown {
            tracing::warn!(payment = %payment.id, "a payment names an order that is none");
        }
        Ok(Received::as_(outcome.as_str()))
    })
}

fn take_back(ctx: &Context, provider: &Provider, taken: &TakenBack, now: Timestamp) -> Flow<Received> {
    let micros = checked(&taken.amount, [("refund", &taken.refund)])?;
    reference("payment", &taken.payment)?;
    let (reference, payment) = (taken.refund.clone(), taken.payment.clone());
    let chargeback = Chargeback { provider: provider.clone(), reference, payment, micros };
    ctx.rp_store.write(|conn| {
        let payment = payments::by_reference(conn, provider, &taken.payment)?;
        if let Some(ours) = &taken.merchant_refund {
            let id = ours.parse().map_err(|_| invalid("merchant_refund", "the id of a refund"))?;
            let payment = payment.ok_or(Refusal::PaymentDiffers)?;
            refunds::confirm(conn, id, &payment, micros, now)?;
            audit::append(conn, provider.as_str(), "refund.confirm", id, "done", now)?;
            return Ok(Received::as_("confirmed"));
        }
        match chargebacks::find(conn, provider, &taken.refund)? {
            Some(known) if known == (taken.payment.clone(), micros) => return Ok(Received::as_("noted")),
            Some(_) => return Err(Refusal::PaymentDiffers.into()),
            None => {}
        }
        match payment {
            Some(payment) => {
                refunds::charge_back(conn, &chargeback, &payment, now)?;
                flow::settle(ctx, conn, payment.rp, now)?;
            }
            // It is told of before its payment, and taken from that when it comes.
            None => chargebacks::insert(conn, &chargeback, now)?,
        }
        Ok(Received::as_("noted"))
    })
}
