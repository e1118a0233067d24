//! Redemption: a relying party submits a code, the person is captured, the face is judged, the use is billed once.
//!
//! What belongs to the relying party and what belongs to the holder is written in different transactions, since they may lie in
//! different databases. [`open`] uses up the code on the one side, then opens the redemption on the other. [`judge`] is two
//! transactions around the models' work: the first claims the idempotency key and checks that judging makes sense, the second
//! decides, charges and answers. A crash in between leaves what the same request, asked again, goes on from.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use wallet_core::attributes::Attribute;
use wallet_core::capture::Capture;
use wallet_core::code::Code;
use wallet_core::face::Template;
use wallet_core::face::judgement::judge as judge_face;
use wallet_core::ids::{CertificateId, RedemptionId};
use wallet_core::refusal::Refusal;

use super::answers::{self, Answer, Judged};
use super::callers::RelyingParty;
use super::captures::{self, Challenge};
use super::certificates::{in_force, referred_to};
use super::codes::{self, Presented};
use super::idempotency::{Idempotency, answered, claim, seal};
use super::retention::READABLE;
use super::settlement::{self, Verdict};
use super::{Context, issuance, later, prices, random, tokens};
use crate::edge::metrics::Stage;
use crate::edge::models::Lane;
use crate::stop::{Flow, Stop};
use crate::store::idempotency::{self, Lease};
use crate::store::redemptions::{self, Redemption, State};
use crate::store::{Conn, audit, openings, throttles};

/// From opening to capture: the person is standing there.
const CHALLENGE: SignedDuration = SignedDuration::from_secs(120);
/// Well-formed digits that were not known, per relying party: a minute, and a day. A QR is signed and can't be guessed,
/// so expired pictures of one must not shut a relying party out.
const MISSES: [(i64, i64); 2] = [(60, 5), (86_400, 100)];

/// A request to redeem.
#[derive(Debug)]
pub struct Opening {
    /// The code as it was scanned or typed.
    pub code: Code,
    /// A registered purpose.
    pub purpose: String,
    /// What is asked for; without it, all that the purpose covers.
    pub attributes: Option<BTreeSet<Attribute>>,
}

/// An open redemption.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opened {
    id: RedemptionId,
    state: String,
    purpose: String,
    asked: BTreeSet<Attribute>,
    challenge: Challenge,
}

impl Opened {
    fn of(redemption: &Redemption) -> Self {
        Opened {
            id: redemption.id,
            state: "challenged".to_owned(),
            purpose: redemption.purpose.clone(),
            asked: redemption.asked.clone(),
            challenge: Challenge::silent(&redemption.nonce, redemption.deadline),
        }
    }
}

/// Redeems a code: it is used up from here on, whatever comes of the face.
///
/// Three steps, of which each can be repeated: look at the relying party's side, use up the code on the holder's side, open
/// the redemption on the relying party's side. A crash after the second leaves a spent code that names its redemption;
/// the same request asked again goes on from there.
pub fn open(ctx: &Context, rp: &RelyingParty, idempotency: &Idempotency, opening: &Opening) -> Flow<Opened> {
    let now = ctx.now();
    gate(rp)?;
    let lease = idempotency.lease(rp, now);
    let asked = match ctx.rp_store.read(|conn| admit(ctx, conn, rp, &lease, opening, now))? {
        Admission::Answered(opened) => return Ok(opened),
        Admission::Admitted(asked) => asked,
        Admission::Refused(refusal) => return Err(refuse_on_record(ctx, rp, opening, refusal, now)?),
    };
    let Some(presented) = codes::resolve(ctx, &opening.code, now)? else {
        return Err(refuse_on_record(ctx, rp, opening, Refusal::CodeUnknown, now)?);
    };
    let id = codes::spend(ctx, &presented, rp, &idempotency.mac(ctx, rp), now)?;
    let redemption = challenged(id, rp, opening, asked, &presented, now);
    let kept = seal(ctx, &lease, &Kept { redemption: id })?;
    let mut tries = 0;
    ctx.rp_store.write_statement(|conn| {
        tries += 1;
        // A lost race is one with the same request, which has then been answered.
        if tries > 1
            && let Some(Kept { redemption }) = answered(ctx, conn, &lease)?
        {
            return reopened(conn, rp, redemption);
        }
        openings::insert(
            conn,
            &openings::Opening { redemption: &redemption, lease: &lease, kept: &kept },
            now,
        )?;
        Ok(Opened::of(&redemption))
    })
}

