//! A relying party redeems a code.

use ecert_server::edge::clock::Clock as _;
use ecert_server::flow::retention;
use ecert_tests::app::{TestApp, later_frames, samples, stranger_frames};
use ecert_tests::clients::{fresh_key, root};
use ecert_tests::samples::variants;
use futures_util::future::join_all;
use serde_json::{Value, json};
use wallet_core::attributes::Share;
use wallet_core::receipt::Receipt;

use crate::third_party::{typ, verified};

type Test = anyhow::Result<()>;

fn landscape() -> anyhow::Result<Vec<Vec<u8>>> {
    variants(samples().landscape(), 2)
}

#[actix_web::test]
async fn a_qr_passes_gives_exactly_what_was_shared_and_is_charged_once() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let answer = rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    assert_eq!(answer["outcome"], "passed");
    assert_eq!(answer["attributes"], json!({ "over_18": true, "name": "林知远" }));
    assert_eq!(answer["assurance_level"], "IAL2");
    assert_eq!(answer["charge"]["amount"], json!({ "currency": "CNY", "micros": 1_000_000 }));
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn the_answers_have_the_documented_form() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    let unusable = rp.judge(&open, &landscape()?).await?.expect_status(422)?;
    insta::assert_json_snapshot!("unusable", unusable, { ".receipt" => "[JWS]" });
    let judged = rp.judge(&open, &later_frames()).await?.expect_status(200)?;
    insta::assert_json_snapshot!("judged", judged, {
        ".id" => "[red_]", ".subject" => "[sub_]", ".receipt" => "[JWS]", ".result" => "[JWS]", ".model" => "[model]",
        ".charge.id" => "[chg_]", ".charge.period" => "[day]", ".charge.transaction" => "[ltx_]", ".judgement.comparison_score" => "[score]",
        ".judgement.comparison_threshold" => "[threshold]", ".judgement.comparison_models" => "[models]",
        ".judgement.continuity" => "[score]", ".judgement.liveness" => "[score]", ".thresholds.comparison" => "[threshold]",
        ".thresholds.continuity" => "[threshold]", ".thresholds.live" => "[threshold]", ".thresholds.search" => "[threshold]",
    });
    Ok(())
}

#[actix_web::test]
async fn sixteen_digits_pass_and_are_charged() -> Test {
    let app = TestApp::start().await?;
    let (holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let answer = rp.visit(&holder.digits("full").await?, &later_frames()).await?.expect_status(200)?;
    assert_eq!(answer["outcome"], "passed");
    assert_eq!(answer["attributes"].as_object().map(serde_json::Map::len), Some(7));
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn a_purpose_gets_no_more_than_it_registered_however_much_is_shared() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.enrolled().await?;
    let bar = app.admin.admit("Bar", &["over_18"]).await?;
    let answer = bar.visit(&holder.qr(Share::Full)?, &later_frames()).await?.expect_status(200)?;
    assert_eq!(answer["attributes"], json!({ "over_18": true }));

    let body =
        json!({ "code": holder.qr(Share::Full)?, "purpose": "check", "attributes": ["over_18", "name"] });
    assert_eq!(bar.redeem_with(body, &fresh_key()).await?.refusal(), "403 attribute-not-allowed");
    let body = json!({ "code": holder.qr(Share::Full)?, "purpose": "marketing" });
    assert_eq!(bar.redeem_with(body, &fresh_key()).await?.refusal(), "403 purpose-not-registered");
    Ok(())
}

#[actix_web::test]
async fn two_relying_parties_know_the_holder_by_different_subjects() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.enrolled().await?;
    let (a, b) = (app.relying_party().await?, app.relying_party().await?);
    let mut subjects = Vec::new();
    for rp in [&a, &b, &a] {
        let answer = rp.visit(&holder.qr(Share::Over18)?, &later_frames()).await?.expect_status(200)?;
        subjects.push(answer["subject"].clone());
    }
    assert!(subjects[0] == subjects[2] && subjects[0] != subjects[1]);
    Ok(())
}

#[actix_web::test]
async fn a_stranger_with_a_stolen_code_fails_learns_nothing_and_it_is_charged() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let answer = rp.visit(&holder.qr(Share::Full)?, &stranger_frames()?).await?.expect_status(200)?;
    assert_eq!(answer["outcome"], "failed");
    assert_eq!(answer["judgement"]["reasons"][0], "face-mismatch");
    assert_eq!((answer["attributes"].clone(), answer.get("subject")), (json!({}), None));
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn what_can_not_be_judged_costs_nothing_and_may_be_tried_again() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    let unusable = rp.judge(&open, &landscape()?).await?;
    assert_eq!(unusable.refusal(), "422 capture-unusable/no-face");
    assert_eq!(unusable.body["billable"], false);
    let issuer = holder.issuer().await?;
    let receipt = verified(unusable.body["receipt"].as_str().unwrap(), &issuer)?;
    assert_eq!((&receipt["outcome"], &receipt["not_charged"]), (&json!("unusable"), &json!("no-face")));
    assert_eq!(app.charges().await?, 0);

    assert_eq!(rp.judge(&open, &later_frames()).await?.expect_status(200)?["outcome"], "passed");
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn a_redemption_closes_after_three_captures_that_can_not_be_judged() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    for _ in 0..3 {
        rp.judge(&open, &landscape()?).await?.expect_status(422)?;
    }
    assert_eq!(rp.judge(&open, &later_frames()).await?.refusal(), "409 redemption-closed");
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

