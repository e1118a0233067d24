//! The certificate's bytes.
//!
//! ```cddl
//! ecert = #6.18([ protected: bstr .cbor { 1: -7, 33: x5chain }, {}, bstr .cbor claims, bstr .size 64 ])
//! x5chain = [ signer: bstr, issuing-ca: bstr ]            ; RFC 9360, the root is the relying party's to hold
//! claims = {
//!   1: tstr,                     ; iss
//!   4: uint, 6: uint,            ; exp, iat, seconds
//!   7: bstr .size 16,            ; cti
//!   8: { 1: COSE_Key },          ; cnf, RFC 8747
//!   65535: { "status_list": { "idx": uint, "uri": tstr } },   ; IETF Token Status List
//!   -65537: "IAL1" / "IAL2",     ; identity assurance level, NIST SP 800-63A
//!   -65538: { + tstr => bstr .size 32 }                       ; attribute name to salted digest
//! }
//! ```
//! Attributes stand in the certificate as digests only: SHA-256 over CBOR `[salt, name, value]`. The holder keeps the
//! [`Disclosure`]s, and gives those that they choose to.

use ciborium::Value;
use coset::iana::EllipticCurve;
use coset::{
    AsCborValue, CborSerializable, CoseKey, CoseKeyBuilder, CoseSign1, Label, TaggedCborSerializable,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attributes::Attribute;
use crate::es256::{PublicKey, sha256};

const ISS: i64 = 1;
const EXP: i64 = 4;
const IAT: i64 = 6;
const CTI: i64 = 7;
const CNF: i64 = 8;
/// Of the Token Status List specification.
const STATUS: i64 = 65535;
const ASSURANCE: i64 = -65537;
const DIGESTS: i64 = -65538;
/// `x5chain` (RFC 9360).
pub(super) const X5CHAIN: i64 = 33;
/// A certificate of ours is about 1.7 KiB; nothing larger is parsed.
pub const MAX_BYTES: usize = 8 * 1024;

/// How surely the person behind the certificate is who they say (NIST SP 800-63A-4, §2: identity assurance levels).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AssuranceLevel {
    /// The document held together and matched the face; no register was asked.
    #[serde(rename = "IAL1")]
    Ial1,
    /// The authoritative source confirmed name and number as well.
    #[serde(rename = "IAL2")]
    Ial2,
}

impl AssuranceLevel {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            AssuranceLevel::Ial1 => "IAL1",
            AssuranceLevel::Ial2 => "IAL2",
        }
    }

    /// The level of a name on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ial1, Self::Ial2].into_iter().find(|level| level.as_str() == text)
    }
}

/// Where the certificate's status is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReference {
    /// The bit pair's place in the list.
    pub index: u32,
    /// The list's address.
    pub uri: String,
}

/// An attribute in the clear, with the salt that ties it to its digest in the certificate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosure {
    /// Which attribute.
    pub name: Attribute,
    /// Its value.
    pub value: String,
    /// Keeps the digest from being searched through: 16 random bytes, base64url.
    pub salt: String,
}

impl std::fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Disclosure({}: …)", self.name.as_str())
    }
}

impl Disclosure {
    /// What stands in the certificate for this attribute.
    pub fn digest(&self) -> [u8; 32] {
        let parts = [self.salt.as_str(), self.name.as_str(), self.value.as_str()].map(Value::from);
        let mut bytes = Vec::new();
        match ciborium::into_writer(&Value::Array(parts.into()), &mut bytes) {
            Ok(()) => sha256(&bytes),
            Err(_) => unreachable!("three texts are written to a vector"),
        }
    }
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The issuer's public address.
    pub issuer: String,
    /// The serial, random.
    pub cti: [u8; 16],
    /// From when.
    pub issued_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// The device key that the holder must prove to hold.
    pub device: PublicKey,
    /// Where to look for revocation.
    pub status: StatusReference,
    /// How sure the issuer is.
    pub assurance: AssuranceLevel,
    /// A salted digest for each attribute.
    pub digests: Vec<(Attribute, [u8; 32])>,
}

