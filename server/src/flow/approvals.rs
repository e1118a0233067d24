//! Approvals: a relying party asks, the holder agrees on their own phone, and the face is captured there.
//!
//! The redemption, on the relying party's side, is the one truth of how it stands. The holder's side has the code that was used up for
//! it, or the request that named the standing number, and so knows whose redemption it is: written first, as for any other redemption,
//! and gone on from by the same request asked again.

use jiff::Timestamp;
use rand::RngExt as _;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use wallet_core::capture::Capture;
use wallet_core::face::challenge::Asked;
use wallet_core::ids::{ApiKeyId, CertificateId, RedemptionId, RelyingPartyId};
use wallet_core::jws::base64url;
use wallet_core::money::Amount;
use wallet_core::redemption::{ANSWER_WITHIN, Cancellation, Device, Event, MAX_WRONG_NUMBERS, State};
use wallet_core::refusal::Refusal;

use super::answers::Answer;
use super::callers::Device as Phone;
use super::captures::Challenge;
use super::charging::gate;
use super::codes::{self, Presented};
use super::idempotency::{Idempotency, answered, seal};
use super::past_uses::own_use;
use super::redemptions::{Kept, Opened, judge_on};
use super::{Context, later, random, settlement, telling};
use crate::delivery::event::Kind;
use crate::stop::Flow;
use crate::store::approvals::{self, Approval};
use crate::store::codes::Spending;
use crate::store::idempotency::{self as keys, Lease};
use crate::store::redemptions::{self, Redemption};
use crate::store::{Conn, audit, relying_parties, throttles};

/// Requests by a standing number that the holder did not agree to: of one relying party to one holder in an hour, and to all in a day.
/// They shut out the relying party, never the number.
const UNAPPROVED_OF_ONE: (i64, i64) = (3_600, 3);
const UNAPPROVED_OF_ALL: (i64, i64) = (86_400, 1_000);

/// Asks the holder: uses up the code on their side, then opens the redemption, which waits for them.
pub(super) fn ask(
    ctx: &Context,
    (lease, key): (&Lease, Option<ApiKeyId>),
    presented: &Presented,
    spending: Spending,
    challenged: impl Fn(RedemptionId) -> Redemption,
    amount: Option<Amount>,
) -> Flow<Opened> {
    let now = spending.at;
    if presented.standing {
        ctx.rp_store.read(|conn| limit_unapproved(conn, lease.rp, presented.certificate, now))?;
    }
    let id = codes::spend(ctx, presented, spending)?;
    let state = State::AwaitingHolder { deadline: later(now, ANSWER_WITHIN) };
    let redemption = Redemption { state, ..challenged(id) };
    let approval = Approval { number: rand::rng().random_range(0..100), wrong_numbers: 0, amount, key };
    let opened = || Opened::at(&redemption, Some(&approval), now);
    let kept = seal(ctx, lease, &Kept { redemption: id, opened: Some(opened()) })?;
    let earlier = ctx.rp_store.write(|conn| {
        if let Some(earlier) = answered::<Kept>(ctx, conn, lease)? {
            return Ok(earlier.opened);
        }
        if presented.standing {
            limit_unapproved(conn, lease.rp, presented.certificate, now)?;
            count_unapproved(conn, lease.rp, presented.certificate, now)?;
        }
        redemptions::insert(conn, &redemption, now)?;
        approvals::insert(conn, lease.rp, id, &approval)?;
        keys::finish(conn, lease, &kept, now)?;
        audit::append(conn, lease.rp, "redemption.open", id, "awaiting_holder", now)?;
        Ok(None)
    })?;
    Ok(earlier.unwrap_or_else(opened))
}

/// What the holder says to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Yes, and the number that the relying party shows.
    Agree {
        /// 0 to 99.
        number: u8,
    },
    /// No.
    Refuse,
    /// No: it was not me.
    Report,
}

/// The approval after the holder's answer.
#[derive(Serialize, ToSchema)]
#[schema(as = ApprovalAnswer)]
pub struct Decided {
    id: RedemptionId,
    state: &'static str,
    /// What the holder's capture must show.
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<Challenge>,
}

/// Takes the holder's answer. The same answer given twice is one answer.
pub fn decide(ctx: &Context, phone: &Phone, id: RedemptionId, decision: Decision) -> Flow<Decided> {
    let now = ctx.now();
    let own = own_use(ctx, phone, id, now)?;
    let decided = ctx.rp_store.write(|conn| {
        let redemption = redemptions::find(conn, id, own.rp)?.ok_or(Refusal::NotFound)?;
        let approval = approvals::find(conn, own.rp, id)?.ok_or(Refusal::RedemptionClosed)?;
        match decision {
            Decision::Agree { number } => {
                if redemption.certificate != own.certificate {
                    return Err(Refusal::CertificateRevoked.into());
                }
                agree(conn, phone, redemption, &approval, number, now)
            }
            Decision::Refuse => end(conn, phone, redemption, Cancellation::Refused, now).map(Ok),
            Decision::Report => end(conn, phone, redemption, Cancellation::Reported, now).map(Ok),
        }
    })?;
    Ok(decided?)
}

