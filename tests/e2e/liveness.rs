//! A person shows that they are there now, and others show something else.

use std::sync::{Mutex, OnceLock};

use ecert_tests::app::{TestApp, card, enrolment_frames, samples};
use ecert_tests::clients::relying_party::Open;
use ecert_tests::clients::{Holder, RelyingParty, fresh_key};
use ecert_tests::motion::attack::{printed, tilted};
use ecert_tests::motion::capture::{Moment, Taken, frozen, genuine, sample_person};
use ecert_tests::motion::{Face, lit};
use ecert_tests::samples::{NEUTRAL, cache_dir, decode};
use serde_json::{Value, json};
use wallet_core::attributes::Share;
use wallet_core::face::challenge::{Action, Ask, Challenge, Mode};
use wallet_core::onnx::{Engine, Models};

type Test = anyhow::Result<()>;

/// The sample person at rest, with their points.
pub(crate) fn at_rest() -> &'static Face {
    static FACE: OnceLock<Face> = OnceLock::new();
    FACE.get_or_init(|| {
        let mut engine = engine().lock().expect("no test panics with the engine");
        let frame = decode(samples().franck(NEUTRAL).expect("a sample")).expect("a JPEG");
        Face::find(&mut engine, frame).expect("a face")
    })
}

fn engine() -> &'static Mutex<Engine> {
    static ENGINE: OnceLock<Mutex<Engine>> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let models = Models::load(&cache_dir().expect("a cache")).expect("models");
        Mutex::new(models.engine().expect("an engine"))
    })
}

/// A holder before a relying party that asks for liveness in a mode; time has gone by since.
async fn challenged(app: &TestApp, mode: Mode) -> anyhow::Result<(Holder, RelyingParty, Open)> {
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let open = rp.open_for(&holder.qr(Share::Name)?, mode).await?;
    app.wait(10);
    Ok((holder, rp, open))
}

/// What the person of good will does.
fn done(mode: Mode, nonce: &[u8; 16]) -> anyhow::Result<Taken> {
    Taken::of(&Challenge::new(mode, nonce), sample_person(at_rest(), samples()))
}

/// Judged, failed and charged; the reasons.
async fn failed(app: &TestApp, rp: &RelyingParty, open: &Open, taken: &Taken) -> anyhow::Result<Value> {
    let judged = rp.judge_taken(open, taken).await?.expect_status(200)?;
    assert_eq!((&judged["outcome"], app.charges().await?), (&json!("failed"), 1), "{judged}");
    assert_eq!(judged["attributes"], json!({}));
    Ok(judged["judgement"]["reasons"].clone())
}

#[actix_web::test]
async fn who_does_what_is_asked_for_passes_and_every_score_is_told() -> Test {
    let app = TestApp::start().await?;
    let (_, rp, open) = challenged(&app, Mode::Actions).await?;
    let judged = rp.judge_taken(&open, &done(Mode::Actions, &open.nonce)?).await?.expect_status(200)?;
    assert_eq!(judged["outcome"], "passed", "{judged}");
    let scores = &judged["judgement"]["challenge"];
    assert_eq!((&scores["mode"], scores["steps"].as_array().map(Vec::len)), (&json!("actions"), Some(3)));
    assert!(scores["steps"][0]["score"].as_f64() >= Some(1.0) && scores["depth"].as_f64() > Some(0.075));
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn the_challenge_is_told_in_words_and_is_the_same_when_asked_again() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    for mode in [Mode::Actions, Mode::Flash, Mode::Digits] {
        let (body, key) =
            (json!({ "code": holder.qr(Share::Name)?, "purpose": "check", "liveness": mode }), fresh_key());
        let opened = rp.redeem_with(body.clone(), &key).await?.expect_status(201)?;
        assert_eq!(rp.redeem_with(body, &key).await?.expect_status(201)?, opened);
        let path = format!("/v1/redemptions/{}", opened["id"].as_str().unwrap());
        assert_eq!(rp.get(&path).await?.expect_status(200)?["challenge"], opened["challenge"]);
        let nonce = ecert_tests::clients::nonce(&opened, "/challenge/nonce")?;
        let steps = Challenge::new(mode, &nonce).steps;
        let told = opened["challenge"]["steps"].as_array().unwrap();
        assert!(told.len() == steps.len() && told.iter().zip(&steps).all(|(t, s)| t["step"] == *s.name));
        assert!(told.iter().all(|step| step["say"]["zh"].is_string() && step["say"]["en"].is_string()));
    }
    let body = json!({ "code": holder.qr(Share::Name)?, "purpose": "check", "liveness": "dance" });
    assert_eq!(rp.redeem_with(body, &fresh_key()).await?.status, 400);
    let silent = rp.redeem(&holder.qr(Share::Name)?).await?.expect_status(201)?;
    assert_eq!((&silent["challenge"]["mode"], silent["challenge"].get("steps")), (&json!("silent"), None));
    Ok(())
}

