//! What needs no caller.

use serde_json::json;
use wallet_core::refusal::Refusal::{CodeMalformed, NotFound, PaymentDiffers};

use super::api::Api;
use super::refusals::{RATE_LIMITED, Said, UNAUTHENTICATED};
use super::serve;
use crate::http::{apps, health, issuer, paper, payments, status_lists, transparency_log};

pub(super) fn describe(api: &mut Api) {
    api.noun("Anybody", "Paper, gateways, and what verifiers fetch.");
    let revoke = api.post("/v1/revocations", paper::revoke, "Revoke with the code on paper");
    let body = revoke.reference::<paper::PaperRequest>();
    revoke
        .about("From the page's form it answers with a page: 200, or the status of the refusal.")
        .takes("application/json", body.clone())
        .takes("application/x-www-form-urlencoded", body)
        .says_nothing()
        .sent(json!({"revocation_code": "123456 789012 345674"}))
        .gives("text/html")
        .refuses(&[CodeMalformed, NotFound, RATE_LIMITED])
        .refuses_on_pages(&[400, 404, 429]);
    api.get("/revoke", paper::show, "The same as a page, without scripts").gives("text/html");
    let notice = json!({"type": "object", "required": ["type", "data"], "properties": {"type": {"type": "string"}, "data": {"type": "object"}}});
    api.post("/v1/payment-notifications/{provider}", payments::notify, "A payment gateway's notice")
        .about("Signed as Standard Webhooks has it.")
        .header("webhook-id", true, "The notice's id")
        .header("webhook-timestamp", true, "Unix seconds, within 5 minutes")
        .header("webhook-signature", true, "`v1,…`: HMAC-SHA-256")
        .takes("application/json", notice)
        .refuses(&[UNAUTHENTICATED, PaymentDiffers]);
    api.get(
        "/.well-known/ecert",
        issuer::metadata,
        "The issuer: its keys, the log, and the text to consent to",
    );
    api.get("/v1/crl/{ca}", issuer::crl, "A certificate revocation list (RFC 5280 §5)")
        .gives("application/pkix-crl");
    api.get("/v1/status-lists", status_lists::all, "Every status list there is");
    let list =
        api.get("/v1/status-lists/{number}", status_lists::show, "A status list (IETF Token Status List)");
    list.about("By `Accept`, with `ETag`. Status 1 is ended, 2 suspended.")
        .gives("application/statuslist+jwt")
        .gives("application/statuslist+cwt")
        .says(304, "As it was.");
    list.refusals.entry(406).or_default().insert(Said::not_acceptable());

    api.noun("Transparency log", "An append-only log (C2SP tlog-tiles) of commitments to what was done.");
    api.get("/log/checkpoint", transparency_log::checkpoint, "Size and root, a C2SP signed note")
        .gives("text/plain");
    api.get("/log/tile/{path}", transparency_log::tile, "Hashes, or with `entries/` the entries")
        .about("`path` is `{L}/{N}[.p/{W}]` or `entries/{N}[.p/{W}]`, with its slashes as they are.")
        .gives("application/octet-stream");

    api.noun("Service", "The service itself, and its apps.");
    api.get("/openapi.json", serve::json, "This description").gives("application/json");
    api.get("/docs", serve::page, "This description, to be read").gives("text/html");
    api.get("/", apps::hint, "Where things are").gives("text/html");
    api.get("/{app}", apps::to_page, "To an app's page").says(308, "At the same with a slash.");
    api.get(
        "/{app}/",
        apps::show_page,
        "An app: the wallet, the scanner of a relying party, the console of admins",
    )
    .gives("text/html")
    .says(304, "As it was.")
    .refuses_on_pages(&[404]);
    api.get("/{app}/{file}", apps::beside, "What lies beside an app's page")
        .gives("*/*")
        .says(304, "As it was.");
    api.get("/app/{file}", apps::shared, "What the apps share").gives("*/*").says(304, "As it was.");
    api.get("/healthz", health::alive, "The process lives").gives("text/plain");
    api.get("/readyz", health::ready, "The databases answer").gives("text/plain");
    api.without_handler("/metrics", "metrics", "Metrics, for Prometheus").gives("text/plain");
}
