//! `/v1/sponsorships`: a relying party vouches for a person who is to enrol.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use wallet_core::ids::{RelyingPartyId, SponsorshipId};

use super::admin_actions::asked;
use super::callers::{Admin, By, RelyingParty};
use super::certificates::done;
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::certificates::Said;
use crate::flow::sponsorships::{self, Shown};
use crate::roles::acts::RevokeSponsored;

/// `POST /v1/sponsorships`
pub async fn create(rp: RelyingParty, ctx: Data<Context>) -> Result<HttpResponse, Problem> {
    let created = run(ctx, move |ctx| sponsorships::create(ctx, &rp.0)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(created))
}

/// `GET /v1/sponsorships/{id}`
pub async fn show(
    By(rp, id): By<RelyingParty, Path<SponsorshipId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| sponsorships::show(ctx, &rp.0, *id)).await.map(Json)
}

/// `POST /v1/sponsorships/{id}/revocation`
pub async fn revoke(
    By(rp, (id, said)): By<RelyingParty, (Path<SponsorshipId>, Json<Said>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| sponsorships::revoke(ctx, &rp.0, *id, &said)).await.map(done)
}

/// `POST /v1/admin/relying-parties/{id}/sponsorships/revocation`
pub async fn revoke_all(
    By(admin, (id, said)): By<Admin<RevokeSponsored>, (Path<RelyingPartyId>, Json<Said>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| sponsorships::ask_to_revoke_all(ctx, admin.0, *id, &said)).await.map(asked)
}
