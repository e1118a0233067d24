//! Certificates.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use jiff::Timestamp;
use wallet_core::ecert::AssuranceLevel;
use wallet_core::es256::PublicKey;
use wallet_core::ids::{CertificateId, HolderId, SponsorshipId};
use wallet_core::pairwise::Eid;

use super::columns::{array, damaged, parse, time};
use super::data_keys::{self, KeyRow, WrappedKey};
use super::schema::{certificates, holders};
use super::{Conn, exactly_one};

/// A certificate as the server keeps it.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Which.
    pub id: CertificateId,
    /// Whose.
    pub holder: HolderId,
    /// The thumbprint of the device key that it is bound to.
    pub device_jkt: String,
    /// That key.
    pub device_key: PublicKey,
    /// Its list, and its place in it.
    pub status: (i64, u32),
    /// How sure we are.
    pub assurance: AssuranceLevel,
    /// The attributes with their salts, sealed.
    pub sealed_attributes: Vec<u8>,
    /// The face template, sealed.
    pub sealed_template: Vec<u8>,
    /// How it stands.
    pub standing: Standing,
    /// From when.
    pub issued_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// How a certificate stands: Active ⇄ Suspended → Revoked or Superseded. When and why, [`super::revocations::Record`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As issued, or reactivated.
    Active,
    /// Not to be used, and may come back.
    Suspended,
    /// Ended.
    Revoked,
    /// Ended, and another one is in its place.
    Superseded,
}

/// The standings that can still change.
pub(super) const OPEN: [&str; 2] = ["active", "suspended"];

impl Standing {
    const ALL: [Standing; 4] =
        [Standing::Active, Standing::Suspended, Standing::Revoked, Standing::Superseded];

    /// Whether it can still change.
    pub fn is_open(self) -> bool {
        matches!(self, Standing::Active | Standing::Suspended)
    }

    /// The word of the column and of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Active => "active",
            Standing::Suspended => "suspended",
            Standing::Revoked => "revoked",
            Standing::Superseded => "superseded",
        }
    }

    /// Ended: nothing brings it back.
    pub fn is_final(self) -> bool {
        matches!(self, Standing::Revoked | Standing::Superseded)
    }

    pub(super) fn read(word: &str) -> QueryResult<Standing> {
        let standing = Self::ALL.into_iter().find(|standing| standing.as_str() == word);
        standing.ok_or_else(|| damaged(&"certificates.state"))
    }
}

impl Certificate {
    /// Issued, and not past its time at `now`; whether it is suspended or ended is another question.
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.issued_at <= now && now < self.expires_at
    }
}

pub(super) type Row =
    (String, String, String, Vec<u8>, (i64, i64), String, (Vec<u8>, Vec<u8>), String, i64, i64);

/// Whose a certificate is, as far as who uses it must know.
#[derive(Debug, Clone)]
pub struct Owner {
    /// By what they are known.
    pub eid: Eid,
    /// What opens the sealed parts; none of those from before there were data keys, nor of those who were erased.
    pub key: Option<WrappedKey>,
    /// Whether they want nothing to do with some relying party: which, [`super::withdrawals::is_blocked`] knows.
    pub has_blocks: bool,
}

/// The columns of a certificate, and of its holder.
pub(super) type OwnedRow = (Row, (Vec<u8>, KeyRow, i64));
pub(super) type SqlRow = (
    (Text, Text, Text, Binary, (BigInt, BigInt), Text, (Binary, Binary), Text, BigInt, BigInt),
    (Binary, (Nullable<Text>, Nullable<Binary>), BigInt),
);

pub(super) fn from_owned_row((row, (eid, key, has_blocks)): OwnedRow) -> QueryResult<(Certificate, Owner)> {
    let key = data_keys::from_row(key)?;
    let owner = Owner { eid: Eid::from_bytes(array(&eid)?), key, has_blocks: has_blocks == 1 };
    Ok((from_row(row)?, owner))
}

fn from_row(row: Row) -> QueryResult<Certificate> {
    let (id, holder, device_jkt, key, (list, index), assurance, sealed, state, issued_at, expires_at) = row;
    Ok(Certificate {
        id: parse(&id)?,
        holder: parse(&holder)?,
        device_jkt,
        device_key: PublicKey::from_sec1(&key).map_err(|error| damaged(&error))?,
        status: (list, u32::try_from(index).map_err(|error| damaged(&error))?),
        assurance: AssuranceLevel::parse(&assurance).ok_or_else(|| damaged(&"certificates.assurance"))?,
        sealed_attributes: sealed.0,
        sealed_template: sealed.1,
        standing: Standing::read(&state)?,
        issued_at: time(issued_at)?,
        expires_at: time(expires_at)?,
    })
}

