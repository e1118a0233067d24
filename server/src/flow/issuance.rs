//! Issuing an E-cert, in one transaction with everything that belongs to it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use wallet_core::attributes::Attribute;
use wallet_core::document::{IdCard, Sex};
use wallet_core::ecert::{AssuranceLevel, Claims, Disclosure, StatusReference, sign::sign};
use wallet_core::es256::sha256;
use wallet_core::face::Template;
use wallet_core::face::protection::Stored;
use wallet_core::ids::{CertificateId, EnrolmentId, HolderId};
use wallet_core::jws::base64url;
use wallet_core::pairwise::Eid;
use wallet_core::refusal::{Reason, Refusal};

use super::callers::Device;
use super::certificates::{end, paper_code_hash};
use super::{Context, later, random, status_lists, templates};
use crate::stop::Flow;
use crate::store::certificates::{Certificate, Ended};
use crate::store::enrolments::{Enrolment, State};
use crate::store::{Conn, audit, certificates, codes, devices, enrolments, holders, notices};

/// How long a certificate lasts: a face changes, a card is replaced.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 365);
/// Handles given to a wallet at once, one for each code; 64 last weeks.
const HANDLES: usize = 64;
/// How long the same device may ask for the answer again.
const ANSWERED: SignedDuration = SignedDuration::from_hours(1);
/// Crockford's base 32: no I, L, O or U to misread on paper.
const PAPER_ALPHABET: [u8; 32] = *b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What the wallet receives. Of the handles and the revocation code the server keeps only hashes, and for [`ANSWERED`] the whole answer,
/// sealed.
#[derive(Serialize, Deserialize)]
pub struct Issued {
    certificate_id: CertificateId,
    /// The E-cert: a tagged COSE_Sign1, base64url.
    certificate: String,
    disclosures: Vec<Disclosure>,
    /// 16 bytes each, base64url; one for each QR.
    handles: Vec<String>,
    /// On paper, for a lost phone: 20 letters and digits in groups of five.
    revocation_code: String,
    assurance_level: AssuranceLevel,
    expires_at: Timestamp,
}

/// Who a person is, as far as it was proven.
pub(super) struct Proven {
    eid: Eid,
    values: Vec<(Attribute, String)>,
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
        card: &IdCard,
        template: &Template,
        assurance: AssuranceLevel,
        now: Timestamp,
    ) -> Proven {
        Proven {
            eid: Eid::derive(&ctx.secrets.eid, card.number.as_str()),
            values: values(card),
            template: Stored::protect(template, &ctx.secrets.template, random()),
            assurance,
            expires_at: later(whole_seconds(now), LIFETIME),
            by: None,
        }
    }

    /// By an earlier certificate and the face that it was issued to. Nothing gets better by it: the level is no higher, the reference
    /// is the same, under another salt, and the end is the same, so that a document is seen once a year.
    pub(super) fn by_certificate(
        ctx: &Context,
        eid: Eid,
        earlier: &Certificate,
        values: Vec<(Attribute, String)>,
        assurance: AssuranceLevel,
    ) -> anyhow::Result<Proven> {
        let template = templates::stored(ctx, earlier.id, &earlier.sealed_template)?;
        Ok(Proven {
            eid,
            values,
            template: template.rekey(&ctx.secrets.template, random()),
            assurance: assurance.min(earlier.assurance),
            expires_at: earlier.expires_at,
            by: Some(earlier.id),
        })
    }
}

