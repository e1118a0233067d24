//! Price lists.

use std::sync::Arc;

use super::Context;
use crate::billing::price::{Price, Service, first_list};
use crate::stop::Flow;
use crate::store::charges;

/// What a redemption is metered as.
pub(super) const SERVICE: Service = Service::EcertRedeem;

/// Gives an empty installation its first price list.
pub fn install_first_list(ctx: &Context) -> Flow<()> {
    ctx.rp_store.write(|conn| {
        if charges::any_price(conn)? {
            return Ok(());
        }
        for price in first_list() {
            charges::insert_price(conn, &price)?;
        }
        Ok(())
    })
}

/// The same, a second old at most.
pub(super) fn current(ctx: &Context) -> Flow<Arc<Vec<Price>>> {
    if let Some(prices) = ctx.caches.prices.get(&()) {
        return Ok(prices);
    }
    let prices = Arc::new(of_redemption(ctx)?);
    ctx.caches.prices.insert((), Arc::clone(&prices));
    Ok(prices)
}

/// Every price of a redemption, past and announced.
pub fn of_redemption(ctx: &Context) -> Flow<Vec<Price>> {
    ctx.rp_store.read(|conn| Ok(charges::prices_of(conn, SERVICE)?))
}
