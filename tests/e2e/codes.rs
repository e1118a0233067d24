//! Handles with keys of their own, codes that are bound, codes for offline use, and how refused ones look alike.

use ecert_server::flow::retention;
use ecert_server::http::even_time::BEAT;
use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::{Holder, RelyingParty, fresh_key};
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate as _;
use reqwest::Method;
use serde_json::{Value, json};
use wallet_core::attributes::Share;
use wallet_core::code::Code;
use wallet_core::code::handles::{BATCH, KEPT, REFILL_BELOW};
use wallet_core::code::qr::{Bound, Q1};
use wallet_core::es256::PublicKey;
use wallet_core::money::{Amount, Currency, Micros};

type Test = anyhow::Result<()>;

fn is_signed_by(code: &str, key: &SigningKey) -> bool {
    match code.parse() {
        Ok(Code::Qr(qr)) => qr.verify(&PublicKey::from(key)).is_ok(),
        _ => false,
    }
}

#[actix_web::test]
async fn two_codes_of_one_holder_have_no_key_in_common() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let mut wallet = holder.handles.clone();
    let mut next = || wallet.take().map(|handle| handle.key.clone()).expect("a batch was fetched");
    let (first, second) = (next(), next());
    let codes = [holder.qr(Share::Name)?, holder.qr(Share::Name)?];
    // Whoever recovers the keys that may have signed finds those that verify, and no others.
    let signed = |key: &SigningKey| codes.each_ref().map(|code| is_signed_by(code, key));
    assert_eq!(
        [signed(&first), signed(&second), signed(&holder.key)],
        [[true, false], [false, true], [false; 2]]
    );
    for code in &codes {
        rp.open(code).await?;
    }
    Ok(())
}

#[actix_web::test]
async fn a_wallet_fetches_handles_and_the_oldest_are_retired() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let oldest = holder.handles.clone().take().expect("a batch was fetched").clone();
    for _ in 0..=BATCH - REFILL_BELOW {
        holder.handles.take();
    }
    assert!(holder.handles.want_more());
    let unused = holder.qr(Share::Name)?;
    let refilled = holder.refill().await?;
    assert_eq!((&refilled["held"], &refilled["refill_below"]), (&json!(KEPT), &json!(REFILL_BELOW)));
    let retired = Q1::new(oldest.id, Share::Name, app.clock_now(), &mut rand::rng()).sign(&oldest.key)?;
    assert_eq!(rp.redeem(&retired).await?.refusal(), "404 code-unknown");
    rp.open(&unused).await?;
    rp.open(&holder.qr(Share::Name)?).await?;
    Ok(())
}

#[actix_web::test]
async fn the_same_keys_get_the_same_handles_and_sixteen_batches_are_a_days() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let keys: Vec<SigningKey> = (0..2).map(|_| SigningKey::generate_from_rng(&mut rand::rng())).collect();
    let first = holder.send_keys(&keys).await?.expect_status(201)?;
    // The enrolment took one, and the answer above may have been lost.
    for _ in 0..14 {
        assert_eq!(holder.send_keys(&keys).await?.expect_status(201)?, first);
    }
    assert_eq!(first["held"], BATCH + 2);
    let refused = holder.send_keys(&keys).await?;
    assert_eq!(refused.refusal(), "429 rate-limited");
    app.wait(86_400);
    holder.send_keys(&keys).await?.expect_status(201)?;
    Ok(())
}

#[actix_web::test]
async fn handles_are_given_to_devices_with_a_certificate_in_force() -> Test {
    let app = TestApp::start().await?;
    let (holder, mut new) = (app.enrolled().await?, app.holder());
    let keys = vec![holder.key.clone()];
    assert_eq!(app.holder().send_keys(&keys).await?.refusal(), "401 unauthenticated");
    new.start().await?;
    assert_eq!(new.send_keys(&keys).await?.refusal(), "404 not-found");
    let too_many: Vec<SigningKey> =
        (0..=BATCH).map(|_| SigningKey::generate_from_rng(&mut rand::rng())).collect();
    for keys in [&[][..], &[keys[0].clone(), keys[0].clone()], &too_many] {
        assert_eq!(holder.send_keys(keys).await?.refusal(), "400 request-invalid");
    }
    let no_point = holder.request(Method::POST, "/v1/me/handles")?.json(&json!({ "keys": ["AAAA"] }));
    assert_eq!(ecert_tests::clients::Answer::to(no_point).await?.body["field"], "keys");
    holder.revoke().await?.expect_status(204)?;
    assert_eq!(holder.send_keys(&keys).await?.refusal(), "410 certificate-revoked");
    Ok(())
}

