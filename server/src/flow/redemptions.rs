//! Redemption: a relying party submits a code, the person is captured, the face is judged, the use is billed once.
//!
//! What belongs to the relying party and what belongs to the holder is written in different transactions, since they may lie in
//! different databases. [`open`] uses up the code on the one side, then opens the redemption on the other. [`judge`] is two
//! transactions around the models' work: the first claims the idempotency key and checks that judging makes sense, the second
//! decides, charges and answers. A crash in between leaves what the same request, asked again, goes on from.

mod shown;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wallet_core::attributes::Attribute;
use wallet_core::capture::Capture;
use wallet_core::code::Code;
use wallet_core::code::qr::Bound;
use wallet_core::code::test_people::TestPerson;
use wallet_core::face::challenge::Asked;
use wallet_core::face::judgement::judge as judge_face;
use wallet_core::face::{Mode, Observation};
use wallet_core::ids::RedemptionId;
use wallet_core::money::Amount;
use wallet_core::onnx::Engine;
use wallet_core::redemption::{Device, State};
use wallet_core::refusal::Refusal;

use super::answers::{self, Answer};
use super::callers::RelyingParty;
use super::captures::{self, Seen};
use super::certificates::InForce;
use super::charging::gate;
use super::codes::{self, Presented};
use super::idempotency::{Claim, Idempotency, answered, claim, give_back, seal};
use super::misses::{self, Sender};
use super::settlement::{self, Verdict};
use super::{Context, approvals, past_uses, random, templates, test_people};
use crate::edge::metrics::Stage;
use crate::edge::models::Lane;
use crate::stop::{Flow, Stop};
use crate::store::audit;
use crate::store::codes::Spending;
use crate::store::idempotency::Lease;
use crate::store::openings::{self, Outcome};
use crate::store::redemptions::{self, Redemption};

pub use shown::{Opened, Shown, cancel, receipts, show};

/// A request to redeem.
#[derive(Debug)]
pub struct Opening {
    /// The code as it was scanned or typed.
    pub code: Code,
    /// A registered purpose.
    pub purpose: String,
    /// What is asked for; without it, all that the purpose covers.
    pub attributes: Option<BTreeSet<Attribute>>,
    /// How liveness is to be shown.
    pub liveness: Mode,
    /// On whose device.
    pub capture: Device,
    /// What the person is about to pay or sign for: a code that is bound to an amount is good for that alone, and a holder who is asked
    /// sees it.
    pub amount: Option<Amount>,
    /// Which of the relying party's tills or tablets it comes from.
    pub terminal: Option<String>,
}

/// Redeems a code: it is used up from here on, whatever comes of the face.
///
/// Two steps, of which each can be repeated: use up the code on the holder's side, open the redemption on the relying party's
/// side. A crash between them leaves a spent code that names its redemption; the same request asked again goes on from there.
/// Where both sides lie in one database they are one step, as long as nothing stands in its way.
///
/// Whether the request was answered before is looked up only then: what stands in its way is what was done for it.
pub fn open(ctx: &Context, rp: &RelyingParty, idempotency: &Idempotency, opening: &Opening) -> Flow<Opened> {
    let now = ctx.now();
    // A purpose that another of its terminals may ask for is no over-asking that a holder must hear of.
    if rp.terminal.is_some() && !rp.purposes.contains_key(&opening.purpose) {
        return Err(Refusal::PurposeNotRegistered.into());
    }
    gate(ctx, rp, settlement::SERVICE, Some(&opening.purpose))?;
    ctx.models.has_room()?;
    let lease = idempotency.lease(rp.id, now);
    // Digits can't be given back, so another request under the same key must be noticed before they are used up.
    if (opening.code.is_digits() || opening.capture == Device::Holder)
        && let Some(earlier) = earlier(ctx, &lease)?
    {
        return ring(ctx, rp, opening, earlier);
    }
    let mac = idempotency.mac(ctx, rp);
    let leave = match &opening.code {
        Code::Numeric(_) | Code::Standing(_) if !rp.sandbox => {
            Some(misses::admit(ctx, sender(rp, opening), now)?)
        }
        _ => None,
    };
    let presented = present(ctx, rp, opening, now);
    // Held until a miss is counted; whoever missed nothing makes room at once.
    let _leave = leave.filter(|_| presented.is_err());
    let done = presented.and_then(|(asked, presented)| {
        let spending = presented.spending(rp.id, mac, now);
        let challenged = |id| challenged(id, rp, opening, &asked, &presented, now);
        if opening.capture == Device::Holder {
            let asked_by = (&lease, rp.key);
            let asked = approvals::ask(ctx, asked_by, &presented, spending, challenged, opening.amount)?;
            return ring(ctx, rp, opening, asked);
        }
        if ctx.rounds.in_one && presented.is_qr() {
            let redemption = challenged(spending.spent.redemption);
            if let Some(opened) = write(ctx, &lease, &presented, redemption, Some(spending.clone()), now)? {
                return Ok(opened);
            }
        }
        let redemption = challenged(codes::spend(ctx, &presented, spending)?);
        let opened = write(ctx, &lease, &presented, redemption, None, now)?;
        Ok(opened.ok_or_else(|| anyhow::anyhow!("an opening that had no code to use up missed one"))?)
    });
    match done {
        Err(Stop::Refused(refusal)) if !matches!(refusal, Refusal::Overloaded { .. }) => {
            let earlier = earlier(ctx, &lease)?;
            earlier.map_or_else(|| Err(refuse(ctx, rp, idempotency, opening, refusal, now)?), Ok)
        }
        done => done,
    }
}

