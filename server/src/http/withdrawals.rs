//! `/v1/withdrawals`: consents that holders took back, for the relying parties that must delete.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::ids::WithdrawalId;

use super::accounts::{After, PAGE, query};
use super::callers::{By, RelyingParty};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::withdrawals::{self, Confirmation, Shown};

/// A page of withdrawals, the oldest first.
#[derive(Serialize, ToSchema)]
pub struct WithdrawalList {
    withdrawals: Vec<Shown>,
}

/// `GET /v1/withdrawals`
pub async fn list(
    By(rp, request): By<RelyingParty, HttpRequest>,
    ctx: Data<Context>,
) -> Result<Json<WithdrawalList>, Problem> {
    let After { after } = query(&request, "`after` as the id of a withdrawal")?;
    let withdrawals = run(ctx, move |ctx| withdrawals::list(ctx, &rp.0, &after, PAGE)).await?;
    Ok(Json(WithdrawalList { withdrawals }))
}

/// `POST /v1/withdrawals/{id}:confirm`
pub async fn confirm(
    By(rp, (id, said)): By<RelyingParty, (Path<WithdrawalId>, Json<Confirmation>)>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| withdrawals::confirm(ctx, &rp.0, *id, &said)).await.map(Json)
}
