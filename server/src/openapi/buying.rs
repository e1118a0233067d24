//! What a relying party buys, owes, uses, and is told.

use serde_json::json;
use wallet_core::refusal::Refusal::{
    BalanceTooLow, CouponNotStackable, CouponUnusable, MailNotOffered, NotFound, OfferSoldOut, OrderUsed,
    PdfUnavailable, PurposeNotRegistered, RpSuspended, SandboxOnly, TestClockAdvancing, WebhookDisabled,
};

use super::api::Api;
use super::examples;
use super::refusals::{INVALID, ORDER_CLOSED, RATE_LIMITED, Said};
use crate::flow::{
    api_keys as api_key_flow, contacts as contact_flow, orders as order_flow, payments,
    statements as statement_flow, webhooks as webhook_flow,
};
use crate::http::{accounts, api_keys, contacts, orders, prices, sandbox, statements, webhooks};

pub(super) fn describe(api: &mut Api) {
    ordering(api);
    account(api);
    bills(api);
    keys(api);
    telling(api);
    trying(api);
}

fn ordering(api: &mut Api) {
    api.noun("Prices and orders", "What is bought beforehand is paid from the balance.");
    api.get("/v1/prices", prices::list, "What things cost, now and as announced");
    api.post("/v1/quotes", orders::quote, "What something would cost now")
        .about("An offer, or one use of a service. Costs and promises nothing.")
        .sent(examples::order())
        .given(200, examples::quote())
        .refuses(&[NotFound, CouponUnusable, CouponNotStackable, OfferSoldOut, TestClockAdvancing]);
    api.get("/v1/orders", orders::list, "Orders, the newest first, 50 a page");
    api.post("/v1/orders", orders::place, "Order, at the price of this moment")
        .keyed()
        .creates::<order_flow::Shown>()
        .sent(examples::order())
        .given(201, examples::placed())
        .refuses(&[
            NotFound,
            CouponUnusable,
            CouponNotStackable,
            OfferSoldOut,
            RpSuspended,
            RATE_LIMITED,
            TestClockAdvancing,
        ]);
    api.get("/v1/orders/{id}", orders::show, "An order");
    api.post("/v1/orders/{id}:pay", orders::pay, "Pay an order from the balance")
        .about("Its packs are there at once.")
        .keyed()
        .refuses(&[BalanceTooLow, ORDER_CLOSED, OfferSoldOut, RpSuspended, TestClockAdvancing]);
    api.post("/v1/orders/{id}:cancel", orders::cancel, "Give an unpaid order up")
        .refuses(&[ORDER_CLOSED, TestClockAdvancing]);
    api.post(
        "/v1/orders/{id}:withdraw",
        orders::withdraw,
        "Give a paid order back, of which no unit was used",
    )
    .refuses(&[ORDER_CLOSED, OrderUsed, TestClockAdvancing]);
}

fn account(api: &mut Api) {
    api.noun("Account", "Balance, packs, usage, and limits of one's own.");
    api.get("/v1/balance", accounts::balance, "The balance, what is owed, and what follows from that");
    api.get("/v1/liability", accounts::liability, "The most that all damages for a fault may come to")
        .query::<accounts::Fault>();
    api.get("/v1/packs", accounts::packs, "Packs, the first to expire first");
    api.get("/v1/usage", accounts::usage, "What was used, at most 366 days").query::<accounts::Days>();
    api.get("/v1/alerts", accounts::alerts, "When one is told that packs run low");
    api.put("/v1/alerts", accounts::set_alerts, "Set when one is told");
    api.get("/v1/caps", accounts::caps, "Limits on what is spent in a day");
    api.put("/v1/caps", accounts::replace_caps, "Set all limits anew")
        .refuses(&[NotFound, PurposeNotRegistered]);
}

