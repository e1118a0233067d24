//! Who may call what.

use std::time::Duration;

use ecert_server::edge::clock::Clock as _;
use ecert_tests::app::{TestApp, card, execute, later_frames};
use ecert_tests::clients::{Answer, RelyingParty, fresh_key};
use reqwest::{Client, Method};
use serde_json::json;
use wallet_core::attributes::Share;
use wallet_core::code::qr::Q1;
use wallet_core::dpop::{Request, prove};

type Test = anyhow::Result<()>;

/// The routes of the API that need a caller, read from the route table itself, so that a new one can't be forgotten.
pub(crate) fn guarded_routes() -> Vec<(Method, String)> {
    let table = include_str!("../../server/src/routes.rs");
    let (guarded, _) = table.split_once("// Anybody").expect("the table's last part");
    let methods = [
        ("get()", Method::GET),
        ("post()", Method::POST),
        ("put()", Method::PUT),
        ("delete()", Method::DELETE),
    ];
    let routes = |line: &str| {
        let is_route = ["at(api,", "pair(api,", "trio(api,"].iter().any(|word| line.trim().starts_with(word));
        let path = line.split('"').nth(1).filter(|_| is_route).map(str::to_owned);
        let of_line = methods.clone().into_iter().filter(|(word, _)| line.contains(word));
        path.into_iter()
            .flat_map(|path| of_line.clone().map(move |(_, method)| (method, path.clone())))
            .collect::<Vec<_>>()
    };
    guarded.lines().flat_map(routes).collect()
}

#[actix_web::test]
async fn every_guarded_route_refuses_whoever_proves_nothing() -> Test {
    let app = TestApp::start().await?;
    let routes = guarded_routes();
    assert!(routes.len() >= 34, "the route table was not understood");
    for (method, path) in routes {
        let id = if path.contains("enrolments") {
            "enr_"
        } else if path.contains("certificates") {
            "crt_"
        } else {
            "red_"
        };
        let path = path.replace("{id}", &format!("{id}01ARZ3NDEKTSV4RRFFQ69G5FAV"));
        let request = Client::new().request(method.clone(), format!("{}{path}", app.base));
        for credentials in ["", "Bearer ek_live_01ARZ3NDEKTSV4RRFFQ69G5FAV_x", "Bearer ea_x", "DPoP et_x"] {
            let request =
                request.try_clone().unwrap().header("Authorization", credentials).header("DPoP", "x.y.z");
            let answer = Answer::to(request).await?;
            assert_eq!(answer.refusal(), "401 unauthenticated", "{method} {path} {credentials}");
            assert_eq!(answer.headers["content-type"], "application/problem+json");
        }
    }
    Ok(())
}

#[actix_web::test]
async fn credentials_of_one_kind_open_no_route_of_another() -> Test {
    let app = TestApp::start().await?;
    let (holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    for (method, path) in guarded_routes() {
        let path = path.replace("{id}", "enr_01ARZ3NDEKTSV4RRFFQ69G5FAV");
        let of_rps = [
            "redemptions",
            "terminals",
            "persons",
            "liveness-sessions",
            "face",
            "sponsorships",
            "prices",
            "quotes",
            "orders",
            "balance",
            "liability",
            "packs",
            "usage",
            "messages",
            "alerts",
            "caps",
            "webhooks",
            "contacts",
            "withdrawals",
            "keys",
            "statements",
            "test-clock",
            "sandbox",
        ];
        let kind = match path.strip_prefix("/v1/").unwrap_or_default() {
            path if of_rps.iter().any(|start| path.starts_with(start)) => Some(0),
            path if path.starts_with("admin") => Some(1),
            _ => None,
        };
        let url = format!("{}{path}", app.base);
        let request = Client::new().request(method.clone(), &url);
        let rp_asks = request.try_clone().unwrap().bearer_auth(&rp.api_key);
        let admin_asks = request.bearer_auth(app.admin.token());
        let holder_asks = holder.request(method.clone(), &path)?;
        for (asks, own) in [(rp_asks, Some(0)), (admin_asks, Some(1)), (holder_asks, None)] {
            // Enrolling takes a proof without a token, so a holder's proof with one is refused there as well.
            if kind != own || path == "/v1/enrolments" {
                assert_eq!(Answer::to(asks).await?.refusal(), "401 unauthenticated", "{method} {path}");
            }
        }
    }
    Ok(())
}

#[actix_web::test]
async fn a_key_that_is_unknown_or_has_another_secret_is_refused() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let changed = format!("{}x", rp.api_key);
    for key in ["", "ek_live_", "ea_nonsense", &changed] {
        let nobody = RelyingParty::new(&app.base, &rp.id, key);
        assert_eq!(nobody.redeem("1").await?.refusal(), "401 unauthenticated", "{key}");
    }
    Ok(())
}

