//! Redemption: a relying party submits a code, the person is captured, the face is judged, the use is billed once.
//!
//! [`open`] is one transaction. [`judge`] is two, around the models' work: the first claims the idempotency key and
//! checks that judging makes sense, the second decides, charges and answers. A crash between them leaves a lease that
//! runs out, and nothing else.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use wallet_core::attributes::Attribute;
use wallet_core::capture::Capture;
use wallet_core::code::Code;
use wallet_core::face::Template;
use wallet_core::face::judgement::judge as judge_face;
use wallet_core::ids::RedemptionId;
use wallet_core::refusal::Refusal;

use super::callers::RelyingParty;
use super::captures::{self, Challenge};
use super::certificates::{in_force, referred_to};
use super::codes::{self, Presented, Resolution};
use super::idempotency::{Idempotency, claim, finish};
use super::retention::READABLE;
use super::settlement::{self, Answer, Judged, Verdict};
use super::{Context, issuance, later, metering, random};
use crate::edge::metrics::Stage;
use crate::edge::models::Lane;
use crate::stop::Flow;
use crate::store::certificates::Certificate;
use crate::store::idempotency::{self, Lease};
use crate::store::redemptions::{self, Redemption, State};
use crate::store::{Conn, audit, relying_parties, throttles};

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
pub fn open(ctx: &Context, rp: &RelyingParty, idempotency: &Idempotency, opening: &Opening) -> Flow<Opened> {
    let now = ctx.now();
    let lease = idempotency.lease(rp, now);
    let opened = ctx.store.write(|conn| {
        gate(conn, rp)?;
        if let Some(answer) = claim(ctx, conn, &lease, now)? {
            return Ok(Ok(answer));
        }
        let asked = match asked(conn, rp, opening)? {
            Ok(asked) => asked,
            Err(refusal) => return refuse_on_record(conn, &lease, rp, refusal, now),
        };
        limit_misses(conn, rp, &opening.code, now)?;
        let presented = match codes::resolve(ctx, conn, &opening.code, now)? {
            Resolution::Presented(presented) => presented,
            Resolution::Redeemed => return Err(Refusal::CodeAlreadyRedeemed.into()),
            Resolution::Unknown => {
                count_miss(conn, rp, &opening.code, now)?;
                return refuse_on_record(conn, &lease, rp, Refusal::CodeUnknown, now);
            }
        };
        if !presented.certificate.in_force(now) {
            return Err(Refusal::CertificateRevoked.into());
        }
        let redemption = challenged(rp, opening, asked, &presented, now);
        redemptions::insert(conn, &redemption, &presented.code_id, now)?;
        codes::spend(ctx, conn, &opening.code)?;
        let opened = Opened::of(&redemption);
        finish(ctx, conn, &lease, &opened)?;
        audit::append(conn, rp.id, "redemption.open", redemption.id, "challenged", now)?;
        Ok(Ok(opened))
    })?;
    Ok(opened?)
}

fn challenged(
    rp: &RelyingParty,
    opening: &Opening,
    asked: BTreeSet<Attribute>,
    presented: &Presented,
    now: Timestamp,
) -> Redemption {
    Redemption {
        id: RedemptionId::new(now, &mut rand::rng()),
        rp: rp.id,
        certificate: presented.certificate.id,
        purpose: opening.purpose.clone(),
        asked,
        share: presented.share,
        nonce: random(),
        deadline: later(now, CHALLENGE),
        unusable_attempts: 0,
        state: State::Challenged,
    }
}

/// Judges a capture: passed or failed is charged, in the same transaction; unusable is not, and may be tried again.
pub fn judge(
    ctx: &Context,
    rp: &RelyingParty,
    id: RedemptionId,
    idempotency: &Idempotency,
    capture: Capture,
) -> Flow<Answer> {
    let now = ctx.now();
    let lease = idempotency.lease(rp, now);
    let begun = ctx.metrics.stage(Stage::RedemptionClaim, || {
        ctx.store.write(|conn| begin(ctx, conn, &lease, rp, id, &capture, now))
    })?;
    let (redemption, certificate) = match begun {
        Begun::Answered(answer) => return Ok(*answer),
        Begun::Ready(redemption, certificate) => (*redemption, *certificate),
    };
    let settle = |verdict| settlement::settle(ctx, &lease, &redemption, &verdict, now);
    let judged = evaluate(ctx, &certificate, capture)
        .and_then(|verdict| ctx.metrics.stage(Stage::RedemptionSettle, || settle(verdict)))
        .inspect(|answer| metering::count(ctx, answer));
    if judged.is_err() {
        // Refused or broken before anything was decided: the same request may come again.
        ctx.store.write(|conn| Ok(idempotency::release(conn, &lease)?))?;
    }
    judged
}

