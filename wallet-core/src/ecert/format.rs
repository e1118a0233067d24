//! The certificate's bytes: `ecert.cddl`, beside this file, and nothing else.
//!
//! Attributes stand in the certificate as digests only: SHA-256 over CBOR `[salt, name, value]`. The holder keeps the
//! [`Disclosure`]s, and gives those that they choose to.

use ciborium::Value;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::verify::CertRefused;
use crate::attributes::Attribute;
use crate::cbor::Limits;
use crate::cose::{UnverifiedSign1, X5CHAIN, member};
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
/// A certificate of ours is about 1.7 KiB, 6 deep and has some 50 items; nothing larger is parsed.
pub const LIMITS: Limits = Limits { bytes: 8 * 1024, depth: 8, items: 128, string: 6 * 1024 };
/// Bytes of an address.
const MAX_ADDRESS: usize = 256;
/// The end of the year 9999, as seconds: what X.509 can say, too.
const LAST_SECOND: i64 = 253_402_300_799;

/// How surely the person behind the certificate is who they say (NIST SP 800-63A-4, §2: identity assurance levels).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

fn form<T>(why: &'static str) -> Result<T, CertRefused> {
    Err(CertRefused::Form(why))
}

impl Claims {
    /// The claims in the order of their encoded keys (RFC 8949 §4.2.1).
    pub(super) fn to_value(&self) -> Value {
        let (x, y) = self.device.coordinates();
        let key = map([
            (1.into(), 2.into()),
            ((-1).into(), 1.into()),
            ((-2).into(), x.to_vec().into()),
            ((-3).into(), y.to_vec().into()),
        ]);
        let status_list =
            map([("idx".into(), self.status.index.into()), ("uri".into(), self.status.uri.as_str().into())]);
        let mut digests: Vec<_> = self.digests.iter().collect();
        // Texts are ordered by their length first, since the length is their first byte.
        digests.sort_by_key(|(name, _)| (name.as_str().len(), name.as_str()));
        let digest = |(name, digest): &(Attribute, [u8; 32])| (name.as_str().into(), digest.to_vec().into());
        map([
            (ISS.into(), self.issuer.as_str().into()),
            (EXP.into(), self.expires_at.as_second().into()),
            (IAT.into(), self.issued_at.as_second().into()),
            (CTI.into(), self.cti.to_vec().into()),
            (CNF.into(), map([(1.into(), key)])),
            (STATUS.into(), map([("status_list".into(), status_list)])),
            (ASSURANCE.into(), self.assurance.as_str().into()),
            (DIGESTS.into(), Value::Map(digests.into_iter().map(digest).collect())),
        ])
    }

    pub(super) fn from_value(claims: &Value) -> Result<Claims, CertRefused> {
        let [issuer, exp, iat, cti, cnf, status, assurance, digests] =
            exactly(claims, [ISS, EXP, IAT, CTI, CNF, STATUS, ASSURANCE, DIGESTS].map(Value::from))?;
        let read = Claims {
            issuer: address_of(issuer)?,
            cti: bytes_of(cti)?,
            issued_at: time_of(iat)?,
            expires_at: time_of(exp)?,
            device: device_key(cnf)?,
            status: status_of(status)?,
            assurance: assurance
                .as_text()
                .and_then(AssuranceLevel::parse)
                .ok_or(CertRefused::Form("unknown assurance level"))?,
            digests: digests_of(digests)?,
        };
        if read.expires_at <= read.issued_at { form("exp is not after iat") } else { Ok(read) }
    }
}

fn map<const N: usize>(members: [(Value, Value); N]) -> Value {
    Value::Map(members.into())
}

/// The values of a map that has these keys and no others.
fn exactly<const N: usize>(map: &Value, keys: [Value; N]) -> Result<[&Value; N], CertRefused> {
    if map.as_map().map(Vec::len) != Some(N) {
        return form("a map has a member too many or too few");
    }
    let values: Option<Vec<&Value>> = keys.iter().map(|key| member(map, key)).collect();
    let values = values.and_then(|values| values.try_into().ok());
    values.ok_or(CertRefused::Form("a map has another member"))
}

fn address_of(value: &Value) -> Result<String, CertRefused> {
    match value.as_text() {
        Some(text) if (1..=MAX_ADDRESS).contains(&text.len()) => Ok(text.to_owned()),
        _ => form("an address is no text of 1 to 256 bytes"),
    }
}

fn bytes_of<const N: usize>(value: &Value) -> Result<[u8; N], CertRefused> {
    let bytes = value.as_bytes().and_then(|bytes| bytes.as_slice().try_into().ok());
    bytes.ok_or(CertRefused::Form("not a byte string of its length"))
}

fn time_of(value: &Value) -> Result<Timestamp, CertRefused> {
    let seconds = value.as_integer().and_then(|seconds| i64::try_from(seconds).ok());
    let seconds = seconds.filter(|seconds| (0..=LAST_SECOND).contains(seconds));
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.ok_or(CertRefused::Form("a time is not whole seconds before the year 10000"))
}

fn device_key(cnf: &Value) -> Result<PublicKey, CertRefused> {
    let [key] = exactly(cnf, [1.into()])?;
    let [kind, curve, x, y] = exactly(key, [1, -1, -2, -3].map(Value::from))?;
    if (kind, curve) != (&2.into(), &1.into()) {
        return form("cnf is no key of P-256");
    }
    let point = PublicKey::from_coordinates(&bytes_of::<32>(x)?, &bytes_of::<32>(y)?);
    point.map_err(|_| CertRefused::Form("cnf is no point of P-256"))
}

fn status_of(claim: &Value) -> Result<StatusReference, CertRefused> {
    let [list] = exactly(claim, ["status_list".into()])?;
    let [index, uri] = exactly(list, ["idx", "uri"].map(Value::from))?;
    let index = index.as_integer().and_then(|index| index.try_into().ok());
    let index = index.ok_or(CertRefused::Form("idx is no number of 32 bits"))?;
    Ok(StatusReference { index, uri: address_of(uri)? })
}

fn digests_of(claim: &Value) -> Result<Vec<(Attribute, [u8; 32])>, CertRefused> {
    let entry = |(name, digest): &(Value, Value)| {
        let name = name.as_text().and_then(|name| name.parse().ok());
        Ok((name.ok_or(CertRefused::Form("unknown attribute"))?, bytes_of(digest)?))
    };
    match claim.as_map() {
        Some(map) if !map.is_empty() => map.iter().map(entry).collect(),
        _ => form("the digests are no map, or empty"),
    }
}

/// A certificate that was read; nobody has checked who signed it.
#[derive(Debug, Clone)]
pub struct UnverifiedCert {
    pub(super) signed: UnverifiedSign1,
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) claims: Claims,
}

impl UnverifiedCert {
    /// Reads a tagged COSE_Sign1 in deterministic CBOR.
    ///
    /// # Errors
    /// [`CertRefused::Cose`] for another encoding or algorithm, [`CertRefused::Form`] for other claims.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CertRefused> {
        let signed = UnverifiedSign1::read(bytes, &[X5CHAIN], &LIMITS)?;
        let (chain, claims) = (signed.chain()?, Claims::from_value(signed.payload())?);
        Ok(Self { signed, chain, claims })
    }
}