macro_rules! columns {
    () => {{
        use certificates as c;
        (
            c::id,
            c::holder_id,
            c::device_jkt,
            c::device_key,
            (c::status_list, c::status_index),
            c::assurance,
            (c::sealed_attributes, c::sealed_template),
            c::state,
            c::issued_at,
            c::expires_at,
        )
    }};
}

macro_rules! owned {
    () => {
        (columns!(), (holders::eid, (holders::kek, holders::wrapped_key), holders::has_blocks))
    };
}

/// Adds a certificate in force.
pub fn insert(
    conn: &mut Conn,
    certificate: &Certificate,
    revocation_code_hash: &[u8; 32],
    sponsorship: Option<SponsorshipId>,
) -> QueryResult<()> {
    use certificates as c;
    let row = (
        c::id.eq(certificate.id.to_string()),
        c::holder_id.eq(certificate.holder.to_string()),
        c::device_jkt.eq(&certificate.device_jkt),
        c::device_key.eq(certificate.device_key.to_sec1()),
        c::status_list.eq(certificate.status.0),
        c::status_index.eq(i64::from(certificate.status.1)),
        c::assurance.eq(certificate.assurance.as_str()),
        c::sealed_attributes.eq(&certificate.sealed_attributes),
        c::sealed_template.eq(&certificate.sealed_template),
        c::revocation_code_hash.eq(revocation_code_hash.as_slice()),
        c::sponsorship_id.eq(sponsorship.map(|id| id.to_string())),
        c::state.eq(certificate.standing.as_str()),
        c::issued_at.eq(certificate.issued_at.as_microsecond()),
        c::expires_at.eq(certificate.expires_at.as_microsecond()),
    );
    diesel::insert_into(c::table).values(row).execute(conn).map(drop)
}

/// The certificate with this id.
pub fn find(conn: &mut Conn, id: CertificateId) -> QueryResult<Option<Certificate>> {
    let found = certificates::table.filter(certificates::id.eq(id.to_string())).select(columns!());
    found.first::<Row>(conn).optional()?.map(from_row).transpose()
}

/// Whether a certificate is in force at `now`.
pub fn is_in_force(conn: &mut Conn, id: CertificateId, now: Timestamp) -> QueryResult<bool> {
    use certificates as c;
    let now = now.as_microsecond();
    let found = c::table
        .filter(c::id.eq(id.to_string()))
        .filter(c::state.eq("active"))
        .filter(c::issued_at.le(now))
        .filter(c::expires_at.gt(now));
    diesel::dsl::select(diesel::dsl::exists(found)).get_result(conn)
}

/// Each certificate with its holder, in the order of `ids`.
pub(super) fn with_owners(
    conn: &mut Conn,
    ids: &[CertificateId],
) -> QueryResult<Vec<Option<(Certificate, Owner)>>> {
    let found = certificates::table
        .inner_join(holders::table.on(holders::id.eq(certificates::holder_id)))
        .filter(certificates::id.eq_any(ids.iter().map(CertificateId::to_string)))
        .select(owned!());
    let mut known = HashMap::new();
    for row in found.load::<OwnedRow>(conn)? {
        let (certificate, owner) = from_owned_row(row)?;
        known.insert(certificate.id, (certificate, owner));
    }
    Ok(ids.iter().map(|id| known.get(id).cloned()).collect())
}

/// The newest certificate of a device.
pub fn of_device(conn: &mut Conn, device_jkt: &str) -> QueryResult<Option<Certificate>> {
    let found = certificates::table
        .filter(certificates::device_jkt.eq(device_jkt))
        .order(certificates::id.desc())
        .select(columns!());
    found.first::<Row>(conn).optional()?.map(from_row).transpose()
}

/// The certificate that a paper revocation code ends.
pub fn by_revocation_code(conn: &mut Conn, hash: &[u8; 32]) -> QueryResult<Option<Certificate>> {
    let found =
        certificates::table.filter(certificates::revocation_code_hash.eq(hash.as_slice())).select(columns!());
    found.first::<Row>(conn).optional()?.map(from_row).transpose()
}

/// The newest certificate behind an eid that is not past its time, if nothing speaks against it. A suspended one is not: an admin lifts a
/// suspension, and nobody else does.
pub fn recoverable(conn: &mut Conn, eid: &Eid, now: Timestamp) -> QueryResult<Option<(Certificate, Owner)>> {
    let newest = certificates::table
        .inner_join(holders::table.on(holders::id.eq(certificates::holder_id)))
        .filter(holders::eid.eq(eid.as_bytes().as_slice()))
        .filter(certificates::state.eq_any(OPEN))
        .filter(certificates::expires_at.gt(now.as_microsecond()))
        .order(certificates::id.desc())
        .select(owned!());
    let newest = newest.first::<OwnedRow>(conn).optional()?.map(from_owned_row).transpose()?;
    Ok(newest.filter(|(newest, _)| newest.standing == Standing::Active))
}