/// The bytes do not have the form of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an E-cert: {0}")]
pub struct Malformed(pub &'static str);

impl Claims {
    /// Deterministic CBOR (RFC 8949 §4.2.1): every map's keys in the order of their encoded bytes.
    pub(super) fn to_cbor(&self) -> Result<Vec<u8>, coset::CoseError> {
        let (x, y) = self.device.coordinates();
        let key = CoseKeyBuilder::new_ec2_pub_key(EllipticCurve::P_256, x.into(), y.into()).build();
        let status_list =
            vec![("idx".into(), self.status.index.into()), ("uri".into(), self.status.uri.as_str().into())];
        let mut digests: Vec<_> = self.digests.iter().collect();
        // Texts are ordered by their length first, since the length is their first byte.
        digests.sort_by_key(|(name, _)| (name.as_str().len(), name.as_str()));
        let digest = |(name, digest): &(Attribute, [u8; 32])| (name.as_str().into(), digest.to_vec().into());
        let claims: Vec<(Value, Value)> = vec![
            (ISS.into(), self.issuer.as_str().into()),
            (EXP.into(), self.expires_at.as_second().into()),
            (IAT.into(), self.issued_at.as_second().into()),
            (CTI.into(), self.cti.to_vec().into()),
            (CNF.into(), Value::Map(vec![(1.into(), key.to_cbor_value()?)])),
            (STATUS.into(), Value::Map(vec![("status_list".into(), Value::Map(status_list))])),
            (ASSURANCE.into(), self.assurance.as_str().into()),
            (DIGESTS.into(), Value::Map(digests.into_iter().map(digest).collect())),
        ];
        Value::Map(claims).to_vec()
    }

    fn from_cbor(bytes: &[u8]) -> Result<Claims, Malformed> {
        let claims = Value::from_slice(bytes).map_err(|_| Malformed("the claims are no CBOR"))?;
        let keys = claims.as_map().ok_or(Malformed("the claims are no map"))?.len();
        if keys != 8 {
            return Err(Malformed("a claim is missing, double or unknown"));
        }
        let claim = |name: i64| member(&claims, &name.into());
        Ok(Claims {
            issuer: claim(ISS)?.as_text().ok_or(Malformed("iss is no text"))?.to_owned(),
            cti: bytes_of(claim(CTI)?)?,
            issued_at: time_of(claim(IAT)?)?,
            expires_at: time_of(claim(EXP)?)?,
            device: device_key(claim(CNF)?)?,
            status: status_of(claim(STATUS)?)?,
            assurance: claim(ASSURANCE)?
                .as_text()
                .and_then(AssuranceLevel::parse)
                .ok_or(Malformed("unknown assurance level"))?,
            digests: digests_of(claim(DIGESTS)?)?,
        })
    }
}

fn bytes_of<const N: usize>(value: &Value) -> Result<[u8; N], Malformed> {
    let bytes = value.as_bytes().ok_or(Malformed("expected a byte string"))?;
    bytes.as_slice().try_into().map_err(|_| Malformed("a byte string has another length"))
}

fn time_of(value: &Value) -> Result<Timestamp, Malformed> {
    let seconds = value.as_integer().and_then(|seconds| i64::try_from(seconds).ok());
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.ok_or(Malformed("a time is not whole seconds"))
}

fn member<'v>(value: &'v Value, name: &Value) -> Result<&'v Value, Malformed> {
    let map = value.as_map().ok_or(Malformed("expected a map"))?;
    map.iter().find(|(key, _)| key == name).map(|(_, value)| value).ok_or(Malformed("a member is missing"))
}

fn device_key(cnf: &Value) -> Result<PublicKey, Malformed> {
    let key = CoseKey::from_cbor_value(member(cnf, &1.into())?.clone())
        .map_err(|_| Malformed("cnf is no COSE_Key"))?;
    let coordinate = |label: i64| {
        let found = key.params.iter().find(|(name, _)| *name == Label::Int(label));
        found.and_then(|(_, value)| value.as_bytes()).ok_or(Malformed("cnf lacks a coordinate"))
    };
    PublicKey::from_coordinates(coordinate(-2)?, coordinate(-3)?)
        .map_err(|_| Malformed("cnf is no point of P-256"))
}

fn status_of(claim: &Value) -> Result<StatusReference, Malformed> {
    let list = member(claim, &"status_list".into())?;
    let index = member(list, &"idx".into())?.as_integer().and_then(|index| index.try_into().ok());
    let uri = member(list, &"uri".into())?.as_text();
    match (index, uri) {
        (Some(index), Some(uri)) => Ok(StatusReference { index, uri: uri.to_owned() }),
        _ => Err(Malformed("the status reference has another form")),
    }
}

fn digests_of(claim: &Value) -> Result<Vec<(Attribute, [u8; 32])>, Malformed> {
    let map = claim.as_map().ok_or(Malformed("the digests are no map"))?;
    let entry = |(name, digest): &(Value, Value)| {
        let name = name.as_text().and_then(|name| name.parse().ok()).ok_or(Malformed("unknown attribute"))?;
        Ok((name, bytes_of(digest)?))
    };
    map.iter().map(entry).collect()
}

/// A certificate that was read; nobody has checked who signed it.
#[derive(Debug, Clone)]
pub struct UnverifiedCert {
    pub(super) signed: CoseSign1,
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) claims: Claims,
}

impl UnverifiedCert {
    /// Reads a tagged COSE_Sign1.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_BYTES {
            return Err(Malformed("too large"));
        }
        let signed = CoseSign1::from_tagged_slice(bytes).map_err(|_| Malformed("not a tagged COSE_Sign1"))?;
        let claims = Claims::from_cbor(signed.payload.as_deref().ok_or(Malformed("no payload"))?)?;
        let header = &signed.protected.header;
        let chain =
            header.rest.iter().find(|(label, _)| *label == Label::Int(X5CHAIN)).map(|(_, value)| value);
        let chain = chain.and_then(Value::as_array).ok_or(Malformed("no x5chain in the protected header"))?;
        let certificate =
            |value: &Value| value.as_bytes().cloned().ok_or(Malformed("x5chain holds no bytes"));
        Ok(Self { chain: chain.iter().map(certificate).collect::<Result<_, _>>()?, claims, signed })
    }
}
