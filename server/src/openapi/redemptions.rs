//! What a relying party calls at its counter.

use serde_json::json;
use wallet_core::refusal::Refusal::{
    AttributeNotAllowed, CertificateRevoked, CertificateSuspended, CodeAlreadyRedeemed, CodeMalformed,
    CodeUnknown, LiveOnly, NotFound, PurposeNotRegistered, RedemptionClosed, RpSuspended,
};

use super::api::Api;
use super::examples;
use super::operation::Part;
use super::refusals::{CAPTURE_UNUSABLE, NOT_SERVED, RATE_LIMITED};
use crate::flow::answers::Judged;
use crate::flow::redemptions::Opened;
use crate::flow::sponsorships as sponsorship_flow;
use crate::flow::terminals as terminal_flow;
use crate::http::{accounts, redemptions, sponsorships, terminals, withdrawals};

pub(super) fn describe(api: &mut Api) {
    api.noun("Redemptions", "A relying party redeems a code: the code is used up, the face is verified, what was agreed to is given, and one charge is made.");
    api.post("/v1/redemptions", redemptions::open, "Redeem a code")
        .about("`code` is the text of a QR, or 16 digits. With `\"capture\": \"holder\"` the face is captured on the holder's phone; show `number` to the person.")
        .keyed()
        .creates::<Opened>()
        .sent(examples::redemption())
        .given(201, examples::opened())
        .refuses(&NOT_SERVED)
        .refuses(&[
            CodeMalformed,
            CodeUnknown,
            CodeAlreadyRedeemed,
            PurposeNotRegistered,
            AttributeNotAllowed,
            CertificateRevoked,
            CertificateSuspended,
            RATE_LIMITED,
        ]);
    api.get("/v1/redemptions/{id}", redemptions::show, "A redemption, as it stands or as it was judged")
        .answers_either::<Judged, Opened>(200);
    api.post("/v1/redemptions/{id}:cancel", redemptions::cancel, "Give a redemption up")
        .about("Not billed. Twice is once.")
        .refuses(&[RedemptionClosed]);
    api.post("/v1/redemptions/{id}/captures", redemptions::submit_capture, "Show the face, and have it judged")
        .about("A face that does not match is a 200 with `failed`, and is charged. What can't be judged is a 422 with a receipt that says it cost nothing.")
        .keyed()
        .uploads(&[Part::Capture { signed: false }])
        .given(200, examples::judged())
        .refuses(&NOT_SERVED)
        .refuses(&[CAPTURE_UNUSABLE, RedemptionClosed, CertificateRevoked, CertificateSuspended]);
    api.get(
        "/v1/redemptions/{id}/receipt",
        redemptions::receipts,
        "Its receipts, and their proofs in the log",
    )
    .about("For ever. `log` is empty for up to a second after the judgement.")
    .given(200, examples::receipts());

    api.noun("Terminals", "Tills and tablets of a relying party, each with a key of its own that redeems and does nothing else.");
    api.get("/v1/terminals", terminals::list, "Terminals");
    api.post("/v1/terminals", terminals::create, "Add a terminal")
        .about("The link, which is shown once, opens the scanner on the till; it is good for ten minutes, and once.")
        .creates::<terminal_flow::Created>()
        .sent(json!({"name": "Till 2", "purposes": ["check"]}));
    api.delete("/v1/terminals/{id}", terminals::revoke, "Switch a terminal off").says_nothing();
    api.post("/v1/terminals:activate", terminals::activate, "Become a terminal, with a key of one's own")
        .creates::<terminal_flow::Token>()
        .refuses(&[NotFound]);
    api.get("/v1/terminal", terminals::show, "Who the terminal is, and what it may ask for");
    api.post("/v1/terminal/token", terminals::renew_token, "Renew the terminal's access token");

    api.noun("Withdrawals", "Consents that holders took back.");
    api.get("/v1/withdrawals", withdrawals::list, "Consents that were taken back, the oldest first")
        .query::<accounts::After>();
    api.post("/v1/withdrawals/{id}:confirm", withdrawals::confirm, "The data are deleted")
        .about("What was confirmed before stands.");

    api.noun("Sponsorships", "A relying party vouches for a person who is to enrol.");
    api.post("/v1/sponsorships", sponsorships::create, "Vouch for somebody")
        .creates::<sponsorship_flow::Shown>()
        .refuses(&[LiveOnly, RpSuspended, RATE_LIMITED]);
    api.get("/v1/sponsorships/{id}", sponsorships::show, "A sponsorship");
    api.post(
        "/v1/sponsorships/{id}/revocation",
        sponsorships::revoke,
        "End it, and the certificate issued under it",
    )
    .says_nothing();
}
