//! Services of faces that relying parties buy by the call: each judged call is charged once, an unusable one is not.

use ecert_tests::app::{TestApp, card, later_frames, samples, stranger_frames};
use ecert_tests::clients::relying_party::pictures;
use ecert_tests::clients::{RelyingParty, fresh_key, root};
use ecert_tests::samples::{FRANCK_FACE, FaceBox};
use futures_util::future::join_all;
use serde_json::json;
use wallet_core::receipt::Receipt;

type Test = anyhow::Result<()>;

const ALL: [&str; 5] = ["person.verify", "face.liveness", "face.compare", "face.attributes", "face.search"];

async fn buyer(app: &TestApp) -> anyhow::Result<RelyingParty> {
    app.admin.admit_with("Bank", &["over_18"], &ALL).await
}

fn frames() -> &'static [Vec<u8>] {
    samples().franck_frames()
}

#[actix_web::test]
async fn two_pictures_of_one_person_are_the_same_and_cost_six_thousand_micros() -> Test {
    let app = TestApp::start().await?;
    let answer = buyer(&app).await?.compare(&frames()[0], &frames()[5]).await?.expect_status(200)?;
    assert_eq!((&answer["same"], &answer["outcome"]), (&json!(true), &json!("passed")));
    assert!(answer["comparison_score"].as_f64() > answer["threshold"].as_f64());
    assert_eq!(answer["charge"]["amount"], json!({ "currency": "CNY", "micros": 6_000 }));
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn two_people_are_not_the_same_and_that_is_an_answer_too() -> Test {
    let app = TestApp::start().await?;
    let answer = buyer(&app).await?.compare(&frames()[0], samples().astronaut()).await?.expect_status(200)?;
    assert_eq!((&answer["same"], &answer["outcome"]), (&json!(false), &json!("failed")));
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn a_picture_without_a_face_costs_nothing_and_the_receipt_says_so() -> Test {
    let app = TestApp::start().await?;
    let answer = buyer(&app).await?.compare(&frames()[0], samples().landscape()).await?;
    assert_eq!(answer.refusal(), "422 capture-unusable/no-face");
    let root = root(&app.holder().issuer().await?)?;
    let receipt = answer.body["receipt"].as_str().unwrap_or_default();
    let receipt = Receipt::verify(receipt, &root, jiff::Timestamp::now())?;
    assert_eq!((receipt.charge, receipt.not_charged.as_deref()), (None, Some("no-face")));
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

#[actix_web::test]
async fn a_mask_and_dark_glasses_are_asked_to_be_taken_off() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    let FaceBox { x, y, width, height } = FRANCK_FACE;
    let mask = painted((x, y + height * 55 / 100, width, height * 45 / 100), [110, 150, 190])?;
    let glasses = painted((x, y + height * 28 / 100, width, height * 16 / 100), [20, 20, 20])?;
    for covered in [mask, glasses] {
        let answer = rp.compare(&frames()[0], &covered).await?;
        assert_eq!(answer.refusal(), "422 capture-unusable/covered");
        assert_eq!(answer.body["holder_message"]["zh"], "请摘下口罩、墨镜等遮挡物");
    }
    Ok(())
}

/// The first frame with a rectangle of one colour (x, y, width, height) on it.
fn painted((x, y, width, height): (u32, u32, u32, u32), colour: [u8; 3]) -> anyhow::Result<Vec<u8>> {
    let mut picture = image::load_from_memory(&frames()[0])?.to_rgb8();
    for (x, y) in (y..y + height).flat_map(|y| (x..x + width).map(move |x| (x, y))) {
        picture.put_pixel(x, y, image::Rgb(colour));
    }
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png)?;
    Ok(png.into_inner())
}

#[actix_web::test]
async fn the_same_call_asked_many_times_is_one_call() -> Test {
    let app = TestApp::start().await?;
    let (rp, key) = (buyer(&app).await?, fresh_key());
    let form = || pictures(&[("first", &frames()[0]), ("second", &frames()[1])]);
    let first = rp.post_form("/v1/faces:compare", form(), &key).await?.expect_status(200)?;
    let again = join_all((0..5).map(|_| rp.post_form("/v1/faces:compare", form(), &key))).await;
    for answer in again {
        assert_eq!(answer?.expect_status(200)?, first);
    }
    let other = pictures(&[("first", &frames()[1]), ("second", &frames()[0])]);
    let reused = rp.post_form("/v1/faces:compare", other, &key).await?;
    assert_eq!(reused.refusal(), "422 idempotency-key-reused");
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn a_face_is_described_and_what_is_not_measured_is_named() -> Test {
    let app = TestApp::start().await?;
    let answer = buyer(&app).await?.describe(&frames()[0]).await?.expect_status(200)?;
    assert_eq!(answer["gender"]["label"], "male");
    let years = answer["age"]["years"].as_f64().unwrap_or_default();
    assert!((18.0..50.0).contains(&years), "{years}");
    assert_eq!(answer["not_measured"], json!(["glasses", "mask"]));
    assert_eq!(answer["charge"]["amount"]["micros"], 6_000);
    let astronaut = buyer(&app).await?.describe(samples().astronaut()).await?.expect_status(200)?;
    assert_eq!(astronaut["gender"]["label"], "female");
    Ok(())
}

#[actix_web::test]
async fn a_live_person_passes_a_session_once() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    let open = rp.liveness_session().await?;
    let answer = rp.judge_liveness(&open, &later_frames(), &fresh_key()).await?.expect_status(200)?;
    assert_eq!((&answer["outcome"], &answer["session"]), (&json!("passed"), &json!(open.id)));
    assert_eq!(answer["charge"]["amount"]["micros"], 182_000);
    let again = rp.judge_liveness(&open, &later_frames(), &fresh_key()).await?;
    assert_eq!(again.refusal(), "409 liveness-session-closed");
    let session = rp.get(&format!("/v1/liveness-sessions/{}", open.id)).await?.expect_status(200)?;
    assert_eq!(session, json!({ "id": open.id, "state": "passed" }));
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn two_captures_at_once_are_charged_once() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    let open = rp.liveness_session().await?;
    let frames = later_frames();
    let keys: Vec<String> = (0..6).map(|_| fresh_key()).collect();
    let answers = join_all(keys.iter().map(|key| rp.judge_liveness(&open, &frames, key))).await;
    let passed = answers.into_iter().filter(|answer| answer.as_ref().is_ok_and(|a| a.status == 200));
    assert_eq!((passed.count(), app.charges().await?), (1, 1));
    Ok(())
}

#[actix_web::test]
async fn a_capture_for_another_challenge_is_not_judged() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    let (mut open, other) = (rp.liveness_session().await?, rp.liveness_session().await?);
    open.nonce = other.nonce;
    let answer = rp.judge_liveness(&open, &later_frames(), &fresh_key()).await?;
    assert_eq!(answer.refusal(), "422 capture-unusable/nonce-mismatch");
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

#[actix_web::test]
async fn a_card_and_its_owner_are_verified_together() -> Test {
    let app = TestApp::start().await?;
    let (rp, card) = (buyer(&app).await?, card());
    let sides = [card.front.as_slice(), card.back.as_slice()];
    let open = rp.liveness_session().await?;
    let answer = rp.verify_person(&open, sides, &later_frames()).await?.expect_status(200)?;
    assert_eq!((&answer["outcome"], &answer["assurance_level"]), (&json!("passed"), &json!("IAL2")));
    assert_eq!(answer["charge"]["amount"]["micros"], 1_000_000);

    let open = rp.liveness_session().await?;
    let other = rp.verify_person(&open, sides, &stranger_frames()?).await?.expect_status(200)?;
    assert_eq!((&other["outcome"], &other["reasons"]), (&json!("failed"), &json!(["face-mismatch"])));
    assert_eq!(app.charges().await?, 2);
    Ok(())
}

#[actix_web::test]
async fn a_card_that_cannot_be_read_costs_nothing() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    let open = rp.liveness_session().await?;
    let sides = [samples().landscape(), card().back.as_slice()];
    let answer = rp.verify_person(&open, sides, &later_frames()).await?;
    assert_eq!((answer.status, app.charges().await?), (422, 0), "{}", answer.refusal());
    Ok(())
}

