//! `/v1/statements`: the bills of a relying party, as JSON, CSV or PDF, their lines, and proofs.

use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION};
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};
use wallet_core::ids::ChargeId;

use super::accounts::{After, PAGE, query};
use super::callers::{By, RelyingParty};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::statements::{self, Lines, Proof};

/// `GET /v1/statements`
pub async fn list(
    By(rp, request): By<RelyingParty, HttpRequest>,
    ctx: Data<Context>,
) -> Result<Json<Value>, Problem> {
    let After { after } = query(&request, "`after` as the name of a period")?;
    let statements = run(ctx, move |ctx| statements::list(ctx, &rp.0, &after, PAGE)).await?;
    Ok(Json(json!({ "statements": statements })))
}

/// `GET /v1/statements/{period}`
pub async fn show(
    By(rp, (period, request)): By<RelyingParty, (Path<String>, HttpRequest)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let form = match accept.unwrap_or("application/json") {
        accept if accept.contains("text/csv") => "csv",
        accept if accept.contains("json") || accept.contains("*/*") => "json",
        _ => return Err(Problem::not_acceptable("application/json, text/csv")),
    };
    let name = format!("attachment; filename=\"statement-{period}.{form}\"");
    let statement = run(ctx, move |ctx| statements::show(ctx, &rp.0, &period)).await?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_DISPOSITION, name));
    Ok(match form {
        "csv" => answer.content_type("text/csv; charset=utf-8").body(statement.to_csv()),
        _ => answer.json(statement),
    })
}

/// Which lines.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinesRequest {
    #[serde(default)]
    after: Option<ChargeId>,
    #[serde(default = "hundred")]
    limit: usize,
}

fn hundred() -> usize {
    100
}

/// Lines at once: about 3 MiB of receipts.
const MOST_LINES: usize = 1000;

/// `GET /v1/statements/{period}/lines`
pub async fn lines(
    By(rp, (period, request)): By<RelyingParty, (Path<String>, HttpRequest)>,
    ctx: Data<Context>,
) -> Result<Json<Lines>, Problem> {
    let LinesRequest { after, limit } =
        query(&request, "`after` as the id of a charge, `limit` as a number")?;
    let limit = limit.clamp(1, MOST_LINES);
    run(ctx, move |ctx| statements::lines(ctx, &rp.0, &period, after, limit)).await.map(Json)
}

/// `GET /v1/statements/{period}/proofs/{charge}`
pub async fn proof(
    By(rp, path): By<RelyingParty, Path<(String, ChargeId)>>,
    ctx: Data<Context>,
) -> Result<Json<Proof>, Problem> {
    let (period, charge) = path.into_inner();
    run(ctx, move |ctx| statements::proof(ctx, &rp.0, &period, charge)).await.map(Json)
}
