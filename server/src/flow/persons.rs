//! Real-person verification for a relying party: an identity document and a live face, judged together. Nothing of them is kept.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::capture::Capture;
use wallet_core::document::DocumentNumber;
use wallet_core::ecert::AssuranceLevel;
use wallet_core::face::judgement::judge as judge_face;
use wallet_core::face::{Judgement, Observation, Thresholds};
use wallet_core::ids::LivenessSessionId;
use wallet_core::onnx::{Engine, IdCardReading};
use wallet_core::refusal::Refusal;

use super::callers::RelyingParty;
use super::idempotency::Idempotency;
use super::uses::{self, Call, Outcome, Verdict};
use super::{Context, captures, enrolments, faces, liveness_sessions};
use crate::billing::price::Service;
use crate::edge::models::Lane;
use crate::edge::source::Confirmation;
use crate::stop::Flow;

/// What is submitted.
pub struct Submission {
    /// Whose challenge the capture answers; it is used up.
    pub session: LivenessSessionId,
    /// The side of the card with the portrait.
    pub front: Vec<u8>,
    /// The side with the validity.
    pub back: Vec<u8>,
    /// The live face.
    pub capture: Capture,
}

/// What a verification came to. Of the document's data nothing is repeated: the relying party has sent it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PersonVerification {
    session: LivenessSessionId,
    /// Why it failed: those of the judgement, or `source-not-found`.
    reasons: Vec<String>,
    /// The live face against the portrait on the card.
    judgement: Judgement,
    thresholds: Thresholds,
    /// Whether the card's pictures look taken of a screen. No proof, so that nobody fails by it.
    screen_suspected: bool,
    /// Who was asked whether name and number belong together.
    source: String,
    /// How well the person is known, when it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    assurance_level: Option<AssuranceLevel>,
}

/// `persons:verify`: the card is read, its portrait compared with the live face, name and number confirmed by the authoritative
/// source. Passed when all of it holds.
pub fn verify(
    ctx: &Context,
    rp: &RelyingParty,
    idempotency: &Idempotency,
    submission: Submission,
) -> Flow<Outcome<PersonVerification>> {
    if rp.sandbox {
        // It would ask the authoritative source about somebody.
        return Err(Refusal::LiveOnly.into());
    }
    let call = Call { rp, service: Service::PersonVerify, idempotency };
    let session = submission.session;
    let work = || judge(ctx, rp, submission);
    uses::metered(ctx, call, work, |conn, end| liveness_sessions::close(conn, rp, session, end))
}

fn judge(ctx: &Context, rp: &RelyingParty, submission: Submission) -> Flow<Verdict<PersonVerification>> {
    let Submission { session, front, back, capture } = submission;
    let (now, today) = (ctx.now(), ctx.today());
    // Before the models have any work with it.
    let asked = liveness_sessions::challenge_of(ctx, rp, session, &capture, now)?;
    let read = faces::on_worker(ctx, move |engine| enrolments::read_card(engine, &front, &back, today));
    let IdCardReading { card, portrait, screen_suspected, .. } = read?;
    let portrait = portrait.template;
    let compare = move |engine: &mut Engine, frames: &mut [Observation]| engine.compare(frames, &portrait);
    let (seen, comparison) = captures::observe(ctx, Lane::Use, asked, capture, now, compare)??;
    let (scale, thresholds) = (ctx.models.scale(), ctx.models.thresholds());
    let judgement = judge_face(&seen.observations, &comparison, &scale, &thresholds);
    let judgement = judgement.with(seen.examined, &thresholds);
    let mut reasons: Vec<&'static str> = judgement.reasons.iter().map(|reason| reason.code()).collect();
    let mut assurance_level = None;
    // The source is asked only about whoever showed their own card.
    if judgement.passed {
        match ctx.source.confirm(&card.name, &DocumentNumber::Citizen(card.number.clone()))? {
            Confirmation::Confirmed(level) => assurance_level = Some(level),
            Confirmation::NotFound => reasons.push("source-not-found"),
        }
    }
    let reason = reasons.first().copied();
    let answer = PersonVerification {
        session,
        reasons: reasons.into_iter().map(str::to_owned).collect(),
        judgement,
        thresholds,
        screen_suspected,
        source: ctx.source.name().to_owned(),
        assurance_level,
    };
    Ok(Verdict { passed: reason.is_none(), reason, answer })
}
