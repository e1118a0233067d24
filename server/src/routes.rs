//! The whole API, a line each. A redemption is `http/redemptions.rs` → `flow/redemptions.rs` (and `flow/settlement.rs`, where it is
//! decided and charged) → `store/redemptions.rs`. Beside them stand `flow/{idempotency,codes,captures}.rs`; docs/ARCHITECTURE.md lists all.

use actix_web::Route;
use actix_web::web::{ServiceConfig, delete, get, post, resource, to};

use crate::http::{
    approvals, attestations, certificates, codes, devices, enrolments, face_groups, faces, health, issuer,
    ledger, liveness_sessions, paper, persons, problem, recoveries, redemptions, relying_parties,
    revocations, sponsorships, standing_numbers, status_lists, transparency_log,
};

/// Everything the service answers to. /metrics is added by the metrics middleware.
#[rustfmt::skip]
pub fn routes(api: &mut ServiceConfig) {
    // Holders: a DPoP proof by the device key with every request
    at(api, "/v1/enrolments",                              post().to(enrolments::start));
    at(api, "/v1/enrolments/{id}/document",                post().to(enrolments::submit_document));
    at(api, "/v1/enrolments/{id}/confirmation",            post().to(enrolments::confirm));
    at(api, "/v1/enrolments/{id}/captures",                post().to(enrolments::submit_capture));
    at(api, "/v1/enrolments/{id}",                         get().to(enrolments::show));
    at(api, "/v1/recoveries",                              post().to(recoveries::start));
    at(api, "/v1/recoveries/{id}",                         get().to(recoveries::show));
    at(api, "/v1/recoveries/{id}/captures",                post().to(recoveries::submit_capture));
    at(api, "/v1/me/token",                                post().to(devices::renew_token));
    at(api, "/v1/me/devices",                              get().to(devices::list));
    at(api, "/v1/me/devices/{jkt}",                        delete().to(devices::revoke));
    at(api, "/v1/me/notices",                              get().to(devices::notices));
    at(api, "/v1/me/codes",                                post().to(codes::mint));
    at(api, "/v1/me/handles",                              post().to(codes::refill));
    trio(api, "/v1/me/number", get().to(standing_numbers::show), post().to(standing_numbers::make), delete().to(standing_numbers::switch_off));
    at(api, "/v1/me/redemptions",                          get().to(approvals::list));
    at(api, "/v1/me/redemptions/{id}",                     get().to(approvals::show));
    at(api, "/v1/me/redemptions/{id}/approval",            post().to(approvals::decide));
    at(api, "/v1/me/redemptions/{id}/captures",            post().to(approvals::submit_capture));
    at(api, "/v1/me/certificates/{id}/revocation",         post().to(certificates::revoke_by_holder));
    at(api, "/v1/me/log",                                  get().to(transparency_log::of_holder));

    // Relying parties: an API key; an Idempotency-Key with every POST
    at(api, "/v1/redemptions",                             post().to(redemptions::open));
    at(api, "/v1/redemptions/{id}:cancel",                 post().to(redemptions::cancel));
    at(api, "/v1/redemptions/{id}",                        get().to(redemptions::show));
    at(api, "/v1/redemptions/{id}/captures",               post().to(redemptions::submit_capture));
    at(api, "/v1/redemptions/{id}/receipt",                get().to(redemptions::receipts));

    at(api, "/v1/persons:verify",                          post().to(persons::verify));
    at(api, "/v1/liveness-sessions",                       post().to(liveness_sessions::open));
    at(api, "/v1/liveness-sessions/{id}",                  get().to(liveness_sessions::show));
    at(api, "/v1/liveness-sessions/{id}/captures",         post().to(liveness_sessions::submit_capture));
    at(api, "/v1/faces:compare",                           post().to(faces::compare));
    at(api, "/v1/faces:attributes",                        post().to(faces::describe));
    at(api, "/v1/face-groups",                             post().to(face_groups::create));
    at(api, "/v1/face-groups/{id}:search",                 post().to(face_groups::search));
    pair(api, "/v1/face-groups/{id}",                      get().to(face_groups::show), delete().to(face_groups::erase));
    at(api, "/v1/face-groups/{id}/faces",                  post().to(face_groups::add_face));
    at(api, "/v1/face-groups/{id}/faces/{face}",           delete().to(face_groups::remove_face));

    at(api, "/v1/sponsorships",                            post().to(sponsorships::create));
    at(api, "/v1/sponsorships/{id}",                       get().to(sponsorships::show));
    at(api, "/v1/sponsorships/{id}/revocation",            post().to(sponsorships::revoke));

    // Admins: a bearer token
    at(api, "/v1/admin/relying-parties",                   post().to(relying_parties::admit));
    at(api, "/v1/admin/relying-parties/{id}/sponsorships/revocation", post().to(sponsorships::revoke_all));
    at(api, "/v1/admin/holders/{id}/revocation",           post().to(revocations::revoke_holder));
    at(api, "/v1/admin/certificates:revoke",               post().to(revocations::revoke_csv));
    at(api, "/v1/admin/certificates/{id}",                 get().to(certificates::show));
    at(api, "/v1/admin/certificates/{id}/revocation",      post().to(certificates::revoke_by_admin));
    at(api, "/v1/admin/certificates/{id}/number/revocation", post().to(standing_numbers::revoke_by_admin));
    pair(api, "/v1/admin/certificates/{id}/suspension",    post().to(certificates::suspend), delete().to(certificates::reactivate));
    at(api, "/v1/admin/ledger",                            get().to(ledger::trial_balance));

    // Anybody
    at(api, "/revoke",                                     get().to(paper::show));
    at(api, "/v1/revocations",                             post().to(paper::revoke));
    at(api, "/v1/attestation-challenges",                  post().to(attestations::challenge));
    at(api, "/v1/status-lists",                            get().to(status_lists::all));
    at(api, "/v1/status-lists/{number}",                   get().to(status_lists::show));
    at(api, "/log/checkpoint",                             get().to(transparency_log::checkpoint));
    at(api, "/log/tile/{path:.*}",                         get().to(transparency_log::tile));
    at(api, "/v1/crl/{ca}",                                get().to(issuer::crl));
    at(api, "/.well-known/ecert",                          get().to(issuer::metadata));
    at(api, "/healthz",                                    get().to(health::alive));
    at(api, "/readyz",                                     get().to(health::ready));
}

/// One address with one method; another method is a 405 in the form of every other refusal.
fn at(api: &mut ServiceConfig, path: &str, route: Route) {
    api.service(resource(path).route(route).default_service(to(problem::wrong_method)));
}

/// One address with two methods.
fn pair(api: &mut ServiceConfig, path: &str, one: Route, other: Route) {
    api.service(resource(path).route(one).route(other).default_service(to(problem::wrong_method)));
}

/// One address with three methods.
fn trio(api: &mut ServiceConfig, path: &str, one: Route, other: Route, third: Route) {
    api.service(
        resource(path).route(one).route(other).route(third).default_service(to(problem::wrong_method)),
    );
}
