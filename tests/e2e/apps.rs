//! The apps for phones, as the service serves them.

use ecert_server::http::apps::is_built;
use ecert_tests::app::TestApp;
use ecert_tests::clients::Answer;
use reqwest::Client;
use reqwest::redirect::Policy;

type Test = anyhow::Result<()>;

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
    let client = Client::builder().redirect(Policy::none()).build()?;
    let request = client.get(format!("{}{path}", app.base));
    Answer::to(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

/// The first address under `/app/` that a page names.
fn first_script(page: &Answer) -> String {
    let html = page.body.as_str().unwrap_or_default();
    let from = html.find("/app/").expect("the page loads a script");
    html[from..].split('"').next().unwrap_or_default().to_owned()
}

#[actix_web::test]
async fn whoever_types_the_bare_address_is_led_to_the_wallet() -> Test {
    let app = TestApp::start().await?;
    let hint = get(&app, "/", &[]).await?;
    assert!(hint.status == 200 && hint.body.as_str().unwrap().contains("href=\"/wallet/\""));
    let moved = get(&app, "/wallet", &[]).await?;
    assert_eq!((moved.status, &moved.headers["location"]), (308, &"/wallet/".parse()?));
    let posted = Client::new().post(format!("{}/wallet/", app.base));
    assert_eq!(Answer::to(posted).await?.refusal(), "405 method-not-allowed");
    Ok(())
}

#[actix_web::test]
async fn every_page_may_load_from_its_own_address_alone() -> Test {
    let app = TestApp::start().await?;
    for path in ["/", "/wallet/", "/scanner/"] {
        let page = get(&app, path, &[]).await?;
        let policy = page.headers["content-security-policy"].to_str()?;
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert!(page.headers["permissions-policy"].to_str()?.starts_with("camera=(self), "));
        assert_eq!(page.headers["referrer-policy"], "no-referrer");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert_eq!(page.headers["cross-origin-opener-policy"], "same-origin");
        assert_ne!(page.headers["cache-control"], "public, max-age=31536000, immutable");
    }
    Ok(())
}

#[actix_web::test]
async fn without_node_the_wallet_says_what_is_missing_and_with_it_it_is_served() -> Test {
    let app = TestApp::start().await?;
    let page = get(&app, "/wallet/", &[]).await?;
    assert_eq!(get(&app, "/scanner/", &[]).await?.status, page.status);
    assert_eq!(get(&app, "/scanner", &[]).await?.headers["location"], "/scanner/");
    if !is_built() {
        eprintln!("MISSING: the apps are not built, so only that is shown (`cargo xtask test` builds them)");
        assert!(page.status == 404 && page.body.as_str().unwrap().contains("npm run build"), "{page:?}");
        return Ok(());
    }
    assert_eq!((page.status, &page.headers["cache-control"]), (200, &"no-cache".parse()?));
    let known = get(&app, "/wallet/", &[("If-None-Match", page.headers["etag"].to_str()?)]).await?;
    assert_eq!((known.status, known.body.as_str()), (304, Some("")));
    for nothing in [
        "/wallet/nothing.js",
        "/app/nothing-00000000.js",
        "/app/../wallet/index.html.gz",
        "/wallet/%2e%2e/stamp",
    ] {
        assert_eq!(get(&app, nothing, &[]).await?.refusal(), "404 not-found", "{nothing}");
    }
    Ok(())
}

#[actix_web::test]
async fn a_file_with_its_hash_in_its_name_is_kept_for_ever_and_sent_compressed() -> Test {
    let app = TestApp::start().await?;
    if !is_built() {
        eprintln!("MISSING: the apps are not built (`cargo xtask test` builds them)");
        return Ok(());
    }
    let script = first_script(&get(&app, "/wallet/", &[]).await?);
    let plain = get(&app, &script, &[]).await?;
    assert_eq!(plain.headers["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(plain.headers["content-type"], "text/javascript; charset=utf-8");
    assert!(!plain.headers.contains_key("content-encoding"));
    // Started as a worker it may run WebAssembly, which no page may, and is held to our address all the same.
    let policy = plain.headers["content-security-policy"].to_str()?;
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self';"),
        "{policy}"
    );
    assert!(policy.ends_with("trusted-types 'none'") && !policy.contains("http"), "{policy}");
    for (accepted, sent) in [("br, gzip", "br"), ("gzip", "gzip")] {
        let answer = get(&app, &script, &[("Accept-Encoding", accepted)]).await?;
        assert_eq!(answer.headers["content-encoding"], sent);
        assert_eq!(answer.headers["vary"], "Accept-Encoding");
        assert_ne!(answer.headers["etag"], plain.headers["etag"]);
    }
    Ok(())
}
