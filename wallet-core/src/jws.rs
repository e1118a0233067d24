//! Compact JWS (RFC 7515) with ES256 only. The algorithm is fixed here and never read from the token to choose a
//! verifier: that is what `alg: none` and key-confusion attacks live on.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::es256::{BadSignature, Es256Signer, PublicKey, SigningFailed, sha256};

/// Larger than any token that we make but a status list: a receipt with its chain is about 3 KiB.
pub const MAX_BYTES: usize = 16 * 1024;

/// Base64url without padding (RFC 7515 §2).
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads base64url without padding.
pub fn from_base64url(text: &str) -> Result<Vec<u8>, JwsError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JwsError::Malformed)
}

/// Why a token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not three base64url parts of JSON, too long, or claims of another shape.
    #[error("the token is malformed")]
    Malformed,
    /// `alg` is not ES256, `typ` is another, or a critical header is not understood.
    #[error("the token's header is not acceptable")]
    Header,
    /// It was signed for something else, or for another time.
    #[error("the token is not for this use at this time")]
    NotForThis,
    /// The signature does not match.
    #[error("the token's signature is not valid")]
    Signature,
}

impl From<BadSignature> for JwsError {
    fn from(_: BadSignature) -> Self {
        JwsError::Signature
    }
}

/// The public half of a P-256 key as JWK (RFC 7517). Unknown members are ignored, a private one (`d`) is refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
    #[serde(default, skip_serializing)]
    d: Option<serde::de::IgnoredAny>,
}

impl Jwk {
    /// The JWK of a key.
    pub fn of(key: &PublicKey) -> Jwk {
        let (x, y) = key.coordinates();
        Jwk { kty: "EC".into(), crv: "P-256".into(), x: base64url(&x), y: base64url(&y), d: None }
    }

    /// The key, if it is a public P-256 key.
    pub fn key(&self) -> Result<PublicKey, JwsError> {
        if self.kty != "EC" || self.crv != "P-256" || self.d.is_some() {
            return Err(JwsError::Header);
        }
        Ok(PublicKey::from_coordinates(&from_base64url(&self.x)?, &from_base64url(&self.y)?)?)
    }
}

/// The JWK thumbprint (RFC 7638) of a key: base64url of SHA-256, 43 characters.
pub fn thumbprint(key: &PublicKey) -> String {
    let (x, y) = key.coordinates();
    let canonical =
        format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64url(&x), base64url(&y));
    base64url(&sha256(canonical.as_bytes()))
}

/// Signs `claims`. `typ` separates the kinds of token from one another (RFC 8725 §3.11); `header` adds members.
pub fn sign(
    typ: &str,
    header: Map<String, Value>,
    claims: &impl Serialize,
    signer: &(impl Es256Signer + ?Sized),
) -> Result<String, SigningFailed> {
    let mut members = Map::new();
    members.insert("alg".into(), "ES256".into());
    members.insert("typ".into(), typ.into());
    members.extend(header);
    let claims = serde_json::to_vec(claims).map_err(|error| SigningFailed(error.to_string()))?;
    let input =
        format!("{}.{}", base64url(Value::Object(members).to_string().as_bytes()), base64url(&claims));
    let signature = signer.sign(input.as_bytes())?;
    Ok(format!("{input}.{}", base64url(&signature)))
}

/// The JWS header members that carry a chain (RFC 7515 §4.1.6: `x5c`, base64 of DER, the signer first).
pub fn x5c(chain: &[Vec<u8>]) -> Map<String, Value> {
    let certificates = chain.iter().map(|der| STANDARD.encode(der).into()).collect();
    Map::from_iter([("x5c".to_owned(), Value::Array(certificates))])
}

