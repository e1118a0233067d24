//! A number that a person can give away.

use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::{fresh_key, nonce, text};
use serde_json::json;
use wallet_core::attributes::Share;
use wallet_core::code::standing::StandingNumber;

type Test = anyhow::Result<()>;

#[actix_web::test]
async fn a_number_opens_an_approval_again_and_again_and_never_a_capture_elsewhere() -> Test {
    let app = TestApp::start().await?;
    let (holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    assert_eq!(holder.shown_number().await?.expect_status(200)?, json!({ "on": false }));
    let number = holder.number("name").await?;
    let shown = holder.shown_number().await?.expect_status(200)?;
    assert_eq!((&shown["on"], &shown["share"]), (&json!(true), &json!("name")));
    for times in 1..=4 {
        let asked = rp.ask_holder(&number).await?.expect_status(201)?;
        let id = text(&asked, "/id")?;
        let agreed = holder.agree(&id, &text(&asked, "/number")?).await?.expect_status(200)?;
        let told = holder.show_face(&id, &nonce(&agreed, "/challenge/nonce")?, &later_frames()).await?;
        assert_eq!(told.expect_status(200)?["given"], json!(["over_18", "name"]));
        assert_eq!(app.charges().await?, times);
    }
    let unknown = StandingNumber::mint(&mut rand::rng()).grouped();
    for code in [&number, &unknown] {
        assert_eq!(rp.redeem(code).await?.refusal(), "400 request-invalid");
    }
    Ok(())
}

#[actix_web::test]
async fn the_same_request_by_a_number_is_one_request() -> Test {
    let app = TestApp::start().await?;
    let (holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (key, number) = (fresh_key(), holder.number("name").await?);
    let body = json!({ "code": number, "purpose": "check", "capture": "holder" });
    let first = rp.redeem_with(body.clone(), &key).await?.expect_status(201)?;
    assert_eq!(rp.redeem_with(body, &key).await?.expect_status(201)?, first);
    let other = json!({ "code": holder.digits("name").await?, "purpose": "check", "capture": "holder" });
    assert_eq!(rp.redeem_with(other, &key).await?.refusal(), "422 idempotency-key-reused");
    assert_eq!(holder.redemptions().await?["redemptions"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[actix_web::test]
async fn a_number_that_was_replaced_switched_off_or_revoked_is_an_unknown_code() -> Test {
    let app = TestApp::start().await?;
    let (holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let replaced = holder.number("name").await?;
    let switched_off = holder.number("name").await?;
    rp.ask_holder(&switched_off).await?.expect_status(201)?;
    for _ in 0..2 {
        holder.switch_number_off().await?.expect_status(204)?;
    }
    let revoked = holder.number("full").await?;
    for _ in 0..2 {
        app.admin.revoke_number(&holder.certificate()?, "misuse").await?.expect_status(204)?;
    }
    let unknown = rp.ask_holder(&StandingNumber::mint(&mut rand::rng()).grouped()).await?;
    assert_eq!(unknown.refusal(), "404 code-unknown");
    for number in [replaced, switched_off, revoked] {
        assert_eq!(rp.ask_holder(&number).await?.body, unknown.body);
    }
    assert_eq!(holder.shown_number().await?.expect_status(200)?, json!({ "on": false }));
    let nobody = app.admin.revoke_number("crt_01ARZ3NDEKTSV4RRFFQ69G5FAV", "other").await?;
    assert_eq!(nobody.refusal(), "404 not-found");
    assert_eq!(app.admin.revoke_number(&holder.certificate()?, " ").await?.refusal(), "400 request-invalid");
    Ok(())
}

#[actix_web::test]
async fn guessing_numbers_is_slowed_down_as_guessing_digits_is() -> Test {
    let app = TestApp::start().await?;
    let (holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let number = holder.number("name").await?;
    for _ in 0..5 {
        let guess = StandingNumber::mint(&mut rand::rng()).grouped();
        assert_eq!(rp.ask_holder(&guess).await?.refusal(), "404 code-unknown");
    }
    assert_eq!(rp.ask_holder(&number).await?.refusal(), "429 rate-limited");
    assert_eq!(rp.ask_holder(&holder.digits("name").await?).await?.refusal(), "429 rate-limited");
    app.wait(60);
    rp.ask_holder(&number).await?.expect_status(201)?;
    Ok(())
}

#[actix_web::test]
async fn who_asks_again_and_again_for_nothing_is_slowed_down_and_the_holder_is_not() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp, other) =
        (app.enrolled().await?, app.relying_party().await?, app.relying_party().await?);
    // To the beginning of an hour: the limit is for each.
    app.wait(3600 - ecert_server::edge::clock::Clock::now(app.clock.as_ref()).as_second().rem_euclid(3600));
    let number = holder.number("name").await?;
    for _ in 0..3 {
        rp.ask_holder(&number).await?.expect_status(201)?;
    }
    let slowed = rp.ask_holder(&number).await?;
    assert_eq!(slowed.refusal(), "429 rate-limited");
    assert!(slowed.headers.contains_key("retry-after"));
    let asked = other.ask_holder(&number).await?.expect_status(201)?;
    holder.agree(&text(&asked, "/id")?, &text(&asked, "/number")?).await?.expect_status(200)?;
    rp.open(&holder.qr(Share::Name)?).await?;
    rp.ask_holder(&holder.qr(Share::Name)?).await?.expect_status(201)?;
    app.wait(3600);
    rp.ask_holder(&number).await?.expect_status(201)?;
    Ok(())
}

#[actix_web::test]
async fn a_phone_whose_certificate_ended_has_no_number() -> Test {
    let app = TestApp::start().await?;
    let (holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let number = holder.number("name").await?;
    holder.revoke().await?.expect_status(204)?;
    assert_eq!(rp.ask_holder(&number).await?.refusal(), "404 code-unknown");
    assert_eq!(holder.shown_number().await?.refusal(), "410 certificate-revoked");
    assert_eq!(holder.switch_number_off().await?.refusal(), "410 certificate-revoked");
    let again = holder.number("name").await;
    assert!(again.is_err_and(|error| error.to_string().contains("certificate-revoked")));
    Ok(())
}