enum Begun {
    Answered(Box<Answer>),
    Ready(Box<Redemption>, Box<Certificate>),
}

fn begin(
    ctx: &Context,
    conn: &mut Conn,
    lease: &Lease,
    rp: &RelyingParty,
    id: RedemptionId,
    capture: &Capture,
    now: Timestamp,
) -> Flow<Begun> {
    gate(conn, rp)?;
    if let Some(answer) = claim(ctx, conn, lease, now)? {
        return Ok(Begun::Answered(Box::new(answer)));
    }
    let redemption = redemptions::find(conn, id, rp.id)?.ok_or(Refusal::NotFound)?;
    let is_open = redemption.state == State::Challenged
        && now <= redemption.deadline
        && redemption.unusable_attempts < settlement::MAX_UNUSABLE;
    if !is_open {
        return Err(Refusal::RedemptionClosed.into());
    }
    if *capture.nonce() != redemption.nonce {
        return Err(captures::nonce_mismatch().into());
    }
    let certificate = in_force(referred_to(conn, redemption.certificate)?, now)?;
    Ok(Begun::Ready(Box::new(redemption), Box::new(certificate)))
}

fn evaluate(ctx: &Context, certificate: &Certificate, capture: Capture) -> Flow<Verdict> {
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
        ctx.store.read(|conn| Ok(redemptions::find(conn, id, rp.id)?.ok_or(Refusal::NotFound)?))?;
    match &redemption.state {
        State::Judged { sealed_answer: Some(sealed), closed_at, .. }
            if now.duration_since(*closed_at) <= READABLE =>
        {
            let judged = ctx.vault.open_json(&settlement::answer_context(id), sealed)?;
            ctx.store.write(|conn| Ok(audit::append(conn, rp.id, "redemption.read", id, "done", now)?))?;
            Ok(Shown::Judged(judged))
        }
        State::Judged { .. } => Err(Refusal::NotFound.into()),
        State::Challenged if now > redemption.deadline => Err(Refusal::RedemptionClosed.into()),
        State::Challenged => Ok(Shown::Open(Opened::of(&redemption))),
    }
}

/// The signed receipts of a redemption's attempts, oldest first. They hold no personal data and stay readable.
pub fn receipts(ctx: &Context, rp: &RelyingParty, id: RedemptionId) -> Flow<Vec<String>> {
    ctx.store.read(|conn| {
        redemptions::find(conn, id, rp.id)?.ok_or(Refusal::NotFound)?;
        Ok(redemptions::receipts(conn, id, rp.id)?)
    })
}

/// Before any work: is this relying party served?
fn gate(conn: &mut Conn, rp: &RelyingParty) -> Flow<()> {
    if !rp.active {
        return Err(Refusal::RpSuspended.into());
    }
    if !relying_parties::has_bought(conn, rp.id, settlement::SERVICE.as_str())? {
        return Err(Refusal::ServiceNotBought.into());
    }
    Ok(())
}

fn asked(
    conn: &mut Conn,
    rp: &RelyingParty,
    opening: &Opening,
) -> Flow<Result<BTreeSet<Attribute>, Refusal>> {
    let Some(covered) = relying_parties::purpose(conn, rp.id, &opening.purpose)? else {
        return Ok(Err(Refusal::PurposeNotRegistered));
    };
    Ok(match &opening.attributes {
        None => Ok(covered),
        Some(asked) if asked.is_subset(&covered) => Ok(asked.clone()),
        Some(_) => Err(Refusal::AttributeNotAllowed),
    })
}

/// Refuses, but keeps what was counted and noted in this transaction: over-asking and guessing leave a trace.
fn refuse_on_record<T>(
    conn: &mut Conn,
    lease: &Lease,
    rp: &RelyingParty,
    refusal: Refusal,
    now: Timestamp,
) -> Flow<Result<T, Refusal>> {
    idempotency::release(conn, lease)?;
    audit::append(conn, rp.id, "redemption.open", "-", refusal.code(), now)?;
    Ok(Err(refusal))
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
