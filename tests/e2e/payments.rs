//! Money that comes in and goes back: never by one person alone, never twice, never lost.

use ecert_tests::app::TestApp;
use ecert_tests::clients::buying::yuan;
use ecert_tests::clients::{Answer, Gateway, RelyingParty, fresh_key};
use serde_json::{Value, json};

use crate::orders::{pay_in, with_balance};

type Test = anyhow::Result<()>;

fn transfer(app: &TestApp, rp: &RelyingParty, reference: &str, amount: Value) -> Value {
    json!({ "rp": rp.id, "reference": reference, "amount": amount, "received_at": app.clock_now() })
}

#[actix_web::test]
async fn a_bank_transfer_is_credited_by_another_than_who_recorded_it_and_once() -> Test {
    let app = TestApp::start().await?;
    let (rp, second) = (app.relying_party().await?, app.second().await?);
    let first = app.second().await?;
    let recorded = first.record_transfer(transfer(&app, &rp, "T1", yuan(100))).await?.expect_status(201)?;
    assert_eq!(first.decide_payment(&recorded, "approve").await?.refusal(), "403 second-person-needed");
    assert_eq!(app.admin.decide_payment(&recorded, "approve").await?.refusal(), "403 step-up-needed");
    assert_eq!(app.admin.balance(&rp).await?, 0);
    let waiting = second.get("/v1/admin/payments").await?.expect_status(200)?;
    assert_eq!(waiting["payments"][0]["id"], recorded["id"]);
    let credited = second.decide_payment(&recorded, "approve").await?.expect_status(200)?;
    assert_eq!((&credited["state"], &credited["outcome"]), (&json!("credited"), &json!("topped-up")));
    assert_eq!(second.decide_payment(&recorded, "approve").await?.refusal(), "409 payment-decided");
    assert_eq!(second.decide_payment(&recorded, "reject").await?.refusal(), "409 payment-decided");
    let again = app.admin.record_transfer(transfer(&app, &rp, "T1", yuan(100))).await?;
    assert_eq!(again.refusal(), "409 payment-known");
    assert_eq!(app.admin.balance(&rp).await?, 100_000_000);
    assert_eq!(app.admin.account("cash:bank").await?, 100_000_000);
    Ok(())
}

#[actix_web::test]
async fn a_transfer_that_was_written_down_wrongly_is_put_away_and_recorded_anew() -> Test {
    let app = TestApp::start().await?;
    let (rp, second) = (app.relying_party().await?, app.second().await?);
    let wrong =
        app.admin.record_transfer(transfer(&app, &rp, "T1", yuan(1_000))).await?.expect_status(201)?;
    assert_eq!(second.decide_payment(&wrong, "reject").await?.expect_status(200)?["state"], "rejected");
    let right = app.admin.record_transfer(transfer(&app, &rp, "T1", yuan(100))).await?.expect_status(201)?;
    second.decide_payment(&right, "approve").await?.expect_status(200)?;
    assert_eq!(app.admin.balance(&rp).await?, 100_000_000);
    Ok(())
}

#[actix_web::test]
async fn a_transfer_for_an_order_pays_it_if_it_fits_and_else_the_order_says_why() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let send = async |order: &Value, amount: i64| -> anyhow::Result<Value> {
        let second = app.second().await?;
        let mut transfer = transfer(&app, &rp, &fresh_key(), yuan(amount));
        transfer["order"] = order["id"].clone();
        let recorded = app.admin.record_transfer(transfer).await?.expect_status(201)?;
        Ok(second.decide_payment(&recorded, "approve").await?.expect_status(200)?["outcome"].clone())
    };
    let order = rp.order("verify-1k").await?;
    assert_eq!(send(&order, 949).await?, "short");
    assert_eq!(rp.show_order(&order).await?["payment_note"], "short");
    assert_eq!(send(&order, 951).await?, "order-paid-over");
    assert_eq!(rp.show_order(&order).await?["state"], "fulfilled");
    assert_eq!(send(&order, 950).await?, "paid-twice");
    let dropped = rp.order("verify-1k").await?;
    rp.cancel_order(&dropped).await?.expect_status(200)?;
    assert_eq!(send(&dropped, 950).await?, "not-wanted");
    let late = rp.order("verify-1k").await?;
    app.wait(7 * 24 * 3600 + 1);
    assert_eq!(send(&late, 950).await?, "late");
    assert_eq!(rp.show_order(&late).await?["payment_note"], "late");
    // Nothing is lost: all that came, less the one order.
    assert_eq!(app.admin.balance(&rp).await?, (949 + 951 + 950 + 950 + 950 - 950) * 1_000_000);
    app.charges().await?;
    Ok(())
}

