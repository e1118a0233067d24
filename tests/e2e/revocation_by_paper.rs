//! The code on paper: however it is typed, by program or by page, and against those who guess.

use ecert_tests::app::TestApp;
use ecert_tests::clients::{Answer, text};
use reqwest::Client;
use serde_json::json;
use wallet_core::code::paper::PaperCode;

use crate::revocation::{Test, is_revoked};

const NOBODYS: &str = "crt_01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn guess() -> String {
    PaperCode::mint(&mut rand::rng()).grouped()
}

#[actix_web::test]
async fn the_paper_code_revokes_from_any_phone_however_it_is_typed() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let paper = holder.paper()?;
    assert_eq!(paper.split(' ').map(str::len).collect::<Vec<_>>(), [6, 6, 6]);
    let anyone = app.holder();
    for slip in [paper.replace(' ', "").split_off(1), format!("1{}", &paper[1..]), "AAAAA-BBBBB".to_owned()] {
        assert_eq!(anyone.revoke_by_paper(&slip).await?.refusal(), "400 code-malformed");
    }
    assert_eq!(anyone.revoke_by_paper(&guess()).await?.refusal(), "404 not-found");
    let mismatched = json!({ "revocation_code": paper, "certificate_id": NOBODYS });
    assert_eq!(anyone.revoke_by_sheet(mismatched).await?.refusal(), "404 not-found");
    anyone.revoke_by_paper(&paper.replace(' ', "-")).await?.expect_status(204)?;
    is_revoked(&mut holder, &rp).await?;
    let shown = app.admin.certificate(&holder.certificate()?).await?.expect_status(200)?;
    assert_eq!(shown["reason"], "lost-device");
    Ok(())
}

#[actix_web::test]
async fn the_sheet_comes_once_with_the_certificate() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let sheet = text(&holder.issued, "/revocation_sheet")?;
    for needed in [&holder.paper()?, &holder.certificate()?, &format!("{}/revoke", app.base)] {
        assert!(sheet.contains(needed.as_str()), "{needed}");
    }
    assert!(!sheet.contains("林知远") && !sheet.contains("<script"));
    Ok(())
}

#[actix_web::test]
async fn who_guesses_is_stopped_and_locks_nobody_out() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let anyone = app.holder();
    let code = holder.paper()?;
    for _ in 0..70 {
        // Slips cost nothing.
        assert_eq!(anyone.revoke_by_paper("000000").await?.refusal(), "400 code-malformed");
    }
    for _ in 0..60 {
        assert_eq!(anyone.revoke_by_paper(&guess()).await?.refusal(), "404 not-found");
    }
    let stopped = anyone.revoke_by_paper(&code).await?;
    assert_eq!(stopped.refusal(), "429 rate-limited");
    assert!(stopped.headers.contains_key("retry-after"));
    // Naming a certificate that nobody has gets a guesser nowhere, and fills no table.
    let body = json!({ "revocation_code": guess(), "certificate_id": NOBODYS });
    assert_eq!(anyone.revoke_by_sheet(body).await?.refusal(), "404 not-found");
    let sheet = json!({ "revocation_code": code, "certificate_id": holder.certificate()? });
    anyone.revoke_by_sheet(sheet).await?.expect_status(204)?;
    is_revoked(&mut holder, &rp).await?;
    app.wait(61);
    assert_eq!(anyone.revoke_by_paper(&guess()).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn who_knows_a_certificate_gets_ten_guesses_a_day() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let anyone = app.holder();
    for _ in 0..10 {
        let body = json!({ "revocation_code": guess(), "certificate_id": holder.certificate()? });
        assert_eq!(anyone.revoke_by_sheet(body).await?.refusal(), "404 not-found");
    }
    let sheet = json!({ "revocation_code": holder.paper()?, "certificate_id": holder.certificate()? });
    assert_eq!(anyone.revoke_by_sheet(sheet).await?.refusal(), "429 rate-limited");
    // The digits alone still do.
    anyone.revoke_by_paper(&holder.paper()?).await?.expect_status(204)?;
    Ok(())
}

#[actix_web::test]
async fn a_person_types_it_into_a_page_without_scripts() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let certificate = holder.certificate()?;
    let http = Client::new();
    let page = Answer::to(http.get(format!("{}/revoke?certificate={certificate}", app.base))).await?;
    let html = page.body.as_str().unwrap();
    assert!(html.contains(&format!("value=\"{certificate}\"")) && html.contains("立即作废"));
    assert!(!html.contains("<script") && !html.contains("http:") && !html.contains("https:"));
    let policy = page.headers["content-security-policy"].to_str()?;
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    let hostile = format!("{}/revoke?certificate=%22%3E%3Cscript%3E", app.base);
    assert!(!Answer::to(http.get(hostile)).await?.body.as_str().unwrap().contains("<script"));

    let submit = async |code: &str| {
        let form = format!("revocation_code={}&certificate_id=", code.replace(' ', "+"));
        let request = http.post(format!("{}/v1/revocations", app.base)).body(form);
        Answer::to(request.header("Content-Type", "application/x-www-form-urlencoded")).await
    };
    for (code, status, words) in [("12", 400, "slip"), (guess().as_str(), 404, "No E-cert")] {
        let answer = submit(code).await?;
        assert_eq!(answer.status, status);
        assert!(answer.body.as_str().unwrap().contains(words));
    }
    let done = submit(&holder.paper()?).await?;
    assert!(done.status == 200 && done.body.as_str().unwrap().contains("电子证已作废"));
    is_revoked(&mut holder, &rp).await
}

#[actix_web::test]
async fn nonsense_gets_a_clear_refusal() -> Test {
    let app = TestApp::start().await?;
    let anyone = app.holder();
    for body in [
        json!(null),
        json!({}),
        json!({ "revocation_code": 5 }),
        json!({ "revocation_code": "0".repeat(5000) }),
    ] {
        assert_eq!(anyone.revoke_by_sheet(body).await?.refusal(), "400 request-invalid");
    }
    let body = json!({ "revocation_code": guess(), "certificate_id": "hol_1" });
    assert_eq!(anyone.revoke_by_sheet(body).await?.refusal(), "400 request-invalid");
    Ok(())
}
