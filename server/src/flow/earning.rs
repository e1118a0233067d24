//! What packs earn: a share of what was paid for each as its units stand in statements, the rest when what is left of it is void.

use jiff::Timestamp;
use wallet_core::ids::{LedgerTransactionId, PackId, RelyingPartyId};
use wallet_core::money::Micros;

use super::Context;
use super::test_clocks::Hold;
use crate::billing::packs::earned;
use crate::billing::posting::Balanced;
use crate::billing::price::Service;
use crate::billing::statement::{ItemKey, Sums};
use crate::stop::Flow;
use crate::store::packs::{self, Paid};
use crate::store::relying_parties::Whose;
use crate::store::{Conn, ledger, statements};

/// Posts what the packs of a statement, which is written by now, have earned by it.
pub(super) fn of_statement(
    conn: &mut Conn,
    rp: RelyingPartyId,
    items: &[(ItemKey, Sums)],
    now: Timestamp,
) -> Flow<()> {
    for (key, _) in items {
        let Some(id) = key.pack else { continue };
        let pack = packs::paid(conn, rp, id)?;
        if pack.voided_at.is_some() {
            // It has earned all that was paid for it.
            continue;
        }
        let drawn = statements::drawn(conn, rp, id)?;
        let by_now = earned(pack.paid, pack.units, drawn)?;
        post(conn, rp, (id, key.service), &pack, by_now, now)?;
    }
    Ok(())
}

/// Voids the units of packs that ended an hour ago or more: whoever submitted a use before the end has been charged by then.
pub fn void_expired(ctx: &Context) -> Flow<()> {
    void_ended(ctx, Whose::Real, ctx.now(), &|_| Ok(()))
}

/// The same of somebody's, as of a moment of theirs.
pub(super) fn void_ended(ctx: &Context, whose: Whose, now: Timestamp, hold: Hold<'_>) -> Flow<()> {
    let ended = now.saturating_sub(jiff::SignedDuration::from_hours(1)).unwrap_or(now);
    for (rp, id) in ctx.rp_store.read(|conn| Ok(packs::ended(conn, whose, ended)?))? {
        ctx.rp_store.write(|conn| {
            hold(conn)?;
            let pack = packs::paid(conn, rp, id)?;
            if pack.voided_at.is_none() {
                void(conn, rp, id, &pack, now)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Voids what is left of a pack.
pub(super) fn void(conn: &mut Conn, rp: RelyingPartyId, id: PackId, pack: &Paid, now: Timestamp) -> Flow<()> {
    packs::void(conn, rp, id, pack.remaining, now)?;
    if pack.remaining > 0 {
        let postings = Balanced::units_voided(rp, pack.service, pack.remaining)?;
        let transaction = LedgerTransactionId::new(now, &mut rand::rng());
        ledger::post(conn, rp, transaction, "pack_void", &postings, now)?;
    }
    post(conn, rp, (id, pack.service), pack, pack.paid, now)
}

/// Posts what a pack has earned since it last was.
fn post(
    conn: &mut Conn,
    rp: RelyingPartyId,
    (id, service): (PackId, Service),
    pack: &Paid,
    by_now: Micros,
    now: Timestamp,
) -> Flow<()> {
    let more = by_now.minus(pack.earned)?;
    if more == Micros::ZERO {
        return Ok(());
    }
    let postings = Balanced::pack_earned(service, more)?;
    ledger::post(conn, rp, LedgerTransactionId::new(now, &mut rand::rng()), "pack_earned", &postings, now)?;
    Ok(packs::earn(conn, rp, id, pack.earned, by_now)?)
}
