//! A suspension is of the person, until an admin decides; and what a holder is told of.

use ecert_tests::app::{TestApp, card, enrolment_frames, later_frames};
use ecert_tests::clients::{Answer, Holder, nonce, text};
use ecert_tests::specimen::Specimen;
use reqwest::Method;
use serde_json::json;
use wallet_core::attributes::Share;

use crate::revocation::{Test, enrolled_under};

const HELD: &str = "422 enrolment-refused/suspended";

/// The specimen's person with another phone and their document.
async fn tries_anew(app: &TestApp) -> anyhow::Result<(Holder, Answer)> {
    let mut phone = app.holder();
    let nonce = phone.reach_challenge(card()).await?;
    let answer = phone.submit_capture(&nonce, &enrolment_frames()).await?;
    Ok((phone, answer))
}

async fn told(holder: &Holder) -> anyhow::Result<Vec<String>> {
    let told = holder.call(Method::GET, "/v1/me/notices").await?.expect_status(200)?;
    let kinds = told["notices"].as_array().into_iter().flatten().filter_map(|notice| notice["kind"].as_str());
    Ok(kinds.map(str::to_owned).collect())
}

#[actix_web::test]
async fn whoever_is_suspended_is_issued_nothing_until_it_is_lifted() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let certificate = holder.certificate()?;
    // One enrolment begins before, one after.
    let mut before = app.holder();
    let nonce = before.reach_challenge(card()).await?;
    app.admin.suspend(&certificate).await?.expect_status(204)?;
    assert_eq!(before.submit_capture(&nonce, &enrolment_frames()).await?.refusal(), HELD);
    let (after, refused) = tries_anew(&app).await?;
    assert_eq!(refused.refusal(), HELD);
    assert!(refused.body["holder_message"]["zh"].is_string());
    let path = format!("/v1/enrolments/{}", after.enrolment);
    let shown = after.call(Method::GET, &path).await?.expect_status(200)?;
    assert_eq!(json!([&shown["state"], &shown["reason"]]), json!(["refused", "suspended"]));
    assert_eq!(app.admin.certificate(&certificate).await?.body["state"], "suspended");

    app.admin.reactivate(&certificate).await?.expect_status(204)?;
    tries_anew(&app).await?.1.expect_status(200)?;
    Ok(())
}

#[actix_web::test]
async fn ending_what_is_suspended_oneself_lifts_nothing() -> Test {
    let app = TestApp::with_flags(&["--recovery-liveness", "silent"]).await?;
    let holder = app.enrolled().await?;
    let certificate = holder.certificate()?;
    app.admin.suspend(&certificate).await?.expect_status(204)?;
    holder.revoke().await?.expect_status(204)?;
    assert_eq!(tries_anew(&app).await?.1.refusal(), HELD);
    let mut phone = app.holder();
    let begun = phone.recover(&Specimen::franck().number).await?.expect_status(201)?;
    let recovered = phone.submit_recovery(&nonce(&begun, "/challenge/nonce")?, &later_frames()).await?;
    assert_eq!(recovered.refusal(), "422 enrolment-refused/not-recovered");
    // It cannot come back, so that an admin decides by revoking it.
    assert_eq!(app.admin.reactivate(&certificate).await?.refusal(), "410 certificate-revoked");
    assert_eq!(tries_anew(&app).await?.1.refusal(), HELD);
    app.admin.revoke(&certificate, "misuse").await?.expect_status(204)?;
    tries_anew(&app).await?.1.expect_status(200)?;
    Ok(())
}

#[actix_web::test]
async fn paper_and_a_file_lift_nothing_and_the_end_of_all_does() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let certificate = holder.certificate()?;
    app.admin.suspend(&certificate).await?.expect_status(204)?;
    holder.revoke_by_paper(&holder.paper()?).await?.expect_status(204)?;
    let file = format!("certificate_id,reason,note\n{certificate},misuse,\n");
    app.approved(app.admin.revoke_csv(file).await?).await?;
    assert_eq!(tries_anew(&app).await?.1.refusal(), HELD);
    let id = text(&app.admin.certificate(&certificate).await?.expect_status(200)?, "/holder_id")?;
    let path = format!("/v1/admin/holders/{id}/revocation");
    app.admin.post(&path, &json!({ "reason": "misuse" })).await?.expect_status(200)?;
    tries_anew(&app).await?.1.expect_status(200)?;
    Ok(())
}

#[actix_web::test]
async fn a_revocation_by_an_admin_ends_the_suspension_with_the_certificate() -> Test {
    let app = TestApp::start().await?;
    let (holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    app.admin.suspend(&holder.certificate()?).await?.expect_status(204)?;
    app.admin.revoke(&holder.certificate()?, "other").await?.expect_status(204)?;
    let (mut again, answer) = tries_anew(&app).await?;
    again.remember(answer.expect_status(200)?).await?;
    rp.redeem(&again.qr(Share::Name)?).await?.expect_status(201)?;
    Ok(())
}

#[actix_web::test]
async fn a_holder_hears_of_what_others_did_to_their_certificate() -> Test {
    let app = TestApp::start().await?;
    let sponsor = app.relying_party().await?;
    let given = sponsor.post_json("/v1/sponsorships", &json!({})).await?.expect_status(201)?;
    let id = text(&given, "/id")?;
    let holder = enrolled_under(&app, &id).await?;
    let step = || app.wait(1);
    step();
    for _ in 0..2 {
        app.admin.suspend(&holder.certificate()?).await?.expect_status(204)?;
    }
    step();
    app.admin.reactivate(&holder.certificate()?).await?.expect_status(204)?;
    step();
    let path = format!("/v1/sponsorships/{id}/revocation");
    sponsor.post_json(&path, &json!({ "reason": "cessation" })).await?.expect_status(204)?;
    // What was done twice is told once.
    assert_eq!(told(&holder).await?, ["revoked", "reactivated", "suspended", "enrolled"]);
    step();
    let (phone, answer) = tries_anew(&app).await?;
    answer.expect_status(200)?;
    assert_eq!(told(&phone).await?.len(), 5);
    Ok(())
}

#[actix_web::test]
async fn a_file_tells_each_of_those_it_ends() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let file = format!("certificate_id,reason,note\n{},stolen-device,\n", holder.certificate()?);
    app.wait(1);
    for _ in 0..2 {
        app.approved(app.admin.revoke_csv(file.clone()).await?).await?;
    }
    assert_eq!(told(&holder).await?, ["revoked", "enrolled"]);
    Ok(())
}
