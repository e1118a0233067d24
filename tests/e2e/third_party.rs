//! Our signatures through the eyes of somebody else's library.

use anyhow::Context as _;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

/// Verifies a JWS of ours with the crate `jsonwebtoken` and the key at /.well-known/ecert.
pub(crate) fn verified(token: &str, issuer: &Value) -> anyhow::Result<Value> {
    let jwk: Jwk = serde_json::from_value(issuer["signing_key"].clone())?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_aud = false;
    Ok(decode::<Value>(token, &DecodingKey::from_jwk(&jwk)?, &validation)?.claims)
}

/// The header of a token, as `jsonwebtoken` reads it.
pub(crate) fn typ(token: &str) -> anyhow::Result<String> {
    decode_header(token)?.typ.context("no typ")
}
