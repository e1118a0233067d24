//! `/v1/admin/actions`: acts that take a second person.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::AdminActionId;

use super::callers::{Admin, By};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::admin_actions::{self, Decided, Shown};
use crate::roles::acts::{ApproveAction, ReadActions, RejectAction};

/// Which of them.
#[derive(Deserialize, ToSchema)]
#[schema(as = AdminActionsQuery)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// `requested`, `approved`, `done`, `failed`, `rejected` or `expired`; any without it.
    #[serde(default)]
    state: Option<String>,
    /// The last that was seen.
    #[serde(default)]
    before: Option<AdminActionId>,
}

/// A page, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminActions)]
pub struct Page {
    actions: Vec<Shown>,
}

/// `GET /v1/admin/actions`
pub async fn list(
    By(_, which): By<Admin<ReadActions>, Query<Which>>,
    ctx: Data<Context>,
) -> Result<Json<Page>, Problem> {
    let list = move |ctx: &Context| admin_actions::list(ctx, which.state.as_deref(), which.before);
    Ok(Json(Page { actions: run(ctx, list).await? }))
}

/// `GET /v1/admin/actions/{id}`
pub async fn show(
    By(_, id): By<Admin<ReadActions>, Path<AdminActionId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| admin_actions::show(ctx, *id)).await.map(Json)
}

/// `POST /v1/admin/actions/{id}:approve`
pub async fn approve(
    By(admin, id): By<Admin<ApproveAction>, Path<AdminActionId>>,
    ctx: Data<Context>,
) -> Result<Json<Decided>, Problem> {
    run(ctx, move |ctx| admin_actions::approve(ctx, admin.0, *id)).await.map(Json)
}

/// `POST /v1/admin/actions/{id}:reject`
pub async fn reject(
    By(admin, id): By<Admin<RejectAction>, Path<AdminActionId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| admin_actions::reject(ctx, admin.0, *id)).await.map(Json)
}

/// 202: a second person is waited for. 201: nobody else is there to be waited for.
pub(super) fn asked(decided: Decided) -> HttpResponse {
    let status = if decided.is_done() { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    HttpResponse::build(status).json(decided)
}