/// A token whose signature nobody has looked at yet: only its header can be read, to find the key.
#[derive(Debug)]
pub struct UnverifiedJws<'a> {
    signed: &'a str,
    header: Map<String, Value>,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> UnverifiedJws<'a> {
    /// Splits and decodes; requires `alg` ES256, the expected `typ`, and no `crit`.
    pub fn parse(token: &'a str, typ: &str) -> Result<Self, JwsError> {
        Self::parse_within(token, typ, MAX_BYTES)
    }

    /// [`parse`](UnverifiedJws::parse) of a token of at most `most` bytes.
    pub(crate) fn parse_within(token: &'a str, typ: &str, most: usize) -> Result<Self, JwsError> {
        if token.len() > most {
            return Err(JwsError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwsError::Malformed)?;
        let header: Map<String, Value> =
            serde_json::from_slice(&from_base64url(header)?).map_err(|_| JwsError::Malformed)?;
        let is = |name: &str, value: &str| header.get(name).and_then(Value::as_str) == Some(value);
        if !is("alg", "ES256") || !is("typ", typ) || header.contains_key("crit") {
            return Err(JwsError::Header);
        }
        Ok(Self { signed, claims: from_base64url(claims)?, signature: from_base64url(signature)?, header })
    }

    /// A member of the header.
    pub fn header(&self, name: &str) -> Option<&Value> {
        self.header.get(name)
    }

    /// The certificates of the header's `x5c`, DER. They prove nothing by themselves: see [`crate::chain`].
    pub fn chain(&self) -> Result<Vec<Vec<u8>>, JwsError> {
        let certificates = self.header("x5c").and_then(Value::as_array).ok_or(JwsError::Header)?;
        let der = |value: &Value| {
            value.as_str().and_then(|text| STANDARD.decode(text).ok()).ok_or(JwsError::Header)
        };
        certificates.iter().map(der).collect()
    }

    /// Checks the signature and only then reads the claims.
    pub fn verify<C: DeserializeOwned>(&self, key: &PublicKey) -> Result<C, JwsError> {
        key.verify(self.signed.as_bytes(), &self.signature)?;
        serde_json::from_slice(&self.claims).map_err(|_| JwsError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::SigningKey;
    use p256::elliptic_curve::Generate;

    fn token(typ: &str) -> (SigningKey, String) {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        let token = sign(typ, Map::new(), &serde_json::json!({"a": 1}), &key).unwrap();
        (key, token)
    }

    #[test]
    fn verifies_its_own_and_refuses_another_key_kind_and_a_changed_byte() {
        let (key, token) = token("x+jwt");
        let claims: Value = UnverifiedJws::parse(&token, "x+jwt").unwrap().verify(&(&key).into()).unwrap();
        assert_eq!(claims["a"], 1);

        let other = SigningKey::generate_from_rng(&mut rand::rng());
        let verdict = UnverifiedJws::parse(&token, "x+jwt").unwrap().verify::<Value>(&(&other).into());
        assert_eq!(verdict.unwrap_err(), JwsError::Signature);
        assert_eq!(UnverifiedJws::parse(&token, "y+jwt").unwrap_err(), JwsError::Header);
        let (head, rest) = token.split_once('.').unwrap();
        let changed = format!("{head}.{}", rest.replacen("eyJhIjoxfQ", "eyJhIjoyfQ", 1));
        assert_ne!(changed, token);
        let verdict = UnverifiedJws::parse(&changed, "x+jwt").unwrap().verify::<Value>(&(&key).into());
        assert_eq!(verdict.unwrap_err(), JwsError::Signature);
    }

    #[test]
    fn a_critical_header_that_nobody_understands_is_refused() {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        let header = Map::from_iter([("crit".to_owned(), serde_json::json!(["exp"]))]);
        let token = sign("x", header, &serde_json::json!({}), &key).unwrap();
        assert_eq!(UnverifiedJws::parse(&token, "x").unwrap_err(), JwsError::Header);
    }

    #[test]
    fn alg_none_is_refused_before_any_key_is_looked_for() {
        let none = format!("{}.{}.", base64url(br#"{"alg":"none","typ":"x"}"#), base64url(b"{}"));
        assert_eq!(UnverifiedJws::parse(&none, "x").unwrap_err(), JwsError::Header);
    }

    #[test]
    fn a_jwk_with_a_private_part_is_refused() {
        let (key, _) = token("x");
        let mut jwk = serde_json::to_value(Jwk::of(&(&key).into())).unwrap();
        assert!(serde_json::from_value::<Jwk>(jwk.clone()).unwrap().key().is_ok());
        jwk["d"] = "AAAA".into();
        assert!(serde_json::from_value::<Jwk>(jwk).unwrap().key().is_err());
    }
}
