//! Acts that take two: asked for by one, done when another agrees.

use ecert_server::roles::Role;
use ecert_tests::app::TestApp;
use ecert_tests::clients::{Admin, Answer, Staff, text};
use jiff::SignedDuration;
use serde_json::{Value, json};

type Test = anyhow::Result<()>;

fn wen() -> Value {
    json!({ "name": "Wen", "roles": ["finance"], "why": "takes over the books" })
}

/// A price list for in two days.
async fn asks_for_prices(app: &TestApp, admin: &Admin) -> anyhow::Result<Answer> {
    let at = app.clock_now() + SignedDuration::from_hours(48);
    let list = json!({ "version": "list-2", "valid_from": at, "why": "dearer",
        "prices": [{ "service": "face.compare", "micros": 7_000 }] });
    admin.post("/v1/admin/prices", &list).await
}

/// Who somebody is.
async fn id(admin: &Admin) -> anyhow::Result<String> {
    text(&admin.get("/v1/admin/session").await?.expect_status(200)?, "/admin/id")
}

async fn state(admin: &Admin, asked: &Value) -> anyhow::Result<Value> {
    let path = format!("/v1/admin/actions/{}", text(asked, "/action/id")?);
    Ok(admin.get(&path).await?.expect_status(200)?["state"].take())
}

#[actix_web::test]
async fn the_first_admin_invites_the_second_alone_and_nobody_else() -> Test {
    let app = TestApp::start().await?;
    let mut first = app.staff(&Role::ALL).await?;
    first.step_up().await?;
    let earlier = first.admin.post("/v1/admin/admins", &wen()).await?.expect_status(201)?;
    let invited = first.admin.post("/v1/admin/admins", &wen()).await?.expect_status(201)?;
    assert_eq!(
        (&invited["action"]["state"], &invited["action"]["outcome"]),
        (&json!("done"), &json!("alone"))
    );
    let secret = |answer: &Value| -> anyhow::Result<String> {
        Ok(text(answer, "/invitation/link")?.rsplit('/').next().unwrap_or_default().to_owned())
    };
    assert!(Staff::invited(&app.base, &secret(&earlier)?).await.is_err(), "one at a time");
    let second = Staff::invited(&app.base, &secret(&invited)?).await?;
    // Somebody of finance could not agree: there is nobody yet who can.
    let chen = json!({ "name": "Chen", "roles": ["operator"], "why": "the second operator" });
    let invited = first.admin.post("/v1/admin/admins", &chen).await?.expect_status(201)?;
    let chen = Staff::invited(&app.base, &secret(&invited)?).await?;
    let last = first.admin.post("/v1/admin/admins", &wen()).await?.expect_status(202)?;
    assert!(last["invitation"].is_null());
    assert_eq!(second.stepped_up().await?.decide(&last, "approve").await?.refusal(), "403 role-missing");
    assert_eq!(first.admin.decide(&last, "approve").await?.refusal(), "403 second-person-needed");
    assert_eq!(chen.stepped_up().await?.decide(&last, "approve").await?.status, 200);
    Ok(())
}

#[actix_web::test]
async fn what_somebody_asked_for_who_left_is_not_done_in_their_name() -> Test {
    let app = TestApp::start().await?;
    let (one, other, third) = (app.second().await?, app.second().await?, app.second().await?);
    let asked = one.post("/v1/admin/admins", &wen()).await?.expect_status(202)?;
    let path = format!("/v1/admin/admins/{}?why=left", text(&asked, "/action/requested_by")?);
    let end = other.delete(&path).await?.expect_status(202)?;
    assert_eq!(third.decide(&end, "approve").await?.expect_status(200)?["action"]["state"], "done");
    assert_eq!(third.decide(&asked, "approve").await?.refusal(), "409 action-decided");
    Ok(())
}

#[actix_web::test]
async fn an_invitation_that_two_agree_to_goes_to_whoever_agreed() -> Test {
    let app = TestApp::start().await?;
    let (one, other) = (app.second().await?, app.second().await?);
    let asked = one.post("/v1/admin/admins", &wen()).await?.expect_status(202)?;
    let agreed = other.decide(&asked, "approve").await?.expect_status(200)?;
    let link = text(&agreed, "/invitation/link")?;
    let shown = one.get("/v1/admin/actions").await?.expect_status(200)?;
    assert!(!shown.to_string().contains("ai_"), "{shown}");
    let new = Staff::invited(&app.base, link.rsplit('/').next().unwrap_or_default()).await?;
    let listed = new.admin.get("/v1/admin/admins").await?.expect_status(200)?;
    let of_wen = listed["admins"].as_array().and_then(|all| all.iter().find(|admin| admin["name"] == "Wen"));
    let of_wen = of_wen.cloned().unwrap_or_default();
    assert_eq!((&of_wen["roles"], &of_wen["passkeys"][0]["name"]), (&json!(["finance"]), &json!("phone")));
    Ok(())
}

