//! What the two ways of proving who one is, with a document and by recovery, have in common: the row of it, its tries, what a face is
//! worth, and its answer.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use wallet_core::capture::Capture;
use wallet_core::es256::sha256;
use wallet_core::face::challenge::Asked;
use wallet_core::face::judgement::judge;
use wallet_core::face::{self, Comparison};
use wallet_core::ids::{ConsentId, EnrolmentId};
use wallet_core::jws::{self, base64url};
use wallet_core::refusal::{Reason, Refusal};

use super::callers::Device;
use super::captures::{self, Seen};
use super::issuer::{CONSENT_VERSION, ConsentPurpose};
use super::{Context, issuance, issuing_guard, later, random, sponsorships};
use crate::edge::metrics::Stage;
use crate::stop::{Flow, Stop};
pub use crate::store::enrolments::Kind;
use crate::store::enrolments::{self, Enrolment, State};
use crate::store::{self, Conn, audit};

/// From consent to certificate. Two minutes are meant; an hour lets a person find their card.
pub(super) const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// How long an access token is good for.
pub(super) const TOKEN: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Documents and captures submitted in one enrolment. Honest people need two or three; an attacker who tunes a fake
/// against our answers gets no more than this.
const MAX_TRIES: i64 = 12;
/// Under this age a guardian must approve as well, which is not possible yet (人脸识别技术应用安全管理办法, art. 10).
const GUARDIAN_AGE: i32 = 14;

/// What the holder agreed to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The version of the text that was shown.
    pub version: String,
    /// The purposes that were agreed to.
    pub purposes: BTreeSet<ConsentPurpose>,
}

impl Consent {
    /// All three purposes, in the current version.
    pub(super) fn is_whole(&self) -> bool {
        self.version == CONSENT_VERSION && self.purposes == ConsentPurpose::ALL.into()
    }
}

/// A started enrolment.
#[derive(Serialize, ToSchema)]
#[schema(as = EnrolmentStarted)]
pub struct Started {
    id: EnrolmentId,
    access_token: String,
    token_type: &'static str,
    /// The enrolment must be finished by then.
    enrolment_expires_at: Timestamp,
    token_expires_at: Timestamp,
    /// JWS: what was agreed to, when, signed by us for the holder to keep.
    consent_receipt: String,
}

/// How an enrolment ended.
#[derive(Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Enrolled {
    /// A certificate was issued.
    Approved(Box<issuance::Issued>),
    /// Set aside for a person to decide, which nobody can do yet (docs/SECURITY.md, "Not yet").
    Referred {
        /// Why.
        reason: &'static str,
    },
}

/// Whether a person may enrol without a guardian.
pub(super) fn of_age(birth: Date, today: Date) -> Result<(), Refusal> {
    if birth.saturating_add(GUARDIAN_AGE.years()) <= today {
        return Ok(());
    }
    let hint = ("未满十四周岁须由监护人共同办理", "Under 14, a guardian must enrol together with you").into();
    Err(Refusal::EnrolmentRefused(Reason { code: "guardian-required", field: None, hint }))
}

/// Writes an enrolment that begins, by either way, and gives its device an access token.
pub(super) fn begin(
    ctx: &Context,
    device: &Device,
    seemed: &super::devices::Impression,
    enrolment: &Enrolment,
    action: &'static str,
    now: Timestamp,
) -> Flow<Started> {
    issuing_guard::ensure_usable(ctx, &device.key)?;
    let token_expires_at = later(now, TOKEN);
    let consent_id = ConsentId::new(now, &mut rand::rng());
    let consent_receipt = sign_consent(ctx, consent_id, enrolment, now)?;
    let access_token = fresh_token();
    ctx.holder_store.write(|conn| {
        if let Some(sponsorship) = enrolment.sponsorship {
            sponsorships::check(conn, sponsorship, now)?;
        }
        let token_hash = sha256(access_token.as_bytes());
        store::devices::put(conn, device, &token_hash, token_expires_at, seemed.risk, now)?;
        super::devices::keep_signals(ctx, conn, &device.jkt, &seemed.signals)?;
        enrolments::insert(conn, enrolment, now)?;
        enrolments::insert_consent(conn, consent_id, enrolment.id, CONSENT_VERSION, &consent_receipt, now)?;
        Ok(audit::append(conn, &device.jkt, action, enrolment.id, "done", now)?)
    })?;
    Ok(Started {
        id: enrolment.id,
        access_token,
        token_type: "DPoP",
        enrolment_expires_at: enrolment.expires_at,
        token_expires_at,
        consent_receipt,
    })
}

