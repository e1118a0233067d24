//! Buying beforehand: quote, order, payment, packs; and everything that may come between.

use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::buying::yuan;
use ecert_tests::clients::{RelyingParty, fresh_key};
use futures_util::future::join_all;
use serde_json::{Value, json};

type Test = anyhow::Result<()>;

const WEEK: i64 = 7 * 24 * 3600;

/// A relying party with so many yuan in its balance.
pub(crate) async fn with_balance(app: &TestApp, yuans: i64) -> anyhow::Result<RelyingParty> {
    let rp = app.relying_party().await?;
    pay_in(app, &rp, yuans).await?;
    Ok(rp)
}

/// A bank transfer, recorded and approved.
pub(crate) async fn pay_in(app: &TestApp, rp: &RelyingParty, yuans: i64) -> anyhow::Result<Value> {
    let transfer = json!({
        "rp": rp.id, "reference": fresh_key(), "amount": yuan(yuans), "received_at": app.clock_now(),
    });
    let recorded = app.admin.record_transfer(transfer).await?.expect_status(201)?;
    app.second().await?.decide_payment(&recorded, "approve").await?.expect_status(200)
}

#[actix_web::test]
async fn the_first_purchase_brings_its_pack_and_a_hundred_of_two_services_for_nothing() -> Test {
    let app = TestApp::start().await?;
    let rp = with_balance(&app, 1_000).await?;
    let bought = rp.buy("verify-1k").await?;
    assert_eq!((&bought["state"], &bought["with_gift"]), (&json!("fulfilled"), &json!(true)));
    assert_eq!(app.admin.units(&rp, "person.verify").await?, 1_100);
    assert_eq!(app.admin.units(&rp, "face.liveness").await?, 100);
    assert_eq!(app.admin.balance(&rp).await?, 50_000_000);
    assert_eq!(app.admin.account("deferred:packs").await?, -950_000_000);

    pay_in(&app, &rp, 1_000).await?;
    assert_eq!(rp.buy("verify-1k").await?["with_gift"], false);
    assert_eq!(app.admin.units(&rp, "person.verify").await?, 2_100);
    app.charges().await?;
    Ok(())
}

#[actix_web::test]
async fn a_monthly_pack_is_one_a_month_and_a_licence_one_a_year() -> Test {
    let app = TestApp::start().await?;
    let rp = with_balance(&app, 20_000).await?;
    rp.buy("verify-monthly-1k").await?;
    assert_eq!(app.admin.units(&rp, "person.verify").await?, 12_000 + 100);
    let order = rp.order_as(json!({ "offer": "device-1y", "quantity": 3 })).await?.expect_status(201)?;
    assert_eq!(order["total"], yuan(3 * 399));
    rp.pay(&order).await?.expect_status(200)?;
    assert_eq!(app.admin.units(&rp, "sdk.device").await?, 3);
    app.charges().await?;
    Ok(())
}

#[actix_web::test]
async fn an_order_keeps_its_price_while_the_offer_gets_dearer() -> Test {
    let app = TestApp::start().await?;
    let rp = with_balance(&app, 1_000).await?;
    let order = rp.order("verify-1k").await?;
    app.wait(1);
    let dearer = json!({ "id": "verify-1k", "service": "person.verify", "kind": "pack", "units": 1_000,
        "months": 12, "price": yuan(990) });
    app.admin.post("/v1/admin/offers", &dearer).await?.expect_status(201)?;
    let quote = rp.quote(json!({ "offer": "verify-1k" })).await?.expect_status(200)?;
    assert_eq!(quote["total"], yuan(990));
    assert_eq!(rp.pay(&order).await?.expect_status(200)?["total"], yuan(950));
    assert_eq!(app.admin.balance(&rp).await?, 50_000_000);
    Ok(())
}

#[actix_web::test]
async fn an_order_can_be_paid_for_seven_days_and_not_a_second_longer() -> Test {
    let app = TestApp::start().await?;
    let rp = with_balance(&app, 2_000).await?;
    let (one, other) = (rp.order("verify-1k").await?, rp.order("verify-1k").await?);
    app.wait(WEEK);
    rp.pay(&one).await?.expect_status(200)?;
    app.wait(1);
    let late = rp.pay(&other).await?;
    assert_eq!(
        (late.refusal().as_str(), &late.body["detail"]),
        ("409 order-closed", &json!("the order is `expired`"))
    );
    assert_eq!(rp.show_order(&other).await?["state"], "expired");
    ecert_server::flow::orders::expire(&app.context).map_err(anyhow::Error::from)?;
    assert!(rp.show_order(&other).await?["closed_at"].is_string());
    assert_eq!(app.admin.balance(&rp).await?, 1_050_000_000);
    Ok(())
}

