//! Enrolment: consent → document → confirmation → live face → certificate.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use wallet_core::capture::Capture;
use wallet_core::document::IdCard;
use wallet_core::es256::sha256;
use wallet_core::face::challenge::Asked;
use wallet_core::face::judgement::judge;
use wallet_core::face::{self, Comparison, Observation, Template};
use wallet_core::ids::{ConsentId, EnrolmentId, SponsorshipId};
use wallet_core::jws::{self, base64url};
use wallet_core::onnx::{Engine, IdCardReading, ModelError};
use wallet_core::refusal::{Reason, Refusal};

use super::callers::Device;
use super::captures::{Challenge, Seen};
use super::issuer::{CONSENT_VERSION, ConsentPurpose};
use super::{Context, captures, issuance, later, pictures, random, sponsorships};
use crate::edge::metrics::Stage;
use crate::edge::models::Lane;
use crate::edge::source::Confirmation;
use crate::stop::{Flow, Stop};
use crate::store::enrolments::{self, Enrolment, State};
use crate::store::{Conn, audit, devices};

/// From consent to certificate. Two minutes are meant; an hour lets a person find their card.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// How long an access token is good for.
const TOKEN: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Documents and captures submitted in one enrolment. Honest people need two or three; an attacker who tunes a fake
/// against our answers gets no more than this.
const MAX_TRIES: i64 = 12;
/// Under this age a guardian must approve as well, which is not possible yet (人脸识别技术应用安全管理办法, art. 10).
const GUARDIAN_AGE: i32 = 14;

/// What the holder agreed to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The version of the text that was shown.
    pub version: String,
    /// The purposes that were agreed to.
    pub purposes: BTreeSet<ConsentPurpose>,
}

/// A started enrolment.
#[derive(Serialize)]
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

/// What was read from the document, for the holder to confirm.
#[derive(Serialize)]
pub struct DocumentRead {
    state: &'static str,
    fields: IdCard,
}

/// How an enrolment ended.
#[derive(Serialize)]
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

/// What an enrolment keeps of the document, sealed.
#[derive(Serialize, Deserialize)]
struct SealedDocument {
    card: IdCard,
    portrait: Vec<u8>,
}

