//! One line a request, at the boundary: never headers, bodies, queries or who is behind them.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use jiff::Timestamp;
use wallet_core::ids::RequestId;

use super::problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives every request an id, sends it back, and logs route, status, code and time.
pub async fn requests(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let id = RequestId::new(Timestamp::now(), &mut rand::rng()).to_string();
    let (begun, method) = (Instant::now(), request.method().to_string());
    // The pattern, not the path: ids in paths are nobody's business in a log that many read.
    let route = request.match_pattern().unwrap_or_else(|| "-".to_owned());
    let mut response = next.call(request).await?;
    let code = response.response().error().and_then(|error| error.as_error::<Problem>()).map(Problem::code);
    tracing::info!(
        request_id = %id, %method, %route,
        status = response.status().as_u16(),
        code = code.unwrap_or("-"),
        ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        "request"
    );
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    Ok(response)
}