#[actix_web::test]
async fn of_64_who_pay_one_order_at_once_one_pays() -> Test {
    let app = TestApp::start().await?;
    let rp = with_balance(&app, 10_000).await?;
    let order = rp.order("verify-1k").await?;
    let answers = join_all((0..64).map(|_| rp.pay(&order))).await;
    let mut paid = 0;
    for answer in answers {
        match answer?.refusal().as_str() {
            "200 -" => paid += 1,
            "409 order-closed" | "503 overloaded" => {}
            other => anyhow::bail!("unexpected: {other}"),
        }
    }
    assert_eq!(paid, 1);
    assert_eq!(app.admin.balance(&rp).await?, 9_050_000_000);
    assert_eq!(app.admin.units(&rp, "person.verify").await?, 1_100);
    app.charges().await?;
    Ok(())
}

#[actix_web::test]
async fn the_same_request_twice_is_one_order_and_one_payment() -> Test {
    let app = TestApp::start().await?;
    let rp = with_balance(&app, 2_000).await?;
    let (key, body) = (fresh_key(), json!({ "offer": "verify-1k" }));
    let one = rp.post_json_with("/v1/orders", &body, &key).await?.expect_status(201)?;
    assert_eq!(rp.post_json_with("/v1/orders", &body, &key).await?.expect_status(201)?, one);
    let other = rp.post_json_with("/v1/orders", &json!({ "offer": "verify-10k" }), &key).await?;
    assert_eq!(other.refusal(), "422 idempotency-key-reused");
    let key = fresh_key();
    let paid = rp.pay_with(&one, &key).await?.expect_status(200)?;
    assert_eq!(rp.pay_with(&one, &key).await?.expect_status(200)?, paid);
    assert_eq!(rp.pay(&one).await?.refusal(), "409 order-closed");
    assert_eq!(app.admin.balance(&rp).await?, 1_050_000_000);
    let listed = rp.get("/v1/orders").await?.expect_status(200)?;
    assert_eq!(listed["orders"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[actix_web::test]
async fn what_is_not_there_is_not_sold() -> Test {
    let app = TestApp::start().await?;
    let (rp, other) = (with_balance(&app, 1_000).await?, with_balance(&app, 1_000).await?);
    let last = json!({ "id": "last", "service": "face.compare", "kind": "pack", "units": 10, "months": 1,
        "price": yuan(10), "stock": 2 });
    app.admin.post("/v1/admin/offers", &last).await?.expect_status(201)?;
    let (one, two) =
        (rp.order("last").await?, other.order_as(json!({ "offer": "last", "quantity": 2 })).await?);
    let two = two.expect_status(201)?;
    rp.pay(&one).await?.expect_status(200)?;
    assert_eq!(other.show_order(&two).await?["state"], "sold_out");
    assert_eq!(other.pay(&two).await?.refusal(), "409 order-closed");
    assert_eq!(
        other.order_as(json!({ "offer": "last", "quantity": 2 })).await?.refusal(),
        "409 offer-sold-out"
    );
    assert_eq!(app.admin.balance(&other).await?, 1_000_000_000);
    Ok(())
}

#[actix_web::test]
async fn an_order_is_given_up_before_it_is_paid_and_not_after() -> Test {
    let app = TestApp::start().await?;
    let rp = with_balance(&app, 1_000).await?;
    let (one, other) = (rp.order("verify-1k").await?, rp.order("verify-1k").await?);
    for _ in 0..2 {
        assert_eq!(rp.cancel_order(&one).await?.expect_status(200)?["state"], "cancelled");
    }
    assert_eq!(rp.pay(&one).await?.refusal(), "409 order-closed");
    rp.pay(&other).await?.expect_status(200)?;
    assert_eq!(rp.cancel_order(&other).await?.refusal(), "409 order-closed");
    Ok(())
}

#[actix_web::test]
async fn an_unused_order_is_given_back_and_its_gifts_with_it() -> Test {
    let app = TestApp::start().await?;
    let rp = with_balance(&app, 1_000).await?;
    let order = rp.buy("verify-1k").await?;
    assert_eq!(rp.withdraw(&order).await?.expect_status(200)?["state"], "withdrawn");
    assert_eq!(app.admin.balance(&rp).await?, 1_000_000_000);
    assert_eq!(app.admin.units(&rp, "person.verify").await?, 0);
    assert_eq!(app.admin.units(&rp, "face.liveness").await?, 0);
    assert_eq!(app.admin.account("deferred:packs").await?, 0);
    rp.withdraw(&order).await?.expect_status(200)?;
    assert_eq!(app.admin.balance(&rp).await?, 1_000_000_000);
    // Once in a lifetime is once, given back or not.
    assert_eq!(rp.buy("verify-1k").await?["with_gift"], false);
    app.charges().await?;
    Ok(())
}

#[actix_web::test]
async fn gifts_that_were_used_cost_what_the_list_says_when_the_order_is_given_back() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_with("Tower", &[], &["face.liveness"]).await?;
    pay_in(&app, &rp, 1_000).await?;
    let order = rp.buy("verify-1k").await?;
    let open = rp.liveness_session().await?;
    rp.judge_liveness(&open, &later_frames(), &fresh_key()).await?.expect_status(200)?;
    assert_eq!(app.admin.units(&rp, "face.liveness").await?, 99);
    rp.withdraw(&order).await?.expect_status(200)?;
    assert_eq!(app.admin.balance(&rp).await?, 1_000_000_000 - 182_000);
    assert_eq!(app.admin.account("revenue:face.liveness").await?, -182_000);
    assert_eq!(app.admin.account("deferred:packs").await?, 0);
    Ok(())
}

#[actix_web::test]
async fn an_order_that_was_used_stays() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_with("Tower", &[], &["face.liveness"]).await?;
    pay_in(&app, &rp, 2_000).await?;
    // Without gifts, which are drawn first.
    rp.withdraw(&rp.buy("liveness-10k").await?).await?.expect_status(200)?;
    let order = rp.buy("liveness-10k").await?;
    let open = rp.liveness_session().await?;
    rp.judge_liveness(&open, &later_frames(), &fresh_key()).await?.expect_status(200)?;
    assert_eq!(app.admin.units(&rp, "face.liveness").await?, 9_999);
    assert_eq!(rp.withdraw(&order).await?.refusal(), "409 order-used");
    Ok(())
}

#[actix_web::test]
async fn gifts_are_drawn_before_what_was_paid_for() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_with("Tower", &[], &["face.liveness"]).await?;
    pay_in(&app, &rp, 2_000).await?;
    let order = rp.buy("liveness-10k").await?;
    let open = rp.liveness_session().await?;
    rp.judge_liveness(&open, &later_frames(), &fresh_key()).await?.expect_status(200)?;
    assert_eq!(app.admin.units(&rp, "face.liveness").await?, 10_099);
    rp.withdraw(&order).await?.expect_status(200)?;
    assert_eq!(app.admin.units(&rp, "face.liveness").await?, 0);
    Ok(())
}

