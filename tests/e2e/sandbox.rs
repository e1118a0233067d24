//! The sandbox: test people, and nothing of it among real people and real money.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ecert_server::flow::consistency::{Inspected, Samples, check};
use ecert_server::progress::Progress;
use ecert_server::store::consistency::Sample;
use ecert_tests::app::{TestApp, execute, later_frames};
use ecert_tests::clients::buying::yuan;
use ecert_tests::clients::sandbox::any_frames;
use ecert_tests::clients::{RelyingParty, fresh_key, root, text};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use wallet_core::attributes::Share;
use wallet_core::code::test_people::{NOBODY, TestPerson};
use wallet_core::receipt::Receipt;

type Test = anyhow::Result<()>;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// That `ecert db check` finds nothing.
pub(crate) async fn holds(app: &TestApp) -> Test {
    let root = root(&app.holder().issuer().await?)?;
    let ctx = &app.context;
    let inspected = Inspected {
        rps: &ctx.rp_store,
        holders: &ctx.holder_store,
        root: &root,
        vaults: ctx.vaults(),
        keep_days: None,
        now: app.clock_now(),
    };
    let samples = Samples { receipts: Sample::All, sealed: Sample::All };
    assert_eq!(check(&inspected, samples, &Progress::hidden())?.findings, []);
    Ok(())
}

/// A member of a token that nobody verifies here: 0 is the header, 1 the claims.
fn part(token: &Value, part: usize) -> anyhow::Result<Value> {
    let part = token.as_str().unwrap_or_default().split('.').nth(part).unwrap_or_default();
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
}

#[actix_web::test]
async fn each_test_person_has_the_outcome_that_is_documented() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    let expected = [
        (TestPerson::Passes, "200 passed"),
        (TestPerson::Fails, "200 failed face-mismatch"),
        (TestPerson::NotLive, "200 failed not-live"),
        (TestPerson::Minor, "200 passed"),
        (TestPerson::Unusable, "422 capture-unusable/dark"),
        (TestPerson::UnusableOnce, "422 capture-unusable/dark"),
        (TestPerson::TimesOut, "503 overloaded"),
        (TestPerson::Revoked, "410 certificate-revoked"),
        (TestPerson::Suspended, "403 certificate-suspended"),
        (TestPerson::Used, "409 code-already-redeemed"),
        (TestPerson::RevokedMeanwhile, "410 certificate-revoked"),
        (TestPerson::SharesAge, "200 passed"),
    ];
    for (person, expected) in expected {
        let answer = rp.meet(person).await?;
        let told = match (&answer.body["outcome"], &answer.body["judgement"]["reasons"][0]) {
            (Value::String(outcome), Value::String(reason)) => format!("200 {outcome} {reason}"),
            (Value::String(outcome), _) => format!("200 {outcome}"),
            _ => answer.refusal(),
        };
        assert_eq!(told, expected, "{person:?}");
    }
    assert_eq!(rp.redeem(&NOBODY.grouped()).await?.refusal(), "404 code-unknown");
    let documented = include_str!("../../docs/API.md");
    for code in TestPerson::ALL.map(TestPerson::code).into_iter().chain([NOBODY]) {
        assert!(documented.contains(&code.grouped()), "{code:?}");
    }
    // Five were judged, whatever it came to; nothing else costs.
    let today = app.context.today();
    let days = format!("/v1/usage?from={today}&to={}", today.tomorrow()?);
    let usage = rp.get(&days).await?.expect_status(200)?;
    assert_eq!(usage["usage"][0]["uses"], 5, "{usage}");
    crate::replay::agrees(&app).await?;
    holds(&app).await
}

#[actix_web::test]
async fn test_people_have_attributes_and_share_what_they_chose() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    let adult = rp.meet(TestPerson::Passes).await?.expect_status(200)?;
    assert_eq!(adult["attributes"]["birth_date"], "1990-03-07");
    assert_eq!(adult["attributes"]["over_18"], true);
    let child = rp.meet(TestPerson::Minor).await?.expect_status(200)?;
    assert_eq!(
        (&child["attributes"]["over_18"], &child["attributes"]["over_14"]),
        (&json!(false), &json!(false))
    );
    let shy = rp.meet(TestPerson::SharesAge).await?.expect_status(200)?;
    assert_eq!(shy["attributes"], json!({ "over_18": true, "over_14": true }));
    assert_ne!(adult["subject"], child["subject"]);
    Ok(())
}

