//! A new phone, and the face that was enrolled.

use std::time::{Duration, Instant};

use ecert_server::flow::retention;
use ecert_tests::app::{TestApp, card, enrolment_frames, later_frames, samples, stranger_frames};
use ecert_tests::clients::{Answer, Holder, nonce, text};
use ecert_tests::motion::capture::{Taken, sample_person};
use ecert_tests::specimen::{Sex, Specimen};
use futures_util::future::join_all;
use p256::ecdsa::SigningKey;
use reqwest::Method;
use serde_json::{Value, json};
use wallet_core::attributes::Share;
use wallet_core::face::challenge::{Challenge, Mode};

use crate::liveness::at_rest;

type Test = anyhow::Result<()>;

const REFUSED: &str = "422 enrolment-refused/not-recovered";

async fn app() -> anyhow::Result<TestApp> {
    TestApp::with_flags(&["--recovery-liveness", "silent"]).await
}

/// A new phone whose recovery has begun; the nonce of its challenge.
async fn begun(app: &TestApp, number: &str) -> anyhow::Result<(Holder, [u8; 16])> {
    let mut phone = app.holder();
    let started = phone.recover(number).await?.expect_status(201)?;
    Ok((phone, nonce(&started, "/challenge/nonce")?))
}

/// A new phone that shows these frames for the specimen's number.
async fn tried(app: &TestApp, frames: &[Vec<u8>]) -> anyhow::Result<(Holder, Answer)> {
    let (mut phone, nonce) = begun(app, &Specimen::franck().number).await?;
    let answer = phone.submit_recovery(&nonce, frames).await?;
    if answer.status == 200 {
        phone.remember(answer.body.clone()).await?;
    }
    Ok((phone, answer))
}

async fn kinds(holder: &Holder) -> anyhow::Result<Vec<String>> {
    let told = holder.call(Method::GET, "/v1/me/notices").await?.expect_status(200)?;
    let kinds = told["notices"].as_array().into_iter().flatten().filter_map(|notice| notice["kind"].as_str());
    Ok(kinds.map(str::to_owned).collect())
}

/// A number that nobody enrolled with.
fn unknown() -> String {
    Specimen::franck().number_for((1985, 6, 5), Sex::Male, 7).number
}

#[actix_web::test]
async fn a_new_phone_has_the_ecert_and_the_old_one_is_told() -> Test {
    let app = app().await?;
    let (mut old, rp) = (app.enrolled().await?, app.relying_party().await?);
    let digits = old.digits("name").await?;
    app.wait(1);
    let (mut new, answer) = tried(&app, &later_frames()).await?;
    let issued = answer.expect_status(200)?;

    assert_eq!(issued["assurance_level"], "IAL2");
    assert_eq!(issued["expires_at"], old.issued["expires_at"]);
    let open = rp.open(&new.qr(Share::Name)?).await?;
    assert_eq!(rp.judge(&open, &enrolment_frames()).await?.expect_status(200)?["outcome"], "passed");
    assert_eq!(rp.redeem(&old.qr(Share::Name)?).await?.refusal(), "410 certificate-revoked");
    assert_eq!(rp.redeem(&digits).await?.refusal(), "404 code-unknown");
    let told = old.call(Method::GET, "/v1/me/notices").await?;
    assert_eq!(told.refusal(), "401 device-replaced");
    assert!(told.body["holder_message"]["zh"].as_str().unwrap().contains("UTC"), "{told:?}");
    assert_eq!(kinds(&new).await?, ["recovered", "enrolled"]);
    Ok(())
}

#[actix_web::test]
async fn the_same_values_come_under_fresh_salts() -> Test {
    let app = app().await?;
    let old = app.enrolled().await?;
    let (new, _) = tried(&app, &later_frames()).await?;
    let of = |holder: &Holder, what: &str| -> Vec<Value> {
        let all = holder.issued["disclosures"].as_array().into_iter().flatten();
        all.map(|disclosure| disclosure[what].clone()).collect()
    };
    // Six of the document and its picture, and what follows from them.
    assert_eq!((of(&new, "name").len(), of(&new, "value")), (12, of(&old, "value")));
    assert!(of(&new, "salt").iter().zip(of(&old, "salt")).all(|(new, old)| *new != old));
    Ok(())
}