/// What is kept of the answer to an opening: the rest is made from the redemption itself.
#[derive(Serialize, Deserialize)]
struct Kept {
    redemption: RedemptionId,
}

fn reopened(conn: &mut Conn, rp: &RelyingParty, id: RedemptionId) -> Flow<Opened> {
    let redemption = redemptions::find(conn, id, rp.id)?;
    let redemption =
        redemption.ok_or_else(|| anyhow::anyhow!("a redemption that was answered is missing"))?;
    Ok(Opened::of(&redemption))
}

/// What the relying party's side says to an opening.
enum Admission {
    Answered(Opened),
    Admitted(BTreeSet<Attribute>),
    /// Refused, and on record: over-asking leaves a trace.
    Refused(Refusal),
}

fn admit(
    ctx: &Context,
    conn: &mut Conn,
    rp: &RelyingParty,
    lease: &Lease,
    opening: &Opening,
    now: Timestamp,
) -> Flow<Admission> {
    if let Some(Kept { redemption }) = answered(ctx, conn, lease)? {
        return Ok(Admission::Answered(reopened(conn, rp, redemption)?));
    }
    let Some(covered) = rp.purposes.get(&opening.purpose) else {
        return Ok(Admission::Refused(Refusal::PurposeNotRegistered));
    };
    let asked = match &opening.attributes {
        None => covered.clone(),
        Some(asked) if asked.is_subset(covered) => asked.clone(),
        Some(_) => return Ok(Admission::Refused(Refusal::AttributeNotAllowed)),
    };
    limit_misses(conn, rp, &opening.code, now)?;
    Ok(Admission::Admitted(asked))
}

