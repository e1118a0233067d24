//! A relying party asks, and the holder agrees on their own phone.

use ecert_tests::app::{TestApp, later_frames, samples, stranger_frames};
use ecert_tests::clients::{Answer, Holder, RelyingParty, fresh_key, nonce, text};
use ecert_tests::samples::variants;
use futures_util::future::{join, join_all};
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate as _;
use serde_json::{Value, json};
use wallet_core::attributes::Share;

type Test = anyhow::Result<()>;

/// A relying party asks a holder; its id, and the number that it shows.
async fn asked(holder: &mut Holder, rp: &RelyingParty) -> anyhow::Result<(String, String)> {
    let opened = rp.ask_holder(&holder.qr(Share::Name)?).await?.expect_status(201)?;
    Ok((text(&opened, "/id")?, text(&opened, "/number")?))
}

/// The holder agrees; what their capture must be bound to.
async fn agreed(holder: &mut Holder, rp: &RelyingParty) -> anyhow::Result<(String, [u8; 16])> {
    let (id, number) = asked(holder, rp).await?;
    let agreed = holder.agree(&id, &number).await?.expect_status(200)?;
    Ok((id, nonce(&agreed, "/challenge/nonce")?))
}

async fn state(rp: &RelyingParty, id: &str) -> anyhow::Result<Value> {
    let shown = rp.get(&format!("/v1/redemptions/{id}")).await?.expect_status(200)?;
    Ok(shown.get("state").or(shown.get("outcome")).cloned().unwrap_or_default())
}

fn wrong(number: &str) -> &'static str {
    if number == "42" { "43" } else { "42" }
}

#[actix_web::test]
async fn a_holder_agrees_shows_their_face_and_the_relying_party_is_charged_once() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let amount = json!({ "currency": "CNY", "micros": 12_340_000 });
    let body =
        json!({ "code": holder.qr(Share::Name)?, "purpose": "check", "capture": "holder", "amount": amount });
    let opened = rp.redeem_with(body, &fresh_key()).await?.expect_status(201)?;
    assert_eq!((&opened["state"], opened.get("challenge")), (&json!("awaiting_holder"), None));
    let (id, number) = (text(&opened, "/id")?, text(&opened, "/number")?);

    let screen = holder.redemption(&id).await?.expect_status(200)?;
    assert_eq!(screen["relying_party"], json!({ "id": rp.id, "name": "Corner Shop" }));
    assert_eq!((&screen["purpose"], &screen["amount"]), (&json!("check"), &amount));
    assert_eq!(
        (screen["asked"].as_array().map(Vec::len), &screen["given"]),
        (Some(7), &json!(["over_18", "name"]))
    );
    assert!(screen.get("number").is_none() && screen.get("challenge").is_none());

    let agreed = holder.agree(&id, &number).await?.expect_status(200)?;
    let nonce = nonce(&agreed, "/challenge/nonce")?;
    let told = holder.show_face(&id, &nonce, &later_frames()).await?.expect_status(200)?;
    assert_eq!(told, json!({ "id": id, "outcome": "passed", "given": ["over_18", "name"] }));
    let answer = rp.get(&format!("/v1/redemptions/{id}")).await?.expect_status(200)?;
    assert_eq!(answer["attributes"], json!({ "over_18": true, "name": "林知远" }));
    let receipts = rp.get(&format!("/v1/redemptions/{id}/receipt")).await?.expect_status(200)?;
    assert_eq!(receipts["receipts"], json!([answer["receipt"]]));
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn what_is_asked_answered_or_shown_twice_is_done_once() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let key = fresh_key();
    let body = json!({ "code": holder.qr(Share::Name)?, "purpose": "check", "capture": "holder" });
    let opened = rp.redeem_with(body.clone(), &key).await?.expect_status(201)?;
    let (id, number) = (text(&opened, "/id")?, text(&opened, "/number")?);
    let first = holder.agree(&id, &number).await?.expect_status(200)?;
    assert_eq!(holder.agree(&id, &number).await?.expect_status(200)?, first);
    let nonce = nonce(&first, "/challenge/nonce")?;
    let told = holder.show_face(&id, &nonce, &later_frames()).await?.expect_status(200)?;
    assert_eq!(holder.show_face(&id, &nonce, &later_frames()).await?.expect_status(200)?, told);
    assert_eq!(rp.redeem_with(body, &key).await?.expect_status(201)?, opened);
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn a_stranger_with_the_holders_phone_fails_and_a_landscape_may_be_tried_again_twice() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (id, nonce) = agreed(&mut holder, &rp).await?;
    let landscape = variants(samples().landscape(), 2)?;
    let unusable = holder.show_face(&id, &nonce, &landscape).await?;
    assert_eq!(
        (unusable.refusal(), unusable.body.get("receipt")),
        ("422 capture-unusable/no-face".to_owned(), None)
    );
    assert_eq!(app.charges().await?, 0);
    let told = holder.show_face(&id, &nonce, &stranger_frames()?).await?.expect_status(200)?;
    assert_eq!((&told["outcome"], &told["given"]), (&json!("failed"), &json!([])));
    assert_eq!((state(&rp, &id).await?, app.charges().await?), (json!("failed"), 1));
    Ok(())
}

