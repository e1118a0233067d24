//! Money that goes back by the way it came: asked for by one admin and approved by another; and what a gateway takes back by itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::{AdminId, LedgerTransactionId, PaymentId, RelyingPartyId};
use wallet_core::money::{Amount, Micros};
use wallet_core::refusal::Refusal;

use super::Context;
use super::amounts::{MOST_PAYMENT, bounded, cny};
use crate::billing::account::{Account, SANDBOX};
use crate::billing::payments::{NoRefund, Refundable, may_go_back};
use crate::billing::posting::{Balanced, PostingError};
use crate::stop::Flow;
use crate::store::chargebacks::Chargeback;
use crate::store::payments::{CREDITED, Payment};
use crate::store::refunds::{APPROVED, REJECTED, REQUESTED, Refund};
use crate::store::{Conn, audit, balances, chargebacks, ledger, payments, refunds};

/// How much shall go back: micro-yuan.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RefundRequest)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    micros: i64,
}

/// A refund as admins see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Refund)]
pub struct Shown {
    id: PaymentId,
    payment: PaymentId,
    rp: RelyingPartyId,
    amount: Amount,
    /// `requested`, `approved` or `rejected`.
    state: String,
    requested_at: Timestamp,
    requested_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<String>,
    /// When the provider said that it went.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<Timestamp>,
}

impl From<Refund> for Shown {
    fn from(refund: Refund) -> Self {
        let Refund { rp, id, payment, micros, state, requested_at, requested_by, decided_by, confirmed_at } =
            refund;
        let amount = cny(micros);
        Shown { id, payment, rp, amount, state, requested_at, requested_by, decided_by, confirmed_at }
    }
}

/// Asks that money of a payment goes back. Nothing moves before another admin has looked at it.
pub fn request(ctx: &Context, admin: AdminId, payment: PaymentId, wanted: &Wanted) -> Flow<Shown> {
    let now = ctx.now();
    let micros = Micros::new(bounded("micros", wanted.micros, 1, MOST_PAYMENT)?);
    ctx.rp_store.write(|conn| {
        let payment = payments::find(conn, payment)?.ok_or(Refusal::NotFound)?;
        check(ctx, conn, &payment, Micros::ZERO, micros, now)?;
        let refund = Refund {
            rp: payment.rp,
            id: PaymentId::new(now, &mut rand::rng()),
            payment: payment.id,
            micros,
            state: REQUESTED.to_owned(),
            requested_at: now,
            requested_by: admin.to_string(),
            decided_by: None,
            confirmed_at: None,
        };
        refunds::insert(conn, &refund)?;
        audit::append(conn, admin, "refund.request", refund.id, REQUESTED, now)?;
        Ok(refund.into())
    })
}

/// Whether `asked` of a payment may go back, of which `own` is counted as asked for already.
fn check(
    ctx: &Context,
    conn: &mut Conn,
    payment: &Payment,
    own: Micros,
    asked: Micros,
    now: Timestamp,
) -> Flow<()> {
    if payment.provider.as_str() == SANDBOX {
        return Err(Refusal::RefundNotPossible("there is no money behind a payment of the sandbox").into());
    }
    if payment.state != CREDITED {
        return Err(Refusal::RefundNotPossible("the payment is not credited").into());
    }
    let refundable = Refundable {
        paid: payment.micros,
        refunded: gone(conn, payment)?.minus(own)?,
        received_at: payment.received_at,
        balance: balances::of(conn, payment.rp)?,
    };
    let why = match may_go_back(&refundable, asked, now, &ctx.zone) {
        Ok(()) => return Ok(()),
        Err(NoRefund::TooLate) => "the payment is more than three months old",
        Err(NoRefund::MoreThanPaid) => "more than is left of the payment",
        Err(NoRefund::MoreThanBalance) => "more than the balance",
    };
    Err(Refusal::RefundNotPossible(why).into())
}

/// What of a payment went back, was asked to, or was taken back.
fn gone(conn: &mut Conn, payment: &Payment) -> Flow<Micros> {
    let taken = chargebacks::sum(&chargebacks::of_payment(conn, &payment.provider, &payment.reference)?)?;
    Ok(refunds::of_payment(conn, payment.id)?.plus(taken)?)
}

fn find(conn: &mut Conn, id: PaymentId) -> Flow<Refund> {
    let refund = refunds::find(conn, id)?.ok_or(Refusal::NotFound)?;
    if refund.state != REQUESTED {
        return Err(Refusal::PaymentDecided.into());
    }
    Ok(refund)
}

