//! The signed forms of a list (§5): a JWT for relying parties that speak JSON, a CWT for those that read certificates.

use ciborium::Value;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{BITS, Status, StatusList};
use crate::cbor::Limits;
use crate::chain::{self, ChainRefused};
use crate::cose::{self, CoseRefused, UnverifiedSign1, X5CHAIN, member, x5chain};
use crate::es256::{BadSignature, Es256Signer, PublicKey, SigningFailed};
use crate::jws::{self, JwsError, UnverifiedJws, base64url, from_base64url, x5c};

const JWT_TYP: &str = "statuslist+jwt";
const CWT_TYP: &str = "application/statuslist+cwt";
/// A list of the largest size with statuses that do not compress takes 4.3 MB as a JWT.
const MAX_TOKEN: usize = 6 << 20;
const LIMITS: Limits = Limits { bytes: MAX_TOKEN, depth: 5, items: 32, string: MAX_TOKEN };
/// COSE header (RFC 9596) and CWT claims (RFC 8392 §4; the draft, §14.7).
const TYP: i64 = 16;
const SUB: i64 = 2;
const EXP: i64 = 4;
const IAT: i64 = 6;
const STATUS_LIST: i64 = 65533;
const TTL: i64 = 65534;

/// Why a token of a status list was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatusListRefused {
    /// Not a JWT of this kind, or its signature is wrong.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// Not a CWT of this kind.
    #[error(transparent)]
    Cose(#[from] CoseRefused),
    /// Its signer is not of the trusted root.
    #[error(transparent)]
    Chain(#[from] ChainRefused),
    /// The CWT's signature is wrong.
    #[error("the status list's signature is not valid")]
    Signature,
    /// The claims have another form.
    #[error("not a status list: {0}")]
    Form(&'static str),
    /// The list of another address.
    #[error("the status list is another one")]
    OtherList,
    /// Before `iat`, or at `exp` or after: an old list may have been held back to hide a revocation.
    #[error("the status list does not hold at this time")]
    NotCurrent,
    /// More entries than are read.
    #[error("the status list has more entries than are read")]
    TooLarge,
}

impl From<BadSignature> for StatusListRefused {
    fn from(_: BadSignature) -> Self {
        Self::Signature
    }
}

/// Whom a verifier believes.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// This signer.
    Key(&'a PublicKey),
    /// Any signer under this root (DER), by the chain that the token carries.
    Root(&'a [u8]),
}

impl Trust<'_> {
    fn key(
        self,
        chain: impl FnOnce() -> Result<Vec<Vec<u8>>, StatusListRefused>,
        now: Timestamp,
    ) -> Result<PublicKey, StatusListRefused> {
        match self {
            Trust::Key(key) => Ok(key.clone()),
            Trust::Root(root) => Ok(chain::verify(&chain()?, root, now)?),
        }
    }
}

/// From when a published list holds, and for how long. Whole seconds count.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    /// When it was signed.
    pub issued_at: Timestamp,
    /// How long it may be kept before it is asked for again.
    pub ttl: SignedDuration,
    /// How long it is believed at all: an older one may have been held back to hide a revocation.
    pub lifetime: SignedDuration,
}

impl Validity {
    fn expiry(&self) -> i64 {
        self.issued_at.as_second().saturating_add(self.lifetime.as_secs())
    }
}

/// A list that was signed by whom the verifier believes, for this address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedStatusList {
    uri: String,
    list: StatusList,
    from: i64,
    until: i64,
}

impl VerifiedStatusList {
    /// The address that it is the list of.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Whether it may be believed at `now`.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        (self.from..self.until).contains(&now.as_second())
    }

    /// The status at `index`; `None` where the list has none or the value is not one we know.
    pub fn get(&self, index: u32) -> Option<Status> {
        self.list.get(index)
    }

    /// The statuses.
    pub fn list(&self) -> &StatusList {
        &self.list
    }

    fn judge(claims: Claims, lst: &[u8], uri: &str, now: Timestamp) -> Result<Self, StatusListRefused> {
        if claims.sub != uri {
            return Err(StatusListRefused::OtherList);
        }
        if claims.bits != i64::from(BITS) || claims.ttl.is_some_and(|ttl| ttl <= 0) {
            return Err(StatusListRefused::Form("`bits` is not 2, or `ttl` not positive"));
        }
        if !(claims.iat..claims.exp).contains(&now.as_second()) {
            return Err(StatusListRefused::NotCurrent);
        }
        let list = StatusList::decompress(lst)?;
        Ok(Self { uri: claims.sub, list, from: claims.iat, until: claims.exp })
    }
}

