//! Terminals: a till has a key of its own, redeems with it, and can do nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::sandbox::any_frames;
use ecert_tests::clients::{Answer, RelyingParty, Terminal, fresh_key, text};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use wallet_core::attributes::Share;
use wallet_core::code::numeric::NumericCode;
use wallet_core::code::test_people::TestPerson;

use crate::callers::guarded_routes;
use crate::replicas::Pair;
use crate::sandbox::holds;

type Test = anyhow::Result<()>;

fn tablet(app: &TestApp) -> Terminal {
    Terminal::new(&app.base, Arc::clone(&app.clock) as _)
}

/// The same key with another token.
fn with_token(terminal: &Terminal, token: Option<String>) -> Terminal {
    let mut other = terminal.clone();
    other.token = token;
    other
}

async fn added(rp: &RelyingParty, body: Value) -> anyhow::Result<Value> {
    rp.post_json("/v1/terminals", &body).await?.expect_status(201)
}

/// A till of a shop, activated.
pub(crate) async fn till(app: &TestApp, rp: &RelyingParty, name: &str) -> anyhow::Result<Terminal> {
    let mut till = tablet(app);
    till.activate(&added(rp, json!({ "name": name })).await?).await?;
    Ok(till)
}

#[actix_web::test]
async fn a_till_is_added_activated_once_and_redeems_at_its_relying_partys_cost() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let created = added(&rp, json!({ "name": "till 1" })).await?;
    assert_eq!(created["state"], "pending");
    let link = text(&created, "/activation_link")?;
    assert!(link.starts_with(&format!("{}/scanner/#ta_", app.base)), "{link}");
    let mut till = tablet(&app);
    till.activate(&created).await?;
    let open = till.open(&holder.qr(Share::Name)?).await?;
    let judged = till.judge(&open, &later_frames()).await?.expect_status(200)?;
    assert_eq!(judged["outcome"], "passed");
    let shown = till.get(&format!("/v1/redemptions/{}", open.id)).await?.expect_status(200)?;
    assert_eq!(shown["receipt"], judged["receipt"]);
    let receipts = till.get(&format!("/v1/redemptions/{}/receipt", open.id)).await?.expect_status(200)?;
    assert_eq!(receipts["receipts"], json!([judged["receipt"]]));
    assert_eq!(rp.show(&open).await?.expect_status(200)?["outcome"], "passed");
    assert_eq!(app.charges().await?, 1);
    holds(&app).await
}

#[actix_web::test]
async fn an_activation_is_good_once_and_for_ten_minutes_and_again_for_the_key_that_used_it() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let (first, second) = (added(&rp, json!({"name": "1"})).await?, added(&rp, json!({"name": "2"})).await?);
    let (mut till, thief) = (tablet(&app), tablet(&app));
    let secret = text(&first, "/activation")?;
    till.activate(&first).await?;
    assert_eq!(thief.ask_activation(&secret).await?.refusal(), "404 not-found");
    let mut again = with_token(&till, None);
    again.activate(&first).await?;
    assert_eq!(till.get("/v1/terminal").await?.refusal(), "401 unauthenticated");
    again.get("/v1/terminal").await?.expect_status(200)?;
    assert_eq!(thief.ask_activation("ta_nonsense").await?.refusal(), "404 not-found");
    app.wait(601);
    assert_eq!(thief.ask_activation(&text(&second, "/activation")?).await?.refusal(), "404 not-found");
    let states = rp.get("/v1/terminals").await?.expect_status(200)?;
    let states = states["terminals"].as_array().unwrap().iter().map(|one| text(one, "/state").unwrap());
    assert_eq!(states.collect::<BTreeSet<_>>(), ["active", "expired"].map(str::to_owned).into());
    Ok(())
}

