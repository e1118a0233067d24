//! Bad input gets a clear refusal and costs nothing.

use ecert_tests::app::{TestApp, card, enrolment_frames, later_frames, samples};
use ecert_tests::clients::{Answer, Holder};
use ecert_tests::samples::{NEUTRAL, decode, jpeg};
use ecert_tests::specimen::{CardPhotos, Sex, Specimen, blurred};
use reqwest::Method;
use serde_json::json;
use wallet_core::attributes::Share;

type Test = anyhow::Result<()>;

async fn refusal_of(photos: &CardPhotos) -> anyhow::Result<String> {
    let app = TestApp::start().await?;
    let mut holder = app.holder();
    holder.start().await?;
    Ok(holder.submit_document(photos).await?.refusal())
}

async fn refusal_of_card(specimen: Specimen) -> anyhow::Result<String> {
    refusal_of(&specimen.photographed(samples())?).await
}

/// A JPEG whose header promises 50,000 × 50,000 pixels.
fn bomb() -> anyhow::Result<Vec<u8>> {
    let mut bytes = jpeg(&image::RgbImage::new(16, 16), 90)?;
    let frame = bytes.windows(2).position(|marker| marker == [0xff, 0xc0]).expect("a baseline frame");
    bytes[frame + 5..frame + 9].copy_from_slice(&[0xc3, 0x50, 0xc3, 0x50]);
    Ok(bytes)
}

#[actix_web::test]
async fn faulty_cards_are_refused_for_their_fault() -> Test {
    let franck = Specimen::franck;
    assert_eq!(refusal_of_card(franck().expired()).await?, "422 document-unusable/expired");
    assert_eq!(refusal_of_card(franck().wrong_check_digit()).await?, "422 document-unusable/check-digit");
    let disagreeing = [franck().printed_sex(Sex::Female), franck().printed_birth((1991, 3, 7))];
    for specimen in disagreeing {
        assert_eq!(refusal_of_card(specimen).await?, "422 document-unusable/fields-disagree");
    }
    Ok(())
}

#[actix_web::test]
async fn cards_that_can_not_be_read_are_to_be_photographed_again() -> Test {
    let good = card();
    let front = jpeg(&blurred(&decode(&good.front)?, 6.0), 90)?;
    let unreadable = CardPhotos { front, back: good.back.clone() };
    assert_eq!(refusal_of(&unreadable).await?, "422 document-unusable/blurred");
    let swapped = CardPhotos { front: good.back.clone(), back: good.front.clone() };
    assert_eq!(refusal_of(&swapped).await?, "422 document-unusable/sides-swapped");
    let none = CardPhotos { front: samples().landscape().to_vec(), back: good.back.clone() };
    assert_eq!(refusal_of(&none).await?, "422 document-unusable/not-a-document");
    Ok(())
}

#[actix_web::test]
async fn a_portrait_too_small_to_compare_with_is_asked_for_again() -> Test {
    // The photograph as a small part of a grey portrait: the face comes out about 75 px high.
    let photo = decode(samples().franck(NEUTRAL)?)?;
    let mut portrait = image::RgbImage::from_pixel(1800, 2250, image::Rgb([190, 195, 200]));
    image::imageops::replace(&mut portrait, &photo, 540, 800);
    let (width, height) = ecert_tests::specimen::PORTRAIT;
    let portrait = image::imageops::resize(&portrait, width, height, image::imageops::FilterType::Triangle);
    let photos = Specimen::franck().photographed_with(&portrait, samples())?;
    assert_eq!(refusal_of(&photos).await?, "422 document-unusable/portrait-too-small");
    Ok(())
}

#[actix_web::test]
async fn a_child_is_asked_to_come_with_a_guardian() -> Test {
    let child = Specimen::franck().number_for((2015, 1, 2), Sex::Male, 3);
    assert_eq!(refusal_of_card(child).await?, "422 enrolment-refused/guardian-required");
    Ok(())
}

#[actix_web::test]
async fn documents_that_are_no_pictures() -> Test {
    let good = card();
    let with_front = |front: Vec<u8>| CardPhotos { front, back: good.back.clone() };
    assert_eq!(refusal_of(&with_front(b"not an image".to_vec())).await?, "415 media-unsupported");
    assert_eq!(refusal_of(&with_front(bomb()?)).await?, "413 capture-too-large");
    assert_eq!(refusal_of(&with_front(vec![0; 8 * 1024 * 1024 + 1])).await?, "413 capture-too-large");
    let half = good.front[..good.front.len() / 2].to_vec();
    assert_eq!(refusal_of(&with_front(half)).await?, "422 capture-unusable/picture-broken");
    Ok(())
}

async fn at_the_capture(app: &TestApp) -> anyhow::Result<(Holder, [u8; 16])> {
    let mut holder = app.holder();
    let nonce = holder.reach_challenge(card()).await?;
    Ok((holder, nonce))
}

