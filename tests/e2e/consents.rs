//! What a holder agreed to, and taking it back.

use ecert_server::flow::consents;
use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::{Answer, Holder, RelyingParty, text};
use ecert_tests::receiver::Receiver;
use reqwest::Method;
use serde_json::{Value, json};
use wallet_core::attributes::Share;

use crate::webhooks::near;

type Test = anyhow::Result<()>;

const DAY: i64 = 86_400;

async fn withdraw(holder: &Holder, body: &Value) -> anyhow::Result<Answer> {
    Answer::to(holder.request(Method::POST, "/v1/me/consents/withdrawals")?.json(body)).await
}

async fn consented(holder: &Holder) -> anyhow::Result<Value> {
    holder.call(Method::GET, "/v1/me/consents").await?.expect_status(200)
}

async fn visited(holder: &mut Holder, rp: &RelyingParty) -> anyhow::Result<Value> {
    rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)
}

fn told(app: &TestApp) -> Test {
    consents::tell_waiting(&app.context).map_err(|stop| anyhow::anyhow!("{stop:?}"))
}

#[actix_web::test]
async fn a_holder_sees_what_they_agreed_to_and_who_was_given_what() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, shop) = (app.enrolled().await?, app.relying_party().await?);
    visited(&mut holder, &shop).await?;
    app.wait(DAY);
    visited(&mut holder, &shop).await?;
    // Nothing was given by what was not judged.
    app.admin.admit("Bank", &["name"]).await?.open(&holder.qr(Share::Name)?).await?;
    let seen = consented(&holder).await?;
    assert_eq!(
        (&seen["enrolments"][0]["kind"], &seen["enrolments"][0]["text_version"]),
        (&json!("document"), &json!("2026-11"))
    );
    let [given] = seen["relying_parties"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        anyhow::bail!("{seen}")
    };
    assert_eq!(given["relying_party"], json!({ "id": shop.id, "name": "Corner Shop" }));
    assert_eq!((&given["times"], &given["attributes"]), (&json!(2), &json!(["over_18", "name"])));
    assert_ne!(given["first"], given["last"]);
    Ok(())
}

#[actix_web::test]
async fn a_withdrawal_is_told_confirmed_and_seen() -> Test {
    let (app, receiver) = (near().await?, Receiver::start()?);
    let (mut holder, shop) = (app.enrolled().await?, app.relying_party().await?);
    shop.webhook(&receiver.url, &["consent.withdrawn"]).await?;
    let given = visited(&mut holder, &shop).await?;
    let taken = withdraw(&holder, &json!({ "relying_party": shop.id, "purpose": "check" }))
        .await?
        .expect_status(201)?;
    assert_eq!(taken["state"], "waiting");
    let data = receiver.wait_for(1).await?.remove(0).json()?["data"].clone();
    assert_eq!((&data["subject"], &data["redemptions"]), (&given["subject"], &json!([given["id"]])));
    assert_eq!((&data["withdrawal"], &data["due_at"]), (&taken["id"], &taken["due_at"]));

    let listed = shop.get("/v1/withdrawals").await?.expect_status(200)?;
    assert_eq!(
        (&listed["withdrawals"][0]["id"], &listed["withdrawals"][0]["state"]),
        (&taken["id"], &json!("waiting"))
    );
    let path = format!("/v1/withdrawals/{}:confirm", text(&taken, "/id")?);
    app.wait(DAY);
    let confirmed = json!({ "deleted_at": app.clock_now() });
    let other = app.admin.admit("Bank", &["name"]).await?;
    assert_eq!(other.post_json(&path, &confirmed).await?.refusal(), "404 not-found");
    let future = json!({ "deleted_at": "2100-01-01T00:00:00Z" });
    assert_eq!(shop.post_json(&path, &future).await?.refusal(), "400 request-invalid");
    assert_eq!(shop.post_json(&path, &confirmed).await?.expect_status(200)?["state"], "confirmed");
    assert_eq!(consented(&holder).await?["withdrawals"][0]["state"], "confirmed");
    // What was taken back does not stand in the way of a new consent.
    visited(&mut holder, &shop).await?;
    Ok(())
}

#[actix_web::test]
async fn what_is_not_confirmed_in_fifteen_days_is_overdue() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, shop) = (app.enrolled().await?, app.relying_party().await?);
    visited(&mut holder, &shop).await?;
    withdraw(&holder, &json!({ "relying_party": shop.id })).await?.expect_status(201)?;
    told(&app)?;
    told(&app)?;
    for (wait, state) in [(15 * DAY - 1, "waiting"), (1, "overdue")] {
        app.wait(wait);
        let listed = shop.get("/v1/withdrawals").await?.expect_status(200)?;
        assert_eq!(
            (listed["withdrawals"].as_array().map(Vec::len), &listed["withdrawals"][0]["state"]),
            (Some(1), &json!(state))
        );
        assert_eq!(consented(&holder).await?["withdrawals"][0]["state"], state);
    }
    Ok(())
}

#[actix_web::test]
async fn a_refused_relying_party_is_given_nothing_until_it_is_refused_no_more() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, shop) = (app.enrolled().await?, app.relying_party().await?);
    let bank = app.admin.admit("Bank", &["name"]).await?;
    visited(&mut holder, &shop).await?;
    withdraw(&holder, &json!({ "relying_party": shop.id, "block": true })).await?.expect_status(201)?;
    assert_eq!(consented(&holder).await?["blocked"][0]["id"], json!(shop.id));
    let charged = app.charges().await?;
    assert_eq!(shop.visit(&holder.qr(Share::Name)?, &later_frames()).await?.refusal(), "403 consent-missing");
    assert_eq!(app.charges().await?, charged);
    visited(&mut holder, &bank).await?;
    let lift = format!("/v1/me/consents/blocks/{}", shop.id);
    holder.call(Method::DELETE, &lift).await?.expect_status(204)?;
    assert_eq!(holder.call(Method::DELETE, &lift).await?.refusal(), "404 not-found");
    visited(&mut holder, &shop).await?;
    Ok(())
}

#[actix_web::test]
async fn only_what_was_given_can_be_taken_back_and_not_without_end() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, shop) = (app.enrolled().await?, app.relying_party().await?);
    let (all, other) =
        (json!({ "relying_party": shop.id }), json!({ "relying_party": shop.id, "purpose": "other" }));
    assert_eq!(withdraw(&holder, &all).await?.refusal(), "404 not-found");
    visited(&mut holder, &shop).await?;
    assert_eq!(withdraw(&holder, &other).await?.refusal(), "404 not-found");
    assert_eq!(withdraw(&holder, &json!({ "relying_party": "x" })).await?.refusal(), "400 request-invalid");
    for _ in 0..20 {
        withdraw(&holder, &all).await?.expect_status(201)?;
    }
    assert_eq!(withdraw(&holder, &all).await?.refusal(), "429 rate-limited");
    Ok(())
}
