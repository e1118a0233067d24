//! Revocation, by each of the three who may.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use serde::Deserialize;
use wallet_core::ids::CertificateId;

use super::callers::{Admin, By, Holder};
use super::problem::Problem;
use super::run;
use crate::flow::{Context, certificates};

/// Why an admin revokes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    reason: String,
}

/// The code on paper.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperRequest {
    revocation_code: String,
}

/// `POST /v1/admin/certificates/{id}/revocation`
pub async fn revoke_by_admin(
    By(admin, (id, body)): By<Admin, (Path<CertificateId>, Json<RevokeRequest>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| certificates::revoke_by_admin(ctx, admin.0, *id, &body.reason)).await.map(done)
}

/// `POST /v1/me/certificates/{id}/revocation`
pub async fn revoke_by_holder(
    By(holder, id): By<Holder, Path<CertificateId>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| certificates::revoke_by_holder(ctx, &holder.0, *id)).await.map(done)
}

/// `POST /v1/revocations`
pub async fn revoke_by_paper(body: Json<PaperRequest>, ctx: Data<Context>) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| certificates::revoke_by_paper(ctx, &body.revocation_code)).await.map(done)
}

fn done((): ()) -> HttpResponse {
    HttpResponse::NoContent().finish()
}
