//! `/.well-known/ecert`: who the issuer is, and what a holder agrees to.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Json, Path};

use super::problem::Problem;
use crate::flow::Context;
use crate::flow::issuer::{self, IssuerMetadata};

/// `GET /v1/crl/{ca}`: a certificate revocation list in DER (RFC 5280 §5).
pub async fn crl(ca: Path<String>, ctx: Data<Context>) -> Result<HttpResponse, Problem> {
    let list = issuer::crl(&ctx, &ca)?;
    let mut answer = HttpResponse::Ok();
    // RFC 2585 §4.2.
    answer.content_type("application/pkix-crl").insert_header((CACHE_CONTROL, "max-age=300"));
    Ok(answer.body(list.to_vec()))
}

/// `GET /.well-known/ecert`
pub async fn metadata(ctx: Data<Context>) -> Result<Json<IssuerMetadata>, Problem> {
    Ok(Json(issuer::metadata(&ctx)?))
}