/// A new access token.
pub(super) fn fresh_token() -> String {
    format!("et_{}", base64url(&random::<32>()))
}

fn sign_consent(ctx: &Context, id: ConsentId, enrolment: &Enrolment, now: Timestamp) -> Flow<String> {
    let claims = json!({
        "iss": ctx.public_url, "jti": id, "iat": now.as_second(), "enrolment": enrolment.id,
        "jkt": enrolment.device_jkt, "version": CONSENT_VERSION, "purposes": ConsentPurpose::ALL,
        "verifiers": [ctx.source.name()],
    });
    let signer = ctx.signer.current();
    Ok(jws::sign("ecert-consent+jwt", signer.header(), &claims, signer.as_ref())?)
}

/// The enrolment that a capture is for: the try is counted, the capture answers its challenge, and the device signed it.
pub(super) fn claim(
    ctx: &Context,
    device: &Device,
    id: EnrolmentId,
    kind: Kind,
    capture: &Capture,
    signature: &[u8],
) -> Flow<(Enrolment, Asked, Timestamp)> {
    issuing_guard::ensure_room(ctx)?;
    let is_due = |state: &State| matches!(state, State::Challenged { .. });
    let begun = || begin_try(ctx, device, id, kind, is_due);
    let enrolment = ctx.metrics.stage(Stage::EnrolmentClaim, begun)?;
    let now = ctx.now();
    let State::Challenged { challenge, .. } = enrolment.state else {
        return Err(not_at_this_step(&enrolment.state));
    };
    if *capture.nonce() != challenge.nonce || now > challenge.deadline {
        return Err(captures::nonce_mismatch().into());
    }
    if capture.verify(&device.key, signature).is_err() {
        let why = "the capture's signature is not by this device key";
        return Err(Refusal::Unauthenticated { why }.into());
    }
    Ok((enrolment, challenge, now))
}

/// Whether a capture shows the person, alive.
pub(super) enum Verdict {
    Same,
    Again(Refusal),
    Other,
}

pub(super) fn verdict(ctx: &Context, seen: &Seen, comparison: &Comparison) -> Verdict {
    let (scale, thresholds) = (ctx.models.scale(), ctx.models.thresholds());
    let judgement = judge(&seen.observations, comparison, &scale, &thresholds);
    let judgement = judgement.with(seen.examined.clone(), &thresholds);
    // Nothing is charged here, and the tries are counted: whoever does not seem to be live may show it once more.
    if let Some(reason) = judgement.reasons.iter().find(|reason| reason.is_of_liveness()) {
        let hint = ("未能确认为本人实时拍摄，请重试", "This did not look like a live face; try again").into();
        return Verdict::Again(Refusal::CaptureUnusable(Reason { code: reason.code(), field: None, hint }));
    }
    if judgement.reasons.contains(&face::Reason::FaceMismatch) {
        return Verdict::Other;
    }
    if judgement.reasons.contains(&face::Reason::NotOnePerson) {
        return Verdict::Again(face::Unusable::NotOnePerson.into());
    }
    Verdict::Same
}

/// Ends an enrolment without a certificate, and says so.
pub(super) fn refuse<T>(
    ctx: &Context,
    enrolment: &Enrolment,
    action: &'static str,
    refusal: Refusal,
) -> Flow<T> {
    refuse_and(ctx, enrolment, action, refusal, |_, _| Ok(()))
}

/// The same, with something else in the same transaction.
pub(super) fn refuse_and<T>(
    ctx: &Context,
    enrolment: &Enrolment,
    action: &'static str,
    refusal: Refusal,
    also: impl FnMut(&mut Conn, Timestamp) -> Flow<()>,
) -> Flow<T> {
    let to = State::Refused { reason: refusal.reason().unwrap_or("refused").to_owned() };
    advance_and(ctx, enrolment, &to, (action, "refused"), also)?;
    Err(refusal.into())
}

pub(super) fn advance(
    ctx: &Context,
    from: &Enrolment,
    to: &State,
    action: &'static str,
    outcome: &str,
) -> Flow<()> {
    advance_and(ctx, from, to, (action, outcome), |_, _| Ok(()))
}

