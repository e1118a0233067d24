//! The description of the API: it names what there is, it is served from here alone, and others find nothing that is not in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use ecert_server::edge::clock::Clock as _;
use ecert_server::openapi::operation::Operation;
use ecert_server::openapi::{API, document};
use ecert_server::roles::Role;
use ecert_server::routes::addresses;
use ecert_tests::app::TestApp;
use ecert_tests::clients::Answer;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use wallet_core::jws::base64url;

use crate::terminals::till;

type Test = anyhow::Result<()>;

#[test]
fn what_is_described_is_what_the_route_table_has() {
    let known: BTreeSet<String> = addresses().iter().map(|path| without_patterns(path)).collect();
    let described: BTreeSet<String> = API
        .operations()
        .map(|operation| operation.path.to_owned())
        .filter(|path| path != "/metrics")
        .collect();
    let forgotten: Vec<&String> = known.difference(&described).collect();
    assert!(forgotten.is_empty(), "describe them in server/src/openapi/: {forgotten:?}");
    let invented: Vec<&String> = described.difference(&known).collect();
    assert!(invented.is_empty(), "they are not in server/src/routes.rs: {invented:?}");
}

/// `{app:wallet|scanner}` is `{app}` to who calls.
fn without_patterns(path: &str) -> String {
    let names = path.split('}').map(|piece| match piece.split_once('{') {
        Some((before, name)) => format!("{before}{{{}", name.split(':').next().unwrap_or_default()),
        None => piece.to_owned(),
    });
    names.collect::<Vec<_>>().join("}")
}

#[actix_web::test]
async fn each_address_takes_the_methods_that_are_described_and_no_other() -> Test {
    let app = TestApp::start().await?;
    let paths: BTreeSet<&str> = API.operations().map(|operation| operation.path).collect();
    for path in paths {
        let address = format!("{}{}", app.base, path.replace("{app}", "wallet").replace(['{', '}'], ""));
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let of_this = |operation: &&Operation| {
                operation.path == path && operation.method == method.as_str().to_lowercase()
            };
            let is_described = API.operations().filter(of_this).count() == 1;
            let answer = Answer::to(Client::new().request(method.clone(), &address)).await?;
            let is_taken = answer.status != 405 && !(path == "/metrics" && method != Method::GET);
            assert_eq!(is_taken, is_described, "{method} {path}: {}", answer.status);
        }
    }
    Ok(())
}

#[actix_web::test]
async fn the_description_and_its_page_come_from_here_alone() -> Test {
    let app = TestApp::start().await?;
    let served = Answer::to(Client::new().get(format!("{}/openapi.json", app.base))).await?;
    assert_eq!(served.expect_status(200)?, described()?);
    let page = Answer::to(Client::new().get(format!("{}/docs", app.base))).await?;
    let policy = page.headers["content-security-policy"].to_str()?.to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let html = page.expect_status(200)?;
    let html = html.as_str().context("a page")?;
    assert!(API.operations().all(|operation| html.contains(&format!("id=\"{}\"", operation.id))));
    for elsewhere in ["<script", "<link", "<img", "src=", "href=\"http", "@import", "url("] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
    Ok(())
}

fn described() -> anyhow::Result<Value> {
    document().map_err(|names| anyhow::anyhow!("{names:?}"))
}

/// What the peer says, if its environment is there.
async fn peer(what: &str, about: &Value) -> anyhow::Result<Option<String>> {
    let Some(python) = std::env::var_os("ECERT_OPENAPI_PYTHON") else {
        eprintln!("left out: no ECERT_OPENAPI_PYTHON; `cargo xtask test` sets it");
        return Ok(None);
    };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("about.json");
    std::fs::write(&file, about.to_string())?;
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("peer/openapi.py");
    let mut command = Command::new(python);
    command.arg(program).arg(what).arg(file);
    // Not on this thread, which serves.
    let output = actix_web::web::block(move || command.output()).await?.context("cannot start Python")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the peer found something:\n{said}\n{errors}");
    Ok(Some(said))
}

#[actix_web::test]
async fn an_independent_validator_accepts_the_description_and_its_examples() -> Test {
    if let Some(said) = peer("validate", &described()?).await? {
        println!("{said}");
        assert!(said.contains("valid"), "{said}");
    }
    Ok(())
}

#[actix_web::test]
async fn whoever_calls_with_whatever_gets_an_answer_that_is_described() -> Test {
    let app = TestApp::start().await?;
    let (holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let admin = app.script(&Role::ALL)?;
    let staff = app.second().await?;
    let till = till(&app, &rp, "till").await?;
    let about = json!({
        "document": described()?,
        "base": app.base,
        // Its clock stands.
        "now": app.clock.now().as_second(),
        "callers": {
            "nobody": {},
            "rp": {"bearer": rp.api_key},
            "admin": {"bearer": admin.token()},
            "staff": {"cookie": staff.session()?.cookie, "csrf": staff.session()?.csrf_token},
            "terminal": {"token": till.token, "key": base64url(&till.key.to_bytes())},
            "holder": {"token": holder.token, "key": base64url(&holder.key.to_bytes())},
        },
    });
    if let Some(said) = peer("try", &about).await? {
        println!("{said}");
    }
    Ok(())
}