/// Keeps the picture on the document, sealed, beside a certificate.
pub fn keep_portrait(conn: &mut Conn, id: CertificateId, sealed: &[u8]) -> QueryResult<()> {
    use certificates as c;
    let row = c::table.filter(c::id.eq(id.to_string()));
    exactly_one(diesel::update(row).set(c::sealed_portrait.eq(sealed)).execute(conn)?)
}

/// The picture on the document, sealed, and its holder's data key as it is with it; one from before pictures were kept, or one that has
/// ended, has none.
pub fn portrait(conn: &mut Conn, id: CertificateId) -> QueryResult<Option<(Vec<u8>, Option<WrappedKey>)>> {
    use certificates as c;
    let found = c::table
        .inner_join(holders::table.on(holders::id.eq(c::holder_id)))
        .filter(c::id.eq(id.to_string()))
        .select((c::sealed_portrait, (holders::kek, holders::wrapped_key)));
    let Some((sealed, key)) = found.first::<(Option<Vec<u8>>, KeyRow)>(conn).optional()? else {
        return Ok(None);
    };
    let key = data_keys::from_row(key)?;
    Ok(sealed.map(|sealed| (sealed, key)))
}

/// How many templates are kept.
pub fn count_templates(conn: &mut Conn) -> QueryResult<u64> {
    use certificates as c;
    let count: i64 = c::table.filter(c::sealed_template.ne([].as_slice())).count().get_result(conn)?;
    u64::try_from(count).map_err(|error| damaged(&error))
}

/// A sealed template, and what opens it.
#[derive(Debug, Clone)]
pub struct SealedTemplate {
    /// Whose.
    pub holder: HolderId,
    /// Their data key.
    pub key: Option<WrappedKey>,
    /// The certificate that it belongs to.
    pub certificate: CertificateId,
    /// The template.
    pub sealed: Vec<u8>,
}

/// Sealed templates in the order of their certificates' ids, from behind `after` on.
pub fn templates_after(
    conn: &mut Conn,
    after: Option<CertificateId>,
    limit: i64,
) -> QueryResult<Vec<SealedTemplate>> {
    use certificates as c;
    let after = after.map_or_else(String::new, |id| id.to_string());
    let found = c::table
        .inner_join(holders::table.on(holders::id.eq(c::holder_id)))
        .filter(c::id.gt(after))
        .filter(c::sealed_template.ne([].as_slice()))
        .order(c::id)
        .limit(limit)
        .select((c::id, c::sealed_template, c::holder_id, (holders::kek, holders::wrapped_key)));
    let rows = found.load::<(String, Vec<u8>, String, KeyRow)>(conn)?.into_iter();
    let template = |(id, sealed, holder, key): (String, Vec<u8>, String, KeyRow)| {
        let key = data_keys::from_row(key)?;
        Ok(SealedTemplate { holder: parse(&holder)?, key, certificate: parse(&id)?, sealed })
    };
    rows.map(template).collect()
}

/// Puts a sealed template in the place of another; false when that one is there no more.
pub fn replace_template(conn: &mut Conn, id: CertificateId, old: &[u8], new: &[u8]) -> QueryResult<bool> {
    use certificates as c;
    let row = c::table.filter(c::id.eq(id.to_string())).filter(c::sealed_template.eq(old));
    Ok(diesel::update(row).set(c::sealed_template.eq(new)).execute(conn)? == 1)
}

/// The newest status list, and how many places of it are taken; `None` before the first certificate.
pub fn newest_status_list(conn: &mut Conn) -> QueryResult<Option<(i64, i64)>> {
    let newest = certificates::table.select(diesel::dsl::max(certificates::status_list));
    let Some(list) = newest.first::<Option<i64>>(conn)? else { return Ok(None) };
    let taken = certificates::table.filter(certificates::status_list.eq(list)).count().get_result(conn)?;
    Ok(Some((list, taken)))
}

/// Whether a place in a status list is taken.
pub fn status_is_taken(conn: &mut Conn, list: i64, index: u32) -> QueryResult<bool> {
    let taken = certificates::table
        .filter(certificates::status_list.eq(list))
        .filter(certificates::status_index.eq(i64::from(index)));
    diesel::dsl::select(diesel::dsl::exists(taken)).get_result(conn)
}

/// The places in a status list whose certificates are suspended or ended.
pub fn out_of_force_in_list(conn: &mut Conn, list: i64) -> QueryResult<Vec<(u32, Standing)>> {
    let found = certificates::table
        .filter(certificates::status_list.eq(list))
        .filter(certificates::state.ne("active"))
        .select((certificates::status_index, certificates::state));
    let rows = found.load::<(i64, String)>(conn)?.into_iter();
    rows.map(|(index, state)| {
        Ok((u32::try_from(index).map_err(|error| damaged(&error))?, Standing::read(&state)?))
    })
    .collect()
}