#[actix_web::test]
async fn a_till_opens_no_route_but_its_own_and_those_of_redemptions() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let till = till(&app, &rp, "till").await?;
    for (method, path) in guarded_routes() {
        let path = path.replace("{id}", "red_01ARZ3NDEKTSV4RRFFQ69G5FAV");
        let own = path.starts_with("/v1/redemptions")
            || path.starts_with("/v1/terminal/")
            || path == "/v1/terminal";
        let answer = Answer::to(till.request(method.clone(), &path)?).await?;
        assert_eq!(answer.refusal() == "401 unauthenticated", !own, "{method} {path} {answer:?}");
    }
    // Nor is its token good as a bearer token, nor without its proof.
    let token = till.token.clone().unwrap();
    for credentials in [format!("Bearer {token}"), format!("DPoP {token}")] {
        let bare =
            Client::new().get(format!("{}/v1/terminal", app.base)).header("Authorization", credentials);
        assert_eq!(Answer::to(bare).await?.refusal(), "401 unauthenticated");
    }
    let other_key = with_token(&tablet(&app), Some(token));
    assert_eq!(other_key.get("/v1/terminal").await?.refusal(), "401 unauthenticated");
    Ok(())
}

#[actix_web::test]
async fn a_till_sees_what_it_opened_itself_and_nothing_of_the_till_beside_it() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (one, other) = (till(&app, &rp, "one").await?, till(&app, &rp, "other").await?);
    let (theirs, of_key) =
        (one.open(&holder.qr(Share::Name)?).await?, rp.open(&holder.qr(Share::Name)?).await?);
    for open in [&theirs, &of_key] {
        let path = format!("/v1/redemptions/{}", open.id);
        assert_eq!(other.get(&path).await?.refusal(), "404 not-found");
        assert_eq!(other.get(&format!("{path}/receipt")).await?.refusal(), "404 not-found");
        assert_eq!(other.post(&format!("{path}:cancel")).await?.refusal(), "404 not-found");
        assert_eq!(other.judge(open, &later_frames()).await?.refusal(), "404 not-found");
    }
    let key = fresh_key();
    one.judge_with(&theirs, &later_frames(), &key).await?.expect_status(200)?;
    // Not even who knows the key of the request is given its answer.
    let stolen = other.judge_with(&theirs, &later_frames(), &key).await?;
    assert_eq!(stolen.refusal(), "422 idempotency-key-reused");
    one.judge_with(&theirs, &later_frames(), &key).await?.expect_status(200)?;
    rp.cancel(&of_key.id).await?.expect_status(200)?;
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

#[actix_web::test]
async fn a_till_asks_for_the_purposes_that_it_was_given_and_learns_them_and_the_price() -> Test {
    let app = TestApp::start().await?;
    let purposes =
        json!([{"name": "check", "attributes": ["over_18"]}, {"name": "hotel", "attributes": ["name"]}]);
    let application = json!({ "name": "Inn", "purposes": purposes, "services": ["ecert.redeem"] });
    let rp = app.admin.admitted(&application).await?;
    let mut holder = app.enrolled().await?;
    let mut door = tablet(&app);
    door.activate(&added(&rp, json!({ "name": "door", "purposes": ["check"] })).await?).await?;
    let own = door.get("/v1/terminal").await?.expect_status(200)?;
    assert_eq!(own["relying_party"], json!({ "id": rp.id, "name": "Inn", "sandbox": false }));
    assert_eq!(own["purposes"], json!({ "check": ["over_18"] }));
    assert_eq!(own["price"], json!({ "currency": "CNY", "micros": 1_000_000 }));
    let hotel = json!({ "code": holder.qr(Share::Name)?, "purpose": "hotel" });
    assert_eq!(door.redeem_with(hotel, &fresh_key()).await?.refusal(), "403 purpose-not-registered");
    door.open(&holder.qr(Share::Name)?).await?;
    for wrong in [json!(["nothing"]), json!([])] {
        let refused = rp.post_json("/v1/terminals", &json!({ "name": "x", "purposes": wrong })).await?;
        assert_eq!(refused.refusal(), "400 request-invalid");
    }
    assert_eq!(
        rp.post_json("/v1/terminals", &json!({ "name": " " })).await?.refusal(),
        "400 request-invalid"
    );
    Ok(())
}

