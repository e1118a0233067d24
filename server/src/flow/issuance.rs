//! Issuing an E-cert, in one transaction with everything that belongs to it.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use wallet_core::attributes::{Attribute, Source, has_reached};
use wallet_core::chain;
use wallet_core::code::paper::PaperCode;
use wallet_core::code::qr::serial_hash;
use wallet_core::code::sheet::Sheet;
use wallet_core::document::{IdCard, Sex};
use wallet_core::ecert::lint::{self, Policy};
use wallet_core::ecert::{AssuranceLevel, Claims, Disclosure, StatusReference, sign::sign};
use wallet_core::es256::PublicKey;
use wallet_core::face::Template;
use wallet_core::ids::CertificateId;
use wallet_core::jws::base64url;
use wallet_core::pairwise::Eid;
use wallet_core::refusal::{Reason, Refusal};
use wallet_core::x509_lint;

use super::callers::Device;
use super::certificates::{Ended, end};
use super::{Context, later, random, sponsorships, status_lists, templates};
use crate::edge::signer::Signer;
use crate::stop::Flow;
use crate::store::certificates::{Certificate, Standing};
use crate::store::enrolments::{Enrolment, State};
use crate::store::{Conn, audit, certificates, enrolments, handles, holders, revocations, throttles};

/// How long a certificate lasts: a face changes, a card is replaced.
pub(super) const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 365);
/// The counter of issuing.
const ISSUING: &str = "issuing";
/// Seconds.
const HOUR: i64 = 3600;

/// What the wallet receives. The server does not keep the revocation code, only its hash. Handles for codes are the wallet's to ask for.
#[derive(Serialize)]
pub struct Issued {
    certificate_id: CertificateId,
    /// The E-cert: a tagged COSE_Sign1, base64url.
    certificate: String,
    disclosures: Vec<Disclosure>,
    /// On paper, for a lost phone: 18 digits in groups of six.
    revocation_code: String,
    /// The same as a page to print, HTML. We keep neither, so neither can be asked for again.
    revocation_sheet: String,
    assurance_level: AssuranceLevel,
    expires_at: Timestamp,
}

/// Issues to a device and ends the holder's earlier certificates.
pub(super) fn issue(
    ctx: &Context,
    device: &Device,
    enrolment: &Enrolment,
    card: &IdCard,
    template: &Template,
    assurance: AssuranceLevel,
) -> Flow<Issued> {
    let now = ctx.now();
    let issued_at = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let signer = ctx.signer.current();
    // A signer that was not renewed in time vouches for what is left of its own.
    let expires_at = later(issued_at, LIFETIME).min(chain::expiry(own(&signer)).unwrap_or(Timestamp::MAX));
    let id = CertificateId::new(now, &mut rand::rng());
    let on_document = disclosures(card);
    let disclosures = [on_document.clone(), derived(&on_document, card.birth, ctx.today())].concat();
    let serial = random();
    let revocation_code = PaperCode::mint(&mut rand::rng());
    let eid = Eid::derive(&ctx.secrets.eid, card.number.as_str());
    let sealed_attributes = ctx.vault.seal_json(&attributes_context(id), &on_document)?;
    let sealed_template = templates::seal(ctx, id, template)?;
    let bytes = ctx.holder_store.write(|conn| {
        let approved = State::Approved { certificate: id };
        let advanced = enrolments::advance(conn, enrolment, &approved)?;
        advanced.map_err(|current| Refusal::EnrolmentNotAtThisStep { state: current.name() })?;
        let holder = holders::find_or_insert(conn, &eid, now)?;
        let earlier = certificates::of_device(conn, &device.jkt)?;
        if earlier.is_some_and(|earlier| earlier.standing.is_open() && earlier.holder != holder) {
            return Err(unusable_key().into());
        }
        supersede(conn, device, holder, id, now)?;
        let status = status_lists::free_place(conn, now)?;
        let certificate = Certificate {
            id,
            holder,
            device_jkt: device.jkt.clone(),
            device_key: device.key.clone(),
            status,
            assurance,
            sealed_attributes: sealed_attributes.clone(),
            sealed_template: sealed_template.clone(),
            standing: Standing::Active,
            issued_at,
            expires_at,
        };
        if let Some(sponsorship) = enrolment.sponsorship {
            sponsorships::use_up(conn, sponsorship, now)?;
        }
        let paper = revocation_code.mac(&ctx.secrets.code);
        certificates::insert(conn, &certificate, &paper, enrolment.sponsorship)?;
        handles::insert_serial(conn, &serial_hash(&serial), id)?;
        audit::append(conn, &device.jkt, "certificate.issue", id, "done", now)?;
        let claims = claims(ctx, serial, &certificate, &disclosures);
        ensure_sound(ctx, &claims, &signer, now)?;
        // Last, since the counter is one row for all.
        count(conn, ctx.issuing_limit, now)?;
        Ok(sign(&claims, signer.chain(), signer.as_ref())?)
    })?;
    Ok(Issued {
        certificate_id: id,
        certificate: base64url(&bytes),
        disclosures,
        revocation_sheet: sheet(ctx, &revocation_code, id, expires_at),
        revocation_code: revocation_code.grouped(),
        assurance_level: assurance,
        expires_at,
    })
}

