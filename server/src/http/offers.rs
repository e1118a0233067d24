//! `/v1/admin/offers` and `/v1/admin/promotions`: admins add to the catalogue.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};

use super::callers::{Admin, By};
use super::problem::Problem;
use super::run;
use crate::flow::{Context, offers, promotions};
use crate::roles::acts::{AddOffer, AddPromotion};

/// `POST /v1/admin/offers`
pub async fn add(
    By(admin, body): By<Admin<AddOffer>, Json<offers::New>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let added = run(ctx, move |ctx| offers::add(ctx, admin.0, &body)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(added))
}

/// `POST /v1/admin/promotions`
pub async fn add_promotion(
    By(admin, body): By<Admin<AddPromotion>, Json<promotions::New>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let body = body.into_inner();
    let added = run(ctx, move |ctx| promotions::add(ctx, admin.0, &body).map(|()| body)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(added))
}
