//! `/v1/redemptions`: a relying party redeems a code.

use std::collections::BTreeSet;

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use wallet_core::attributes::Attribute;
use wallet_core::code::Code;
use wallet_core::es256::sha256;
use wallet_core::ids::RedemptionId;
use wallet_core::pairwise::keyed;
use wallet_core::refusal::Refusal;

use super::callers::{By, RelyingParty};
use super::problem::Problem;
use super::{run, uploads};
use crate::flow::Context;
use crate::flow::redemptions::{self, Idempotency, Opening, Shown};
use crate::flow::settlement::Answer;

/// The longest Idempotency-Key: a UUID has 36 characters.
const MAX_KEY: usize = 64;

/// The body that opens a redemption.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRequest {
    code: String,
    purpose: String,
    #[serde(default)]
    attributes: Option<BTreeSet<Attribute>>,
}

/// `POST /v1/redemptions`
pub async fn open(
    By(rp, body): By<RelyingParty, Json<OpenRequest>>,
    request: HttpRequest,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let body = body.into_inner();
    let asked = serde_json::to_vec(&body).map_err(Problem::internal)?;
    let idempotency = idempotency(&request, &sha256(&asked))?;
    let code: Code = body.code.parse().map_err(|_| Refusal::CodeMalformed)?;
    let opening = Opening { code, purpose: body.purpose, attributes: body.attributes };
    let opened = run(ctx, move |ctx| redemptions::open(ctx, &rp.0, &idempotency, &opening)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(opened))
}

/// `POST /v1/redemptions/{id}/captures`
pub async fn submit_capture(
    By(rp, (id, body)): By<RelyingParty, (Path<RedemptionId>, Multipart)>,
    request: HttpRequest,
    ctx: Data<Context>,
) -> Result<Json<Answer>, Problem> {
    let key_is_there = idempotency(&request, &[])?;
    let capture = uploads::capture(request.headers(), body).await?.capture;
    let idempotency =
        Idempotency { fingerprint: fingerprint(&request, &capture.fingerprint()), ..key_is_there };
    let answer = run(ctx, move |ctx| redemptions::judge(ctx, &rp.0, *id, &idempotency, capture)).await?;
    match answer {
        Answer::Judged(_) => Ok(Json(answer)),
        Answer::Unusable(unusable) => {
            Err(Problem::unusable(unusable.reason, unusable.hint).with_receipt(unusable.receipt))
        }
    }
}

/// `GET /v1/redemptions/{id}`
pub async fn show(
    By(rp, id): By<RelyingParty, Path<RedemptionId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| redemptions::show(ctx, &rp.0, *id)).await.map(Json)
}

/// The receipts of a redemption.
#[derive(Serialize)]
pub struct Receipts {
    receipts: Vec<String>,
}

/// `GET /v1/redemptions/{id}/receipt`
pub async fn receipts(
    By(rp, id): By<RelyingParty, Path<RedemptionId>>,
    ctx: Data<Context>,
) -> Result<Json<Receipts>, Problem> {
    let receipts = run(ctx, move |ctx| redemptions::receipts(ctx, &rp.0, *id)).await?;
    Ok(Json(Receipts { receipts }))
}

fn idempotency(request: &HttpRequest, body: &[u8]) -> Result<Idempotency, Problem> {
    let header = request.headers().get("Idempotency-Key").and_then(|key| key.to_str().ok());
    let key =
        header.filter(|key| !key.is_empty() && key.len() <= MAX_KEY).ok_or(Refusal::IdempotencyKeyMissing)?;
    Ok(Idempotency { key: key.to_owned(), fingerprint: fingerprint(request, body) })
}

/// What was asked, and where: the same key at another address is another request.
fn fingerprint(request: &HttpRequest, body: &[u8]) -> [u8; 32] {
    keyed(&[0; 32], &[request.method().as_str().as_bytes(), request.path().as_bytes(), body])
}
