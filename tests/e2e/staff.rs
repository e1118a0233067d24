//! Who works here: invitations, passkeys, sessions.

use ecert_server::roles::Role;
use ecert_tests::app::TestApp;
use ecert_tests::authenticator::Authenticator;
use ecert_tests::clients::staff::{Staff, origin_of, post};
use ecert_tests::clients::{Admin, Answer, text};
use ecert_tests::service::binary;
use reqwest::{Client, Method};
use serde_json::json;

type Test = anyhow::Result<()>;

const SESSION: &str = "/v1/admin/session";

async fn session(admin: &Admin) -> anyhow::Result<Answer> {
    admin.get(SESSION).await
}

/// What the trail says of an action, the oldest first.
fn audited(app: &TestApp, action: &str) -> anyhow::Result<Vec<String>> {
    let found = app.context.rp_store.read(|conn| {
        use diesel::prelude::*;
        use ecert_server::store::schema::audit;
        let of = audit::table.filter(audit::action.eq(action)).order(audit::id);
        Ok(of.select(audit::outcome).load::<String>(conn)?)
    });
    found.map_err(anyhow::Error::from)
}

#[actix_web::test]
async fn the_first_admin_comes_by_the_command_line_and_stays_by_a_passkey() -> Test {
    let app = TestApp::start().await?;
    let bootstrap = || -> anyhow::Result<_> {
        let mut command = std::process::Command::new(binary()?);
        command.args(["admin", "bootstrap", "--name", "Lin", "--data-dir"]).arg(app.folder());
        Ok(command.args(["--listen", "127.0.0.1:8080", "--database", app.database()]).output()?)
    };
    let first = String::from_utf8(bootstrap()?.stdout)?;
    let said = String::from_utf8(bootstrap()?.stdout)?;
    let (link, secret) = said.trim().rsplit_once("/invitation/").expect("a link");
    assert!(link.ends_with("http://localhost:8080/console/#"), "{said}");
    let mut lin = Staff::invited(&app.base, secret).await?;
    let shown = session(&lin.admin).await?.expect_status(200)?;
    assert_eq!(shown["admin"]["roles"], json!(["auditor", "finance", "operator"]));
    lin.sign_in().await?;
    session(&lin.admin).await?.expect_status(200)?;
    // Whoever was offered it before, and whoever comes after.
    let (_, before) = first.trim().rsplit_once('/').expect("a link");
    let taken = post(&app.base, "/v1/admin/registrations", &json!({ "invitation": before })).await?;
    assert_eq!(taken.refusal(), "404 not-found");
    assert!(String::from_utf8(bootstrap()?.stderr)?.contains("invites others"));
    assert_eq!(audited(&app, "admin.bootstrap")?, ["done", "done"]);
    Ok(())
}

#[actix_web::test]
async fn a_cookie_is_for_this_host_alone_and_for_no_script() -> Test {
    let app = TestApp::start().await?;
    let invitation = app.invitation(&[Role::Auditor])?;
    let new = Authenticator::new(&origin_of(&app.base));
    let (answer, _) = Staff::take_up(&app.base, &invitation, new).await?;
    let cookie = answer.headers["set-cookie"].to_str()?.to_owned();
    assert!(cookie.starts_with("__Host-ecert-admin="), "{cookie}");
    for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain") && !answer.body.to_string().contains(&cookie[20..40]));
    Ok(())
}

