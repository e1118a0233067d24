//! One certificate: suspended, brought back, revoked, shown.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use wallet_core::ids::CertificateId;

use super::callers::{Admin, By, Holder};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::certificates::{self, Said, Shown};
use crate::roles::acts::{ReactivateCertificate, RevokeCertificate, ShowCertificate, SuspendCertificate};

/// `POST /v1/admin/certificates/{id}/revocation`
pub async fn revoke_by_admin(
    By(admin, (id, said)): By<Admin<RevokeCertificate>, (Path<CertificateId>, Json<Said>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| certificates::revoke_by_admin(ctx, admin.0, *id, &said)).await.map(done)
}

/// `POST /v1/admin/certificates/{id}/suspension`
pub async fn suspend(
    By(admin, (id, said)): By<Admin<SuspendCertificate>, (Path<CertificateId>, Json<Said>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| certificates::suspend(ctx, admin.0, *id, &said)).await.map(done)
}

/// `DELETE /v1/admin/certificates/{id}/suspension`
pub async fn reactivate(
    By(admin, id): By<Admin<ReactivateCertificate>, Path<CertificateId>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| certificates::reactivate(ctx, admin.0, *id)).await.map(done)
}

/// `GET /v1/admin/certificates/{id}`
pub async fn show(
    By(admin, id): By<Admin<ShowCertificate>, Path<CertificateId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| certificates::show(ctx, admin.0, *id)).await.map(Json)
}

/// `POST /v1/me/certificates/{id}/revocation`
pub async fn revoke_by_holder(
    By(holder, id): By<Holder, Path<CertificateId>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| certificates::revoke_by_holder(ctx, &holder.0, *id)).await.map(done)
}

pub(super) fn done((): ()) -> HttpResponse {
    HttpResponse::NoContent().finish()
}
