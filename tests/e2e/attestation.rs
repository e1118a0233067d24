//! What the maker of a phone says of its key.

use ecert_tests::app::{TestApp, card};
use ecert_tests::clients::{Answer, Holder, text};
use ecert_tests::phone::{PACKAGE, Phone, SIGNED_BY, application, integer, root_of_trust};
use ecert_tests::specimen::Specimen;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use wallet_core::es256::PublicKey;
use wallet_core::jws::{base64url, from_base64url};

type Test = anyhow::Result<()>;

/// A phone, and a service that believes its maker and knows the app.
async fn believing(flags: &[&str]) -> anyhow::Result<(TestApp, Phone)> {
    let phone = Phone::new(&[], &[])?;
    let folder = tempfile::tempdir()?;
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, phone.root_pem()?)?;
    let digest: String = SIGNED_BY.iter().map(|byte| format!("{byte:02x}")).collect();
    let app = format!("{PACKAGE}:{digest}");
    let known = ["--attestation-roots", roots.to_str().expect("a path"), "--attestation-app", &app];
    Ok((TestApp::with_flags(&[known.as_slice(), flags].concat()).await?, phone))
}

async fn challenge(app: &TestApp) -> anyhow::Result<Value> {
    Answer::to(Client::new().post(format!("{}/v1/attestation-challenges", app.base)))
        .await?
        .expect_status(201)
}

/// The phone makes its key for a fresh challenge.
async fn make_key(app: &TestApp, phone: &mut Phone, holder: &Holder) -> Test {
    phone.said.challenge = from_base64url(&text(&challenge(app).await?, "/challenge")?)?;
    phone.key = PublicKey::from(&holder.key).to_sec1();
    Ok(())
}

fn evidence(phone: &Phone) -> anyhow::Result<Value> {
    let certificates: Vec<String> = phone.chain()?.iter().map(|der| base64url(der)).collect();
    Ok(json!({ "format": "android_key", "certificates": certificates }))
}

/// Begins an enrolment with this evidence on a phone that says it is all right.
async fn begin(holder: &mut Holder, evidence: Value) -> anyhow::Result<Answer> {
    let device = json!({ "os": "android", "os_version": "14", "network": "wifi" });
    let body = json!({ "consent": holder.consent().await?, "device": device, "attestation": evidence });
    holder.start_with(&body).await
}

async fn shown(holder: &Holder) -> anyhow::Result<Value> {
    let list = holder.call(Method::GET, "/v1/me/devices").await?.expect_status(200)?;
    Ok(list["devices"][0].clone())
}

async fn mode(holder: &Holder) -> anyhow::Result<Value> {
    holder.submit_document(card()).await?.expect_status(200)?;
    let path = format!("/v1/enrolments/{}/confirmation", holder.enrolment);
    Ok(holder.call(Method::POST, &path).await?.expect_status(200)?["mode"].clone())
}

#[actix_web::test]
async fn a_key_that_lives_in_hardware_is_seen_as_that() -> Test {
    let (app, mut phone) = believing(&[]).await?;
    let mut holder = app.holder();
    make_key(&app, &mut phone, &holder).await?;
    begin(&mut holder, evidence(&phone)?).await?.expect_status(201)?;
    let device = shown(&holder).await?;
    let attested = json!({
        "verdict": "attested", "level": "trusted_environment", "os_version": 140_000, "os_patch_level": 202_610,
    });
    assert_eq!((&device["attestation"], &device["risk"]), (&attested, &json!("clear")));
    assert_eq!((&device["reasons"], mode(&holder).await?), (&json!([]), json!("silent")));
    Ok(())
}

#[actix_web::test]
async fn a_key_in_the_system_is_noted_and_no_more() -> Test {
    let (app, mut phone) = believing(&[]).await?;
    let mut holder = app.holder();
    make_key(&app, &mut phone, &holder).await?;
    (phone.said.described_by, phone.said.held_by) = (0, 0);
    phone.said.leave_out(704);
    phone.said.software.append(&mut phone.said.hardware);
    begin(&mut holder, evidence(&phone)?).await?.expect_status(201)?;
    let device = shown(&holder).await?;
    assert_eq!((&device["attestation"]["level"], &device["risk"]), (&json!("software"), &json!("clear")));
    assert_eq!(device["reasons"], json!(["software-key"]));
    Ok(())
}

#[actix_web::test]
async fn an_attestation_that_does_not_hold_asks_for_more() -> Test {
    let (app, mut phone) = believing(&[]).await?;
    let mut holder = app.holder();
    make_key(&app, &mut phone, &holder).await?;
    phone.said.set(702, integer(2));
    phone.said.set(704, root_of_trust(0, 2));
    phone.said.software[1].1 = application("com.example.other", &SIGNED_BY);
    begin(&mut holder, evidence(&phone)?).await?.expect_status(201)?;
    let device = shown(&holder).await?;
    assert_eq!((&device["risk"], &device["reasons"]), (&json!("step_up"), &json!(["attestation-failed"])));
    let reasons = json!(["key-imported", "boot-unverified", "app-unknown"]);
    assert_eq!(device["attestation"]["reasons"], reasons);
    assert_eq!(mode(&holder).await?, "actions");
    Ok(())
}