#[actix_web::test]
async fn an_invitation_is_good_once_and_for_an_hour() -> Test {
    let app = TestApp::start().await?;
    let (used, late) = (app.invitation(&[Role::Finance])?, app.invitation(&[Role::Finance])?);
    let begin = async |invitation: &str| {
        post(&app.base, "/v1/admin/registrations", &json!({ "invitation": invitation })).await
    };
    let begun = begin(&used).await?.expect_status(201)?;
    Staff::invited(&app.base, &used).await?;
    assert_eq!(begin(&used).await?.refusal(), "404 not-found");
    assert_eq!(begin("ai_nobody").await?.refusal(), "404 not-found");
    // Begun while it was good, and too late for it now.
    let credential = Authenticator::new(&origin_of(&app.base)).create(&begun["options"])?;
    let path = format!("/v1/admin/registrations/{}", text(&begun, "/id")?);
    let second = post(&app.base, &path, &json!({ "credential": credential })).await?;
    assert_eq!(second.refusal(), "404 not-found");
    app.wait(3601);
    assert_eq!(begin(&late).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn a_passkey_from_another_page_or_without_its_holder_is_not_taken() -> Test {
    let app = TestApp::start().await?;
    let invitation = app.invitation(&[Role::Auditor])?;
    let own = origin_of(&app.base);
    let strangers = [
        Authenticator::new("https://phishing.example"),
        Authenticator::new(&own.replace("http:", "https:")),
        Authenticator::new(&format!("{own}1")),
        Authenticator::new(&own).without_verification(),
    ];
    for stranger in strangers {
        let (answer, _) = Staff::take_up(&app.base, &invitation, stranger).await?;
        assert_eq!(answer.refusal(), "401 unauthenticated");
    }
    let mut lin = Staff::invited(&app.base, &invitation).await?;
    lin.authenticator.origin = "https://phishing.example".to_owned();
    assert_eq!(lin.try_sign_in().await?.refusal(), "401 unauthenticated");
    lin.authenticator.origin = own;
    lin.authenticator = lin.authenticator.without_verification();
    assert_eq!(lin.try_sign_in().await?.refusal(), "401 unauthenticated");
    assert_eq!(audited(&app, "admin.sign_in")?, ["refused", "refused"]);
    Ok(())
}

#[actix_web::test]
async fn what_a_passkey_said_once_is_said_for_nothing_else() -> Test {
    let app = TestApp::start().await?;
    let mut lin = app.staff(&[Role::Auditor]).await?;
    let (begun, another) = (lin.begin_sign_in().await?, lin.begin_sign_in().await?);
    let credential = lin.authenticator.get(&begun["options"])?;
    lin.finish_sign_in(&begun, &credential).await?.expect_status(201)?;
    assert_eq!(lin.finish_sign_in(&begun, &credential).await?.refusal(), "404 not-found");
    assert_eq!(lin.finish_sign_in(&another, &credential).await?.refusal(), "401 unauthenticated");
    let late = lin.begin_sign_in().await?;
    let credential = lin.authenticator.get(&late["options"])?;
    app.wait(301);
    assert_eq!(lin.finish_sign_in(&late, &credential).await?.refusal(), "404 not-found");
    let path = format!("/v1/admin/sign-ins/{}", text(&late, "/id")?);
    let wrong = post(&app.base, &path, &json!({ "credential": {} })).await?;
    assert_eq!(wrong.refusal(), "400 request-invalid");
    Ok(())
}

#[actix_web::test]
async fn a_passkey_that_counts_back_is_refused_and_on_record() -> Test {
    let app = TestApp::start().await?;
    let mut lin = app.staff(&[Role::Auditor]).await?;
    let copy = lin.authenticator.clone();
    lin.sign_in().await?;
    app.wait(1);
    lin.authenticator = copy;
    assert_eq!(lin.try_sign_in().await?.refusal(), "401 unauthenticated");
    assert_eq!(audited(&app, "admin.sign_in")?, ["done", "counted-back"]);
    lin.authenticator.sign_count += 5;
    lin.sign_in().await
}

#[actix_web::test]
async fn a_session_ends_when_nobody_uses_it_and_when_its_time_is_over() -> Test {
    let app = TestApp::start().await?;
    let mut lin = app.staff(&[Role::Auditor]).await?;
    app.wait(15 * 60);
    assert_eq!(session(&lin.admin).await?.refusal(), "401 unauthenticated");
    lin.sign_in().await?;
    for _ in 0..34 {
        app.wait(14 * 60);
        session(&lin.admin).await?.expect_status(200)?;
    }
    app.wait(4 * 60);
    assert_eq!(session(&lin.admin).await?.refusal(), "401 unauthenticated");
    Ok(())
}

#[actix_web::test]
async fn a_session_ends_with_a_sign_out_or_another_sign_in_of_the_same_browser() -> Test {
    let app = TestApp::start().await?;
    let mut lin = app.staff(&[Role::Auditor]).await?;
    assert_eq!(lin.admin.delete(SESSION).await?.status, 204);
    assert_eq!(session(&lin.admin).await?.refusal(), "401 unauthenticated");
    lin.sign_in().await?;
    let begun = lin.begin_sign_in().await?;
    let credential = lin.authenticator.get(&begun["options"])?;
    let path = format!("/v1/admin/sign-ins/{}", text(&begun, "/id")?);
    lin.admin.post(&path, &json!({ "credential": credential })).await?.expect_status(201)?;
    assert_eq!(session(&lin.admin).await?.refusal(), "401 unauthenticated");
    assert_eq!(audited(&app, "admin.sign_out")?, ["done"]);
    Ok(())
}

#[actix_web::test]
async fn a_step_up_lasts_five_minutes_and_changes_the_cookie() -> Test {
    let app = TestApp::start().await?;
    let mut lin = app.staff(&[Role::Operator]).await?;
    let before = lin.admin.clone();
    let new = json!({ "name": "Wen", "roles": ["auditor"], "why": "grows" });
    assert_eq!(lin.admin.post("/v1/admin/admins", &new).await?.refusal(), "403 step-up-needed");
    lin.step_up().await?;
    assert_eq!(session(&before).await?.refusal(), "401 unauthenticated");
    assert!(session(&lin.admin).await?.body["stepped_up_until"].is_string());
    app.wait(299);
    lin.admin.post("/v1/admin/admins", &new).await?.expect_status(201)?;
    app.wait(1);
    assert_eq!(lin.admin.post("/v1/admin/admins", &new).await?.refusal(), "403 step-up-needed");
    assert!(session(&lin.admin).await?.body["stepped_up_until"].is_null());
    Ok(())
}

#[actix_web::test]
async fn nobody_steps_up_by_anothers_passkey_or_anothers_question() -> Test {
    let app = TestApp::start().await?;
    let (mut lin, mut wen) = (app.staff(&[Role::Operator]).await?, app.staff(&[Role::Operator]).await?);
    let begun = lin.admin.post("/v1/admin/session/step-ups", &json!({})).await?.expect_status(201)?;
    let path = format!("/v1/admin/session/step-ups/{}", text(&begun, "/id")?);
    let of_wen = json!({ "credential": wen.authenticator.get(&begun["options"])? });
    let of_lin = json!({ "credential": lin.authenticator.get(&begun["options"])? });
    assert_eq!(lin.admin.post(&path, &of_wen).await?.refusal(), "401 unauthenticated");
    assert_eq!(wen.admin.post(&path, &of_wen).await?.refusal(), "404 not-found");
    assert_eq!(lin.admin.post(&path, &of_lin).await?.refusal(), "404 not-found");
    assert_eq!(audited(&app, "admin.step_up")?, ["refused"]);
    Ok(())
}

#[actix_web::test]
async fn a_page_of_another_site_does_nothing_with_the_browsers_cookie() -> Test {
    let app = TestApp::start().await?;
    let lin = app.staff(&[Role::Operator]).await?;
    let kept = lin.admin.session()?.clone();
    let ask = |headers: &[(&str, &str)]| {
        let mut request =
            Client::new().delete(format!("{}{SESSION}", app.base)).header("Cookie", &kept.cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
    };
    let (own, csrf) = (origin_of(&app.base), kept.csrf_token.as_str());
    let strangers = [
        vec![],
        vec![("X-CSRF-Token", "")],
        vec![("X-CSRF-Token", "guessed")],
        vec![("X-CSRF-Token", csrf), ("Origin", "https://evil.example")],
        vec![("X-CSRF-Token", csrf), ("Origin", "null")],
        vec![("X-CSRF-Token", csrf), ("Origin", &own), ("Sec-Fetch-Site", "cross-site")],
        vec![("X-CSRF-Token", csrf), ("Sec-Fetch-Site", "same-site")],
    ];
    for headers in strangers {
        assert_eq!(Answer::to(ask(&headers)).await?.refusal(), "403 cross-site", "{headers:?}");
    }
    let ours = [("X-CSRF-Token", csrf), ("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(Answer::to(ask(&ours)).await?.status, 204);
    for path in ["/v1/admin/sign-ins", "/v1/admin/registrations"] {
        let request = Client::new().request(Method::POST, format!("{}{path}", app.base));
        let request = request.header("Origin", "https://evil.example").json(&json!({ "invitation": "x" }));
        assert_eq!(Answer::to(request).await?.refusal(), "403 cross-site");
    }
    Ok(())
}

#[actix_web::test]
async fn a_token_ends_and_can_not_be_a_session() -> Test {
    let app = TestApp::start().await?;
    assert_eq!(app.admin.get(SESSION).await?.refusal(), "401 unauthenticated");
    let end =
        format!("UPDATE admins SET token_expires_at = {}", app.clock_now().as_microsecond() + 1_000_000);
    ecert_tests::app::execute(app.database(), &end)?;
    app.admin.ledger().await?.expect_status(200)?;
    app.wait(1);
    assert_eq!(app.admin.ledger().await?.refusal(), "401 unauthenticated");
    Ok(())
}

#[actix_web::test]
async fn a_service_without_a_name_says_what_to_set() -> Test {
    let app = TestApp::with_flags(&["--public-url", "https://203.0.113.7"]).await?;
    let base = format!("http://{}", app.address);
    let request = Client::new().post(format!("{base}/v1/admin/sign-ins"));
    let answer = Answer::to(request).await?;
    assert_eq!(answer.refusal(), "501 passkeys-unavailable");
    assert!(text(&answer.body, "/detail")?.contains("--public-url"));
    Ok(())
}

#[actix_web::test]
async fn a_challenge_of_one_replica_is_answered_at_another() -> Test {
    let app = TestApp::start().await?;
    let there = app.replica(&["--database", app.database(), "--public-url", &app.base]).await?;
    let mut lin = app.staff(&[Role::Auditor]).await?;
    let begun = lin.begin_sign_in().await?;
    let credential = json!({ "credential": lin.authenticator.get(&begun["options"])? });
    let path = format!("http://{}/v1/admin/sign-ins/{}", there.address, text(&begun, "/id")?);
    let answer = Answer::to(Client::new().post(path).json(&credential)).await?;
    assert_eq!(answer.status, 201, "{}", answer.body);
    Ok(())
}
