//! Recovery: a new phone, and the face that was enrolled. No document is shown, and the old phone is not needed.
//!
//! Whether a number is enrolled can't be told from outside: nothing is looked up when a recovery begins, an unknown number's face is
//! compared like a known one's, with a template that nobody has, and every no is the same.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::attributes::Attribute;
use wallet_core::capture::Capture;
use wallet_core::document::DocumentNumber;
use wallet_core::ecert::Disclosure;
use wallet_core::face::Observation;
use wallet_core::face::challenge::Asked;
use wallet_core::face::matching::mean_template;
use wallet_core::face::protection::{ProtectionKey, Stored, Unlocked};
use wallet_core::ids::EnrolmentId;
use wallet_core::jws::base64url;
use wallet_core::onnx::{Engine, ModelError};
use wallet_core::pairwise::Eid;
use wallet_core::refusal::{Reason, Refusal};

use super::callers::Device;
use super::captures::{self, Challenge};
use super::devices::{self, Introduction};
use super::issuance::{self, Proven, attributes_context};
use super::proofing::{self, Consent, Enrolled, Kind, Started, Verdict};
use super::{Context, issuing_guard, later, random, templates};
use crate::edge::metrics::Stage;
use crate::edge::models::Lane;
use crate::edge::source::Confirmation;
use crate::stop::{Flow, Stop};
use crate::store::certificates::{Certificate, Owner};
use crate::store::enrolments::{Enrolment, State};
use crate::store::{Conn, certificates, notices, throttles};

/// Faces that may be tried for one number in a day (UTC). Whoever knows a number can use them up; the person then shows their document.
const FACES_A_DAY: i64 = 5;
/// Recoveries that one device key may begin in a day. Keys are free, so this only tells an honest wallet to stop.
const BEGUN_A_DAY: i64 = 10;
const DAY: i64 = 86_400;

/// A recovery that began.
#[derive(Serialize, ToSchema)]
pub struct RecoveryStarted {
    #[serde(flatten)]
    started: Started,
    challenge: Challenge,
}

/// Begins a recovery of the E-cert behind a number, known or not.
pub fn start(
    ctx: &Context,
    device: &Device,
    consent: &Consent,
    number: &str,
    introduced: &Introduction,
) -> Flow<RecoveryStarted> {
    let number = DocumentNumber::parse(number).map_err(|_| Refusal::RequestInvalid {
        field: "document_number",
        expected: "the 18 characters of a citizen number, or a passport's number as in `UTO-L898902C3`"
            .to_owned(),
    })?;
    // A passport's number does not say how old its holder is; nobody got a certificate by one who was too young.
    if let DocumentNumber::Citizen(citizen) = &number {
        proofing::of_age(citizen.birth(), ctx.today())?;
    }
    let seemed = devices::impression(ctx, device, consent, introduced, "recovery.start")?;
    let now = ctx.now();
    let id = EnrolmentId::new(now, &mut rand::rng());
    let eid = Eid::derive(&ctx.secrets.eid, number.as_str());
    let challenge = Asked::now(devices::liveness(ctx.recovery_liveness, Some(seemed.risk)), random(), now);
    let sealed_document = ctx.vault.seal(&proofing::seal_context(id), eid.as_bytes())?;
    let recovery = Enrolment {
        id,
        kind: Kind::Recovery,
        device_jkt: device.jkt.clone(),
        state: State::Challenged { sealed_document, challenge },
        tries: 0,
        expires_at: later(now, proofing::LIFETIME),
        sponsorship: None,
    };
    // Before anything is counted: a key that can't be used costs nothing. Otherwise it is refused a moment later anyway.
    issuing_guard::ensure_usable(ctx, &device.key)?;
    ctx.holder_store.write(|conn| limit_begun(conn, device, now))?;
    let started = proofing::begin(ctx, device, &seemed, &recovery, "recovery.start", now)?;
    Ok(RecoveryStarted { started, challenge: Challenge::from(&challenge) })
}