#[actix_web::test]
async fn who_could_not_be_judged_may_be_captured_again_and_a_qr_is_as_good_as_digits() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    let open = rp.open(&TestPerson::UnusableOnce.code().qr_text()).await?;
    let first = rp.judge(&open, &any_frames()).await?;
    assert_eq!(first.refusal(), "422 capture-unusable/dark");
    assert_eq!(part(&first.body["receipt"], 1)?["not_charged"], "dark");
    let key = fresh_key();
    let second = rp.judge_with(&open, &any_frames(), &key).await?.expect_status(200)?;
    assert_eq!(rp.judge_with(&open, &any_frames(), &key).await?.expect_status(200)?, second);
    let dark = rp.open(&TestPerson::Unusable.code().qr_text()).await?;
    for _ in 0..3 {
        assert_eq!(rp.judge(&dark, &any_frames()).await?.status, 422);
    }
    assert_eq!(rp.judge(&dark, &any_frames()).await?.refusal(), "409 redemption-closed");
    holds(&app).await
}

#[actix_web::test]
async fn the_phone_of_a_test_person_answers_by_itself() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    let expected = [
        (TestPerson::Passes, json!({ "outcome": "passed" })),
        (TestPerson::Fails, json!({ "outcome": "failed" })),
        (TestPerson::UnusableOnce, json!({ "outcome": "passed" })),
        (TestPerson::PhoneRefuses, json!({ "state": "cancelled", "cancelled_by": "holder" })),
        (TestPerson::PhoneReports, json!({ "state": "cancelled", "cancelled_by": "holder" })),
        (TestPerson::PhoneSilent, json!({ "state": "awaiting_holder" })),
    ];
    for (person, expected) in expected {
        let asked = rp.ask_holder(&person.code().grouped()).await?.expect_status(201)?;
        assert_eq!((&asked["state"], asked["number"].is_string()), (&json!("awaiting_holder"), true));
        let id = text(&asked, "/id")?;
        let shown = rp.get(&format!("/v1/redemptions/{id}")).await?.expect_status(200)?;
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(shown[name], *value, "{person:?}: {shown}");
        }
    }
    crate::replay::agrees(&app).await?;
    holds(&app).await
}

#[actix_web::test]
async fn what_is_signed_in_the_sandbox_says_so_and_passes_for_nothing_else() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    let passed = rp.meet(TestPerson::Passes).await?.expect_status(200)?;
    let types = [("receipt", "ecert-sandbox-receipt+jwt"), ("result", "ecert-sandbox-result+jwt")];
    for (name, typ) in types {
        assert_eq!(part(&passed[name], 0)?["typ"], typ);
        assert_eq!(part(&passed[name], 1)?["sandbox"], true);
    }
    let (issuer, now) = (root(&app.holder().issuer().await?)?, app.clock_now());
    let receipt = passed["receipt"].as_str().unwrap_or_default();
    assert!(Receipt::verify(receipt, &issuer, now).is_err());
    assert!(Receipt::verify_sandbox(receipt, &issuer, now)?.sandbox);
    // There is evidence for what real relying parties did, and none of this.
    let kept =
        rp.get(&format!("/v1/redemptions/{}/receipt", text(&passed, "/id")?)).await?.expect_status(200)?;
    assert_eq!((kept["receipts"].as_array().map(Vec::len), &kept["log"]), (Some(1), &json!([])));
    Ok(())
}

#[actix_web::test]
async fn the_verifier_takes_receipts_of_the_sandbox_when_it_is_told_and_only_such() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    let folder = tempfile::tempdir()?;
    let receipt = text(&rp.meet(TestPerson::Passes).await?.expect_status(200)?, "/receipt")?;
    std::fs::write(folder.path().join("receipt.jws"), receipt)?;
    std::fs::write(folder.path().join("root.der"), root(&app.holder().issuer().await?)?)?;
    let verify = |more: &[&str]| {
        let mut command = std::process::Command::new(ecert_tests::service::binary()?);
        command.current_dir(&folder).args(["receipts", "verify", "--root", "root.der", "receipt.jws"]);
        Ok::<_, anyhow::Error>(command.args(more).output()?.status.success())
    };
    assert!(!verify(&[])?);
    assert!(verify(&["--sandbox"])?);
    Ok(())
}

