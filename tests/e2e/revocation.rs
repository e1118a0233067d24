//! Suspending and ending a certificate, by each of those who may.

use ecert_tests::app::{TestApp, card, enrolment_frames, later_frames};
use ecert_tests::clients::{Holder, RelyingParty, text};
use futures_util::future::join_all;
use serde_json::json;
use wallet_core::attributes::Share;

pub(super) type Test = anyhow::Result<()>;

pub(super) async fn is_refused(holder: &mut Holder, rp: &RelyingParty, refusal: &str) -> Test {
    assert_eq!(rp.redeem(&holder.qr(Share::Name)?).await?.refusal(), refusal);
    let digits = holder.digits("name").await.err().map(|error| error.to_string());
    let (_, code) = refusal.split_once(' ').expect("a status and a code");
    assert!(digits.is_some_and(|error| error.contains(code)));
    Ok(())
}

pub(super) async fn is_revoked(holder: &mut Holder, rp: &RelyingParty) -> Test {
    is_refused(holder, rp, "410 certificate-revoked").await
}

#[actix_web::test]
async fn an_admin_revokes_and_the_next_code_is_refused() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let certificate = holder.certificate()?;
    let path = format!("/v1/admin/certificates/{certificate}/revocation");
    for wrong in [json!({ "reason": "because" }), json!({ "reason": "misuse", "note": "字".repeat(201) })] {
        assert_eq!(app.admin.post(&path, &wrong).await?.refusal(), "400 request-invalid");
    }
    let why = json!({ "reason": "stolen-device", "note": "ticket 4711" });
    app.admin.post(&path, &why).await?.expect_status(204)?;
    is_revoked(&mut holder, &rp).await?;
    app.admin.revoke(&certificate, "misuse").await?.expect_status(204)?;
    let shown = app.admin.certificate(&certificate).await?.expect_status(200)?;
    let told = [&shown["state"], &shown["reason"], &shown["note"], &shown["crl_reason"]];
    assert_eq!(json!(told), json!(["revoked", "stolen-device", "ticket 4711", 1]), "twice changes nothing");
    assert!(shown["holder_id"].as_str().unwrap().starts_with("hol_") && shown["since"].is_string());
    let nobody = "crt_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    assert_eq!(app.admin.revoke(nobody, "misuse").await?.refusal(), "404 not-found");
    assert_eq!(app.admin.certificate(nobody).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn a_holder_revokes_their_own_and_nobody_elses() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let mut stranger = app.holder();
    stranger.start().await?;
    stranger.issued = holder.issued.clone();
    assert_eq!(stranger.revoke().await?.refusal(), "404 not-found");
    holder.revoke().await?.expect_status(204)?;
    is_revoked(&mut holder, &rp).await
}

#[actix_web::test]
async fn a_suspended_certificate_is_refused_everywhere_and_comes_back() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let certificate = holder.certificate()?;
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    let (unused, digits) = (holder.qr(Share::Name)?, holder.digits("name").await?);
    app.admin.suspend(&certificate).await?.expect_status(204)?;
    app.admin.suspend(&certificate).await?.expect_status(204)?;
    is_refused(&mut holder, &rp, "403 certificate-suspended").await?;
    assert_eq!(rp.judge(&open, &later_frames()).await?.refusal(), "403 certificate-suspended");
    for code in [&unused, &digits] {
        assert_eq!(rp.redeem(code).await?.refusal(), "403 certificate-suspended");
    }
    let shown = app.admin.certificate(&certificate).await?.expect_status(200)?;
    let told = [&shown["state"], &shown["reason"], &shown["crl_reason"]];
    assert_eq!(json!(told), json!(["suspended", "misuse", 6]));
    assert_eq!(app.charges().await?, 0);

    app.admin.reactivate(&certificate).await?.expect_status(204)?;
    app.admin.reactivate(&certificate).await?.expect_status(204)?;
    // The codes were refused and not used up, and the template was kept.
    assert_eq!(rp.visit(&unused, &later_frames()).await?.expect_status(200)?["outcome"], "passed");
    assert_eq!(app.admin.certificate(&certificate).await?.body["state"], "active");
    Ok(())
}