/// Issues to a device, and ends the holder's earlier certificates and the tokens of their devices.
pub(super) fn issue(ctx: &Context, device: &Device, enrolment: &Enrolment, proven: &Proven) -> Flow<Issued> {
    let now = ctx.now();
    let issued_at = whole_seconds(now);
    let id = CertificateId::new(now, &mut rand::rng());
    let disclosures = disclosures(&proven.values);
    let handles: Vec<[u8; 16]> = (0..HANDLES).map(|_| random()).collect();
    let revocation_code = paper_code();
    let sealed_attributes = ctx.vault.seal_json(&attributes_context(id), &disclosures)?;
    let sealed_template = templates::seal(ctx, id, &proven.template)?;
    ctx.holder_store.write(|conn| {
        let approved = State::Approved { certificate: id };
        let advanced = enrolments::advance(conn, enrolment, &approved)?;
        advanced.map_err(|current| Refusal::EnrolmentNotAtThisStep { state: current.name() })?;
        if let Some(earlier) = proven.by {
            // Another recovery, or a revocation, may have come in between.
            let newest = certificates::recoverable(conn, &proven.eid, now)?;
            newest.filter(|newest| newest.id == earlier).ok_or_else(not_recovered)?;
        }
        let holder = holders::find_or_insert(conn, &proven.eid, now)?;
        supersede(conn, holder, id, &device.jkt, now)?;
        devices::belongs_to(conn, &device.jkt, holder)?;
        let kind = if proven.by.is_some() { "recovered" } else { "enrolled" };
        notices::append(conn, holder, kind, now)?;
        let certificate = Certificate {
            id,
            holder,
            device_jkt: device.jkt.clone(),
            device_key: device.key.clone(),
            status: status_lists::free_place(conn, now)?,
            assurance: proven.assurance,
            sealed_attributes: sealed_attributes.clone(),
            sealed_template: sealed_template.clone(),
            active: true,
            issued_at,
            expires_at: proven.expires_at,
        };
        certificates::insert(conn, &certificate, &paper_code_hash(&revocation_code))?;
        for handle in &handles {
            certificates::insert_handle(conn, &sha256(handle), id)?;
        }
        audit::append(conn, &device.jkt, "certificate.issue", id, "done", now)?;
        let claims = claims(ctx, &certificate, &disclosures);
        let issued = Issued {
            certificate_id: id,
            certificate: base64url(&sign(&claims, ctx.signer.chain(), ctx.signer.as_ref())?),
            disclosures: disclosures.clone(),
            handles: handles.iter().map(|handle| base64url(handle)).collect(),
            revocation_code: revocation_code.clone(),
            assurance_level: proven.assurance,
            expires_at: proven.expires_at,
        };
        let sealed = ctx.vault.seal_json(&answer_context(enrolment.id), &issued)?;
        enrolments::keep_answer(conn, enrolment.id, &sealed, later(now, ANSWERED))?;
        Ok(issued)
    })
}

/// The one answer to a wrong face, an unknown number, a certificate that has no template any more, and a number that was tried too often.
pub(super) fn not_recovered() -> Refusal {
    let hint = ("无法恢复，请持身份证件重新申领", "This can't be recovered; enrol anew with your document");
    Refusal::EnrolmentRefused(Reason { code: "not-recovered", field: None, hint: hint.into() })
}

/// Ends the certificates before, with the digits that were minted for them, and the tokens of the devices that had them.
fn supersede(conn: &mut Conn, holder: HolderId, by: CertificateId, jkt: &str, now: Timestamp) -> Flow<()> {
    let earlier = certificates::active_of_holder(conn, holder)?;
    for earlier in &earlier {
        end(conn, earlier, Ended::Superseded, &format!("superseded by {by}"), now)?;
        codes::void(conn, earlier.id)?;
    }
    let their_devices: Vec<String> = earlier.into_iter().map(|earlier| earlier.device_jkt).collect();
    Ok(devices::replace(conn, holder, jkt, &their_devices, now)?)
}

/// The answer of an approved enrolment, as it was kept.
pub(super) fn open_answer(ctx: &Context, id: EnrolmentId, sealed: &[u8]) -> Flow<Box<Issued>> {
    Ok(ctx.vault.open_json(&answer_context(id), sealed)?)
}

/// What the kept answer of an enrolment is bound to.
pub(super) fn answer_context(id: EnrolmentId) -> String {
    format!("enrolments.answer {id}")
}

fn claims(ctx: &Context, certificate: &Certificate, disclosures: &[Disclosure]) -> Claims {
    let (list, index) = certificate.status;
    Claims {
        issuer: ctx.public_url.clone(),
        cti: random(),
        issued_at: certificate.issued_at,
        expires_at: certificate.expires_at,
        device: certificate.device_key.clone(),
        status: StatusReference { index, uri: status_lists::uri(ctx, list) },
        assurance: certificate.assurance,
        digests: disclosures.iter().map(|disclosure| (disclosure.name, disclosure.digest())).collect(),
    }
}

fn values(card: &IdCard) -> Vec<(Attribute, String)> {
    let sex = match card.sex {
        Sex::Male => "男",
        Sex::Female => "女",
    };
    vec![
        (Attribute::Name, card.name.clone()),
        (Attribute::Sex, sex.to_owned()),
        (Attribute::Ethnicity, card.ethnicity.clone()),
        (Attribute::BirthDate, card.birth.to_string()),
        (Attribute::Address, card.address.clone()),
        (Attribute::DocumentNumber, card.number.as_str().to_owned()),
    ]
}

/// Each value under a fresh salt.
fn disclosures(values: &[(Attribute, String)]) -> Vec<Disclosure> {
    let salted = |(name, value): &(Attribute, String)| Disclosure {
        name: *name,
        value: value.clone(),
        salt: base64url(&random::<16>()),
    };
    values.iter().map(salted).collect()
}

/// 20 characters of five random bits: 100 bits.
fn paper_code() -> String {
    let letters = random::<20>().map(|byte| {
        let place = usize::from(byte % 32);
        char::from(PAPER_ALPHABET.get(place).copied().unwrap_or(b'0'))
    });
    letters.chunks(5).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// What sealed attributes of a certificate are bound to.
pub fn attributes_context(id: CertificateId) -> String {
    format!("certificates.attributes {id}")
}