fn bills(api: &mut Api) {
    api.noun("Statements", "The bill of each period, signed, with a proof for each of its charges.");
    api.get("/v1/statements", statements::list, "Statements, the earliest first, 100 a page")
        .query::<accounts::After>();
    let show =
        api.get("/v1/statements/{period}", statements::show, "A statement: JSON, CSV, or PDF on paper");
    show.about("By `Accept`. PDF/A-3 with the signed statement attached.")
        .answers::<statement_flow::Shown>(200)
        .gives("text/csv")
        .gives("application/pdf")
        .query::<statements::Print>()
        .refuses(&[PdfUnavailable]);
    show.refusals.entry(406).or_default().insert(Said::not_acceptable());
    api.get("/v1/statements/{period}/lines", statements::lines, "Its charges, 1,000 at most at once")
        .query::<statements::LinesRequest>();
    api.get("/v1/statements/{period}/proofs/{charge}", statements::proof, "That a receipt is in it");
}

fn keys(api: &mut Api) {
    api.noun("Keys", "Several at once, so that one takes another's place without a gap.");
    api.get("/v1/keys", api_keys::list, "Keys that are good, the oldest first");
    api.post("/v1/keys", api_keys::create, "Another key, which is shown once")
        .creates::<api_key_flow::Made>()
        .sent(json!({"name": "till-2", "expires_at": "2027-01-01T00:00:00Z"}))
        .refuses(&[RpSuspended]);
    api.delete("/v1/keys/{id}", api_keys::revoke, "End a key, but not the one that you call with")
        .says_nothing()
        .refuses(&[INVALID]);
}

fn telling(api: &mut Api) {
    api.noun(
        "Webhooks and mails",
        "What happened is told to addresses of the relying party, signed as Standard Webhooks has it.",
    );
    api.get("/v1/messages", accounts::messages, "What was told, the oldest first").query::<accounts::After>();
    api.get("/v1/webhooks", webhooks::list, "Webhooks");
    api.post("/v1/webhooks", webhooks::create, "Be told at an address; its secret is shown once")
        .creates::<webhook_flow::Made>()
        .sent(json!({"url": "https://shop.example/ecert", "events": ["redemption.judged"]}))
        .refuses(&[RpSuspended, RATE_LIMITED]);
    api.get("/v1/webhooks/{id}", webhooks::show, "A webhook");
    api.delete("/v1/webhooks/{id}", webhooks::remove, "Be told there no more").says_nothing();
    api.post("/v1/webhooks/{id}:enable", webhooks::enable, "Switch a webhook on again");
    api.post("/v1/webhooks/{id}/secrets", webhooks::rotate, "A new secret")
        .creates::<webhook_flow::NewSecret>();
    api.delete("/v1/webhooks/{id}/secrets", webhooks::end_old_secrets, "End the secrets before")
        .says_nothing();
    api.get("/v1/webhooks/{id}/deliveries", webhooks::deliveries, "What became of what was told")
        .query::<webhooks::Before>();
    api.post("/v1/webhooks/{id}/deliveries/{delivery}:replay", webhooks::replay, "Tell it once more")
        .refuses(&[WebhookDisabled]);
    api.get("/v1/contacts", contacts::list, "Mail addresses");
    api.post("/v1/contacts", contacts::create, "Be told by mail; the address is to be confirmed")
        .creates::<contact_flow::Shown>()
        .refuses(&[MailNotOffered, RpSuspended, RATE_LIMITED]);
    api.post("/v1/contacts/{id}:confirm", contacts::confirm, "Confirm an address");
    api.delete("/v1/contacts/{id}", contacts::remove, "Be told there no more").says_nothing();
}

fn trying(api: &mut Api) {
    api.noun(
        "Sandbox",
        "With a key `ek_test_…`: test people, a clock that can be advanced, and money that is none.",
    );
    api.get("/v1/test-clock", sandbox::show_clock, "What time it is there").refuses(&[SandboxOnly]);
    api.post("/v1/test-clock", sandbox::stop_clock, "Stop the clock").refuses(&[SandboxOnly]);
    api.post("/v1/test-clock:advance", sandbox::advance_clock, "Advance the clock")
        .refuses(&[SandboxOnly, TestClockAdvancing]);
    api.post("/v1/sandbox/payments", sandbox::pay_in, "Pay in")
        .keyed()
        .creates::<payments::Shown>()
        .refuses(&[SandboxOnly, NotFound, TestClockAdvancing]);
}