/// Whether more may be issued in this hour: a breaker for whoever has got hold of the way in, held in the database so that it
/// counts over all replicas.
///
/// # Errors
/// [`Refusal::Overloaded`] when not.
pub(super) fn ensure_room(ctx: &Context) -> Flow<()> {
    let (hour, wait) = hour(ctx.now());
    let issued = ctx.holder_store.read(|conn| Ok(throttles::read(conn, ISSUING, hour)?))?;
    if issued >= i64::from(ctx.issuing_limit) {
        return Err(Refusal::Overloaded { retry_after: wait }.into());
    }
    Ok(())
}

/// What was issued in this hour, for /metrics.
pub(super) fn issued_this_hour(conn: &mut Conn, now: Timestamp) -> Flow<i64> {
    Ok(throttles::read(conn, ISSUING, hour(now).0)?)
}

fn count(conn: &mut Conn, limit: u32, now: Timestamp) -> Flow<()> {
    let (hour, wait) = hour(now);
    throttles::count(conn, ISSUING, hour)?;
    // Counted first: two that come at once see one another here.
    if throttles::read(conn, ISSUING, hour)? > i64::from(limit) {
        tracing::error!(limit, "as many E-certs were issued in this hour as may be; no more are");
        return Err(Refusal::Overloaded { retry_after: wait }.into());
    }
    Ok(())
}

/// The second in which this hour began, and how many of it are left.
fn hour(now: Timestamp) -> (i64, u32) {
    let begun = now.as_second().div_euclid(HOUR) * HOUR;
    (begun, u32::try_from(begun + HOUR - now.as_second()).unwrap_or(1))
}

/// Before anything is done for a device: a key that somebody else has as well proves nothing.
///
/// # Errors
/// [`Refusal::EnrolmentRefused`].
pub(super) fn ensure_usable(ctx: &Context, key: &PublicKey) -> Result<(), Refusal> {
    if lint::is_weak(key) || ctx.signer.own_keys().contains(key) {
        return Err(unusable_key());
    }
    Ok(())
}

fn unusable_key() -> Refusal {
    let hint = (
        "此设备的密钥无法使用，请重新安装应用后再试",
        "This phone's key can't be used; install the app anew and try again",
    );
    Refusal::EnrolmentRefused(Reason { code: "device-key-unusable", field: None, hint: hint.into() })
}