/// The inner refusal is told after what it counts was written.
fn agree(
    conn: &mut Conn,
    phone: &Phone,
    redemption: Redemption,
    approval: &Approval,
    number: u8,
    now: Timestamp,
) -> Flow<Result<Decided, Refusal>> {
    let (rp, id) = (redemption.rp, redemption.id);
    let is_right = number == approval.number;
    if is_right && redemption.state.awaits_capture_on(Device::Holder, now) {
        return Ok(Ok(Decided::of(&redemption, now)));
    }
    let challenge = Asked::now(redemption.challenge.mode, random(), now);
    let event = if is_right {
        Event::Agreed { until: challenge.deadline }
    } else {
        Event::WrongNumber { earlier: approval.wrong_numbers }
    };
    let next = redemption.state.after(event, now).map_err(|_| Refusal::RedemptionClosed)?;
    if !is_right {
        approvals::count_wrong(conn, rp, id, approval)?;
        if next != redemption.state {
            redemptions::advance(conn, &redemption, next, &redemption.challenge)?;
        }
        audit::append(conn, &phone.jkt, "redemption.approval", id, "number_mismatch", now)?;
        let left = MAX_WRONG_NUMBERS.saturating_sub(approval.wrong_numbers + 1);
        return Ok(Err(Refusal::NumberMismatch { left }));
    }
    redemptions::advance(conn, &redemption, next, &challenge)?;
    give_back_unapproved(conn, &redemption)?;
    audit::append(conn, &phone.jkt, "redemption.approval", id, "agreed", now)?;
    Ok(Ok(Decided::of(&Redemption { state: next, challenge, ..redemption }, now)))
}

fn end(
    conn: &mut Conn,
    phone: &Phone,
    redemption: Redemption,
    why: Cancellation,
    now: Timestamp,
) -> Flow<Decided> {
    if redemption.state == State::Cancelled(why) {
        return Ok(Decided::of(&redemption, now));
    }
    let next = redemption.state.after(Event::Cancelled(why), now).map_err(|_| Refusal::RedemptionClosed)?;
    redemptions::advance(conn, &redemption, next, &redemption.challenge)?;
    let outcome = if why == Cancellation::Reported { "reported" } else { "refused" };
    audit::append(conn, &phone.jkt, "redemption.approval", redemption.id, outcome, now)?;
    let data = json!({ "redemption": redemption.id, "state": next.word(now) });
    telling::notify(conn, redemption.rp, Kind::RedemptionCancelled, &data, now)?;
    Ok(Decided::of(&Redemption { state: next, ..redemption }, now))
}

impl Decided {
    fn of(redemption: &Redemption, now: Timestamp) -> Decided {
        let is_due = redemption.state.awaits_capture_on(Device::Holder, now);
        Decided {
            id: redemption.id,
            state: redemption.state.word(now),
            challenge: is_due.then(|| Challenge::from(&redemption.challenge)),
        }
    }
}

/// Judges the capture of the holder's own phone. The relying party that asked pays, once; the same capture again gets the same answer.
pub fn submit_capture(
    ctx: &Context,
    phone: &Phone,
    id: RedemptionId,
    capture: Capture,
    signature: &[u8],
) -> Flow<Answer> {
    let now = ctx.now();
    let own = own_use(ctx, phone, id, now)?;
    if capture.verify(&phone.key, signature).is_err() {
        let why = "the capture's signature is not by this device key";
        return Err(Refusal::Unauthenticated { why }.into());
    }
    let (payer, purpose) = ctx.rp_store.read(|conn| {
        let redemption = redemptions::find(conn, id, own.rp)?.ok_or(Refusal::NotFound)?;
        let mut payer = relying_parties::find(conn, own.rp)?.ok_or(Refusal::RpSuspended)?;
        // Whoever asked by a key that is capped can't spend more by having the holder's phone take the picture.
        payer.key = approvals::find(conn, own.rp, id)?.and_then(|approval| approval.key);
        Ok((payer, redemption.purpose))
    })?;
    gate(ctx, &payer, settlement::SERVICE, Some(&purpose))?;
    // Longer than any key that a relying party may choose, so that none of theirs is taken.
    let key = format!("holder's capture {id} {}", base64url(&capture.fingerprint()));
    let idempotency = Idempotency::new(ctx, key, &[b"holder's capture", &capture.fingerprint()]);
    judge_on(ctx, &payer, &idempotency.lease(own.rp, now), id, Device::Holder, capture, now)
}

/// The counters of a relying party's requests to one holder, and to all.
fn subjects(rp: RelyingPartyId, certificate: CertificateId, at: Timestamp) -> [(String, i64, (i64, i64)); 2] {
    let window = |(window, _): (i64, i64)| at.as_second() / window * window;
    [
        (format!("unapproved/{rp}/{certificate}"), window(UNAPPROVED_OF_ONE), UNAPPROVED_OF_ONE),
        (format!("unapproved/{rp}"), window(UNAPPROVED_OF_ALL), UNAPPROVED_OF_ALL),
    ]
}

/// Refuses when a relying party has asked too often for nothing.
pub(super) fn limit_unapproved(
    conn: &mut Conn,
    rp: RelyingPartyId,
    certificate: CertificateId,
    now: Timestamp,
) -> Flow<()> {
    for (subject, start, (window, most)) in subjects(rp, certificate, now) {
        if throttles::read(conn, &subject, start)? >= most {
            let wait = u32::try_from(start + window - now.as_second()).unwrap_or(1).max(1);
            return Err(Refusal::RateLimited { retry_after: wait }.into());
        }
    }
    Ok(())
}

/// Counts a request, until the holder agrees to it.
pub(super) fn count_unapproved(
    conn: &mut Conn,
    rp: RelyingPartyId,
    certificate: CertificateId,
    now: Timestamp,
) -> Flow<()> {
    for (subject, start, _) in subjects(rp, certificate, now) {
        throttles::count(conn, &subject, start)?;
    }
    Ok(())
}

fn give_back_unapproved(conn: &mut Conn, redemption: &Redemption) -> Flow<()> {
    for (subject, start, _) in subjects(redemption.rp, redemption.certificate, redemption.id.moment()) {
        throttles::give_back(conn, &subject, start)?;
    }
    Ok(())
}
