//! `/v1/me/erasure`: a holder has what is held of them destroyed.

use actix_web::web::{Data, Json};

use super::callers::{By, HolderOrErased};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::erasures::{self, Confirmed, Done};

/// `POST /v1/me/erasure`
pub async fn erase(
    By(holder, confirmed): By<HolderOrErased, Json<Confirmed>>,
    ctx: Data<Context>,
) -> Result<Json<Done>, Problem> {
    run(ctx, move |ctx| erasures::erase(ctx, &holder.0, &confirmed)).await.map(Json)
}
