//! The code on paper: `POST /v1/revocations` for programs, and a page for people, which works without scripts.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Data, Payload, Query};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use utoipa::ToSchema;
use wallet_core::code::sheet::escape;
use wallet_core::es256::sha256;
use wallet_core::ids::CertificateId;
use wallet_core::refusal::Refusal;

use super::certificates::done;
use super::problem::Problem;
use super::revocations::bounded;
use super::run;
use crate::flow::{Context, paper};

const MAX_BYTES: usize = 4096;
const PAGE: &str = include_str!("paper.html");
const STYLE: &str = include_str!("paper.css");

/// Nothing but the page's own style, and a form that leads back to us.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(sha256(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// What a person typed.
#[derive(Deserialize, ToSchema)]
#[schema(as = PaperRevocation)]
#[serde(deny_unknown_fields)]
pub struct PaperRequest {
    revocation_code: String,
    /// From the sheet; a form sends it empty.
    #[serde(default)]
    certificate_id: Option<String>,
}

impl PaperRequest {
    fn certificate(&self) -> Result<Option<CertificateId>, Refusal> {
        let given = self.certificate_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
        let expected = || "the certificate's number from the sheet, crt_…".to_owned();
        let wrong = |_| Refusal::RequestInvalid { field: "certificate_id", expected: expected() };
        given.map(|id| id.parse().map_err(wrong)).transpose()
    }
}

/// `POST /v1/revocations`, with JSON or from the page's form
pub async fn revoke(
    request: HttpRequest,
    body: Payload,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    if request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(match revoke_with(body, ctx, from_form).await {
            Ok(()) => page(StatusCode::OK, DONE, None),
            Err(problem) => answer(&problem),
        });
    }
    revoke_with(body, ctx, from_json).await.map(done)
}

async fn revoke_with(
    body: Payload,
    ctx: Data<Context>,
    read: fn(&[u8]) -> Option<PaperRequest>,
) -> Result<(), Problem> {
    let invalid = |expected: &str| Refusal::RequestInvalid { field: "body", expected: expected.to_owned() };
    let body = bounded(body, MAX_BYTES).await?.ok_or_else(|| invalid("at most 4 KiB"))?;
    let form = r#"{"revocation_code": "18 digits", "certificate_id"?: "crt_…"}, or the same as a form"#;
    let asked = read(&body).ok_or_else(|| invalid(form))?;
    let certificate = asked.certificate()?;
    run(ctx, move |ctx| paper::revoke(ctx, &asked.revocation_code, certificate)).await
}

fn from_json(body: &[u8]) -> Option<PaperRequest> {
    serde_json::from_slice(body).ok()
}

fn from_form(body: &[u8]) -> Option<PaperRequest> {
    let text = std::str::from_utf8(body).ok()?;
    Query::<PaperRequest>::from_query(text).ok().map(Query::into_inner)
}

/// What the sheet's QR adds to the page's address.
#[derive(Deserialize, ToSchema)]
pub struct Prefilled {
    certificate: Option<String>,
}

/// `GET /revoke`
pub async fn show(prefilled: Option<Query<Prefilled>>) -> HttpResponse {
    let given = prefilled.and_then(|given| given.into_inner().certificate);
    page(StatusCode::OK, "", given.and_then(|id| id.parse().ok()))
}

const DONE: &str =
    "<p class=\"done\"><b lang=\"zh\">电子证已作废。</b><br><b lang=\"en\">The E-cert is revoked.</b></p>";

/// The page with a sentence about what was wrong.
fn answer(problem: &Problem) -> HttpResponse {
    let (zh, en) = match problem.code() {
        "code-malformed" => {
            ("号码有误，请检查是否输错。", "There is a slip in the digits; please check them.")
        }
        "not-found" => ("没有与该号码对应的电子证。", "No E-cert belongs to these digits."),
        "rate-limited" => (
            "错误尝试过多。请稍后再试，或同时填写凭单上的证书编号。",
            "Too many wrong attempts. Come again later, or fill in the certificate's number from the sheet as well.",
        ),
        "request-invalid" => ("证书编号有误。", "The certificate's number is not right."),
        _ => ("暂时无法处理，请稍后再试。", "It can't be done at the moment; please try again shortly."),
    };
    let message = format!(
        "<p class=\"wrong\"><b lang=\"zh\">{}</b><br><b lang=\"en\">{}</b></p>",
        escape(zh),
        escape(en)
    );
    let mut page = page(problem.status_code(), &message, None);
    if let Some(after) = problem.error_response().headers().get(RETRY_AFTER) {
        page.headers_mut().insert(RETRY_AFTER, after.clone());
    }
    page
}

fn page(status: StatusCode, message: &str, certificate: Option<CertificateId>) -> HttpResponse {
    let certificate = certificate.map(|id| id.to_string()).unwrap_or_default();
    let html = PAGE
        .replace("{{style}}", STYLE)
        .replace("{{message}}", message)
        .replace("{{certificate}}", &escape(&certificate));
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(html)
}
