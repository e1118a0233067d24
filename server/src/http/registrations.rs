//! `/v1/admin/registrations`: an invited admin makes a passkey.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use serde::Deserialize;
use utoipa::ToSchema;
use wallet_core::ids::CeremonyId;

use super::browsers::{OwnPage, opened};
use super::callers::By;
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::registrations::{self, Made};

/// Who was invited.
#[derive(Deserialize, ToSchema)]
#[schema(as = InvitationTaken)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// What stands behind the `#/invitation/` of the link.
    invitation: String,
}

/// `POST /v1/admin/registrations`
pub async fn begin(
    By(_, body): By<OwnPage, Json<Taken>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let begun = run(ctx, move |ctx| registrations::begin(ctx, &body.invitation)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(begun))
}

/// `POST /v1/admin/registrations/{id}`
pub async fn finish(
    By(_, (id, body)): By<OwnPage, (Path<CeremonyId>, Json<Made>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    Ok(opened(HttpResponse::Created(), &run(ctx, move |ctx| registrations::finish(ctx, *id, &body)).await?))
}
