//! One line a request, at the boundary: never headers, bodies, queries or who is behind them.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use jiff::Timestamp;
use tracing::Instrument as _;
use wallet_core::ids::RequestId;

use super::problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The methods of the API and of browsers. Any other is answered at once, so that nobody can fill logs and metrics with
/// names of their own.
const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS];

/// Gives every request an id, sends it back, and logs route, status, code and time.
pub async fn requests(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let id = RequestId::new(Timestamp::now(), &mut rand::rng()).to_string();
    let (begun, method) = (Instant::now(), request.method().clone());
    // The pattern, not the path: ids in paths are nobody's business in a log that many read.
    let route = request.match_pattern().unwrap_or_else(|| "-".to_owned());
    let outcome = if METHODS.contains(&method) {
        let span = tracing::info_span!("request", request_id = %id);
        next.call(request).instrument(span).await.map(ServiceResponse::map_into_boxed_body)
    } else {
        let (request, _) = request.into_parts();
        Ok(ServiceResponse::from_err(Problem::wrong_method(), request))
    };
    let (status, code) = match &outcome {
        Ok(response) => (response.status(), response.response().error().and_then(code_of)),
        Err(error) => (error.as_response_error().status_code(), code_of(error)),
    };
    let method = METHODS.iter().find(|known| **known == method).map_or("-", Method::as_str);
    tracing::info!(
        request_id = %id, method, %route,
        status = status.as_u16(),
        code = code.unwrap_or("-"),
        ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        "request"
    );
    outcome.map(|mut response| {
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    })
}

fn code_of(error: &actix_web::Error) -> Option<&'static str> {
    error.as_error::<Problem>().map(Problem::code)
}
