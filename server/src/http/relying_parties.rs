//! `/v1/admin/relying-parties`: admins take in relying parties.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};

use super::callers::{Admin, By};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::relying_parties::{self, Application};

/// `POST /v1/admin/relying-parties`
pub async fn admit(
    By(admin, body): By<Admin, Json<Application>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let admitted = run(ctx, move |ctx| relying_parties::admit(ctx, admin.0, &body)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(admitted))
}
