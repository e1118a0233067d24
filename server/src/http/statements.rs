//! `/v1/statements`: the bills of a relying party, as JSON, CSV or PDF, their lines, and proofs.

use actix_web::http::header::{
    ACCEPT, ACCEPT_LANGUAGE, AcceptLanguage, CONTENT_DISPOSITION, Header as _, VARY,
};
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::ChargeId;
use wallet_core::refusal::Refusal;

use super::accounts::{After, PAGE, query};
use super::callers::{By, RelyingParty};
use super::problem::Problem;
use super::run;
use crate::edge::print::Language;
use crate::flow::Context;
use crate::flow::statements::{self, Lines, Proof, Shown};

/// Statements, the earliest first.
#[derive(Serialize, ToSchema)]
pub struct StatementList {
    statements: Vec<Shown>,
}

/// `GET /v1/statements`
pub async fn list(
    By(rp, request): By<RelyingParty, HttpRequest>,
    ctx: Data<Context>,
) -> Result<Json<StatementList>, Problem> {
    let After { after } = query(&request, "`after` as the name of a period")?;
    let statements = run(ctx, move |ctx| statements::list(ctx, &rp.0, &after, PAGE)).await?;
    Ok(Json(StatementList { statements }))
}

/// `GET /v1/statements/{period}`
pub async fn show(
    By(rp, (period, request)): By<RelyingParty, (Path<String>, HttpRequest)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    // The first that we have, as people and browsers write it.
    let form = accept.unwrap_or("*/*").split(',').find_map(|media| {
        match media.split(';').next().unwrap_or_default().trim() {
            "text/csv" => Some("csv"),
            "application/pdf" => Some("pdf"),
            "application/json" | "application/*" | "*/*" => Some("json"),
            _ => None,
        }
    });
    let form = form.ok_or_else(|| Problem::not_acceptable("application/json, text/csv, application/pdf"))?;
    let name = format!("attachment; filename=\"statement-{period}.{form}\"");
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_DISPOSITION, name)).insert_header((VARY, "accept, accept-language"));
    if form == "pdf" {
        let language = language(&request)?;
        let pdf = run(ctx, move |ctx| statements::print(ctx, &rp.0, &period, language)).await?;
        return Ok(answer.content_type("application/pdf").body(pdf));
    }
    let statement = run(ctx, move |ctx| statements::show(ctx, &rp.0, &period)).await?;
    Ok(match form {
        "csv" => answer.content_type("text/csv; charset=utf-8").body(statement.to_csv()),
        _ => answer.json(statement),
    })
}

/// In which language.
#[derive(Deserialize, ToSchema)]
#[schema(as = PrintQuery)]
#[serde(deny_unknown_fields)]
pub struct Print {
    #[serde(default)]
    lang: Option<String>,
}

/// The language of `?lang=`, else the first that the caller likes and we have, else Chinese.
pub(super) fn language(request: &HttpRequest) -> Result<Language, Refusal> {
    const EXPECTED: &str = "`lang` as `zh` or `en`";
    let Print { lang } = query(request, EXPECTED)?;
    if let Some(lang) = lang {
        let invalid = || Refusal::RequestInvalid { field: "query", expected: EXPECTED.to_owned() };
        return Language::parse(&lang).ok_or_else(invalid);
    }
    let liked = if request.headers().contains_key(ACCEPT_LANGUAGE) {
        AcceptLanguage::parse(request).map(|liked| liked.ranked()).unwrap_or_default()
    } else {
        Vec::new()
    };
    let known = |tag: String| Language::parse(tag.split('-').next().unwrap_or_default());
    Ok(liked.iter().find_map(|tag| known(tag.to_string().to_ascii_lowercase())).unwrap_or(Language::Zh))
}

/// Which lines.
#[derive(Deserialize, ToSchema)]
#[schema(as = LinesQuery)]
#[serde(deny_unknown_fields)]
pub struct LinesRequest {
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