#[actix_web::test]
async fn the_attestation_of_another_key_or_for_another_time_does_not_hold() -> Test {
    let (app, mut phone) = believing(&[]).await?;
    let (owner, mut thief, mut late) = (app.holder(), app.holder(), app.holder());
    make_key(&app, &mut phone, &owner).await?;
    begin(&mut thief, evidence(&phone)?).await?.expect_status(201)?;
    assert_eq!(shown(&thief).await?["attestation"]["reasons"], json!(["key-mismatch"]));
    make_key(&app, &mut phone, &late).await?;
    app.wait(601);
    begin(&mut late, evidence(&phone)?).await?.expect_status(201)?;
    assert_eq!(shown(&late).await?["attestation"]["reasons"], json!(["challenge-expired"]));
    let mut stranger = Phone::new(&phone.key, &phone.said.challenge)?;
    make_key(&app, &mut stranger, &late).await?;
    begin(&mut late, evidence(&stranger)?).await?.expect_status(201)?;
    let untrusted = json!({ "verdict": "failed", "reasons": ["chain-untrusted"] });
    assert_eq!(shown(&late).await?["attestation"], untrusted);
    Ok(())
}

#[actix_web::test]
async fn a_recovery_weighs_it_too() -> Test {
    let (app, mut phone) = believing(&["--recovery-liveness", "silent"]).await?;
    let mut holder = app.holder();
    for (origin, mode) in [(0, "silent"), (2, "actions")] {
        make_key(&app, &mut phone, &holder).await?;
        phone.said.set(702, integer(origin));
        let body = json!({
            "consent": holder.consent().await?, "document_number": Specimen::franck().number,
            "device": { "os": "android" }, "attestation": evidence(&phone)?,
        });
        let path = "/v1/recoveries";
        holder.token = None;
        let begun = Answer::to(holder.request(Method::POST, path)?.json(&body)).await?.expect_status(201)?;
        assert_eq!(begun["challenge"]["mode"], mode);
    }
    Ok(())
}

#[actix_web::test]
async fn without_a_root_nothing_is_checked_and_nothing_is_asked() -> Test {
    let (app, mut phone) = (TestApp::start().await?, Phone::new(&[], &[])?);
    let mut holder = app.holder();
    make_key(&app, &mut phone, &holder).await?;
    begin(&mut holder, evidence(&phone)?).await?.expect_status(201)?;
    let device = shown(&holder).await?;
    assert_eq!(device["attestation"], json!({ "verdict": "not_checked" }));
    assert_eq!(device["risk"], "clear");
    let mut silent = app.holder();
    silent.start().await?;
    assert_eq!(shown(&silent).await?.get("attestation"), None);
    Ok(())
}

#[actix_web::test]
async fn what_is_no_attestation_is_refused_and_a_stranger_is_not_heard() -> Test {
    let (app, phone) = believing(&[]).await?;
    let mut holder = app.holder();
    for bad in [
        json!({ "format": "android_key", "certificates": ["not base64url!"] }),
        json!({ "format": "android_key", "certificates": "x" }),
        json!({ "format": "android_key" }),
        json!({ "format": "apple_app_attest", "certificates": [] }),
        json!({ "format": "android_key", "certificates": [], "more": 1 }),
        json!({ "format": "android_key", "certificates": ["A".repeat(20_000)] }),
    ] {
        assert_eq!(begin(&mut holder, bad).await?.refusal(), "400 request-invalid");
    }
    // Decodable, and no chain: it does not hold.
    begin(&mut holder, json!({ "format": "android_key", "certificates": [] })).await?.expect_status(201)?;
    assert_eq!(shown(&holder).await?["attestation"]["reasons"], json!(["chain-malformed"]));
    let body = json!({ "consent": holder.consent().await?, "attestation": evidence(&phone)? });
    let unproven = Client::new().post(format!("{}/v1/enrolments", app.base)).json(&body);
    assert_eq!(Answer::to(unproven).await?.refusal(), "401 unauthenticated");
    Ok(())
}

#[actix_web::test]
async fn challenges_are_for_anybody_and_no_two_are_alike() -> Test {
    let app = TestApp::start().await?;
    let (one, other) = (challenge(&app).await?, challenge(&app).await?);
    assert_ne!(one["challenge"], other["challenge"]);
    assert_eq!(from_base64url(&text(&one, "/challenge")?)?.len(), 40);
    assert!(one["expires_at"].is_string());
    let wrong = Client::new().get(format!("{}/v1/attestation-challenges", app.base));
    assert_eq!(Answer::to(wrong).await?.refusal(), "405 method-not-allowed");
    Ok(())
}

#[actix_web::test]
async fn settings_that_can_not_be_meant_stop_the_start() -> Test {
    let app = format!("{PACKAGE}:{}", "a5".repeat(32));
    let folder = tempfile::tempdir()?;
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate")?;
    for (flags, why) in [
        (["--attestation-app", &app], "set --attestation-roots as well"),
        (
            ["--attestation-roots", empty.to_str().unwrap()],
            "expected one or more certificates of roots in PEM",
        ),
        (["--attestation-roots", "/nowhere/roots.pem"], "can't read the attestation roots"),
        (["--attestation-app", "com.example.ecert"], "PACKAGE:SHA256"),
    ] {
        let error = TestApp::with_flags(&flags).await.err().expect("it started");
        assert!(format!("{error:#}").contains(why), "{error:#}");
    }
    Ok(())
}
