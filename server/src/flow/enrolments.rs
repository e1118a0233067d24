//! Enrolment: consent → document → confirmation → live face → certificate.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::capture::Capture;
use wallet_core::document::Document;
use wallet_core::face::challenge::Asked;
use wallet_core::face::judgement::reference_template;
use wallet_core::face::{Observation, Template};
use wallet_core::ids::{EnrolmentId, SponsorshipId};
use wallet_core::jws::base64url;
use wallet_core::onnx::{Engine, IdCardReading, ModelError, PassportReading, Portrait};
use wallet_core::refusal::{Reason, Refusal};

use super::callers::Device;
use super::captures::Challenge;
use super::devices::{self, Introduction};
use super::issuance::{self, Proven};
use super::proofing::{
    Consent, Enrolled, Kind, LIFETIME, Started, Verdict, advance, begin, begin_try, claim, find,
    not_at_this_step, of_age, or_earlier, or_give_back, refuse, seal_context, verdict,
};
use super::{Context, captures, later, pictures, random};
use crate::edge::metrics::Stage;
use crate::edge::models::Lane;
use crate::edge::source::Confirmation;
use crate::stop::{Flow, Stop};
use crate::store;
use crate::store::enrolments::{self, Enrolment, State};

/// Photographs of a document.
pub enum Photographs {
    /// Both sides of an identity card.
    IdCard {
        /// The side with the portrait.
        front: Vec<u8>,
        /// The other.
        back: Vec<u8>,
    },
    /// The page of a passport with the portrait.
    Passport(Vec<u8>),
}

/// What was read from the document, for the holder to confirm.
#[derive(Serialize, ToSchema)]
pub struct DocumentRead {
    state: &'static str,
    /// `id-card` or `passport`.
    kind: &'static str,
    fields: Document,
}

/// What an enrolment keeps of the document, sealed.
#[derive(Serialize, Deserialize)]
struct SealedDocument {
    #[serde(alias = "card")]
    document: Document,
    portrait: Vec<u8>,
    /// The picture itself, JPEG in base64url.
    #[serde(default)]
    picture: Option<String>,
}

/// Begins an enrolment: all three purposes, in the current version.
pub fn start(
    ctx: &Context,
    device: &Device,
    consent: &Consent,
    sponsorship: Option<SponsorshipId>,
    introduced: &Introduction,
) -> Flow<Started> {
    let now = ctx.now();
    let enrolment = Enrolment {
        id: EnrolmentId::new(now, &mut rand::rng()),
        kind: Kind::Document,
        device_jkt: device.jkt.clone(),
        state: State::Started,
        tries: 0,
        expires_at: later(now, LIFETIME),
        sponsorship,
    };
    let seemed = devices::impression(ctx, device, consent, introduced, "enrolment.start")?;
    begin(ctx, device, &seemed, &enrolment, "enrolment.start", now)
}

/// Reads the document. One that can't be used leaves the enrolment where it is, for another photograph.
pub fn submit_document(
    ctx: &Context,
    device: &Device,
    id: EnrolmentId,
    photographs: Photographs,
) -> Flow<DocumentRead> {
    let is_due = |state: &State| matches!(state, State::Started | State::DocumentRead { .. });
    let enrolment =
        ctx.metrics.stage(Stage::EnrolmentClaim, || begin_try(ctx, device, id, Kind::Document, is_due))?;
    let today = ctx.today();
    let read = move |engine: &mut Engine| read_document(engine, &photographs, today);
    let read = ctx.metrics.stage(Stage::EnrolmentDocument, || ctx.models.run(Lane::Enrolment, read));
    let Reading { document, portrait, screen_suspected } = or_give_back(ctx, id, read)???;
    if let Err(refusal) = of_age(document.birth(), today) {
        return refuse(ctx, &enrolment, "enrolment.document", refusal);
    }
    let picture = portrait.jpeg.map(|jpeg| base64url(&jpeg));
    let sealed = SealedDocument { document, portrait: portrait.template.to_bytes().to_vec(), picture };
    let to = State::DocumentRead { sealed_document: ctx.vault.seal_json(&seal_context(id), &sealed)? };
    // Kept for whoever looks into it later: the measure is no proof, so that nobody is refused by it.
    let outcome = if screen_suspected { "read-screen-suspected" } else { "read" };
    advance(ctx, &enrolment, &to, "enrolment.document", outcome)?;
    Ok(DocumentRead { state: to.name(), kind: sealed.document.kind(), fields: sealed.document })
}

/// A document as read, and the face of its portrait.
struct Reading {
    document: Document,
    portrait: Portrait,
    screen_suspected: bool,
}

type Read<T> = Result<Result<T, Refusal>, ModelError>;

fn read_document(engine: &mut Engine, photographs: &Photographs, today: Date) -> Read<Reading> {
    match photographs {
        Photographs::IdCard { front, back } => Ok(read_card(engine, front, back, today)?.map(|read| {
            let IdCardReading { card, portrait, screen_suspected, .. } = read;
            Reading { document: Document::IdCard(card), portrait, screen_suspected }
        })),
        Photographs::Passport(page) => Ok(read_passport(engine, page, today)?.map(|read| {
            let PassportReading { passport, portrait, screen_suspected } = read;
            Reading { document: Document::Passport(passport), portrait, screen_suspected }
        })),
    }
}