#[actix_web::test]
async fn a_revoked_till_is_refused_at_once_on_every_replica() -> Test {
    let pair = Pair::start().await?;
    let rp = pair.one.relying_party().await?;
    let till = till(&pair.one, &rp, "till").await?;
    let there = till.at(&pair.other.base);
    there.get("/v1/terminal").await?.expect_status(200)?;
    let path = format!("/v1/terminals/{}", till.id);
    rp.delete(&path).await?.expect_status(204)?;
    assert_eq!(there.get("/v1/terminal").await?.refusal(), "401 terminal-revoked");
    assert_eq!(till.redeem("1").await?.refusal(), "401 terminal-revoked");
    assert_eq!(till.post("/v1/terminal/token").await?.refusal(), "401 terminal-revoked");
    rp.delete(&path).await?.expect_status(204)?;
    let stranger = pair.one.relying_party().await?;
    assert_eq!(stranger.delete(&path).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn a_pending_till_that_was_revoked_is_not_activated() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let created = added(&rp, json!({ "name": "till" })).await?;
    rp.delete(&format!("/v1/terminals/{}", text(&created, "/id")?)).await?.expect_status(204)?;
    let refused = tablet(&app).ask_activation(&text(&created, "/activation")?).await?;
    assert_eq!(refused.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn a_tills_token_is_renewed_and_the_old_one_ends_when_the_new_one_is_used() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let old = till(&app, &rp, "till").await?;
    let renewed = old.post("/v1/terminal/token").await?.expect_status(200)?;
    old.get("/v1/terminal").await?.expect_status(200)?;
    let new = with_token(&old, Some(text(&renewed, "/access_token")?));
    new.get("/v1/terminal").await?.expect_status(200)?;
    assert_eq!(old.get("/v1/terminal").await?.refusal(), "401 unauthenticated");
    app.wait(91 * 86_400);
    assert_eq!(new.get("/v1/terminal").await?.refusal(), "401 unauthenticated");
    Ok(())
}

#[actix_web::test]
async fn digits_that_a_till_misses_count_against_it_alone() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let (one, other) = (till(&app, &rp, "one").await?, till(&app, &rp, "other").await?);
    // At a full minute, so that none ends in between.
    app.wait(60 - app.clock_now().as_second() % 60);
    for _ in 0..3 {
        let guess = NumericCode::mint(&mut rand::rng()).digits();
        assert_eq!(one.redeem(&guess).await?.refusal(), "404 code-unknown");
    }
    let guess = NumericCode::mint(&mut rand::rng()).digits();
    assert_eq!(one.redeem(&guess).await?.refusal(), "429 rate-limited");
    assert_eq!(other.redeem(&guess).await?.refusal(), "404 code-unknown");
    let named = json!({ "code": guess, "purpose": "check", "terminal": "till-2" });
    assert_eq!(one.redeem_with(named, &fresh_key()).await?.refusal(), "400 request-invalid");
    Ok(())
}

#[actix_web::test]
async fn a_till_of_the_sandbox_meets_test_people() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    let till = till(&app, &rp, "till").await?;
    let own = till.get("/v1/terminal").await?.expect_status(200)?;
    assert_eq!(own["relying_party"]["sandbox"], true);
    let open = till.open(&TestPerson::Passes.code().grouped()).await?;
    let judged = till.judge(&open, &any_frames()).await?.expect_status(200)?;
    assert_eq!(judged["outcome"], "passed");
    holds(&app).await
}

#[actix_web::test]
async fn the_phone_of_a_holder_may_be_asked_by_a_till() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let till = till(&app, &rp, "till").await?;
    let body = json!({ "code": holder.qr(Share::Name)?, "purpose": "check", "capture": "holder" });
    let asked = till.redeem_with(body, &fresh_key()).await?.expect_status(201)?;
    assert_eq!(asked["state"], "awaiting_holder");
    let path = format!("/v1/redemptions/{}", text(&asked, "/id")?);
    assert_eq!(till.get(&path).await?.expect_status(200)?["number"], asked["number"]);
    let request = till.request(Method::POST, &format!("{path}:cancel"))?;
    assert_eq!(Answer::to(request).await?.expect_status(200)?["state"], "cancelled");
    Ok(())
}