#[actix_web::test]
async fn a_transfer_that_came_in_time_pays_its_order_though_finance_is_late() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let order = rp.order("verify-1k").await?;
    let mut transfer = transfer(&app, &rp, "T1", yuan(950));
    transfer["order"] = order["id"].clone();
    let recorded = app.admin.record_transfer(transfer).await?.expect_status(201)?;
    app.wait(8 * 24 * 3600);
    ecert_server::flow::orders::expire(&app.context).map_err(anyhow::Error::from)?;
    let credited = app.second().await?.decide_payment(&recorded, "approve").await?.expect_status(200)?;
    assert_eq!(credited["outcome"], "order-paid");
    assert_eq!(rp.show_order(&order).await?["state"], "fulfilled");
    Ok(())
}

#[actix_web::test]
async fn a_wrong_transfer_is_refused_and_the_ledger_stays_as_it_is() -> Test {
    let app = TestApp::start().await?;
    let (rp, other) = (with_balance(&app, 10).await?, app.relying_party().await?);
    let order = other.order("verify-1k").await?;
    let before = app.admin.ledger().await?.body;
    let good = transfer(&app, &rp, "T9", yuan(1));
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    let micros = |micros: Value| json!({ "currency": "CNY", "micros": micros });
    let cases = [
        (with("amount", micros(json!(0))), "amount"),
        (with("amount", micros(json!(-1))), "amount"),
        (with("amount", micros(json!(1_000_000_000_000_001_i64))), "amount"),
        (with("amount", micros(json!(1.5))), "body"),
        (with("amount", json!({ "currency": "USD", "micros": 1 })), "amount"),
        (with("reference", json!("")), "reference"),
        (with("reference", json!("two words")), "reference"),
        (with("rp", json!("rp_01ARZ3NDEKTSV4RRFFQ69G5FAV")), "rp"),
        (with("received_at", json!(app.clock_now() + jiff::SignedDuration::from_secs(1))), "received_at"),
        (with("order", order["id"].clone()), "order"),
    ];
    for (body, field) in cases {
        let answer = app.admin.record_transfer(body.clone()).await?;
        assert_eq!(
            (answer.refusal().as_str(), &answer.body["field"]),
            ("400 request-invalid", &json!(field)),
            "{body}"
        );
    }
    let (nobody, second) = (json!({ "id": "pay_01ARZ3NDEKTSV4RRFFQ69G5FAV" }), app.second().await?);
    for word in ["approve", "reject"] {
        assert_eq!(second.decide_payment(&nobody, word).await?.refusal(), "404 not-found");
        assert_eq!(second.decide_refund(&nobody, word).await?.refusal(), "404 not-found");
    }
    assert_eq!(app.admin.ledger().await?.body, before);
    Ok(())
}

#[actix_web::test]
async fn money_goes_back_by_two_persons_and_never_more_than_came_or_is_there() -> Test {
    let app = TestApp::start().await?;
    let (rp, second) = (app.relying_party().await?, app.second().await?);
    let payment = pay_in(&app, &rp, 1_000).await?;
    let million = 1_000_000;
    let first = app.second().await?;
    let refund = first.ask_refund(&payment, 40 * million).await?.expect_status(201)?;
    assert_eq!(first.decide_refund(&refund, "approve").await?.refusal(), "403 second-person-needed");
    assert_eq!(app.admin.balance(&rp).await?, 1_000 * million);
    assert_eq!(second.decide_refund(&refund, "approve").await?.expect_status(200)?["state"], "approved");
    assert_eq!(second.decide_refund(&refund, "approve").await?.refusal(), "409 payment-decided");
    assert_eq!(app.admin.balance(&rp).await?, 960 * million);
    assert_eq!(app.admin.account("cash:bank").await?, 960 * million);
    for wrong in [0, -1] {
        assert_eq!(app.admin.ask_refund(&payment, wrong).await?.refusal(), "400 request-invalid");
    }
    assert_eq!(app.admin.ask_refund(&payment, 961 * million).await?.refusal(), "409 refund-not-possible");
    let rest = app.admin.ask_refund(&payment, 960 * million).await?.expect_status(201)?;
    assert_eq!(app.admin.ask_refund(&payment, 1).await?.refusal(), "409 refund-not-possible");
    rp.buy("verify-1k").await?;
    assert_eq!(second.decide_refund(&rest, "approve").await?.refusal(), "409 refund-not-possible");
    second.decide_refund(&rest, "reject").await?.expect_status(200)?;
    app.wait(93 * 24 * 3600);
    assert_eq!(app.admin.ask_refund(&payment, 1).await?.refusal(), "409 refund-not-possible");
    app.charges().await?;
    Ok(())
}