#[actix_web::test]
async fn a_code_is_redeemed_once_whichever_kind_it_is() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    for code in [holder.qr(Share::Name)?, holder.digits("name").await?] {
        rp.redeem(&code).await?.expect_status(201)?;
        assert_eq!(rp.redeem(&code).await?.refusal(), "409 code-already-redeemed");
    }
    Ok(())
}

#[actix_web::test]
async fn the_same_key_gives_the_same_answer_and_no_second_charge() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (key, body) = (fresh_key(), json!({ "code": holder.qr(Share::Name)?, "purpose": "check" }));
    let first = rp.redeem_with(body.clone(), &key).await?.expect_status(201)?;
    assert_eq!(rp.redeem_with(body, &key).await?.expect_status(201)?, first);

    let open = rp.open(&holder.qr(Share::Name)?).await?;
    let key = fresh_key();
    let first = rp.judge_with(&open, &later_frames(), &key).await?.expect_status(200)?;
    assert_eq!(rp.judge_with(&open, &later_frames(), &key).await?.expect_status(200)?, first);
    assert_eq!(app.charges().await?, 1);

    let other = rp.judge_with(&open, &stranger_frames()?, &key).await?;
    assert_eq!(other.refusal(), "422 idempotency-key-reused");
    assert_eq!(rp.judge(&open, &later_frames()).await?.refusal(), "409 redemption-closed");
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn another_code_under_a_used_key_is_refused_and_stays_good() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let key = fresh_key();
    let of = |code: &str| json!({ "code": code, "purpose": "check" });
    rp.redeem_with(of(&holder.qr(Share::Name)?), &key).await?.expect_status(201)?;
    for code in [holder.qr(Share::Name)?, holder.digits("name").await?] {
        assert_eq!(rp.redeem_with(of(&code), &key).await?.refusal(), "422 idempotency-key-reused");
        rp.redeem(&code).await?.expect_status(201)?;
    }
    Ok(())
}

#[actix_web::test]
async fn the_same_request_is_answered_the_same_when_its_code_has_long_expired() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (key, body) = (fresh_key(), json!({ "code": holder.qr(Share::Name)?, "purpose": "check" }));
    let first = rp.redeem_with(body.clone(), &key).await?.expect_status(201)?;
    app.wait(3600);
    assert_eq!(rp.redeem_with(body.clone(), &key).await?.expect_status(201)?, first);
    assert_eq!(rp.redeem_with(body, &fresh_key()).await?.refusal(), "404 code-unknown");
    Ok(())
}

#[actix_web::test]
async fn one_code_offered_by_many_at_once_is_redeemed_by_one() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    for code in [holder.qr(Share::Name)?, holder.digits("name").await?] {
        let answers = join_all((0..16).map(|_| rp.redeem(&code))).await;
        let statuses: Vec<u16> =
            answers.into_iter().map(|answer| answer.map(|a| a.status)).collect::<Result<_, _>>()?;
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 15, "{statuses:?}");
    }
    Ok(())
}

#[actix_web::test]
async fn captures_sent_at_once_are_charged_once() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    let (key, frames) = (fresh_key(), later_frames());
    let same_key = join_all((0..4).map(|_| rp.judge_with(&open, &frames, &key)));
    let other_keys = join_all((0..4).map(|_| rp.judge(&open, &frames)));
    let (same_key, other_keys) = futures_util::future::join(same_key, other_keys).await;
    let mut given = Vec::new();
    for answer in same_key.into_iter().chain(other_keys) {
        let answer = answer?;
        given.extend((answer.status == 200).then(|| answer.body.clone()));
        let refusals = ["409 request-in-progress", "409 redemption-closed"];
        assert!(answer.status == 200 || refusals.contains(&answer.refusal().as_str()), "{answer:?}");
    }
    assert!(!given.is_empty() && given.iter().all(|answer| *answer == given[0]));
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn receipts_are_verified_offline_by_our_library_and_by_somebody_elses() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let issuer = holder.issuer().await?;
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    let answer = rp.judge(&open, &later_frames()).await?.expect_status(200)?;
    let token = answer["receipt"].as_str().unwrap();

    let receipt = Receipt::verify(token, &root(&issuer)?, app.clock.now())?;
    assert_eq!(receipt.charge.unwrap().amount.micros.get(), 1_000_000);
    assert_eq!(
        (typ(token)?.as_str(), verified(token, &issuer)?["redemption"].clone()),
        ("ecert-receipt+jwt", json!(open.id))
    );
    let result = verified(answer["result"].as_str().unwrap(), &issuer)?;
    assert_eq!((&result["sub"], &result["aud"]), (&answer["subject"], &json!(rp.id)));

    let kept = rp.get(&format!("/v1/redemptions/{}/receipt", open.id)).await?.expect_status(200)?;
    assert_eq!(kept["receipts"], json!([token]));
    let root_of_another = { root(&TestApp::start().await?.holder().issuer().await?)? };
    assert!(Receipt::verify(token, &root_of_another, app.clock.now()).is_err());
    Ok(())
}

