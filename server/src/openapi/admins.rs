//! What admins call.

use serde_json::json;
use wallet_core::refusal::Refusal::{
    ActionDecided, BalanceTooLow, CertificateRevoked, NotFound, PasskeysUnavailable, PaymentDecided,
    PaymentKnown, SecondPersonNeeded,
};

use super::api::Api;
use super::examples;
use super::refusals::{NO_REFUND, RATE_LIMITED, UNAUTHENTICATED};
use crate::flow::admin_actions::Decided;
use crate::flow::admin_sessions::Shown;
use crate::flow::ceremonies::Begun;
use crate::flow::relying_parties::Admitted;
use crate::flow::{
    api_keys as api_key_flow, cycles, offers as offer_flow, payments as payment_flow, promotions, refunds,
};
use crate::http::{
    accounts, admin_actions, admin_sessions, admins, api_keys, certificates, ledger, offers, payments,
    prices, registrations, relying_parties, revocations, sign_ins, sponsorships, standing_numbers,
};

pub(super) fn describe(api: &mut Api) {
    staff(api);
    identities(api);
    money(api);
}

fn staff(api: &mut Api) {
    api.noun(
        "Admins: who works here",
        "Passkeys, sessions, roles, and acts that take a second person: asked for by one (202), done when another agrees.",
    );
    api.post("/v1/admin/registrations", registrations::begin, "Take up an invitation")
        .creates::<Begun>()
        .refuses(&[NotFound, PasskeysUnavailable, RATE_LIMITED])
        .sent(json!({"invitation": "ai_…"}));
    api.post("/v1/admin/registrations/{id}", registrations::finish, "Make a passkey, and be signed in by it")
        .about("The cookie `__Host-ecert-admin` comes with the answer.")
        .creates::<Shown>()
        .refuses(&[UNAUTHENTICATED, PasskeysUnavailable]);
    api.post("/v1/admin/sign-ins", sign_ins::begin, "Sign in")
        .creates::<Begun>()
        .refuses(&[PasskeysUnavailable, RATE_LIMITED]);
    api.post("/v1/admin/sign-ins/{id}", sign_ins::finish, "Show a passkey")
        .about("The cookie `__Host-ecert-admin` comes with the answer.")
        .creates::<Shown>()
        .refuses(&[UNAUTHENTICATED, PasskeysUnavailable]);
    api.get("/v1/admin/session", admin_sessions::show, "The session");
    api.delete("/v1/admin/session", admin_sessions::end, "Sign out").says_nothing();
    api.post("/v1/admin/session/step-ups", admin_sessions::begin_step_up, "Be asked for a passkey again")
        .creates::<Begun>()
        .refuses(&[PasskeysUnavailable]);
    api.post(
        "/v1/admin/session/step-ups/{id}",
        admin_sessions::finish_step_up,
        "Show a passkey again, and for five minutes do more",
    )
    .about("The cookie and the `csrf_token` change.")
    .answers::<Shown>(200)
    .refuses(&[PasskeysUnavailable]);
    api.get("/v1/admin/admins", admins::list, "Who works here");
    api.post("/v1/admin/admins", admins::invite, "Ask for somebody to be invited")
        .about("Done at once (201) while fewer than two admins have passkeys: there is nobody else to ask.")
        .creates::<Decided>()
        .sent(json!({"name": "Wen", "roles": ["finance"], "why": "Takes over the books."}));
    api.post("/v1/admin/admins/{id}/roles", admins::change_roles, "Ask for other roles of somebody")
        .sent(json!({"roles": ["auditor"], "why": "Changes the department."}));
    api.delete("/v1/admin/admins/{id}", admins::end, "Ask for the end of an admin");
    api.get("/v1/admin/actions", admin_actions::list, "Acts that take two, 100 a page, the newest first");
    api.get("/v1/admin/actions/{id}", admin_actions::show, "One of them");
    api.post("/v1/admin/actions/{id}:approve", admin_actions::approve, "Agree, and have it done")
        .about("Judged anew: what can't be done any more is `failed`, and `outcome` is the refusal's code.")
        .refuses(&[SecondPersonNeeded, ActionDecided]);
    api.post("/v1/admin/actions/{id}:reject", admin_actions::reject, "Say no, or take one's own back")
        .refuses(&[ActionDecided]);
}