#[actix_web::test]
async fn without_a_session_of_ones_own_nothing_is_looked_at() -> Test {
    let app = TestApp::start().await?;
    let (rp, other) = (buyer(&app).await?, buyer(&app).await?);
    let open = other.liveness_session().await?;
    let no_card = [samples().landscape(), samples().landscape()];
    assert_eq!(rp.verify_person(&open, no_card, &later_frames()).await?.refusal(), "404 not-found");
    assert_eq!(rp.judge_liveness(&open, &later_frames(), &fresh_key()).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn a_group_finds_who_was_put_into_it_and_nobody_else() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    let group = rp.face_group("members").await?;
    let franck = rp.add_face(&group, "franck", &frames()[0]).await?.expect_status(201)?;
    let empty = rp.search(&group, samples().astronaut()).await?.expect_status(200)?;
    assert_eq!((&empty["outcome"], &empty["matches"]), (&json!("failed"), &json!([])));
    let found = rp.search(&group, &frames()[7]).await?.expect_status(200)?;
    assert_eq!(found["matches"][0]["label"], "franck");
    assert_eq!(found["charge"]["amount"]["micros"], 6_000);

    let face = franck["id"].as_str().unwrap_or_default();
    rp.delete(&format!("/v1/face-groups/{group}/faces/{face}")).await?.expect_status(204)?;
    let gone = rp.search(&group, &frames()[7]).await?.expect_status(200)?;
    assert_eq!(gone["matches"], json!([]));
    Ok(())
}

#[actix_web::test]
async fn a_group_is_its_owners_alone_and_is_erased_whole() -> Test {
    let app = TestApp::start().await?;
    let (rp, other) = (buyer(&app).await?, buyer(&app).await?);
    let group = rp.face_group("members").await?;
    rp.add_face(&group, "franck", &frames()[0]).await?.expect_status(201)?;
    let path = format!("/v1/face-groups/{group}");
    assert_eq!(other.get(&path).await?.refusal(), "404 not-found");
    assert_eq!(other.search(&group, &frames()[7]).await?.refusal(), "404 not-found");
    assert_eq!(other.delete(&path).await?.refusal(), "404 not-found");
    assert_eq!(rp.get(&path).await?.expect_status(200)?["faces"], 1);
    rp.delete(&path).await?.expect_status(204)?;
    assert_eq!(rp.search(&group, &frames()[7]).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn a_replica_sees_what_another_put_in_and_took_out() -> Test {
    let app = TestApp::start().await?;
    let replica = app.replica(&["--database", app.database()]).await?;
    let here = buyer(&app).await?;
    let there = RelyingParty::new(&replica.base, &here.id, &here.api_key);
    let group = here.face_group("members").await?;
    here.add_face(&group, "astronaut", samples().astronaut()).await?.expect_status(201)?;
    assert_eq!(there.search(&group, &frames()[7]).await?.expect_status(200)?["matches"], json!([]));
    let franck = here.add_face(&group, "franck", &frames()[0]).await?.expect_status(201)?;
    let found = there.search(&group, &frames()[7]).await?.expect_status(200)?;
    assert_eq!(found["matches"][0]["label"], "franck");
    let face = franck["id"].as_str().unwrap_or_default();
    there.delete(&format!("/v1/face-groups/{group}/faces/{face}")).await?.expect_status(204)?;
    assert_eq!(here.search(&group, &frames()[7]).await?.expect_status(200)?["matches"], json!([]));
    Ok(())
}

#[actix_web::test]
async fn a_service_that_was_not_bought_is_refused_before_any_work() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let not_bought = "403 service-not-bought";
    assert_eq!(rp.compare(&frames()[0], &frames()[1]).await?.refusal(), not_bought);
    assert_eq!(rp.describe(&frames()[0]).await?.refusal(), not_bought);
    assert_eq!(rp.post_json("/v1/liveness-sessions", &json!({})).await?.refusal(), not_bought);
    assert_eq!(rp.post_json("/v1/face-groups", &json!({ "name": "x" })).await?.refusal(), not_bought);
    Ok(())
}

#[actix_web::test]
async fn forms_that_lack_something_or_have_too_much_are_refused_for_it() -> Test {
    let app = TestApp::start().await?;
    let (rp, picture) = (buyer(&app).await?, frames()[0].as_slice());
    let send = async |parts: &[(&'static str, &[u8])], key: &str| {
        rp.post_form("/v1/faces:compare", pictures(parts), key).await.map(|answer| answer.refusal())
    };
    assert_eq!(send(&[("first", picture)], &fresh_key()).await?, "400 request-invalid");
    assert_eq!(send(&[("first", picture), ("first", picture)], &fresh_key()).await?, "400 request-invalid");
    assert_eq!(send(&[("third", picture)], &fresh_key()).await?, "400 request-invalid");
    assert_eq!(send(&[("first", picture), ("second", picture)], "").await?, "400 idempotency-key-missing");
    let text = [("first", picture), ("second", b"not a picture".as_slice())];
    assert_eq!(send(&text, &fresh_key()).await?, "415 media-unsupported");
    assert_eq!(app.charges().await?, 0);
    Ok(())
}
