//! A request that takes too long is given up: a body that trickles in must not hold a connection for ever.

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::rt::time::timeout;

use super::problem::Problem;

/// Twelve frames over a bad mobile network take half of this. Work that was begun goes on and is answered to whoever
/// asks again with the same Idempotency-Key.
const MOST: Duration = Duration::from_secs(60);

/// Answers 408 when the whole takes longer.
pub async fn requests(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    // The request itself can't be kept for the answer: actix wants it undivided while it looks for the route.
    timeout(MOST, next.call(request)).await.unwrap_or_else(|_| Err(Problem::too_slow().into()))
}