#[actix_web::test]
async fn the_right_actions_in_another_order_fail() -> Test {
    let app = TestApp::start().await?;
    let (_, rp, open) = challenged(&app, Mode::Actions).await?;
    let challenge = Challenge::new(Mode::Actions, &open.nonce);
    let mut other = challenge.clone();
    other.steps.rotate_left(1);
    let mut person = genuine(at_rest());
    let taken = Taken::of(&challenge, |moment| {
        let place = moment.step.and_then(|step| challenge.step_of(&step.name));
        person(Moment { step: place.and_then(|place| other.steps.get(place)), ..moment })
    })?;
    assert_eq!(failed(&app, &rp, &open, &taken).await?, json!(["action-order"]));
    Ok(())
}

#[actix_web::test]
async fn a_print_turned_by_hand_fails() -> Test {
    let app = TestApp::start().await?;
    let (_, rp, open) = challenged(&app, Mode::Actions).await?;
    let print = printed(at_rest());
    let taken = Taken::of(&Challenge::new(Mode::Actions, &open.nonce), |moment| {
        match moment.step.map(|step| step.ask) {
            Some(Ask::Act(Action::TurnLeft)) => tilted(&print, 45.0, true),
            Some(Ask::Act(Action::TurnRight)) => tilted(&print, -45.0, true),
            Some(_) => tilted(&print, 40.0, false),
            None => print.image.clone(),
        }
    })?;
    let reasons = failed(&app, &rp, &open, &taken).await?;
    assert!(reasons.as_array().unwrap().contains(&json!("action-missing")), "{reasons}");
    Ok(())
}

#[actix_web::test]
async fn a_video_of_an_earlier_challenge_is_refused_and_told_anew_it_fails() -> Test {
    let app = TestApp::start().await?;
    let (_, rp, open) = challenged(&app, Mode::Flash).await?;
    // One that showed another colour each time.
    let steps = |nonce: &[u8; 16]| Challenge::new(Mode::Flash, nonce).steps;
    let shown = steps(&open.nonce);
    let differs = |earlier: &[u8; 16]| steps(earlier).iter().zip(&shown).all(|(a, b)| a.ask != b.ask);
    let earlier = (0..=u8::MAX).map(|byte| [byte; 16]).find(differs).expect("one of 256");
    let video = done(Mode::Flash, &earlier)?;
    let replayed = rp.judge_stated(&open, &video.statement(&earlier), &video.pictures()).await?;
    assert_eq!(replayed.refusal(), "422 capture-unusable/nonce-mismatch");
    assert_eq!(app.charges().await?, 0);
    assert_eq!(failed(&app, &rp, &open, &video).await?, json!(["flash-mismatch"]));
    Ok(())
}

#[actix_web::test]
async fn the_colours_of_the_screen_on_the_face_pass() -> Test {
    let app = TestApp::start().await?;
    let (_, rp, open) = challenged(&app, Mode::Flash).await?;
    let judged = rp.judge_taken(&open, &done(Mode::Flash, &open.nonce)?).await?.expect_status(200)?;
    assert_eq!(judged["outcome"], "passed", "{judged}");
    assert!(judged["judgement"]["challenge"]["flash"]["correlation"].as_f64() > Some(0.75));
    Ok(())
}

