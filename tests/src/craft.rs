//! Messages put together byte by byte, right or wrong: what the product's own encoders would never make. It shares no
//! code with them, so what they make can be held against it. `wallet-core`'s tests include this file as well.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};

/// The order of P-256's group, big-endian.
pub const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// `r ‖ s` over `message`: deterministic (RFC 6979).
pub fn signature(key: &SigningKey, message: &[u8]) -> [u8; 64] {
    let signature: Signature = key.sign(message);
    signature.to_bytes().into()
}

/// The other signature that verifies wherever this one does: `r ‖ n − s`.
pub fn mirrored(signature: [u8; 64]) -> [u8; 64] {
    let mut other = signature;
    let mut borrow = 0;
    for (place, order) in other.iter_mut().skip(32).zip(ORDER).rev() {
        let difference = 256 + i32::from(order) - i32::from(*place) - borrow;
        *place = difference.to_le_bytes()[0];
        borrow = i32::from(difference < 256);
    }
    other
}

/// A CBOR head of the shortest form (RFC 8949 §3).
pub fn head(major: u8, argument: usize) -> Vec<u8> {
    let bytes = argument.to_be_bytes();
    let (information, width) = match argument {
        0..24 => return vec![major << 5 | bytes[7]],
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    [&[major << 5 | information], &bytes[8 - width..]].concat()
}

/// A CBOR byte string.
pub fn bstr(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len()).as_slice(), bytes].concat()
}

/// A CBOR text.
pub fn tstr(text: &str) -> Vec<u8> {
    [head(3, text.len()).as_slice(), text.as_bytes()].concat()
}

/// A CBOR integer.
pub fn int(number: i64) -> Vec<u8> {
    let argument = if number < 0 { -1 - number } else { number };
    head(u8::from(number < 0), usize::try_from(argument).unwrap_or_default())
}

/// A CBOR array.
pub fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len()), items.concat()].concat()
}

/// A CBOR map in the order given.
pub fn map(members: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let entries = members.iter().flat_map(|(key, value)| [key.as_slice(), value].concat());
    head(5, members.len()).into_iter().chain(entries).collect()
}

/// A COSE_Sign1 (RFC 9052 §4.2) in parts.
#[derive(Clone)]
pub struct Sign1 {
    /// The protected header's bytes.
    pub protected: Vec<u8>,
    /// The unprotected header, encoded.
    pub unprotected: Vec<u8>,
    /// The payload's bytes.
    pub payload: Vec<u8>,
    /// `external_aad`.
    pub context: &'static [u8],
}

impl Sign1 {
    /// What is signed.
    pub fn message(&self) -> Vec<u8> {
        array(&[tstr("Signature1"), bstr(&self.protected), bstr(self.context), bstr(&self.payload)])
    }

    /// The message with this signature.
    pub fn with(&self, signature: &[u8]) -> Vec<u8> {
        let parts = [bstr(&self.protected), self.unprotected.clone(), bstr(&self.payload), bstr(signature)];
        [vec![0xd2], array(&parts)].concat()
    }

    /// The message, signed.
    pub fn signed(&self, key: &SigningKey) -> Vec<u8> {
        self.with(&signature(key, &self.message()))
    }
}

/// The payload of a Q1.
#[derive(Clone)]
pub struct Q1 {
    /// Which certificate.
    pub handle: [u8; 16],
    /// Unix seconds.
    pub iat: i64,
    /// Unix seconds.
    pub exp: i64,
    /// Makes it one-time.
    pub jti: [u8; 8],
    /// What may be shared.
    pub share: i64,
}

impl Q1 {
    /// One for a minute.
    pub fn at(handle: [u8; 16], jti: [u8; 8], now: i64) -> Q1 {
        Q1 { handle, iat: now, exp: now + 60, jti, share: 2 }
    }

    /// Its message.
    pub fn message(&self) -> Sign1 {
        let payload = [bstr(&self.handle), int(self.iat), int(self.exp), bstr(&self.jti), int(self.share)];
        Sign1 {
            protected: vec![0xa1, 0x01, 0x26],
            unprotected: vec![0xa0],
            payload: array(&payload),
            context: b"ecert-q1",
        }
    }

    /// Its text.
    pub fn text(&self, key: &SigningKey) -> String {
        qr(&self.message().signed(key))
    }
}

/// The text of a QR.
pub fn qr(bytes: &[u8]) -> String {
    format!("EC1:{}", base45::encode(bytes))
}

/// A compact JWS with any header, claims and signature.
pub fn jws(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let input = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature = sign(input.as_bytes());
    format!("{input}.{}", encode(&signature))
}

/// Sixteen digits with right check digits (ISO 7064 MOD 97-10).
pub fn digits(payload: &str) -> String {
    let remainder =
        format!("{payload}00").bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    format!("{payload}{:02}", 98 - remainder)
}
