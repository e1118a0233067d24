//! Enrolling with a passport: one page, believed by the lines at its foot.

use ecert_tests::app::{TestApp, card, enrolment_frames, later_frames, samples, stranger_frames};
use ecert_tests::clients::{Answer, Holder, nonce};
use ecert_tests::specimen::page::{FRANCK, FRANCK_EXPIRED, photographed};
use reqwest::multipart::{Form, Part};
use wallet_core::attributes::Share;

type Test = anyhow::Result<()>;

const NAME: &str = "LIN, ZHIYUAN";
const NUMBER: &str = "UTO-E99000017";

/// A wallet that has photographed this page, and what the service made of it.
async fn photographed_page(app: &TestApp, page: &[u8]) -> anyhow::Result<(Holder, Answer)> {
    let mut holder = app.holder();
    holder.start().await?;
    let read = holder.submit_passport(page).await?;
    Ok((holder, read))
}

/// A wallet that has enrolled with the specimen's passport, if its holder showed these frames.
async fn enrolled(app: &TestApp, frames: &[Vec<u8>]) -> anyhow::Result<(Holder, Answer)> {
    let (mut holder, read) = photographed_page(app, &photographed(&FRANCK, samples())?).await?;
    read.expect_status(200)?;
    let challenge = holder.confirm().await?;
    let answer = holder.submit_capture(&challenge, frames).await?;
    if answer.body["state"] == "approved" {
        holder.remember(answer.body.clone()).await?;
    }
    Ok((holder, answer))
}

#[actix_web::test]
async fn the_fields_read_are_those_of_the_zone() -> Test {
    let app = TestApp::start().await?;
    let (_, read) = photographed_page(&app, &photographed(&FRANCK, samples())?).await?;
    let read = read.expect_status(200)?;
    assert_eq!((&read["state"], &read["kind"]), (&"document_read".into(), &"passport".into()));
    let fields = &read["fields"];
    assert_eq!((&fields["name"], &fields["number"]), (&NAME.into(), &NUMBER.into()));
    assert_eq!((&fields["birth"], &fields["sex"]), (&"1990-03-07".into(), &"male".into()));
    assert_eq!((&fields["nationality"], &fields["valid_until"]), (&"UTO".into(), &"2036-06-01".into()));
    Ok(())
}

#[actix_web::test]
async fn a_passport_gives_an_ecert_with_what_stands_in_it_and_nothing_else() -> Test {
    let app = TestApp::start().await?;
    app.register_person(NAME, NUMBER)?;
    let rp = app.relying_party().await?;
    let (mut holder, answer) = enrolled(&app, &enrolment_frames()).await?;
    assert_eq!(answer.expect_status(200)?["assurance_level"], "IAL2");

    let open = rp.open(&holder.qr(Share::Full)?).await?;
    let judged = rp.judge(&open, &later_frames()).await?.expect_status(200)?;
    assert_eq!(judged["outcome"], "passed");
    assert_eq!(judged["attributes"]["name"], NAME);
    let names: Vec<_> =
        holder.issued["disclosures"].as_array().into_iter().flatten().map(|d| &d["name"]).collect();
    assert!(!names.contains(&&"address".into()) && !names.contains(&&"ethnicity".into()), "{names:?}");
    Ok(())
}

#[actix_web::test]
async fn a_lost_phone_is_replaced_by_the_number_of_the_passport() -> Test {
    let app = TestApp::with_flags(&["--recovery-liveness", "silent"]).await?;
    app.register_person(NAME, NUMBER)?;
    enrolled(&app, &enrolment_frames()).await?.1.expect_status(200)?;
    app.wait(1);
    let mut phone = app.holder();
    let started = phone.recover(&NUMBER.to_lowercase()).await?.expect_status(201)?;
    let challenge = nonce(&started, "/challenge/nonce")?;
    phone.submit_recovery(&challenge, &later_frames()).await?.expect_status(200)?;
    Ok(())
}

#[actix_web::test]
async fn a_passport_that_the_register_does_not_know_is_referred() -> Test {
    let app = TestApp::start().await?;
    let (_, answer) = enrolled(&app, &enrolment_frames()).await?;
    assert_eq!(answer.expect_status(200)?["reason"], "source-not-found");
    Ok(())
}

#[actix_web::test]
async fn somebody_elses_passport_is_refused() -> Test {
    let app = TestApp::start().await?;
    app.register_person(NAME, NUMBER)?;
    let (_, answer) = enrolled(&app, &stranger_frames()?).await?;
    assert_eq!(answer.refusal(), "422 enrolment-refused/face-mismatch");
    Ok(())
}

#[actix_web::test]
async fn what_is_no_valid_passport_is_refused_and_may_be_photographed_again() -> Test {
    let app = TestApp::start().await?;
    let (holder, expired) = photographed_page(&app, &photographed(&FRANCK_EXPIRED, samples())?).await?;
    assert_eq!(expired.refusal(), "422 document-unusable/expired");
    let no_page = holder.submit_passport(samples().landscape()).await?;
    assert_eq!(no_page.refusal(), "422 document-unusable/mrz-not-found");
    let side = holder.submit_passport(&card().front).await?;
    assert_eq!(side.refusal(), "422 document-unusable/mrz-not-found");
    holder.submit_passport(&photographed(&FRANCK, samples())?).await?.expect_status(200)?;
    Ok(())
}

#[actix_web::test]
async fn a_card_and_a_passport_at_once_are_refused() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.holder();
    holder.start().await?;
    let part = |bytes: &[u8]| Part::bytes(bytes.to_vec()).file_name("side.jpg");
    for names in [&["front", "back", "passport"][..], &["front", "passport"], &["front"], &["back"], &[]] {
        let form = names.iter().fold(Form::new(), |form, name| form.part(*name, part(&card().front)));
        assert_eq!(holder.submit_photographs(form).await?.refusal(), "400 request-invalid", "{names:?}");
    }
    Ok(())
}
