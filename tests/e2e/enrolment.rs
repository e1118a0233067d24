//! A person proves once who they are.

use ecert_server::edge::clock::Clock as _;
use ecert_server::flow::retention;
use ecert_server::store::enrolments;
use ecert_tests::app::{TestApp, card, enrolment_frames, samples, stranger_frames};
use ecert_tests::clients::{Answer, root};
use ecert_tests::specimen::{Sex, Specimen};
use futures_util::future::join_all;
use serde_json::Value;
use wallet_core::ecert::{AssuranceLevel, Disclosure, UnverifiedCert, verify::verify};
use wallet_core::jws::{from_base64url, thumbprint};

use crate::third_party::{typ, verified};

type Test = anyhow::Result<()>;

#[actix_web::test]
async fn a_person_enrols_and_holds_an_ecert_that_verifies_offline() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let bytes = from_base64url(holder.issued["certificate"].as_str().unwrap())?;
    let issuer = holder.issuer().await?;
    let ecert = verify(UnverifiedCert::from_bytes(&bytes)?, &root(&issuer)?, app.clock.now())?;

    assert_eq!(ecert.claims().assurance, AssuranceLevel::Ial2);
    assert_eq!(ecert.claims().device, (&holder.key).into());
    let disclosures: Vec<Disclosure> = serde_json::from_value(holder.issued["disclosures"].clone())?;
    assert_eq!(disclosures.len(), 12);
    assert!(disclosures.iter().all(|disclosure| ecert.vouches_for(disclosure)));
    let forged = Disclosure { value: "somebody else".into(), ..disclosures[0].clone() };
    assert!(!ecert.vouches_for(&forged));
    Ok(())
}

#[actix_web::test]
async fn the_fields_read_are_exactly_those_on_the_card() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.holder();
    holder.start().await?;
    let read = holder.submit_document(card()).await?.expect_status(200)?;
    let specimen = Specimen::franck();
    assert_eq!(read["state"], "document_read");
    let fields = &read["fields"];
    assert_eq!(fields["name"], specimen.name);
    assert_eq!(fields["sex"], "male");
    assert_eq!(fields["ethnicity"], specimen.ethnicity);
    assert_eq!(fields["birth"], "1990-03-07");
    assert_eq!(fields["address"], specimen.address);
    assert_eq!(fields["number"], specimen.number);
    assert_eq!(fields["issuer"], specimen.issuer);
    assert_eq!(
        (&fields["valid_from"], &fields["valid_until"]["until"]),
        (&"2021-06-01".into(), &"2041-06-01".into())
    );
    Ok(())
}

#[actix_web::test]
async fn the_consent_receipt_is_signed_for_all_three_purposes() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.holder();
    let started = holder.start().await?;
    let receipt = started["consent_receipt"].as_str().unwrap();
    let claims = verified(receipt, &holder.issuer().await?)?;
    assert_eq!(typ(receipt)?, "ecert-consent+jwt");
    assert_eq!(claims["purposes"].as_array().map(Vec::len), Some(3));
    assert_eq!(claims["verifiers"][0], "local register");
    assert_eq!(claims["enrolment"], Value::from(holder.enrolment));
    Ok(())
}

#[actix_web::test]
async fn without_a_register_the_document_alone_gives_a_lower_level() -> Test {
    let app = TestApp::with_flags(&["--source", "document-only"]).await?;
    assert_eq!(app.enrolled().await?.issued["assurance_level"], "IAL1");
    Ok(())
}

#[actix_web::test]
async fn a_person_whom_the_register_does_not_know_is_referred() -> Test {
    let app = TestApp::start().await?;
    let stranger = Specimen::franck().number_for((1985, 6, 5), Sex::Male, 7);
    let mut holder = app.holder();
    let enrolled = holder.enrol(&stranger.photographed(samples())?, &enrolment_frames()).await?;
    assert_eq!(enrolled, serde_json::json!({ "state": "referred", "reason": "source-not-found" }));
    Ok(())
}

#[actix_web::test]
async fn a_portrait_of_somebody_else_ends_the_enrolment() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.holder();
    let nonce = holder.reach_challenge(card()).await?;
    let answer = holder.submit_capture(&nonce, &stranger_frames()?).await?;
    assert_eq!(answer.refusal(), "422 enrolment-refused/face-mismatch");
    let again = holder.submit_capture(&nonce, &enrolment_frames()).await?;
    assert_eq!(again.refusal(), "409 enrolment-not-at-this-step");
    Ok(())
}

#[actix_web::test]
async fn an_enrolment_left_half_way_is_forgotten() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.holder();
    holder.start().await?;
    holder.submit_document(card()).await?.expect_status(200)?;
    app.wait(3601);
    retention::forget(&app.context)?;
    let (id, jkt) = (holder.enrolment.parse()?, thumbprint(&(&holder.key).into()));
    let left = app.context.holder_store.read(|conn| Ok(enrolments::find(conn, id, &jkt)?));
    let state = left?.map(|enrolment| enrolment.state);
    assert_eq!(state, Some(enrolments::State::Refused { reason: "abandoned".into() }));
    Ok(())
}

#[actix_web::test]
async fn two_captures_at_once_make_one_certificate() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.holder();
    let (nonce, frames) = (holder.reach_challenge(card()).await?, enrolment_frames());
    let answers = join_all((0..3).map(|_| holder.submit_capture(&nonce, &frames))).await;
    let answers: Vec<Answer> = answers.into_iter().collect::<Result<_, _>>()?;
    // Whoever came late gets what was issued to the first.
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    Ok(())
}

#[actix_web::test]
async fn enrolling_anew_ends_the_certificate_before() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let (mut old, mut new) = (app.enrolled().await?, app.enrolled().await?);
    let share = wallet_core::attributes::Share::Name;
    assert_eq!(rp.redeem(&old.qr(share)?).await?.refusal(), "410 certificate-revoked");
    rp.redeem(&new.qr(share)?).await?.expect_status(201)?;
    Ok(())
}
