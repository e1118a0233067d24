//! Numeric codes: minted by the server, one live per certificate. And codes of either kind that were used up: a QR is made
//! by the phone, so that is all the server has of it.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::attributes::Share;
use wallet_core::ids::{CertificateId, RedemptionId, RelyingPartyId};

use super::columns::{parse, time};
use super::schema::{numeric_codes as codes, spent_codes};
use super::sql::{Statement, Value};
use super::{Conn, exactly_one};

/// A minted code, known by its MAC.
#[derive(Debug, Clone)]
pub struct Minted {
    /// Which certificate it presents.
    pub certificate: CertificateId,
    /// What it may share.
    pub share: Share,
    /// Until when it can be redeemed.
    pub expires_at: Timestamp,
}

/// Puts a fresh code in the place of the certificate's live one.
pub fn replace(conn: &mut Conn, code_mac: &[u8; 32], minted: &Minted) -> QueryResult<()> {
    let id = minted.certificate.to_string();
    let live = codes::table.filter(codes::certificate_id.eq(&id)).filter(codes::spent.eq(0));
    diesel::delete(live).execute(conn)?;
    let row = (
        codes::code_mac.eq(code_mac.as_slice()),
        codes::certificate_id.eq(&id),
        codes::share.eq(minted.share.as_str()),
        codes::expires_at.eq(minted.expires_at.as_microsecond()),
        codes::spent.eq(0),
    );
    diesel::insert_into(codes::table).values(row).execute(conn).map(drop)
}

/// The code with this MAC.
pub fn find(conn: &mut Conn, code_mac: &[u8; 32]) -> QueryResult<Option<Minted>> {
    let columns = (codes::certificate_id, codes::share, codes::expires_at);
    let found = codes::table.find(code_mac.as_slice()).select(columns);
    let Some((certificate, share, expires_at)) = found.first::<(String, String, i64)>(conn).optional()?
    else {
        return Ok(None);
    };
    Ok(Some(Minted {
        certificate: parse(&certificate)?,
        share: parse(&share)?,
        expires_at: time(expires_at)?,
    }))
}

/// Spends a live code.
pub fn spend(conn: &mut Conn, code_mac: &[u8; 32]) -> QueryResult<()> {
    let row = codes::table.find(code_mac.as_slice()).filter(codes::spent.eq(0));
    exactly_one(diesel::update(row).set(codes::spent.eq(1)).execute(conn)?)
}

/// A code used up: by whom, and for what.
#[derive(Debug, Clone)]
pub struct Spent {
    /// The redemption that it opened, or was about to open.
    pub redemption: RedemptionId,
    /// Which request spent it: the same one, asked again, gets the same redemption.
    pub request_mac: Vec<u8>,
}

/// How a code was used up; `None` while it was not.
pub fn spent(conn: &mut Conn, certificate: CertificateId, code_id: &[u8]) -> QueryResult<Option<Spent>> {
    let found = spent_codes::table
        .find((certificate.to_string(), code_id))
        .select((spent_codes::redemption_id, spent_codes::request_mac))
        .first::<(String, Vec<u8>)>(conn)
        .optional()?;
    let Some((redemption, request_mac)) = found else { return Ok(None) };
    Ok(Some(Spent { redemption: parse(&redemption)?, request_mac }))
}

/// Uses up a QR of a certificate that is in force, in one statement; `false` when it must be looked at more closely: it was used
/// up, or the certificate is not in force, or this is SQLite.
pub fn spend_at_once(
    conn: &mut Conn,
    certificate: CertificateId,
    code_id: &[u8],
    rp: RelyingPartyId,
    spent: &Spent,
    now: Timestamp,
) -> QueryResult<bool> {
    const AT_ONCE: &str = "
        WITH spent AS (
            INSERT INTO spent_codes (certificate_id, code_id, rp_id, redemption_id, request_mac, spent_at)
            SELECT id, ?, ?, ?, ?, ? FROM certificates
            WHERE id = ? AND state = 'active' AND issued_at <= ? AND expires_at > ?
            ON CONFLICT DO NOTHING RETURNING 1
        ) SELECT count(*) FROM spent";
    let Conn::Postgres(postgres) = conn else { return Ok(false) };
    let values = vec![
        Value::Bytes(code_id),
        Value::Text(rp.to_string()),
        Value::Text(spent.redemption.to_string()),
        Value::Bytes(&spent.request_mac),
        Value::Int(now.as_microsecond()),
        Value::Text(certificate.to_string()),
        Value::Int(now.as_microsecond()),
        Value::Int(now.as_microsecond()),
    ];
    Ok(Statement::new(AT_ONCE, values).numbers(postgres)? == [1])
}

/// Uses up a code. The table allows it once.
pub fn insert_spent(
    conn: &mut Conn,
    certificate: CertificateId,
    code_id: &[u8],
    rp: RelyingPartyId,
    spent: &Spent,
    now: Timestamp,
) -> QueryResult<()> {
    let row = (
        spent_codes::certificate_id.eq(certificate.to_string()),
        spent_codes::code_id.eq(code_id),
        spent_codes::rp_id.eq(rp.to_string()),
        spent_codes::redemption_id.eq(spent.redemption.to_string()),
        spent_codes::request_mac.eq(&spent.request_mac),
        spent_codes::spent_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(spent_codes::table).values(row).execute(conn).map(drop)
}

/// Forgets codes that ended before `time`, spent or not: by then each is refused for its age.
pub fn forget(conn: &mut Conn, time: Timestamp) -> QueryResult<usize> {
    diesel::delete(spent_codes::table.filter(spent_codes::spent_at.lt(time.as_microsecond())))
        .execute(conn)?;
    diesel::delete(codes::table.filter(codes::expires_at.lt(time.as_microsecond()))).execute(conn)
}