/// Takes a requested refund out of the balance, to be sent by the way the money came; by another admin than who asked.
pub fn approve(ctx: &Context, admin: AdminId, id: PaymentId) -> Flow<Shown> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        let refund = find(conn, id)?;
        if refund.requested_by == admin.to_string() {
            return Err(Refusal::SecondPersonNeeded.into());
        }
        let payment = payments::find(conn, refund.payment)?.ok_or(Refusal::NotFound)?;
        check(ctx, conn, &payment, refund.micros, refund.micros, now)?;
        let transaction = LedgerTransactionId::new(now, &mut rand::rng());
        if !balances::take(conn, refund.rp, refund.micros, transaction)? {
            return Err(Refusal::BalanceTooLow.into());
        }
        let postings = Balanced::refund(refund.rp, payment.provider, refund.micros)?;
        ledger::post(conn, refund.rp, transaction, "refund", &postings, now)?;
        refunds::decide(conn, &refund, APPROVED, &admin.to_string(), Some(transaction), now)?;
        audit::append(conn, admin, "refund.approve", id, APPROVED, now)?;
        Ok(refunds::find(conn, id)?.ok_or(Refusal::NotFound)?.into())
    })
}

/// Puts a requested refund away.
pub fn reject(ctx: &Context, admin: AdminId, id: PaymentId) -> Flow<Shown> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        let refund = find(conn, id)?;
        refunds::decide(conn, &refund, REJECTED, &admin.to_string(), None, now)?;
        audit::append(conn, admin, "refund.reject", id, REJECTED, now)?;
        Ok(refunds::find(conn, id)?.ok_or(Refusal::NotFound)?.into())
    })
}

/// Those that wait for a second person.
pub(super) fn waiting(conn: &mut Conn, most: i64) -> Flow<Vec<Shown>> {
    Ok(refunds::requested(conn, most)?.into_iter().map(Shown::from).collect())
}

/// A gateway says that a refund of ours went; nothing moves by it, that was done when it was approved.
pub(super) fn confirm(
    conn: &mut Conn,
    id: PaymentId,
    payment: &Payment,
    micros: Micros,
    now: Timestamp,
) -> Flow<()> {
    let refund = refunds::find(conn, id)?.filter(|refund| refund.payment == payment.id);
    match refund {
        Some(refund) if refund.micros == micros && refund.state == APPROVED => {
            Ok(refunds::confirm(conn, &refund, now)?)
        }
        _ => Err(Refusal::PaymentDiffers.into()),
    }
}

/// Notes money that a gateway took back of a payment that is known.
pub(super) fn charge_back(
    conn: &mut Conn,
    chargeback: &Chargeback,
    payment: &Payment,
    now: Timestamp,
) -> Flow<()> {
    if gone(conn, payment)?.plus(chargeback.micros)? > payment.micros {
        return Err(Refusal::PaymentDiffers.into());
    }
    chargebacks::insert(conn, chargeback, now)?;
    take_back(conn, chargeback, payment.rp, now)
}

/// Takes what a gateway took from us out of the balance; what that does not cover is owed, and covered by the next money that comes in.
pub(super) fn take_back(
    conn: &mut Conn,
    chargeback: &Chargeback,
    rp: RelyingPartyId,
    now: Timestamp,
) -> Flow<()> {
    let transaction = LedgerTransactionId::new(now, &mut rand::rng());
    let covered = chargeback.micros.min(balances::of(conn, rp)?);
    let short = chargeback.micros.minus(covered)?;
    if covered > Micros::ZERO && !balances::take(conn, rp, covered, transaction)? {
        return Err(anyhow::anyhow!("a balance is less than was read of it in the same transaction").into());
    }
    let postings = taken_back(rp, chargeback, covered, short)?;
    ledger::post(conn, rp, transaction, "chargeback", &postings, now)?;
    chargebacks::apply(conn, chargeback, rp, short, transaction)?;
    let (provider, object) = (chargeback.provider.as_str(), &chargeback.reference);
    Ok(audit::append(conn, provider, "payment.charge_back", object, "done", now)?)
}

fn taken_back(
    rp: RelyingPartyId,
    chargeback: &Chargeback,
    covered: Micros,
    short: Micros,
) -> Result<Balanced, PostingError> {
    let cash = || Account::Cash(chargeback.provider.clone());
    let owed = Balanced::transfer(Account::Chargebacks(rp), cash(), short)?;
    match (covered, short) {
        (Micros::ZERO, _) => Ok(owed),
        (covered, Micros::ZERO) => Balanced::refund(rp, chargeback.provider.clone(), covered),
        (covered, _) => Ok(Balanced::refund(rp, chargeback.provider.clone(), covered)?.and(owed)),
    }
}