async fn promote(app: &TestApp, promotion: Value) -> anyhow::Result<()> {
    let mut promotion = promotion;
    promotion["valid_from"] = json!(app.clock_now());
    promotion["valid_until"] = json!(app.clock_now() + jiff::SignedDuration::from_hours(48));
    app.admin.post("/v1/admin/promotions", &promotion).await?.expect_status(201).map(drop)
}

#[actix_web::test]
async fn a_coupon_does_not_go_on_top_of_a_promotion_and_is_good_once() -> Test {
    let app = TestApp::start().await?;
    let rp = with_balance(&app, 10_000).await?;
    promote(&app, json!({ "id": "welcome", "amount": yuan(50), "coupon": "WELCOME", "offer": "verify-1k" }))
        .await?;
    let with_coupon = json!({ "offer": "verify-1k", "coupon": "WELCOME" });
    let quote = rp.quote(with_coupon.clone()).await?.expect_status(200)?;
    assert_eq!((&quote["total"], &quote["discount"]), (&yuan(900), &yuan(50)));
    let order = rp.order_as(with_coupon.clone()).await?.expect_status(201)?;
    assert_eq!(rp.order_as(with_coupon.clone()).await?.refusal(), "409 coupon-unusable");
    rp.cancel_order(&order).await?.expect_status(200)?;
    let order = rp.order_as(with_coupon.clone()).await?.expect_status(201)?;
    assert_eq!(rp.pay(&order).await?.expect_status(200)?["total"], yuan(900));
    // Given back, the coupon stays spent.
    rp.withdraw(&order).await?.expect_status(200)?;
    assert_eq!(rp.quote(with_coupon.clone()).await?.refusal(), "409 coupon-unusable");

    let other = app.relying_party().await?;
    promote(&app, json!({ "id": "autumn", "basis_points": 1000, "service": "person.verify" })).await?;
    assert_eq!(other.quote(json!({ "offer": "verify-1k" })).await?.expect_status(200)?["total"], yuan(855));
    assert_eq!(other.order_as(with_coupon).await?.refusal(), "409 coupon-not-stackable");
    assert_eq!(
        other.quote(json!({ "offer": "verify-1k", "coupon": "NONE" })).await?.refusal(),
        "409 coupon-unusable"
    );
    app.wait(48 * 3600);
    assert_eq!(other.quote(json!({ "offer": "verify-1k" })).await?.expect_status(200)?["total"], yuan(950));
    Ok(())
}

