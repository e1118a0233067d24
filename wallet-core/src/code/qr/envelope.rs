//! What all three forms share on the wire: `EC1:` + Base45 of a COSE_Sign1, and an array as its payload.

use ciborium::Value;
use jiff::Timestamp;

use super::{PREFIX, Showing};
use crate::attributes::Share;
use crate::cbor::Limits;
use crate::code::CodeMalformed;
use crate::cose::{self, UnverifiedSign1};
use crate::es256::{Es256Signer, SigningFailed};

/// What the largest symbol holds at error correction M (ISO/IEC 18004 table 7: 40-M, alphanumeric); more is not ours and is not
/// decoded.
const MAX_BASE45: usize = 3391 - PREFIX.len();
/// A Q3 holds an E-cert's claims and disclosures.
const LIMITS: Limits = Limits { bytes: 2304, depth: 4, items: 128, string: 2304 };

/// Signs a payload. `context` separates this signature from any other that the key makes.
pub(super) fn seal(
    context: &[u8],
    payload: Vec<Value>,
    key: &(impl Es256Signer + ?Sized),
) -> Result<String, SigningFailed> {
    let signed = cose::sign(Vec::new(), &Value::Array(payload), context, key)?;
    Ok(format!("{PREFIX}{}", base45::encode(signed)))
}

/// Reads the text behind the prefix: an array under a signature that nobody has checked.
pub(super) fn open(base45: &str) -> Result<UnverifiedSign1, CodeMalformed> {
    if base45.len() > MAX_BASE45 {
        return Err(CodeMalformed);
    }
    let bytes = base45::decode(base45).map_err(|_| CodeMalformed)?;
    // The decoder drops what a last pair of letters says above 255: one code, one text.
    if base45::encode(&bytes) != base45 {
        return Err(CodeMalformed);
    }
    UnverifiedSign1::read(&bytes, &[], &LIMITS).map_err(|_| CodeMalformed)
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
