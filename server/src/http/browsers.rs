//! What a browser sends along by itself: the cookie of an admin's session, and from whose page a request comes.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::ORIGIN;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpResponse, HttpResponseBuilder};
use wallet_core::refusal::Refusal;

use super::problem::Problem;
use crate::flow::Context;
use crate::flow::admin_sessions::Opened;

/// `__Host-`: a browser keeps it only from this very host, over TLS (or from `localhost`), for all of its paths (RFC 6265bis §4.1.3.2).
const COOKIE: &str = "__Host-ecert-admin";
/// Where a page repeats what only it was told.
const CSRF: &str = "X-CSRF-Token";

/// What a session is proven by.
pub(super) struct Sent {
    /// The cookie.
    pub cookie: Option<String>,
    /// What the page says, where the request may change something.
    pub csrf: Option<Option<String>>,
}

impl Sent {
    /// Reads it off a request.
    pub(super) fn of(request: &HttpRequest) -> Sent {
        let header = request.headers().get(CSRF).and_then(|value| value.to_str().ok());
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        Sent { cookie: cookie(request), csrf: (!reads).then(|| header.map(str::to_owned)) }
    }
}

/// The value of the session's cookie.
pub(super) fn cookie(request: &HttpRequest) -> Option<String> {
    request.cookie(COOKIE).map(|cookie| cookie.value().to_owned())
}

fn with_value(value: &str) -> Cookie<'_> {
    Cookie::build(COOKIE, value).path("/").secure(true).http_only(true).same_site(SameSite::Strict).finish()
}

/// Tells a page of its session, and its browser of the cookie.
pub(super) fn opened(mut answer: HttpResponseBuilder, opened: &Opened) -> HttpResponse {
    answer.cookie(with_value(&opened.cookie)).json(&opened.shown)
}

/// Tells a browser that it has no session any more.
pub(super) fn closed() -> HttpResponse {
    let mut gone = with_value("");
    gone.make_removal();
    HttpResponse::NoContent().cookie(gone).finish()
}

/// Refuses what a page of another site sends, as far as the browser says whose it is (Fetch Metadata §2.1, RFC 6454 §7.3). What is no browser
/// says nothing, and has to prove itself anyhow.
pub(super) fn ensure_ours(request: &HttpRequest, ctx: &Context) -> Result<(), Problem> {
    let said = |name: &str| request.headers().get(name).map(|value| value.as_bytes().to_owned());
    let is_ours = said(ORIGIN.as_str()).is_none_or(|origin| origin == ctx.passkeys.origin().as_bytes());
    let is_near = said("Sec-Fetch-Site").is_none_or(|site| site == b"same-origin" || site == b"none");
    if is_ours && is_near { Ok(()) } else { Err(Refusal::CrossSite.into()) }
}

/// Whoever it is, they do not come from another site's page.
pub struct OwnPage;

impl FromRequest for OwnPage {
    type Error = Problem;
    type Future = std::future::Ready<Result<OwnPage, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let ctx = request.app_data::<Data<Context>>().ok_or_else(|| Problem::internal("no context"));
        std::future::ready(ctx.and_then(|ctx| ensure_ours(request, ctx)).map(|()| OwnPage))
    }
}
