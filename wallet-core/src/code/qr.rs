//! The Q1 code: `EC1:` + Base45 of a COSE_Sign1 (tag 18) by the device key.
//!
//! ```cddl
//! Q1 = #6.18([ h'A10126', {}, bstr .cbor Q1-payload, bstr .size 64 ])   ; external_aad = "ecert-q1"
//! Q1-payload = [ handle: bstr .size 16, iat: uint, exp: uint, jti: bstr .size 8, share: 1..3 ]
//! ```
//! 113 bytes, 174 characters with the prefix, QR version 7-M. The payload is an array and not a map of claims, because
//! five map keys would push the symbol to version 8. The handle is one of a batch that only the server can tie to the
//! certificate. The signature is by one device key all the same, and can be linked (docs/SECURITY.md, "Not yet").

use std::fmt;

use coset::{CoseSign1, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana};
use jiff::{SignedDuration, Timestamp};
use qrcode::render::unicode;
use qrcode::types::QrError;
use qrcode::{EcLevel, QrCode};

use super::CodeMalformed;
use crate::attributes::Share;
use crate::cbor::{self, Limits};
use crate::es256::{BadSignature, Es256Signer, PublicKey, SigningFailed};

/// What every E-Cert QR begins with.
pub const PREFIX: &str = "EC1:";
/// Separates this signature from any other that a device key makes.
const CONTEXT: &[u8] = b"ecert-q1";
/// How long one code may be shown.
pub const LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// How far the phone's clock may be off, either way.
pub const SKEW: SignedDuration = SignedDuration::from_secs(30);
/// Base45 of the largest code we make is 174 characters; more is not ours and is not decoded.
const MAX_BASE45: usize = 256;
const LIMITS: Limits = Limits { bytes: 192, depth: 3, items: 8, string: 128 };

/// What a Q1 says.
#[derive(Clone, PartialEq, Eq)]
pub struct Q1 {
    /// Which certificate, to the server alone.
    pub handle: [u8; 16],
    /// When the phone made the code.
    pub issued_at: Timestamp,
    /// When the phone stops showing it.
    pub expires_at: Timestamp,
    /// Makes the code one-time.
    pub jti: [u8; 8],
    /// What the holder allows to be shared.
    pub share: Share,
}

impl fmt::Debug for Q1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Q1(…)")
    }
}

type Payload = (byte_arrays::ByteArray16, i64, i64, byte_arrays::ByteArray8, u8);

impl Q1 {
    /// A code made at `now` (whole seconds count) and shown for [`LIFETIME`].
    pub fn new(handle: [u8; 16], jti: [u8; 8], share: Share, now: Timestamp) -> Q1 {
        let issued_at = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let expires_at = issued_at.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
        Q1 { handle, issued_at, expires_at, jti, share }
    }

    /// Signs with the device key. The answer is the text of the QR.
    pub fn sign(&self, device: &(impl Es256Signer + ?Sized)) -> Result<String, SigningFailed> {
        let payload: Payload = (
            self.handle.into(),
            self.issued_at.as_second(),
            self.expires_at.as_second(),
            self.jti.into(),
            self.share.number(),
        );
        let mut bytes = Vec::with_capacity(48);
        ciborium::into_writer(&payload, &mut bytes).map_err(|error| SigningFailed(error.to_string()))?;
        let protected = HeaderBuilder::new().algorithm(iana::Algorithm::ES256).build();
        let signed = CoseSign1Builder::new()
            .protected(protected)
            .payload(bytes)
            .try_create_signature(CONTEXT, |message| device.sign(message).map(Vec::from))?
            .build()
            .to_tagged_vec()
            .map_err(|error| SigningFailed(error.to_string()))?;
        Ok(format!("{PREFIX}{}", base45::encode(signed)))
    }

    /// Whether `now` lies where this code may be redeemed, with the clocks' skew allowed.
    pub fn is_current(&self, now: Timestamp) -> bool {
        let lifetime = self.expires_at.duration_since(self.issued_at);
        lifetime.is_positive()
            && lifetime <= LIFETIME
            && self.issued_at.duration_since(now) <= SKEW
            && now.duration_since(self.expires_at) <= SKEW
    }
}

/// A code that was read, but by whose key it is signed is not known yet.
#[derive(Clone)]
pub struct UnverifiedQr {
    claimed: Q1,
    signed: CoseSign1,
}

impl fmt::Debug for UnverifiedQr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnverifiedQr(…)")
    }
}

impl UnverifiedQr {
    /// Reads the text behind the prefix. Accepts exactly the form above: nothing trailing, no other header.
    pub fn parse(base45: &str) -> Result<Self, CodeMalformed> {
        if base45.len() > MAX_BASE45 {
            return Err(CodeMalformed);
        }
        let bytes = base45::decode(base45).map_err(|_| CodeMalformed)?;
        // The decoder drops what a last pair of letters says above 255: one code, one text.
        if base45::encode(&bytes) != base45 {
            return Err(CodeMalformed);
        }
        cbor::check(&bytes, &LIMITS).map_err(|_| CodeMalformed)?;
        let signed = CoseSign1::from_tagged_slice(&bytes).map_err(|_| CodeMalformed)?;
        let expected = HeaderBuilder::new().algorithm(iana::Algorithm::ES256).build();
        if signed.protected.header != expected
            || !signed.unprotected.is_empty()
            || signed.signature.len() != 64
        {
            return Err(CodeMalformed);
        }
        let payload = signed.payload.as_deref().ok_or(CodeMalformed)?;
        cbor::check(payload, &LIMITS).map_err(|_| CodeMalformed)?;
        let claimed = read_payload(payload)?;
        Ok(Self { claimed, signed })
    }

