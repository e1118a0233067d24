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
use wallet_core::es256::sha256;
use wallet_core::face::judgement::judge as judge_face;
use wallet_core::face::{Judgement, Template};
use wallet_core::ids::{RedemptionId, RequestId};
use wallet_core::jws::base64url;
use wallet_core::refusal::Refusal;

use super::codes::{self, Presented, Resolution};
use super::settlement::{self, Answer, Verdict};
use super::{Context, captures, issuance, random};
use crate::billing::price::Service;
use crate::stop::{Flow, Stop};
use crate::store::audit::{self, Entry};
use crate::store::certificates::{self, Certificate};
use crate::store::idempotency::{self, Claim, Lease};
use crate::store::redemptions::{self, Redemption, State};
use crate::store::relying_parties::{self, RelyingParty};
use crate::store::{Conn, throttles};

/// From opening to capture: the person is standing there.
const CHALLENGE: SignedDuration = SignedDuration::from_secs(120);
/// Captures that could not be judged, in one redemption.
const MAX_UNUSABLE: i64 = 5;
/// Longer than any judgement takes; a crashed one frees its key after this.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// How long an answer with personal data can be read again.
const READABLE: SignedDuration = SignedDuration::from_hours(72);
/// Well-formed codes that were not known, per relying party: a minute, and a day.
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

/// An Idempotency-Key with the fingerprint of what was asked under it.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// SHA-256 over the operation and its body.
    pub fingerprint: [u8; 32],
}

/// An open redemption.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opened {
    id: RedemptionId,
    state: String,
    purpose: String,
    asked: BTreeSet<Attribute>,
    /// What the capture must show: nonce (16 bytes, base64url), mode, frames.
    challenge: OpenedChallenge,
}

#[derive(Debug, Serialize, Deserialize)]
struct OpenedChallenge {
    nonce: String,
    mode: String,
    frames: [usize; 2],
    deadline: Timestamp,
}

impl Opened {
    fn of(redemption: &Redemption) -> Self {
        let limits = captures::LIMITS;
        Opened {
            id: redemption.id,
            state: "challenged".to_owned(),
            purpose: redemption.purpose.clone(),
            asked: redemption.asked.clone(),
            challenge: OpenedChallenge {
                nonce: base64url(&redemption.nonce),
                mode: "silent".to_owned(),
                frames: [limits.min_frames, limits.max_frames],
                deadline: redemption.deadline,
            },
        }
    }
}

