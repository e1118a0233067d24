//! Forgetting: what is no longer needed is erased, by a job that may run at any time and any number of times.

use jiff::{SignedDuration, Timestamp};

use wallet_core::ids::CertificateId;

use super::Context;
use super::{admin_actions as actions, contacts, erasures as erasures_flow, issuing_guard};
use crate::stop::Flow;
use crate::store::{
    admin_actions, admin_sessions, ceremonies, codes, deliveries, devices, endpoints, enrolments, erasures,
    face_groups, handles, idempotency, jobs, liveness_sessions, outbox, past_uses, redemptions, throttles,
};

/// How long an answer with personal data can be read again, by its address or its Idempotency-Key.
pub(super) const READABLE: SignedDuration = SignedDuration::from_hours(72);
/// Counters and used codes: the longest window that anything looks back on is a day.
const SHORT: SignedDuration = SignedDuration::from_hours(48);
/// Effects that were done, for whoever looks for the cause of something.
const DONE_EFFECTS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What was told, or given up: as long as it can be replayed.
const DELIVERIES: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Handles outlive their certificate by this, so that its codes are refused as what they are: of one that has ended.
const ENDED_HANDLES: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Far longer than any redemption stays open.
const OPEN: SignedDuration = SignedDuration::from_hours(24);

/// The name of the job that calls [`forget`].
pub const FORGET: &str = "forget";

/// Erases all that is past its time.
pub fn forget(ctx: &Context) -> Flow<()> {
    let now = ctx.now();
    let before = |age: SignedDuration| now.saturating_sub(age).unwrap_or(Timestamp::MIN);
    ctx.holder_store.write(|conn| {
        devices::forget_proofs(conn, now)?;
        enrolments::abandon_expired(conn, now)?;
        enrolments::erase_answers(conn, now)?;
        past_uses::keep(conn, before(SHORT))?;
        codes::forget(conn, before(SHORT))?;
        throttles::forget(conn, before(SHORT).as_second())?;
        handles::forget_before(
            conn,
            CertificateId::first_at(before(issuing_guard::LIFETIME + ENDED_HANDLES)),
        )?;
        erasures::forget_told(conn)?;
        erasures::forget_devices(conn, before(erasures_flow::ASKED_AGAIN))?;
        outbox::forget_done(conn, before(DONE_EFFECTS))?;
        // Those of issuing; the relying parties' are on the other side.
        throttles::forget(conn, before(SHORT).as_second())?;
        Ok(())
    })?;
    ctx.rp_store.write(|conn| {
        throttles::forget(conn, before(SHORT).as_second())?;
        // What was closed before the last time is done; without a lower bound this would look through all history.
        let done = jobs::succeeded_at(conn, FORGET)?.unwrap_or(Timestamp::UNIX_EPOCH);
        let opened_from = done.saturating_sub(READABLE + OPEN).unwrap_or(Timestamp::UNIX_EPOCH);
        redemptions::erase_answers(conn, opened_from, before(READABLE))?;
        idempotency::forget(conn, before(READABLE))?;
        liveness_sessions::forget(conn, before(SHORT))?;
        face_groups::forget_removed(conn, before(SHORT))?;
        outbox::forget_done(conn, before(DONE_EFFECTS))?;
        deliveries::forget_done(conn, before(DELIVERIES))?;
        endpoints::forget_unconfirmed(conn, before(contacts::ANSWER_WITHIN))?;
        ceremonies::forget(conn, now)?;
        admin_sessions::forget(conn, now)?;
        admin_actions::forget_files(conn, before(actions::TO_DECIDE))?;
        Ok(())
    })
}

/// Makes the partitions of the days to come, and detaches those that are past their time.
pub fn roll_partitions(ctx: &Context) -> Flow<()> {
    let now = ctx.now();
    let mut detached = ctx.rp_store.roll_partitions(now, ctx.keep_days)?;
    detached.extend(ctx.holder_store.roll_partitions(now, ctx.keep_days)?);
    if !detached.is_empty() {
        tracing::info!(partitions = detached.join(" "), "detached: archive them, then drop them");
    }
    Ok(())
}
