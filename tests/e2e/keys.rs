//! The issuer's keys: rotated while people come and go, kept in a file or in a token, taken back, and what is not signed.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use diesel::prelude::*;
use ecert_server::config::Config;
use ecert_tests::app::{TestApp, card, enrolment_frames, later_frames};
use ecert_tests::clients::{Answer, root};
use ecert_tests::token::{TestToken, once_more_with_a_token};
use p256::ecdsa::SigningKey;
use serde_json::Value;
use wallet_core::attributes::Share;
use wallet_core::ecert::{UnverifiedCert, verify::verify};
use wallet_core::jws::{Jwk, UnverifiedJws, from_base64url, thumbprint};

type Test = anyhow::Result<()>;

/// Runs `ecert keys …` beside a service.
fn keys(app: &TestApp, flags: &[String], arguments: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(ecert_tests::service::binary()?);
    command.arg("keys").args(arguments).arg("--data-dir").arg(app.folder()).args(flags);
    Ok(command.args(["--database", app.database()]).output()?)
}

/// What is on record of the ceremonies: act and outcome, in the order of the alphabet.
fn recorded(app: &TestApp) -> anyhow::Result<Vec<(String, String)>> {
    use ecert_server::store::schema::audit::dsl as a;
    let acts = ["key.rotate", "key.retire", "key.move", "key.reseal"];
    let found = a::audit.filter(a::action.eq_any(acts)).select((a::action, a::outcome));
    let store = &app.context.rp_store;
    let mut found: Vec<(String, String)> = store.read(|conn| Ok(found.clone().load(conn)?))?;
    // Two lines of a millisecond have no order among them.
    found.sort();
    Ok(found)
}