    /// The handle by which the server finds the key to check with. Nothing else may be believed before that.
    pub fn handle(&self) -> &[u8; 16] {
        &self.claimed.handle
    }

    /// Checks the device's signature and opens the code.
    pub fn verify(self, device: &PublicKey) -> Result<Q1, BadSignature> {
        self.signed.verify_signature(CONTEXT, |signature, message| device.verify(message, signature))?;
        Ok(self.claimed)
    }
}

fn read_payload(bytes: &[u8]) -> Result<Q1, CodeMalformed> {
    let mut rest = bytes;
    let (handle, iat, exp, jti, share): Payload =
        ciborium::from_reader(&mut rest).map_err(|_| CodeMalformed)?;
    if !rest.is_empty() {
        return Err(CodeMalformed);
    }
    Ok(Q1 {
        handle: handle.into(),
        issued_at: Timestamp::from_second(iat).map_err(|_| CodeMalformed)?,
        expires_at: Timestamp::from_second(exp).map_err(|_| CodeMalformed)?,
        jti: jti.into(),
        share: Share::from_number(share).ok_or(CodeMalformed)?,
    })
}

/// Byte strings of a fixed length, which serde would otherwise write as arrays of numbers.
mod byte_arrays {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    macro_rules! byte_array {
        ($name:ident, $length:literal) => {
            pub(super) struct $name([u8; $length]);

            impl From<[u8; $length]> for $name {
                fn from(bytes: [u8; $length]) -> Self {
                    Self(bytes)
                }
            }

            impl From<$name> for [u8; $length] {
                fn from(bytes: $name) -> Self {
                    bytes.0
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_bytes(&self.0)
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let value = ciborium::Value::deserialize(deserializer)?;
                    let bytes =
                        value.into_bytes().map_err(|_| de::Error::custom("expected a byte string"))?;
                    bytes
                        .try_into()
                        .map(Self)
                        .map_err(|_| de::Error::custom("a byte string of another length"))
                }
            }
        };
    }
    byte_array!(ByteArray16, 16);
    byte_array!(ByteArray8, 8);
}

/// The QR symbol of a code's text: alphanumeric mode, error correction M.
pub struct Symbol(QrCode);

impl Symbol {
    /// Encodes. Fails only on text longer than a QR can hold.
    pub fn of(text: &str) -> Result<Symbol, QrError> {
        QrCode::with_error_correction_level(text, EcLevel::M).map(Symbol)
    }

    /// The symbol's version: 7 has 45 × 45 modules.
    pub fn version(&self) -> i16 {
        match self.0.version() {
            qrcode::Version::Normal(version) | qrcode::Version::Micro(version) => version,
        }
    }

    /// For a terminal: two modules a character.
    pub fn to_terminal(&self) -> String {
        self.0
            .render::<unicode::Dense1x2>()
            .dark_color(unicode::Dense1x2::Light)
            .light_color(unicode::Dense1x2::Dark)
            .build()
    }

    /// As rows of modules, `true` where dark, without the quiet zone of four modules that a picture needs.
    pub fn modules(&self) -> Vec<Vec<bool>> {
        let colors = self.0.to_colors();
        colors
            .chunks(self.0.width())
            .map(|row| row.iter().map(|color| *color == qrcode::Color::Dark).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use p256::ecdsa::SigningKey;
    use p256::elliptic_curve::Generate;

    fn signed() -> (SigningKey, Q1, String) {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        let code = Q1::new([7; 16], [9; 8], Share::Name, Timestamp::from_second(1_800_000_000).unwrap());
        let text = code.sign(&key).unwrap();
        (key, code, text)
    }

    fn parsed(text: &str) -> UnverifiedQr {
        match text.parse().unwrap() {
            Code::Qr(code) => *code,
            Code::Numeric(_) => panic!("not a QR"),
        }
    }

    #[test]
    fn reads_back_fits_version_7_and_needs_the_right_key() {
        let (key, code, text) = signed();
        assert_eq!(parsed(&text).verify(&(&key).into()), Ok(code));
        assert_eq!((text.len(), Symbol::of(&text).unwrap().version()), (174, 7));
        let other = SigningKey::generate_from_rng(&mut rand::rng());
        assert_eq!(parsed(&text).verify(&(&other).into()), Err(BadSignature));
    }

    #[test]
    fn every_flipped_character_is_malformed_or_unsigned() {
        let (key, _, text) = signed();
        for place in PREFIX.len()..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            if let Ok(Code::Qr(code)) = String::from_utf8(changed).unwrap().parse::<Code>() {
                assert!(code.verify(&(&key).into()).is_err(), "place {place}");
            }
        }
    }

    #[test]
    fn is_current_for_its_minute_and_the_skew() {
        let (_, code, _) = signed();
        let at = |seconds| code.issued_at.saturating_add(SignedDuration::from_secs(seconds)).unwrap();
        let current: Vec<bool> = [-31, -30, 0, 60, 90, 91].map(|s| code.is_current(at(s))).into();
        assert_eq!(current, [false, true, true, true, true, false]);
        let long = Q1 { expires_at: at(61), ..code.clone() };
        assert!(!long.is_current(at(0)), "a phone can't stretch a code's life");
    }
}
