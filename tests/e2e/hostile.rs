//! Hostile codes and proofs at the door: each is refused with its word, and none costs anything.
//!
//! The formats themselves have their table in `wallet-core/tests/formats`; these are the cases that need a service.

use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::{Answer, Holder, RelyingParty};
use ecert_tests::craft::{ORDER, Q1, Sign1, array, bstr, int, jws, map, mirrored, qr, signature, tstr};
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate as _;
use reqwest::Method;
use serde_json::{Value, json};
use wallet_core::es256::sha256;
use wallet_core::jws::base64url;

type Test = anyhow::Result<()>;

const MALFORMED: &str = "400 code-malformed";
const UNKNOWN: &str = "404 code-unknown";
const REDEEMED: &str = "409 code-already-redeemed";

/// A code that the holder's phone could have made now, with random bytes for its jti, and the key of its handle.
fn fresh(app: &TestApp, holder: &mut Holder) -> anyhow::Result<(Q1, SigningKey)> {
    let handle = holder.handle()?;
    Ok((Q1::at(handle.id, rand::random(), app.context.now().as_second()), handle.key.clone()))
}

fn stranger() -> SigningKey {
    SigningKey::generate_from_rng(&mut rand::rng())
}

/// The code's text with the signature's bytes changed.
fn with_signature(code: &Q1, key: &SigningKey, change: impl FnOnce(&mut [u8; 64])) -> String {
    let mut right = signature(key, &code.message().message());
    change(&mut right);
    qr(&code.message().with(&right))
}

/// Codes that do not have the form, made of a code that is good.
fn malformed(code: &Q1, key: &SigningKey) -> Vec<String> {
    let message = code.message();
    let headed = |header: Vec<u8>| qr(&Sign1 { protected: header, ..code.message() }.signed(key));
    let good = message.signed(key);
    let text = code.text(key);
    let duplicated = [&[0xa2], &map(&[(int(1), int(-7))])[1..], &map(&[(int(1), int(-7))])[1..]].concat();
    let spoiled = |change: fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        qr(&bytes)
    };
    vec![
        headed(map(&[(int(1), int(-35))])),
        headed(map(&[(int(1), int(5))])),
        headed(map(&[(int(1), tstr("none"))])),
        headed(map(&[])),
        headed(map(&[(int(1), int(-7)), (int(4), bstr(b"another key"))])),
        headed(duplicated),
        qr(&Sign1 { unprotected: map(&[(int(4), bstr(b"11"))]), ..code.message() }.signed(key)),
        qr(&Sign1 { payload: array(&[]), ..code.message() }.signed(key)),
        qr(&Sign1 { payload: [&message.payload[..], &[0]].concat(), ..code.message() }.signed(key)),
        qr(&good[1..]),
        spoiled(|bytes| bytes.push(0)),
        spoiled(|bytes| {
            bytes.pop();
        }),
        spoiled(|bytes| {
            bytes[1] = 0x9f;
            bytes.push(0xff);
        }),
        qr(&[0xd2, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        qr(&[vec![0xd2], vec![0x81; 100]].concat()),
        text.to_lowercase(),
        format!("{text}0"),
        text.replacen("EC1:", "HC1:", 1),
    ]
}

/// Codes of the right form that nobody who may have made.
fn forged(code: &Q1, key: &SigningKey) -> Vec<String> {
    let now = code.iat;
    let lasting = |iat: i64, exp: i64| Q1 { iat: now + iat, exp: now + exp, ..code.clone() }.text(key);
    let elsewhere = Sign1 { context: b"ecert-capture", ..code.message() }.message();
    vec![
        code.text(&stranger()),
        qr(&code.message().with(&signature(key, &elsewhere))),
        with_signature(code, key, |signature| signature[..32].fill(0)),
        with_signature(code, key, |signature| signature[32..].fill(0)),
        with_signature(code, key, |signature| signature.fill(0)),
        with_signature(code, key, |signature| signature[..32].copy_from_slice(&ORDER)),
        with_signature(code, key, |signature| signature[32..].copy_from_slice(&ORDER)),
        with_signature(code, key, |signature| signature[40] ^= 1),
        Q1 { handle: rand::random(), ..code.clone() }.text(key),
        lasting(31, 91),
        lasting(-151, -91),
        lasting(0, 61),
        lasting(0, 86_400),
        lasting(0, 0),
        lasting(60, 0),
    ]
}

/// No charge, no attempt and no receipt: nothing moved.
async fn nothing_was_billed(app: &TestApp, rps: &[&RelyingParty]) -> Test {
    assert_eq!(app.charges().await?, 0);
    let ledger = app.admin.ledger().await?.expect_status(200)?;
    assert_eq!(ledger["sum_micros"], 0, "{ledger}");
    for rp in rps {
        let redemption = "red_01ARZ3NDEKTSV4RRFFQ69G5FAV";
        let receipts = rp.get(&format!("/v1/redemptions/{redemption}/receipt")).await?;
        assert_eq!(receipts.refusal(), "404 not-found");
    }
    Ok(())
}

#[actix_web::test]
async fn hostile_codes_are_refused_in_their_words_and_cost_nothing() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (code, key) = fresh(&app, &mut holder)?;
    for (place, text) in malformed(&code, &key).iter().enumerate() {
        assert_eq!(rp.redeem(text).await?.refusal(), MALFORMED, "malformed {place}");
    }
    for (place, text) in forged(&code, &key).iter().enumerate() {
        assert_eq!(rp.redeem(text).await?.refusal(), UNKNOWN, "forged {place}");
    }
    nothing_was_billed(&app, &[&rp]).await?;
    // After all that the code itself is as good as before.
    rp.redeem(&code.text(&key)).await?.expect_status(201)?;
    Ok(())
}

