//! `/v1/me/number`: the standing E-cert number.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use serde::Deserialize;
use utoipa::ToSchema;
use wallet_core::attributes::Share;
use wallet_core::ids::CertificateId;

use super::callers::{Admin, By, Holder};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::certificates::Said;
use crate::flow::standing_numbers::{self, Shown};
use crate::roles::acts::RevokeStandingNumber;

/// What the number may share.
#[derive(Deserialize, ToSchema)]
#[schema(as = NumberRequest)]
#[serde(deny_unknown_fields)]
pub struct MakeRequest {
    share: Share,
}

/// `POST /v1/me/number`
pub async fn make(
    By(holder, body): By<Holder, Json<MakeRequest>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let made = run(ctx, move |ctx| standing_numbers::make(ctx, &holder.0, body.share)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(made))
}

/// `GET /v1/me/number`
pub async fn show(holder: Holder, ctx: Data<Context>) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| standing_numbers::show(ctx, &holder.0)).await.map(Json)
}

/// `DELETE /v1/me/number`
pub async fn switch_off(holder: Holder, ctx: Data<Context>) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| standing_numbers::switch_off(ctx, &holder.0)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /v1/admin/certificates/{id}/number/revocation`
pub async fn revoke_by_admin(
    By(admin, (id, said)): By<Admin<RevokeStandingNumber>, (Path<CertificateId>, Json<Said>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| standing_numbers::revoke_by_admin(ctx, admin.0, *id, &said)).await?;
    Ok(HttpResponse::NoContent().finish())
}