#[actix_web::test]
async fn other_colours_fail_and_too_weak_ones_cost_nothing() -> Test {
    let app = TestApp::start().await?;
    let (_, rp, open) = challenged(&app, Mode::Flash).await?;
    let challenge = Challenge::new(Mode::Flash, &open.nonce);
    let weak = Taken::of(&challenge, |_| at_rest().image.clone())?;
    assert_eq!(rp.judge_taken(&open, &weak).await?.refusal(), "422 capture-unusable/flash-too-weak");
    assert_eq!(app.charges().await?, 0);
    // Each colour's opposite.
    let wrong = Taken::of(&challenge, |moment| match moment.step.map(|step| step.ask) {
        Some(Ask::Show(mut colour)) => {
            colour.0 = colour.0.map(|full| !full);
            lit(at_rest(), colour, 0.06)
        }
        _ => at_rest().image.clone(),
    })?;
    assert_eq!(failed(&app, &rp, &open, &wrong).await?, json!(["flash-mismatch"]));
    Ok(())
}

#[actix_web::test]
async fn a_mouth_that_reads_passes_and_the_voice_is_said_not_to_be_verified() -> Test {
    let app = TestApp::start().await?;
    let (_, rp, open) = challenged(&app, Mode::Digits).await?;
    let judged = rp.judge_taken(&open, &done(Mode::Digits, &open.nonce)?).await?.expect_status(200)?;
    assert_eq!(judged["outcome"], "passed", "{judged}");
    assert_eq!(judged["judgement"]["challenge"]["voice"], "not-verified");
    Ok(())
}

#[actix_web::test]
async fn a_mouth_that_does_not_move_fails() -> Test {
    let app = TestApp::start().await?;
    let (_, rp, open) = challenged(&app, Mode::Digits).await?;
    let taken = Taken::of(&Challenge::new(Mode::Digits, &open.nonce), |_| at_rest().image.clone())?;
    assert_eq!(failed(&app, &rp, &open, &taken).await?, json!(["mouth-mismatch"]));
    Ok(())
}

#[actix_web::test]
async fn what_was_cut_short_slow_or_frozen_costs_nothing() -> Test {
    let app = TestApp::start().await?;
    let (_, rp, open) = challenged(&app, Mode::Actions).await?;
    let whole = done(Mode::Actions, &open.nonce)?;
    let mut short = whole.clone();
    short.0[3].step = "still".to_owned();
    let mut slow = whole.clone();
    slow.0[4].at_ms = 40_000;
    let mut few = whole.clone();
    few.0.truncate(4);
    let all = [(short, "steps-incomplete"), (slow, "out-of-time"), (few, "too-few-frames")];
    for (taken, reason) in all {
        assert_eq!(rp.judge_taken(&open, &taken).await?.refusal(), format!("422 capture-unusable/{reason}"));
    }
    // Three captures are all that a redemption has.
    let (_, rp, open) = challenged(&app, Mode::Actions).await?;
    let frozen = frozen(&Challenge::new(Mode::Actions, &open.nonce), at_rest())?;
    let refused = rp.judge_taken(&open, &frozen).await?;
    assert_eq!(refused.refusal(), "422 capture-unusable/frames-identical");
    assert_eq!(app.charges().await?, 0);
    let whole = done(Mode::Actions, &open.nonce)?;
    assert_eq!(rp.judge_taken(&open, &whole).await?.expect_status(200)?["outcome"], "passed");
    Ok(())
}

#[actix_web::test]
async fn frames_older_than_their_challenge_fail() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let open = rp.open_for(&holder.qr(Share::Name)?, Mode::Actions).await?;
    // Four seconds of frames, a moment after the challenge.
    let reasons = failed(&app, &rp, &open, &done(Mode::Actions, &open.nonce)?).await?;
    assert_eq!(reasons, json!(["stale"]));
    Ok(())
}

#[actix_web::test]
async fn an_enrolment_may_ask_for_actions_too() -> Test {
    let app = TestApp::with_flags(&["--enrolment-liveness", "actions"]).await?;
    let mut holder = app.holder();
    let nonce = holder.reach_challenge(card()).await?;
    app.wait(10);
    let silent = holder.submit_capture(&nonce, &enrolment_frames()).await?;
    assert_eq!(silent.refusal(), "422 capture-unusable/steps-incomplete");
    let still = Taken::of(&Challenge::new(Mode::Actions, &nonce), |_| at_rest().image.clone())?;
    let refused = holder.submit_taken(&nonce, &still).await?;
    assert_eq!(refused.refusal(), "422 capture-unusable/action-missing");
    let enrolled = holder.submit_taken(&nonce, &done(Mode::Actions, &nonce)?).await?.expect_status(200)?;
    assert_eq!(enrolled["state"], "approved");
    Ok(())
}
