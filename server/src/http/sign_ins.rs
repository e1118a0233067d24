//! `/v1/admin/sign-ins`: an admin signs in with a passkey.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use wallet_core::ids::CeremonyId;

use super::admin_sessions::PasskeyShown;
use super::browsers::{OwnPage, cookie, opened};
use super::callers::By;
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::sign_ins;

/// `POST /v1/admin/sign-ins`
pub async fn begin(_: OwnPage, ctx: Data<Context>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::build(StatusCode::CREATED).json(run(ctx, sign_ins::begin).await?))
}

/// `POST /v1/admin/sign-ins/{id}`
pub async fn finish(
    By(_, (id, body)): By<OwnPage, (Path<CeremonyId>, Json<PasskeyShown>)>,
    request: HttpRequest,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let before = cookie(&request);
    let finish = move |ctx: &Context| sign_ins::finish(ctx, *id, &body.credential, before.as_deref());
    Ok(opened(HttpResponse::Created(), &run(ctx, finish).await?))
}