/// The same, expected to go well; its JSON.
fn said(app: &TestApp, flags: &[String], arguments: &[&str]) -> anyhow::Result<Value> {
    let output = keys(app, flags, &[arguments, &["--json"]].concat())?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn issuer(app: &TestApp) -> anyhow::Result<Value> {
    app.holder().issuer().await
}

fn signing_kid(issuer: &Value) -> anyhow::Result<String> {
    let jwk: Jwk = serde_json::from_value(issuer["signing_key"].clone())?;
    Ok(thumbprint(&jwk.key()?))
}

/// The `kid` of a receipt, which verifies by the published key of that name.
fn kid_of(receipt: &Value, issuer: &Value) -> anyhow::Result<String> {
    let token = UnverifiedJws::parse(receipt.as_str().context("a receipt")?, "ecert-receipt+jwt")?;
    let kid = token.header("kid").and_then(Value::as_str).context("no kid")?;
    let published = issuer["keys"].as_array().into_iter().flatten().find(|key| key["kid"] == kid);
    let jwk: Jwk = serde_json::from_value(published.context("the key is not published")?.clone())?;
    token.verify::<Value>(&jwk.key()?)?;
    Ok(kid.to_owned())
}

/// Waits until the service signs with another key than `before`; how long that took.
async fn followed(app: &TestApp, before: &str) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    while signing_kid(&issuer(app).await?)? == before {
        ensure!(begun.elapsed() < Duration::from_secs(10), "the rotation was not followed");
        actix_web::rt::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(begun.elapsed())
}

fn receipts_hold(app: &TestApp, issuer: &Value, receipts: &[Value]) -> Test {
    let file = |name: &str| app.folder().join(name);
    std::fs::write(file("root.der"), root(issuer)?)?;
    let mut command = Command::new(ecert_tests::service::binary()?);
    command.args(["receipts", "verify", "--root"]).arg(file("root.der"));
    for (place, receipt) in receipts.iter().enumerate() {
        let name = file(&format!("receipt-{place}.jws"));
        std::fs::write(&name, receipt.as_str().context("a receipt")?)?;
        command.arg(name);
    }
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[actix_web::test]
async fn a_rotation_while_redemptions_run_is_felt_by_nobody() -> Test {
    let token = TestToken::of_this_process();
    let flags = token.as_ref().map(TestToken::flags).unwrap_or_default();
    let app = TestApp::with_flags(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let mut receipts = Vec::new();
    let visit = rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    receipts.push(visit["receipt"].clone());
    let old = signing_kid(&issuer(&app).await?)?;
    // While somebody is shown a challenge, the key changes.
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    let made = said(&app, &flags, &["rotate", "signer"])?;
    let lives = if token.is_some() { "token" } else { "sealed file" };
    assert_eq!((&made[0]["state"], &made[0]["lives"]), (&"active".into(), &lives.into()));
    // The story's clock stands; the command's went on.
    app.wait(30);
    let took = followed(&app, &old).await?;
    assert!(took < Duration::from_secs(4), "{took:?}");
    receipts.push(rp.judge(&open, &later_frames()).await?.expect_status(200)?["receipt"].clone());
    let visit = rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    receipts.push(visit["receipt"].clone());
    let issuer = issuer(&app).await?;
    let kids: Vec<String> =
        receipts.iter().map(|receipt| kid_of(receipt, &issuer)).collect::<Result<_, _>>()?;
    let new = made[0]["kid"].as_str().context("a kid")?;
    assert_eq!(kids, [old.as_str(), new, new]);
    receipts_hold(&app, &issuer, &receipts)?;
    // An E-cert of the old signer is shown and verified as ever.
    let cert = UnverifiedCert::from_bytes(&from_base64url(holder.issued["certificate"].as_str().unwrap())?)?;
    verify(cert, &root(&issuer)?, jiff::Timestamp::now())?;
    assert_eq!(app.charges().await?, 3);
    if token.is_none() {
        once_more_with_a_token("keys::a_rotation_while_redemptions_run_is_felt_by_nobody")?;
    }
    Ok(())
}

#[actix_web::test]
async fn a_token_that_is_away_costs_nobody_anything() -> Test {
    let Some(token) = TestToken::of_this_process() else {
        return once_more_with_a_token("keys::a_token_that_is_away_costs_nobody_anything");
    };
    let flags = token.flags();
    let app = TestApp::with_flags(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    let mut other = app.holder();
    let nonce = other.reach_challenge(card()).await?;
    token.set_present(false)?;
    assert_eq!(rp.judge(&open, &later_frames()).await?.refusal(), "503 overloaded");
    let refused = other.submit_capture(&nonce, &enrolment_frames()).await?;
    assert_eq!(refused.refusal(), "503 overloaded");
    assert_eq!(app.charges().await?, 0);
    // The certificate before it was not superseded by one that was never signed.
    rp.open(&holder.qr(Share::Name)?).await?;
    token.set_present(true)?;
    // Its library is begun anew once a second at most.
    let begun = Instant::now();
    while rp.judge(&open, &later_frames()).await?.refusal() == "503 overloaded" {
        ensure!(begun.elapsed() < Duration::from_secs(10), "the token is back, and nothing is signed");
        actix_web::rt::time::sleep(Duration::from_millis(300)).await;
    }
    other.submit_capture(&nonce, &enrolment_frames()).await?.expect_status(200)?;
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

async fn crl(app: &TestApp, ca: &str) -> anyhow::Result<Vec<u8>> {
    let response = reqwest::get(format!("{}/v1/crl/{ca}", app.base)).await?.error_for_status()?;
    assert_eq!(response.headers()["content-type"], "application/pkix-crl");
    Ok(response.bytes().await?.to_vec())
}

fn openssl(folder: &Path, arguments: &[&str]) -> anyhow::Result<(bool, String)> {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().context("openssl")?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok((output.status.success(), said))
}

fn pem(kind: &str, der: &[u8]) -> String {
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
}

/// What openssl says of a signer, by the lists that are published.
async fn verdict(app: &TestApp, kid: &str) -> anyhow::Result<(bool, String)> {
    let folder = app.folder();
    let mut untrusted = String::new();
    for key in said(app, &[], &["export"])?.as_array().into_iter().flatten() {
        let der = STANDARD.decode(key["certificate"].as_str().context("a certificate")?)?;
        match key["role"].as_str() {
            Some("root") => std::fs::write(folder.join("root.pem"), pem("CERTIFICATE", &der))?,
            Some("issuing") => untrusted += &pem("CERTIFICATE", &der),
            _ if key["kid"] == kid => std::fs::write(folder.join("signer.pem"), pem("CERTIFICATE", &der))?,
            _ => {}
        }
    }
    std::fs::write(folder.join("issuing.pem"), untrusted)?;
    let lists = pem("X509 CRL", &crl(app, "root").await?) + &pem("X509 CRL", &crl(app, "issuing").await?);
    std::fs::write(folder.join("crls.pem"), lists)?;
    let files = ["-CAfile", "root.pem", "-untrusted", "issuing.pem", "-CRLfile", "crls.pem", "signer.pem"];
    openssl(folder, &[&["verify", "-crl_check_all"], &files[..]].concat())
}

#[actix_web::test]
async fn what_is_taken_back_is_refused_by_somebody_elses_verifier() -> Test {
    let app = TestApp::start().await?;
    let old = signing_kid(&issuer(&app).await?)?;
    let (good, words) = verdict(&app, &old).await?;
    assert!(good, "{words}");
    std::fs::write(app.folder().join("issuing.crl"), crl(&app, "issuing").await?)?;
    let checked = ["crl", "-inform", "DER", "-in", "issuing.crl", "-CAfile", "issuing.pem", "-noout"];
    let (good, words) = openssl(app.folder(), &checked)?;
    assert!(good && words.contains("verify OK"), "{words}");
    let too_early = keys(&app, &[], &["retire", &old])?;
    assert!(String::from_utf8_lossy(&too_early.stderr).contains("rotate signer"));
    said(&app, &[], &["rotate", "signer"])?;
    app.wait(30);
    followed(&app, &old).await?;
    let retired = said(&app, &[], &["retire", &old, "--reason", "key-compromise"])?;
    assert_eq!((&retired[0]["state"], &retired[0]["lives"]), (&"retired".into(), &"not here".into()));
    for _ in 0..100 {
        if issuer(&app).await?["keys"].as_array().is_some_and(|keys| keys.len() == 1) {
            break;
        }
        actix_web::rt::time::sleep(Duration::from_millis(50)).await;
    }
    // The file of the signer is still that of the old one.
    let (good, words) = verdict(&app, &old).await?;
    assert!(!good && words.contains("certificate revoked"), "{words}");
    let (good, words) = verdict(&app, &signing_kid(&issuer(&app).await?)?).await?;
    assert!(good, "{words}");
    let unknown = Answer::to(reqwest::Client::new().get(format!("{}/v1/crl/nobody", app.base))).await?;
    assert_eq!(unknown.refusal(), "404 not-found");
    let retired = ["begun", "begun", "done", "failed"].map(|end| ("key.retire".to_owned(), end.to_owned()));
    let rotated = ["begun", "done"].map(|end| ("key.rotate".to_owned(), end.to_owned()));
    assert_eq!(recorded(&app)?, [&retired[..], &rotated].concat());
    Ok(())
}

#[actix_web::test]
async fn the_root_goes_offline_and_comes_back_for_a_ceremony_only() -> Test {
    let app = TestApp::start().await?;
    let file = |name: &str| app.folder().join(name).display().to_string();
    let (sealed, words) = (file("root.sealed"), file("words"));
    std::fs::write(&words, "five or six random words")?;
    let arguments = ["root", "move", "--to", &sealed, "--root-pass-phrase-file", &words];
    assert_eq!(said(&app, &[], &arguments)?[0]["lives"], "not here");
    let refused = keys(&app, &[], &["rotate", "issuing"])?;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--root"), "it says what to do");
    let before = issuer(&app).await?;
    let ceremony = ["rotate", "issuing", "--root", &sealed, "--root-pass-phrase-file", &words];
    let made = said(&app, &[], &ceremony)?;
    assert_eq!((&made[0]["role"], &made[1]["role"]), (&"issuing".into(), &"signer".into()));
    app.wait(30);
    followed(&app, &signing_kid(&before)?).await?;
    let after = issuer(&app).await?;
    assert_eq!(after["x5c"][2], before["x5c"][2], "the root is the same");
    assert_ne!(after["x5c"][1], before["x5c"][1]);
    // Who enrols now is vouched for by the new chain.
    let holder = app.enrolled().await?;
    let cert = UnverifiedCert::from_bytes(&from_base64url(holder.issued["certificate"].as_str().unwrap())?)?;
    verify(cert, &root(&before)?, jiff::Timestamp::now() + jiff::SignedDuration::from_secs(30))?;
    let pem = keys(&app, &[], &["export"])?.stdout;
    let pem = String::from_utf8(pem)?;
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 5);
    assert!(!pem.contains("PRIVATE"));
    Ok(())
}

#[actix_web::test]
async fn keys_under_a_pass_phrase_open_with_it_alone() -> Test {
    let words = tempfile::tempdir()?;
    let file = words.path().join("words");
    std::fs::write(&file, "five or six random words\n")?;
    let file = file.display().to_string();
    let flags = ["--key-seal", "pass-phrase", "--key-pass-phrase-file", &file];
    let app = TestApp::with_flags(&flags).await?;
    assert!(!app.folder().join("key-file").exists());
    let owned: Vec<String> = flags.map(str::to_owned).into();
    let list = said(&app, &owned, &["list"])?;
    assert_eq!(list.as_array().map(Vec::len), Some(3));
    let mut without = Command::new(ecert_tests::service::binary()?);
    without.args(["keys", "list", "--data-dir"]).arg(app.folder()).stdin(std::process::Stdio::null());
    let refused = String::from_utf8(without.output()?.stderr)?;
    assert!(refused.contains("ECERT_KEY_PASS_PHRASE"), "{refused}");
    std::fs::write(&file, "some other random words\n")?;
    let refused = String::from_utf8(keys(&app, &owned, &["list"])?.stderr)?;
    assert!(refused.contains("does not open"), "{refused}");
    Ok(())
}

#[actix_web::test]
async fn more_certificates_in_an_hour_than_may_be_are_put_off() -> Test {
    let app = TestApp::with_flags(&["--issuing-limit", "1"]).await?;
    // The hour of the limit begins with the clock's.
    app.wait(3600 - app.context.now().as_second().rem_euclid(3600));
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let mut other = app.holder();
    let nonce = other.reach_challenge(card()).await?;
    let refused = other.submit_capture(&nonce, &enrolment_frames()).await?;
    assert_eq!(refused.refusal(), "503 overloaded");
    assert!(refused.body["retry_after"].as_u64().is_some_and(|wait| wait <= 3600));
    rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    // Nothing was lost by it: the same phone enrols in the next hour.
    app.wait(3600);
    other.token = None;
    other.enrol(card(), &enrolment_frames()).await?;
    Ok(())
}

#[actix_web::test]
async fn a_key_that_everybody_knows_is_no_device_key() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.holder();
    let mut one = [0; 32];
    one[31] = 1;
    holder.key = SigningKey::from_slice(&one)?;
    let refused = holder.start().await.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("device-key-unusable") && refused.contains("422"), "{refused}");
    Ok(())
}

#[test]
fn no_secret_of_the_keys_can_be_given_on_the_command_line() {
    use clap::Args as _;
    let settings = Config::augment_args(clap::Command::new("settings"));
    let named: Vec<String> = settings.get_arguments().map(|argument| argument.get_id().to_string()).collect();
    for secret in ["pin", "pass_phrase"] {
        let all: Vec<_> = named.iter().filter(|name| name.contains(secret)).collect();
        assert!(!all.is_empty() && all.iter().all(|name| name.ends_with("_file")), "{all:?}");
    }
}
