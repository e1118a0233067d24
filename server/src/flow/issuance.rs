//! Issuing an E-cert, in one transaction with everything that belongs to it.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::attributes::{Attribute, Source, has_reached};
use wallet_core::code::paper::PaperCode;
use wallet_core::code::qr::serial_hash;
use wallet_core::code::sheet::Sheet;
use wallet_core::document::{Document, Sex};
use wallet_core::ecert::{AssuranceLevel, Claims, Disclosure, StatusReference, sign::sign};
use wallet_core::face::Template;
use wallet_core::face::protection::Stored;
use wallet_core::ids::{CertificateId, EnrolmentId, HolderId, SponsorshipId};
use wallet_core::jws::base64url;
use wallet_core::pairwise::Eid;
use wallet_core::refusal::{Reason, Refusal};

use super::callers::Device;
use super::certificates::{Ended, end};
use super::{Context, data_keys, issuing_guard, later, random, sponsorships, status_lists, templates};
use crate::edge::data_keys::HolderVault;
use crate::stop::Flow;
use crate::store::certificates::{Certificate, Owner, Standing};
use crate::store::enrolments::{Enrolment, KeptAnswer, State};
use crate::store::{
    Conn, audit, certificates, codes, devices, enrolments, handles, holders, notices, revocations,
    standing_numbers,
};

/// How long the same device may ask for the answer again.
const ANSWERED: SignedDuration = SignedDuration::from_hours(1);

/// What the wallet receives. Of the revocation code the server keeps only a hash, and for [`ANSWERED`] the whole answer, sealed. Handles
/// for codes are the wallet's to ask for.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Issued {
    certificate_id: CertificateId,
    /// The E-cert: a tagged COSE_Sign1, base64url.
    certificate: String,
    disclosures: Vec<Disclosure>,
    /// On paper, for a lost phone: 18 digits in groups of six.
    revocation_code: String,
    /// The same as a page to print, HTML.
    revocation_sheet: String,
    assurance_level: AssuranceLevel,
    expires_at: Timestamp,
}

/// Who a person is, as far as it was proven.
pub(super) struct Proven {
    eid: Eid,
    /// What is on the document; what follows from it is derived anew.
    values: Vec<(Attribute, String)>,
    birth: Date,
    template: Stored,
    assurance: AssuranceLevel,
    expires_at: Timestamp,
    /// The certificate that vouched, where no document did: it must still stand.
    by: Option<CertificateId>,
}

impl Proven {
    /// By a document and the face on it.
    pub(super) fn by_document(
        ctx: &Context,
        document: &Document,
        picture: Option<String>,
        template: &Template,
        assurance: AssuranceLevel,
        now: Timestamp,
    ) -> Proven {
        Proven {
            eid: Eid::derive(&ctx.secrets.eid, document.number().as_str()),
            values: values(document, picture),
            birth: document.birth(),
            template: Stored::protect(template, &ctx.secrets.template, random()),
            assurance,
            expires_at: later(whole_seconds(now), issuing_guard::LIFETIME),
            by: None,
        }
    }

    /// By an earlier certificate and the face that it was issued to. Nothing gets better by it: the level is no higher, the reference
    /// is the same, under another salt, and the end is the same, so that a document is seen once a year.
    pub(super) fn by_certificate(
        ctx: &Context,
        (earlier, owner): (&Certificate, &Owner),
        template: &Stored,
        values: Vec<(Attribute, String)>,
        birth: Date,
        assurance: AssuranceLevel,
    ) -> Proven {
        Proven {
            eid: owner.eid,
            values,
            birth,
            template: template.rekey(&ctx.secrets.template, random()),
            assurance: assurance.min(earlier.assurance),
            expires_at: earlier.expires_at,
            by: Some(earlier.id),
        }
    }
}