fn identities(api: &mut Api) {
    api.noun("Admins: relying parties and certificates", "Who may redeem, and which certificates are good.");
    api.post("/v1/admin/relying-parties", relying_parties::admit, "Take in a relying party")
        .about("The key is shown once.")
        .creates::<Admitted>()
        .sent(examples::application())
        .given(201, examples::admitted());
    api.get("/v1/admin/relying-parties", relying_parties::list, "Relying parties, 100 a page")
        .query::<accounts::After>();
    api.get("/v1/admin/relying-parties/{id}", relying_parties::show, "A relying party");
    api.post(
        "/v1/admin/relying-parties/{id}/suspension",
        relying_parties::suspend,
        "Serve it nothing any more",
    )
    .about("It reads why. What it has stays its own.")
    .says_nothing()
    .sent(json!({"why": "Asks for more than it said."}));
    api.delete("/v1/admin/relying-parties/{id}/suspension", relying_parties::resume, "Serve it again")
        .says_nothing();
    api.get("/v1/admin/relying-parties/{id}/keys", api_keys::list_of, "Its keys that are good");
    api.post("/v1/admin/relying-parties/{id}/keys", api_keys::create_for, "A key, if it has lost its own")
        .creates::<api_key_flow::Made>()
        .sent(json!({"name": "again"}));
    api.delete("/v1/admin/relying-parties/{id}/keys/{key}", api_keys::revoke_of, "End one of its keys")
        .says_nothing();
    api.post(
        "/v1/admin/relying-parties/{id}/sponsorships/revocation",
        sponsorships::revoke_all,
        "Ask for all to be revoked that it vouched for",
    );
    api.post(
        "/v1/admin/holders/{id}/revocation",
        revocations::revoke_holder,
        "Revoke all certificates of a holder",
    );
    api.post("/v1/admin/certificates:revoke", revocations::revoke_csv, "Ask for all to be revoked that a file names")
        .about("UTF-8 with the header `certificate_id,reason,note`, at most 100,000 lines and 16 MiB. All lines are checked before anybody is asked.")
        .takes("text/csv", json!({"type": "string"}));
    api.get("/v1/admin/certificates/{id}", certificates::show, "A certificate, without personal data");
    api.post("/v1/admin/certificates/{id}/revocation", certificates::revoke_by_admin, "Revoke a certificate")
        .says_nothing()
        .sent(examples::why());
    api.post(
        "/v1/admin/certificates/{id}/number/revocation",
        standing_numbers::revoke_by_admin,
        "End the standing number of its holder",
    )
    .says_nothing();
    api.post("/v1/admin/certificates/{id}/suspension", certificates::suspend, "Suspend a certificate")
        .says_nothing()
        .refuses(&[CertificateRevoked]);
    api.delete(
        "/v1/admin/certificates/{id}/suspension",
        certificates::reactivate,
        "Bring a certificate back",
    )
    .says_nothing()
    .refuses(&[CertificateRevoked]);
}

fn money(api: &mut Api) {
    api.noun("Admins: prices and money", "What is announced stays. Money takes two people.");
    api.get("/v1/admin/ledger", ledger::trial_balance, "Every account's balance");
    api.get("/v1/admin/prices", prices::list_for_admins, "What is in force and what is announced");
    api.post("/v1/admin/prices", prices::announce, "Ask for prices to be announced");
    api.get("/v1/admin/billing-cycles", prices::cycles, "How often each service is billed");
    api.post("/v1/admin/billing-cycles", prices::change_cycle, "Announce another cycle")
        .creates::<cycles::Listed>();
    api.post("/v1/admin/offers", offers::add, "Add to what is sold beforehand")
        .creates::<offer_flow::Shown>();
    api.post("/v1/admin/promotions", offers::add_promotion, "Add a promotion").creates::<promotions::New>();
    api.get("/v1/admin/payments", payments::waiting, "What waits for a second person");
    api.post("/v1/admin/payments", payments::record, "Record a bank transfer")
        .creates::<payment_flow::Shown>()
        .refuses(&[NotFound, PaymentKnown]);
    api.post(
        "/v1/admin/payments/{id}:approve",
        payments::approve,
        "Credit a payment that another admin recorded",
    )
    .refuses(&[PaymentDecided, SecondPersonNeeded]);
    api.post("/v1/admin/payments/{id}:reject", payments::reject, "Reject a payment")
        .refuses(&[PaymentDecided]);
    api.post("/v1/admin/payments/{id}:refund", payments::refund, "Ask for money to go back")
        .creates::<refunds::Shown>()
        .refuses(&[NO_REFUND]);
    api.post(
        "/v1/admin/refunds/{id}:approve",
        payments::approve_refund,
        "Approve a refund that another admin asked for",
    )
    .refuses(&[PaymentDecided, SecondPersonNeeded, BalanceTooLow, NO_REFUND]);
    api.post("/v1/admin/refunds/{id}:reject", payments::reject_refund, "Reject a refund")
        .refuses(&[PaymentDecided]);
}