/// A service that knows a gateway, and a relying party.
struct Shop {
    app: TestApp,
    rp: RelyingParty,
    gateway: Gateway,
}

impl Shop {
    async fn open() -> anyhow::Result<Shop> {
        let gateway = Gateway::new()?;
        let app = TestApp::with_flags(&gateway.flags()?).await?;
        let rp = app.relying_party().await?;
        Ok(Shop { app, rp, gateway })
    }

    fn paid(&self, payment: &str, amount: Value, order: Option<&Value>) -> Value {
        let mut data = json!({
            "payment": payment, "rp": self.rp.id, "amount": amount, "paid_at": self.app.clock_now(),
        });
        if let Some(order) = order {
            data["order"] = order["id"].clone();
        }
        data
    }

    async fn tell(&self, kind: &str, data: Value) -> anyhow::Result<Answer> {
        self.gateway.notify(&self.app.base, &self.app.clock, kind, data).await
    }

    async fn outcome(&self, kind: &str, data: Value) -> anyhow::Result<Value> {
        Ok(self.tell(kind, data).await?.expect_status(200)?["outcome"].clone())
    }

    async fn balance(&self) -> anyhow::Result<i64> {
        self.app.admin.balance(&self.rp).await
    }
}

#[actix_web::test]
async fn a_gateways_notice_is_credited_once_however_often_it_comes() -> Test {
    let shop = Shop::open().await?;
    let order = shop.rp.order("verify-1k").await?;
    let notice = shop.paid("A1", yuan(950), Some(&order));
    for _ in 0..3 {
        assert_eq!(shop.outcome("payment.succeeded", notice.clone()).await?, "order-paid");
    }
    assert_eq!(shop.rp.show_order(&order).await?["state"], "fulfilled");
    let differs = shop.tell("payment.succeeded", shop.paid("A1", yuan(951), Some(&order))).await?;
    assert_eq!(differs.refusal(), "409 payment-differs");
    assert_eq!(
        shop.outcome("payment.succeeded", shop.paid("A2", yuan(950), Some(&order))).await?,
        "paid-twice"
    );
    assert_eq!(shop.outcome("payment.succeeded", shop.paid("A3", yuan(5), None)).await?, "topped-up");
    let unknown = json!({ "id": "ord_01ARZ3NDEKTSV4RRFFQ69G5FAV" });
    let outcome = shop.outcome("payment.succeeded", shop.paid("A4", yuan(5), Some(&unknown))).await?;
    assert_eq!(outcome, "unknown-order");
    let senseless = shop.paid("A5", yuan(5), Some(&json!({ "id": "not an order" })));
    assert_eq!(shop.outcome("payment.succeeded", senseless).await?, "topped-up");
    assert_eq!(shop.outcome("payment.dreamt-of", json!({})).await?, "ignored");
    assert_eq!(shop.balance().await?, 965_000_000);
    assert_eq!(shop.app.admin.account("cash:alipay").await?, 1_915_000_000);
    shop.app.charges().await?;
    Ok(())
}

#[actix_web::test]
async fn what_a_gateway_takes_back_may_be_told_before_its_payment() -> Test {
    let shop = Shop::open().await?;
    let order = shop.rp.order("verify-1k").await?;
    let back = |amount| json!({ "payment": "A1", "refund": "R1", "amount": amount });
    for _ in 0..2 {
        assert_eq!(shop.outcome("payment.refunded", back(yuan(950))).await?, "noted");
    }
    assert_eq!(shop.tell("payment.refunded", back(yuan(1))).await?.refusal(), "409 payment-differs");
    assert_eq!(shop.outcome("payment.succeeded", shop.paid("A1", yuan(950), Some(&order))).await?, "short");
    assert_eq!(shop.rp.show_order(&order).await?["state"], "placed");
    assert_eq!((shop.balance().await?, shop.app.admin.account("cash:alipay").await?), (0, 0));
    shop.app.charges().await?;
    Ok(())
}

#[actix_web::test]
async fn what_was_taken_back_and_is_spent_is_owed_and_covered_by_the_next_money() -> Test {
    let shop = Shop::open().await?;
    let owed = format!("rp:{}:chargebacks", shop.rp.id);
    shop.outcome("payment.succeeded", shop.paid("A1", yuan(1_000), None)).await?;
    shop.rp.buy("verify-1k").await?;
    let back = json!({ "payment": "A1", "refund": "R1", "amount": yuan(1_000) });
    assert_eq!(shop.outcome("payment.refunded", back).await?, "noted");
    assert_eq!((shop.balance().await?, shop.app.admin.account(&owed).await?), (0, 950_000_000));
    let more = json!({ "payment": "A1", "refund": "R2", "amount": yuan(1) });
    assert_eq!(shop.tell("payment.refunded", more).await?.refusal(), "409 payment-differs");
    pay_in(&shop.app, &shop.rp, 900).await?;
    assert_eq!((shop.balance().await?, shop.app.admin.account(&owed).await?), (0, 50_000_000));
    pay_in(&shop.app, &shop.rp, 900).await?;
    assert_eq!((shop.balance().await?, shop.app.admin.account(&owed).await?), (850_000_000, 0));
    shop.app.charges().await?;
    Ok(())
}

