//! Clocks of the sandbox: stopped, advanced, fought over, left half-way.

use ecert_server::flow::test_clocks;
use ecert_tests::app::{TestApp, execute};
use ecert_tests::clients::RelyingParty;
use ecert_tests::clients::buying::yuan;
use futures_util::future::{join, join_all};
use jiff::SignedDuration;
use serde_json::{Value, json};
use wallet_core::code::test_people::TestPerson;

use crate::sandbox::holds;

type Test = anyhow::Result<()>;

const DAY: SignedDuration = SignedDuration::from_hours(24);

#[actix_web::test]
async fn a_clock_goes_until_it_is_stopped_and_then_is_advanced_and_never_put_back() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    assert_eq!(rp.clock().await?["state"], "real");
    app.wait(60);
    assert_eq!(rp.time().await?, app.clock_now());
    assert_eq!(rp.advance_to(app.clock_now() + DAY).await?.refusal(), "400 request-invalid");
    assert_eq!(rp.stop_clock().await?.expect_status(200)?["state"], "ready");
    let stopped = app.clock_now();
    app.wait(60);
    assert_eq!(rp.time().await?, stopped);
    assert_eq!(rp.stop_clock().await?.expect_status(200)?["state"], "ready");
    rp.advance(DAY).await?;
    for there in [stopped, stopped + DAY - SignedDuration::from_micros(1), stopped + DAY * 500] {
        assert_eq!(rp.advance_to(there).await?.refusal(), "400 request-invalid");
    }
    rp.advance_to(stopped + DAY).await?.expect_status(200)?;
    assert_eq!(rp.time().await?, stopped + DAY);
    Ok(())
}

/// What a redemption costs now, or why there is none.
async fn cost(rp: &RelyingParty) -> anyhow::Result<String> {
    let answer = rp.meet(TestPerson::Passes).await?;
    let micros = &answer.body["charge"]["amount"]["micros"];
    Ok(if answer.status == 200 { micros.to_string() } else { answer.refusal() })
}

async fn announce(app: &TestApp, version: &str, micros: i64, hours: i64) -> Test {
    let valid_from = app.clock_now() + SignedDuration::from_hours(hours);
    let prices = [json!({ "service": "ecert.redeem", "micros": micros })];
    let list = json!({ "version": version, "valid_from": valid_from, "prices": prices });
    app.approved(app.admin.post("/v1/admin/prices", &list).await?).await.map(drop)
}

#[actix_web::test]
async fn a_use_costs_what_is_known_to_be_in_force_at_the_moment_of_the_clock() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    rp.stop_clock().await?.expect_status(200)?;
    rp.pay_in(10).await?;
    announce(&app, "list-2", 500_000, 10 * 24).await?;
    assert_eq!(cost(&rp).await?, "1000000");
    rp.advance(DAY * 11).await?;
    assert_eq!(cost(&rp).await?, "500000");
    // The real day has still to come, so it may be announced; the use before is not made dearer by it.
    announce(&app, "list-3", 700_000, 10 * 24 + 1).await?;
    assert_eq!(cost(&rp).await?, "700000");
    rp.advance(DAY * 2).await?;
    let bills = rp.get("/v1/statements").await?.expect_status(200)?;
    assert_eq!(bills["statements"][1]["amount"]["micros"], 1_200_000);
    crate::replay::agrees(&app).await
}

#[actix_web::test]
async fn how_a_service_is_billed_is_shown_as_of_the_clock() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    rp.stop_clock().await?.expect_status(200)?;
    let wanted = json!({ "service": "ecert.redeem", "cycle": "monthly" });
    app.admin.post("/v1/admin/billing-cycles", &wanted).await?.expect_status(201)?;
    let cycle = async || -> anyhow::Result<Value> {
        let shown = rp.get("/v1/prices").await?.expect_status(200)?;
        let mut cycles = shown["cycles"]["in_force"].as_array().into_iter().flatten();
        Ok(cycles
            .find(|one| one["service"] == "ecert.redeem")
            .map(|one| one["cycle"].clone())
            .unwrap_or_default())
    };
    assert_eq!(cycle().await?, "daily");
    rp.advance(DAY * 32).await?;
    assert_eq!(cycle().await?, "monthly");
    Ok(())
}

#[actix_web::test]
async fn a_cap_is_of_a_day_of_the_clock() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    rp.stop_clock().await?.expect_status(200)?;
    let cap = json!({ "scope": "relying_party", "kind": "hard", "amount": yuan(1) });
    rp.put("/v1/caps", &json!({ "caps": [cap] })).await?.expect_status(200)?;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    for _ in 0..3 {
        assert_eq!(cost(&rp).await?, "1000000");
        assert_eq!(cost(&rp).await?, "402 cap-reached");
        rp.advance(DAY).await?;
        rp.pay_in(1).await?;
    }
    crate::replay::agrees(&app).await
}

/// Nobody runs the job that goes on, but for this story.
async fn alone(app: &TestApp) -> Test {
    let until = i64::MAX / 2;
    execute(
        app.database(),
        &format!(
            "DELETE FROM jobs WHERE name = 'test_clocks'; \
             INSERT INTO jobs (name, leased_by, leased_until, due_at) VALUES ('test_clocks', 'nobody', {until}, {until})"
        ),
    )
}

