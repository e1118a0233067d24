//! COSE_Sign1 (RFC 9052 §4.2) as the product makes and reads it: tag 18, ES256, every header protected.
//!
//! Invariant: the algorithm is required, never followed: nothing in a message chooses how it is verified.

use ciborium::Value;
use coset::{
    AsCborValue, CoseSign1, CoseSign1Builder, Header, HeaderBuilder, Label, TaggedCborSerializable as _, iana,
};

use crate::cbor::{self, COSE_SIGN1, CborRefused, Limits};
use crate::es256::{BadSignature, Es256Signer, PublicKey, SigningFailed};

/// `x5chain` (RFC 9360 §2): the signer's certificate first.
pub const X5CHAIN: i64 = 33;

/// Why bytes are no COSE_Sign1 of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CoseRefused {
    /// Not deterministic CBOR, or above a limit.
    #[error(transparent)]
    Cbor(#[from] CborRefused),
    /// CBOR, but not tag 18 of a protected header, no other header, a payload and 64 bytes of signature.
    #[error("not a COSE_Sign1 of this kind: {0}")]
    Form(&'static str),
    /// `alg` is not ES256.
    #[error("signed with an algorithm that is not allowed")]
    Algorithm,
}

/// A message that was read; nobody has checked who signed it.
#[derive(Debug, Clone)]
pub struct UnverifiedSign1 {
    header: Value,
    payload: Value,
    signed: CoseSign1,
}

impl UnverifiedSign1 {
    /// Reads a message whose payload is CBOR. Beside `alg`, the protected header holds exactly the `labels`.
    pub fn read(bytes: &[u8], labels: &[i64], limits: &Limits) -> Result<Self, CoseRefused> {
        cbor::check(bytes, limits)?;
        let form = CoseRefused::Form;
        let message = match value(bytes)? {
            Value::Tag(COSE_SIGN1, message) => *message,
            _ => return Err(form("tag 18 is missing")),
        };
        let part = |place: usize| message.as_array().and_then(|parts| parts.get(place));
        let inner = |place| part(place).and_then(Value::as_bytes).map(Vec::as_slice);
        let protected = inner(0).ok_or(form("no protected header"))?;
        let payload = inner(2).ok_or(form("no payload"))?;
        cbor::check(protected, limits)?;
        cbor::check(payload, limits)?;
        let (header, payload) = (value(protected)?, value(payload)?);
        let members = header.as_map().ok_or(form("the protected header is no map"))?;
        let named = |label: i64| members.iter().find(|(key, _)| *key == label.into()).map(|(_, value)| value);
        if named(1) != Some(&(iana::Algorithm::ES256 as i64).into()) {
            return Err(CoseRefused::Algorithm);
        }
        if members.len() != labels.len() + 1 || !labels.iter().all(|label| named(*label).is_some()) {
            return Err(form("a protected header is missing or unknown"));
        }
        let signed = CoseSign1::from_cbor_value(message).map_err(|_| form("not four parts of its kinds"))?;
        if !signed.unprotected.is_empty() {
            return Err(form("an unprotected header"));
        }
        if signed.signature.len() != 64 {
            return Err(form("the signature is not 64 bytes"));
        }
        Ok(Self { header, payload, signed })
    }

    /// A member of the protected header.
    pub fn header(&self, label: i64) -> Option<&Value> {
        let members = self.header.as_map()?;
        members.iter().find(|(key, _)| *key == label.into()).map(|(_, value)| value)
    }

    /// What is signed, as nobody has vouched for it yet.
    pub fn payload(&self) -> &Value {
        &self.payload
    }

    /// The certificates of `x5chain`, DER. They prove nothing by themselves: see [`crate::chain`].
    pub fn chain(&self) -> Result<Vec<Vec<u8>>, CoseRefused> {
        let chain = self.header(X5CHAIN).and_then(Value::as_array);
        let der = |value: &Value| value.as_bytes().cloned();
        let chain = chain.and_then(|chain| chain.iter().map(der).collect::<Option<Vec<_>>>());
        chain.ok_or(CoseRefused::Form("x5chain is no array of byte strings"))
    }

    /// Checks the signature over the message and `context` (`external_aad`).
    pub fn verify(&self, context: &[u8], key: &PublicKey) -> Result<(), BadSignature> {
        self.signed.verify_signature(context, |signature, message| key.verify(message, signature))
    }
}

/// The item that [`cbor::check`] has passed.
fn value(bytes: &[u8]) -> Result<Value, CoseRefused> {
    ciborium::from_reader(bytes).map_err(|_| CoseRefused::Cbor(CborRefused::NotWellFormed))
}

/// The bytes of `value`, whose maps are in their order already.
pub(crate) fn encode(value: &Value) -> Result<Vec<u8>, SigningFailed> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|error| SigningFailed(error.to_string()))?;
    Ok(bytes)
}

/// Signs `payload`. `headers` stand in the protected header behind `alg`, so they rise and are above 1.
pub fn sign(
    headers: Vec<(i64, Value)>,
    payload: &Value,
    context: &[u8],
    signer: &(impl Es256Signer + ?Sized),
) -> Result<Vec<u8>, SigningFailed> {
    let mut protected: Header = HeaderBuilder::new().algorithm(iana::Algorithm::ES256).build();
    protected.rest = headers.into_iter().map(|(label, value)| (Label::Int(label), value)).collect();
    CoseSign1Builder::new()
        .protected(protected)
        .payload(encode(payload)?)
        .try_create_signature(context, |message| signer.sign(message).map(Vec::from))?
        .build()
        .to_tagged_vec()
        .map_err(|error| SigningFailed(error.to_string()))
}

/// The value of `x5chain`.
pub fn x5chain(chain: &[Vec<u8>]) -> Value {
    Value::Array(chain.iter().cloned().map(Value::Bytes).collect())
}

/// The value of a map's member.
pub(crate) fn member<'v>(map: &'v Value, key: &Value) -> Option<&'v Value> {
    map.as_map()?.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}
