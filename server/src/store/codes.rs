//! Numeric codes: minted by the server, one live per certificate. (A QR is made by the phone; the server only remembers
//! that it was used, in `redemptions`.)

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::attributes::Share;
use wallet_core::ids::CertificateId;

use super::columns::{parse, time};
use super::schema::numeric_codes as codes;
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
    /// Whether it was.
    pub spent: bool,
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
    let columns = (codes::certificate_id, codes::share, codes::expires_at, codes::spent);
    let found = codes::table.find(code_mac.as_slice()).select(columns);
    let Some((certificate, share, expires_at, spent)) =
        found.first::<(String, String, i64, i64)>(conn).optional()?
    else {
        return Ok(None);
    };
    Ok(Some(Minted {
        certificate: parse(&certificate)?,
        share: parse(&share)?,
        expires_at: time(expires_at)?,
        spent: spent != 0,
    }))
}

/// Spends a live code.
pub fn spend(conn: &mut Conn, code_mac: &[u8; 32]) -> QueryResult<()> {
    let row = codes::table.find(code_mac.as_slice()).filter(codes::spent.eq(0));
    exactly_one(diesel::update(row).set(codes::spent.eq(1)).execute(conn)?)
}

/// Forgets codes that ended before `time`. A redeemed one stays one-time: its redemption remembers it.
pub fn forget(conn: &mut Conn, time: Timestamp) -> QueryResult<usize> {
    diesel::delete(codes::table.filter(codes::expires_at.lt(time.as_microsecond()))).execute(conn)
}
