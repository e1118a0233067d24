//! `/v1/me/codes`: sixteen digits for a holder.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use serde::Deserialize;
use wallet_core::attributes::Share;

use super::callers::{By, Holder};
use super::problem::Problem;
use super::run;
use crate::flow::{Context, codes};

/// What the code may share.
#[derive(Deserialize)]
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
