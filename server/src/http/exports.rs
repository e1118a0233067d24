//! `/v1/me/export`: a holder's copy of what is held of them.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, VARY};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::callers::{By, Holder};
use super::problem::Problem;
use super::run;
use super::statements::language;
use crate::flow::{Context, exports};

/// `GET /v1/me/export`
pub async fn export(
    By(holder, request): By<Holder, HttpRequest>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let language = language(&request)?;
    let archive = run(ctx, move |ctx| exports::export(ctx, &holder.0, language)).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/zip")
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"ecert-data.zip\""))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((VARY, "accept-language"))
        .body(archive))
}
