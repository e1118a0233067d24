//! `/v1/admin/admins`: who works here.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::AdminId;

use super::admin_actions::asked;
use super::callers::{Admin, By};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::admins::{self, New, NewRoles, Shown};
use crate::roles::acts::{ChangeRoles, EndAdmin, InviteAdmin, ListAdmins};

/// Who works here.
#[derive(Serialize, ToSchema)]
pub struct Admins {
    admins: Vec<Shown>,
}

/// `GET /v1/admin/admins`
pub async fn list(_: Admin<ListAdmins>, ctx: Data<Context>) -> Result<Json<Admins>, Problem> {
    Ok(Json(Admins { admins: run(ctx, admins::list).await? }))
}

/// `POST /v1/admin/admins`
pub async fn invite(
    By(admin, body): By<Admin<InviteAdmin>, Json<New>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| admins::ask_to_invite(ctx, admin.0, &body)).await.map(asked)
}

/// `POST /v1/admin/admins/{id}/roles`
pub async fn change_roles(
    By(admin, (id, body)): By<Admin<ChangeRoles>, (Path<AdminId>, Json<NewRoles>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| admins::ask_to_change_roles(ctx, admin.0, *id, &body)).await.map(asked)
}

/// Why somebody is to go.
#[derive(Deserialize, ToSchema)]
#[schema(as = WhyQuery)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// 1 to 200 characters.
    why: String,
}

/// `DELETE /v1/admin/admins/{id}?why=`
pub async fn end(
    By(admin, (id, said)): By<Admin<EndAdmin>, (Path<AdminId>, Query<Why>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| admins::ask_to_end(ctx, admin.0, *id, &said.why)).await.map(asked)
}