#[actix_web::test]
async fn a_key_of_one_mode_is_none_of_the_other() -> Test {
    let app = TestApp::start().await?;
    let (live, tests) = (app.relying_party().await?, app.admin.admit_to_the_sandbox().await?);
    assert!(live.api_key.starts_with("ek_live_") && tests.api_key.starts_with("ek_test_"));
    for (rp, from, to) in [(&live, "ek_live_", "ek_test_"), (&tests, "ek_test_", "ek_live_")] {
        rp.get("/v1/balance").await?.expect_status(200)?;
        let disguised = RelyingParty::new(&app.base, &rp.id, &rp.api_key.replace(from, to));
        assert_eq!(disguised.get("/v1/balance").await?.refusal(), "401 unauthenticated");
    }
    let wrong = json!({ "name": "x", "purposes": [], "services": [], "mode": "both" });
    assert_eq!(app.admin.post("/v1/admin/relying-parties", &wrong).await?.refusal(), "400 request-invalid");
    Ok(())
}

#[actix_web::test]
async fn the_sandbox_meets_no_real_person_and_real_relying_parties_no_test_person() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.enrolled().await?;
    let (live, tests) = (app.relying_party().await?, app.admin.admit_to_the_sandbox().await?);
    let (qr, digits) = (holder.qr(Share::Full)?, holder.digits("full").await?);
    for _ in 0..7 {
        // Never limited: there is nothing to be guessed.
        assert_eq!(tests.redeem(&digits).await?.refusal(), "404 code-unknown");
    }
    assert_eq!(tests.redeem(&qr).await?.refusal(), "404 code-unknown");
    let greedy = json!({ "code": qr, "purpose": "check", "attributes": ["address"] });
    assert_eq!(tests.redeem_with(greedy, &fresh_key()).await?.refusal(), "403 attribute-not-allowed");
    let log = holder.get("/v1/me/redemptions").await?.expect_status(200)?;
    assert_eq!((&log["redemptions"], &log["over_asked"]), (&json!([]), &json!([])));
    for person in TestPerson::ALL {
        assert_eq!(live.redeem(&person.code().grouped()).await?.refusal(), "404 code-unknown");
    }
    assert_eq!(live.redeem(&TestPerson::Passes.code().qr_text()).await?.refusal(), "404 code-unknown");
    // Both codes are as good as before.
    assert_eq!(live.visit(&qr, &later_frames()).await?.expect_status(200)?["outcome"], "passed");
    assert_eq!(live.visit(&digits, &later_frames()).await?.expect_status(200)?["outcome"], "passed");
    tests.meet(TestPerson::Passes).await?.expect_status(200)?;
    assert_eq!(app.charges().await?, 2);
    holds(&app).await
}

#[actix_web::test]
async fn what_is_for_one_mode_is_refused_in_the_other() -> Test {
    let app = TestApp::start().await?;
    let (live, tests) = (app.relying_party().await?, app.admin.admit_to_the_sandbox().await?);
    assert_eq!(live.get("/v1/test-clock").await?.refusal(), "403 sandbox-only");
    assert_eq!(live.stop_clock().await?.refusal(), "403 sandbox-only");
    assert_eq!(live.advance_to(app.clock_now()).await?.refusal(), "403 sandbox-only");
    let paid = json!({ "amount": yuan(1) });
    assert_eq!(live.post_json("/v1/sandbox/payments", &paid).await?.refusal(), "403 sandbox-only");
    assert_eq!(tests.post_json("/v1/sponsorships", &json!({})).await?.refusal(), "403 live-only");
    let services = ["person.verify", "face.liveness"];
    let verifies = app.admin.admit_to_the_sandbox_with(&services).await?;
    let (open, card) = (verifies.liveness_session().await?, ecert_tests::app::card());
    let answer = verifies.verify_person(&open, [&card.front, &card.back], &later_frames()).await?;
    assert_eq!(answer.refusal(), "403 live-only");
    Ok(())
}

