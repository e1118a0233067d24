//! `/v1/test-clock`, `/v1/sandbox/…`: what only a relying party of the sandbox may do.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};

use super::callers::{By, RelyingParty};
use super::idempotency::{idempotency, key};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::sandbox_payments::{self, PayIn};
use crate::flow::test_clocks::{self, Advance, Shown};

/// `GET /v1/test-clock`
pub async fn show_clock(rp: RelyingParty, ctx: Data<Context>) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| test_clocks::show(ctx, &rp.0)).await.map(Json)
}

/// `POST /v1/test-clock`
pub async fn stop_clock(rp: RelyingParty, ctx: Data<Context>) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| test_clocks::stop(ctx, &rp.0)).await.map(Json)
}

/// `POST /v1/test-clock:advance`
pub async fn advance_clock(
    By(rp, body): By<RelyingParty, Json<Advance>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| test_clocks::advance(ctx, &rp.0, &body)).await.map(Json)
}

/// `POST /v1/sandbox/payments`
pub async fn pay_in(
    By(rp, body): By<RelyingParty, Json<PayIn>>,
    request: HttpRequest,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let asked = serde_json::to_vec(&*body).map_err(Problem::internal)?;
    let idempotency = idempotency(&ctx, &request, key(&request)?, &asked);
    let paid = run(ctx, move |ctx| sandbox_payments::pay_in(ctx, &rp.0, &idempotency, &body)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(paid))
}
