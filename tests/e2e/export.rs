//! A holder's copy of what is held of them.

use std::io::{Cursor, Read as _};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::{Holder, fresh_key};
use ecert_tests::specimen::Specimen;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use wallet_core::attributes::Share;
use wallet_core::picture::Picture;
use zip::ZipArchive;

type Test = anyhow::Result<()>;

async fn ask(holder: &Holder, path: &str) -> anyhow::Result<Response> {
    Ok(holder.request(Method::GET, path)?.send().await?)
}

/// A copy, opened.
async fn copy(holder: &Holder, path: &str) -> anyhow::Result<ZipArchive<Cursor<Vec<u8>>>> {
    let answer = ask(holder, path).await?;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/zip".parse()?)
    );
    Ok(ZipArchive::new(Cursor::new(answer.bytes().await?.to_vec()))?)
}

fn file(copy: &mut ZipArchive<Cursor<Vec<u8>>>, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    copy.by_name(name)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[actix_web::test]
async fn a_copy_has_all_that_is_held_for_machines_and_for_people() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, bar) =
        (app.enrolled().await?, app.admin.admit("Bar & Grill", &["over_18", "name"]).await?);
    bar.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    let greedy = json!({ "code": holder.qr(Share::Full)?, "purpose": "check", "attributes": ["address"] });
    bar.redeem_with(greedy, &fresh_key()).await?;
    let begun = Instant::now();
    let mut copy = copy(&holder, "/v1/me/export?lang=en").await?;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());

    let data: Value = serde_json::from_slice(&file(&mut copy, "data.json")?)?;
    assert_eq!(
        (&data["format"], &data["certificates"][0]["id"]),
        (&json!("ecert-export/1"), &json!(holder.certificate()?))
    );
    let attributes = data["certificates"][0]["attributes"].to_string();
    assert!(attributes.contains("林知远") && attributes.contains(&Specimen::franck().number), "{attributes}");
    assert!(data["certificates"][0]["face_template"].is_string());
    assert_eq!(data["redemptions"][0]["given"], json!(["over_18", "name"]));
    assert_eq!(data["over_asked"][0]["asked"], json!(["address"]));
    assert_eq!(
        (&data["consents"][0]["kind"], &data["devices"][0]["jkt"]),
        (&json!("document"), &json!(holder.jkt()))
    );
    assert_eq!(data["notices"][0]["kind"], "enrolled");
    let portrait = data["certificates"][0]["portrait"].as_str().context("a picture")?;
    assert!(Picture::decode(&file(&mut copy, portrait)?)?.width() >= 100);
    let page = String::from_utf8(file(&mut copy, "index.html")?)?;
    assert!(page.contains("Bar &amp; Grill") && page.contains("林知远") && page.contains(portrait), "{page}");
    assert!(
        page.contains("Who used your E-cert")
            && !page.contains("<script")
            && !page.contains("http-equiv=\"refresh")
    );
    Ok(())
}

#[actix_web::test]
async fn a_copy_is_in_the_holders_language() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let page = String::from_utf8(file(&mut copy(&holder, "/v1/me/export").await?, "index.html")?)?;
    assert!(page.contains("<html lang=\"zh\">") && page.contains("谁使用过您的电子证"));
    let answer = holder
        .request(Method::GET, "/v1/me/export")?
        .header("Accept-Language", "fr, en-GB;q=0.8")
        .send()
        .await?;
    let mut english = ZipArchive::new(Cursor::new(answer.bytes().await?.to_vec()))?;
    assert!(String::from_utf8(file(&mut english, "index.html")?)?.contains("<html lang=\"en\">"));
    assert_eq!(ask(&holder, "/v1/me/export?lang=fr").await?.status(), 400);
    Ok(())
}

#[actix_web::test]
async fn five_copies_a_day_are_enough_and_a_revoked_phone_gets_none() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    for _ in 0..5 {
        copy(&holder, "/v1/me/export").await?;
    }
    assert_eq!(ask(&holder, "/v1/me/export").await?.status(), 429);
    app.wait(86_400);
    copy(&holder, "/v1/me/export").await?;
    app.admin.revoke(&holder.certificate()?, "stolen-device").await?.expect_status(204)?;
    assert_eq!(ask(&holder, "/v1/me/export").await?.status(), 410);
    Ok(())
}
