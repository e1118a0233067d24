//! `/v1/admin/session`: the session of the browser that asks.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use wallet_core::ids::CeremonyId;

use super::browsers::{closed, opened};
use super::callers::{By, SignedIn};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::admin_sessions::{self, Shown};

/// A passkey that was shown.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyShown {
    /// What the browser's `PublicKeyCredential.toJSON()` gives.
    #[schema(value_type = Object)]
    pub(super) credential: Value,
}

/// `GET /v1/admin/session`
pub async fn show(signed_in: SignedIn, ctx: Data<Context>) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| admin_sessions::show(ctx, signed_in.0)).await.map(Json)
}

/// `DELETE /v1/admin/session`
pub async fn end(signed_in: SignedIn, ctx: Data<Context>) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| admin_sessions::end(ctx, &signed_in.0)).await?;
    Ok(closed())
}

/// `POST /v1/admin/session/step-ups`
pub async fn begin_step_up(signed_in: SignedIn, ctx: Data<Context>) -> Result<HttpResponse, Problem> {
    let begun = run(ctx, move |ctx| admin_sessions::begin_step_up(ctx, &signed_in.0)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(begun))
}

/// `POST /v1/admin/session/step-ups/{id}`
pub async fn finish_step_up(
    By(signed_in, (id, body)): By<SignedIn, (Path<CeremonyId>, Json<PasskeyShown>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let finish =
        move |ctx: &Context| admin_sessions::finish_step_up(ctx, &signed_in.0, *id, &body.credential);
    Ok(opened(HttpResponse::Ok(), &run(ctx, finish).await?))
}