#[actix_web::test]
async fn what_dies_on_the_way_is_gone_on_from() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    rp.stop_clock().await?.expect_status(200)?;
    alone(&app).await?;
    for _ in 0..2 {
        rp.meet(TestPerson::Passes).await?.expect_status(200)?;
        rp.advance(SignedDuration::from_hours(10)).await?;
    }
    let (at, to) = (rp.time().await?, rp.time().await? + DAY * 5);
    // As it is when the service was killed after the first commit.
    let micros = to.as_microsecond();
    execute(app.database(), &format!("UPDATE test_clocks SET target = {micros}, epoch = epoch + 1"))?;
    let clock = rp.clock().await?;
    assert_eq!((&clock["state"], clock["now"].as_str()), (&json!("advancing"), Some(&*at.to_string())));
    let refused = rp.redeem(&TestPerson::Passes.code().grouped()).await?;
    assert_eq!(refused.refusal(), "409 test-clock-advancing");
    assert_eq!(refused.headers["retry-after"], "1");
    let paid = json!({ "amount": yuan(1) });
    assert_eq!(rp.post_json("/v1/sandbox/payments", &paid).await?.refusal(), "409 test-clock-advancing");
    assert_eq!(rp.advance_to(to + DAY).await?.refusal(), "409 test-clock-advancing");
    let mut seen = vec![at];
    while rp.clock().await?["state"] == "advancing" {
        test_clocks::go_on_by(&app.context, 1)?;
        seen.push(rp.time().await?);
    }
    assert!(seen.is_sorted() && seen.len() >= 6, "{seen:?}");
    assert_eq!(rp.time().await?, to);
    let bills = rp.get("/v1/statements").await?.expect_status(200)?;
    let uses: i64 =
        bills["statements"].as_array().expect("bills").iter().filter_map(|one| one["uses"].as_i64()).sum();
    assert_eq!(uses, 2);
    crate::replay::agrees(&app).await?;
    holds(&app).await
}

#[actix_web::test]
async fn two_who_advance_one_clock_close_each_day_once() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    rp.stop_clock().await?.expect_status(200)?;
    rp.meet(TestPerson::Passes).await?.expect_status(200)?;
    let at = rp.time().await?;
    let targets = [DAY * 20, DAY * 20, DAY * 30, DAY * 25].map(|by| at + by);
    let answers = join_all(targets.map(|to| rp.advance_to(to))).await;
    for answer in answers {
        let refusal = answer?.refusal();
        let fits = ["200 -", "409 test-clock-advancing", "400 request-invalid"].contains(&refusal.as_str());
        assert!(fits, "{refusal}");
    }
    while rp.clock().await?["state"] == "advancing" {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(targets.contains(&rp.time().await?));
    let bills = rp.get("/v1/statements").await?.expect_status(200)?;
    assert_eq!(bills["statements"].as_array().map(Vec::len), Some(1));
    crate::replay::agrees(&app).await?;
    holds(&app).await
}

#[actix_web::test]
async fn uses_while_the_clock_is_advanced_are_billed_on_one_of_its_days() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    rp.stop_clock().await?.expect_status(200)?;
    let uses = async {
        let mut passed = 0;
        for _ in 0..12 {
            let answer = rp.meet(TestPerson::Passes).await?;
            match answer.refusal().as_str() {
                "200 -" => passed += 1,
                "409 test-clock-advancing" => {}
                other => anyhow::bail!("{other}"),
            }
        }
        anyhow::Ok(passed)
    };
    let days = async {
        for _ in 0..6 {
            rp.advance(SignedDuration::from_hours(30)).await?;
        }
        anyhow::Ok(())
    };
    let (passed, days) = join(uses, days).await;
    days?;
    rp.advance(DAY * 2).await?;
    let bills = rp.get("/v1/statements").await?.expect_status(200)?;
    let stated: i64 =
        bills["statements"].as_array().expect("bills").iter().filter_map(|one| one["uses"].as_i64()).sum();
    assert_eq!(stated, passed?);
    crate::replay::agrees(&app).await?;
    holds(&app).await
}

#[actix_web::test]
async fn a_sandbox_without_a_clock_of_its_own_lives_by_the_real_days() -> Test {
    let app = TestApp::start().await?;
    let (live, tests) = (app.relying_party().await?, app.admin.admit_to_the_sandbox().await?);
    tests.meet(TestPerson::Passes).await?.expect_status(200)?;
    app.wait(2 * 86_400);
    ecert_server::flow::statements::close_due(&app.context)?;
    test_clocks::close_due(&app.context)?;
    let bills = tests.get("/v1/statements").await?.expect_status(200)?;
    assert_eq!(
        (&bills["statements"][0]["uses"], &bills["statements"][0]["state"]),
        (&json!(1), &json!("owed"))
    );
    assert_eq!(live.get("/v1/statements").await?.expect_status(200)?["statements"], json!([]));
    assert_eq!(tests.clock().await?["state"], "real");
    crate::replay::agrees(&app).await?;
    holds(&app).await
}
