//! Issuing an E-cert, in one transaction with everything that belongs to it.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use wallet_core::attributes::{Attribute, Source, has_reached};
use wallet_core::code::paper::PaperCode;
use wallet_core::code::qr::serial_hash;
use wallet_core::code::sheet::Sheet;
use wallet_core::document::{IdCard, Sex};
use wallet_core::ecert::{AssuranceLevel, Claims, Disclosure, StatusReference, sign::sign};
use wallet_core::face::Template;
use wallet_core::ids::CertificateId;
use wallet_core::jws::base64url;
use wallet_core::pairwise::Eid;
use wallet_core::refusal::Refusal;

use super::callers::Device;
use super::certificates::{Ended, end};
use super::{Context, later, random, sponsorships, status_lists, templates};
use crate::stop::Flow;
use crate::store::certificates::{Certificate, Standing};
use crate::store::enrolments::{Enrolment, State};
use crate::store::{Conn, audit, certificates, enrolments, handles, holders, revocations};

/// How long a certificate lasts: a face changes, a card is replaced.
pub(super) const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 365);

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
    let expires_at = later(issued_at, LIFETIME);
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
        Ok(sign(&claims, ctx.signer.chain(), ctx.signer.as_ref())?)
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
