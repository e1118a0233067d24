//! DPoP proofs (RFC 9449): every holder request proves, freshly, that the device key made it.
//!
//! Invariant: a proof is bound to one method, one URL, one access token and one moment. That its `jti` was not used
//! before is the store's to say; this module reads no clock and keeps no state.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::es256::{Es256Signer, PublicKey, SigningFailed, sha256};
use crate::jws::{self, Jwk, JwsError, UnverifiedJws, base64url};

const TYP: &str = "dpop+jwt";

/// How far a proof's `iat` may lie from our clock, either way. RFC 9449 §11.1 asks for "a relatively brief period";
/// a phone's clock is commonly some seconds off, and a replay inside the window is caught by `jti`.
pub const WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// A proof of ours is about 500 bytes; nothing larger is decoded.
const MAX_BYTES: usize = 4096;
/// `jti` longer than this is refused, since each is stored until its proof is stale.
const MAX_JTI: usize = 64;

#[derive(Serialize, Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
}

/// What a request really is, against which its proof is held.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The HTTP method, upper case.
    pub method: &'a str,
    /// The URL without query and fragment (RFC 9449 §4.2).
    pub url: &'a str,
    /// The access token sent with the request; none while enrolling.
    pub access_token: Option<&'a str>,
}

/// A proof that holds, but for the question whether it was used before.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The device key that signed.
    pub key: PublicKey,
    /// The proof's own id: whoever accepts the proof stores it until `stale_at`.
    pub jti: String,
    /// From here on the proof is refused for its age alone.
    pub stale_at: Timestamp,
}

/// Why a proof was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.detail())]
pub enum DpopError {
    /// Not a token of this kind, or its signature is wrong.
    Invalid,
    /// `htm` or `htu` name another request.
    OtherRequest,
    /// `iat` is too old or in the future.
    Stale,
    /// `ath` is missing or belongs to another access token.
    OtherToken,
}

impl DpopError {
    /// For the developer of the wallet.
    pub fn detail(self) -> &'static str {
        match self {
            DpopError::Invalid => "the DPoP proof is malformed or its signature is wrong",
            DpopError::OtherRequest => "the DPoP proof is for another method or URL",
            DpopError::Stale => "the DPoP proof is stale; check the device's clock",
            DpopError::OtherToken => "the DPoP proof is for another access token",
        }
    }
}

impl From<JwsError> for DpopError {
    fn from(_: JwsError) -> Self {
        DpopError::Invalid
    }
}

/// Checks a proof by the list of RFC 9449 §4.3, in its order.
pub fn verify(proof: &str, request: Request<'_>, now: Timestamp) -> Result<Proof, DpopError> {
    let token = UnverifiedJws::parse_within(proof, TYP, MAX_BYTES)?;
    let jwk = token.header("jwk").ok_or(DpopError::Invalid)?;
    let key = Jwk::deserialize(jwk).map_err(|_| DpopError::Invalid)?.key()?;
    let claims: Claims = token.verify(&key)?;
    let is_storable = !claims.jti.is_empty() && claims.jti.len() <= MAX_JTI && claims.jti.is_ascii();
    if !is_storable || claims.jti.contains(|letter: char| letter.is_ascii_control()) {
        return Err(DpopError::Invalid);
    }
    if claims.htm != request.method || claims.htu != request.url {
        return Err(DpopError::OtherRequest);
    }
    let issued = Timestamp::from_second(claims.iat).map_err(|_| DpopError::Stale)?;
    if now.duration_since(issued).abs() > WINDOW {
        return Err(DpopError::Stale);
    }
    if claims.ath != request.access_token.map(token_hash) {
        return Err(DpopError::OtherToken);
    }
    Ok(Proof { key, jti: claims.jti, stale_at: issued.saturating_add(WINDOW).unwrap_or(Timestamp::MAX) })
}

/// Makes a proof: what a wallet sends with each request. `jti` must be unique; 16 random bytes in base64url do.
pub fn prove(
    key: &(impl Es256Signer + ?Sized),
    public: &PublicKey,
    request: Request<'_>,
    jti: &str,
    now: Timestamp,
) -> Result<String, SigningFailed> {
    let mut header = Map::new();
    let jwk = serde_json::to_value(Jwk::of(public)).map_err(|error| SigningFailed(error.to_string()))?;
    header.insert("jwk".into(), jwk);
    let claims = Claims {
        jti: jti.to_owned(),
        htm: request.method.to_owned(),
        htu: request.url.to_owned(),
        iat: now.as_second(),
        ath: request.access_token.map(token_hash),
    };
    jws::sign(TYP, header, &claims, key)
}

/// `ath`: base64url of SHA-256 of the access token (RFC 9449 §4.2).
fn token_hash(token: &str) -> String {
    base64url(&sha256(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::SigningKey;
    use p256::elliptic_curve::Generate;

    const REQUEST: Request<'static> =
        Request { method: "POST", url: "https://x.test/v1/enrolments", access_token: Some("token") };

    fn proof_for(request: Request<'_>) -> String {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        prove(&key, &(&key).into(), request, "j1", Timestamp::UNIX_EPOCH).unwrap()
    }

    fn verdict(proof: &str, seconds_later: i64) -> Result<Proof, DpopError> {
        verify(proof, REQUEST, Timestamp::from_second(seconds_later).unwrap())
    }

    #[test]
    fn holds_for_its_own_request_within_the_window() {
        assert_eq!(verdict(&proof_for(REQUEST), 60).unwrap().jti, "j1");
        assert_eq!(verdict(&proof_for(REQUEST), -60).unwrap().jti, "j1");
    }

    #[test]
    fn is_refused_for_anything_else() {
        assert_eq!(verdict(&proof_for(REQUEST), 61).unwrap_err(), DpopError::Stale);
        assert_eq!(verdict(&proof_for(REQUEST), -61).unwrap_err(), DpopError::Stale);
        let others = [
            (Request { method: "GET", ..REQUEST }, DpopError::OtherRequest),
            (Request { url: "https://y.test/v1/enrolments", ..REQUEST }, DpopError::OtherRequest),
            (Request { access_token: Some("other"), ..REQUEST }, DpopError::OtherToken),
            (Request { access_token: None, ..REQUEST }, DpopError::OtherToken),
        ];
        for (request, expected) in others {
            assert_eq!(verdict(&proof_for(request), 0).unwrap_err(), expected, "{request:?}");
        }
    }
}
