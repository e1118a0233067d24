//! Relying parties are told by mail: over real SMTP, and only those who have said that they want to be.

use ecert_tests::app::TestApp;
use ecert_tests::clients::{RelyingParty, text};
use ecert_tests::receiver::{Mail, MailServer};
use serde_json::{Value, json};

use crate::orders::pay_in;

type Test = anyhow::Result<()>;

const DAY: i64 = 86_400;

async fn with_mail() -> anyhow::Result<(MailServer, TestApp, RelyingParty)> {
    let server = MailServer::start().await?;
    let app = TestApp::with_flags(&["--smtp", &server.url, "--smtp-from", "E-Cert <noreply@ecert.example>"])
        .await?;
    let rp = app.relying_party().await?;
    Ok((server, app, rp))
}

/// The token in a confirmation.
fn token(mail: &Mail) -> anyhow::Result<String> {
    let text = mail.text()?;
    let line = text.lines().find(|line| line.starts_with("    ")).unwrap_or_default();
    Ok(line.trim().to_owned())
}

/// A contact that has answered; its confirmation was the first mail.
async fn confirmed(server: &MailServer, rp: &RelyingParty, address: &str) -> anyhow::Result<Value> {
    let before = server.mails().len();
    let contact = rp.ask_contact(address).await?.expect_status(201)?;
    let token = token(&server.wait_for(before + 1).await?.remove(before))?;
    rp.confirm_contact(&contact, &token).await?.expect_status(200)
}

#[actix_web::test]
async fn a_contact_that_has_answered_is_told_in_both_languages() -> Test {
    let (server, app, rp) = with_mail().await?;
    let contact = confirmed(&server, &rp, "Ops@Shop.EXAMPLE").await?;
    assert_eq!((&contact["state"], &contact["address"]), (&json!("confirmed"), &json!("Ops@shop.example")));
    pay_in(&app, &rp, 7).await?;
    let mail = server.wait_for(2).await?.remove(1);
    let text = mail.text()?;
    assert_eq!(mail.to, "Ops@shop.example");
    assert!(text.starts_with("款项已到账。\nA payment came in.\n\n"), "{text}");
    assert!(text.contains("\n  amount.micros: 7000000\n"), "{text}");
    let headers = mail.source.split("\r\n\r\n").next().unwrap_or_default();
    assert!(
        headers.contains("From: \"E-Cert\" <noreply@ecert.example>")
            || headers.contains("From: E-Cert <noreply@ecert.example>")
    );
    assert!(
        headers.contains("Auto-Submitted: auto-generated") && headers.contains("Message-ID: <dlv_"),
        "{headers}"
    );
    Ok(())
}

#[actix_web::test]
async fn who_has_not_answered_gets_the_question_and_nothing_else() -> Test {
    let (server, app, rp) = with_mail().await?;
    let contact = rp.ask_contact("ops@shop.example").await?.expect_status(201)?;
    let question = server.wait_for(1).await?.remove(0);
    pay_in(&app, &rp, 1).await?;
    for wrong in ["", "0123456789abcdef0123456789abcdef"] {
        assert_eq!(rp.confirm_contact(&contact, wrong).await?.refusal(), "400 request-invalid");
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(server.mails().len(), 1);
    app.wait(DAY);
    assert_eq!(rp.confirm_contact(&contact, &token(&question)?).await?.refusal(), "400 request-invalid");
    let listed = rp.get("/v1/contacts").await?.expect_status(200)?;
    assert_eq!(listed["contacts"][0]["state"], "unconfirmed");
    Ok(())
}

#[actix_web::test]
async fn a_mail_server_that_says_later_is_asked_later_and_one_that_says_never_is_not_asked_again() -> Test {
    let (server, app, rp) = with_mail().await?;
    confirmed(&server, &rp, "ops@shop.example").await?;
    server.refuse(["451 4.3.0 come again"]);
    pay_in(&app, &rp, 1).await?;
    ecert_tests::receiver::until(|| server.refusals_left() == 0).await?;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    app.wait(10);
    assert_eq!(server.wait_for(2).await?.len(), 2);
    server.refuse(["550 5.1.1 nobody of that name"]);
    pay_in(&app, &rp, 1).await?;
    ecert_tests::receiver::until(|| server.refusals_left() == 0).await?;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    app.wait(DAY);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(server.mails().len(), 2);
    Ok(())
}

#[actix_web::test]
async fn nobody_is_asked_more_than_thrice_a_day_whoever_asks() -> Test {
    let (server, app, rp) = with_mail().await?;
    for _ in 0..3 {
        let contact =
            app.relying_party().await?.ask_contact("Victim@shop.example").await?.expect_status(201)?;
        assert_eq!(contact["state"], "unconfirmed");
    }
    let refused = rp.ask_contact("victim@SHOP.example").await?;
    assert_eq!(refused.refusal(), "429 rate-limited");
    server.wait_for(3).await?;
    app.wait(DAY);
    rp.ask_contact("victim@shop.example").await?.expect_status(201)?;
    assert_eq!(server.wait_for(4).await?.len(), 4);
    Ok(())
}

#[actix_web::test]
async fn a_contact_is_its_relying_partys_alone_and_is_told_no_more_once_it_is_gone() -> Test {
    let (server, app, rp) = with_mail().await?;
    let contact = confirmed(&server, &rp, "ops@shop.example").await?;
    let (other, path) = (app.relying_party().await?, format!("/v1/contacts/{}", text(&contact, "/id")?));
    assert_eq!(other.delete(&path).await?.refusal(), "404 not-found");
    assert_eq!(other.confirm_contact(&contact, "x").await?.refusal(), "404 not-found");
    assert_eq!(rp.ask_contact("ops@shop.example").await?.body["field"], "address");
    assert_eq!(rp.delete(&path).await?.status, 204);
    assert_eq!(rp.delete(&path).await?.refusal(), "404 not-found");
    pay_in(&app, &rp, 1).await?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(server.mails().len(), 1);
    for wrong in ["", "ops", "ops@shop.example\r\nBcc: all@shop.example", "ops@127.0.0.1\u{0}"] {
        let refused = rp.ask_contact(wrong).await?;
        assert_eq!(
            (refused.refusal().as_str(), &refused.body["field"]),
            ("400 request-invalid", &json!("address"))
        );
    }
    let redemptions = json!({ "address": "a@shop.example", "events": ["nothing"] });
    assert_eq!(rp.post_json("/v1/contacts", &redemptions).await?.body["field"], "events");
    Ok(())
}

#[actix_web::test]
async fn where_no_mail_is_sent_no_contact_is_taken() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    assert_eq!(rp.ask_contact("ops@shop.example").await?.refusal(), "501 mail-not-offered");
    Ok(())
}
