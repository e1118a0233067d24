//! A holder has everything erased: nothing of it opens, works or comes back, and what stays is said.

use diesel::prelude::*;
use ecert_server::flow::retention;
use ecert_server::store::schema::{certificates as c, holders as h};
use ecert_tests::app::{TestApp, card, enrolment_frames, later_frames};
use ecert_tests::clients::{Answer, Holder, nonce, root, text};
use ecert_tests::specimen::Specimen;
use reqwest::Method;
use serde_json::{Value, json};
use wallet_core::attributes::Share;
use wallet_core::erasure::{Erased, ErasureReceipt, KeptWhat};

use crate::database_commands::findings;

type Test = anyhow::Result<()>;

async fn erase_with(holder: &Holder, body: &Value) -> anyhow::Result<Answer> {
    Answer::to(holder.request(Method::POST, "/v1/me/erasure")?.json(body)).await
}

async fn erase(holder: &Holder) -> anyhow::Result<Answer> {
    erase_with(holder, &json!({ "confirm": "erase" })).await
}

#[actix_web::test]
async fn an_erased_holder_is_gone_and_has_it_in_writing() -> Test {
    let app = TestApp::with_flags(&["--recovery-liveness", "silent"]).await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    rp.visit(&holder.qr(Share::Full)?, &later_frames()).await?.expect_status(200)?;
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    let (digits, qr) = (holder.digits("name").await?, holder.qr(Share::Name)?);
    let said = erase(&holder).await?.expect_status(200)?;
    let receipt =
        ErasureReceipt::verify(&text(&said, "/receipt")?, &root(&holder.issuer().await?)?, app.clock_now())?;
    assert_eq!(receipt.certificates, [holder.certificate()?.parse()?]);
    assert!(
        receipt.erased.contains(&Erased::DataKey)
            && receipt.kept.iter().any(|kept| kept.what == KeptWhat::AuditTrail)
    );

    assert_eq!(rp.redeem(&qr).await?.refusal(), "404 code-unknown");
    assert_eq!(rp.redeem(&digits).await?.refusal(), "404 code-unknown");
    assert_eq!(rp.judge(&open, &later_frames()).await?.refusal(), "410 certificate-revoked");
    assert_eq!(holder.call(Method::GET, "/v1/me/devices").await?.refusal(), "401 device-revoked");
    assert_eq!(holder.call(Method::POST, "/v1/me/token").await?.refusal(), "401 device-revoked");
    let mut phone = app.holder();
    let begun = phone.recover(&Specimen::franck().number).await?.expect_status(201)?;
    let refused = phone.submit_recovery(&nonce(&begun, "/challenge/nonce")?, &later_frames()).await?;
    assert_eq!(refused.refusal(), "422 enrolment-refused/not-recovered");
    assert_eq!(findings(&app)?, Vec::<String>::new());
    Ok(())
}

#[actix_web::test]
async fn the_phone_that_asked_is_told_again_for_a_month() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let said = erase(&holder).await?.expect_status(200)?;
    app.wait(86_400);
    assert_eq!(erase(&holder).await?.expect_status(200)?, said);
    app.wait(30 * 86_400);
    retention::forget(&app.context)?;
    assert_eq!(erase(&holder).await?.refusal(), "401 unauthenticated");
    Ok(())
}

#[actix_web::test]
async fn who_enrols_after_an_erasure_begins_from_nothing() -> Test {
    let app = TestApp::start().await?;
    let (mut before, rp) = (app.enrolled().await?, app.relying_party().await?);
    rp.visit(&before.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    erase(&before).await?.expect_status(200)?;
    let mut anew = app.enrolled().await?;
    rp.visit(&anew.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    let seen = anew.redemptions().await?;
    assert_eq!(seen["redemptions"].as_array().map(Vec::len), Some(1), "{seen}");
    let told = anew.call(Method::GET, "/v1/me/notices").await?.expect_status(200)?;
    assert_eq!(
        (told["notices"].as_array().map(Vec::len), &told["notices"][0]["kind"]),
        (Some(1), &json!("enrolled"))
    );
    // The same phone may begin anew as well, as a stranger. Of two certificates of a moment none would be its newest.
    app.wait(1);
    before.enrol(card(), &enrolment_frames()).await?;
    assert_eq!(before.redemptions().await?["redemptions"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[actix_web::test]
async fn what_is_put_back_from_a_copy_does_not_open() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let id = holder.certificate()?;
    let store = &app.context.holder_store;
    let copy = store.read(|conn| {
        Ok(c::table.filter(c::id.eq(&id)).select(c::sealed_attributes).first::<Vec<u8>>(conn)?)
    })?;
    erase(&holder).await?.expect_status(200)?;
    let key: Vec<Option<Vec<u8>>> = store.read(|conn| Ok(h::table.select(h::wrapped_key).load(conn)?))?;
    assert_eq!(key, [None]);
    store.write(|conn| {
        let row = diesel::update(c::table.filter(c::id.eq(&id)));
        Ok(row.set(c::sealed_attributes.eq(&copy)).execute(conn)?)
    })?;
    assert_eq!(findings(&app)?, ["attributes-do-not-open", "erased-and-not-empty"]);
    Ok(())
}

#[actix_web::test]
async fn an_erasure_takes_the_word_for_it_and_a_phone_that_is_in_order() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    for unsaid in [json!({}), json!({ "confirm": "yes" }), json!({ "confirm": "erase", "reason": "x" })] {
        assert_eq!(erase_with(&holder, &unsaid).await?.refusal(), "400 request-invalid");
    }
    let mut nobody = app.holder();
    nobody.start().await?;
    assert_eq!(erase(&nobody).await?.refusal(), "404 not-found");
    app.admin.suspend(&holder.certificate()?).await?.expect_status(204)?;
    assert_eq!(erase(&holder).await?.refusal(), "403 certificate-suspended");
    app.admin.revoke(&holder.certificate()?, "stolen-device").await?.expect_status(204)?;
    assert_eq!(erase(&holder).await?.refusal(), "410 certificate-revoked");
    Ok(())
}
