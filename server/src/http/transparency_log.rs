//! `/log`: the transparency log for anybody (C2SP tlog-tiles), and `/v1/me/log`, a holder's own part of it with proofs.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;
use wallet_core::log::tiles::TilePath;
use wallet_core::refusal::Refusal;

use super::callers::{By, Holder};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::log::{self, Page};

/// A tile never changes, and a partial one is a part that never changes of one that grows.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `GET /log/checkpoint`
pub async fn checkpoint(ctx: Data<Context>) -> Result<HttpResponse, Problem> {
    let note = run(ctx, log::checkpoint).await?;
    let mut answer = HttpResponse::Ok();
    answer.content_type("text/plain; charset=utf-8").insert_header((CACHE_CONTROL, "no-cache"));
    Ok(answer.body(note))
}

/// `GET /log/tile/{path}`
pub async fn tile(path: Path<String>, ctx: Data<Context>) -> Result<HttpResponse, Problem> {
    let path = TilePath::parse(&path).ok_or(Refusal::NotFound)?;
    let bytes = run(ctx, move |ctx| log::tile(ctx, path)).await?;
    let mut answer = HttpResponse::Ok();
    answer.content_type("application/octet-stream").insert_header((CACHE_CONTROL, FOR_EVER));
    Ok(answer.body(bytes))
}

/// Which part of a holder's log.
#[derive(Deserialize, ToSchema)]
#[schema(as = LogQuery)]
#[serde(deny_unknown_fields)]
pub struct PageRequest {
    /// The first leaf that is wanted; `next` of the page before.
    #[serde(default)]
    from: u64,
    /// At most so many, and never more than 100.
    #[serde(default = "fifty")]
    limit: i64,
}

fn fifty() -> i64 {
    50
}

/// `GET /v1/me/log`
pub async fn of_holder(
    By(holder, request): By<Holder, HttpRequest>,
    ctx: Data<Context>,
) -> Result<Json<Page>, Problem> {
    let page = Query::<PageRequest>::from_query(request.query_string());
    let expected = || "`from` and `limit` as numbers, and nothing else".to_owned();
    let page = page.map_err(|_| Refusal::RequestInvalid { field: "query", expected: expected() })?;
    let PageRequest { from, limit } = page.into_inner();
    run(ctx, move |ctx| log::acts_of_holder(ctx, &holder.0, from, limit)).await.map(Json)
}
