//! A wallet is told what waits for its holder, as soon as it does.

use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::{Holder, RelyingParty, fresh_key, nonce, text};
use serde_json::json;
use wallet_core::attributes::Share;

type Test = anyhow::Result<()>;

/// A relying party asks a holder; its id, and the number that it shows.
async fn asked(holder: &mut Holder, rp: &RelyingParty) -> anyhow::Result<(String, String)> {
    let opened = rp.ask_holder(&holder.qr(Share::Name)?).await?.expect_status(201)?;
    Ok((text(&opened, "/id")?, text(&opened, "/number")?))
}

fn waits(id: &str, state: &str) -> Vec<(String, String)> {
    vec![(id.to_owned(), state.to_owned())]
}

#[actix_web::test]
async fn a_wallet_that_listens_hears_of_a_request_of_its_answer_and_of_its_end() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let mut events = holder.listen().await?;
    assert_eq!(events.told().await?, []);
    let (id, number) = asked(&mut holder, &rp).await?;
    assert_eq!(events.told().await?, waits(&id, "awaiting_holder"));
    // Whoever comes now is told the same at once.
    assert_eq!(holder.listen().await?.told().await?, waits(&id, "awaiting_holder"));
    let agreed = holder.agree(&id, &number).await?.expect_status(200)?;
    assert_eq!(events.told().await?, waits(&id, "challenged"));
    let nonce = nonce(&agreed, "/challenge/nonce")?;
    holder.show_face(&id, &nonce, &later_frames()).await?.expect_status(200)?;
    assert_eq!(events.told().await?, []);
    Ok(())
}

#[actix_web::test]
async fn a_request_at_one_replica_is_heard_of_at_another_and_what_is_captured_at_a_till_is_not_told() -> Test
{
    let app = TestApp::start().await?;
    let there = app.replica(&["--database", app.database()]).await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let mut moved = holder.clone().at(&there.base);
    let mut events = moved.listen().await?;
    assert_eq!(events.told().await?, []);
    rp.redeem(&holder.qr(Share::Name)?).await?.expect_status(201)?;
    let number = moved.number("over_18").await?;
    let body = json!({ "code": number, "purpose": "check", "capture": "holder" });
    let opened = rp.redeem_with(body, &fresh_key()).await?.expect_status(201)?;
    let id = text(&opened, "/id")?;
    assert_eq!(events.told().await?, waits(&id, "awaiting_holder"));
    rp.cancel(&id).await?.expect_status(200)?;
    assert_eq!(events.told().await?, []);
    moved.token = None;
    assert!(moved.listen().await.is_err());
    Ok(())
}

#[actix_web::test]
async fn a_wallet_whose_certificate_ended_hears_nothing_more() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let mut events = holder.listen().await?;
    assert_eq!(events.told().await?, []);
    holder.revoke().await?.expect_status(204)?;
    assert_eq!(events.next().await?, None);
    assert_eq!(holder.get("/v1/me/events").await?.refusal(), "410 certificate-revoked");
    let mut stranger = app.holder();
    stranger.start().await?;
    assert_eq!(stranger.get("/v1/me/events").await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn a_fourth_stream_of_a_wallet_ends_its_first_and_there_are_so_many_of_all() -> Test {
    let app = TestApp::with_flags(&["--event-streams", "3"]).await?;
    let holder = app.enrolled().await?;
    let (mut first, mut second) = (holder.listen().await?, holder.listen().await?);
    let (_third, _fourth) = (holder.listen().await?, holder.listen().await?);
    assert_eq!((first.told().await?, first.next().await?), (vec![], None));
    assert_eq!(second.told().await?, []);
    let full = TestApp::with_flags(&["--event-streams", "0"]).await?;
    let refused = full.enrolled().await?.get("/v1/me/events").await?;
    assert_eq!((refused.refusal(), &refused.body["retry_after"]), ("503 overloaded".to_owned(), &json!(30)));
    Ok(())
}

#[actix_web::test]
async fn a_stream_shows_that_it_lives_and_ends_with_its_token() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    app.wait(90 * 86_400 - 18);
    let mut events = holder.listen().await?;
    assert_eq!((events.told().await?, events.next().await?), (vec![], None));
    assert_eq!(events.heartbeats, 1);
    app.wait(20);
    assert_eq!(holder.get("/v1/me/events").await?.refusal(), "401 unauthenticated");
    Ok(())
}