/// What both forms say.
struct Claims {
    sub: String,
    iat: i64,
    exp: i64,
    ttl: Option<i64>,
    bits: i64,
}

#[derive(Serialize, Deserialize)]
struct JwtClaims {
    sub: String,
    iat: i64,
    exp: i64,
    #[serde(default)]
    ttl: Option<i64>,
    status_list: Lst,
}

#[derive(Serialize, Deserialize)]
struct Lst {
    bits: i64,
    lst: String,
}

impl StatusList {
    /// Signs the list at `uri` as a JWT. `chain` is the signer's, DER.
    pub fn sign_jwt(
        &self,
        uri: &str,
        validity: Validity,
        chain: &[Vec<u8>],
        signer: &(impl Es256Signer + ?Sized),
    ) -> Result<String, SigningFailed> {
        let lst = self.compress().map_err(|error| SigningFailed(error.to_string()))?;
        let claims = JwtClaims {
            sub: uri.to_owned(),
            iat: validity.issued_at.as_second(),
            exp: validity.expiry(),
            ttl: Some(validity.ttl.as_secs()),
            status_list: Lst { bits: i64::from(BITS), lst: base64url(&lst) },
        };
        jws::sign(JWT_TYP, x5c(chain), &claims, signer)
    }

    /// Signs the list at `uri` as a CWT. `chain` is the signer's, DER.
    pub fn sign_cwt(
        &self,
        uri: &str,
        validity: Validity,
        chain: &[Vec<u8>],
        signer: &(impl Es256Signer + ?Sized),
    ) -> Result<Vec<u8>, SigningFailed> {
        let lst = self.compress().map_err(|error| SigningFailed(error.to_string()))?;
        let status_list = Value::Map(vec![("lst".into(), lst.into()), ("bits".into(), BITS.into())]);
        let claims = Value::Map(vec![
            (SUB.into(), uri.into()),
            (EXP.into(), validity.expiry().into()),
            (IAT.into(), validity.issued_at.as_second().into()),
            (STATUS_LIST.into(), status_list),
            (TTL.into(), validity.ttl.as_secs().into()),
        ]);
        cose::sign(vec![(TYP, CWT_TYP.into()), (X5CHAIN, x5chain(chain))], &claims, &[], signer)
    }

    /// Reads a JWT of the list at `uri` that holds at `now`.
    ///
    /// # Errors
    /// What [`StatusListRefused`] says; nothing is decompressed before the signature was checked.
    pub fn verify_jwt(
        token: &str,
        uri: &str,
        trust: Trust<'_>,
        now: Timestamp,
    ) -> Result<VerifiedStatusList, StatusListRefused> {
        let token = UnverifiedJws::parse_within(token, JWT_TYP, MAX_TOKEN)?;
        let key = trust.key(|| Ok(token.chain()?), now)?;
        let JwtClaims { sub, iat, exp, ttl, status_list } = token.verify(&key)?;
        let lst = from_base64url(&status_list.lst)?;
        VerifiedStatusList::judge(Claims { sub, iat, exp, ttl, bits: status_list.bits }, &lst, uri, now)
    }

    /// Reads a CWT of the list at `uri` that holds at `now`.
    ///
    /// # Errors
    /// As [`verify_jwt`](StatusList::verify_jwt).
    pub fn verify_cwt(
        token: &[u8],
        uri: &str,
        trust: Trust<'_>,
        now: Timestamp,
    ) -> Result<VerifiedStatusList, StatusListRefused> {
        let token = UnverifiedSign1::read(token, &[TYP, X5CHAIN], &LIMITS)?;
        if token.header(TYP).and_then(Value::as_text) != Some(CWT_TYP) {
            return Err(CoseRefused::Form("`typ` is another").into());
        }
        let key = trust.key(|| Ok(token.chain()?), now)?;
        token.verify(&[], &key)?;
        let claim = |name: i64| member(token.payload(), &name.into());
        let number = |value: Option<&Value>| value?.as_integer()?.try_into().ok();
        let list = claim(STATUS_LIST);
        let read = || {
            let claims = Claims {
                sub: claim(SUB)?.as_text()?.to_owned(),
                iat: number(claim(IAT))?,
                exp: number(claim(EXP))?,
                ttl: claim(TTL).map_or(Some(None), |ttl| number(Some(ttl)).map(Some))?,
                bits: number(list.and_then(|list| member(list, &"bits".into())))?,
            };
            Some((claims, member(list?, &"lst".into())?.as_bytes()?))
        };
        let (claims, lst) = read().ok_or(StatusListRefused::Form("a claim is missing or of another kind"))?;
        VerifiedStatusList::judge(claims, lst, uri, now)
    }
}
