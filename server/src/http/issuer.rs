//! `/.well-known/ecert`: who the issuer is, and what a holder agrees to.

use actix_web::web::{Data, Json};

use super::problem::Problem;
use crate::flow::Context;
use crate::flow::issuer::{self, IssuerMetadata};

/// `GET /.well-known/ecert`
pub async fn metadata(ctx: Data<Context>) -> Result<Json<IssuerMetadata>, Problem> {
    Ok(Json(issuer::metadata(&ctx)?))
}