/// Two faces in one picture.
fn together() -> anyhow::Result<Vec<u8>> {
    let (left, right) = (decode(&enrolment_frames()[0])?, decode(&later_frames()[0])?);
    let mut both = image::RgbImage::new(left.width() + right.width(), left.height());
    image::imageops::replace(&mut both, &left, 0, 0);
    image::imageops::replace(&mut both, &right, i64::from(left.width()), 0);
    jpeg(&both, 90)
}

#[actix_web::test]
async fn enrolment_captures_that_can_not_be_used() -> Test {
    let app = TestApp::start().await?;
    let (holder, nonce) = at_the_capture(&app).await?;
    let good = enrolment_frames();
    let (landscape, two) = (samples().landscape().to_vec(), together()?);
    let half = good[0][..good[0].len() / 2].to_vec();
    let cases: [(Vec<Vec<u8>>, &str); 8] = [
        (vec![landscape, good[1].clone()], "422 capture-unusable/no-face"),
        (vec![good[0].clone(), two], "422 capture-unusable/several-faces"),
        (vec![good[0].clone()], "422 capture-unusable/too-few-frames"),
        (vec![good[0].clone(), good[0].clone()], "422 capture-unusable/frames-identical"),
        (vec![good[0].clone(), half], "422 capture-unusable/picture-broken"),
        (vec![good[0].clone(), b"GIF89a".to_vec()], "415 media-unsupported"),
        (vec![good[0].clone(), bomb()?], "413 capture-too-large"),
        (vec![], "400 request-invalid"),
    ];
    for (frames, expected) in cases {
        assert_eq!(holder.submit_capture(&nonce, &frames).await?.refusal(), expected);
    }
    assert_eq!(
        holder.submit_capture(&[7; 16], &good).await?.refusal(),
        "422 capture-unusable/nonce-mismatch"
    );
    holder.submit_capture(&nonce, &good).await?.expect_status(200)?;
    Ok(())
}

#[actix_web::test]
async fn a_capture_signed_by_another_key_is_refused() -> Test {
    let app = TestApp::start().await?;
    let (holder, nonce) = at_the_capture(&app).await?;
    let answer = holder.submit_capture_signed(&nonce, &enrolment_frames(), &app.holder().key).await?;
    assert_eq!(answer.refusal(), "401 unauthenticated");
    Ok(())
}

#[actix_web::test]
async fn an_enrolment_has_twelve_tries() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.holder();
    holder.start().await?;
    let none = CardPhotos { front: b"x".to_vec(), back: b"x".to_vec() };
    for _ in 0..12 {
        assert_eq!(holder.submit_document(&none).await?.refusal(), "415 media-unsupported");
    }
    assert_eq!(holder.submit_document(card()).await?.refusal(), "429 rate-limited");
    Ok(())
}

#[actix_web::test]
async fn steps_out_of_order_are_refused() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.holder();
    holder.start().await?;
    let early = holder.submit_capture(&[0; 16], &enrolment_frames()).await?;
    assert_eq!(early.refusal(), "409 enrolment-not-at-this-step");
    let path = format!("/v1/enrolments/{}/confirmation", holder.enrolment);
    let early = Answer::to(holder.request(Method::POST, &path)?).await?;
    assert_eq!(early.refusal(), "409 enrolment-not-at-this-step");
    app.wait(3601);
    assert_eq!(holder.submit_document(card()).await?.refusal(), "409 enrolment-not-at-this-step");
    Ok(())
}

#[actix_web::test]
async fn codes_that_are_malformed_or_expired() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    for code in ["", "1234", "EC1:", "EC1:NOT BASE45 é", "1234 5678 9012 3456", &"9".repeat(100_000)] {
        let answer = rp.redeem(code).await?;
        let expected = if code.len() > 16 * 1024 { "400 request-invalid" } else { "400 code-malformed" };
        assert_eq!(answer.refusal(), expected);
    }
    let (qr, digits) = (holder.qr(Share::Name)?, holder.digits("name").await?);
    app.wait(121);
    for code in [qr, digits] {
        assert_eq!(rp.redeem(&code).await?.refusal(), "404 code-unknown");
    }
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

#[actix_web::test]
async fn a_capture_for_another_nonce_is_not_judged() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let mut open = rp.open(&holder.qr(Share::Name)?).await?;
    open.nonce = [1; 16];
    assert_eq!(rp.judge(&open, &later_frames()).await?.refusal(), "422 capture-unusable/nonce-mismatch");
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

#[actix_web::test]
async fn bodies_of_another_form_are_refused_as_such() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    for body in [
        json!({}),
        json!([]),
        json!({ "code": 1, "purpose": "check" }),
        json!({ "code": "1", "purpose": "check", "x": 1 }),
    ] {
        let answer = rp.redeem_with(body, "key").await?;
        assert_eq!(
            (answer.refusal().as_str(), &answer.body["field"]),
            ("400 request-invalid", &json!("body"))
        );
    }
    let services = app.admin.admit_with("Shop", &["name"], &["no.such.service"]).await;
    assert!(services.err().unwrap().to_string().contains("services"));
    Ok(())
}