#[actix_web::test]
async fn a_gateway_that_says_that_our_refund_went_moves_nothing() -> Test {
    let shop = Shop::open().await?;
    let (admin, second) = (&shop.app.admin, shop.app.second().await?);
    shop.outcome("payment.succeeded", shop.paid("A1", yuan(100), None)).await?;
    // Its id is told to the relying party only; admins find it by its reference in the database.
    let found = shop.app.context.rp_store.read(|conn| {
        let provider = ecert_server::billing::account::Provider::parse("alipay");
        let provider = provider.ok_or_else(|| anyhow::anyhow!("a name"))?;
        Ok(ecert_server::store::payments::by_reference(conn, &provider, "A1")?)
    });
    let payment = found.map_err(anyhow::Error::from)?.expect("the payment");
    let payment = json!({ "id": payment.id });
    let refund = admin.ask_refund(&payment, 30_000_000).await?.expect_status(201)?;
    second.decide_refund(&refund, "approve").await?.expect_status(200)?;
    let back = |ours: &Value, amount| json!({ "payment": "A1", "refund": "R1", "merchant_refund": ours, "amount": amount });
    assert_eq!(shop.outcome("payment.refunded", back(&refund["id"], yuan(30))).await?, "confirmed");
    assert_eq!(shop.outcome("payment.refunded", back(&refund["id"], yuan(30))).await?, "confirmed");
    let wrong = shop.tell("payment.refunded", back(&refund["id"], yuan(31))).await?;
    assert_eq!(wrong.refusal(), "409 payment-differs");
    assert_eq!(shop.balance().await?, 70_000_000);
    Ok(())
}

#[actix_web::test]
async fn forged_stale_and_senseless_notices_leave_the_ledger_as_it_is() -> Test {
    let shop = Shop::open().await?;
    let before = shop.app.admin.ledger().await?.body;
    let stranger = Gateway::new()?;
    let (base, now) = (&shop.app.base, shop.app.clock_now().as_second());
    let body =
        serde_json::to_vec(&json!({ "type": "payment.succeeded", "data": shop.paid("A1", yuan(9), None) }))?;
    let forgeries = [
        (now, stranger.sign("n1", now, &body)),
        (now, String::new()),
        (now, shop.gateway.sign("n2", now, &body)),
        (now, shop.gateway.sign("n1", now, b"{}")),
        (now - 301, shop.gateway.sign("n1", now - 301, &body)),
        (now + 301, shop.gateway.sign("n1", now + 301, &body)),
    ];
    for (at, signature) in forgeries {
        let answer = shop.gateway.send(base, ("n1", at, &signature), body.clone()).await?;
        assert_eq!(answer.refusal(), "401 unauthenticated");
    }
    let with = |name: &str, value: Value| {
        let mut changed = shop.paid("A1", yuan(9), None);
        changed[name] = value;
        changed
    };
    let cases = [
        (with("amount", json!({ "currency": "USD", "micros": 9 })), "amount"),
        (with("amount", json!({ "currency": "CNY", "micros": 0 })), "amount"),
        (with("amount", json!({ "currency": "CNY", "micros": -9 })), "amount"),
        (with("amount", json!({ "currency": "CNY", "micros": 0.5 })), "body"),
        (with("rp", json!("rp_01ARZ3NDEKTSV4RRFFQ69G5FAV")), "rp"),
        (with("rp", json!("nobody")), "rp"),
        (with("payment", json!("")), "payment"),
        (json!({}), "body"),
    ];
    for (data, field) in cases {
        let answer = shop.tell("payment.succeeded", data.clone()).await?;
        assert_eq!(
            (answer.refusal().as_str(), &answer.body["field"]),
            ("400 request-invalid", &json!(field)),
            "{data}"
        );
    }
    let elsewhere = reqwest::Client::new().post(format!("{base}/v1/payment-notifications/paypal"));
    assert_eq!(Answer::to(elsewhere.body(body)).await?.refusal(), "404 not-found");
    assert_eq!(shop.app.admin.ledger().await?.body, before);
    Ok(())
}
