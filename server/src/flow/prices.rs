//! Price lists.

use std::sync::Arc;

use jiff::Timestamp;
use wallet_core::money::Currency;

use super::Context;
use crate::billing::periods::Cycle;
use crate::billing::price::{Price, Service, first_list, price_at};
use crate::stop::Flow;
use crate::store::{audit, charges, statements};

/// Gives an empty installation its first price list.
pub fn install_first_list(ctx: &Context) -> Flow<()> {
    ctx.rp_store.write(|conn| {
        if charges::any_price(conn)? {
            return Ok(());
        }
        for price in first_list() {
            charges::insert_price(conn, &price)?;
            let object = format!("{}/{}", price.version, price.service.as_str());
            let outcome = format!("{} {} micros", price.micros.get(), Currency::Cny.code());
            audit::append(conn, "cli", "price.change", object, &outcome, ctx.now())?;
        }
        Ok(())
    })
}

/// The price of a use submitted at `submitted_at`; what is announced for later may be seen a second late.
pub(super) fn in_force(ctx: &Context, service: Service, submitted_at: Timestamp) -> Flow<Price> {
    let prices = match ctx.caches.prices.get(&service) {
        Some(prices) => prices,
        None => {
            let prices = Arc::new(of(ctx, service)?);
            ctx.caches.prices.insert(service, Arc::clone(&prices));
            prices
        }
    };
    let price = price_at(&prices, submitted_at).cloned();
    Ok(price.ok_or_else(|| anyhow::anyhow!("no price of {} is in force", service.as_str()))?)
}

/// How often a service is billed; a change may be seen a second late.
pub(super) fn cycle(ctx: &Context, service: Service) -> Flow<Cycle> {
    if let Some(cycle) = ctx.caches.cycles.get(&service) {
        return Ok(cycle);
    }
    let cycle = ctx.rp_store.read(|conn| Ok(statements::cycle_of(conn, service)?))?;
    ctx.caches.cycles.insert(service, cycle);
    Ok(cycle)
}

/// Whether price lists can be read.
pub fn readable(ctx: &Context) -> Flow<()> {
    of(ctx, Service::EcertRedeem).map(drop)
}

/// Every price of a service, past and announced.
fn of(ctx: &Context, service: Service) -> Flow<Vec<Price>> {
    ctx.rp_store.read(|conn| Ok(charges::prices_of(conn, service)?))
}