#[actix_web::test]
async fn a_recovery_asks_for_actions_unless_told_otherwise() -> Test {
    let app = TestApp::start().await?;
    app.enrolled().await?;
    let (phone, nonce) = begun(&app, &Specimen::franck().number).await?;
    app.wait(10);
    let silent = phone.submit_recovery(&nonce, &later_frames()).await?;
    assert_eq!(silent.refusal(), "422 capture-unusable/steps-incomplete");
    let person = sample_person(at_rest(), samples());
    let taken = Taken::of(&Challenge::new(Mode::Actions, &nonce), person)?;
    phone.submit_recovery_taken(&nonce, &taken).await?.expect_status(200)?;
    Ok(())
}

#[actix_web::test]
async fn a_stolen_phone_with_its_key_and_token_recovers_nothing_without_the_face() -> Test {
    let app = app().await?;
    let owner = app.enrolled().await?;
    let mut thief = owner.clone();
    app.wait(1);
    let started = thief.recover(&Specimen::franck().number).await?.expect_status(201)?;
    let nonce = nonce(&started, "/challenge/nonce")?;
    assert_eq!(thief.submit_recovery(&nonce, &stranger_frames()?).await?.refusal(), REFUSED);
    let again = thief.submit_recovery(&nonce, &later_frames()).await?;
    assert_eq!(again.refusal(), "409 enrolment-not-at-this-step");
    // The holder hears of it.
    app.wait(1);
    let (new, answer) = tried(&app, &later_frames()).await?;
    answer.expect_status(200)?;
    assert_eq!(kinds(&new).await?, ["recovered", "recovery-failed", "enrolled"]);
    Ok(())
}

#[actix_web::test]
async fn nothing_tells_a_known_number_from_an_unknown_one() -> Test {
    let app = app().await?;
    app.enrolled().await?;
    let (known, unknown) = (Specimen::franck().number, unknown());
    let mut bodies = Vec::new();
    for number in [&known, &unknown] {
        let mut phone = app.holder();
        let mut started = phone.recover(number).await?.expect_status(201)?;
        let nonce = nonce(&started, "/challenge/nonce")?;
        for member in ["id", "access_token", "consent_receipt"] {
            started[member] = json!(started[member].as_str().map(str::len));
        }
        started["challenge"]["nonce"] = Value::Null;
        let refused = phone.submit_recovery(&nonce, &stranger_frames()?).await?;
        let mut shown = phone.call(Method::GET, &format!("/v1/recoveries/{}", phone.enrolment)).await?;
        shown.body["id"] = Value::Null;
        bodies.push((started, refused.status, refused.body, shown.status, shown.body));
    }
    let challenge_ends = |body: &Value| body["challenge"]["deadline"].clone();
    assert_eq!(challenge_ends(&bodies[0].0), challenge_ends(&bodies[1].0));
    assert_eq!(bodies[0], bodies[1]);
    Ok(())
}

/// Interleaved, and the least of each: what else the machine does only ever adds, so the two come together if one looks often enough,
/// unless one has less to do. A model left out for one of them would be seen; what a look-up takes would not.
#[actix_web::test]
async fn a_known_number_takes_the_time_of_an_unknown_one() -> Test {
    let app = app().await?;
    app.enrolled().await?;
    let (numbers, frames) = ([Specimen::franck().number, unknown()], stranger_frames()?);
    let mut times: [Vec<Duration>; 2] = Default::default();
    let least = |times: &[Duration]| times.iter().min().map_or(0.0, Duration::as_secs_f64);
    for turn in 0..40 {
        if turn % 4 == 0 {
            app.wait(86_400);
        }
        for (number, times) in numbers.iter().zip(&mut times) {
            let (phone, nonce) = begun(&app, number).await?;
            let began = Instant::now();
            assert_eq!(phone.submit_recovery(&nonce, &frames).await?.refusal(), REFUSED);
            times.push(began.elapsed());
        }
        let [known, unknown] = [least(&times[0]), least(&times[1])];
        if turn >= 5 && (known / unknown - 1.0).abs() < 0.35 {
            return Ok(());
        }
    }
    anyhow::bail!("known {:?}, unknown {:?}", least(&times[0]), least(&times[1]))
}

