//! What admins call.

use serde_json::json;
use wallet_core::refusal::Refusal::{
    BalanceTooLow, CertificateRevoked, NotFound, PaymentDecided, PaymentKnown, SecondPersonNeeded,
};

use super::api::Api;
use super::examples;
use super::refusals::NO_REFUND;
use crate::flow::relying_parties::Admitted;
use crate::flow::{
    api_keys as api_key_flow, cycles, offers as offer_flow, payments as payment_flow, prices as price_flow,
    promotions, refunds,
};
use crate::http::{
    accounts, api_keys, certificates, ledger, offers, payments, prices, relying_parties, revocations,
    sponsorships, standing_numbers,
};

pub(super) fn describe(api: &mut Api) {
    identities(api);
    money(api);
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
        "Revoke all that it vouched for",
    );
    api.post(
        "/v1/admin/holders/{id}/revocation",
        revocations::revoke_holder,
        "Revoke all certificates of a holder",
    );
    api.post("/v1/admin/certificates:revoke", revocations::revoke_csv, "Revoke what a file names")
        .about("UTF-8 with the header `certificate_id,reason,note`, at most 100,000 lines and 16 MiB. All lines are checked before anything is done.")
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
    api.post("/v1/admin/prices", prices::announce, "Announce prices").creates_list::<price_flow::Listed>();
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
