//! Money that comes in: bank transfers, recorded by one admin and credited by another; and what any payment does.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use wallet_core::ids::{AdminId, LedgerTransactionId, OrderId, PaymentId, RelyingPartyId};
use wallet_core::money::{Amount, Micros, SentAmount};
use wallet_core::refusal::Refusal;

use super::amounts::{MOST_PAYMENT, cny, invalid, reference, yuan};
use super::{Context, fulfilment, refunds, settling, telling};
use crate::billing::account::{Account, Provider};
use crate::billing::payments::{Outcome, outcome};
use crate::billing::posting::Balanced;
use crate::delivery::event::Kind;
use crate::stop::Flow;
use crate::store::payments::{CREDITED, Decided, Payment, RECORDED, REJECTED};
use crate::store::{Conn, audit, balances, chargebacks, ledger, orders, payments, relying_parties};

/// By which way bank transfers come.
pub(super) const BANK: &str = "bank";
/// Those that wait, in an answer.
const MOST_SHOWN: i64 = 500;

/// A bank transfer that was seen on the account.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    rp: RelyingPartyId,
    /// The bank's own.
    reference: String,
    amount: SentAmount,
    received_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<OrderId>,
}

/// A payment as admins see it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Payment)]
pub struct Shown {
    id: PaymentId,
    rp: RelyingPartyId,
    provider: String,
    reference: String,
    amount: Amount,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<OrderId>,
    /// `recorded`, `credited` or `rejected`.
    state: String,
    received_at: Timestamp,
    recorded_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decided_by: Option<String>,
    /// What became of the money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
}

impl From<Payment> for Shown {
    fn from(payment: Payment) -> Self {
        Shown {
            id: payment.id,
            rp: payment.rp,
            provider: payment.provider.as_str().to_owned(),
            reference: payment.reference,
            amount: cny(payment.micros),
            order: payment.order,
            state: payment.state,
            received_at: payment.received_at,
            recorded_by: payment.recorded_by,
            decided_by: payment.decided_by,
            outcome: payment.outcome,
        }
    }
}

/// Records a bank transfer. Nothing is credited before another admin has looked at it.
pub fn record(ctx: &Context, admin: AdminId, transfer: &Transfer) -> Flow<Shown> {
    let now = ctx.now();
    reference("reference", &transfer.reference)?;
    let micros = yuan("amount", &transfer.amount, 1, MOST_PAYMENT)?;
    if transfer.received_at > now {
        return Err(invalid("received_at", "a moment that has been").into());
    }
    let provider = Provider::parse(BANK).ok_or_else(|| anyhow::anyhow!("the bank has no name"))?;
    let payment = Payment {
        rp: transfer.rp,
        id: PaymentId::new(now, &mut rand::rng()),
        provider,
        reference: transfer.reference.clone(),
        micros,
        order: transfer.order,
        state: RECORDED.to_owned(),
        received_at: transfer.received_at,
        recorded_at: now,
        recorded_by: admin.to_string(),
        decided_by: None,
        outcome: None,
    };
    ctx.rp_store.write(|conn| {
        if !relying_parties::is_live(conn, payment.rp)? {
            return Err(invalid("rp", "a relying party, not of the sandbox").into());
        }
        if let Some(order) = payment.order
            && orders::find(conn, payment.rp, order)?.is_none()
        {
            return Err(invalid("order", "an order of the relying party").into());
        }
        if payments::by_reference(conn, &payment.provider, &payment.reference)?.is_some() {
            return Err(Refusal::PaymentKnown.into());
        }
        payments::insert(conn, &payment)?;
        Ok(audit::append(conn, admin, "payment.record", payment.id, RECORDED, now)?)
    })?;
    Ok(payment.into())
}

fn find(conn: &mut Conn, id: PaymentId) -> Flow<Payment> {
    Ok(payments::find(conn, id)?.ok_or(Refusal::NotFound)?)
}

/// Credits a recorded transfer; by another admin than who recorded it.
pub fn approve(ctx: &Context, admin: AdminId, id: PaymentId) -> Flow<Shown> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        let payment = find(conn, id)?;
        if payment.state != RECORDED {
            return Err(Refusal::PaymentDecided.into());
        }
        if payment.recorded_by == admin.to_string() {
            return Err(Refusal::SecondPersonNeeded.into());
        }
        credit(ctx, conn, &payment, &admin.to_string(), now)?;
        audit::append(conn, admin, "payment.approve", id, CREDITED, now)?;
        Ok(find(conn, id)?.into())
    })
}