#[actix_web::test]
async fn three_wrong_numbers_close_an_approval() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (id, number) = asked(&mut holder, &rp).await?;
    for _ in 0..3 {
        assert_eq!(holder.agree(&id, wrong(&number)).await?.refusal(), "422 number-mismatch");
    }
    assert_eq!(holder.agree(&id, &number).await?.refusal(), "409 redemption-closed");
    assert_eq!(state(&rp, &id).await?, "cancelled");
    let (id, number) = asked(&mut holder, &rp).await?;
    assert_eq!(holder.agree(&id, wrong(&number)).await?.refusal(), "422 number-mismatch");
    holder.agree(&id, &number).await?.expect_status(200)?;
    for number in ["", "7", "+7", "777"] {
        assert_eq!(holder.agree(&id, number).await?.refusal(), "400 request-invalid");
    }
    Ok(())
}

#[actix_web::test]
async fn the_holder_refuses_or_reports_and_the_relying_party_is_told_cancelled() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    for (decision, seen) in [("refuse", "refused"), ("report", "reported")] {
        let (id, number) = asked(&mut holder, &rp).await?;
        for _ in 0..2 {
            let decided = holder.decide(&id, &json!({ "decision": decision })).await?.expect_status(200)?;
            assert_eq!(decided["state"], "cancelled");
        }
        assert_eq!(holder.agree(&id, &number).await?.refusal(), "409 redemption-closed");
        let told = rp.get(&format!("/v1/redemptions/{id}")).await?.expect_status(200)?;
        assert_eq!((&told["state"], &told["cancelled_by"]), (&json!("cancelled"), &json!("holder")));
        assert_eq!(holder.redemption(&id).await?.expect_status(200)?["cancelled"], seen);
    }
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

#[actix_web::test]
async fn a_relying_party_takes_back_what_is_open_and_nothing_else() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp, other) =
        (app.enrolled().await?, app.relying_party().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    assert_eq!(other.cancel(&open.id).await?.refusal(), "404 not-found");
    let cancelled = rp.cancel(&open.id).await?.expect_status(200)?;
    assert_eq!(
        (&cancelled["state"], &cancelled["cancelled_by"]),
        (&json!("cancelled"), &json!("relying_party"))
    );
    assert_eq!(rp.cancel(&open.id).await?.expect_status(200)?, cancelled);
    assert_eq!(rp.judge(&open, &later_frames()).await?.refusal(), "409 redemption-closed");
    let (id, number) = asked(&mut holder, &rp).await?;
    rp.cancel(&id).await?.expect_status(200)?;
    assert_eq!(holder.agree(&id, &number).await?.refusal(), "409 redemption-closed");
    assert_eq!(app.charges().await?, 0);

    let open = rp.open(&holder.qr(Share::Name)?).await?;
    rp.judge(&open, &later_frames()).await?.expect_status(200)?;
    assert_eq!(rp.cancel(&open.id).await?.refusal(), "409 redemption-closed");
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    app.wait(121);
    assert_eq!(rp.cancel(&open.id).await?.refusal(), "409 redemption-closed");
    Ok(())
}

#[actix_web::test]
async fn neither_side_may_take_the_others_part() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (id, nonce) = agreed(&mut holder, &rp).await?;
    let open = ecert_tests::clients::relying_party::Open { id: id.clone(), nonce };
    assert_eq!(rp.judge(&open, &later_frames()).await?.refusal(), "409 redemption-closed");
    let shown = rp.show(&open).await?.expect_status(200)?;
    assert_eq!((&shown["state"], shown.get("challenge")), (&json!("challenged"), None));

    let theirs = rp.open(&holder.qr(Share::Name)?).await?;
    let refused = holder.show_face(&theirs.id, &theirs.nonce, &later_frames()).await?;
    assert_eq!(refused.refusal(), "409 redemption-closed");
    assert_eq!(holder.agree(&theirs.id, "42").await?.refusal(), "409 redemption-closed");
    let another_key = SigningKey::generate_from_rng(&mut rand::rng());
    let forged = holder.show_face_signed(&id, &nonce, &later_frames(), &another_key).await?;
    assert_eq!(forged.refusal(), "401 unauthenticated");
    let old = holder.show_face(&id, &[7; 16], &later_frames()).await?;
    assert_eq!(old.refusal(), "422 capture-unusable/nonce-mismatch");
    assert_eq!(app.charges().await?, 0);
    holder.show_face(&id, &nonce, &later_frames()).await?.expect_status(200)?;
    Ok(())
}