/// Redeems a code: it is used up from here on, whatever comes of the face.
pub fn open(ctx: &Context, rp: &RelyingParty, idempotency: &Idempotency, opening: &Opening) -> Flow<Opened> {
    let now = ctx.now();
    let lease = lease(rp, idempotency, now);
    let opened = ctx.store.write(|conn| {
        match claim(ctx, conn, &lease, now)? {
            Some(answer) => return Ok(Ok(answer)),
            None => gate(conn, rp)?,
        }
        let asked = match asked(conn, rp, opening)? {
            Ok(asked) => asked,
            Err(refusal) => return refuse_on_record(conn, &lease, rp, refusal, now),
        };
        limit_misses(conn, rp, now)?;
        let presented = match codes::resolve(ctx, conn, &opening.code, now)? {
            Resolution::Presented(presented) => presented,
            Resolution::Redeemed => return Err(Refusal::CodeAlreadyRedeemed.into()),
            Resolution::Unknown => {
                count_miss(conn, rp, now)?;
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
        audit_redemption(conn, rp, redemption.id, "redemption.open", "challenged", now)?;
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
        deadline: now.saturating_add(CHALLENGE).unwrap_or(Timestamp::MAX),
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
    let lease = lease(rp, idempotency, now);
    let begun = ctx.store.write(|conn| begin(ctx, conn, &lease, rp, id, &capture, now))?;
    let (redemption, certificate) = match begun {
        Begun::Answered(answer) => return Ok(*answer),
        Begun::Ready(redemption, certificate) => (*redemption, *certificate),
    };
    let judged = evaluate(ctx, &certificate, capture)
        .and_then(|verdict| settlement::settle(ctx, &lease, &redemption, &verdict, now));
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
    if let Some(answer) = claim(ctx, conn, lease, now)? {
        return Ok(Begun::Answered(Box::new(answer)));
    }
    gate(conn, rp)?;
    let redemption = redemptions::find(conn, id, rp.id)?.ok_or(Refusal::NotFound)?;
    let is_open = redemption.state == State::Challenged
        && now <= redemption.deadline
        && redemption.unusable_attempts < MAX_UNUSABLE;
    if !is_open {
        return Err(Refusal::RedemptionClosed.into());
    }
    if *capture.nonce() != redemption.nonce {
        return Err(captures::nonce_mismatch().into());
    }
    let certificate = in_force(conn, &redemption, now)?;
    Ok(Begun::Ready(Box::new(redemption), Box::new(certificate)))
}

/// The certificate of a redemption, if it still is in force.
pub(super) fn in_force(conn: &mut Conn, redemption: &Redemption, now: Timestamp) -> Flow<Certificate> {
    let certificate = certificates::find(conn, redemption.certificate)?;
    let certificate = certificate.ok_or_else(|| anyhow::anyhow!("a redemption without its certificate"))?;
    if certificate.in_force(now) { Ok(certificate) } else { Err(Refusal::CertificateRevoked.into()) }
}

fn evaluate(ctx: &Context, certificate: &Certificate, capture: Capture) -> Flow<Verdict> {
    let template =
        ctx.vault.open(&issuance::template_context(certificate.id), &certificate.sealed_template)?;
    let template = Template::from_bytes(&template)?;
    let observations = match captures::observe(ctx, capture)? {
        Ok(observations) => observations,
        Err(Refusal::CaptureUnusable(reason)) => return Ok(Verdict::Unusable(reason)),
        Err(refusal) => return Err(refusal.into()),
    };
    let judgement: Judgement = judge_face(&observations, &template, &ctx.models.thresholds());
    Ok(Verdict::Judged(judgement))
}

/// A redemption as it stands.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Shown {
    /// Still waiting for a capture.
    Open(Opened),
    /// Judged, and readable.
    Judged(Box<Answer>),
}

/// Reads a redemption of the relying party; the answer for 72 h.
pub fn show(ctx: &Context, rp: &RelyingParty, id: RedemptionId) -> Flow<Shown> {
    let now = ctx.now();
    let redemption = ctx.store.write(|conn| {
        let found = redemptions::find(conn, id, rp.id)?.ok_or(Refusal::NotFound)?;
        audit_redemption(conn, rp, id, "redemption.read", "done", now)?;
        Ok(found)
    })?;
    match &redemption.state {
        State::Judged { sealed_answer, closed_at, .. } if now.duration_since(*closed_at) <= READABLE => {
            let answer = ctx.vault.open_json(&settlement::answer_context(id), sealed_answer)?;
            Ok(Shown::Judged(Box::new(answer)))
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
    if !relying_parties::has_bought(conn, rp.id, Service::EcertRedeem.as_str())? {
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
    let actor = rp.id.to_string();
    let entry = Entry { actor: &actor, action: "redemption.open", object: "-", outcome: refusal.code() };
    audit::append(conn, &entry, now)?;
    Ok(Err(refusal))
}

fn limit_misses(conn: &mut Conn, rp: &RelyingParty, now: Timestamp) -> Flow<()> {
    for (window, most) in MISSES {
        let start = now.as_second() / window * window;
        if throttles::read(conn, &miss_subject(rp, window), start)? >= most {
            let wait = u32::try_from(start + window - now.as_second()).unwrap_or(1).max(1);
            return Err(Refusal::RateLimited { retry_after: wait }.into());
        }
    }
    Ok(())
}

fn count_miss(conn: &mut Conn, rp: &RelyingParty, now: Timestamp) -> Flow<()> {
    for (window, _) in MISSES {
        throttles::count(conn, &miss_subject(rp, window), now.as_second() / window * window)?;
    }
    Ok(())
}

fn miss_subject(rp: &RelyingParty, window: i64) -> String {
    format!("code-misses/{window}/{}", rp.id)
}

fn lease(rp: &RelyingParty, idempotency: &Idempotency, now: Timestamp) -> Lease {
    Lease {
        rp: rp.id,
        key: idempotency.key.clone(),
        fingerprint: idempotency.fingerprint,
        by: RequestId::new(now, &mut rand::rng()),
        until: now.saturating_add(LEASE).unwrap_or(Timestamp::MAX),
    }
}

/// Claims the key: `None` when it is ours, the answer when it was given before.
fn claim<T: serde::de::DeserializeOwned>(
    ctx: &Context,
    conn: &mut Conn,
    lease: &Lease,
    now: Timestamp,
) -> Flow<Option<T>> {
    match idempotency::claim(conn, lease, now)? {
        Claim::Claimed => Ok(None),
        Claim::Answered(sealed) => Ok(Some(ctx.vault.open_json(&key_context(lease), &sealed)?)),
        Claim::Running => Err(Refusal::RequestInProgress.into()),
        Claim::OtherRequest => Err(Refusal::IdempotencyKeyReused.into()),
    }
}

/// Stores the answer under the key, in the transaction that decided it.
pub(super) fn finish(ctx: &Context, conn: &mut Conn, lease: &Lease, answer: &impl Serialize) -> Flow<()> {
    let sealed = ctx.vault.seal_json(&key_context(lease), answer)?;
    if idempotency::finish(conn, lease, &sealed)? {
        Ok(())
    } else {
        Err(Stop::Refused(Refusal::RequestInProgress))
    }
}

fn key_context(lease: &Lease) -> String {
    format!("idempotency_keys.answer {} {}", lease.rp, base64url(&sha256(lease.key.as_bytes())))
}

pub(super) fn audit_redemption(
    conn: &mut Conn,
    rp: &RelyingParty,
    id: RedemptionId,
    action: &'static str,
    outcome: &str,
    now: Timestamp,
) -> Flow<()> {
    let (actor, object) = (rp.id.to_string(), id.to_string());
    Ok(audit::append(conn, &Entry { actor: &actor, action, object: &object, outcome }, now)?)
}
