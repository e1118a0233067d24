//! The process itself: health, limits, start and restart.

use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;

use ecert_server::edge::clock::SystemClock;
use ecert_server::edge::models::Lane;
use ecert_tests::app::{TestApp, card, enrolment_frames, later_frames};
use ecert_tests::clients::{Answer, Holder, root};
use ecert_tests::samples::variants;
use ecert_tests::service::Service;
use ecert_tests::specimen::Specimen;
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
    let context = app.context.clone().into_inner();
    let occupy = |job: Box<dyn FnOnce() + Send>| {
        let context: Arc<ecert_server::flow::Context> = Arc::clone(&context);
        std::thread::spawn(move || context.models.run(Lane::Redemption, move |_| job()).is_ok())
    };
    // The one worker is held …
    let (started, has_started) = channel::<()>();
    let (release, held) = channel::<()>();
    let first = occupy(Box::new(move || {
        started.send(()).ok();
        held.recv().ok();
    }));
    has_started.recv()?;
    let mut another = app.holder();
    another.start().await?;
    assert_eq!(another.submit_document(ecert_tests::app::card()).await?.refusal(), "503 overloaded");
    // … and the one place behind it, which an enrolment did not get, is taken.
    let second = occupy(Box::new(|| ()));
    while context.models.in_flight() < 2 {
        std::thread::yield_now();
    }
    let frames = variants(ecert_tests::app::samples().landscape(), 2)?;
    let busy = rp.judge_with(&open, &frames, "the key").await?;
    assert_eq!((busy.refusal().as_str(), &busy.headers["retry-after"]), ("503 overloaded", &"1".parse()?));
    // Nor is anybody invited to a capture, and the code is not used up.
    let code = holder.qr(Share::Name)?;
    assert_eq!(rp.redeem(&code).await?.refusal(), "503 overloaded");
    release.send(())?;
    assert!(first.join().unwrap_or(false) && second.join().unwrap_or(false));
    assert_eq!(rp.judge_with(&open, &frames, "the key").await?.refusal(), "422 capture-unusable/no-face");
    rp.open(&code).await?;
    assert_eq!(app.charges().await?, 0);
    Ok(())
}

fn ecert() -> anyhow::Result<Command> {
    Ok(Command::new(ecert_tests::service::binary()?))
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
    let printed = ecert()?.args(["config", "print", "--log", "debug", "--listen", "127.0.0.1:1"]).output()?;
    let file = folder.path().join("printed.toml");
    std::fs::write(&file, &printed.stdout)?;
    let again = ecert()?.args(["--config", &file.display().to_string(), "config", "print"]).output()?;
    let values = |output: Vec<u8>| -> anyhow::Result<Vec<String>> {
        Ok(String::from_utf8(output)?
            .lines()
            .filter(|line| line.contains(" = "))
            .map(str::to_owned)
            .collect())
    };
    let again = values(again.stdout)?;
    assert!(again.contains(&"log = \"debug\"".to_owned()));
    assert_eq!(again, values(printed.stdout)?);
    Ok(())
}

#[actix_web::test]
async fn uploads_above_the_bound_are_refused_before_they_are_read() -> Test {
    let app = TestApp::with_flags(&["--uploads", "0"]).await?;
    let mut holder = app.holder();
    holder.start().await?;
    assert_eq!(holder.submit_document(ecert_tests::app::card()).await?.refusal(), "503 overloaded");
    Ok(())
}

#[actix_web::test]
async fn strangers_can_not_fill_the_metrics_with_names_of_their_own() -> Test {
    let app = TestApp::start().await?;
    get(&app, "/a-path-that-nobody-has").await?;
    let method = reqwest::Method::from_bytes(b"BREW")?;
    let brewed = Answer::to(Client::new().request(method, format!("{}/healthz", app.base))).await?;
    assert_eq!(brewed.refusal(), "405 method-not-allowed");
    let metrics = get(&app, "/metrics").await?.expect_status(200)?.to_string();
    assert!(!metrics.contains("a-path-that-nobody-has") && !metrics.contains("BREW"));
    Ok(())
}

/// Waits for a process to end by itself.
fn ended(process: &mut std::process::Child) -> anyhow::Result<std::process::ExitStatus> {
    for _ in 0..100 {
        if let Some(status) = process.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    process.kill()?;
    anyhow::bail!("still running after 10 s")
}

#[actix_web::test]
async fn it_stops_when_asked_and_comes_back_with_the_same_keys() -> Test {
    let folder = tempfile::tempdir()?;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let mut service = Service::start_in(folder.path())?;
        let issuer = Answer::to(Client::new().get(format!("{}/.well-known/ecert", service.base))).await?;
        keys.push(issuer.expect_status(200)?["signing_key"].clone());
        let asked = Command::new("kill").args(["-TERM", &service.process.id().to_string()]).status()?;
        assert!(asked.success() && ended(&mut service.process)?.success());
    }
    assert_eq!(keys[0], keys[1]);
    Ok(())
}

#[actix_web::test]
async fn it_stops_when_asked_although_a_wallet_listens() -> Test {
    let folder = tempfile::tempdir()?;
    let mut service = Service::start_in(folder.path())?;
    service.command(&["register", "add", &Specimen::franck().name, &Specimen::franck().number])?;
    let mut holder = Holder::new(&service.base, Arc::new(SystemClock));
    holder.enrol(card(), &enrolment_frames()).await?;
    let mut events = holder.listen().await?;
    assert_eq!(events.told().await?, []);
    let asked = Command::new("kill").args(["-TERM", &service.process.id().to_string()]).status()?;
    assert_eq!((asked.success(), events.next().await?), (true, None));
    assert!(ended(&mut service.process)?.success());
    Ok(())
}

#[actix_web::test]
async fn the_command_line_verifies_receipts_and_refuses_a_changed_one() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let answer = rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(file("root.der"), root(&holder.issuer().await?)?)?;
    let receipt = answer["receipt"].as_str().unwrap();
    std::fs::write(file("good.jws"), receipt)?;
    std::fs::write(file("bad.jws"), receipt.replacen("A", "B", 1))?;
    let verify = |name: &str| {
        ecert()?
            .args(["receipts", "verify", "--root", &file("root.der"), &file(name)])
            .output()
            .map_err(anyhow::Error::from)
    };
    let good = verify("good.jws")?;
    assert!(good.status.success() && String::from_utf8(good.stdout)?.contains("charged 1.000000 CNY"));
    assert!(!verify("bad.jws")?.status.success());
    Ok(())
}