#[actix_web::test]
async fn an_answer_can_be_read_for_three_days_by_its_relying_party_only() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp, other) =
        (app.enrolled().await?, app.relying_party().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    assert_eq!(rp.show(&open).await?.expect_status(200)?["state"], "challenged");
    let answer = rp.judge(&open, &later_frames()).await?.expect_status(200)?;
    assert_eq!(rp.show(&open).await?.expect_status(200)?, answer);
    assert_eq!(other.show(&open).await?.refusal(), "404 not-found");
    app.wait(72 * 3600 + 1);
    assert_eq!(rp.show(&open).await?.refusal(), "404 not-found");
    retention::forget(&app.context)?;
    assert_eq!(rp.show(&open).await?.refusal(), "404 not-found");
    let kept = rp.get(&format!("/v1/redemptions/{}/receipt", open.id)).await?.expect_status(200)?;
    assert_eq!(kept["receipts"], json!([answer["receipt"]]));
    Ok(())
}

#[actix_web::test]
async fn expired_pictures_of_a_qr_shut_nobody_out() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let old = holder.qr(Share::Name)?;
    app.wait(91);
    for _ in 0..7 {
        assert_eq!(rp.redeem(&old).await?.refusal(), "404 code-unknown");
    }
    rp.redeem(&holder.qr(Share::Name)?).await?.expect_status(201)?;
    rp.redeem(&holder.digits("name").await?).await?.expect_status(201)?;
    Ok(())
}

#[actix_web::test]
async fn an_abandoned_redemption_expires_and_is_not_charged() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    app.wait(121);
    assert_eq!(rp.judge(&open, &later_frames()).await?.refusal(), "409 redemption-closed");
    assert_eq!(rp.show(&open).await?.expect_status(200)?["state"], "expired");
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

#[actix_web::test]
async fn a_relying_party_that_guesses_codes_is_slowed_down() -> Test {
    let app = TestApp::start().await?;
    let (holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    for _ in 0..5 {
        assert_eq!(rp.redeem(&guess()).await?.refusal(), "404 code-unknown");
    }
    let slowed = rp.redeem(&guess()).await?;
    assert_eq!(slowed.refusal(), "429 rate-limited");
    assert!(slowed.headers.contains_key("retry-after"));
    assert_eq!(rp.redeem(&holder.digits("name").await?).await?.refusal(), "429 rate-limited");
    app.wait(60);
    rp.redeem(&holder.digits("name").await?).await?.expect_status(201)?;
    Ok(())
}

#[actix_web::test]
async fn a_hundred_wrong_codes_a_day_are_enough() -> Test {
    let app = TestApp::start().await?;
    let (holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let midnight = 86_400 - app.clock.now().as_second().rem_euclid(86_400);
    app.wait(midnight);
    for _ in 0..20 {
        for _ in 0..5 {
            assert_eq!(rp.redeem(&guess()).await?.refusal(), "404 code-unknown");
        }
        app.wait(60);
    }
    assert_eq!(rp.redeem(&holder.digits("name").await?).await?.refusal(), "429 rate-limited");
    app.wait(86_400);
    rp.redeem(&holder.digits("name").await?).await?.expect_status(201)?;
    Ok(())
}

fn guess() -> String {
    wallet_core::code::numeric::NumericCode::mint(&mut rand::rng()).digits()
}

#[actix_web::test]
async fn idempotency_keys_are_required_wherever_money_may_move() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let body: Value = json!({ "code": holder.qr(Share::Name)?, "purpose": "check" });
    for key in ["", &"x".repeat(65)] {
        assert_eq!(rp.redeem_with(body.clone(), key).await?.refusal(), "400 idempotency-key-missing");
    }
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    assert_eq!(rp.judge_with(&open, &later_frames(), "").await?.refusal(), "400 idempotency-key-missing");
    Ok(())
}

#[actix_web::test]
async fn a_redemption_is_judged_for_its_relying_party_only() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp, other) =
        (app.enrolled().await?, app.relying_party().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    assert_eq!(other.judge(&open, &later_frames()).await?.refusal(), "404 not-found");
    assert_eq!(app.charges().await?, 0);
    Ok(())
}