#[actix_web::test]
async fn what_has_ended_stays_so() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (first, mut again) = (holder.certificate()?, app.holder());
    again.enrol(card(), &enrolment_frames()).await?;
    // Its phone has no token any more; its codes are refused as those of a certificate that ended.
    assert_eq!(rp.redeem(&holder.qr(Share::Name)?).await?.refusal(), "410 certificate-revoked");
    assert_eq!(holder.get("/v1/me/devices").await?.refusal(), "401 device-replaced");
    let shown = app.admin.certificate(&first).await?.expect_status(200)?;
    let told = [&shown["state"], &shown["superseded_by"], &shown["crl_reason"]];
    assert_eq!(json!(told), json!(["superseded", again.certificate()?, 4]));
    assert_eq!(app.admin.reactivate(&first).await?.refusal(), "410 certificate-revoked");

    app.admin.suspend(&again.certificate()?).await?.expect_status(204)?;
    again.revoke().await?.expect_status(204)?;
    is_revoked(&mut again, &rp).await?;
    assert_eq!(app.admin.suspend(&again.certificate()?).await?.refusal(), "410 certificate-revoked");
    assert_eq!(app.admin.reactivate(&again.certificate()?).await?.refusal(), "410 certificate-revoked");
    let nobody = "crt_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    assert_eq!(app.admin.suspend(nobody).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn whoever_races_a_revocation_does_not_bring_it_back() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (certificate, admin) = (holder.certificate()?, &app.admin);
    let others = (0..16).map(|place| {
        let certificate = certificate.clone();
        async move {
            match place {
                8 => admin.revoke(&certificate, "key-compromise").await.map(|answer| answer.status),
                even if even % 2 == 0 => admin.suspend(&certificate).await.map(|answer| answer.status),
                _ => admin.reactivate(&certificate).await.map(|answer| answer.status),
            }
        }
    });
    for status in join_all(others).await {
        assert!(matches!(status?, 204 | 410));
    }
    let shown = app.admin.certificate(&certificate).await?.expect_status(200)?;
    assert_eq!(json!([&shown["state"], &shown["reason"]]), json!(["revoked", "key-compromise"]));
    is_revoked(&mut holder, &rp).await
}

#[actix_web::test]
async fn revoked_between_code_and_face_it_is_refused_and_not_charged() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    holder.revoke().await?.expect_status(204)?;
    assert_eq!(rp.judge(&open, &later_frames()).await?.refusal(), "410 certificate-revoked");
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

/// The specimen's person, enrolled under a sponsorship.
pub(super) async fn enrolled_under(app: &TestApp, sponsorship: &str) -> anyhow::Result<Holder> {
    let mut holder = app.holder();
    holder.start_under(Some(sponsorship)).await?.expect_status(201)?;
    holder.submit_document(card()).await?.expect_status(200)?;
    let nonce = holder.confirm().await?;
    holder.issued = holder.submit_capture(&nonce, &enrolment_frames()).await?.expect_status(200)?;
    holder.refill().await?;
    Ok(holder)
}

#[actix_web::test]
async fn a_sponsor_ends_what_was_issued_under_its_word_and_learns_no_more() -> Test {
    let app = TestApp::start().await?;
    let (sponsor, other) = (app.relying_party().await?, app.relying_party().await?);
    let given = sponsor.post_json("/v1/sponsorships", &json!({})).await?.expect_status(201)?;
    let id = text(&given, "/id")?;
    let (path, why) = (format!("/v1/sponsorships/{id}"), json!({ "reason": "cessation" }));
    assert_eq!(json!([&given["state"], &given["used"]]), json!(["open", false]));

    let mut holder = enrolled_under(&app, &id).await?;
    let shown = sponsor.get(&path).await?.expect_status(200)?;
    assert_eq!(json!([&shown["state"], &shown["used"]]), json!(["used", true]));
    assert!(!shown.to_string().contains("crt_") && !shown.to_string().contains("hol_"));
    // Used is used, and another's is nobody's.
    assert_eq!(app.holder().start_under(Some(&id)).await?.refusal(), "400 request-invalid");
    assert_eq!(other.get(&path).await?.refusal(), "404 not-found");
    let revocation = format!("{path}/revocation");
    assert_eq!(other.post_json(&revocation, &why).await?.refusal(), "404 not-found");
    for _ in 0..2 {
        sponsor.post_json(&revocation, &why).await?.expect_status(204)?;
    }
    is_revoked(&mut holder, &other).await?;
    assert_eq!(sponsor.get(&path).await?.body["state"], "revoked");
    let shown = app.admin.certificate(&holder.certificate()?).await?.expect_status(200)?;
    assert_eq!(json!([&shown["reason"], &shown["sponsorship_id"]]), json!(["cessation", id]));
    Ok(())
}

#[actix_web::test]
async fn a_sponsorship_that_was_taken_back_or_is_too_old_is_none() -> Test {
    let app = TestApp::start().await?;
    let sponsor = app.relying_party().await?;
    let given = async || -> anyhow::Result<String> {
        text(&sponsor.post_json("/v1/sponsorships", &json!({})).await?.expect_status(201)?, "/id")
    };
    let (back, old) = (given().await?, given().await?);
    let why = json!({ "reason": "other" });
    sponsor.post_json(&format!("/v1/sponsorships/{back}/revocation"), &why).await?.expect_status(204)?;
    assert_eq!(app.holder().start_under(Some(&back)).await?.refusal(), "400 request-invalid");
    // Taken back while the person is at it.
    let mut holder = app.holder();
    holder.start_under(Some(&old)).await?.expect_status(201)?;
    holder.submit_document(card()).await?.expect_status(200)?;
    let nonce = holder.confirm().await?;
    sponsor.post_json(&format!("/v1/sponsorships/{old}/revocation"), &why).await?.expect_status(204)?;
    assert_eq!(holder.submit_capture(&nonce, &enrolment_frames()).await?.refusal(), "400 request-invalid");
    let unused = given().await?;
    app.wait(31 * 86_400);
    assert_eq!(sponsor.get(&format!("/v1/sponsorships/{unused}")).await?.body["state"], "expired");
    assert_eq!(app.holder().start_under(Some(&unused)).await?.refusal(), "400 request-invalid");
    Ok(())
}
