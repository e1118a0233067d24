//! What the addresses of all metered services have in common.

use actix_web::HttpResponse;
use serde::Serialize;
use wallet_core::es256::sha256;

use super::problem::Problem;
use crate::flow::uses::Outcome;

/// The answer to a use: 200 when it was judged, however, and 422 when it could not be.
pub fn answer<T: Serialize>(outcome: Outcome<T>) -> Result<HttpResponse, Problem> {
    match outcome {
        Outcome::Judged(used) => Ok(HttpResponse::Ok().json(used)),
        Outcome::Unusable(unusable) => {
            Err(Problem::unusable(unusable.reason, unusable.hint).with_receipt(unusable.receipt))
        }
    }
}

/// What was sent, in few bytes: a hash of each part, so that none can flow into another.
pub fn fingerprint(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    parts.into_iter().flat_map(|part| sha256(part.as_ref())).collect()
}
