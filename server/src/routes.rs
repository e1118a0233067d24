//! The whole API, a line each. A redemption is `http/redemptions.rs` → `flow/redemptions.rs` → `store/redemptions.rs`.

use actix_web::web::{ServiceConfig, get, post};

use crate::http::{
    certificates, codes, enrolments, health, issuer, ledger, redemptions, relying_parties, status_lists,
};

/// Everything the service answers to. /metrics is added by the metrics middleware.
#[rustfmt::skip]
pub fn routes(api: &mut ServiceConfig) {
    // Holders: a DPoP proof by the device key with every request
    api.route("/v1/enrolments",                              post().to(enrolments::start));
    api.route("/v1/enrolments/{id}/document",                post().to(enrolments::submit_document));
    api.route("/v1/enrolments/{id}/confirmation",            post().to(enrolments::confirm));
    api.route("/v1/enrolments/{id}/captures",                post().to(enrolments::submit_capture));
    api.route("/v1/me/codes",                                post().to(codes::mint));
    api.route("/v1/me/certificates/{id}/revocation",         post().to(certificates::revoke_by_holder));

    // Relying parties: an API key; an Idempotency-Key with every POST
    api.route("/v1/redemptions",                             post().to(redemptions::open));
    api.route("/v1/redemptions/{id}",                        get().to(redemptions::show));
    api.route("/v1/redemptions/{id}/captures",               post().to(redemptions::submit_capture));
    api.route("/v1/redemptions/{id}/receipt",                get().to(redemptions::receipts));

    // Admins: a bearer token
    api.route("/v1/admin/relying-parties",                   post().to(relying_parties::admit));
    api.route("/v1/admin/certificates/{id}/revocation",      post().to(certificates::revoke_by_admin));
    api.route("/v1/admin/ledger",                            get().to(ledger::trial_balance));

    // Anybody
    api.route("/v1/revocations",                             post().to(certificates::revoke_by_paper));
    api.route("/v1/status-lists/{number}",                   get().to(status_lists::show));
    api.route("/.well-known/ecert",                          get().to(issuer::metadata));
    api.route("/healthz",                                    get().to(health::alive));
    api.route("/readyz",                                     get().to(health::ready));
}
