//! Looking after the installation: what /metrics says of outbox, clock and ledger is measured here, by jobs.

use jiff::{SignedDuration, Timestamp};
use wallet_core::ids::LedgerTransactionId;

use super::{Context, issuing_guard};
use crate::stop::Flow;
use crate::store::{Conn, health};

/// What a check of the ledger looks back on. It runs every hour, so one that was missed is made up for.
const LEDGER_WINDOW: SignedDuration = SignedDuration::from_hours(25);

/// Asks the database what waits and what time it is. Each process asks for itself, since each may be cut off.
pub fn measure(ctx: &Context) -> Flow<()> {
    let read = |conn: &mut Conn| {
        let before = ctx.now();
        let theirs = health::database_clock(conn)?;
        let ours = before + ctx.now().duration_since(before) / 2;
        ctx.metrics.issued_this_hour.set(issuing_guard::issued_this_hour(conn, ctx.now())?);
        Ok((health::outbox_backlog(conn)?, theirs.map(|theirs| ours.duration_since(theirs))))
    };
    let measured = ctx.holder_store.read(read);
    ctx.metrics.ready.set(i64::from(measured.is_ok()));
    let ((entries, oldest), skew) = measured?;
    let age = oldest.map_or(0.0, |oldest| ctx.now().duration_since(oldest).as_secs_f64());
    ctx.metrics.outbox_entries.set(entries);
    ctx.metrics.outbox_oldest_age.set(age.max(0.0));
    ctx.metrics.clock_skew.set(skew.map_or(0.0, |skew| skew.as_secs_f64()));
    Ok(())
}

/// Checks that what was posted since yesterday sums to zero, transaction by transaction.
pub fn check_ledger(ctx: &Context) -> Flow<()> {
    let since = ctx.now().saturating_sub(LEDGER_WINDOW).unwrap_or(Timestamp::MIN);
    let since = LedgerTransactionId::new(since, &mut rand::rng());
    let unbalanced = ctx.rp_store.read(|conn| Ok(health::unbalanced_transactions(conn, since)?))?;
    ctx.metrics.unbalanced.set(unbalanced);
    if unbalanced > 0 {
        tracing::error!(unbalanced, "ledger transactions do not sum to zero");
    }
    Ok(())
}