/// Begins an enrolment: all three purposes, in the current version.
pub fn start(
    ctx: &Context,
    device: &Device,
    consent: &Consent,
    sponsorship: Option<SponsorshipId>,
) -> Flow<Started> {
    let all: BTreeSet<_> = ConsentPurpose::ALL.into();
    if consent.version != CONSENT_VERSION || consent.purposes != all {
        return Err(Refusal::ConsentMissing.into());
    }
    issuance::ensure_usable(ctx, &device.key)?;
    let now = ctx.now();
    let enrolment = Enrolment {
        id: EnrolmentId::new(now, &mut rand::rng()),
        device_jkt: device.jkt.clone(),
        state: State::Started,
        tries: 0,
        expires_at: later(now, LIFETIME),
        sponsorship,
    };
    let token_expires_at = later(now, TOKEN);
    let consent_id = ConsentId::new(now, &mut rand::rng());
    let consent_receipt = sign_consent(ctx, consent_id, &enrolment, now)?;
    let access_token = format!("et_{}", base64url(&random::<32>()));
    ctx.holder_store.write(|conn| {
        if let Some(sponsorship) = sponsorship {
            sponsorships::check(conn, sponsorship, now)?;
        }
        devices::put(conn, device, &sha256(access_token.as_bytes()), token_expires_at)?;
        enrolments::insert(conn, &enrolment, now)?;
        enrolments::insert_consent(conn, consent_id, enrolment.id, CONSENT_VERSION, &consent_receipt, now)?;
        Ok(audit::append(conn, &device.jkt, "enrolment.start", enrolment.id, "done", now)?)
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

fn sign_consent(ctx: &Context, id: ConsentId, enrolment: &Enrolment, now: Timestamp) -> Flow<String> {
    let claims = json!({
        "iss": ctx.public_url, "jti": id, "iat": now.as_second(), "enrolment": enrolment.id,
        "jkt": enrolment.device_jkt, "version": CONSENT_VERSION, "purposes": ConsentPurpose::ALL,
        "verifiers": [ctx.source.name()],
    });
    let signer = ctx.signer.current();
    Ok(jws::sign("ecert-consent+jwt", signer.header(), &claims, signer.as_ref())?)
}

/// Reads both sides of the card. A card that can't be used leaves the enrolment where it is, for another photograph.
pub fn submit_document(
    ctx: &Context,
    device: &Device,
    id: EnrolmentId,
    front: Vec<u8>,
    back: Vec<u8>,
) -> Flow<DocumentRead> {
    let is_due = |state: &State| matches!(state, State::Started | State::DocumentRead { .. });
    let enrolment = ctx.metrics.stage(Stage::EnrolmentClaim, || begin_try(ctx, device, id, is_due))?;
    let today = ctx.today();
    let read = move |engine: &mut Engine| read_card(engine, &front, &back, today);
    let read = ctx.metrics.stage(Stage::EnrolmentDocument, || ctx.models.run(Lane::Enrolment, read));
    let IdCardReading { card, portrait, screen_suspected, .. } = or_give_back(ctx, id, read)???;
    if card.birth.saturating_add(GUARDIAN_AGE.years()) > today {
        let hint =
            ("未满十四周岁须由监护人共同办理", "Under 14, a guardian must enrol together with you").into();
        let refusal = Refusal::EnrolmentRefused(Reason { code: "guardian-required", field: None, hint });
        return refuse(ctx, &enrolment, "enrolment.document", refusal);
    }
    let document = SealedDocument { card, portrait: portrait.template.to_bytes().to_vec() };
    let to = State::DocumentRead { sealed_document: ctx.vault.seal_json(&seal_context(id), &document)? };
    // Kept for whoever looks into it later: the measure is no proof, so that nobody is refused by it.
    let outcome = if screen_suspected { "read-screen-suspected" } else { "read" };
    advance(ctx, &enrolment, &to, "enrolment.document", outcome)?;
    Ok(DocumentRead { state: to.name(), fields: document.card })
}

type Read<T> = Result<Result<T, Refusal>, ModelError>;

/// Both sides of a card, and the face of its portrait. On a model worker.
pub(super) fn read_card(
    engine: &mut Engine,
    front: &[u8],
    back: &[u8],
    today: jiff::civil::Date,
) -> Read<IdCardReading> {
    let (front, back) = match (pictures::decode(front), pictures::decode(back)) {
        (Ok(front), Ok(back)) => (front, back),
        (Err(refusal), _) | (_, Err(refusal)) => return Ok(Err(refusal)),
    };
    Ok(engine.read_id_card(&front, &back, today)?.map_err(Refusal::from))
}

/// The holder confirms what was read, and is challenged to show their face. Asked again, it challenges anew.
pub fn confirm(ctx: &Context, device: &Device, id: EnrolmentId) -> Flow<Challenge> {
    let now = ctx.now();
    let challenge = Asked::now(ctx.enrolment_liveness, random(), now);
    ctx.holder_store.write(|conn| {
        let enrolment = find(conn, device, id, now)?;
        let sealed_document = match &enrolment.state {
            State::DocumentRead { sealed_document } | State::Challenged { sealed_document, .. } => {
                sealed_document.clone()
            }
            other => return Err(not_at_this_step(other)),
        };
        let to = State::Challenged { sealed_document, challenge };
        enrolments::advance(conn, &enrolment, &to)?.map_err(|current| not_at_this_step(&current))
    })?;
    Ok(Challenge::from(&challenge))
}

/// Judges the live face against the portrait, asks the authoritative source, and issues.
pub fn submit_capture(
    ctx: &Context,
    device: &Device,
    id: EnrolmentId,
    capture: Capture,
    signature: &[u8],
) -> Flow<Enrolled> {
    issuance::ensure_room(ctx)?;
    let is_due = |state: &State| matches!(state, State::Challenged { .. });
    let enrolment = ctx.metrics.stage(Stage::EnrolmentClaim, || begin_try(ctx, device, id, is_due))?;
    let now = ctx.now();
    let State::Challenged { sealed_document, challenge } = &enrolment.state else {
        return Err(not_at_this_step(&enrolment.state));
    };
    if *capture.nonce() != challenge.nonce || now > challenge.deadline {
        return Err(captures::nonce_mismatch().into());
    }
    if capture.verify(&device.key, signature).is_err() {
        return Err(
            Refusal::Unauthenticated { why: "the capture's signature is not by this device key" }.into()
        );
    }
    let document: SealedDocument = ctx.vault.open_json(&seal_context(id), sealed_document)?;
    let portrait = Template::from_bytes(&document.portrait)?;
    let compare = move |engine: &mut Engine, frames: &mut [Observation]| {
        // Every embedder, since these frames may become the reference.
        engine.complete(frames)?;
        engine.compare(frames, &portrait)
    };
    let seen = captures::observe(ctx, Lane::Enrolment, *challenge, capture, now, compare);
    let (seen, comparison) = or_give_back(ctx, id, seen)??;
    let template = match verdict(ctx, &seen, &comparison) {
        Verdict::Same(template) => template,
        Verdict::Again(refusal) => return Err(refusal.into()),
        Verdict::Other(refusal) => return refuse(ctx, &enrolment, "enrolment.capture", refusal),
    };
    // The source may be slow or away: it is asked before the transaction, never inside.
    let confirm = || ctx.source.confirm(&document.card.name, &document.card.number);
    match ctx.metrics.stage(Stage::EnrolmentSource, confirm)? {
        Confirmation::Confirmed(assurance) => {
            let issue = || issuance::issue(ctx, device, &enrolment, &document.card, &template, assurance);
            let issued = or_give_back(ctx, id, ctx.metrics.stage(Stage::EnrolmentIssue, issue))?;
            ctx.metrics.enrolled("approved");
            Ok(Enrolled::Approved(Box::new(issued)))
        }
        Confirmation::NotFound => refer(ctx, &enrolment, sealed_document.clone()),
    }
}

enum Verdict {
    Same(Box<Template>),
    Again(Refusal),
    Other(Refusal),
}

fn verdict(ctx: &Context, seen: &Seen, comparison: &Comparison) -> Verdict {
    let (scale, thresholds) = (ctx.models.scale(), ctx.models.thresholds());
    let judgement = judge(&seen.observations, comparison, &scale, &thresholds);
    let judgement = judgement.with(seen.examined.clone(), &thresholds);
    // Nothing is charged here, and the tries are counted: whoever does not seem to be live may show it once more.
    if let Some(reason) = judgement.reasons.iter().find(|reason| reason.is_of_liveness()) {
        let hint = ("未能确认为本人实时拍摄，请重试", "This did not look like a live face; try again").into();
        return Verdict::Again(Refusal::CaptureUnusable(Reason { code: reason.code(), field: None, hint }));
    }
    if judgement.reasons.contains(&face::Reason::FaceMismatch) {
        let hint = ("人脸与证件照片不一致", "The face is not the one on the document").into();
        return Verdict::Other(Refusal::EnrolmentRefused(Reason {
            code: "face-mismatch",
            field: None,
            hint,
        }));
    }
    if judgement.reasons.contains(&face::Reason::NotOnePerson) {
        return Verdict::Again(face::Unusable::NotOnePerson.into());
    }
    match face::judgement::reference_template(seen.to_keep(), captures::LIMITS, &scale, &thresholds) {
        Ok(template) => Verdict::Same(Box::new(template)),
        Err(unusable) => Verdict::Again(unusable.into()),
    }
}

/// Ends an enrolment without a certificate, and says so.
fn refuse<T>(ctx: &Context, enrolment: &Enrolment, action: &'static str, refusal: Refusal) -> Flow<T> {
    let to = State::Refused { reason: refusal.reason().unwrap_or("refused").to_owned() };
    advance(ctx, enrolment, &to, action, "refused")?;
    Err(refusal.into())
}

fn refer(ctx: &Context, enrolment: &Enrolment, sealed_document: Vec<u8>) -> Flow<Enrolled> {
    let reason = "source-not-found";
    let to = State::Referred { sealed_document, reason: reason.to_owned() };
    advance(ctx, enrolment, &to, "enrolment.capture", "referred")?;
    ctx.metrics.enrolled("referred");
    Ok(Enrolled::Referred { reason })
}

fn advance(ctx: &Context, from: &Enrolment, to: &State, action: &'static str, outcome: &str) -> Flow<()> {
    let now = ctx.now();
    ctx.holder_store.write(|conn| {
        enrolments::advance(conn, from, to)?.map_err(|current| not_at_this_step(&current))?;
        Ok(audit::append(conn, &from.device_jkt, action, from.id, outcome, now)?)
    })
}

/// Counts a try in a transaction of its own, so that it stays counted whatever comes of it.
fn begin_try(ctx: &Context, device: &Device, id: EnrolmentId, is_due: fn(&State) -> bool) -> Flow<Enrolment> {
    let now = ctx.now();
    ctx.holder_store.write(|conn| {
        let enrolment = find(conn, device, id, now)?;
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
fn or_give_back<T>(ctx: &Context, id: EnrolmentId, tried: Flow<T>) -> Flow<T> {
    if matches!(tried, Err(Stop::Refused(Refusal::Overloaded { .. }))) {
        ctx.holder_store.write(|conn| Ok(enrolments::give_back_try(conn, id)?))?;
    }
    tried
}

fn find(conn: &mut Conn, device: &Device, id: EnrolmentId, now: Timestamp) -> Flow<Enrolment> {
    let found = enrolments::find(conn, id, &device.jkt)?.ok_or(Refusal::NotFound)?;
    if now >= found.expires_at && !matches!(found.state, State::Approved { .. } | State::Referred { .. }) {
        return Err(Refusal::EnrolmentNotAtThisStep { state: "expired" }.into());
    }
    Ok(found)
}

fn not_at_this_step(state: &State) -> Stop {
    Refusal::EnrolmentNotAtThisStep { state: state.name() }.into()
}

pub(super) fn seal_context(id: EnrolmentId) -> String {
    format!("enrolments.document {id}")
}