#[actix_web::test]
async fn a_service_that_was_not_bought_is_not_given() -> Test {
    let app = TestApp::start().await?;
    let mut holder = app.enrolled().await?;
    let rp = app.admin.admit_with("Free Rider", &["name"], &["face.compare"]).await?;
    assert_eq!(rp.redeem(&holder.qr(Share::Name)?).await?.refusal(), "403 service-not-bought");
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

#[actix_web::test]
async fn whatever_changes_a_relying_party_is_seen_within_a_second() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    rp.open(&holder.qr(Share::Name)?).await?;
    let changes = [
        ("relying_parties SET state = 'suspended'", "403 rp-suspended"),
        ("relying_parties SET state = 'active'", "201 -"),
        ("purposes SET name = 'another'", "403 purpose-not-registered"),
        ("subscriptions SET service = 'another'", "403 service-not-bought"),
        ("api_keys SET revoked_at = 1", "401 unauthenticated"),
    ];
    for (change, answer) in changes {
        execute(app.database(), &format!("UPDATE {change}"))?;
        tokio::time::sleep(Duration::from_millis(1050)).await;
        assert_eq!(rp.redeem(&holder.qr(Share::Name)?).await?.refusal(), answer, "after {change}");
    }
    Ok(())
}

#[actix_web::test]
async fn a_dpop_proof_is_good_for_one_request_one_url_one_key_and_one_minute() -> Test {
    let app = TestApp::start().await?;
    let (holder, other) = (app.enrolled().await?, app.holder());
    let (path, url) = ("/v1/me/codes", format!("{}/v1/me/codes", app.base));
    let mint = async |proof: &str| {
        let request = holder.request_with(Method::POST, path, proof)?;
        Answer::to(request.json(&json!({ "share": "name" }))).await
    };
    let proof = holder.proof("POST", &url)?;
    mint(&proof).await?.expect_status(201)?;
    let elsewhere = holder.proof("POST", &format!("{}/v1/enrolments", app.base))?;
    let other_method = holder.proof("GET", &url)?;
    let token = holder.token.as_deref();
    let request = Request { method: "POST", url: &url, access_token: token };
    let other_key = prove(&other.key, &(&other.key).into(), request, &fresh_key(), app.clock.now())?;
    let stale = holder.proof("POST", &url)?;
    let refused = [
        (&proof, "used before"),
        (&elsewhere, "another method or URL"),
        (&other_method, "another method or URL"),
        (&other_key, "not valid for this device key"),
    ];
    for (proof, why) in refused {
        let answer = mint(proof).await?;
        assert_eq!(answer.refusal(), "401 unauthenticated");
        assert!(answer.body["detail"].as_str().unwrap().contains(why), "{answer:?}");
    }
    app.wait(62);
    assert!(mint(&stale).await?.body["detail"].as_str().unwrap().contains("stale"));
    Ok(())
}

#[actix_web::test]
async fn an_enrolment_belongs_to_the_device_that_began_it() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, mut thief) = (app.holder(), app.holder());
    holder.start().await?;
    thief.start().await?;
    thief.enrolment = holder.enrolment.clone();
    assert_eq!(thief.submit_document(card()).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn consent_is_all_three_purposes_in_the_current_version() -> Test {
    let app = TestApp::start().await?;
    let holder = app.holder();
    let all = json!(["send_identity_data", "verify_with_authority", "return_result"]);
    let refused = [
        json!({ "version": "2026-11", "purposes": ["send_identity_data"] }),
        json!({ "version": "2020-01", "purposes": all }),
    ];
    for consent in refused {
        let request = holder.request(Method::POST, "/v1/enrolments")?.json(&json!({ "consent": consent }));
        assert_eq!(Answer::to(request).await?.refusal(), "403 consent-missing");
    }
    Ok(())
}

#[actix_web::test]
async fn another_holders_code_can_not_be_made_with_ones_own_key() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let known = holder.handles.clone().take().expect("a batch was fetched").id;
    let forged = Q1::new(known, Share::Full, app.clock_now(), &mut rand::rng()).sign(&app.holder().key)?;
    assert_eq!(rp.redeem(&forged).await?.refusal(), "404 code-unknown");
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    rp.judge(&open, &later_frames()).await?.expect_status(200)?;
    Ok(())
}