/// The last look before a signature that can't be taken back. What is found is a defect of ours, so it is no refusal.
fn ensure_sound(ctx: &Context, claims: &Claims, signer: &Signer, now: Timestamp) -> Flow<()> {
    let validity = (x509_lint::begins(own(signer)), chain::expiry(own(signer)));
    let (Ok(from), Ok(until)) = validity else {
        return Err(anyhow::anyhow!("the signer's certificate can't be read").into());
    };
    let policy = Policy {
        issuer: &ctx.public_url,
        lifetime: LIFETIME,
        signer: (from, until),
        own_keys: &ctx.signer.own_keys(),
        previous: ctx.caches.last_serial.lock().replace(claims.cti),
        now,
    };
    let findings = lint::lint(claims, &policy);
    if findings.is_empty() {
        return Ok(());
    }
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Err(anyhow::anyhow!("an E-cert was not signed: {}", findings.join("; ")).into())
}

fn own(signer: &Signer) -> &[u8] {
    signer.chain().first().map_or(&[], Vec::as_slice)
}

fn supersede(
    conn: &mut Conn,
    device: &Device,
    holder: wallet_core::ids::HolderId,
    by: CertificateId,
    now: Timestamp,
) -> Flow<()> {
    for earlier in revocations::open_of_holder(conn, holder)? {
        audit::append(conn, &device.jkt, "certificate.supersede", earlier.id, "done", now)?;
        end(conn, earlier, &Ended::Superseded { by }, now)?;
    }
    Ok(())
}

fn claims(ctx: &Context, cti: [u8; 16], certificate: &Certificate, disclosures: &[Disclosure]) -> Claims {
    let (list, index) = certificate.status;
    Claims {
        issuer: ctx.public_url.clone(),
        cti,
        issued_at: certificate.issued_at,
        expires_at: certificate.expires_at,
        device: certificate.device_key.clone(),
        status: StatusReference { index, uri: status_lists::uri(ctx, list) },
        assurance: certificate.assurance,
        digests: disclosures.iter().map(|disclosure| (disclosure.name, disclosure.digest())).collect(),
    }
}

fn disclosures(card: &IdCard) -> Vec<Disclosure> {
    let sex = match card.sex {
        Sex::Male => "男",
        Sex::Female => "女",
    };
    let values = [
        (Attribute::Name, card.name.clone()),
        (Attribute::Sex, sex.to_owned()),
        (Attribute::Ethnicity, card.ethnicity.clone()),
        (Attribute::BirthDate, card.birth.to_string()),
        (Attribute::Address, card.address.clone()),
        (Attribute::DocumentNumber, card.number.as_str().to_owned()),
    ];
    values.into_iter().map(|(name, value)| salted(name, value)).collect()
}

fn salted(name: Attribute, value: String) -> Disclosure {
    Disclosure { name, value, salt: base64url(&random::<16>()) }
}

/// What follows from the document, for the wallet to disclose by itself where nobody can ask the server: ages as of `today`, so that a
/// yes stays one. The server makes them anew from the document each time, and keeps none.
fn derived(on_document: &[Disclosure], birth: Date, today: Date) -> Vec<Disclosure> {
    let whole = |of: Attribute| on_document.iter().find(|disclosure| disclosure.name == of);
    let value = |name: Attribute| match name.source() {
        Source::Document => None,
        Source::Age(years) => Some(has_reached(years, birth, today).to_string()),
        Source::Masked(of) => whole(of).map(|whole| name.mask(&whole.value)),
    };
    Attribute::ALL.into_iter().filter_map(|name| value(name).map(|value| salted(name, value))).collect()
}

fn sheet(ctx: &Context, code: &PaperCode, certificate: CertificateId, expires_at: Timestamp) -> String {
    let expires_on = ctx.zone.to_datetime(expires_at).date();
    Sheet { code, certificate, expires_on, service: &ctx.public_url }.to_html()
}

/// What sealed attributes of a certificate are bound to.
pub fn attributes_context(id: CertificateId) -> String {
    format!("certificates.attributes {id}")
}