#[actix_web::test]
async fn real_money_and_stock_stay_out_of_the_sandbox() -> Test {
    let app = TestApp::start().await?;
    let tests = app.admin.admit_to_the_sandbox().await?;
    let transfer =
        json!({ "rp": tests.id, "reference": "T1", "amount": yuan(5), "received_at": app.clock_now() });
    assert_eq!(app.admin.record_transfer(transfer).await?.refusal(), "400 request-invalid");
    let offer = json!({ "id": "last-one", "service": "ecert.redeem", "kind": "pack", "units": 3, "months": 1,
        "price": yuan(3), "stock": 1 });
    app.admin.post("/v1/admin/offers", &offer).await?.expect_status(201)?;
    let payment = tests.pay_in(10).await?;
    assert_eq!(app.admin.ask_refund(&payment, 1_000_000).await?.refusal(), "409 refund-not-possible");
    tests.buy("last-one").await?;
    tests.buy("last-one").await?;
    let prices = tests.get("/v1/prices").await?.expect_status(200)?;
    let mut offers = prices["offers"].as_array().expect("offers").iter();
    assert!(offers.any(|one| one["id"] == "last-one" && one["stock"] == 1));
    let nothing = json!({ "amount": yuan(0) });
    assert_eq!(tests.post_json("/v1/sandbox/payments", &nothing).await?.refusal(), "400 request-invalid");
    let (key, paid) = (fresh_key(), json!({ "amount": yuan(1) }));
    let twice = join_all([0, 1].map(|_| tests.post_json_with("/v1/sandbox/payments", &paid, &key))).await;
    let [one, other] = &twice[..] else { anyhow::bail!("two") };
    assert_eq!(one.as_ref().ok().map(|one| &one.body["id"]), other.as_ref().ok().map(|one| &one.body["id"]));
    let balance = tests.get("/v1/balance").await?.expect_status(200)?;
    assert_eq!(balance["balance"], yuan(5));
    assert_eq!(app.charges().await?, 0);
    crate::replay::agrees(&app).await?;
    holds(&app).await
}

#[actix_web::test]
async fn other_services_do_their_work_in_the_sandbox_and_their_receipts_say_where() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox_with(&["face.compare", "face.liveness"]).await?;
    rp.stop_clock().await?.expect_status(200)?;
    rp.advance(DAY * 3).await?;
    let picture = &later_frames()[0];
    let compared = rp.compare(picture, picture).await?.expect_status(200)?;
    let claims = part(&compared["receipt"], 1)?;
    assert_eq!((&claims["sandbox"], &claims["iat"]), (&json!(true), &json!(rp.time().await?.as_second())));
    let open = rp.liveness_session().await?;
    assert_eq!(rp.judge_liveness(&open, &later_frames(), &fresh_key()).await?.status, 200);
    rp.advance(DAY * 2).await?;
    assert_eq!(rp.get("/v1/statements").await?.expect_status(200)?["statements"][0]["uses"], 2);
    crate::replay::agrees(&app).await?;
    holds(&app).await
}

#[actix_web::test]
async fn a_check_notices_when_the_sandbox_and_real_people_have_met() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    rp.meet(TestPerson::Passes).await?.expect_status(200)?;
    holds(&app).await?;
    execute(app.database(), "UPDATE relying_parties SET sandbox = 0")?;
    assert!(holds_not(&app, "test-person-redeemed-live").await?);
    Ok(())
}

async fn holds_not(app: &TestApp, finding: &str) -> anyhow::Result<bool> {
    let root = root(&app.holder().issuer().await?)?;
    let ctx = &app.context;
    let (rps, holders, vaults) = (&ctx.rp_store, &ctx.holder_store, ctx.vaults());
    let inspected = Inspected { rps, holders, root: &root, vaults, keep_days: None, now: Timestamp::now() };
    let samples = Samples { receipts: Sample::All, sealed: Sample::All };
    let found = check(&inspected, samples, &Progress::hidden())?.findings;
    Ok(found.iter().any(|one| one.check == finding))
}
