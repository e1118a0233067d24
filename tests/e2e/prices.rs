//! Prices are announced, never changed; what they are is no secret to relying parties.

use ecert_tests::app::TestApp;
use ecert_tests::clients::buying::yuan;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

type Test = anyhow::Result<()>;

fn list(version: &str, valid_from: Timestamp, service: &str, micros: Value) -> Value {
    json!({ "version": version, "valid_from": valid_from, "prices": [{ "service": service, "micros": micros }] })
}

async fn announce(app: &TestApp, list: &Value) -> anyhow::Result<String> {
    let answer = app.admin.post("/v1/admin/prices", list).await?;
    if answer.status == 202 {
        return Ok(app.approved(answer).await?["action"]["state"].as_str().unwrap_or("-").to_owned());
    }
    let field = answer.body["field"].as_str().unwrap_or("-").to_owned();
    Ok(format!("{} {field}", answer.status))
}

async fn in_force(app: &TestApp, service: &str) -> anyhow::Result<i64> {
    let rp = app.relying_party().await?;
    let quote = rp.quote(json!({ "service": service })).await?.expect_status(200)?;
    Ok(quote["total"]["micros"].as_i64().unwrap_or(-1))
}

#[actix_web::test]
async fn what_things_cost_is_listed_with_what_is_announced() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let at = app.clock_now() + SignedDuration::from_hours(24);
    assert_eq!(announce(&app, &list("list-2", at, "face.compare", json!(5_000))).await?, "done");
    let prices = rp.get("/v1/prices").await?.expect_status(200)?;
    let of = |part: &str, service: &str| -> Vec<i64> {
        let listed = prices[part].as_array().expect("a list");
        let of_it = listed.iter().filter(|price| price["service"] == service);
        of_it.filter_map(|price| price["price"]["micros"].as_i64()).collect()
    };
    assert_eq!((of("in_force", "face.compare"), of("announced", "face.compare")), (vec![6_000], vec![5_000]));
    assert_eq!(of("in_force", "person.verify"), [1_000_000]);
    let offers = prices["offers"].as_array().expect("a list");
    assert!(offers.iter().any(|offer| offer["id"] == "device-1y" && offer["price"] == yuan(399)));
    assert_eq!(app.admin.get("/v1/admin/prices").await?.expect_status(200)?, prices);
    assert_eq!(rp.get("/v1/admin/prices").await?.refusal(), "401 unauthenticated");
    Ok(())
}

#[actix_web::test]
async fn a_price_takes_effect_at_its_moment_and_not_before() -> Test {
    let app = TestApp::start().await?;
    let at = app.clock_now() + SignedDuration::from_hours(1);
    assert_eq!(announce(&app, &list("list-2", at, "face.compare", json!(5_000))).await?, "done");
    app.wait(3599);
    assert_eq!(in_force(&app, "face.compare").await?, 6_000);
    app.wait(1);
    assert_eq!(in_force(&app, "face.compare").await?, 5_000);
    Ok(())
}

#[actix_web::test]
async fn what_was_free_costs_something_after_ten_days_at_the_earliest() -> Test {
    let app = TestApp::start().await?;
    let in_days = |days: i64| app.clock_now() + SignedDuration::from_hours(24 * days);
    assert_eq!(announce(&app, &list("free", in_days(1), "face.search", json!(0))).await?, "done");
    let soon = list("soon", in_days(9), "face.search", json!(7_000));
    assert_eq!(announce(&app, &soon).await?, "400 valid_from");
    let later = list("later", in_days(10), "face.search", json!(7_000));
    assert_eq!(announce(&app, &later).await?, "done");
    Ok(())
}

#[actix_web::test]
async fn a_wrong_price_list_is_refused_and_changes_nothing() -> Test {
    let app = TestApp::start().await?;
    let (now, hour) = (app.clock_now(), SignedDuration::from_hours(1));
    let good = |version: &str, micros: Value| list(version, now + hour, "face.compare", micros);
    assert_eq!(announce(&app, &good("list-2", json!(5_000))).await?, "done");
    let mut dollars = good("list-3", json!(1));
    dollars["currency"] = json!("USD");
    let mut twice = good("list-3", json!(1));
    twice["prices"] =
        json!([{ "service": "face.search", "micros": 1 }, { "service": "face.search", "micros": 2 }]);
    let cases = [
        (good("list-3", json!(-1)), "400 micros"),
        (good("list-3", json!(10_000_000_000_001_i64)), "400 micros"),
        (good("list-3", json!(9_223_372_036_854_775_808_u64)), "400 body"),
        (good("list-3", json!(0.5)), "400 body"),
        (good("list-1", json!(1)), "400 version"),
        (good("List 3", json!(1)), "400 version"),
        (good("list-3", json!(1)), "400 valid_from"),
        (list("list-3", now, "face.search", json!(1)), "400 valid_from"),
        (list("list-3", now - hour, "face.search", json!(1)), "400 valid_from"),
        (list("list-3", now + hour, "face.look", json!(1)), "400 service"),
        (json!({ "version": "list-3", "valid_from": now + hour, "prices": [] }), "400 prices"),
        (dollars, "400 currency"),
        (twice, "400 prices"),
    ];
    for (body, expected) in cases {
        assert_eq!(announce(&app, &body).await?, expected, "{body}");
    }
    assert_eq!(in_force(&app, "face.compare").await?, 6_000);
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

fn offer(id: &str, units: i64, micros: i64) -> Value {
    let price = json!({ "currency": "CNY", "micros": micros });
    json!({ "id": id, "service": "face.compare", "kind": "pack", "units": units, "months": 12, "price": price })
}

#[actix_web::test]
async fn an_offer_is_added_ended_and_refused_when_it_is_wrong() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    app.admin.post("/v1/admin/offers", &offer("compare-5k", 5_000, 28_000_000)).await?.expect_status(201)?;
    let quote = rp.quote(json!({ "offer": "compare-5k", "quantity": 2 })).await?.expect_status(200)?;
    assert_eq!((&quote["total"], &quote["units"]), (&yuan(56), &json!(10_000)));
    assert_eq!(quote["per_unit"]["micros"], 5_600);

    let with = |name: &str, value: Value| {
        let mut changed = offer("compare-6k", 6_000, 30_000_000);
        changed[name] = value;
        changed
    };
    let cases = [
        (with("units", json!(0)), "units"),
        (with("months", json!(0)), "months"),
        (with("months", json!(121)), "months"),
        (with("price", json!({ "currency": "USD", "micros": 1 })), "price"),
        (with("price", json!({ "currency": "CNY", "micros": -1 })), "price"),
        (with("service", json!("face.look")), "service"),
        (with("kind", json!("barrel")), "kind"),
        (with("stock", json!(-1)), "stock"),
        (with("id", json!("Compare 6k")), "id"),
        (with("valid_from", json!("2020-01-01T00:00:00Z")), "valid_from"),
    ];
    for (body, field) in cases {
        let answer = app.admin.post("/v1/admin/offers", &body).await?;
        assert_eq!(
            (answer.refusal().as_str(), &answer.body["field"]),
            ("400 request-invalid", &json!(field))
        );
    }

    app.wait(1);
    let mut ended = offer("compare-5k", 5_000, 28_000_000);
    ended["stock"] = json!(0);
    app.admin.post("/v1/admin/offers", &ended).await?.expect_status(201)?;
    assert_eq!(rp.quote(json!({ "offer": "compare-5k" })).await?.refusal(), "409 offer-sold-out");
    Ok(())
}
