//! Liveness sessions: a relying party is given a challenge for a person in front of its camera, and what it captures is judged. Who
//! the person is stays open: nothing is compared, and nothing of the face is kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::capture::Capture;
use wallet_core::face::challenge::Asked;
use wallet_core::face::judgement::judge as judge_face;
use wallet_core::face::{Comparison, Liveness, Mode, Reason, Thresholds};
use wallet_core::ids::LivenessSessionId;
use wallet_core::redemption::MAX_CAPTURES;
use wallet_core::refusal::Refusal;

use super::callers::RelyingParty;
use super::captures::{self, Challenge};
use super::charging::gate;
use super::idempotency::Idempotency;
use super::uses::{self, Call, End, Outcome, Verdict};
use super::{Context, random};
use crate::billing::price::Service;
use crate::edge::models::Lane;
use crate::stop::Flow;
use crate::store::liveness_sessions::{self as sessions, LivenessSession};
use crate::store::{Conn, audit};

/// A session as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = LivenessSession)]
pub struct Session {
    id: LivenessSessionId,
    state: &'static str,
    /// While a capture is awaited.
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<Challenge>,
}

impl Session {
    fn of(session: &LivenessSession, now: Timestamp) -> Session {
        let state = match session.passed {
            Some(true) => "passed",
            Some(false) => "failed",
            None if is_open(session, now) => "challenged",
            None => "expired",
        };
        let challenge = is_open(session, now).then(|| Challenge::from(&session.challenge));
        Session { id: session.id, state, challenge }
    }
}

fn is_open(session: &LivenessSession, now: Timestamp) -> bool {
    session.passed.is_none()
        && now <= session.challenge.deadline
        && session.unusable_attempts < i64::from(MAX_CAPTURES)
}

/// What a session's capture came to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LivenessJudgement {
    session: LivenessSessionId,
    reasons: Vec<Reason>,
    /// Lowest score between two frames of the capture.
    continuity: f32,
    /// Mean passive probability of a live face.
    liveness: f32,
    /// How the challenge was done; none in the silent mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    challenge: Option<Liveness>,
    thresholds: Thresholds,
}

/// Opens a session in this mode. It costs nothing.
pub fn open(ctx: &Context, rp: &RelyingParty, mode: Mode) -> Flow<Session> {
    gate(ctx, rp, Service::FaceLiveness, None)?;
    let now = ctx.now();
    let session = LivenessSession {
        id: LivenessSessionId::new(now, &mut rand::rng()),
        rp: rp.id,
        challenge: Asked::now(mode, random(), now),
        unusable_attempts: 0,
        passed: None,
    };
    ctx.rp_store.write(|conn| {
        sessions::insert(conn, &session, now)?;
        Ok(audit::append(conn, rp.id, "liveness_session.open", session.id, "done", now)?)
    })?;
    Ok(Session::of(&session, now))
}

/// How a session stands.
pub fn show(ctx: &Context, rp: &RelyingParty, id: LivenessSessionId) -> Flow<Session> {
    let found = ctx.rp_store.read(|conn| Ok(sessions::find(conn, id, rp.id)?.ok_or(Refusal::NotFound)?))?;
    Ok(Session::of(&found, ctx.now()))
}

/// Judges a capture: passed or failed is charged and ends the session; unusable is not, and may be tried again.
pub fn judge(
    ctx: &Context,
    rp: &RelyingParty,
    id: LivenessSessionId,
    idempotency: &Idempotency,
    capture: Capture,
) -> Flow<Outcome<LivenessJudgement>> {
    let call = Call { rp, service: Service::FaceLiveness, idempotency };
    let work = || {
        let now = ctx.now();
        let asked = challenge_of(ctx, rp, id, &capture, now)?;
        let (seen, ()) = captures::observe(ctx, Lane::Use, asked, capture, now, |_, _| Ok(()))??;
        let (scale, thresholds) = (ctx.models.scale(), ctx.models.thresholds());
        let judgement = judge_face(&seen.observations, &of_nobody(), &scale, &thresholds);
        let judgement = judgement.with(seen.examined, &thresholds);
        let answer = LivenessJudgement {
            session: id,
            reasons: judgement.reasons,
            continuity: judgement.continuity,
            liveness: judgement.liveness,
            challenge: judgement.challenge,
            thresholds,
        };
        let reason = answer.reasons.first().map(|reason| reason.code());
        Ok(Verdict { passed: reason.is_none(), reason, answer })
    };
    uses::metered(ctx, call, work, |conn, end| close(conn, rp, id, end))
}

/// Whose face it is does not matter: it compares well with whomever it should.
fn of_nobody() -> Comparison {
    Comparison { score: 1.0, threshold: 0.0, models: Vec::new() }
}

/// What a capture must show that answers an open session of the relying party.
pub(super) fn challenge_of(
    ctx: &Context,
    rp: &RelyingParty,
    id: LivenessSessionId,
    capture: &Capture,
    now: Timestamp,
) -> Flow<Asked> {
    let session = ctx.rp_store.read(|conn| Ok(sessions::find(conn, id, rp.id)?))?;
    let session = session.ok_or(Refusal::NotFound)?;
    if !is_open(&session, now) {
        return Err(Refusal::LivenessSessionClosed.into());
    }
    if *capture.nonce() != session.challenge.nonce {
        return Err(captures::nonce_mismatch().into());
    }
    Ok(session.challenge)
}

/// Ends a session with what became of its capture, or counts a capture that could not be judged. Beside the charge: two captures
/// at once are charged once.
pub(super) fn close(conn: &mut Conn, rp: &RelyingParty, id: LivenessSessionId, end: End) -> Flow<()> {
    let closed = match end {
        End::Unusable => {
            sessions::count_unusable(conn, id, rp.id)?;
            true
        }
        End::Passed | End::Failed => sessions::close(conn, id, rp.id, end == End::Passed)?,
    };
    if closed { Ok(()) } else { Err(Refusal::LivenessSessionClosed.into()) }
}
