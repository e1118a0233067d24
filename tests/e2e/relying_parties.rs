//! What a relying party does with its API keys, and what an admin does with relying parties.

use std::time::Duration;

use ecert_server::edge::clock::Clock as _;
use ecert_tests::app::TestApp;
use ecert_tests::clients::{Answer, RelyingParty, text};
use jiff::SignedDuration;
use serde_json::{Value, json};
use wallet_core::attributes::Share;

type Test = anyhow::Result<()>;

/// The product promises a second.
async fn a_second() {
    tokio::time::sleep(Duration::from_millis(1050)).await;
}

/// The same relying party by another key that it made, and the key's id.
async fn another_key(
    app: &TestApp,
    rp: &RelyingParty,
    wanted: &Value,
) -> anyhow::Result<(RelyingParty, String)> {
    app.wait(1);
    let made = rp.post_json("/v1/keys", wanted).await?.expect_status(201)?;
    Ok((RelyingParty::new(&app.base, &rp.id, &text(&made, "/api_key")?), text(&made, "/id")?))
}

async fn names(rp: &RelyingParty) -> anyhow::Result<Vec<String>> {
    let keys = rp.get("/v1/keys").await?.expect_status(200)?;
    let keys = keys["keys"].as_array().into_iter().flatten();
    Ok(keys.filter_map(|key| key["name"].as_str()).map(str::to_owned).collect())
}

async fn last_message(rp: &RelyingParty) -> anyhow::Result<Value> {
    let told = rp.get("/v1/messages").await?.expect_status(200)?;
    Ok(told["messages"].as_array().and_then(|messages| messages.last()).cloned().unwrap_or_default())
}

#[actix_web::test]
async fn a_key_takes_anothers_place_without_a_gap() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, old) = (app.enrolled().await?, app.relying_party().await?);
    let (new, _) = another_key(&app, &old, &json!({ "name": "till-2" })).await?;
    old.open(&holder.qr(Share::Name)?).await?;
    new.open(&holder.qr(Share::Name)?).await?;
    assert_eq!(names(&new).await?, ["first", "till-2"]);

    let first = text(&new.get("/v1/keys").await?.body, "/keys/0/id")?;
    assert_eq!(new.delete(&format!("/v1/keys/{first}")).await?.status, 204);
    a_second().await;
    assert_eq!(old.get("/v1/keys").await?.refusal(), "401 unauthenticated");
    assert_eq!(names(&new).await?, ["till-2"]);
    Ok(())
}

#[actix_web::test]
async fn a_key_ends_by_itself_when_it_is_to() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let end = app.clock.now() + SignedDuration::from_hours(1);
    let (lent, _) = another_key(&app, &rp, &json!({ "name": "fair", "expires_at": end })).await?;
    app.wait(3598);
    lent.get("/v1/keys").await?.expect_status(200)?;
    app.wait(1);
    assert_eq!(lent.get("/v1/keys").await?.refusal(), "401 unauthenticated");
    assert_eq!(names(&rp).await?, ["first"]);
    Ok(())
}

#[actix_web::test]
async fn a_key_that_was_made_is_told_of_and_never_shown_again() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let (new, id) = another_key(&app, &rp, &json!({ "name": "till-2" })).await?;
    let told = last_message(&rp).await?;
    assert_eq!((&told["kind"], &told["body"]["key"]), (&"api_key.created".into(), &id.into()));
    let secret = new.api_key.rsplit('_').next().unwrap();
    assert!(!rp.get("/v1/keys").await?.body.to_string().contains(secret));
    Ok(())
}

#[actix_web::test]
async fn a_relying_party_ends_none_but_its_own_other_keys() -> Test {
    let app = TestApp::start().await?;
    let (rp, other) = (app.relying_party().await?, app.relying_party().await?);
    let own = text(&rp.get("/v1/keys").await?.body, "/keys/0/id")?;
    assert_eq!(rp.delete(&format!("/v1/keys/{own}")).await?.refusal(), "400 request-invalid");
    assert_eq!(other.delete(&format!("/v1/keys/{own}")).await?.refusal(), "404 not-found");
    let (_, second) = another_key(&app, &rp, &json!({ "name": "second" })).await?;
    rp.delete(&format!("/v1/keys/{second}")).await?;
    assert_eq!(rp.delete(&format!("/v1/keys/{second}")).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn a_key_wants_a_name_a_time_to_come_and_room() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    for wrong in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": "Till 2" }),
        json!({ "name": "till", "expires_at": app.clock.now() }),
        json!({ "name": "till", "secret": "mine" }),
    ] {
        assert_eq!(rp.post_json("/v1/keys", &wrong).await?.refusal(), "400 request-invalid", "{wrong}");
    }
    for number in 1..20 {
        another_key(&app, &rp, &json!({ "name": format!("till-{number}") })).await?;
    }
    assert_eq!(rp.post_json("/v1/keys", &json!({ "name": "more" })).await?.refusal(), "400 request-invalid");
    Ok(())
}