#[actix_web::test]
async fn a_spent_code_has_no_second_life_in_another_coat() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp, other) =
        (app.enrolled().await?, app.relying_party().await?, app.relying_party().await?);
    let (code, key) = fresh(&app, &mut holder)?;
    let open = rp.open(&code.text(&key)).await?;
    let coats = [
        code.text(&key),
        with_signature(&code, &key, |signature| *signature = mirrored(*signature)),
        Q1 { share: 3, ..code.clone() }.text(&key),
        Q1 { iat: code.iat + 1, exp: code.exp + 1, ..code.clone() }.text(&key),
    ];
    for (place, text) in coats.iter().enumerate() {
        assert_eq!(rp.redeem(text).await?.refusal(), REDEEMED, "coat {place}");
        assert_eq!(other.redeem(text).await?.refusal(), REDEEMED, "coat {place}, another relying party");
    }
    assert_eq!(other.judge(&open, &later_frames()).await?.refusal(), "404 not-found");
    let kept = rp.get(&format!("/v1/redemptions/{}/receipt", open.id)).await?;
    assert!(kept.status == 404 || kept.body["receipts"] == json!([]), "{kept:?}");
    nothing_was_billed(&app, &[&rp, &other]).await
}

/// The code's mirrored signature is as good as the one the phone made: half of all phones make the one, half the other.
#[actix_web::test]
async fn whichever_s_a_phone_makes_its_code_is_redeemed() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    for _ in 0..2 {
        let (code, key) = fresh(&app, &mut holder)?;
        let twin = with_signature(&code, &key, |signature| *signature = mirrored(*signature));
        rp.redeem(&twin).await?.expect_status(201)?;
        assert_eq!(rp.redeem(&code.text(&key)).await?.refusal(), REDEEMED);
    }
    Ok(())
}

/// A proof with parts changed, for a request that asks for digits.
fn proof(
    app: &TestApp,
    holder: &Holder,
    key: &SigningKey,
    change: impl FnOnce(&mut Value, &mut Value),
) -> String {
    let point = holder.key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
    let coordinate = |bytes: &[u8]| base64url(bytes);
    let jwk =
        json!({ "kty": "EC", "crv": "P-256", "x": coordinate(&point[1..33]), "y": coordinate(&point[33..]) });
    let mut header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk });
    let token = holder.token.as_deref().unwrap_or_default();
    let mut claims = json!({
        "jti": base64url(&rand::random::<[u8; 16]>()), "htm": "POST", "htu": format!("{}/v1/me/codes", app.base),
        "iat": app.context.now().as_second(), "ath": base64url(&sha256(token.as_bytes())),
    });
    change(&mut header, &mut claims);
    jws(&header.to_string(), &claims.to_string(), |message| signature(key, message).to_vec())
}

#[actix_web::test]
async fn hostile_proofs_open_nothing() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let ask = async |proof: &str| -> anyhow::Result<Answer> {
        let request = holder.request_with(Method::POST, "/v1/me/codes", proof)?;
        Answer::to(request.json(&json!({ "share": "name" }))).await
    };
    let made = |change: fn(&mut Value, &mut Value)| proof(&app, &holder, &holder.key, change);
    let mut refused = vec![
        made(|header, _| header["alg"] = "none".into()),
        made(|header, _| header["alg"] = "HS256".into()),
        made(|header, _| header["alg"] = "ES384".into()),
        made(|header, _| header["typ"] = "JWT".into()),
        made(|header, _| header["crit"] = json!(["exp"])),
        made(|header, _| header["jwk"]["d"] = "AAAA".into()),
        made(|header, _| header["jwk"]["y"] = header["jwk"]["x"].clone()),
        made(|_, claims| claims["htm"] = "GET".into()),
        made(|_, claims| claims["htu"] = "https://evil.test/v1/me/codes".into()),
        made(|_, claims| claims["ath"] = "AAAA".into()),
        made(|_, claims| drop(claims.as_object_mut().map(|claims| claims.remove("ath")))),
        made(|_, claims| claims["iat"] = (claims["iat"].as_i64().unwrap_or(0) - 61).into()),
        made(|_, claims| claims["iat"] = (claims["iat"].as_i64().unwrap_or(0) + 61).into()),
        made(|_, claims| claims["jti"] = "x".repeat(65).into()),
        proof(&app, &holder, &stranger(), |_, _| ()),
        "a.b.c".to_owned(),
    ];
    // Another device with a proof that is right in itself, and the right one a second time.
    let other = stranger();
    let point = other.verifying_key().to_sec1_point(false).as_bytes().to_vec();
    refused.push(proof(&app, &holder, &other, |header, _| {
        header["jwk"]["x"] = base64url(&point[1..33]).into();
        header["jwk"]["y"] = base64url(&point[33..]).into();
    }));
    let good = made(|_, _| ());
    ask(&good).await?.expect_status(201)?;
    refused.push(good);
    for (place, proof) in refused.iter().enumerate() {
        assert_eq!(ask(proof).await?.refusal(), "401 unauthenticated", "proof {place}");
    }
    nothing_was_billed(&app, &[]).await
}
