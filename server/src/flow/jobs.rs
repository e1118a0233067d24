//! Jobs among replicas: whoever takes a job that is due runs it, and the others leave it alone until it is due again.

use jiff::{SignedDuration, Timestamp};

use super::{Context, later};
use crate::stop::Flow;
use crate::store::jobs;

/// Takes a job that is due; `false` when it is not, or another replica is at it. If this replica dies, the job is free again
/// after `lease`.
pub fn take(ctx: &Context, name: &str, lease: SignedDuration) -> Flow<bool> {
    let (now, replica) = (ctx.now(), ctx.replica.to_string());
    // Looked at before anything is locked: most of the time there is nothing to do.
    if !ctx.rp_store.read(|conn| Ok(jobs::is_free(conn, name, &replica, now)?))? {
        return Ok(false);
    }
    ctx.rp_store.write_guarded(|conn| Ok(jobs::take(conn, name, &replica, now, later(now, lease))?))
}

/// Notes that a job ended, well or not, and when it is due again.
pub fn give_back(ctx: &Context, name: &str, due_in: SignedDuration, succeeded: bool) -> Flow<()> {
    let (now, replica) = (ctx.now(), ctx.replica.to_string());
    let at: Option<Timestamp> = succeeded.then_some(now);
    ctx.rp_store.write_guarded(|conn| Ok(jobs::give_back(conn, name, &replica, later(now, due_in), at)?))
}
