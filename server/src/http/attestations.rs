//! `/v1/attestation-challenges`: for which a phone is to make its key.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;

use crate::flow::Context;
use crate::flow::attestations;

/// `POST /v1/attestation-challenges`
pub async fn challenge(ctx: Data<Context>) -> HttpResponse {
    let answer = attestations::challenge(&ctx);
    HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(answer)
}
