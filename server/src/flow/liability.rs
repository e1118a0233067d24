//! The liability cap as a relying party may ask for it (A8.5): what it paid for the service that failed.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::money::Amount;

use super::Context;
use super::amounts::{cny, invalid};
use super::callers::RelyingParty;
use crate::billing::liability::{first_counted, for_use, of_packs, of_use};
use crate::billing::price::Service;
use crate::stop::Flow;
use crate::store::liability;

/// The most that all damages for a fault may come to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Liability {
    service: &'static str,
    fault_at: Timestamp,
    /// For who uses it from packs: what was paid for those whose time the fault lies in.
    of_packs: Amount,
    /// For who uses it on account: what was paid for it from `counted_from` until the fault.
    of_use: Amount,
    counted_from: Timestamp,
}

/// The cap for a fault of a service at a moment that is not ahead.
pub fn show(ctx: &Context, rp: &RelyingParty, service: &str, fault_at: Timestamp) -> Flow<Liability> {
    let service = Service::parse(service).ok_or_else(|| invalid("service", "a known service"))?;
    if fault_at > ctx.now() {
        return Err(invalid("fault_at", "a moment that is not ahead").into());
    }
    let counted_from = first_counted(fault_at, &ctx.zone)?;
    let (packs, settled) = ctx.rp_store.read(|conn| {
        let packs = liability::packs(conn, rp.id, service)?;
        Ok((packs, liability::settled(conn, rp.id, service, fault_at)?))
    })?;
    Ok(Liability {
        service: service.as_str(),
        fault_at,
        of_packs: cny(of_packs(packs, service, fault_at)?),
        of_use: cny(of_use(for_use(service, &settled)?, service, fault_at, &ctx.zone)?),
        counted_from,
    })
}
