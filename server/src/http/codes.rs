//! `/v1/me/codes`: sixteen digits for a holder. `/v1/me/handles`: what their QRs are made with.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::ToSchema;
use wallet_core::attributes::Share;

use super::callers::{By, Holder};
use super::problem::Problem;
use super::run;
use crate::flow::{Context, codes, handles};

/// What the code may share.
#[derive(Deserialize, ToSchema)]
#[schema(as = CodeRequest)]
#[serde(deny_unknown_fields)]
pub struct MintRequest {
    share: Share,
}

/// `POST /v1/me/codes`
pub async fn mint(
    By(holder, body): By<Holder, Json<MintRequest>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let minted = run(ctx, move |ctx| codes::mint(ctx, &holder.0, body.share)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(minted))
}

/// Public keys that the wallet made, one for each handle.
#[derive(Deserialize, ToSchema)]
#[schema(as = HandlesRequest)]
#[serde(deny_unknown_fields)]
pub struct RefillRequest {
    keys: Vec<String>,
}

/// `POST /v1/me/handles`
pub async fn refill(
    By(holder, body): By<Holder, Json<RefillRequest>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let refilled = run(ctx, move |ctx| {
        let keys = handles::read_keys(&body.keys)?;
        handles::refill(ctx, &holder.0, &keys)
    });
    Ok(HttpResponse::build(StatusCode::CREATED).json(refilled.await?))
}
