//! What is given, what is not, and who asked for too much.

use ecert_server::store::certificates;
use ecert_tests::app::{TestApp, execute, later_frames};
use ecert_tests::clients::{Holder, fresh_key, nonce, root, text};
use ecert_tests::specimen::Specimen;
use serde_json::{Value, json};
use wallet_core::attributes::{Attribute, Share};
use wallet_core::code::numeric::NumericCode;
use wallet_core::ecert::{Disclosure, UnverifiedCert, verify::verify};
use wallet_core::jws::from_base64url;
use wallet_core::onnx::MAX_PORTRAIT;
use wallet_core::picture::Picture;

type Test = anyhow::Result<()>;

const ALL: [&str; 12] = [
    "over_18",
    "over_16",
    "over_14",
    "name",
    "masked_name",
    "sex",
    "ethnicity",
    "birth_date",
    "address",
    "document_number",
    "masked_number",
    "portrait",
];

#[actix_web::test]
async fn each_share_level_gives_what_its_table_says() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.enrolled().await?;
    let rp = app.admin.admit("Notary", &ALL).await?;
    let ages = json!({ "over_18": true, "over_16": true, "over_14": true });
    let names = json!({ "name": "林知远", "masked_name": "林**" });
    let over_18 = rp.visit(&holder.qr(Share::Over18)?, &later_frames()).await?.expect_status(200)?;
    assert_eq!(over_18["attributes"], ages);
    let name = rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    let expected: serde_json::Map<String, Value> =
        [&ages, &names].iter().flat_map(|part| part.as_object().cloned().unwrap_or_default()).collect();
    assert_eq!(name["attributes"], Value::Object(expected));
    let full = rp.visit(&holder.qr(Share::Full)?, &later_frames()).await?.expect_status(200)?;
    assert_eq!(full["attributes"]["masked_number"], "9*************0013");
    assert_eq!(full["attributes"].as_object().map(serde_json::Map::len), Some(12));
    Ok(())
}

/// The picture in an answer.
fn portrait(answer: &Value) -> anyhow::Result<Vec<u8>> {
    Ok(from_base64url(&text(answer, "/attributes/portrait")?)?)
}

fn kept(app: &TestApp, holder: &Holder) -> anyhow::Result<Option<Vec<u8>>> {
    let id = holder.certificate()?.parse()?;
    let found = app.context.holder_store.read(|conn| Ok(certificates::portrait(conn, id)?))?;
    Ok(found.map(|(sealed, _)| sealed))
}

#[actix_web::test]
async fn the_portrait_is_given_to_whom_it_was_registered_for_and_shared_with() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.enrolled().await?;
    let (bank, shop) = (app.admin.admit("Bank", &["name", "portrait"]).await?, app.relying_party().await?);
    let full = bank.visit(&holder.qr(Share::Full)?, &later_frames()).await?.expect_status(200)?;
    let given = portrait(&full)?;
    assert!(given.len() <= MAX_PORTRAIT, "{}", given.len());
    let picture = Picture::decode(&given)?;
    assert!((100..=240).contains(&picture.width()) && picture.height() <= 300, "{picture:?}");
    // It is the one that the certificate vouches for.
    let cert = UnverifiedCert::from_bytes(&from_base64url(&text(&holder.issued, "/certificate")?)?)?;
    let cert = verify(cert, &root(&holder.issuer().await?)?, app.clock_now())?;
    let disclosures: Vec<Disclosure> = serde_json::from_value(holder.issued["disclosures"].clone())?;
    let held = disclosures.iter().find(|held| held.name == Attribute::Portrait).expect("a portrait");
    assert!(cert.vouches_for(held) && from_base64url(&held.value)? == given);

    let name = bank.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    assert_eq!(name["attributes"], json!({ "name": "林知远" }));
    let greedy = json!({ "code": holder.qr(Share::Full)?, "purpose": "check", "attributes": ["portrait"] });
    assert_eq!(shop.redeem_with(greedy, &fresh_key()).await?.refusal(), "403 attribute-not-allowed");
    Ok(())
}

#[actix_web::test]
async fn a_certificate_without_a_portrait_is_answered_without_it() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.enrolled().await?;
    let bank = app.admin.admit("Bank", &["name", "portrait"]).await?;
    // As a program before this one left it.
    execute(app.database(), "UPDATE certificates SET sealed_portrait = NULL")?;
    let full = bank.visit(&holder.qr(Share::Full)?, &later_frames()).await?.expect_status(200)?;
    assert_eq!((&full["outcome"], &full["attributes"]), (&json!("passed"), &json!({ "name": "林知远" })));
    Ok(())
}

