//! What is held of a holder, read as a whole for the copy that is theirs.

use diesel::prelude::*;
use jiff::Timestamp;
use serde::Serialize;
use wallet_core::ids::{CertificateId, ConsentId, EnrolmentId, HolderId};

use super::Conn;
use super::columns::{parse, time};
use super::schema::{certificates, consents, devices, enrolments, holders};

/// Certificates and enrolments that are read: a person has one a year, and one for each new phone.
const MOST: i64 = 1000;

/// A certificate with all that is sealed of it.
#[derive(Debug)]
pub struct Kept {
    /// Which.
    pub id: CertificateId,
    /// How sure we were.
    pub assurance: String,
    /// The thumbprint of its device key.
    pub device_jkt: String,
    /// The attributes, sealed.
    pub attributes: Vec<u8>,
    /// The template, sealed; empty when it was erased.
    pub template: Vec<u8>,
    /// The picture, sealed.
    pub portrait: Option<Vec<u8>>,
}

/// The certificates of a holder, the newest first.
pub fn certificates_of(conn: &mut Conn, holder: HolderId) -> QueryResult<Vec<Kept>> {
    use certificates as c;
    type Row = (String, String, String, Vec<u8>, Vec<u8>, Option<Vec<u8>>);
    let found = c::table.filter(c::holder_id.eq(holder.to_string())).order(c::id.desc()).limit(MOST).select(
        (c::id, c::assurance, c::device_jkt, c::sealed_attributes, c::sealed_template, c::sealed_portrait),
    );
    let kept = |(id, assurance, device_jkt, attributes, template, portrait): Row| {
        Ok(Kept { id: parse(&id)?, assurance, device_jkt, attributes, template, portrait })
    };
    found.load::<Row>(conn)?.into_iter().map(kept).collect()
}

/// An enrolment or recovery of the holder's, and the consent that it began with.
#[derive(Debug, Serialize)]
pub struct Consented {
    /// Which consent.
    pub id: ConsentId,
    /// Which text was agreed to.
    pub text_version: String,
    /// When.
    pub agreed_at: Timestamp,
    /// JWS `ecert-consent+jwt`.
    pub receipt: String,
    /// What was begun with it.
    pub enrolment: EnrolmentId,
    /// `document` or `recovery`.
    pub kind: String,
    /// How it stands.
    pub state: String,
    /// From which device.
    pub device_jkt: String,
    /// What it was issued.
    pub certificate: Option<CertificateId>,
}

/// The consents of a holder, the newest first: of what was issued to them, and of what their devices began.
pub fn consents_of(conn: &mut Conn, holder: HolderId) -> QueryResult<Vec<Consented>> {
    use {consents as c, enrolments as e};
    let holder = holder.to_string();
    let theirs = devices::table.filter(devices::holder_id.eq(&holder)).select(devices::jkt);
    let theirs: Vec<String> = theirs.load(conn)?;
    let issued = certificates::table.filter(certificates::holder_id.eq(&holder)).select(certificates::id);
    let issued: Vec<String> = issued.load(conn)?;
    type Row = ((String, String, i64, String), (String, Option<String>, String, String, Option<String>));
    let found = c::table
        .inner_join(e::table.on(e::id.eq(c::enrolment_id)))
        .filter(e::device_jkt.eq_any(theirs).or(e::certificate_id.eq_any(issued).assume_not_null()))
        .order(c::id.desc())
        .limit(MOST)
        .select((
            (c::id, c::text_version, c::agreed_at, c::receipt),
            (e::id, e::kind, e::state, e::device_jkt, e::certificate_id),
        ));
    let consented = |((id, text_version, agreed_at, receipt), enrolment): Row| {
        let (enrolment, kind, state, device_jkt, certificate) = enrolment;
        Ok(Consented {
            id: parse(&id)?,
            text_version,
            agreed_at: time(agreed_at)?,
            receipt,
            enrolment: parse(&enrolment)?,
            kind: kind.unwrap_or_else(|| "document".to_owned()),
            state,
            device_jkt,
            certificate: certificate.map(|id| parse(&id)).transpose()?,
        })
    };
    found.load::<Row>(conn)?.into_iter().map(consented).collect()
}

/// Since when a holder is known.
pub fn known_since(conn: &mut Conn, holder: HolderId) -> QueryResult<Timestamp> {
    time(holders::table.find(holder.to_string()).select(holders::created_at).first(conn)?)
}