/// Both sides of a card, and the face of its portrait. On a model worker.
pub(super) fn read_card(engine: &mut Engine, front: &[u8], back: &[u8], today: Date) -> Read<IdCardReading> {
    let (front, back) = match (pictures::decode(front), pictures::decode(back)) {
        (Ok(front), Ok(back)) => (front, back),
        (Err(refusal), _) | (_, Err(refusal)) => return Ok(Err(refusal)),
    };
    Ok(engine.read_id_card(&front, &back, today)?.map_err(Refusal::from))
}

fn read_passport(engine: &mut Engine, page: &[u8], today: Date) -> Read<PassportReading> {
    match pictures::decode(page) {
        Ok(page) => Ok(engine.read_passport(&page, today)?.map_err(Refusal::from)),
        Err(refusal) => Ok(Err(refusal)),
    }
}

/// The holder confirms what was read, and is challenged to show their face. Asked again, it challenges anew.
pub fn confirm(ctx: &Context, device: &Device, id: EnrolmentId) -> Flow<Challenge> {
    let now = ctx.now();
    let nonce = random();
    let challenge = ctx.holder_store.write(|conn| {
        let enrolment = find(conn, device, id, Kind::Document, now)?;
        let risk = store::devices::risk_of(conn, &device.jkt)?;
        let challenge = Asked::now(devices::liveness(ctx.enrolment_liveness, risk.as_deref()), nonce, now);
        let sealed_document = match &enrolment.state {
            State::DocumentRead { sealed_document } | State::Challenged { sealed_document, .. } => {
                sealed_document.clone()
            }
            other => return Err(not_at_this_step(other)),
        };
        let to = State::Challenged { sealed_document, challenge };
        enrolments::advance(conn, &enrolment, &to)?.map_err(|current| not_at_this_step(&current))?;
        Ok(challenge)
    })?;
    Ok(Challenge::from(&challenge))
}

/// Judges the live face against the portrait, asks the authoritative source, and issues. Sent again when it was approved, because the
/// answer was lost, it gets the same answer for an hour.
pub fn submit_capture(
    ctx: &Context,
    device: &Device,
    id: EnrolmentId,
    capture: Capture,
    signature: &[u8],
) -> Flow<Enrolled> {
    or_earlier(ctx, id, judge_capture(ctx, device, id, capture, signature))
}

fn judge_capture(
    ctx: &Context,
    device: &Device,
    id: EnrolmentId,
    capture: Capture,
    signature: &[u8],
) -> Flow<Enrolled> {
    let (enrolment, challenge, now) = claim(ctx, device, id, Kind::Document, &capture, signature)?;
    let State::Challenged { sealed_document, .. } = &enrolment.state else {
        return Err(not_at_this_step(&enrolment.state));
    };
    let sealed: SealedDocument = ctx.vault.open_json(&seal_context(id), sealed_document)?;
    let portrait = Template::from_bytes(&sealed.portrait)?;
    let compare = move |engine: &mut Engine, frames: &mut [Observation]| {
        // Every embedder, since these frames may become the reference.
        engine.complete(frames)?;
        engine.compare(frames, &portrait)
    };
    let seen = captures::observe(ctx, Lane::Enrolment, challenge, capture, now, compare);
    let (seen, comparison) = or_give_back(ctx, id, seen)??;
    match verdict(ctx, &seen, &comparison) {
        Verdict::Same => {}
        Verdict::Again(refusal) => return Err(refusal.into()),
        Verdict::Other => {
            let hint = ("人脸与证件照片不一致", "The face is not the one on the document").into();
            let other = Reason { code: "face-mismatch", field: None, hint };
            return refuse(ctx, &enrolment, "enrolment.capture", Refusal::EnrolmentRefused(other));
        }
    }
    let template =
        reference_template(seen.to_keep(), captures::LIMITS, &ctx.models.scale(), &ctx.models.thresholds());
    let template = template.map_err(Refusal::from)?;
    // The source may be slow or away: it is asked before the transaction, never inside.
    let confirm = || ctx.source.confirm(sealed.document.name(), &sealed.document.number());
    match ctx.metrics.stage(Stage::EnrolmentSource, confirm)? {
        Confirmation::Confirmed(assurance) => {
            let proven =
                Proven::by_document(ctx, &sealed.document, sealed.picture, &template, assurance, now);
            let issue = || issuance::issue(ctx, device, &enrolment, &proven);
            let issued = match or_give_back(ctx, id, ctx.metrics.stage(Stage::EnrolmentIssue, issue)) {
                Err(Stop::Refused(held @ Refusal::EnrolmentRefused(_))) => {
                    return refuse(ctx, &enrolment, "enrolment.capture", held);
                }
                issued => issued?,
            };
            ctx.metrics.enrolled("approved");
            Ok(Enrolled::Approved(Box::new(issued)))
        }
        Confirmation::NotFound => refer(ctx, &enrolment, sealed_document.clone()),
    }
}

fn refer(ctx: &Context, enrolment: &Enrolment, sealed_document: Vec<u8>) -> Flow<Enrolled> {
    let reason = "source-not-found";
    let to = State::Referred { sealed_document, reason: reason.to_owned() };
    advance(ctx, enrolment, &to, "enrolment.capture", "referred")?;
    ctx.metrics.enrolled("referred");
    Ok(Enrolled::Referred { reason })
}
