//! `/v1/quotes` and `/v1/orders`: a relying party buys beforehand.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;
use wallet_core::ids::OrderId;

use super::callers::{By, RelyingParty};
use super::idempotency::{idempotency, key};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::orders::{self, Asked, Page, Quote, Shown};

/// `POST /v1/quotes`
pub async fn quote(
    By(rp, body): By<RelyingParty, Json<Asked>>,
    ctx: Data<Context>,
) -> Result<Json<Quote>, Problem> {
    run(ctx, move |ctx| orders::quote(ctx, &rp.0, &body)).await.map(Json)
}

/// `POST /v1/orders`
pub async fn place(
    By(rp, body): By<RelyingParty, Json<Asked>>,
    request: HttpRequest,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let asked = serde_json::to_vec(&*body).map_err(Problem::internal)?;
    let idempotency = idempotency(&ctx, &request, key(&request)?, &asked);
    let placed = run(ctx, move |ctx| orders::place(ctx, &rp.0, &idempotency, &body)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(placed))
}

/// Where a page begins.
#[derive(Deserialize, ToSchema)]
#[schema(as = OrdersQuery)]
pub struct PageQuery {
    before: Option<OrderId>,
}

/// `GET /v1/orders`
pub async fn list(
    By(rp, query): By<RelyingParty, Query<PageQuery>>,
    ctx: Data<Context>,
) -> Result<Json<Page>, Problem> {
    run(ctx, move |ctx| orders::list(ctx, &rp.0, query.before)).await.map(Json)
}

/// `GET /v1/orders/{id}`
pub async fn show(
    By(rp, id): By<RelyingParty, Path<OrderId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| orders::show(ctx, &rp.0, *id)).await.map(Json)
}

/// `POST /v1/orders/{id}:pay`
pub async fn pay(
    By(rp, id): By<RelyingParty, Path<OrderId>>,
    request: HttpRequest,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    let idempotency = idempotency(&ctx, &request, key(&request)?, &[]);
    run(ctx, move |ctx| orders::pay(ctx, &rp.0, &idempotency, *id)).await.map(Json)
}

/// `POST /v1/orders/{id}:cancel`
pub async fn cancel(
    By(rp, id): By<RelyingParty, Path<OrderId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| orders::cancel(ctx, &rp.0, *id)).await.map(Json)
}

/// `POST /v1/orders/{id}:withdraw`
pub async fn withdraw(
    By(rp, id): By<RelyingParty, Path<OrderId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| orders::withdraw(ctx, &rp.0, *id)).await.map(Json)
}
