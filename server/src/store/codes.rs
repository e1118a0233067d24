//! Numeric codes: minted by the server, one live per certificate. And codes of either kind that were used up: a QR is made
//! by the phone, so that is all the server has of it.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::Text;
use jiff::Timestamp;
use wallet_core::attributes::Share;
use wallet_core::ids::{CertificateId, RedemptionId, RelyingPartyId};

use super::columns::{parse, time};
use super::schema::{numeric_codes as codes, spent_codes};
use super::sql::{Column, Statement};
use super::{Conn, certificates, exactly_one};

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

/// Ends the live code of a certificate.
pub fn void(conn: &mut Conn, certificate: CertificateId) -> QueryResult<usize> {
    let live =
        codes::table.filter(codes::certificate_id.eq(certificate.to_string())).filter(codes::spent.eq(0));
    diesel::delete(live).execute(conn)
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

/// A code that is to be used up.
#[derive(Debug, Clone)]
pub struct Spending {
    /// Of which certificate.
    pub certificate: CertificateId,
    /// Which.
    pub code_id: Vec<u8>,
    /// By whom.
    pub rp: RelyingPartyId,
    /// For what.
    pub spent: Spent,
    /// When.
    pub at: Timestamp,
}

/// Uses up QRs of certificates that are in force; `false` for each that must be looked at more closely: it was used up, or the
/// certificate is not in force.
pub(super) fn spend_all(conn: &mut Conn, spendings: &[Spending]) -> QueryResult<Vec<bool>> {
    match conn {
        Conn::Postgres(postgres) => spend_at_once(postgres, spendings),
        Conn::Sqlite(_) => spendings.iter().map(|spending| spend_one(conn, spending)).collect(),
    }
}

pub(super) fn spend_one(conn: &mut Conn, spending: &Spending) -> QueryResult<bool> {
    if spent(conn, spending.certificate, &spending.code_id)?.is_some()
        || !certificates::is_in_force(conn, spending.certificate, spending.at)?
    {
        return Ok(false);
    }
    insert_spent(conn, spending).map(|()| true)
}

const SPEND_AT_ONCE: &str = "
INSERT INTO spent_codes (certificate_id, code_id, rp_id, redemption_id, request_mac, spent_at)
SELECT c.id, g.code_id, g.rp_id, g.redemption_id, g.request_mac, g.spent_at
FROM unnest(?, ?, ?, ?, ?, ?) AS g (certificate_id, code_id, rp_id, redemption_id, request_mac, spent_at)
JOIN certificates c ON c.id = g.certificate_id
    AND c.state = 'active' AND c.issued_at <= g.spent_at AND c.expires_at > g.spent_at
ON CONFLICT DO NOTHING RETURNING redemption_id";

fn spend_at_once(postgres: &mut PgConnection, spendings: &[Spending]) -> QueryResult<Vec<bool>> {
    let of = || spendings.iter();
    let columns = vec![
        Column::Texts(of().map(|spending| spending.certificate.to_string()).collect()),
        Column::Bytes(of().map(|spending| spending.code_id.as_slice()).collect()),
        Column::Texts(of().map(|spending| spending.rp.to_string()).collect()),
        Column::Texts(of().map(|spending| spending.spent.redemption.to_string()).collect()),
        Column::Bytes(of().map(|spending| spending.spent.request_mac.as_slice()).collect()),
        Column::Ints(of().map(|spending| spending.at.as_microsecond()).collect()),
    ];
    let spent: HashSet<String> =
        Statement::<Text>::new(SPEND_AT_ONCE, columns).load::<String>(postgres)?.into_iter().collect();
    Ok(of().map(|spending| spent.contains(&spending.spent.redemption.to_string())).collect())
}

/// Uses up a code. The table allows it once.
pub fn insert_spent(conn: &mut Conn, spending: &Spending) -> QueryResult<()> {
    let row = (
        spent_codes::certificate_id.eq(spending.certificate.to_string()),
        spent_codes::code_id.eq(&spending.code_id),
        spent_codes::rp_id.eq(spending.rp.to_string()),
        spent_codes::redemption_id.eq(spending.spent.redemption.to_string()),
        spent_codes::request_mac.eq(&spending.spent.request_mac),
        spent_codes::spent_at.eq(spending.at.as_microsecond()),
    );
    diesel::insert_into(spent_codes::table).values(row).execute(conn).map(drop)
}

/// Undoes [`insert_spent`] for a redemption that was not opened.
pub fn give_back(
    conn: &mut Conn,
    certificate: CertificateId,
    code_id: &[u8],
    redemption: RedemptionId,
) -> QueryResult<()> {
    let row = spent_codes::table
        .find((certificate.to_string(), code_id))
        .filter(spent_codes::redemption_id.eq(redemption.to_string()));
    diesel::delete(row).execute(conn).map(drop)
}

/// Forgets codes that ended before `time`, spent or not: by then each is refused for its age.
pub fn forget(conn: &mut Conn, time: Timestamp) -> QueryResult<usize> {
    diesel::delete(spent_codes::table.filter(spent_codes::spent_at.lt(time.as_microsecond())))
        .execute(conn)?;
    diesel::delete(codes::table.filter(codes::expires_at.lt(time.as_microsecond()))).execute(conn)
}
