//! One line a request, at the boundary: never headers, bodies, queries or who is behind them.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use jiff::Timestamp;
use tracing::Instrument as _;
use wallet_core::ids::RequestId;

use super::problem::Problem;
use crate::edge::traces::RequestSpan;
use crate::flow::Context;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The methods of the API and of browsers. Any other is answered at once, so that nobody can fill logs and metrics with
/// names of their own.
const METHODS: [Method; 6] =
    [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS];

/// Gives every request an id and a span, sends the id back, counts refusals, and logs route, status, code and time.
pub async fn requests(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let id = RequestId::new(Timestamp::now(), &mut rand::rng()).to_string();
    let (begun, method) = (Instant::now(), request.method().clone());
    // The pattern, not the path: ids in paths are nobody's business in a log that many read.
    let route = request.match_pattern().unwrap_or_else(|| "-".to_owned());
    let known = METHODS.iter().find(|known| **known == method).map(Method::as_str);
    let context = request.app_data::<Data<Context>>().cloned();
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let incoming = [header("traceparent"), header("tracestate")];
    let span = RequestSpan::begin(&id, known.unwrap_or("_OTHER"), &route, incoming);
    let outcome = if known.is_some() {
        next.call(request).instrument(span.span()).await.map(ServiceResponse::map_into_boxed_body)
    } else {
        let (request, _) = request.into_parts();
        Ok(ServiceResponse::from_err(Problem::wrong_method(), request))
    };
    let (status, code) = match &outcome {
        Ok(response) => (response.status(), response.response().error().and_then(code_of)),
        Err(error) => (error.as_response_error().status_code(), code_of(error)),
    };
    // The answer to /metrics is put in the place of a "not found" by a middleware below.
    let code = code.filter(|_| !status.is_success());
    if let (Some(context), Some(code)) = (context, code) {
        context.metrics.problem(code);
    }
    let trace_id = span.end(status.as_u16(), code);
    tracing::info!(
        request_id = %id, method = known.unwrap_or("-"), %route,
        status = status.as_u16(),
        code = code.unwrap_or("-"),
        trace_id,
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