/// Issues to a device, and ends the holder's earlier certificates and the tokens of their devices.
pub(super) fn issue(ctx: &Context, device: &Device, enrolment: &Enrolment, proven: &Proven) -> Flow<Issued> {
    let now = ctx.now();
    let issued_at = whole_seconds(now);
    let signer = ctx.signer.current();
    // A signer that was not renewed in time vouches for what is left of its own.
    let expires_at = proven.expires_at.min(issuing_guard::expiry(&signer));
    let id = CertificateId::new(now, &mut rand::rng());
    let on_document: Vec<Disclosure> =
        proven.values.iter().map(|(name, value)| salted(*name, value.clone())).collect();
    let disclosures = [on_document.clone(), derived(&on_document, proven.birth, ctx.today())].concat();
    let serial = random();
    let revocation_code = PaperCode::mint(&mut rand::rng());
    ctx.holder_store.write(|conn| {
        let approved = State::Approved { certificate: id };
        let advanced = enrolments::advance(conn, enrolment, &approved)?;
        advanced.map_err(|current| Refusal::EnrolmentNotAtThisStep { state: current.name() })?;
        let holder = holders::find_or_insert(conn, &proven.eid, now)?;
        issuing_guard::ensure_own(conn, device, holder)?;
        if holders::is_held(conn, holder)? {
            return Err(if proven.by.is_some() { not_recovered() } else { held() }.into());
        }
        let sponsorship = match proven.by {
            Some(earlier) => recovered(conn, device, &proven.eid, earlier, now)?,
            None => enrolled(conn, holder, enrolment, now)?,
        };
        supersede(conn, device, holder, id, now)?;
        let vault = data_keys::ensure(ctx, conn, holder, now)?;
        super::devices::hand_over(conn, &device.jkt, holder, &vault)?;
        let (sealed_attributes, sealed_portrait) = seal_attributes(&vault, id, &on_document)?;
        let certificate = Certificate {
            id,
            holder,
            device_jkt: device.jkt.clone(),
            device_key: device.key.clone(),
            status: status_lists::free_place(conn, now)?,
            assurance: proven.assurance,
            sealed_attributes,
            sealed_template: templates::seal(&vault, id, &proven.template)?,
            standing: Standing::Active,
            issued_at,
            expires_at,
        };
        let paper = revocation_code.mac(&ctx.secrets.code);
        certificates::insert(conn, &certificate, &paper, sponsorship)?;
        if let Some(sealed) = &sealed_portrait {
            certificates::keep_portrait(conn, id, sealed)?;
        }
        handles::insert_serial(conn, &serial_hash(&serial), id)?;
        audit::append(conn, &device.jkt, "certificate.issue", id, "done", now)?;
        let claims = claims(ctx, serial, &certificate, &disclosures);
        issuing_guard::ensure_sound(ctx, &claims, &signer, now)?;
        // Last, since the counter is one row for all.
        issuing_guard::count(conn, ctx.issuing_limit, now)?;
        let issued = Issued {
            certificate_id: id,
            certificate: base64url(&sign(&claims, signer.chain(), signer.as_ref())?),
            disclosures: disclosures.clone(),
            revocation_code: revocation_code.grouped(),
            revocation_sheet: sheet(ctx, &revocation_code, id, expires_at),
            assurance_level: proven.assurance,
            expires_at,
        };
        let sealed = vault.seal_json(&answer_context(enrolment.id), &issued)?;
        enrolments::keep_answer(conn, enrolment.id, &sealed, later(now, ANSWERED))?;
        Ok(issued)
    })
}

/// What is written on the document, and apart from it the picture, if there is one.
fn seal_attributes(
    vault: &HolderVault<'_>,
    id: CertificateId,
    on_document: &[Disclosure],
) -> anyhow::Result<(Vec<u8>, Option<Vec<u8>>)> {
    let (pictures, written): (Vec<_>, Vec<_>) =
        on_document.iter().partition(|disclosure| disclosure.name.source() == Source::Picture);
    let portrait = pictures.first().map(|portrait| vault.seal_json(&portrait_context(id), portrait));
    Ok((vault.seal_json(&attributes_context(id), &written)?, portrait.transpose()?))
}

/// What an enrolment with the document brings along; the sponsorship that it was under.
fn enrolled(
    conn: &mut Conn,
    holder: HolderId,
    enrolment: &Enrolment,
    now: Timestamp,
) -> Flow<Option<SponsorshipId>> {
    if let Some(sponsorship) = enrolment.sponsorship {
        sponsorships::use_up(conn, sponsorship, now)?;
    }
    notices::append(conn, holder, "enrolled", now)?;
    Ok(enrolment.sponsorship)
}

/// What a recovery brings along, if the certificate that vouches still stands: another recovery, a revocation or a suspension may have
/// come in between. Whoever has the old phone may have seen the standing number, so that it ends. The sponsorship is the earlier
/// certificate's, so that a sponsor who takes its word back ends the recovered one.
fn recovered(
    conn: &mut Conn,
    device: &Device,
    eid: &Eid,
    earlier: CertificateId,
    now: Timestamp,
) -> Flow<Option<SponsorshipId>> {
    let newest = certificates::recoverable(conn, eid, now)?.map(|(newest, _)| newest);
    let Certificate { holder, .. } =
        newest.filter(|newest| newest.id == earlier).ok_or_else(not_recovered)?;
    if standing_numbers::end(conn, holder, "recovered", now)? {
        audit::append(conn, &device.jkt, "number.end", holder, "done", now)?;
    }
    notices::append(conn, holder, "recovered", now)?;
    Ok(revocations::record(conn, earlier)?.and_then(|earlier| earlier.sponsorship))
}

/// The one answer to a wrong face, an unknown number, a certificate that has no template any more, and a number that was tried too often.
pub(super) fn not_recovered() -> Refusal {
    let hint = ("无法恢复，请持身份证件重新申领", "This can't be recovered; enrol anew with your document");
    Refusal::EnrolmentRefused(Reason { code: "not-recovered", field: None, hint: hint.into() })
}

