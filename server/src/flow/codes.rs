//! Codes: minting the 16 digits, and finding out what a submitted code stands for.

use jiff::Timestamp;
use serde::Serialize;
use wallet_core::attributes::Share;
use wallet_core::code::Code;
use wallet_core::code::numeric::{LIFETIME, NumericCode};
use wallet_core::code::qr::UnverifiedQr;
use wallet_core::es256::sha256;
use wallet_core::refusal::Refusal;

use super::callers::Device;
use super::certificates::{in_force, referred_to};
use super::{Context, later};
use crate::stop::Flow;
use crate::store::certificates::{self, Certificate};
use crate::store::codes::{self, Minted};
use crate::store::{Conn, redemptions};

/// Sixteen digits for the holder to read out.
#[derive(Serialize)]
pub struct NumericCodeAnswer {
    /// In four groups of four.
    pub code: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Mints digits for the device's certificate; the ones before end.
pub fn mint(ctx: &Context, device: &Device, share: Share) -> Flow<NumericCodeAnswer> {
    let now = ctx.now();
    let expires_at = later(now, LIFETIME);
    let code = ctx.store.write(|conn| {
        let code = NumericCode::mint(&mut rand::rng());
        let certificate = certificates::of_device(conn, &device.jkt)?.ok_or(Refusal::NotFound)?;
        let certificate = in_force(certificate, now)?;
        let minted = Minted { certificate: certificate.id, share, expires_at, spent: false };
        codes::replace(conn, &code.mac(&ctx.secrets.code), &minted)?;
        Ok(code)
    })?;
    Ok(NumericCodeAnswer { code: code.grouped(), expires_at })
}

/// What a code stands for.
pub(super) enum Resolution {
    /// A certificate, presented now.
    Presented(Box<Presented>),
    /// Wrong, expired, or signed by another key: not told apart.
    Unknown,
    /// Used before.
    Redeemed,
}

/// A code that holds.
pub(super) struct Presented {
    pub(super) certificate: Certificate,
    pub(super) share: Share,
    /// What makes the code one-time.
    pub(super) code_id: Vec<u8>,
}

/// Finds what a code stands for. Call [`spend`] in the same transaction.
pub(super) fn resolve(ctx: &Context, conn: &mut Conn, code: &Code, now: Timestamp) -> Flow<Resolution> {
    match code {
        Code::Qr(qr) => resolve_qr(ctx, conn, qr.as_ref().clone(), now),
        Code::Numeric(digits) => resolve_numeric(ctx, conn, digits, now),
    }
}

fn resolve_qr(ctx: &Context, conn: &mut Conn, qr: UnverifiedQr, now: Timestamp) -> Flow<Resolution> {
    let certificate = certificates::by_handle(conn, &sha256(qr.handle()))?;
    // An unknown handle is checked against a key all the same, so that it takes the time of a known one.
    let key = certificate.as_ref().map_or_else(|| ctx.signer.public_key(), |found| found.device_key.clone());
    let verified = qr.verify(&key);
    let (Some(certificate), Ok(q1)) = (certificate, verified) else {
        return Ok(Resolution::Unknown);
    };
    if !q1.is_current(now) {
        return Ok(Resolution::Unknown);
    }
    let code_id = q1.jti.to_vec();
    if redemptions::code_is_redeemed(conn, certificate.id, &code_id)? {
        return Ok(Resolution::Redeemed);
    }
    Ok(Resolution::Presented(Box::new(Presented { certificate, share: q1.share, code_id })))
}

fn resolve_numeric(ctx: &Context, conn: &mut Conn, code: &NumericCode, now: Timestamp) -> Flow<Resolution> {
    let mac = code.mac(&ctx.secrets.code);
    let Some(minted) = codes::find(conn, &mac)?.filter(|minted| now < minted.expires_at) else {
        return Ok(Resolution::Unknown);
    };
    if minted.spent {
        return Ok(Resolution::Redeemed);
    }
    let certificate = referred_to(conn, minted.certificate)?;
    let code_id = mac.to_vec();
    Ok(Resolution::Presented(Box::new(Presented { certificate, share: minted.share, code_id })))
}

/// Uses up a code. (A QR is used up by the redemption's own row.)
pub(super) fn spend(ctx: &Context, conn: &mut Conn, code: &Code) -> Flow<()> {
    if let Code::Numeric(digits) = code {
        codes::spend(conn, &digits.mac(&ctx.secrets.code))?;
    }
    Ok(())
}