#[actix_web::test]
async fn nobody_agrees_to_what_they_asked_for_nor_without_a_passkey_nor_twice() -> Test {
    let app = TestApp::start().await?;
    let one = app.second().await?;
    let asked = asks_for_prices(&app, &one).await?.expect_status(202)?;
    assert_eq!(one.decide(&asked, "approve").await?.refusal(), "403 second-person-needed");
    assert_eq!(app.admin.decide(&asked, "approve").await?.refusal(), "403 step-up-needed");
    let mut operator = app.staff(&[Role::Operator]).await?;
    operator.step_up().await?;
    assert_eq!(operator.admin.decide(&asked, "approve").await?.refusal(), "403 role-missing");
    let other = app.second().await?;
    assert_eq!(other.decide(&asked, "approve").await?.expect_status(200)?["action"]["state"], "done");
    for word in ["approve", "reject"] {
        assert_eq!(app.second().await?.decide(&asked, word).await?.refusal(), "409 action-decided");
    }
    let rp = app.relying_party().await?;
    let prices = rp.get("/v1/prices").await?.expect_status(200)?;
    assert_eq!(prices["announced"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[actix_web::test]
async fn what_is_asked_for_changes_nothing_and_can_be_taken_back() -> Test {
    let app = TestApp::start().await?;
    let asked = asks_for_prices(&app, &app.admin).await?.expect_status(202)?;
    let rp = app.relying_party().await?;
    assert_eq!(rp.get("/v1/prices").await?.body["announced"], json!([]));
    assert_eq!(asked["action"]["why"], "dearer");
    assert_eq!(app.admin.decide(&asked, "reject").await?.expect_status(200)?["state"], "rejected");
    assert_eq!(app.second().await?.decide(&asked, "approve").await?.refusal(), "409 action-decided");
    let listed = async |query: &str| -> anyhow::Result<Option<usize>> {
        let found = app.admin.get(&format!("/v1/admin/actions{query}")).await?.expect_status(200)?;
        Ok(found["actions"].as_array().map(Vec::len))
    };
    assert_eq!(
        (listed("").await?, listed("?state=rejected").await?, listed("?state=requested").await?),
        (Some(1), Some(1), Some(0))
    );
    assert_eq!(app.admin.get("/v1/admin/actions?state=x").await?.refusal(), "400 request-invalid");
    let nobody = json!({ "action": { "id": "act_01ARZ3NDEKTSV4RRFFQ69G5FAV" } });
    assert_eq!(app.admin.decide(&nobody, "reject").await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn what_nobody_decides_for_a_day_has_expired() -> Test {
    let app = TestApp::start().await?;
    let asked = asks_for_prices(&app, &app.admin).await?.expect_status(202)?;
    app.wait(24 * 3600 - 1);
    assert_eq!(state(&app.admin, &asked).await?, "requested");
    app.wait(1);
    assert_eq!(state(&app.admin, &asked).await?, "expired");
    for word in ["approve", "reject"] {
        assert_eq!(app.second().await?.decide(&asked, word).await?.refusal(), "409 action-decided");
    }
    Ok(())
}

#[actix_web::test]
async fn what_can_not_be_done_any_more_has_failed_and_says_why() -> Test {
    let app = TestApp::start().await?;
    let (one, two) = (asks_for_prices(&app, &app.admin).await?, asks_for_prices(&app, &app.admin).await?);
    app.approved(one).await?;
    let second = app.second().await?;
    let failed = second.decide(&two.expect_status(202)?, "approve").await?.expect_status(200)?;
    assert_eq!(
        (&failed["action"]["state"], &failed["action"]["outcome"]),
        (&json!("failed"), &json!("request-invalid"))
    );
    Ok(())
}

#[actix_web::test]
async fn a_file_waits_sealed_and_is_forgotten_with_the_decision() -> Test {
    let app = TestApp::start().await?;
    let (holder, file) = (app.enrolled().await?, "certificate_id,reason,note\n");
    let file = format!("{file}{},misuse,SECRET-NOTE\n", holder.certificate()?);
    let asked = app.admin.revoke_csv(file).await?.expect_status(202)?;
    assert_eq!(asked["action"]["parameters"]["lines"], 1);
    let payloads = || {
        use diesel::prelude::*;
        use ecert_server::store::schema::admin_actions as actions;
        let found = app
            .context
            .rp_store
            .read(|conn| Ok(actions::table.select(actions::payload).load::<Option<Vec<u8>>>(conn)?));
        found.map_err(anyhow::Error::from)
    };
    let sealed = payloads()?.remove(0).unwrap_or_default();
    assert!(!sealed.is_empty() && !sealed.windows(11).any(|part| part == b"SECRET-NOTE"));
    let state = app.admin.certificate(&holder.certificate()?).await?.body["state"].take();
    assert_eq!(state, "active");
    app.admin.decide(&asked, "reject").await?.expect_status(200)?;
    assert_eq!(payloads()?, [None]);
    Ok(())
}

#[actix_web::test]
async fn other_roles_are_in_force_with_the_next_request() -> Test {
    let app = TestApp::start().await?;
    let (one, other, wen) = (app.second().await?, app.second().await?, app.staff(&[Role::Auditor]).await?);
    wen.admin.ledger().await?.expect_status(200)?;
    let path = format!("/v1/admin/admins/{}/roles", id(&wen.admin).await?);
    let asked =
        one.post(&path, &json!({ "roles": ["operator"], "why": "moves" })).await?.expect_status(202)?;
    other.decide(&asked, "approve").await?.expect_status(200)?;
    assert_eq!(wen.admin.ledger().await?.refusal(), "403 role-missing");
    for wrong in [
        json!({ "roles": [], "why": "x" }),
        json!({ "roles": ["root"], "why": "x" }),
        json!({ "roles": ["auditor"], "why": " " }),
    ] {
        assert_eq!(one.post(&path, &wrong).await?.refusal(), "400 request-invalid", "{wrong}");
    }
    let nobody = "/v1/admin/admins/adm_01ARZ3NDEKTSV4RRFFQ69G5FAV/roles";
    assert_eq!(
        one.post(nobody, &json!({ "roles": ["auditor"], "why": "x" })).await?.refusal(),
        "404 not-found"
    );
    Ok(())
}

#[actix_web::test]
async fn who_is_ended_is_gone_with_session_passkey_and_token() -> Test {
    let app = TestApp::start().await?;
    let (one, other, mut wen) =
        (app.second().await?, app.second().await?, app.staff(&[Role::Auditor]).await?);
    let script = app.script(&[Role::Auditor])?;
    let listed = one.get("/v1/admin/admins").await?.expect_status(200)?;
    let scripts = listed["admins"].as_array().expect("a list").iter().find(|admin| admin["name"] == "script");
    let ids = [id(&wen.admin).await?, text(scripts.expect("the script"), "/id")?];
    for id in ids {
        let asked = one.delete(&format!("/v1/admin/admins/{id}?why=leaves")).await?.expect_status(202)?;
        other.decide(&asked, "approve").await?.expect_status(200)?;
    }
    assert_eq!(wen.admin.get("/v1/admin/admins").await?.refusal(), "401 unauthenticated");
    assert_eq!(wen.try_sign_in().await?.refusal(), "401 unauthenticated");
    assert_eq!(script.get("/v1/admin/admins").await?.refusal(), "401 unauthenticated");
    let nobody = "/v1/admin/admins/adm_01ARZ3NDEKTSV4RRFFQ69G5FAV?why=leaves";
    assert_eq!(one.delete(nobody).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn somebody_who_can_bring_others_in_always_remains() -> Test {
    let app = TestApp::start().await?;
    let mut only = app.staff(&[Role::Operator]).await?;
    only.step_up().await?;
    app.staff(&[Role::Finance]).await?;
    let own = id(&only.admin).await?;
    let roles = json!({ "roles": ["auditor"], "why": "rest" });
    let change = only.admin.post(&format!("/v1/admin/admins/{own}/roles"), &roles).await?;
    assert_eq!(change.refusal(), "400 request-invalid");
    let end = only.admin.delete(&format!("/v1/admin/admins/{own}?why=rest")).await?;
    assert_eq!(end.refusal(), "400 request-invalid");
    Ok(())
}