/// In the sandbox there is a phone for each test person, and it answers at once.
fn ring(ctx: &Context, rp: &RelyingParty, opening: &Opening, asked: Opened) -> Flow<Opened> {
    if rp.sandbox && opening.capture == Device::Holder {
        test_people::answer_phone(ctx, rp, asked.id)?;
    }
    Ok(asked)
}

/// Writes an opening; `None` when its code could not be used up with it.
fn write(
    ctx: &Context,
    lease: &Lease,
    presented: &Presented,
    redemption: Redemption,
    spending: Option<Spending>,
    at: Timestamp,
) -> Flow<Option<Opened>> {
    let (opened, kept) =
        (Opened::of(&redemption), seal(ctx, lease, &Kept { redemption: redemption.id, opened: None })?);
    let opening = openings::Opening { spending, redemption, lease: lease.clone(), kept, at };
    match ctx.rounds.openings.join(opening)? {
        Outcome::Opened => Ok(Some(opened)),
        Outcome::CodeNotSpent => Ok(None),
        Outcome::KeyKnown => {
            let earlier = earlier(ctx, lease);
            if matches!(earlier, Err(Stop::Refused(Refusal::IdempotencyKeyReused))) {
                codes::give_back(ctx, presented, opened.id)?;
            }
            Ok(Some(earlier?.ok_or(Refusal::RequestInProgress)?))
        }
    }
}

/// What is kept of the answer to an opening: the rest is made from the redemption itself.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) redemption: RedemptionId,
    /// The whole of it where the redemption moves on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) opened: Option<Opened>,
}

/// The answer that the same request was given before.
fn earlier(ctx: &Context, lease: &Lease) -> Flow<Option<Opened>> {
    ctx.rp_store.read(|conn| {
        let Some(Kept { redemption, opened }) = answered(ctx, conn, lease)? else { return Ok(None) };
        if opened.is_some() {
            return Ok(opened);
        }
        let redemption = redemptions::find(conn, redemption, lease.rp)?;
        let redemption =
            redemption.ok_or_else(|| anyhow::anyhow!("a redemption that was answered is missing"))?;
        Ok(Some(Opened::of(&redemption)))
    })
}

/// What an opening may ask for, and what its code stands for.
fn present(
    ctx: &Context,
    rp: &RelyingParty,
    opening: &Opening,
    now: Timestamp,
) -> Flow<(BTreeSet<Attribute>, Presented)> {
    let covered = rp.purposes.get(&opening.purpose).ok_or(Refusal::PurposeNotRegistered)?;
    let asked = match &opening.attributes {
        None => covered.clone(),
        Some(asked) if asked.is_subset(covered) => asked.clone(),
        Some(_) => return Err(Refusal::AttributeNotAllowed.into()),
    };
    let bound = Bound::to(rp.id, &opening.purpose, opening.amount);
    if matches!(opening.code, Code::Standing(_)) && opening.capture == Device::RelyingParty {
        // Whether it is somebody's number or not: the same answer.
        let expected = "\"holder\" with an E-cert number".to_owned();
        return Err(Refusal::RequestInvalid { field: "capture", expected }.into());
    }
    let presented = match rp.sandbox {
        true => test_people::presented(&opening.code)?,
        false => codes::resolve(ctx, &opening.code, &bound, now)?,
    };
    Ok((asked, presented.ok_or(Refusal::CodeUnknown)?))
}

fn challenged(
    id: RedemptionId,
    rp: &RelyingParty,
    opening: &Opening,
    asked: &BTreeSet<Attribute>,
    presented: &Presented,
    now: Timestamp,
) -> Redemption {
    let challenge = Asked::now(opening.liveness, random(), now);
    let deadline = challenge.deadline;
    Redemption {
        id,
        rp: rp.id,
        terminal: rp.terminal,
        certificate: presented.certificate,
        purpose: opening.purpose.clone(),
        asked: asked.clone(),
        share: presented.share,
        challenge,
        state: State::Challenged { on: Device::RelyingParty, deadline, unusable: 0 },
        judged: None,
    }
}

/// Judges a capture: passed or failed is charged, in the transaction that says so; unusable is not, and may be tried again.
pub fn judge(
    ctx: &Context,
    rp: &RelyingParty,
    id: RedemptionId,
    idempotency: &Idempotency,
    capture: Capture,
) -> Flow<Answer> {
    let now = ctx.now();
    gate(ctx, rp, settlement::SERVICE, None)?;
    judge_on(ctx, rp, &idempotency.lease(rp.id, now), id, Device::RelyingParty, capture, now)
}

