//! How often something may be done in a window of time, over all replicas.

use jiff::Timestamp;
use wallet_core::refusal::Refusal;

use super::Context;
use crate::stop::Flow;
use crate::store::throttles;

/// Counts something that may be done so often in a window of so many seconds, before it is done.
///
/// # Errors
/// A refusal that says when the next window begins.
pub(super) fn limit(ctx: &Context, subject: &str, (window, most): (i64, i64), now: Timestamp) -> Flow<()> {
    let start = now.as_second() / window * window;
    ctx.rp_store.write(|conn| {
        if throttles::read(conn, subject, start)? >= most {
            let wait = u32::try_from(start + window - now.as_second()).unwrap_or(1).max(1);
            return Err(Refusal::RateLimited { retry_after: wait }.into());
        }
        Ok(throttles::count(conn, subject, start)?)
    })
}
