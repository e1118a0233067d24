//! The three forms of QR: `EC1:` + Base45 of a COSE_Sign1 (tag 18, ES256), whose payload is an array.
//!
//! ```cddl
//! qr      = #6.18([ h'A10126', {}, bstr .cbor payload, bstr .size 64 ])   ; external_aad "ecert-q1", "ecert-q2", "ecert-q3"
//! payload = q1 / q2 / q3
//! q1      = [ handle, showing ]                                            ; 113 B, 174 characters, version 7-M
//! q2      = [ handle, showing, aud: bstr .size 16, purpose: bstr .size 8, amount ]   ; 140 to 153 B, version 9-M
//! q3      = [ [ header: bstr .size 8, claims: bstr, bstr .size 64 ], showing, [ * disclosed ] ]  ; 656 to 926 B, 21 to 25-M
//! amount    = null / [ currency: tstr, micros: uint ]
//! disclosed = [ name: tstr, value: tstr, salt: bstr .size 16 ]
//! handle  = bstr .size 16
//! showing = ( iat: uint, exp: uint, jti: bstr .size 8, share: 1..3 )
//! ```
//! Arrays and not maps of claims, because five map keys would push a Q1 to version 8. A handle is one of a batch that only the server
//! can tie to the certificate, and each has a key of its own: nothing in two Q1 or Q2 says that one person made them.

mod envelope;
pub mod q1;
pub mod q2;
pub mod q3;
pub mod symbol;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rand_core::CryptoRng;

pub use q1::Q1;
pub use q2::{Bound, Q2};
pub use q3::{BareCert, Issuers, Q3, Q3Refused, VerifiedQ3};
pub use symbol::Symbol;

use super::CodeMalformed;
use crate::attributes::Share;
use crate::cose::UnverifiedSign1;
use crate::es256::{BadSignature, PublicKey, sha256};

/// What every E-Cert QR begins with.
pub const PREFIX: &str = "EC1:";
/// How long one code may be shown.
pub const LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// How far the phone's clock may be off, either way.
pub const SKEW: SignedDuration = SignedDuration::from_secs(30);

/// What is stored of a handle instead of it: its SHA-256. It is random, so that is enough.
pub fn handle_hash(handle: &[u8; 16]) -> [u8; 32] {
    sha256(handle)
}

/// What a certificate is found by that shows itself (Q3): a hash of its serial, apart from those of handles.
pub fn serial_hash(serial: &[u8; 16]) -> [u8; 32] {
    sha256(&[b"ecert serial".as_slice(), serial].concat())
}

/// When a code was made, until when, once, and what it may share.
#[derive(Clone, PartialEq, Eq)]
pub struct Showing {
    /// When the phone made the code, to the second.
    pub issued_at: Timestamp,
    /// When the phone stops showing it.
    pub expires_at: Timestamp,
    /// Makes the code one-time.
    pub jti: [u8; 8],
    /// What the holder allows to be shared.
    pub share: Share,
}

impl fmt::Debug for Showing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Showing(…)")
    }
}

impl Showing {
    /// From `now` on (whole seconds count), for [`LIFETIME`].
    pub fn new(share: Share, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Showing {
        let issued_at = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let expires_at = issued_at.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
        let mut jti = [0; 8];
        rng.fill_bytes(&mut jti);
        Showing { issued_at, expires_at, jti, share }
    }

    /// Whether `now` lies where the code may be redeemed, with the clocks' skew allowed either way.
    pub fn is_current(&self, now: Timestamp) -> bool {
        let lifetime = self.expires_at.duration_since(self.issued_at);
        lifetime.is_positive()
            && lifetime <= LIFETIME
            && self.issued_at.duration_since(now) <= SKEW
            && now.duration_since(self.expires_at) <= SKEW
    }
}

/// A code of one of the three forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Qr {
    /// Online.
    Q1(Q1),
    /// Online, bound.
    Q2(Q2),
    /// Offline.
    Q3(Box<Q3>),
}

impl Qr {
    /// When it was made, until when, once, and what it may share.
    pub fn showing(&self) -> &Showing {
        match self {
            Qr::Q1(code) => &code.showing,
            Qr::Q2(code) => &code.showing,
            Qr::Q3(code) => &code.showing,
        }
    }

    /// Whether it is good for what is asked: only a bound one can be for something else.
    pub fn is_good_for(&self, asked: &Bound) -> bool {
        match self {
            Qr::Q2(code) => code.bound == *asked,
            Qr::Q1(_) | Qr::Q3(_) => true,
        }
    }

    fn context(&self) -> &'static [u8] {
        match self {
            Qr::Q1(_) => q1::CONTEXT,
            Qr::Q2(_) => q2::CONTEXT,
            Qr::Q3(_) => q3::CONTEXT,
        }
    }
}

/// A code that was read, but by whose key it is signed is not known yet.
#[derive(Clone)]
pub struct UnverifiedQr {
    claimed: Qr,
    named: [u8; 32],
    signed: UnverifiedSign1,
}

impl fmt::Debug for UnverifiedQr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnverifiedQr(…)")
    }
}

impl UnverifiedQr {
    /// Reads the text behind the prefix. Accepts exactly the forms above, in their one encoding.
    pub fn parse(base45: &str) -> Result<Self, CodeMalformed> {
        let signed = envelope::open(base45)?;
        let claimed = match signed.payload().as_array().ok_or(CodeMalformed)?.as_slice() {
            [handle, showing @ ..] if showing.len() == 4 => {
                Qr::Q1(Q1::read(handle, showing.try_into().map_err(|_| CodeMalformed)?)?)
            }
            [certificate, showing @ .., disclosures] if showing.len() == 4 => {
                let showing = showing.try_into().map_err(|_| CodeMalformed)?;
                Qr::Q3(Box::new(Q3::read(certificate, showing, disclosures)?))
            }
            [handle, rest @ ..] if rest.len() == 7 => {
                let (showing, bound) = rest.split_first_chunk().ok_or(CodeMalformed)?;
                Qr::Q2(Q2::read(handle, showing, bound.try_into().map_err(|_| CodeMalformed)?)?)
            }
            _ => return Err(CodeMalformed),
        };
        let named = match &claimed {
            Qr::Q1(code) => handle_hash(&code.handle),
            Qr::Q2(code) => handle_hash(&code.handle),
            Qr::Q3(code) => serial_hash(&code.serial().ok_or(CodeMalformed)?),
        };
        Ok(Self { claimed, named, signed })
    }

    /// What the server finds the certificate and the key by. Nothing else may be believed before that.
    pub fn named(&self) -> &[u8; 32] {
        &self.named
    }

    /// Checks the signature by the key that the server found, and opens the code.
    pub fn verify(self, key: &PublicKey) -> Result<Qr, BadSignature> {
        self.signed.verify(self.claimed.context(), key)?;
        Ok(self.claimed)
    }

    /// Checks an offline code at `now` without a server.
    pub fn verify_offline(self, issuers: &Issuers, now: Timestamp) -> Result<VerifiedQ3, Q3Refused> {
        match self.claimed {
            Qr::Q3(code) => code.verify_offline(&self.signed, issuers, now),
            Qr::Q1(_) | Qr::Q2(_) => Err(Q3Refused::AnotherForm),
        }
    }
}