#[actix_web::test]
async fn five_other_faces_a_day_and_then_no_face_is_good_enough() -> Test {
    let app = app().await?;
    app.enrolled().await?;
    for _ in 0..5 {
        assert_eq!(tried(&app, &stranger_frames()?).await?.1.refusal(), REFUSED);
    }
    assert_eq!(tried(&app, &later_frames()).await?.1.refusal(), REFUSED);
    // With the document the way stays open, and the next day this one is too.
    app.enrolled().await?;
    app.wait(86_400);
    tried(&app, &later_frames()).await?.1.expect_status(200)?;
    Ok(())
}

#[actix_web::test]
async fn one_device_begins_ten_recoveries_a_day() -> Test {
    let app = app().await?;
    let mut phone = app.holder();
    for _ in 0..10 {
        phone.recover(&unknown()).await?.expect_status(201)?;
    }
    assert_eq!(phone.recover(&unknown()).await?.refusal(), "429 rate-limited");
    Ok(())
}

#[actix_web::test]
async fn a_key_that_can_not_be_used_is_refused_before_anything_is_counted() -> Test {
    let app = app().await?;
    let mut phone = app.holder();
    let mut one = [0; 32];
    one[31] = 1;
    phone.key = SigningKey::from_slice(&one)?;
    // Ten are counted in a day, and then it would be told to wait.
    for _ in 0..11 {
        let refused = phone.recover(&unknown()).await?;
        assert_eq!(refused.refusal(), "422 enrolment-refused/device-key-unusable");
    }
    Ok(())
}

#[actix_web::test]
async fn a_revoked_or_expired_certificate_is_not_recovered() -> Test {
    let app = app().await?;
    let holder = app.enrolled().await?;
    holder.revoke().await?.expect_status(204)?;
    assert_eq!(tried(&app, &later_frames()).await?.1.refusal(), REFUSED);
    app.enrolled().await?;
    app.wait(366 * 86_400);
    assert_eq!(tried(&app, &later_frames()).await?.1.refusal(), REFUSED);
    Ok(())
}

#[actix_web::test]
async fn a_suspension_is_not_lifted_by_a_recovery() -> Test {
    let app = app().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    app.admin.suspend(&holder.certificate()?).await?.expect_status(204)?;
    let suspended = tried(&app, &later_frames()).await?.1;
    let (mut phone, nonce) = begun(&app, &unknown()).await?;
    let of_nobody = phone.submit_recovery(&nonce, &later_frames()).await?;
    assert_eq!((suspended.refusal().as_str(), &suspended.body), (REFUSED, &of_nobody.body));
    assert_eq!(rp.redeem(&holder.qr(Share::Name)?).await?.refusal(), "403 certificate-suspended");
    // Suspended between the challenge and the capture, it is not recovered either.
    app.admin.reactivate(&holder.certificate()?).await?.expect_status(204)?;
    (phone, _) = tried(&app, &later_frames()).await?;
    let (other, nonce) = begun(&app, &Specimen::franck().number).await?;
    app.admin.suspend(&phone.certificate()?).await?.expect_status(204)?;
    assert_eq!(other.submit_recovery(&nonce, &later_frames()).await?.refusal(), REFUSED);
    Ok(())
}

#[actix_web::test]
async fn a_sponsor_can_end_what_was_recovered_too() -> Test {
    let app = app().await?;
    let (sponsor, mut old) = (app.relying_party().await?, app.holder());
    let given = sponsor.post_json("/v1/sponsorships", &json!({})).await?.expect_status(201)?;
    let sponsorship = text(&given, "/id")?;
    old.start_under(Some(&sponsorship)).await?.expect_status(201)?;
    old.submit_document(card()).await?.expect_status(200)?;
    let nonce = old.confirm().await?;
    old.submit_capture(&nonce, &enrolment_frames()).await?.expect_status(200)?;
    let (mut new, _) = tried(&app, &later_frames()).await?;
    let shown = app.admin.certificate(&new.certificate()?).await?.expect_status(200)?;
    assert_eq!(shown["sponsorship_id"], sponsorship.as_str());
    let path = format!("/v1/sponsorships/{sponsorship}/revocation");
    sponsor.post_json(&path, &json!({ "reason": "cessation" })).await?.expect_status(204)?;
    assert_eq!(sponsor.redeem(&new.qr(Share::Name)?).await?.refusal(), "410 certificate-revoked");
    assert_eq!(tried(&app, &later_frames()).await?.1.refusal(), REFUSED);
    Ok(())
}

