//! The apps for people, as `npm run build` in `mobile/` makes them: files in the binary (in a debug build: in `mobile/dist/web`, so that
//! a new build of the apps wants no new build of the service).
//!
//! Invariant: nothing here reads the database, and no page may load, run or send anything elsewhere: [`POLICY`].

use actix_web::http::StatusCode;
use actix_web::http::header::{
    AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ContentEncoding, ETAG,
    Encoding, EntityTag, Header as _, IF_NONE_MATCH, IfNoneMatch, LOCATION, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use rust_embed::{EmbeddedFile, RustEmbed};
use serde::Deserialize;
use wallet_core::refusal::Refusal;

use super::problem::Problem;

/// What is built. Beside a file lie its compressed forms, `.br` and `.gz`.
#[derive(RustEmbed)]
#[folder = "../mobile/dist/web"]
#[allow_missing = true]
struct Built;

/// Scripts, styles and everything else from this address alone; pictures that a page makes itself, for what its camera sees. Whoever gets
/// markup into a page gets no script with it, neither inline nor by `eval` nor through a sink (Trusted Types, named in the apps).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; \
     connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types svelte-trusted-html ecert";
/// Of files under `app/`. A browser looks at it where one is started as a worker, and only there WebAssembly may run: in a thread that
/// sees no page and no key, never in a page.
const WORKER_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; base-uri 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";
/// The camera for our own pages; all else that a wallet has no use for is off.
const PERMISSIONS: &str = "camera=(self), screen-wake-lock=(self), microphone=(), geolocation=(), payment=(), usb=(), serial=(), \
     bluetooth=(), hid=(), midi=(), display-capture=()";
/// A file under `app/` has the hash of its contents in its name.
const HASHED: &str = "app/";

const MISSING: &str = include_str!("apps_missing.html");
const HINT: &str = include_str!("apps_hint.html");

/// `GET /`: where things are, for whoever typed the bare address.
pub async fn hint() -> HttpResponse {
    page(StatusCode::OK, HINT)
}

/// Those there are, by their names in addresses and folders. The table of routes lets no other name come here.
pub const APPS: [&str; 3] = ["wallet", "scanner", "console"];

/// One of [`APPS`].
#[derive(Deserialize)]
pub struct AppName(String);

/// `GET /{app}`: relative addresses want the slash.
pub async fn to_page(app: Path<AppName>) -> HttpResponse {
    let AppName(app) = app.into_inner();
    HttpResponse::PermanentRedirect().insert_header((LOCATION, format!("/{app}/"))).finish()
}

/// `GET /{app}/`
pub async fn show_page(request: HttpRequest, app: Path<AppName>) -> Result<HttpResponse, Problem> {
    if !is_built() {
        return Ok(page(StatusCode::NOT_FOUND, MISSING));
    }
    serve(&request, &format!("{}/index.html", app.0))
}

/// `GET /{app}/{file}`: what has to lie beside the page.
pub async fn beside(request: HttpRequest, wanted: Path<(AppName, String)>) -> Result<HttpResponse, Problem> {
    let (AppName(app), file) = wanted.into_inner();
    serve(&request, &format!("{app}/{file}"))
}

/// `GET /app/{file}`: what the apps share.
pub async fn shared(request: HttpRequest, file: Path<String>) -> Result<HttpResponse, Problem> {
    serve(&request, &format!("{HASHED}{file}"))
}

/// Whether this service has the apps.
pub fn is_built() -> bool {
    Built::get("wallet/index.html").is_some()
}

fn serve(request: &HttpRequest, path: &str) -> Result<HttpResponse, Problem> {
    let media_type = media_type(path).ok_or(Refusal::NotFound)?;
    let (coding, file) = found(request, path).ok_or(Refusal::NotFound)?;
    let tag = tag(&file);
    let (cached, policy) = if path.starts_with(HASHED) {
        ("public, max-age=31536000, immutable", WORKER_POLICY)
    } else {
        ("no-cache", POLICY)
    };
    let is_known = is_known(request, &tag);
    let mut answer = guarded(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK }, policy);
    answer
        .insert_header((ETAG, tag.to_string()))
        .insert_header((CACHE_CONTROL, cached))
        .insert_header((VARY, "Accept-Encoding"));
    if is_known {
        return Ok(answer.finish());
    }
    if let Some(coding) = coding {
        answer.insert_header((CONTENT_ENCODING, coding));
    }
    Ok(answer.content_type(media_type).body(file.data.into_owned()))
}

/// The file in the form that the caller would rather have (RFC 9110 §12.5.3).
fn found(request: &HttpRequest, path: &str) -> Option<(Option<ContentEncoding>, EmbeddedFile)> {
    let offered = [Encoding::brotli(), Encoding::gzip(), Encoding::identity()];
    let accepted = AcceptEncoding::parse(request).ok().and_then(|accept| accept.negotiate(offered.iter()));
    let compressed = match accepted {
        Some(Encoding::Known(coding @ ContentEncoding::Brotli)) => Some((coding, "br")),
        Some(Encoding::Known(coding @ ContentEncoding::Gzip)) => Some((coding, "gz")),
        _ => None,
    };
    let compressed =
        compressed.and_then(|(coding, end)| Some((Some(coding), Built::get(&format!("{path}.{end}"))?)));
    compressed.or_else(|| Some((None, Built::get(path)?)))
}

/// What a browser takes a file for. Of other kinds nothing is built.
fn media_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "wasm" => "application/wasm",
        // A model of MediaPipe.
        "task" => "application/octet-stream",
        _ => return None,
    })
}

fn tag(file: &EmbeddedFile) -> EntityTag {
    let hash = base16ct::lower::encode_string(&file.metadata.sha256_hash());
    EntityTag::new_strong(format!("{hash:.32}"))
}

fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => request.headers().contains_key(IF_NONE_MATCH),
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

fn page(status: StatusCode, html: &'static str) -> HttpResponse {
    guarded(status, POLICY)
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("text/html; charset=utf-8")
        .body(html)
}

fn guarded(status: StatusCode, policy: &'static str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header(("Permissions-Policy", PERMISSIONS))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
        .insert_header(("Cross-Origin-Resource-Policy", "same-origin"));
    answer
}