fn limit_begun(conn: &mut Conn, device: &Device, now: Timestamp) -> Flow<()> {
    let (subject, today) = (format!("recoveries/{}", device.jkt), day(now));
    if throttles::read(conn, &subject, today)? >= BEGUN_A_DAY {
        let wait = u32::try_from(today + DAY - now.as_second()).unwrap_or(1).max(1);
        return Err(Refusal::RateLimited { retry_after: wait }.into());
    }
    Ok(throttles::count(conn, &subject, today)?)
}

fn day(now: Timestamp) -> i64 {
    now.as_second().div_euclid(DAY) * DAY
}

/// Compares the live face with the one that was enrolled, asks the authoritative source again, and issues to the new device.
pub fn submit_capture(
    ctx: &Context,
    device: &Device,
    id: EnrolmentId,
    capture: Capture,
    signature: &[u8],
) -> Flow<Enrolled> {
    proofing::or_earlier(ctx, id, judge(ctx, device, id, capture, signature))
}

fn judge(
    ctx: &Context,
    device: &Device,
    id: EnrolmentId,
    capture: Capture,
    signature: &[u8],
) -> Flow<Enrolled> {
    let (recovery, challenge, now) = proofing::claim(ctx, device, id, Kind::Recovery, &capture, signature)?;
    let eid = eid_of(ctx, &recovery)?;
    let sought = ctx.holder_store.write(|conn| Sought::of(conn, &eid, now))?;
    let verdict = compare(ctx, challenge, capture, &sought, now);
    let verdict = proofing::or_give_back(ctx, id, verdict);
    if !matches!(verdict, Ok(Verdict::Other)) {
        // Only a face that was judged another one counts against the number.
        ctx.holder_store.write(|conn| Ok(throttles::give_back(conn, &subject(&eid), day(now))?))?;
    }
    match (verdict?, sought.certificate) {
        (Verdict::Again(refusal), _) => Err(refusal.into()),
        (Verdict::Same, Some(known)) if !sought.locked => reissue(ctx, device, &recovery, &known),
        // Where a template that nobody has was met, as good as never, it opens nothing.
        (Verdict::Same | Verdict::Other, known) => {
            // Told of five a day, as many as are looked at.
            refuse(
                ctx,
                &recovery,
                known.filter(|_| !sought.locked).map(|(certificate, _)| certificate).as_ref(),
            )
        }
    }
}

fn eid_of(ctx: &Context, recovery: &Enrolment) -> Flow<Eid> {
    let State::Challenged { sealed_document, .. } = &recovery.state else {
        return Err(Refusal::EnrolmentNotAtThisStep { state: recovery.state.name() }.into());
    };
    let bytes = ctx.vault.open(&proofing::seal_context(recovery.id), sealed_document)?;
    let bytes = bytes.try_into().map_err(|_| anyhow::anyhow!("a recovery's eid is not 32 bytes"))?;
    Ok(Eid::from_bytes(bytes))
}

/// Under which tries for a number are counted.
pub(super) fn subject(eid: &Eid) -> String {
    format!("recovery-faces/{}", base64url(eid.as_bytes()))
}

/// Whose certificate a recovery is after.
struct Sought {
    certificate: Option<(Certificate, Owner)>,
    /// Too many other faces came today: this one is compared with nobody.
    locked: bool,
}

impl Sought {
    /// Counts the face before it is looked at, so that many at once get no more tries than one after the other.
    fn of(conn: &mut Conn, eid: &Eid, now: Timestamp) -> Flow<Sought> {
        let locked = throttles::read(conn, &subject(eid), day(now))? >= FACES_A_DAY;
        throttles::count(conn, &subject(eid), day(now))?;
        Ok(Sought { certificate: certificates::recoverable(conn, eid, now)?, locked })
    }
}

fn compare(
    ctx: &Context,
    challenge: Asked,
    capture: Capture,
    sought: &Sought,
    now: Timestamp,
) -> Flow<Verdict> {
    let known = match &sought.certificate {
        Some((known, owner)) => {
            let vault = ctx.vaults().of(known.holder, owner.key.as_ref())?;
            Some(templates::open(ctx, &vault, known.id, &known.sealed_template)?)
        }
        None => None,
    };
    let known = known.filter(|_| !sought.locked);
    let (key, salts) = (ctx.secrets.template.clone(), [random(), random()]);
    let compare = move |engine: &mut Engine, frames: &mut [Observation]| {
        // Every embedder sees every frame, whoever is sought: the work is the same.
        engine.complete(frames)?;
        let nobody = nobody(frames, &key, salts)?;
        engine.compare(frames, known.as_ref().unwrap_or(&nobody))
    };
    let seen = captures::observe(ctx, Lane::Enrolment, challenge, capture, now, compare);
    let (seen, comparison) = match seen? {
        Ok(seen) => seen,
        Err(refusal) => return Ok(Verdict::Again(refusal)),
    };
    Ok(proofing::verdict(ctx, &seen, &comparison))
}