#[actix_web::test]
async fn an_offline_code_is_scanned_without_the_portrait_and_the_service_gives_it() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let bank = app.admin.admit("Bank", &["portrait"]).await?;
    let code = holder.offline_qr(Share::Full)?;
    assert!(code.len() < 4000, "{}", code.len());
    portrait(&bank.visit(&code, &later_frames()).await?.expect_status(200)?)?;
    Ok(())
}

#[actix_web::test]
async fn a_portrait_goes_over_by_a_recovery_and_is_erased_with_its_certificate() -> Test {
    let app = TestApp::with_flags(&["--recovery-liveness", "silent"]).await?;
    let old = app.enrolled().await?;
    assert!(kept(&app, &old)?.is_some());
    let mut new = app.holder();
    let begun = new.recover(&Specimen::franck().number).await?.expect_status(201)?;
    let recovered = new.submit_recovery(&nonce(&begun, "/challenge/nonce")?, &later_frames()).await?;
    new.remember(recovered.expect_status(200)?).await?;
    assert_eq!(kept(&app, &old)?, None);
    let bank = app.admin.admit("Bank", &["portrait"]).await?;
    portrait(&bank.visit(&new.qr(Share::Full)?, &later_frames()).await?.expect_status(200)?)?;
    let file = format!("certificate_id,reason,note\n{},stolen-device,\n", new.certificate()?);
    app.approved(app.admin.revoke_csv(file).await?).await?;
    assert_eq!(kept(&app, &new)?, None);
    Ok(())
}

#[actix_web::test]
async fn a_purpose_may_cover_what_is_covered_and_not_what_is_under_it() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.enrolled().await?;
    let rp = app.admin.admit("Parcel Shop", &["masked_name", "over_16"]).await?;
    let answer = rp.visit(&holder.qr(Share::Full)?, &later_frames()).await?.expect_status(200)?;
    assert_eq!(answer["attributes"], json!({ "masked_name": "林**", "over_16": true }));
    let body = json!({ "code": holder.qr(Share::Full)?, "purpose": "check", "attributes": ["name"] });
    assert_eq!(rp.redeem_with(body, &fresh_key()).await?.refusal(), "403 attribute-not-allowed");
    Ok(())
}

#[actix_web::test]
async fn who_asks_for_too_much_is_refused_and_the_holder_sees_it() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.enrolled().await?;
    let bar = app.admin.admit("Bar", &["over_18"]).await?;
    let code = holder.qr(Share::Full)?;
    let greedy = json!({ "code": code, "purpose": "check", "attributes": ["over_18", "address"] });
    for _ in 0..2 {
        assert_eq!(
            bar.redeem_with(greedy.clone(), &fresh_key()).await?.refusal(),
            "403 attribute-not-allowed"
        );
    }
    let digits = holder.digits("name").await?;
    let unregistered = json!({ "code": digits, "purpose": "marketing" });
    assert_eq!(bar.redeem_with(unregistered, &fresh_key()).await?.refusal(), "403 purpose-not-registered");

    let seen = holder.redemptions().await?;
    let seen: Vec<(&Value, &Value, &Value, &Value)> = seen["over_asked"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|seen| (&seen["relying_party"]["name"], &seen["purpose"], &seen["asked"], &seen["refusal"]))
        .collect();
    let (bar_, check, marketing) = (json!("Bar"), json!("check"), json!("marketing"));
    let (asked, nothing) = (json!(["over_18", "address"]), json!([]));
    let (attribute, purpose) = (json!("attribute-not-allowed"), json!("purpose-not-registered"));
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen.contains(&(&bar_, &check, &asked, &attribute)), "{seen:?}");
    assert!(seen.contains(&(&bar_, &marketing, &nothing, &purpose)), "{seen:?}");
    // The codes were not used up by it.
    bar.open(&code).await?;
    bar.open(&digits).await?;
    Ok(())
}

#[actix_web::test]
async fn asking_for_too_much_is_no_way_to_guess_codes() -> Test {
    let app = TestApp::start().await?;
    let (holder, bar) = (app.enrolled().await?, app.admin.admit("Bar", &["over_18"]).await?);
    for _ in 0..5 {
        let guess = NumericCode::mint(&mut rand::rng()).digits();
        let body = json!({ "code": guess, "purpose": "check", "attributes": ["name"] });
        assert_eq!(bar.redeem_with(body, &fresh_key()).await?.refusal(), "403 attribute-not-allowed");
    }
    let digits = holder.digits("name").await?;
    let body = json!({ "code": digits, "purpose": "check", "attributes": ["name"] });
    assert_eq!(bar.redeem_with(body, &fresh_key()).await?.refusal(), "429 rate-limited");
    assert_eq!(holder.redemptions().await?["over_asked"], json!([]));
    assert_eq!(bar.redeem(&digits).await?.refusal(), "429 rate-limited");
    Ok(())
}
