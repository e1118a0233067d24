//! `/v1/terminals`: a relying party's tills and tablets. `/v1/terminal`: one of them, by its own key.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::TerminalId;

use super::callers::{By, NewDevice, RelyingParty, Terminal};
use super::certificates::done;
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::terminals::{self, Own, Shown, Token, Wanted};

/// `POST /v1/terminals`
pub async fn create(
    By(rp, body): By<RelyingParty, Json<Wanted>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let created = run(ctx, move |ctx| terminals::create(ctx, &rp.0, &body)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(created))
}

/// A relying party's terminals.
#[derive(Serialize, ToSchema)]
pub struct Terminals {
    terminals: Vec<Shown>,
}

/// `GET /v1/terminals`
pub async fn list(rp: RelyingParty, ctx: Data<Context>) -> Result<Json<Terminals>, Problem> {
    let terminals = run(ctx, move |ctx| terminals::list(ctx, &rp.0)).await?;
    Ok(Json(Terminals { terminals }))
}

/// `DELETE /v1/terminals/{id}`
pub async fn revoke(
    By(rp, id): By<RelyingParty, Path<TerminalId>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| terminals::revoke(ctx, &rp.0, *id)).await.map(done)
}

/// What activates a terminal.
#[derive(Deserialize, ToSchema)]
#[schema(as = TerminalActivation)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    activation: String,
}

/// `POST /v1/terminals:activate`
pub async fn activate(
    By(device, body): By<NewDevice, Json<Activation>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let token = run(ctx, move |ctx| terminals::activate(ctx, &device.0, &body.activation)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(token))
}

/// `GET /v1/terminal`
pub async fn show(terminal: Terminal, ctx: Data<Context>) -> Result<Json<Own>, Problem> {
    run(ctx, move |ctx| terminals::show(ctx, &terminal.0)).await.map(Json)
}

/// `POST /v1/terminal/token`
pub async fn renew_token(terminal: Terminal, ctx: Data<Context>) -> Result<Json<Token>, Problem> {
    run(ctx, move |ctx| terminals::renew_token(ctx, &terminal.0)).await.map(Json)
}