/// Whoever is suspended gets nothing else in the meantime. It is said to them only after their document and their face were believed.
fn held() -> Refusal {
    let hint = (
        "您的电子证已被暂停使用，恢复之前不能重新申领，请联系签发机构",
        "Your E-cert is suspended, and no other is issued until that is lifted; please ask the issuer about it",
    );
    Refusal::EnrolmentRefused(Reason { code: "suspended", field: None, hint: hint.into() })
}

/// Ends the certificates before, with the digits that were minted for them, and the tokens of the devices that had them.
fn supersede(
    conn: &mut Conn,
    device: &Device,
    holder: HolderId,
    by: CertificateId,
    now: Timestamp,
) -> Flow<()> {
    let mut their_devices = Vec::new();
    for earlier in revocations::open_of_holder(conn, holder)? {
        their_devices.extend(certificates::find(conn, earlier.id)?.map(|earlier| earlier.device_jkt));
        audit::append(conn, &device.jkt, "certificate.supersede", earlier.id, "done", now)?;
        codes::void(conn, earlier.id)?;
        end(conn, earlier, &Ended::Superseded { by }, now)?;
    }
    Ok(devices::replace(conn, holder, &device.jkt, &their_devices, now)?)
}

/// The answer of an approved enrolment, as it was kept.
pub(super) fn open_answer(ctx: &Context, id: EnrolmentId, kept: &KeptAnswer) -> Flow<Box<Issued>> {
    let vault = ctx.vaults().of(kept.holder, kept.key.as_ref())?;
    Ok(vault.open_json(&answer_context(id), &kept.sealed)?)
}

/// What the kept answer of an enrolment is bound to.
pub(super) fn answer_context(id: EnrolmentId) -> String {
    format!("enrolments.answer {id}")
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

/// Only what the document says: a passport has no address and no ethnicity, and not always a sex.
fn values(document: &Document, picture: Option<String>) -> Vec<(Attribute, String)> {
    let sex = document.sex().map(|sex| match sex {
        Sex::Male => "男",
        Sex::Female => "女",
    });
    let (ethnicity, address) = match document {
        Document::IdCard(card) => (Some(card.ethnicity.clone()), Some(card.address.clone())),
        Document::Passport(_) => (None, None),
    };
    let written = [
        (Attribute::Name, Some(document.name().to_owned())),
        (Attribute::Sex, sex.map(str::to_owned)),
        (Attribute::Ethnicity, ethnicity),
        (Attribute::BirthDate, Some(document.birth().to_string())),
        (Attribute::Address, address),
        (Attribute::DocumentNumber, Some(document.number().as_str().to_owned())),
        (Attribute::Portrait, picture),
    ];
    written.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
}

fn salted(name: Attribute, value: String) -> Disclosure {
    Disclosure { name, value, salt: base64url(&random::<16>()) }
}

/// What follows from the document, for the wallet to disclose by itself where nobody can ask the server: ages as of `today`, so that a
/// yes stays one. The server makes them anew from the document each time, and keeps none.
fn derived(on_document: &[Disclosure], birth: Date, today: Date) -> Vec<Disclosure> {
    let whole = |of: Attribute| on_document.iter().find(|disclosure| disclosure.name == of);
    let value = |name: Attribute| match name.source() {
        Source::Document | Source::Picture => None,
        Source::Age(years) => Some(has_reached(years, birth, today).to_string()),
        Source::Masked(of) => whole(of).map(|whole| name.mask(&whole.value)),
    };
    Attribute::ALL.into_iter().filter_map(|name| value(name).map(|value| salted(name, value))).collect()
}

fn sheet(ctx: &Context, code: &PaperCode, certificate: CertificateId, expires_at: Timestamp) -> String {
    let expires_on = ctx.zone.to_datetime(expires_at).date();
    Sheet { code, certificate, expires_on, service: &ctx.public_url }.to_html()
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The picture on the document behind a certificate, if there is one.
pub(super) fn portrait(ctx: &Context, of: &Certificate) -> Flow<Option<Disclosure>> {
    let found = ctx.holder_store.read(|conn| Ok(certificates::portrait(conn, of.id)?))?;
    let Some((sealed, key)) = found else { return Ok(None) };
    let vault = ctx.vaults().of(of.holder, key.as_ref())?;
    Ok(Some(vault.open_json(&portrait_context(of.id), &sealed)?))
}

/// What the sealed portrait of a certificate is bound to.
pub fn portrait_context(id: CertificateId) -> String {
    format!("certificates.portrait {id}")
}

/// What sealed attributes of a certificate are bound to.
pub fn attributes_context(id: CertificateId) -> String {
    format!("certificates.attributes {id}")
}