#[actix_web::test]
async fn what_nobody_answers_in_time_expires() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (id, number) = asked(&mut holder, &rp).await?;
    app.wait(301);
    assert_eq!(holder.agree(&id, &number).await?.refusal(), "409 redemption-closed");
    assert_eq!(state(&rp, &id).await?, "expired");
    let (id, nonce) = agreed(&mut holder, &rp).await?;
    app.wait(121);
    let late = holder.show_face(&id, &nonce, &later_frames()).await?;
    assert_eq!(
        (late.refusal(), state(&rp, &id).await?),
        ("409 redemption-closed".to_owned(), json!("expired"))
    );
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

#[actix_web::test]
async fn a_revoked_phone_approves_nothing_and_sees_nothing() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (id, nonce) = agreed(&mut holder, &rp).await?;
    holder.revoke().await?.expect_status(204)?;
    for refused in [
        holder.show_face(&id, &nonce, &later_frames()).await?,
        holder.agree(&id, "42").await?,
        holder.redemption(&id).await?,
        holder.get("/v1/me/redemptions").await?,
    ] {
        assert_eq!(refused.refusal(), "410 certificate-revoked");
    }
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

fn done(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[actix_web::test]
async fn of_agreeing_refusing_and_taking_back_at_once_one_decides() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    for _ in 0..8 {
        let (id, number) = asked(&mut holder, &rp).await?;
        let refuse = json!({ "decision": "refuse" });
        let (agreed, (refused, cancelled)) =
            join(holder.agree(&id, &number), join(holder.decide(&id, &refuse), rp.cancel(&id))).await;
        let answers = [agreed?, refused?, cancelled?];
        assert!(answers.iter().all(|answer| [200, 409].contains(&answer.status)), "{answers:?}");
        // Taken back by either side, before or after the holder agreed: it is over for both.
        assert!(done(&answers) >= 1);
        assert_eq!(state(&rp, &id).await?, "cancelled");
    }
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

#[actix_web::test]
async fn of_captures_and_a_cancel_at_once_one_decides_and_at_most_one_is_charged() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let mut charged = 0;
    for _ in 0..3 {
        let (id, nonce) = agreed(&mut holder, &rp).await?;
        let (same, other) = (later_frames(), stranger_frames()?);
        let captures = [&same, &other, &same].map(|frames| holder.show_face(&id, &nonce, frames));
        let (answers, cancelled) = join(join_all(captures), rp.cancel(&id)).await;
        let answers = answers.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        let outcomes: std::collections::BTreeSet<_> = answers
            .iter()
            .filter(|answer| answer.status == 200)
            .map(|answer| answer.body.to_string())
            .collect();
        let is_cancelled = cancelled?.status == 200;
        assert!(outcomes.len() == usize::from(!is_cancelled), "{is_cancelled} {answers:?}");
        charged += i64::from(!is_cancelled);
        let expected = if is_cancelled { 0 } else { 1 };
        let receipts = rp.get(&format!("/v1/redemptions/{id}/receipt")).await?.expect_status(200)?;
        assert_eq!(receipts["receipts"].as_array().map(Vec::len), Some(expected));
    }
    assert_eq!(app.charges().await?, charged);
    Ok(())
}

