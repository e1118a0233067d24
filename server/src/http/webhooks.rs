//! `/v1/webhooks`: where a relying party wants to be told of what happens, and what became of it.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::{DeliveryId, WebhookId};

use super::accounts::query;
use super::callers::{By, RelyingParty};
use super::certificates::done;
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::webhooks::{self, Asked, Page, Shown, ShownDelivery};

/// `POST /v1/webhooks`
pub async fn create(
    By(rp, body): By<RelyingParty, Json<Asked>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let made = run(ctx, move |ctx| webhooks::create(ctx, &rp.0, &body)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(made))
}

/// All webhooks of a relying party.
#[derive(Serialize, ToSchema)]
pub struct WebhookList {
    webhooks: Vec<Shown>,
}

/// `GET /v1/webhooks`
pub async fn list(
    By(rp, ()): By<RelyingParty, ()>,
    ctx: Data<Context>,
) -> Result<Json<WebhookList>, Problem> {
    let webhooks = run(ctx, move |ctx| webhooks::list(ctx, &rp.0)).await?;
    Ok(Json(WebhookList { webhooks }))
}

/// `GET /v1/webhooks/{id}`
pub async fn show(
    By(rp, id): By<RelyingParty, Path<WebhookId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| webhooks::show(ctx, &rp.0, *id)).await.map(Json)
}

/// `DELETE /v1/webhooks/{id}`
pub async fn remove(
    By(rp, id): By<RelyingParty, Path<WebhookId>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| webhooks::delete(ctx, &rp.0, *id)).await.map(done)
}

/// `POST /v1/webhooks/{id}:enable`
pub async fn enable(
    By(rp, id): By<RelyingParty, Path<WebhookId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| webhooks::enable(ctx, &rp.0, *id)).await.map(Json)
}

/// How a secret is replaced.
#[derive(Deserialize, ToSchema)]
#[schema(as = SecretRotation)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    #[serde(default)]
    end_old_at_once: bool,
}

/// `POST /v1/webhooks/{id}/secrets`
pub async fn rotate(
    By(rp, (id, body)): By<RelyingParty, (Path<WebhookId>, Json<Rotation>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let made = run(ctx, move |ctx| webhooks::rotate(ctx, &rp.0, *id, body.end_old_at_once)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(made))
}

/// `DELETE /v1/webhooks/{id}/secrets`
pub async fn end_old_secrets(
    By(rp, id): By<RelyingParty, Path<WebhookId>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| webhooks::end_old_secrets(ctx, &rp.0, *id)).await.map(done)
}

/// Where a page begins.
#[derive(Deserialize, ToSchema)]
#[schema(as = DeliveriesQuery)]
#[serde(deny_unknown_fields)]
pub struct Before {
    #[serde(default)]
    before: Option<DeliveryId>,
}

/// `GET /v1/webhooks/{id}/deliveries`
pub async fn deliveries(
    By(rp, (id, request)): By<RelyingParty, (Path<WebhookId>, HttpRequest)>,
    ctx: Data<Context>,
) -> Result<Json<Page>, Problem> {
    let Before { before } = query(&request, "`before` as the id of a delivery")?;
    run(ctx, move |ctx| webhooks::deliveries(ctx, &rp.0, *id, before)).await.map(Json)
}

/// `POST /v1/webhooks/{id}/deliveries/{delivery}:replay`
pub async fn replay(
    By(rp, ids): By<RelyingParty, Path<(WebhookId, DeliveryId)>>,
    ctx: Data<Context>,
) -> Result<Json<ShownDelivery>, Problem> {
    run(ctx, move |ctx| webhooks::replay(ctx, &rp.0, ids.0, ids.1)).await.map(Json)
}
