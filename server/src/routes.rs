//! The whole API, a line each. A redemption is `http/redemptions.rs` → `flow/redemptions.rs` (and `flow/settlement.rs`, where it is
//! decided and charged) → `store/redemptions.rs`. Beside them stand `flow/{idempotency,codes,captures}.rs`; docs/ARCHITECTURE.md lists all.

use actix_web::web::{ServiceConfig, delete, get, post, put, resource, to};
use actix_web::{App, Route};

use crate::http::{
    accounts, admin_actions, admin_sessions, admins, api_keys, approvals, apps, attestations, certificates,
    codes, consents, contacts, devices, enrolments, erasures, events, exports, face_groups, faces, health,
    issuer, ledger, liveness_sessions, offers, orders, paper, payments, persons, prices, problem, recoveries,
    redemptions, registrations, relying_parties, revocations, sandbox, sign_ins, sponsorships,
    standing_numbers, statements, status_lists, terminals, transparency_log, webhooks, withdrawals,
};
use crate::openapi::serve;

/// What is bought and used, and the money for it. Above [`routes`], where those stand that need a caller.
#[rustfmt::skip]
fn buying(api: &mut Table<'_>) {
    // Relying parties
    at(api, "/v1/prices",                                  get().to(prices::list));
    at(api, "/v1/quotes",                                  post().to(orders::quote));
    pair(api, "/v1/orders",                                get().to(orders::list), post().to(orders::place));
    at(api, "/v1/orders/{id}:pay",                         post().to(orders::pay));
    at(api, "/v1/orders/{id}:cancel",                      post().to(orders::cancel));
    at(api, "/v1/orders/{id}:withdraw",                    post().to(orders::withdraw));
    at(api, "/v1/orders/{id}",                             get().to(orders::show));

    at(api, "/v1/balance",                                 get().to(accounts::balance));
    at(api, "/v1/liability",                               get().to(accounts::liability));
    at(api, "/v1/packs",                                   get().to(accounts::packs));
    at(api, "/v1/usage",                                   get().to(accounts::usage));
    at(api, "/v1/messages",                                get().to(accounts::messages));
    pair(api, "/v1/alerts",                                get().to(accounts::alerts), put().to(accounts::set_alerts));
    pair(api, "/v1/caps",                                  get().to(accounts::caps), put().to(accounts::replace_caps));
    pair(api, "/v1/webhooks",                              get().to(webhooks::list), post().to(webhooks::create));
    at(api, "/v1/webhooks/{id}:enable",                    post().to(webhooks::enable));
    pair(api, "/v1/webhooks/{id}",                         get().to(webhooks::show), delete().to(webhooks::remove));
    pair(api, "/v1/webhooks/{id}/secrets",                 post().to(webhooks::rotate), delete().to(webhooks::end_old_secrets));
    at(api, "/v1/webhooks/{id}/deliveries",                get().to(webhooks::deliveries));
    at(api, "/v1/webhooks/{id}/deliveries/{delivery}:replay", post().to(webhooks::replay));
    pair(api, "/v1/contacts",                              get().to(contacts::list), post().to(contacts::create));
    at(api, "/v1/contacts/{id}:confirm",                   post().to(contacts::confirm));
    at(api, "/v1/contacts/{id}",                           delete().to(contacts::remove));
    pair(api, "/v1/keys",                                  get().to(api_keys::list), post().to(api_keys::create));
    at(api, "/v1/keys/{id}",                               delete().to(api_keys::revoke));
    at(api, "/v1/statements",                              get().to(statements::list));
    at(api, "/v1/statements/{period}",                     get().to(statements::show));
    at(api, "/v1/statements/{period}/lines",               get().to(statements::lines));
    at(api, "/v1/statements/{period}/proofs/{charge}",     get().to(statements::proof));

    // Relying parties of the sandbox
    pair(api, "/v1/test-clock",                            get().to(sandbox::show_clock), post().to(sandbox::stop_clock));
    at(api, "/v1/test-clock:advance",                      post().to(sandbox::advance_clock));
    at(api, "/v1/sandbox/payments",                        post().to(sandbox::pay_in));

    // Admins
    pair(api, "/v1/admin/prices",                          get().to(prices::list_for_admins), post().to(prices::announce));
    pair(api, "/v1/admin/billing-cycles",                  get().to(prices::cycles), post().to(prices::change_cycle));
    at(api, "/v1/admin/offers",                            post().to(offers::add));
    at(api, "/v1/admin/promotions",                        post().to(offers::add_promotion));
    pair(api, "/v1/admin/payments",                        get().to(payments::waiting), post().to(payments::record));
    at(api, "/v1/admin/payments/{id}:approve",             post().to(payments::approve));
    at(api, "/v1/admin/payments/{id}:reject",              post().to(payments::reject));
    at(api, "/v1/admin/payments/{id}:refund",              post().to(payments::refund));
    at(api, "/v1/admin/refunds/{id}:approve",              post().to(payments::approve_refund));
    at(api, "/v1/admin/refunds/{id}:reject",               post().to(payments::reject_refund));
}

