//! HTTP: parse → authenticate → call a use case → answer. Errors become HTTP only here.
//!
//! Invariant: a handler that needs a caller takes it as an argument ([`callers`]); there is no way to forget the check.

pub mod accounts;
pub mod admin_actions;
pub mod admin_sessions;
pub mod admins;
pub mod api_keys;
pub mod approvals;
pub mod apps;
pub mod attestations;
pub mod browsers;
pub mod callers;
pub mod certificates;
pub mod codes;
pub mod consents;
pub mod contacts;
pub mod deadline;
pub mod devices;
pub mod enrolments;
pub mod erasures;
pub mod even_time;
pub mod events;
pub mod exports;
pub mod face_groups;
pub mod faces;
pub mod health;
pub mod idempotency;
pub mod issuer;
pub mod ledger;
pub mod liveness_sessions;
pub mod log;
pub mod offers;
pub mod orders;
pub mod paper;
pub mod payments;
pub mod persons;
pub mod prices;
pub mod problem;
pub mod recoveries;
pub mod redemptions;
pub mod registrations;
pub mod relying_parties;
pub mod revocations;
pub mod sandbox;
pub mod sign_ins;
pub mod sponsorships;
pub mod standing_numbers;
pub mod statements;
pub mod status_lists;
pub mod terminals;
pub mod transparency_log;
pub mod uploads;
pub mod uses;
pub mod webhooks;
pub mod withdrawals;

use actix_web::web::{self, Data};

use crate::flow::Context;
use crate::stop::Flow;
use problem::Problem;

/// Runs a use case off the async threads: it talks to the database and waits for models.
pub(crate) async fn run<T, F>(ctx: Data<Context>, work: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnOnce(&Context) -> Flow<T> + Send + 'static,
{
    // Carried along, so that a malfunction in there is logged with its request id.
    let span = tracing::Span::current();
    match web::block(move || span.in_scope(|| ctx.bounded(work))).await {
        Ok(outcome) => outcome.map_err(Problem::from),
        Err(_) => Err(Problem::internal("a use case panicked, or the service is stopping")),
    }
}
