//! `/v1/admin/relying-parties`: admins take in relying parties, and suspend them.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::RelyingPartyId;

use super::accounts::{After, query};
use super::callers::{Admin, By};
use super::certificates::done;
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::relying_parties::{self, Application, Shown};
use crate::roles::acts::{
    AdmitRelyingParty, ListRelyingParties, ResumeRelyingParty, ShowRelyingParty, SuspendRelyingParty,
};

/// A page of them.
#[derive(Serialize, ToSchema)]
#[schema(as = RelyingParties)]
pub struct Page {
    relying_parties: Vec<Shown>,
}

/// `GET /v1/admin/relying-parties?after=`
pub async fn list(
    By(_, request): By<Admin<ListRelyingParties>, HttpRequest>,
    ctx: Data<Context>,
) -> Result<Json<Page>, Problem> {
    let After { after } = query(&request, "`after` as the id of a relying party")?;
    let relying_parties = run(ctx, move |ctx| relying_parties::list(ctx, &after)).await?;
    Ok(Json(Page { relying_parties }))
}

/// `GET /v1/admin/relying-parties/{id}`
pub async fn show(
    By(_, id): By<Admin<ShowRelyingParty>, Path<RelyingPartyId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| relying_parties::show(ctx, *id)).await.map(Json)
}

/// `POST /v1/admin/relying-parties`
pub async fn admit(
    By(admin, body): By<Admin<AdmitRelyingParty>, Json<Application>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let admitted = run(ctx, move |ctx| relying_parties::admit(ctx, admin.0, &body)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(admitted))
}

/// Why a relying party is suspended.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Suspension {
    why: String,
}

/// `POST /v1/admin/relying-parties/{id}/suspension`
pub async fn suspend(
    By(admin, (id, body)): By<Admin<SuspendRelyingParty>, (Path<RelyingPartyId>, Json<Suspension>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| relying_parties::suspend(ctx, admin.0, *id, &body.why)).await.map(done)
}

/// `DELETE /v1/admin/relying-parties/{id}/suspension`
pub async fn resume(
    By(admin, id): By<Admin<ResumeRelyingParty>, Path<RelyingPartyId>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| relying_parties::resume(ctx, admin.0, *id)).await.map(done)
}
