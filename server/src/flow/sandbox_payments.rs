//! Money of the sandbox: a relying party pays itself in, as much as it likes. It is counted in its own books, and nowhere else.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::{OrderId, PaymentId};
use wallet_core::money::SentAmount;
use wallet_core::refusal::Refusal;

use super::Context;
use super::amounts::{MOST_PAYMENT, yuan};
use super::callers::RelyingParty;
use super::idempotency::{Idempotency, answered, finish};
use super::payments::{Shown, credit};
use super::test_clocks::sandbox_only;
use crate::billing::account::{Provider, SANDBOX};
use crate::stop::Flow;
use crate::store::audit;
use crate::store::payments::{self, Payment, RECORDED};

/// What is paid in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayIn {
    amount: SentAmount,
    /// For which order; without one, into the balance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<OrderId>,
}

/// Pays in, at the moment of the relying party's clock: as if a transfer had come and been credited.
pub fn pay_in(ctx: &Context, rp: &RelyingParty, idempotency: &Idempotency, paid: &PayIn) -> Flow<Shown> {
    sandbox_only(rp)?;
    let micros = yuan("amount", &paid.amount, 1, MOST_PAYMENT)?;
    let provider = Provider::parse(SANDBOX).ok_or_else(|| anyhow::anyhow!("the sandbox has no name"))?;
    let (now, moment) = (ctx.now(), ctx.moment_of(rp)?);
    let lease = idempotency.lease(rp.id, now);
    let shown = ctx.rp_store.write(|conn| {
        if let Some(kept) = answered(ctx, conn, &lease)? {
            return Ok(kept);
        }
        moment.hold(conn)?;
        let id = PaymentId::new(now, &mut rand::rng());
        let payment = Payment {
            rp: rp.id,
            id,
            provider: provider.clone(),
            reference: id.to_string(),
            micros,
            order: paid.order,
            state: RECORDED.to_owned(),
            received_at: moment.at,
            recorded_at: moment.at,
            recorded_by: SANDBOX.to_owned(),
            decided_by: None,
            outcome: None,
        };
        payments::insert(conn, &payment)?;
        let outcome = credit(ctx, conn, &payment, SANDBOX, moment.at)?;
        audit::append(conn, rp.id, "sandbox.pay_in", id, outcome.as_str(), now)?;
        let shown = Shown::from(payments::find(conn, id)?.ok_or(Refusal::NotFound)?);
        finish(ctx, conn, &lease, &shown, now)?;
        Ok(shown)
    })?;
    // It is served again from now on, and not from a second later.
    ctx.caches.changes.invalidate(&());
    Ok(shown)
}
