//! `GET /openapi.json` and `GET /docs`: made once, the same for everybody.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wallet_core::es256::sha256;

use super::{document, page};
use crate::http::problem::Problem;

static JSON: LazyLock<Result<String, Vec<String>>> =
    LazyLock::new(|| document().map(|document| format!("{document}\n")));
static PAGE: LazyLock<Result<String, Vec<String>>> =
    LazyLock::new(|| document().map(|document| page::html(&document)));

/// The page's own style, and nothing else from anywhere.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(sha256(page::STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// `GET /openapi.json`
pub async fn json() -> Result<HttpResponse, Problem> {
    let document =
        JSON.as_ref().map_err(|names| Problem::internal(format_args!("two types named {names:?}")))?;
    let mut answer = HttpResponse::Ok();
    answer.content_type("application/json").insert_header((CACHE_CONTROL, "no-cache"));
    Ok(answer.body(document.as_str()))
}

/// `GET /docs`
pub async fn page() -> Result<HttpResponse, Problem> {
    let page = PAGE.as_ref().map_err(|names| Problem::internal(format_args!("two types named {names:?}")))?;
    let mut answer = HttpResponse::Ok();
    answer
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CACHE_CONTROL, "no-cache"));
    Ok(answer.body(page.as_str()))
}
