//! `/healthz` and `/readyz`, for whoever watches the process.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::problem::Problem;
use super::run;
use crate::flow::{Context, prices, status_lists};

const TEXT: &str = "text/plain; charset=utf-8";

/// `GET /healthz`: the process lives.
pub async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type(TEXT).body("alive\n")
}

/// `GET /readyz`: the databases answer with what was put there at the start.
pub async fn ready(ctx: Data<Context>) -> Result<HttpResponse, Problem> {
    run(ctx, |ctx| {
        status_lists::token(ctx, status_lists::FIRST, status_lists::Form::Jwt)?;
        prices::readable(ctx)
    })
    .await?;
    Ok(HttpResponse::Ok().content_type(TEXT).body("ready\n"))
}