fn advance_and(
    ctx: &Context,
    from: &Enrolment,
    to: &State,
    (action, outcome): (&'static str, &str),
    mut also: impl FnMut(&mut Conn, Timestamp) -> Flow<()>,
) -> Flow<()> {
    let now = ctx.now();
    ctx.holder_store.write(|conn| {
        also(conn, now)?;
        enrolments::advance(conn, from, to)?.map_err(|current| not_at_this_step(&current))?;
        Ok(audit::append(conn, &from.device_jkt, action, from.id, outcome, now)?)
    })
}

/// Counts a try in a transaction of its own, so that it stays counted whatever comes of it.
pub(super) fn begin_try(
    ctx: &Context,
    device: &Device,
    id: EnrolmentId,
    kind: Kind,
    is_due: fn(&State) -> bool,
) -> Flow<Enrolment> {
    let now = ctx.now();
    ctx.holder_store.write(|conn| {
        let enrolment = find(conn, device, id, kind, now)?;
        if !is_due(&enrolment.state) {
            return Err(not_at_this_step(&enrolment.state));
        }
        if enrolment.tries >= MAX_TRIES {
            let left = enrolment.expires_at.duration_since(now).as_secs();
            return Err(Refusal::RateLimited { retry_after: u32::try_from(left).unwrap_or(1).max(1) }.into());
        }
        enrolments::count_try(conn, id)?;
        Ok(enrolment)
    })
}

/// A try that was not looked at, because we had too much to do, is given back.
pub(super) fn or_give_back<T>(ctx: &Context, id: EnrolmentId, tried: Flow<T>) -> Flow<T> {
    if matches!(tried, Err(Stop::Refused(Refusal::Overloaded { .. }))) {
        ctx.holder_store.write(|conn| Ok(enrolments::give_back_try(conn, id)?))?;
    }
    tried
}

pub(super) fn find(
    conn: &mut Conn,
    device: &Device,
    id: EnrolmentId,
    kind: Kind,
    now: Timestamp,
) -> Flow<Enrolment> {
    let found = enrolments::find(conn, id, &device.jkt)?.filter(|found| found.kind == kind);
    let found = found.ok_or(Refusal::NotFound)?;
    if found.is_expired(now) {
        return Err(Refusal::EnrolmentNotAtThisStep { state: "expired" }.into());
    }
    Ok(found)
}

/// An enrolment as its device sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Enrolment)]
pub struct Shown {
    id: EnrolmentId,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    enrolment_expires_at: Timestamp,
    /// What was issued, for an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued: Option<Box<issuance::Issued>>,
}

/// How far an enrolment is, and what was issued in it.
pub fn show(ctx: &Context, device: &Device, id: EnrolmentId, kind: Kind) -> Flow<Shown> {
    let now = ctx.now();
    let (found, kept) = ctx.holder_store.read(|conn| {
        let found = enrolments::find(conn, id, &device.jkt)?.filter(|found| found.kind == kind);
        Ok((found.ok_or(Refusal::NotFound)?, enrolments::kept_answer(conn, id, now)?))
    })?;
    let issued = kept.map(|kept| issuance::open_answer(ctx, id, &kept)).transpose()?;
    let reason = match &found.state {
        State::Referred { reason, .. } | State::Refused { reason } => Some(reason.clone()),
        _ => None,
    };
    let state = if found.is_expired(now) { "expired" } else { found.state.name() };
    Ok(Shown { id, state, reason, enrolment_expires_at: found.expires_at, issued })
}

/// What was answered before, where the enrolment was approved already: the answer may have been lost on its way.
pub(super) fn or_earlier(ctx: &Context, id: EnrolmentId, outcome: Flow<Enrolled>) -> Flow<Enrolled> {
    if !matches!(outcome, Err(Stop::Refused(Refusal::EnrolmentNotAtThisStep { state: "approved" }))) {
        return outcome;
    }
    let now = ctx.now();
    match ctx.holder_store.read(|conn| Ok(enrolments::kept_answer(conn, id, now)?))? {
        Some(kept) => Ok(Enrolled::Approved(issuance::open_answer(ctx, id, &kept)?)),
        None => outcome,
    }
}

pub(super) fn not_at_this_step(state: &State) -> Stop {
    Refusal::EnrolmentNotAtThisStep { state: state.name() }.into()
}

pub(super) fn seal_context(id: EnrolmentId) -> String {
    format!("enrolments.document {id}")
}
