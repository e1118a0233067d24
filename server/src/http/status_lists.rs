//! `/v1/status-lists`: which certificates were ended, for whoever verifies offline.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path};

use super::problem::Problem;
use super::run;
use crate::flow::{Context, status_lists};

/// `GET /v1/status-lists/{number}`
pub async fn show(number: Path<i64>, ctx: Data<Context>) -> Result<HttpResponse, Problem> {
    let token = run(ctx, move |ctx| status_lists::token(ctx, *number)).await?;
    let mut answer = HttpResponse::Ok();
    answer.content_type("application/statuslist+jwt").insert_header((CACHE_CONTROL, "max-age=60"));
    Ok(answer.body(token))
}
