//! `/v1/keys`: a relying party's API keys. `/v1/admin/relying-parties/{id}/keys`: the same, by an admin.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::ids::{ApiKeyId, RelyingPartyId};

use super::callers::{Admin, By, RelyingParty};
use super::certificates::done;
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::api_keys::{self, Shown, Wanted};
use crate::roles::acts::{CreateApiKey, ListApiKeys, RevokeApiKey};

/// Keys that are good.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeys)]
pub struct Keys {
    keys: Vec<Shown>,
}

/// `GET /v1/keys`
pub async fn list(rp: RelyingParty, ctx: Data<Context>) -> Result<Json<Keys>, Problem> {
    let keys = run(ctx, move |ctx| api_keys::list(ctx, rp.0.id)).await?;
    Ok(Json(Keys { keys }))
}

/// `POST /v1/keys`
pub async fn create(
    By(rp, wanted): By<RelyingParty, Json<Wanted>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let made = run(ctx, move |ctx| api_keys::create(ctx, &rp.0, &wanted)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(made))
}

/// `DELETE /v1/keys/{id}`
pub async fn revoke(
    By(rp, id): By<RelyingParty, Path<ApiKeyId>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| api_keys::revoke(ctx, &rp.0, *id)).await.map(done)
}

/// `GET /v1/admin/relying-parties/{id}/keys`
pub async fn list_of(
    By(_, rp): By<Admin<ListApiKeys>, Path<RelyingPartyId>>,
    ctx: Data<Context>,
) -> Result<Json<Keys>, Problem> {
    let keys = run(ctx, move |ctx| api_keys::list(ctx, *rp)).await?;
    Ok(Json(Keys { keys }))
}

/// `POST /v1/admin/relying-parties/{id}/keys`
pub async fn create_for(
    By(admin, (rp, wanted)): By<Admin<CreateApiKey>, (Path<RelyingPartyId>, Json<Wanted>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let made = run(ctx, move |ctx| api_keys::create_for(ctx, admin.0, *rp, &wanted)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(made))
}

/// `DELETE /v1/admin/relying-parties/{id}/keys/{key}`
pub async fn revoke_of(
    By(admin, ids): By<Admin<RevokeApiKey>, Path<(RelyingPartyId, ApiKeyId)>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| api_keys::revoke_of(ctx, admin.0, ids.0, ids.1)).await.map(done)
}
