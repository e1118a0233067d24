//! A holder's phones: their tokens, what is thought of them, their end.

use ecert_tests::app::{TestApp, card};
use ecert_tests::clients::{Holder, text};
use reqwest::Method;
use serde_json::{Value, json};
use wallet_core::attributes::Share;

type Test = anyhow::Result<()>;

/// Begins an enrolment, and says this of the device.
async fn introduced(holder: &mut Holder, device: Value) -> anyhow::Result<ecert_tests::clients::Answer> {
    let body = json!({ "consent": holder.consent().await?, "device": device });
    holder.start_with(&body).await
}

async fn devices(holder: &Holder) -> anyhow::Result<Vec<Value>> {
    let list = holder.call(Method::GET, "/v1/me/devices").await?.expect_status(200)?;
    Ok(list["devices"].as_array().cloned().unwrap_or_default())
}

#[actix_web::test]
async fn a_token_is_renewed_and_the_old_one_ends_when_the_new_one_is_used() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.enrolled().await?;
    app.wait(80 * 86_400);
    let lost = holder.call(Method::POST, "/v1/me/token").await?.expect_status(200)?;
    // The answer was lost, and the old token still asks again.
    let renewed = holder.call(Method::POST, "/v1/me/token").await?.expect_status(200)?;
    let old = holder.clone();
    holder.token = Some(text(&renewed, "/access_token")?);
    holder.digits("name").await?;
    assert_eq!(old.call(Method::GET, "/v1/me/devices").await?.refusal(), "401 unauthenticated");
    let mut with_lost = holder.clone();
    with_lost.token = Some(text(&lost, "/access_token")?);
    assert_eq!(with_lost.call(Method::GET, "/v1/me/devices").await?.refusal(), "401 unauthenticated");
    app.wait(89 * 86_400);
    holder.digits("name").await?;
    app.wait(2 * 86_400);
    assert_eq!(holder.call(Method::POST, "/v1/me/token").await?.refusal(), "401 unauthenticated");
    Ok(())
}

#[actix_web::test]
async fn a_renewed_token_is_bound_to_the_same_key() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let renewed = holder.call(Method::POST, "/v1/me/token").await?.expect_status(200)?;
    let mut thief = app.holder();
    thief.token = Some(text(&renewed, "/access_token")?);
    assert_eq!(thief.call(Method::GET, "/v1/me/devices").await?.refusal(), "401 unauthenticated");
    Ok(())
}

#[actix_web::test]
async fn a_holder_sees_what_is_thought_of_their_phone() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.holder();
    let said = json!({ "os": "android", "os_version": "14", "model": "Phone 9", "network": "vpn" });
    introduced(&mut holder, said).await?.expect_status(201)?;
    let [device] = &devices(&holder).await?[..] else { anyhow::bail!("one device was expected") };
    assert_eq!(
        (&device["jkt"], &device["this"], &device["state"]),
        (&json!(holder.jkt()), &json!(true), &json!("active"))
    );
    assert_eq!((&device["risk"], &device["reasons"]), (&json!("clear"), &json!(["vpn"])));
    assert_eq!(device["signals"]["model"], "Phone 9");
    assert!(device["since"].is_string());
    Ok(())
}

#[actix_web::test]
async fn a_rooted_phone_is_asked_for_more() -> Test {
    let app = TestApp::start().await?;
    for (rooted, mode) in [(false, "silent"), (true, "actions")] {
        let mut holder = app.holder();
        introduced(&mut holder, json!({ "os": "android", "rooted": rooted })).await?.expect_status(201)?;
        holder.submit_document(card()).await?.expect_status(200)?;
        let path = format!("/v1/enrolments/{}/confirmation", holder.enrolment);
        assert_eq!(holder.call(Method::POST, &path).await?.expect_status(200)?["mode"], mode);
    }
    Ok(())
}

#[actix_web::test]
async fn an_emulator_is_refused_and_what_is_said_is_bounded() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.holder();
    let refused = introduced(&mut holder, json!({ "os": "android", "emulator": true })).await?;
    assert_eq!(refused.refusal(), "422 enrolment-refused/device-untrusted");
    let unknown =
        [json!({ "os": "android", "imei": "1" }), json!({ "os": "ios", "model": "x".repeat(65) }), json!({})];
    for said in unknown {
        assert_eq!(introduced(&mut holder, said).await?.refusal(), "400 request-invalid");
    }
    Ok(())
}

#[actix_web::test]
async fn a_revoked_phone_is_ended_with_its_certificate() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let path = format!("/v1/me/devices/{}", holder.jkt());
    let (nobody, qr) = (app.holder(), holder.qr(Share::Name)?);
    assert_eq!(nobody.call(Method::DELETE, &path).await?.refusal(), "401 unauthenticated");
    let mut stranger = app.holder();
    stranger.start().await?;
    assert_eq!(stranger.call(Method::DELETE, &path).await?.refusal(), "404 not-found");
    holder.call(Method::DELETE, &path).await?.expect_status(204)?;
    assert_eq!(holder.call(Method::GET, "/v1/me/devices").await?.refusal(), "401 device-revoked");
    assert_eq!(rp.redeem(&qr).await?.refusal(), "410 certificate-revoked");
    Ok(())
}

#[actix_web::test]
async fn whoever_begins_anew_with_the_key_of_an_ended_phone_is_a_stranger() -> Test {
    let app = TestApp::start().await?;
    let (old, new) = (app.enrolled().await?, app.enrolled().await?);
    assert_eq!(old.call(Method::GET, "/v1/me/devices").await?.refusal(), "401 device-replaced");
    let seen = devices(&new).await?;
    let states: Vec<&str> = seen.iter().filter_map(|device| device["state"].as_str()).collect();
    assert_eq!((states.len(), states.contains(&"replaced")), (2, true), "{seen:?}");
    let mut thief = old.clone();
    thief.token = None;
    thief.start().await?;
    assert_eq!(devices(&thief).await?.len(), 1);
    let told = thief.call(Method::GET, "/v1/me/notices").await?.expect_status(200)?;
    assert_eq!(told["notices"], json!([]));
    assert_eq!(devices(&new).await?.len(), 1);
    let own = format!("/v1/me/devices/{}", new.jkt());
    assert_eq!(thief.call(Method::DELETE, &own).await?.refusal(), "404 not-found");
    Ok(())
}
