//! `/v1/prices`: what things cost.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};

use super::admin_actions::asked;
use super::callers::{Admin, By, RelyingParty};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::cycles::{self, Cycles, Wanted};
use crate::flow::prices::{self, Announcement, PriceList};
use crate::roles::acts::{AnnouncePrices, ChangeBillingCycle, ListBillingCycles, ListPrices};

/// `GET /v1/prices`
pub async fn list(rp: RelyingParty, ctx: Data<Context>) -> Result<Json<PriceList>, Problem> {
    run(ctx, move |ctx| prices::list(ctx, &rp.0)).await.map(Json)
}

/// `GET /v1/admin/prices`
pub async fn list_for_admins(_: Admin<ListPrices>, ctx: Data<Context>) -> Result<Json<PriceList>, Problem> {
    run(ctx, |ctx| prices::list_at(ctx, ctx.now())).await.map(Json)
}

/// `POST /v1/admin/prices`
pub async fn announce(
    By(admin, body): By<Admin<AnnouncePrices>, Json<Announcement>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| prices::ask(ctx, admin.0, &body)).await.map(asked)
}

/// `GET /v1/admin/billing-cycles`
pub async fn cycles(_: Admin<ListBillingCycles>, ctx: Data<Context>) -> Result<Json<Cycles>, Problem> {
    run(ctx, |ctx| cycles::list(ctx, ctx.now())).await.map(Json)
}

/// `POST /v1/admin/billing-cycles`
pub async fn change_cycle(
    By(admin, body): By<Admin<ChangeBillingCycle>, Json<Wanted>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let announced = run(ctx, move |ctx| cycles::change(ctx, admin.0, &body)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(announced))
}