/// Puts a recorded transfer away that was none, or was written down wrongly. Its reference may be recorded anew.
pub fn reject(ctx: &Context, admin: AdminId, id: PaymentId) -> Flow<Shown> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        let payment = find(conn, id)?;
        if payment.state != RECORDED {
            return Err(Refusal::PaymentDecided.into());
        }
        let by = admin.to_string();
        let decided = Decided { state: REJECTED, by: &by, transaction: None, outcome: None };
        payments::decide(conn, &payment, decided, now)?;
        audit::append(conn, admin, "payment.reject", id, REJECTED, now)?;
        Ok(find(conn, id)?.into())
    })
}

/// What waits for a second person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WaitingPayments)]
pub struct Waiting {
    payments: Vec<Shown>,
    refunds: Vec<refunds::Shown>,
}

/// The recorded payments and requested refunds. That they were read is on record.
pub fn waiting(ctx: &Context, admin: AdminId) -> Flow<Waiting> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        audit::append(conn, admin, "payment.read", "-", "done", now)?;
        let payments = payments::recorded(conn, MOST_SHOWN)?.into_iter().map(Shown::from).collect();
        Ok(Waiting { payments, refunds: refunds::waiting(conn, MOST_SHOWN)? })
    })
}

/// Puts the money of a recorded payment into the balance, and from there where it was meant for, as far as it fits. Then what was taken
/// back of it already, and what the relying party owes.
pub(super) fn credit(
    ctx: &Context,
    conn: &mut Conn,
    payment: &Payment,
    by: &str,
    now: Timestamp,
) -> Flow<Outcome> {
    let (rp, transaction) = (payment.rp, LedgerTransactionId::new(now, &mut rand::rng()));
    let postings = Balanced::top_up(rp, payment.provider.clone(), payment.micros)?;
    ledger::post(conn, rp, transaction, "payment", &postings, now)?;
    balances::add(conn, rp, payment.micros, transaction)?;
    let early = chargebacks::of_payment(conn, &payment.provider, &payment.reference)?;
    let usable = payment.micros.minus(chargebacks::sum(&early)?)?.max(Micros::ZERO);
    let outcome = for_order(ctx, conn, payment, usable, by, now)?;
    let transaction = Some(transaction);
    let decided = Decided { state: CREDITED, by, transaction, outcome: Some(outcome.as_str()) };
    payments::decide(conn, payment, decided, now)?;
    for chargeback in &early {
        refunds::take_back(conn, chargeback, rp, now)?;
    }
    let body = json!({
        "payment": payment.id, "amount": cny(payment.micros), "order": payment.order, "outcome": outcome.as_str(),
    });
    telling::message(conn, rp, Kind::Payment, &body, ctx.moments(now))?;
    settle(ctx, conn, rp, now)?;
    Ok(outcome)
}

/// Pays the order that a payment is for, if it fits; the order says why if not.
fn for_order(
    ctx: &Context,
    conn: &mut Conn,
    payment: &Payment,
    usable: Micros,
    by: &str,
    now: Timestamp,
) -> Flow<Outcome> {
    let Some(order) = payment.order else { return Ok(Outcome::ToppedUp) };
    let Some(order) = orders::find(conn, payment.rp, order)? else { return Ok(Outcome::UnknownOrder) };
    let state = order.state.at(order.placed_at, payment.received_at);
    let mut outcome = outcome(state, order.total, usable);
    let stock = fulfilment::offer_of(conn, &order)?.stock;
    if outcome.pays() && stock.is_some_and(|stock| stock < order.quantity) {
        outcome = Outcome::SoldOut;
    }
    if outcome.pays() {
        fulfilment::pay(ctx, conn, &order, by, (payment.received_at, now))?;
    }
    if outcome != Outcome::OrderPaid {
        orders::note_payment(conn, &order, outcome.as_str())?;
    }
    Ok(outcome)
}

/// Pays from the balance what is owed, the oldest first: what gateways took back, then statements.
pub(super) fn settle(ctx: &Context, conn: &mut Conn, rp: RelyingPartyId, now: Timestamp) -> Flow<()> {
    for short in chargebacks::short(conn, rp)? {
        let covered = short.2.min(balances::of(conn, rp)?);
        let transaction = LedgerTransactionId::new(now, &mut rand::rng());
        if covered == Micros::ZERO || !balances::take(conn, rp, covered, transaction)? {
            break;
        }
        let postings = Balanced::transfer(Account::Balance(rp), Account::Chargebacks(rp), covered);
        let postings = postings?;
        ledger::post(conn, rp, transaction, "chargeback_cover", &postings, now)?;
        chargebacks::cover(conn, &short, covered)?;
    }
    settling::settle_owed(&ctx.zone, conn, rp, ctx.moments(now))
}