#[actix_web::test]
async fn handles_end_with_their_certificate_and_are_forgotten_a_month_later() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    app.wait(366 * 86_400);
    retention::forget(&app.context)?;
    assert_eq!(rp.redeem(&holder.qr(Share::Name)?).await?.refusal(), "410 certificate-revoked");
    app.wait(30 * 86_400);
    retention::forget(&app.context)?;
    assert_eq!(rp.redeem(&holder.qr(Share::Name)?).await?.refusal(), "404 code-unknown");
    Ok(())
}

fn yuan(micros: i64) -> Amount {
    Amount { currency: Currency::Cny, micros: Micros::new(micros) }
}

async fn redeem_for(rp: &RelyingParty, code: &str, purpose: &str, amount: Value) -> anyhow::Result<String> {
    let body = json!({ "code": code, "purpose": purpose, "amount": amount });
    let answer = rp.redeem_with(body, &fresh_key()).await?;
    Ok(if answer.status == 201 { "201".to_owned() } else { answer.refusal() })
}

#[actix_web::test]
async fn a_bound_code_is_good_for_its_relying_party_purpose_and_amount() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let bound = Bound::to(rp.id.parse()?, "check", Some(yuan(182_000)));
    let code = holder.bound_qr(Share::Name, bound)?;
    let (good, other) = (json!(yuan(182_000)), app.relying_party().await?);
    assert_eq!(redeem_for(&other, &code, "check", good.clone()).await?, "404 code-unknown");
    for amount in [json!(yuan(182_001)), Value::Null] {
        assert_eq!(redeem_for(&rp, &code, "check", amount).await?, "404 code-unknown");
    }
    assert_eq!(redeem_for(&rp, &code, "check", json!(yuan(-1))).await?, "400 request-invalid");
    assert_eq!(redeem_for(&rp, &code, "check", good.clone()).await?, "201", "none of that used it up");
    assert_eq!(redeem_for(&rp, &code, "check", good).await?, "409 code-already-redeemed");
    let elsewhere = holder.bound_qr(Share::Name, Bound::to(rp.id.parse()?, "another purpose", None))?;
    assert_eq!(redeem_for(&rp, &elsewhere, "check", Value::Null).await?, "404 code-unknown");
    Ok(())
}

#[actix_web::test]
async fn an_offline_code_is_taken_online_once() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let code = holder.offline_qr(Share::Name)?;
    let open = rp.open(&code).await?;
    let judged = rp.judge(&open, &later_frames()).await?.expect_status(200)?;
    assert_eq!(judged["attributes"]["name"], "林知远");
    assert_eq!(rp.redeem(&code).await?.refusal(), "409 code-already-redeemed");
    holder.key = SigningKey::generate_from_rng(&mut rand::rng());
    assert_eq!(rp.redeem(&holder.offline_qr(Share::Name)?).await?.refusal(), "404 code-unknown");
    Ok(())
}

/// A QR nobody's handle is in, one that is bound to somebody else, one that has expired, and one by another key.
pub(crate) fn refused_codes(holder: &mut Holder, app: &TestApp) -> anyhow::Result<[String; 4]> {
    let stranger = SigningKey::generate_from_rng(&mut rand::rng());
    let now = app.clock_now();
    let unknown = Q1::new(rand::random(), Share::Name, now, &mut rand::rng()).sign(&stranger)?;
    let elsewhere = wallet_core::ids::RelyingPartyId::new(now, &mut rand::rng());
    let foreign = holder.bound_qr(Share::Name, Bound::to(elsewhere, "check", None))?;
    let handle = holder.handles.take().expect("a batch was fetched").clone();
    let early = now - jiff::SignedDuration::from_secs(91);
    let expired = Q1::new(handle.id, Share::Name, early, &mut rand::rng()).sign(&handle.key)?;
    let forged = Q1::new(handle.id, Share::Name, now, &mut rand::rng()).sign(&stranger)?;
    Ok([unknown, foreign, expired, forged])
}

/// How evenly `cargo xtask bench codes` measures; here no refusal is sooner than all are.
#[actix_web::test]
async fn refused_codes_look_alike_and_are_answered_on_the_beat() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let mut bodies = Vec::new();
    for code in refused_codes(&mut holder, &app)? {
        let began = std::time::Instant::now();
        let answer = rp.redeem(&code).await?;
        assert!(began.elapsed() >= BEAT);
        assert_eq!(answer.refusal(), "404 code-unknown");
        bodies.push(answer.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    Ok(())
}