fn challenged(
    id: RedemptionId,
    rp: &RelyingParty,
    opening: &Opening,
    asked: BTreeSet<Attribute>,
    presented: &Presented,
    now: Timestamp,
) -> Redemption {
    Redemption {
        id,
        rp: rp.id,
        certificate: presented.certificate,
        purpose: opening.purpose.clone(),
        asked,
        share: presented.share,
        nonce: random(),
        deadline: later(now, CHALLENGE),
        unusable_attempts: 0,
        state: State::Challenged,
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
    let lease = idempotency.lease(rp, now);
    gate(rp)?;
    if let Some(kept) = ctx.metrics.stage(Stage::RedemptionClaim, || claim(ctx, &lease, now))? {
        let earlier = ctx.rp_store.read(|conn| answers::recall(conn, rp.id, id, &kept))?;
        return earlier.open(ctx, id);
    }
    let judged = challenge_of(ctx, rp, id, &capture, now).and_then(|redemption| {
        let verdict = evaluate(ctx, redemption.certificate, capture, now)?;
        let settle = || settlement::settle(ctx, &lease, &redemption, verdict, now);
        ctx.metrics.stage(Stage::RedemptionSettle, settle)
    });
    if judged.is_err() {
        // Refused or broken before anything was decided: the same request may come again. Should this fail too, the lease
        // runs out by itself.
        let released = ctx.rp_store.write_volatile(|conn| Ok(idempotency::release(conn, &lease)?));
        if released.is_err() {
            tracing::warn!("a lease could not be given back");
        }
    }
    judged
}

/// The open redemption that a capture answers.
fn challenge_of(
    ctx: &Context,
    rp: &RelyingParty,
    id: RedemptionId,
    capture: &Capture,
    now: Timestamp,
) -> Flow<Redemption> {
    let found = ctx.rp_store.read(|conn| Ok(redemptions::find(conn, id, rp.id)?))?;
    let redemption = found.ok_or(Refusal::NotFound)?;
    let is_open = redemption.state == State::Challenged
        && now <= redemption.deadline
        && redemption.unusable_attempts < settlement::MAX_UNUSABLE;
    if !is_open {
        return Err(Refusal::RedemptionClosed.into());
    }
    if *capture.nonce() != redemption.nonce {
        return Err(captures::nonce_mismatch().into());
    }
    Ok(redemption)
}

fn evaluate(ctx: &Context, certificate: CertificateId, capture: Capture, now: Timestamp) -> Flow<Verdict> {
    let certificate = ctx.holder_store.read(|conn| Ok(in_force(referred_to(conn, certificate)?, now)?))?;
    let template =
        ctx.vault.open(&issuance::template_context(certificate.id), &certificate.sealed_template)?;
    let template = Template::from_bytes(&template)?;
    #[cfg(feature = "bench-without-face")]
    if ctx.models.are_absent() {
        return Ok(super::without_face::verdict(capture));
    }
    let observations = match captures::observe(ctx, Lane::Redemption, capture)? {
        Ok(observations) => observations,
        Err(Refusal::CaptureUnusable(reason)) => return Ok(Verdict::Unusable(reason)),
        Err(refusal) => return Err(refusal.into()),
    };
    let judgement = judge_face(&observations, &template, &ctx.models.thresholds());
    let scores = [judgement.comparison_score, judgement.continuity, judgement.liveness];
    if !scores.iter().all(|score| score.is_finite()) {
        // A broken model is our fault: nobody is judged, or billed, by it.
        return Err(anyhow::anyhow!("a model gave a score that is no number").into());
    }
    Ok(Verdict::Judged(judgement))
}

/// A redemption as it stands.
pub enum Shown {
    /// Still waiting for a capture.
    Open(Opened),
    /// Judged, and readable.
    Judged(Box<Judged>),
}

/// Reads a redemption of the relying party; the answer for 72 h, and each reading of it is on record.
pub fn show(ctx: &Context, rp: &RelyingParty, id: RedemptionId) -> Flow<Shown> {
    let now = ctx.now();
    let redemption =
        ctx.rp_store.read(|conn| Ok(redemptions::find(conn, id, rp.id)?.ok_or(Refusal::NotFound)?))?;
    match &redemption.state {
        State::Judged { sealed_answer: Some(sealed), closed_at, .. }
            if now.duration_since(*closed_at) <= READABLE =>
        {
            let judged = answers::open_answer(ctx, id, sealed)?;
            ctx.rp_store.write(|conn| Ok(audit::append(conn, rp.id, "redemption.read", id, "done", now)?))?;
            Ok(Shown::Judged(judged))
        }
        State::Judged { .. } => Err(Refusal::NotFound.into()),
        State::Challenged if now > redemption.deadline => Err(Refusal::RedemptionClosed.into()),
        State::Challenged => Ok(Shown::Open(Opened::of(&redemption))),
    }
}

/// The signed receipts of a redemption's attempts, oldest first. They hold no personal data and stay readable.
pub fn receipts(ctx: &Context, rp: &RelyingParty, id: RedemptionId) -> Flow<Vec<String>> {
    let stored = ctx.rp_store.read(|conn| {
        redemptions::find(conn, id, rp.id)?.ok_or(Refusal::NotFound)?;
        Ok(redemptions::receipts(conn, id, rp.id)?)
    })?;
    stored.iter().map(|receipt| tokens::expand(ctx, receipt)).collect()
}

/// Before any work: is this relying party served?
fn gate(rp: &RelyingParty) -> Result<(), Refusal> {
    if !rp.active {
        return Err(Refusal::RpSuspended);
    }
    if !rp.services.contains(prices::SERVICE.as_str()) {
        return Err(Refusal::ServiceNotBought);
    }
    Ok(())
}

/// Notes a refusal, and counts a wrong code; gives the refusal back.
fn refuse_on_record(
    ctx: &Context,
    rp: &RelyingParty,
    opening: &Opening,
    refusal: Refusal,
    now: Timestamp,
) -> Flow<Stop> {
    ctx.rp_store.write_guarded(|conn| {
        if refusal == Refusal::CodeUnknown {
            count_miss(conn, rp, &opening.code, now)?;
        }
        Ok(audit::append(conn, rp.id, "redemption.open", "-", refusal.code(), now)?)
    })?;
    Ok(refusal.into())
}

fn limit_misses(conn: &mut Conn, rp: &RelyingParty, code: &Code, now: Timestamp) -> Flow<()> {
    if !matches!(code, Code::Numeric(_)) {
        return Ok(());
    }
    for (window, most) in MISSES {
        let start = now.as_second() / window * window;
        if throttles::read(conn, &miss_subject(rp, window), start)? >= most {
            let wait = u32::try_from(start + window - now.as_second()).unwrap_or(1).max(1);
            return Err(Refusal::RateLimited { retry_after: wait }.into());
        }
    }
    Ok(())
}

fn count_miss(conn: &mut Conn, rp: &RelyingParty, code: &Code, now: Timestamp) -> Flow<()> {
    if !matches!(code, Code::Numeric(_)) {
        return Ok(());
    }
    for (window, _) in MISSES {
        throttles::count(conn, &miss_subject(rp, window), now.as_second() / window * window)?;
    }
    Ok(())
}

fn miss_subject(rp: &RelyingParty, window: i64) -> String {
    format!("code-misses/{window}/{}", rp.id)
}