/// What a till does, and tills themselves.
#[rustfmt::skip]
fn redeeming(api: &mut Table<'_>) {
    // Relying parties, and their terminals for what they opened themselves: an Idempotency-Key with every POST that may charge
    at(api, "/v1/redemptions",                             post().to(redemptions::open));
    at(api, "/v1/redemptions/{id}:cancel",                 post().to(redemptions::cancel));
    at(api, "/v1/redemptions/{id}",                        get().to(redemptions::show));
    at(api, "/v1/redemptions/{id}/captures",               post().to(redemptions::submit_capture));
    at(api, "/v1/redemptions/{id}/receipt",                get().to(redemptions::receipts));

    pair(api, "/v1/terminals",                             get().to(terminals::list), post().to(terminals::create));
    at(api, "/v1/terminals/{id}",                          delete().to(terminals::revoke));
    // Terminals: a DPoP proof by their own key
    at(api, "/v1/terminals:activate",                      post().to(terminals::activate));
    at(api, "/v1/terminal",                                get().to(terminals::show));
    at(api, "/v1/terminal/token",                          post().to(terminals::renew_token));
}

/// Who works here, and what they do by two.
#[rustfmt::skip]
fn staff(api: &mut Table<'_>) {
    // Admins: a session, and no token
    pair(api, "/v1/admin/session",                         get().to(admin_sessions::show), delete().to(admin_sessions::end));
    at(api, "/v1/admin/session/step-ups",                  post().to(admin_sessions::begin_step_up));
    at(api, "/v1/admin/session/step-ups/{id}",             post().to(admin_sessions::finish_step_up));
    // Admins
    pair(api, "/v1/admin/admins",                          get().to(admins::list), post().to(admins::invite));
    at(api, "/v1/admin/admins/{id}/roles",                 post().to(admins::change_roles));
    at(api, "/v1/admin/admins/{id}",                       delete().to(admins::end));
    at(api, "/v1/admin/actions",                           get().to(admin_actions::list));
    at(api, "/v1/admin/actions/{id}:approve",              post().to(admin_actions::approve));
    at(api, "/v1/admin/actions/{id}:reject",               post().to(admin_actions::reject));
    at(api, "/v1/admin/actions/{id}",                      get().to(admin_actions::show));
}

/// What relying parties buy by the call, beside redemptions.
#[rustfmt::skip]
fn services(api: &mut Table<'_>) {
    // Relying parties: an API key; an Idempotency-Key with every POST
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
}

/// What holders may ask of whoever keeps their data, and what relying parties are told of it.
#[rustfmt::skip]
fn rights(api: &mut Table<'_>) {
    at(api, "/v1/me/consents",                             get().to(consents::list));
    at(api, "/v1/me/consents/withdrawals",                 post().to(consents::withdraw));
    at(api, "/v1/me/consents/blocks/{id}",                 delete().to(consents::lift));
    at(api, "/v1/me/erasure",                              post().to(erasures::erase));
    at(api, "/v1/me/export",                               get().to(exports::export));
    at(api, "/v1/withdrawals",                             get().to(withdrawals::list));
    at(api, "/v1/withdrawals/{id}:confirm",                post().to(withdrawals::confirm));
}