#[actix_web::test]
async fn an_admin_gives_a_key_to_whoever_lost_all_and_ends_any() -> Test {
    let app = TestApp::start().await?;
    let lost = app.relying_party().await?;
    let path = format!("/v1/admin/relying-parties/{}/keys", lost.id);
    app.wait(1);
    let made = app.admin.post(&path, &json!({ "name": "again" })).await?.expect_status(201)?;
    let again = RelyingParty::new(&app.base, &lost.id, &text(&made, "/api_key")?);
    let keys = app.admin.get(&path).await?.expect_status(200)?;
    let first = text(&keys, "/keys/0/id")?;
    assert_eq!(app.admin.delete(&format!("{path}/{first}")).await?.status, 204);
    a_second().await;
    assert_eq!(lost.get("/v1/keys").await?.refusal(), "401 unauthenticated");
    assert_eq!(names(&again).await?, ["again"]);

    let nobody = "/v1/admin/relying-parties/rp_01ARZ3NDEKTSV4RRFFQ69G5FAV/keys";
    assert_eq!(app.admin.get(nobody).await?.refusal(), "404 not-found");
    assert_eq!(app.admin.post(nobody, &json!({ "name": "x" })).await?.refusal(), "404 not-found");
    assert_eq!(app.admin.delete(&format!("{nobody}/{first}")).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn a_suspended_relying_party_is_told_why_and_served_again_afterwards() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let path = format!("/v1/admin/relying-parties/{}/suspension", rp.id);
    let why = json!({ "why": "asks for more than it said" });
    for _ in 0..2 {
        assert_eq!(app.admin.post(&path, &why).await?.status, 204);
    }
    a_second().await;
    assert_eq!(rp.redeem(&holder.qr(Share::Name)?).await?.refusal(), "403 rp-suspended");
    assert_eq!(rp.post_json("/v1/keys", &json!({ "name": "x" })).await?.refusal(), "403 rp-suspended");
    let told = last_message(&rp).await?;
    assert_eq!((&told["kind"], &told["body"]), (&"relying_party.suspended".into(), &why));
    assert_eq!(rp.get("/v1/messages").await?.body["messages"].as_array().map(Vec::len), Some(1));

    assert_eq!(app.admin.delete(&path).await?.status, 204);
    a_second().await;
    rp.open(&holder.qr(Share::Name)?).await?;
    assert_eq!(last_message(&rp).await?["kind"], "relying_party.resumed");
    Ok(())
}

#[actix_web::test]
async fn a_suspension_wants_a_reason_and_somebody_to_suspend() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let path = |id: &str| format!("/v1/admin/relying-parties/{id}/suspension");
    for wrong in
        [json!({}), json!({ "why": " " }), json!({ "why": "a\nb" }), json!({ "why": "x".repeat(201) })]
    {
        assert_eq!(app.admin.post(&path(&rp.id), &wrong).await?.refusal(), "400 request-invalid", "{wrong}");
    }
    let nobody = path("rp_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assert_eq!(app.admin.post(&nobody, &json!({ "why": "x" })).await?.refusal(), "404 not-found");
    assert_eq!(app.admin.delete(&nobody).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn an_admin_sees_all_relying_parties_a_page_at_a_time() -> Test {
    let app = TestApp::start().await?;
    let first = app.relying_party().await?;
    app.wait(1);
    let second = app.relying_party().await?;
    let suspension = format!("/v1/admin/relying-parties/{}/suspension", first.id);
    app.admin.post(&suspension, &json!({ "why": "fees" })).await?;
    let all = app.admin.get("/v1/admin/relying-parties").await?.expect_status(200)?;
    let shown = |at: usize| &all["relying_parties"][at];
    assert_eq!((&shown(0)["id"], &shown(0)["state"]), (&first.id.as_str().into(), &"suspended".into()));
    assert_eq!((&shown(0)["suspended_why"], &shown(1)["state"]), (&"fees".into(), &"active".into()));
    let rest =
        app.admin.get(&format!("/v1/admin/relying-parties?after={}", first.id)).await?.expect_status(200)?;
    assert_eq!(rest["relying_parties"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&rest["relying_parties"][0]["id"], &rest["relying_parties"][0]["mode"]),
        (&second.id.into(), &"live".into())
    );
    for wrong in ["before=x", "after=x", "after=%00"] {
        let wrong: Answer = app.admin.get(&format!("/v1/admin/relying-parties?{wrong}")).await?;
        assert_eq!(wrong.refusal(), "400 request-invalid");
    }
    Ok(())
}

#[actix_web::test]
async fn an_admin_sees_one_relying_party_and_nobody_else_does() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let path = format!("/v1/admin/relying-parties/{}", rp.id);
    let shown = app.admin.get(&path).await?.expect_status(200)?;
    assert_eq!((&shown["id"], &shown["state"]), (&rp.id.as_str().into(), &"active".into()));
    let nobody = "/v1/admin/relying-parties/rp_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    assert_eq!(app.admin.get(nobody).await?.refusal(), "404 not-found");
    assert_eq!(rp.get(&path).await?.status, 401);
    Ok(())
}