#[actix_web::test]
async fn the_standing_number_ends_with_a_recovery() -> Test {
    let app = app().await?;
    let (old, rp) = (app.enrolled().await?, app.relying_party().await?);
    let number = old.number("name").await?;
    let (new, _) = tried(&app, &later_frames()).await?;
    assert_eq!(rp.ask_holder(&number).await?.refusal(), "404 code-unknown");
    assert_eq!(new.shown_number().await?.expect_status(200)?, json!({ "on": false }));
    let number = new.number("name").await?;
    rp.ask_holder(&number).await?.expect_status(201)?;
    Ok(())
}

#[actix_web::test]
async fn two_recoveries_at_once_leave_one_certificate() -> Test {
    let app = app().await?;
    app.enrolled().await?;
    let number = Specimen::franck().number;
    let phones = [begun(&app, &number).await?, begun(&app, &number).await?];
    let frames = later_frames();
    let answers = join_all(phones.iter().map(|(phone, nonce)| phone.submit_recovery(nonce, &frames))).await;
    let answers: Vec<Answer> = answers.into_iter().collect::<Result<_, _>>()?;
    // One after the other both may succeed, the later one in the place of the earlier; at once one is refused.
    assert!(answers.iter().any(|answer| answer.status == 200), "{answers:?}");
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.refusal() == REFUSED), "{answers:?}");
    let rp = app.relying_party().await?;
    let mut opened = 0;
    for ((mut phone, _), answer) in phones.into_iter().zip(answers) {
        if answer.status == 200 {
            phone.remember(answer.body).await?;
            opened += i32::from(rp.redeem(&phone.qr(Share::Name)?).await?.status == 201);
        }
    }
    assert_eq!(opened, 1);
    Ok(())
}

#[actix_web::test]
async fn a_lost_answer_is_given_again_to_the_same_device_for_an_hour() -> Test {
    let app = app().await?;
    let mut holder = app.holder();
    let nonce = holder.reach_challenge(card()).await?;
    let issued = holder.submit_capture(&nonce, &enrolment_frames()).await?.expect_status(200)?;
    assert_eq!(holder.submit_capture(&nonce, &enrolment_frames()).await?.expect_status(200)?, issued);
    let path = format!("/v1/enrolments/{}", holder.enrolment);
    let shown = holder.call(Method::GET, &path).await?.expect_status(200)?;
    assert_eq!(shown["state"], "approved");
    assert_eq!(shown["issued"]["certificate"], issued["certificate"]);
    let other = app.holder().call(Method::GET, &path).await?;
    assert_eq!(other.refusal(), "401 unauthenticated");
    let mut stranger = app.holder();
    stranger.start().await?;
    assert_eq!(stranger.call(Method::GET, &path).await?.refusal(), "404 not-found");
    app.wait(3601);
    retention::forget(&app.context)?;
    assert_eq!(holder.call(Method::GET, &path).await?.expect_status(200)?.get("issued"), None);
    let late = holder.submit_capture(&nonce, &enrolment_frames()).await?;
    assert_eq!(late.refusal(), "409 enrolment-not-at-this-step");
    Ok(())
}

#[actix_web::test]
async fn a_recovery_is_no_enrolment_and_its_body_is_checked() -> Test {
    let app = app().await?;
    let (phone, nonce) = begun(&app, &unknown()).await?;
    assert_eq!(phone.submit_capture(&nonce, &later_frames()).await?.refusal(), "404 not-found");
    let mut holder = app.holder();
    for number in ["", "1", "99000019900307001X", "990000199013070013"] {
        let refused = holder.recover(number).await?;
        assert_eq!((refused.status, &refused.body["field"]), (400, &json!("document_number")), "{number}");
    }
    let child = Specimen::franck().number_for((2020, 6, 5), Sex::Male, 7).number;
    assert_eq!(holder.recover(&child).await?.refusal(), "422 enrolment-refused/guardian-required");
    Ok(())
}
