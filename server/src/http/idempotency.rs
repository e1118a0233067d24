//! The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header), required wherever a request may charge.

use actix_web::HttpRequest;
use wallet_core::refusal::Refusal;

use super::problem::Problem;
use crate::flow::Context;
use crate::flow::idempotency::Idempotency;

/// The longest key: a UUID has 36 characters.
const MAX_KEY: usize = 64;

/// The key of a request.
pub fn key(request: &HttpRequest) -> Result<String, Problem> {
    let key = request.headers().get("Idempotency-Key").and_then(|key| key.to_str().ok());
    let key = key.filter(|key| !key.is_empty() && key.len() <= MAX_KEY);
    Ok(key.ok_or(Refusal::IdempotencyKeyMissing)?.to_owned())
}

/// The key together with what is asked under it.
pub fn idempotency(ctx: &Context, request: &HttpRequest, key: String, body: &[u8]) -> Idempotency {
    Idempotency::new(ctx, key, &[request.method().as_str().as_bytes(), request.path().as_bytes(), body])
}
