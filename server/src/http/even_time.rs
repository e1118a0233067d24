//! When a refusal is answered, where the time that it took would tell what the refusal itself does not.

use std::time::Duration;

use actix_web::rt::time::{Instant, sleep_until};

use super::problem::Problem;

/// A refusal is answered at a whole number of these after its request came. Every kind of wrong code is found out within one, unless the
/// service has more to do than it can: then all wait for whatever they stand in line for, and what differs between kinds is lost in that.
pub const BEAT: Duration = Duration::from_millis(25);

/// Hands on what came of a request that began then; of a refusal with this code not before the next beat.
pub async fn on_the_beat<T>(began: Instant, code: &str, outcome: Result<T, Problem>) -> Result<T, Problem> {
    if outcome.as_ref().is_err_and(|problem| problem.code() == code) {
        let beats = began.elapsed().div_duration_f64(BEAT).ceil().max(1.0);
        sleep_until(began + BEAT.mul_f64(beats)).await;
    }
    outcome
}
