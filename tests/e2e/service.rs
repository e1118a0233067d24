//! The process itself: health, limits, start and restart.

use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;

use ecert_tests::app::TestApp;
use ecert_tests::clients::Answer;
use ecert_tests::samples::variants;
use reqwest::Client;
use wallet_core::attributes::Share;

type Test = anyhow::Result<()>;

async fn get(app: &TestApp, path: &str) -> anyhow::Result<Answer> {
    Answer::to(Client::new().get(format!("{}{path}", app.base))).await
}

#[actix_web::test]
async fn it_says_that_it_lives_is_ready_and_what_it_did() -> Test {
    let app = TestApp::start().await?;
    assert_eq!(get(&app, "/healthz").await?.status, 200);
    let ready = get(&app, "/readyz").await?;
    assert_eq!(ready.status, 200);
    assert!(ready.headers["x-request-id"].to_str()?.starts_with("req_"));
    let metrics = get(&app, "/metrics").await?.body;
    assert!(metrics.as_str().unwrap().contains("ecert_http_requests_total"), "{metrics}");
    assert!(metrics.as_str().unwrap().contains("ecert_model_jobs"), "{metrics}");
    assert_eq!(get(&app, "/v1/nothing").await?.refusal(), "404 not-found");
    assert_eq!(get(&app, "/v1/redemptions").await?.refusal(), "405 method-not-allowed");
    assert_eq!(get(&app, "/v1/status-lists/999").await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn more_work_than_it_is_given_is_refused_with_a_time_to_come_again() -> Test {
    let app = TestApp::start_with(&["--model-workers", "1", "--model-queue", "1"], None).await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    // The one worker is held, and the one place behind it taken.
    let (release, held) = channel::<()>();
    let occupy = |context: &Arc<_>, wait: Option<std::sync::mpsc::Receiver<()>>| {
        let context: Arc<ecert_server::flow::Context> = Arc::clone(context);
        std::thread::spawn(move || context.models.run(move |_| wait.map(|held| held.recv().ok())).map(drop))
    };
    let context = app.context.clone().into_inner();
    let first = occupy(&context, Some(held));
    while context.models.gauge().get() < 1 {
        std::thread::yield_now();
    }
    let second = occupy(&context, None);
    while context.models.gauge().get() < 2 {
        std::thread::yield_now();
    }
    let frames = variants(ecert_tests::app::samples().landscape(), 2)?;
    let busy = rp.judge_with(&open, &frames, "the key").await?;
    assert_eq!((busy.refusal().as_str(), &busy.headers["retry-after"]), ("503 overloaded", &"1".parse()?));
    release.send(())?;
    assert!(first.join().is_ok() && second.join().is_ok());
    assert_eq!(rp.judge_with(&open, &frames, "the key").await?.refusal(), "422 capture-unusable/no-face");
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

/// The binary beside this test's own.
fn ecert() -> anyhow::Result<Command> {
    let tests = std::env::current_exe()?;
    let folder = tests.parent().and_then(|deps| deps.parent()).expect("target/debug");
    Ok(Command::new(folder.join("ecert")))
}

#[test]
fn settings_come_from_file_environment_and_flags_in_that_order() -> Test {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ecert.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:1\"\nmodel_queue = 3\nlog = \"warn\"\n")?;
    let output = ecert()?
        .env("ECERT_LISTEN", "127.0.0.1:2")
        .env("ECERT_LOG", "error")
        .args(["--config", &file.display().to_string(), "config", "print", "--json", "--log", "debug"])
        .output()?;
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let value = |key: &str| printed[key]["value"].as_str().map(str::to_owned);
    assert_eq!(value("model_queue").as_deref(), Some("3"));
    assert_eq!(value("listen").as_deref(), Some("127.0.0.1:2"));
    assert_eq!(value("log").as_deref(), Some("debug"));

    std::fs::write(&file, "lisen = \"127.0.0.1:1\"\n")?;
    let output = ecert()?.args(["--config", &file.display().to_string(), "config", "print"]).output()?;
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("lisen"));
    Ok(())
}

#[test]
fn what_config_prints_is_a_configuration_file() -> Test {
    let folder = tempfile::tempdir()?;
    let printed = ecert()?.args(["config", "print"]).output()?;
    let file = folder.path().join("printed.toml");
    std::fs::write(&file, &printed.stdout)?;
    let again = ecert()?.args(["--config", &file.display().to_string(), "config", "print"]).output()?;
    assert_eq!(String::from_utf8(again.stdout)?, String::from_utf8(printed.stdout)?);
    Ok(())
}
