//! `/v1/me/consents`: what a holder agreed to, and taking it back.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use wallet_core::ids::RelyingPartyId;

use super::callers::{By, Holder};
use super::certificates::done;
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::consents::{self, Asked, Consents};

/// `GET /v1/me/consents`
pub async fn list(holder: Holder, ctx: Data<Context>) -> Result<Json<Consents>, Problem> {
    run(ctx, move |ctx| consents::list(ctx, &holder.0)).await.map(Json)
}

/// `POST /v1/me/consents/withdrawals`
pub async fn withdraw(
    By(holder, asked): By<Holder, Json<Asked>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let taken = run(ctx, move |ctx| consents::withdraw(ctx, &holder.0, &asked)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(taken))
}

/// `DELETE /v1/me/consents/blocks/{id}`
pub async fn lift(
    By(holder, rp): By<Holder, Path<RelyingPartyId>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| consents::lift(ctx, &holder.0, *rp)).await.map(done)
}