/// Everything the service answers to. /metrics is added by the metrics middleware.
#[rustfmt::skip]
fn everything(api: &mut Table<'_>) {
    buying(api);
    redeeming(api);
    rights(api);
    apps(api);

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
    at(api, "/v1/me/events",                               get().to(events::listen));
    at(api, "/v1/me/devices",                              get().to(devices::list));
    at(api, "/v1/me/devices/{jkt}",                        delete().to(devices::revoke));
    at(api, "/v1/me/notices",                              get().to(devices::notices));
    at(api, "/v1/me/codes",                                post().to(codes::mint));
    at(api, "/v1/me/handles",                              post().to(codes::refill));
    trio(api, "/v1/me/number", get().to(standing_numbers::show), post().to(standing_numbers::make), delete().to(standing_numbers::switch_off));
    at(api, "/v1/me/redemptions",                          get().to(approvals::list));
    at(api, "/v1/me/redemptions/{id}",                     get().to(approvals::show));
    at(api, "/v1/me/redemptions/{id}/log",                 get().to(approvals::log));
    at(api, "/v1/me/redemptions/{id}/approval",            post().to(approvals::decide));
    at(api, "/v1/me/redemptions/{id}/captures",            post().to(approvals::submit_capture));
    at(api, "/v1/me/certificates/{id}/revocation",         post().to(certificates::revoke_by_holder));
    at(api, "/v1/me/log",                                  get().to(transparency_log::of_holder));

    services(api);
    at(api, "/v1/sponsorships",                            post().to(sponsorships::create));
    at(api, "/v1/sponsorships/{id}",                       get().to(sponsorships::show));
    at(api, "/v1/sponsorships/{id}/revocation",            post().to(sponsorships::revoke));

    staff(api);
    // Admins: a session that a passkey began, or a bearer token; roles.rs says which of them may do what
    pair(api, "/v1/admin/relying-parties",                 get().to(relying_parties::list), post().to(relying_parties::admit));
    at(api, "/v1/admin/relying-parties/{id}",              get().to(relying_parties::show));
    pair(api, "/v1/admin/relying-parties/{id}/suspension", post().to(relying_parties::suspend), delete().to(relying_parties::resume));
    pair(api, "/v1/admin/relying-parties/{id}/keys",       get().to(api_keys::list_of), post().to(api_keys::create_for));
    at(api, "/v1/admin/relying-parties/{id}/keys/{key}",   delete().to(api_keys::revoke_of));
    at(api, "/v1/admin/relying-parties/{id}/sponsorships/revocation", post().to(sponsorships::revoke_all));
    at(api, "/v1/admin/holders/{id}/revocation",           post().to(revocations::revoke_holder));
    at(api, "/v1/admin/certificates:revoke",               post().to(revocations::revoke_csv));
    at(api, "/v1/admin/certificates/{id}",                 get().to(certificates::show));
    at(api, "/v1/admin/certificates/{id}/revocation",      post().to(certificates::revoke_by_admin));
    at(api, "/v1/admin/certificates/{id}/number/revocation", post().to(standing_numbers::revoke_by_admin));
    pair(api, "/v1/admin/certificates/{id}/suspension",    post().to(certificates::suspend), delete().to(certificates::reactivate));
    at(api, "/v1/admin/ledger",                            get().to(ledger::trial_balance));

    // Anybody
    at(api, "/v1/admin/registrations",                     post().to(registrations::begin));
    at(api, "/v1/admin/registrations/{id}",                post().to(registrations::finish));
    at(api, "/v1/admin/sign-ins",                          post().to(sign_ins::begin));
    at(api, "/v1/admin/sign-ins/{id}",                     post().to(sign_ins::finish));
    at(api, "/v1/payment-notifications/{provider}",        post().to(payments::notify));
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

/// The apps for people and the API's own pages, for anybody.
#[rustfmt::skip]
fn apps(api: &mut Table<'_>) {
    at(api, "/",                                           get().to(apps::hint));
    at(api, "/{app:wallet|scanner|console}",               get().to(apps::to_page));
    at(api, "/{app:wallet|scanner|console}/",              get().to(apps::show_page));
    at(api, "/{app:wallet|scanner|console}/{file}",        get().to(apps::beside));
    at(api, "/app/{file}",                                 get().to(apps::shared));
    at(api, "/openapi.json",                               get().to(serve::json));
    at(api, "/docs",                                       get().to(serve::page));
}

/// Puts the routes into the service.
pub fn routes(config: &mut ServiceConfig) {
    everything(&mut Table { config, paths: &mut Vec::new() });
}

/// Every address of the table, for who compares it with what is described.
pub fn addresses() -> Vec<String> {
    let mut paths = Vec::new();
    drop(App::new().configure(|config| everything(&mut Table { config, paths: &mut paths })));
    paths
}

/// Where the routes go, and the addresses that went there.
struct Table<'a> {
    config: &'a mut ServiceConfig,
    paths: &'a mut Vec<String>,
}

impl Table<'_> {
    fn service(&mut self, path: &str, routes: impl IntoIterator<Item = Route>) {
        self.paths.push(path.to_owned());
        let resource = routes.into_iter().fold(resource(path), |resource, route| resource.route(route));
        self.config.service(resource.default_service(to(problem::wrong_method)));
    }
}

/// One address with one method; another method is a 405 in the form of every other refusal.
fn at(api: &mut Table<'_>, path: &str, route: Route) {
    api.service(path, [route]);
}

/// One address with two methods.
fn pair(api: &mut Table<'_>, path: &str, one: Route, other: Route) {
    api.service(path, [one, other]);
}

/// One address with three methods.
fn trio(api: &mut Table<'_>, path: &str, one: Route, other: Route, third: Route) {
    api.service(path, [one, other, third]);
}