/// A template of nobody: under two salts a face's templates are strangers to each other.
fn nobody(
    frames: &[Observation],
    key: &ProtectionKey,
    [one, other]: [[u8; 16]; 2],
) -> Result<Unlocked, ModelError> {
    let mean = mean_template(frames).map_err(|_| ModelError::Input("face-embedder"))?;
    let turned = Stored::protect(&mean, key, one);
    Ok(Stored::protect(turned.vectors(), key, other).unlock(key))
}

fn reissue(
    ctx: &Context,
    device: &Device,
    recovery: &Enrolment,
    (earlier, owner): &(Certificate, Owner),
) -> Flow<Enrolled> {
    let vault = ctx.vaults().of(earlier.holder, owner.key.as_ref())?;
    let disclosed: Vec<Disclosure> =
        vault.open_json(&attributes_context(earlier.id), &earlier.sealed_attributes)?;
    let value = |name| {
        let found = disclosed.iter().find(|disclosure| disclosure.name == name);
        found
            .map(|disclosure| disclosure.value.as_str())
            .ok_or_else(|| anyhow::anyhow!("an attribute is missing"))
    };
    let number = DocumentNumber::parse(value(Attribute::DocumentNumber)?)
        .map_err(|_| anyhow::anyhow!("the number of a certificate is none"))?;
    // Without the parser's own words: they would quote the date into a log.
    let birth =
        value(Attribute::BirthDate)?.parse().map_err(|_| anyhow::anyhow!("a stored date is damaged"))?;
    let name = value(Attribute::Name)?;
    let confirmed = ctx.metrics.stage(Stage::EnrolmentSource, || ctx.source.confirm(name, &number))?;
    let Confirmation::Confirmed(assurance) = confirmed else {
        let hint = (
            "权威数据源未能确认，请持身份证件重新申领",
            "The register did not confirm you; enrol anew with your document",
        );
        let reason = Reason { code: "source-not-found", field: None, hint: hint.into() };
        return proofing::refuse(ctx, recovery, "recovery.capture", Refusal::EnrolmentRefused(reason));
    };
    let portrait = issuance::portrait(ctx, earlier)?;
    let values =
        disclosed.into_iter().chain(portrait).map(|disclosure| (disclosure.name, disclosure.value)).collect();
    let template = templates::stored(&vault, earlier.id, &earlier.sealed_template)?;
    let proven = Proven::by_certificate(ctx, (earlier, owner), &template, values, birth, assurance);
    let issue = || issuance::issue(ctx, device, recovery, &proven);
    // The limit of an hour may be met only here: that is no fault of theirs.
    let issued = proofing::or_give_back(ctx, recovery.id, ctx.metrics.stage(Stage::EnrolmentIssue, issue));
    match issued {
        Ok(issued) => {
            ctx.metrics.enrolled("recovered");
            Ok(Enrolled::Approved(Box::new(issued)))
        }
        // Somebody was faster: another recovery, or a revocation.
        Err(Stop::Refused(Refusal::EnrolmentRefused(_))) => refuse(ctx, recovery, Some(earlier)),
        Err(stop) => Err(stop),
    }
}

/// Ends a recovery, and tells the holder, if there is one, that somebody tried: in one transaction, since a second would take its time for
/// known numbers alone.
fn refuse<T>(ctx: &Context, recovery: &Enrolment, of: Option<&Certificate>) -> Flow<T> {
    proofing::refuse_and(ctx, recovery, "recovery.capture", issuance::not_recovered(), |conn, now| {
        let Some(certificate) = of else { return Ok(()) };
        Ok(notices::append(conn, certificate.holder, "recovery-failed", now)?)
    })
}
