//! `/v1/contacts`: mail addresses that a relying party is told at.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::ids::ContactId;

use super::callers::{By, RelyingParty};
use super::certificates::done;
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::contacts::{self, Answer, Asked, Shown};

/// `POST /v1/contacts`
pub async fn create(
    By(rp, body): By<RelyingParty, Json<Asked>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let made = run(ctx, move |ctx| contacts::create(ctx, &rp.0, &body)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(made))
}

/// All contacts of a relying party.
#[derive(Serialize, ToSchema)]
pub struct ContactList {
    contacts: Vec<Shown>,
}

/// `GET /v1/contacts`
pub async fn list(
    By(rp, ()): By<RelyingParty, ()>,
    ctx: Data<Context>,
) -> Result<Json<ContactList>, Problem> {
    let contacts = run(ctx, move |ctx| contacts::list(ctx, &rp.0)).await?;
    Ok(Json(ContactList { contacts }))
}

/// `POST /v1/contacts/{id}:confirm`
pub async fn confirm(
    By(rp, (id, body)): By<RelyingParty, (Path<ContactId>, Json<Answer>)>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| contacts::confirm(ctx, &rp.0, *id, &body)).await.map(Json)
}

/// `DELETE /v1/contacts/{id}`
pub async fn remove(
    By(rp, id): By<RelyingParty, Path<ContactId>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| contacts::delete(ctx, &rp.0, *id)).await.map(done)
}
