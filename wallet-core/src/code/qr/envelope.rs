//! What all three forms share on the wire: `EC1:` + Base45 of a COSE_Sign1, and an array as its payload.

use ciborium::Value;
use coset::{CoseSign1, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana};
use jiff::Timestamp;

use super::{PREFIX, Showing};
use crate::attributes::Share;
use crate::code::CodeMalformed;
use crate::es256::{BadSignature, Es256Signer, PublicKey, SigningFailed};

/// What the largest symbol holds at error correction M (ISO/IEC 18004 table 7: 40-M, alphanumeric); more is not ours and is not
/// decoded.
const MAX_BASE45: usize = 3391 - PREFIX.len();
/// `{1: -7}`: ES256, and nothing else.
const PROTECTED: [u8; 3] = [0xA1, 0x01, 0x26];

/// Signs a payload. `context` separates this signature from any other that the key makes.
pub(super) fn seal(
    context: &[u8],
    payload: Vec<u8>,
    key: &(impl Es256Signer + ?Sized),
) -> Result<String, SigningFailed> {
    let protected = HeaderBuilder::new().algorithm(iana::Algorithm::ES256).build();
    let signed = CoseSign1Builder::new()
        .protected(protected)
        .payload(payload)
        .try_create_signature(context, |message| key.sign(message).map(Vec::from))?
        .build()
        .to_tagged_vec()
        .map_err(|error| SigningFailed(error.to_string()))?;
    Ok(format!("{PREFIX}{}", base45::encode(signed)))
}

/// A payload under a signature that nobody has checked.
#[derive(Clone)]
pub(super) struct Signed(CoseSign1);

impl Signed {
    /// Reads the text behind the prefix: exactly the form above, one encoding of it, nothing trailing.
    pub(super) fn parse(base45: &str) -> Result<(Self, Vec<Value>, Vec<u8>), CodeMalformed> {
        if base45.len() > MAX_BASE45 {
            return Err(CodeMalformed);
        }
        let bytes = base45::decode(base45).map_err(|_| CodeMalformed)?;
        let signed = CoseSign1::from_tagged_slice(&bytes).map_err(|_| CodeMalformed)?;
        let form = signed.protected.original_data.as_deref() == Some(&PROTECTED)
            && signed.unprotected.is_empty()
            && signed.signature.len() == 64;
        if !form || signed.clone().to_tagged_vec().ok().as_ref() != Some(&bytes) {
            return Err(CodeMalformed);
        }
        let payload = signed.payload.clone().ok_or(CodeMalformed)?;
        let mut rest = payload.as_slice();
        let value: Value = ciborium::from_reader(&mut rest).map_err(|_| CodeMalformed)?;
        let members = value.into_array().map_err(|_| CodeMalformed)?;
        Ok((Self(signed), members, payload))
    }

    pub(super) fn verify(&self, context: &[u8], key: &PublicKey) -> Result<(), BadSignature> {
        self.0.verify_signature(context, |signature, message| key.verify(message, signature))
    }
}

/// The payload's bytes (deterministic: an array of definite lengths).
pub(super) fn encode(members: Vec<Value>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    match ciborium::into_writer(&Value::Array(members), &mut bytes) {
        Ok(()) => bytes,
        Err(_) => unreachable!("values are written to a vector"),
    }
}

/// `iat, exp, jti, share`.
pub(super) fn showing_values(showing: &Showing) -> [Value; 4] {
    [
        showing.issued_at.as_second().into(),
        showing.expires_at.as_second().into(),
        Value::Bytes(showing.jti.to_vec()),
        showing.share.number().into(),
    ]
}

pub(super) fn showing_of(members: &[Value; 4]) -> Result<Showing, CodeMalformed> {
    let [issued_at, expires_at, jti, share] = members;
    let time = |value: &Value| Timestamp::from_second(integer(value)?).map_err(|_| CodeMalformed);
    Ok(Showing {
        issued_at: time(issued_at)?,
        expires_at: time(expires_at)?,
        jti: bytes(jti)?,
        share: u8::try_from(integer(share)?).ok().and_then(Share::from_number).ok_or(CodeMalformed)?,
    })
}

pub(super) fn integer(value: &Value) -> Result<i64, CodeMalformed> {
    value.as_integer().and_then(|number| number.try_into().ok()).ok_or(CodeMalformed)
}

/// A byte string of exactly this length.
pub(super) fn bytes<const N: usize>(value: &Value) -> Result<[u8; N], CodeMalformed> {
    value.as_bytes().and_then(|bytes| bytes.as_slice().try_into().ok()).ok_or(CodeMalformed)
}
