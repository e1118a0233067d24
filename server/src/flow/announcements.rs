//! Telling everybody who buys a service that something about it will be otherwise: a price, a cycle. There may be many of them, so a job tells
//! some at a time, and notes with them how far it is: each is told once, whatever dies in between.

use super::{Context, telling};
use crate::stop::Flow;
use crate::store::{Conn, announcements};

/// Relying parties that are told in one transaction.
const AT_ONCE: i64 = 500;

/// Whether somebody is to be told something.
pub fn any_waits(ctx: &Context) -> Flow<bool> {
    ctx.rp_store.read(|conn| Ok(announcements::waiting(conn)?.is_some()))
}

/// The job: tells whoever was not told.
pub fn tell(ctx: &Context) -> Flow<()> {
    while ctx.rp_store.write(|conn| tell_some(ctx, conn))? {}
    Ok(())
}

/// Whether there may be more to be told.
fn tell_some(ctx: &Context, conn: &mut Conn) -> Flow<bool> {
    let now = ctx.now();
    let Some(next) = announcements::waiting(conn)? else { return Ok(false) };
    let listeners = announcements::listeners(conn, &next, AT_ONCE)?;
    for rp in &listeners {
        telling::message(conn, *rp, next.kind, &next.body, now.into())?;
    }
    let up_to = listeners.last().map_or_else(|| next.told_up_to.clone(), ToString::to_string);
    let is_last = i64::try_from(listeners.len()).is_ok_and(|told| told < AT_ONCE);
    announcements::told(conn, &next, &up_to, is_last.then_some(now))?;
    Ok(true)
}