/// Judges a capture that was taken on this device, under a lease of the relying party that pays.
pub(super) fn judge_on(
    ctx: &Context,
    payer: &RelyingParty,
    lease: &Lease,
    id: RedemptionId,
    device: Device,
    capture: Capture,
    now: Timestamp,
) -> Flow<Answer> {
    let found = match ctx.metrics.stage(Stage::RedemptionClaim, || claim(ctx, lease, id, now))? {
        Claim::Claimed(found) => *found,
        Claim::Answered(kept) => {
            let earlier = ctx.rp_store.read(|conn| answers::recall(conn, lease.rp, id, &kept))?;
            return earlier.open(ctx, id);
        }
    };
    let found = found.filter(|(redemption, _)| payer.opened(redemption.terminal));
    let judged = challenge_of(found, device, &capture, now).and_then(|(redemption, certificate)| {
        test_people::guard(payer, redemption.certificate)?;
        let certificate = InForce::of(ctx, redemption.certificate, certificate, now)?;
        certificate.consents_to(ctx, redemption.rp)?;
        let verdict = match TestPerson::of_certificate(redemption.certificate) {
            Some(person) => test_people::verdict(ctx, person, redemption.state)?,
            None => evaluate(ctx, &certificate, redemption.challenge, capture, now)?,
        };
        let settle = || settlement::settle(ctx, payer, lease, redemption, certificate, verdict, now);
        ctx.metrics.stage(Stage::RedemptionSettle, settle)
    });
    if judged.is_err() {
        give_back(ctx, lease);
    }
    judged
}

/// The redemption that a capture on this device answers, if it is open; with what else was found.
fn challenge_of<T>(
    found: Option<(Redemption, T)>,
    device: Device,
    capture: &Capture,
    now: Timestamp,
) -> Flow<(Redemption, T)> {
    let (redemption, beside) = found.ok_or(Refusal::NotFound)?;
    if !redemption.state.awaits_capture_on(device, now) {
        return Err(Refusal::RedemptionClosed.into());
    }
    if *capture.nonce() != redemption.challenge.nonce {
        return Err(captures::nonce_mismatch().into());
    }
    Ok((redemption, beside))
}

fn evaluate(
    ctx: &Context,
    in_force: &InForce,
    asked: Asked,
    capture: Capture,
    now: Timestamp,
) -> Flow<Verdict> {
    let certificate = &in_force.certificate;
    let reference =
        templates::open(ctx, &in_force.vault(ctx)?, certificate.id, &certificate.sealed_template)?;
    #[cfg(feature = "bench-without-face")]
    if ctx.models.are_absent() {
        return Ok(super::without_face::verdict(capture));
    }
    let compare = move |engine: &mut Engine, frames: &mut [Observation]| engine.compare(frames, &reference);
    let seen = captures::observe(ctx, Lane::Redemption, asked, capture, now, compare)?;
    let (Seen { observations, examined }, comparison) = match seen {
        Ok(seen) => seen,
        Err(Refusal::CaptureUnusable(reason)) => return Ok(Verdict::Unusable(reason)),
        Err(refusal) => return Err(refusal.into()),
    };
    let judgement = judge_face(&observations, &comparison, &ctx.models.scale(), &ctx.models.thresholds());
    let scores = [judgement.comparison_score, judgement.continuity, judgement.liveness];
    if !scores.iter().all(|score| score.is_finite()) {
        // A broken model is our fault: nobody is judged, or billed, by it.
        return Err(anyhow::anyhow!("a model gave a score that is no number").into());
    }
    Ok(Verdict::Judged(judgement.with(examined, &ctx.models.thresholds())))
}

/// The refusal, after what must be on record is: over-asking leaves a trace, and a wrong code is counted.
fn refuse(
    ctx: &Context,
    rp: &RelyingParty,
    idempotency: &Idempotency,
    opening: &Opening,
    refusal: Refusal,
    now: Timestamp,
) -> Flow<Stop> {
    let on_record = [Refusal::PurposeNotRegistered, Refusal::AttributeNotAllowed, Refusal::CodeUnknown];
    if on_record.contains(&refusal) {
        let is_unknown = match refusal {
            // Nobody is there to be told, and nothing to be guessed.
            _ if rp.sandbox => false,
            Refusal::CodeUnknown => true,
            // Who asks for too much must not learn for nothing which digits are good: these count as well.
            _ => !past_uses::tell_of_over_asking(ctx, rp, idempotency, opening, &refusal)?,
        };
        ctx.rp_store.write_guarded(|conn| {
            if is_unknown && opening.code.is_digits() {
                misses::count(conn, sender(rp, opening), now)?;
            }
            Ok(audit::append(conn, rp.id, "redemption.open", "-", refusal.code(), now)?)
        })?;
    }
    Ok(refusal.into())
}

fn sender<'a>(rp: &RelyingParty, opening: &'a Opening) -> Sender<'a> {
    Sender { rp: rp.id, terminal: opening.terminal.as_deref() }
}
