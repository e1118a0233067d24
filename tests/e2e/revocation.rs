//! Ending a certificate, by each of the three who may.

use std::time::Duration;

use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::{Answer, Holder, RelyingParty, root};
use wallet_core::attributes::Share;
use wallet_core::ecert::{UnverifiedCert, verify::verify};
use wallet_core::jws::from_base64url;
use wallet_core::status_list::{Status, StatusList, Trust};

type Test = anyhow::Result<()>;

async fn is_refused_everywhere(holder: &mut Holder, rp: &RelyingParty) -> Test {
    assert_eq!(rp.redeem(&holder.qr(Share::Name)?).await?.refusal(), "410 certificate-revoked");
    let digits = holder.digits("name").await.err().map(|error| error.to_string());
    assert!(digits.is_some_and(|error| error.contains("certificate-revoked")));
    Ok(())
}

#[actix_web::test]
async fn an_admin_revokes_and_the_next_code_is_refused() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let certificate = holder.certificate()?;
    app.admin.revoke(&certificate, "reported stolen").await?.expect_status(204)?;
    is_refused_everywhere(&mut holder, &rp).await?;
    app.admin.revoke(&certificate, "twice is no error").await?.expect_status(204)?;
    assert_eq!(app.admin.revoke(&certificate, " ").await?.refusal(), "400 request-invalid");
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
    is_refused_everywhere(&mut holder, &rp).await
}

#[actix_web::test]
async fn the_paper_code_revokes_from_any_phone_however_it_is_typed() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let paper = holder.issued["revocation_code"].as_str().unwrap().to_lowercase().replace('-', " ");
    assert_eq!(app.holder().revoke_by_paper("AAAAA-BBBBB-CCCCC-DDDDD").await?.refusal(), "404 not-found");
    app.holder().revoke_by_paper(&paper).await?.expect_status(204)?;
    is_refused_everywhere(&mut holder, &rp).await
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

#[actix_web::test]
async fn the_published_list_follows_for_whoever_verifies_offline() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let cert = UnverifiedCert::from_bytes(&from_base64url(holder.issued["certificate"].as_str().unwrap())?)?;
    let cert = verify(cert, &root(&holder.issuer().await?)?, jiff::Timestamp::now())?;
    let place = &cert.claims().status;
    let key = app.context.signer.public_key();
    let status = async || -> anyhow::Result<Option<Status>> {
        let token = Answer::to(reqwest::Client::new().get(&place.uri)).await?.expect_status(200)?;
        let (token, now) = (token.as_str().unwrap(), jiff::Timestamp::now());
        let list = StatusList::verify_jwt(token, &place.uri, Trust::Key(&key), now)?;
        Ok(list.get(place.index))
    };
    assert_eq!(status().await?, Some(Status::Valid));
    holder.revoke().await?.expect_status(204)?;
    for _ in 0..50 {
        if status().await? == Some(Status::Invalid) {
            return Ok(());
        }
        actix_web::rt::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("not published within 5 s")
}