#[actix_web::test]
async fn a_wrong_promotion_is_refused() -> Test {
    let app = TestApp::start().await?;
    let now = app.clock_now();
    let until = now + jiff::SignedDuration::from_hours(1);
    let good = json!({ "id": "ten", "basis_points": 1000, "valid_from": now, "valid_until": until });
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    let cases = [
        (with("basis_points", json!(0)), "basis_points"),
        (with("basis_points", json!(10_001)), "basis_points"),
        (with("amount", yuan(1)), "basis_points"),
        (with("offer", json!("nothing")), "offer"),
        (with("service", json!("nothing")), "service"),
        (with("valid_until", json!(now)), "valid_until"),
        (with("id", json!("Ten %")), "id"),
    ];
    for (body, field) in cases {
        let answer = app.admin.post("/v1/admin/promotions", &body).await?;
        assert_eq!(
            (answer.refusal().as_str(), &answer.body["field"]),
            ("400 request-invalid", &json!(field))
        );
    }
    app.admin.post("/v1/admin/promotions", &good).await?.expect_status(201)?;
    assert_eq!(app.admin.post("/v1/admin/promotions", &good).await?.refusal(), "400 request-invalid");
    Ok(())
}

#[actix_web::test]
async fn a_wrong_order_is_refused_and_the_ledger_stays_as_it_is() -> Test {
    let app = TestApp::start().await?;
    let (rp, other) = (with_balance(&app, 10).await?, app.relying_party().await?);
    let before = app.admin.ledger().await?.body;
    let cases = [
        (json!({}), "400 request-invalid"),
        (json!({ "offer": "nothing" }), "400 request-invalid"),
        (json!({ "offer": "verify-1k", "quantity": 0 }), "400 request-invalid"),
        (json!({ "offer": "verify-1k", "quantity": -1 }), "400 request-invalid"),
        (json!({ "offer": "verify-1k", "quantity": 1.5 }), "400 request-invalid"),
        (json!({ "offer": "verify-1k", "quantity": 10_001 }), "400 request-invalid"),
        (json!({ "offer": "verify-1k", "quantity": 9_223_372_036_854_775_808_u64 }), "400 request-invalid"),
        (json!({ "offer": "verify-1k", "service": "face.compare" }), "400 request-invalid"),
        (json!({ "offer": "verify-1k", "price": 1 }), "400 request-invalid"),
    ];
    for (body, expected) in cases {
        assert_eq!(rp.order_as(body.clone()).await?.refusal(), expected, "{body}");
        assert_eq!(rp.quote(body.clone()).await?.refusal(), expected, "{body}");
    }
    let order = rp.order("verify-1k").await?;
    assert_eq!(rp.pay(&order).await?.refusal(), "402 balance-too-low");
    assert_eq!(rp.withdraw(&order).await?.refusal(), "409 order-closed");
    assert_eq!(other.pay(&order).await?.refusal(), "404 not-found");
    assert_eq!(other.cancel_order(&order).await?.refusal(), "404 not-found");
    assert_eq!(app.admin.ledger().await?.body, before);
    Ok(())
}