#[actix_web::test]
async fn what_waits_comes_first_and_every_use_stays_on_the_holders_record() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (waiting, _) = asked(&mut holder, &rp).await?;
    app.wait(1);
    let open = rp.open(&holder.qr(Share::Over18)?).await?;
    rp.judge(&open, &later_frames()).await?.expect_status(200)?;
    let seen = holder.redemptions().await?;
    assert_eq!(
        (&seen["redemptions"][0]["id"], &seen["redemptions"][0]["state"]),
        (&json!(waiting), &json!("awaiting_holder"))
    );
    let past = &seen["redemptions"][1];
    assert_eq!(
        (&past["id"], &past["state"], &past["capture"]),
        (&json!(open.id), &json!("passed"), &json!("rp"))
    );
    assert_eq!(
        (&past["given"], &past["relying_party"]["name"]),
        (&json!(["over_18"]), &json!("Corner Shop"))
    );

    app.wait(49 * 3600);
    ecert_server::flow::retention::forget(&app.context)?;
    let seen = holder.redemptions().await?;
    let ids: Vec<&Value> =
        seen["redemptions"].as_array().into_iter().flatten().map(|seen| &seen["id"]).collect();
    assert_eq!(ids, [&json!(open.id), &json!(waiting)]);
    assert_eq!(seen["redemptions"][0]["given"], json!(["over_18"]));
    let before = holder.get(&format!("/v1/me/redemptions?before={}", open.id)).await?.expect_status(200)?;
    assert_eq!(before["redemptions"][0]["id"], json!(waiting));
    assert_eq!(holder.get("/v1/me/redemptions?before=x").await?.refusal(), "400 request-invalid");
    Ok(())
}

#[actix_web::test]
async fn an_approval_needs_an_amount_that_is_money_and_a_code_that_is_good() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let code = holder.qr(Share::Name)?;
    let with = |capture: &str, micros: i64| json!({ "code": code, "purpose": "check", "capture": capture, "amount": { "currency": "CNY", "micros": micros } });
    for body in [with("rp", -1), with("holder", -1)] {
        assert_eq!(rp.redeem_with(body, &fresh_key()).await?.refusal(), "400 request-invalid");
    }
    rp.redeem_with(with("holder", 1), &fresh_key()).await?.expect_status(201)?;
    assert_eq!(rp.ask_holder(&code).await?.refusal(), "409 code-already-redeemed");
    let (id, _) = asked(&mut holder, &rp).await?;
    let nobody = app.holder();
    assert_eq!(nobody.redemption(&id).await?.refusal(), "401 unauthenticated");
    let unknown = "red_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    assert_eq!(holder.redemption(unknown).await?.refusal(), "404 not-found");
    assert_eq!(holder.agree(unknown, "42").await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn an_approval_crosses_two_databases() -> Test {
    let folder = tempfile::tempdir()?;
    let apart = ecert_tests::app::postgres_server();
    let apart = apart.map(|server| ecert_tests::app::OwnDatabase::on(&server)).transpose()?;
    let in_file = format!("sqlite:{}", folder.path().join("holders.db").display());
    let holders = apart.as_ref().map_or(in_file, ecert_tests::app::OwnDatabase::url);
    let app = TestApp::with_flags(&["--holder-database", &holders]).await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (id, nonce) = agreed(&mut holder, &rp).await?;
    holder.show_face(&id, &nonce, &later_frames()).await?.expect_status(200)?;
    assert_eq!((state(&rp, &id).await?, app.charges().await?), (json!("passed"), 1));
    assert_eq!(holder.redemptions().await?["redemptions"][0]["relying_party"]["name"], "Corner Shop");
    Ok(())
}

#[actix_web::test]
async fn the_record_comes_in_pages_of_fifty() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    for _ in 0..52 {
        rp.open(&holder.qr(Share::Name)?).await?;
    }
    let uses = |page: &Value| page["redemptions"].as_array().map(Vec::len);
    let first = holder.redemptions().await?;
    assert_eq!(uses(&first), Some(50));
    let path = format!("/v1/me/redemptions?before={}", text(&first, "/next")?);
    let second = holder.get(&path).await?.expect_status(200)?;
    assert_eq!((uses(&second), second.get("next")), (Some(2), None));
    Ok(())
}

#[actix_web::test]
async fn the_cap_of_a_key_counts_what_the_holders_phone_captured_for_it() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let key = format!("key_{}", rp.api_key.split('_').nth(2).unwrap_or_default());
    let amount = json!({ "currency": "CNY", "micros": 1_000_000 });
    let cap = json!({ "scope": "key", "subject": key, "kind": "hard", "amount": amount });
    rp.put("/v1/caps", &json!({ "caps": [cap] })).await?.expect_status(200)?;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    // Both are asked while nothing is spent; there is money for one.
    let (first, second) = (agreed(&mut holder, &rp).await?, agreed(&mut holder, &rp).await?);
    holder.show_face(&first.0, &first.1, &later_frames()).await?.expect_status(200)?;
    let refused = holder.show_face(&second.0, &second.1, &later_frames()).await?;
    assert_eq!(refused.refusal(), "402 cap-reached");
    assert_eq!(rp.get("/v1/caps").await?.expect_status(200)?["caps"][0]["spent"], amount);
    Ok(())
}
