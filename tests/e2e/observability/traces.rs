//! Traces, received by a collector of our own.

use std::fs::File;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::web::{Bytes, Data, post};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context as _, ensure};
use ecert_server::edge::clock::SystemClock;
use ecert_tests::app::{OwnDatabase, card, enrolment_frames, later_frames, postgres_server};
use ecert_tests::clients::{Admin, Answer, Holder, RelyingParty, fresh_key, text};
use ecert_tests::service::Service;
use ecert_tests::specimen::Specimen;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use reqwest::Client;
use serde_json::{Value, json};
use wallet_core::attributes::Share;

type Test = anyhow::Result<()>;
type Received = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

/// An OTLP collector, and where it listens.
fn collector() -> anyhow::Result<(String, Received)> {
    let received = Received::default();
    let data = Data::new(Arc::clone(&received));
    let take = async |received: Data<Received>, body: Bytes| match ExportTraceServiceRequest::decode(body) {
        Ok(request) => {
            received.lock().expect("a lock").push(request);
            HttpResponse::Ok().content_type("application/x-protobuf").finish()
        }
        Err(error) => HttpResponse::BadRequest().body(error.to_string()),
    };
    let server =
        HttpServer::new(move || App::new().app_data(data.clone()).route("/v1/traces", post().to(take)));
    let server = server.workers(1).bind("127.0.0.1:0")?;
    let address = server.addrs().first().copied().context("no address")?;
    actix_web::rt::spawn(server.run());
    Ok((format!("http://{address}"), received))
}

fn spans(received: &Received) -> Vec<Span> {
    let requests = received.lock().expect("a lock");
    let resources = requests.iter().flat_map(|request| &request.resource_spans);
    resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans).cloned().collect()
}

/// A service in a process of its own, whose database is the one that the stories run on.
struct Installation {
    service: Service,
    admin: Admin,
    folder: tempfile::TempDir,
    _database: Option<OwnDatabase>,
}

impl Installation {
    fn with(flags: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Installation> {
        let folder = tempfile::tempdir()?;
        let database = postgres_server().map(|server| OwnDatabase::on(&server)).transpose()?;
        let url = database.as_ref().map(OwnDatabase::url);
        let flag: Vec<&str> = url.iter().flat_map(|url| ["--database", url.as_str()]).collect();
        let mut serving = Service::serving(folder.path(), &[&flag, flags].concat())?;
        serving.envs(environment.iter().copied()).stderr(File::create(folder.path().join("log"))?);
        let service = Service::spawn(&mut serving, folder.path())?;
        let person = Specimen::franck();
        service.command(&[&["register", "add", &person.name, &person.number], &*flag].concat())?;
        let admin = service.command(
            &[
                &["admin", "add", "--name", "test", "--role", "operator", "--role", "finance", "--json"],
                &*flag,
            ]
            .concat(),
        )?;
        let admin: Value = serde_json::from_str(&admin)?;
        let admin = Admin::new(&service.base, &text(&admin, "/token")?);
        Ok(Installation { service, admin, folder, _database: database })
    }

    async fn people(&self) -> anyhow::Result<(Holder, RelyingParty)> {
        let mut holder = Holder::new(&self.service.base, Arc::new(SystemClock));
        holder.enrol(card(), &enrolment_frames()).await?;
        Ok((holder, self.admin.admit("Corner Shop", &["over_18", "name"]).await?))
    }

    /// What it has logged.
    fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.folder.path().join("log"))?)
    }

    /// Asks it to stop, and waits until it has.
    fn stop(&mut self) -> anyhow::Result<Duration> {
        let (asked, process) = (Instant::now(), &mut self.service.process);
        std::process::Command::new("kill").args(["-TERM", &process.id().to_string()]).status()?;
        ensure!(process.wait()?.success(), "the service ended badly");
        Ok(asked.elapsed())
    }
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Opens a redemption as part of a trace that the caller began.
async fn open_within_a_trace(
    rp: &RelyingParty,
    base: &str,
    code: &str,
    flags: &str,
) -> anyhow::Result<Answer> {
    let request = Client::new().post(format!("{base}/v1/redemptions")).bearer_auth(&rp.api_key);
    let request = request.header("Idempotency-Key", fresh_key());
    let request = request.header("traceparent", format!("00-{TRACE}-{PARENT}-{flags}"));
    Answer::to(request.json(&json!({ "code": code, "purpose": "check" }))).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names of the spans right below `parent`.
fn children(spans: &[Span], parent: &Span) -> Vec<String> {
    let below = spans.iter().filter(|span| span.parent_span_id == parent.span_id);
    below.map(|span| span.name.clone()).collect()
}

#[actix_web::test]
async fn a_request_is_a_span_with_its_stages_in_the_callers_trace_and_says_nothing_of_anybody() -> Test {
    let (endpoint, received) = collector()?;
    let flags = ["--otlp-endpoint", &endpoint, "--otlp-sample", "1", "--log", "info", "--log-format", "json"];
    let mut here = Installation::with(&flags, &[])?;
    let (mut holder, rp) = here.people().await?;
    let base = here.service.base.clone();
    let code = holder.qr(Share::Name)?;
    let opened = open_within_a_trace(&rp, &base, &code, "01").await?.expect_status(201)?;
    let unsampled = open_within_a_trace(&rp, &base, &code, "00").await?;
    assert_eq!(unsampled.refusal(), "409 code-already-redeemed");
    let digits = holder.digits("name").await?;
    let open = rp.open(&digits).await?;
    rp.judge(&open, &later_frames()).await?.expect_status(200)?;
    Answer::to(Client::new().get(format!("{base}/readyz"))).await?.expect_status(200)?;
    // What waits is sent before the process ends.
    here.stop()?;

    let log = here.log()?;
    let lines: Vec<Value> = log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let of_trace = lines.iter().filter(|line| line["fields"]["trace_id"] == TRACE);
    let of_trace: Vec<_> = of_trace.map(|line| line["fields"]["status"].as_i64()).collect();
    assert_eq!(of_trace, [Some(201), Some(409)]);

    let spans = spans(&received);
    let continued: Vec<&Span> = spans.iter().filter(|span| hex(&span.parent_span_id) == PARENT).collect();
    // The second of the two was not sampled by its caller, so it is not by us.
    let [open_span] = continued.as_slice() else { panic!("{} spans continue the trace", continued.len()) };
    assert_eq!((hex(&open_span.trace_id).as_str(), open_span.name.as_str()), (TRACE, "POST /v1/redemptions"));
    // SPAN_KIND_SERVER
    assert_eq!(open_span.kind, 2);
    assert_eq!(children(&spans, open_span), ["authenticate", "open"]);
    let attribute = |key: &str| {
        let found = open_span.attributes.iter().find(|attribute| attribute.key == key);
        format!("{:?}", found.and_then(|attribute| attribute.value.clone()))
    };
    assert!(attribute("http.route").contains("/v1/redemptions"));
    assert!(attribute("http.request.method").contains("POST"));
    assert!(attribute("http.response.status_code").contains("201"));
    assert!(attribute("request_id").contains("req_"));

    let judged = spans.iter().find(|span| span.name == "POST /v1/redemptions/{id}/captures");
    let judged = judged.context("no span of the capture")?;
    assert_eq!(children(&spans, judged), ["authenticate", "upload", "claim", "models", "settle"]);
    let settle = spans.iter().find(|span| span.name == "settle" && span.parent_span_id == judged.span_id);
    assert_eq!(children(&spans, settle.context("no settling")?), ["sign", "sign"]);
    assert!(!spans.iter().any(|span| span.name.contains("readyz") || !span.events.is_empty()));

    let sent = format!("{:?}", received.lock().expect("a lock"));
    assert!(sent.contains("service.instance.id") && sent.contains("service.version"));
    let person = Specimen::franck();
    let token = holder.token.clone().context("no token")?;
    let secret = [
        person.name.as_str(),
        &person.number,
        &code,
        &digits,
        &digits.replace(' ', ""),
        &rp.id,
        &rp.api_key,
        &token,
        &open.id,
        &text(&opened, "/id")?,
        &holder.enrolment,
        &holder.certificate()?,
    ];
    for secret in secret {
        assert!(secret.len() > 2 && !sent.contains(secret), "`{secret}` left the process");
    }
    Ok(())
}

#[actix_web::test]
async fn without_an_endpoint_nothing_is_sent() -> Test {
    let (endpoint, received) = collector()?;
    // Not even when OpenTelemetry's own variable names one: others on the machine may want it.
    let mut here = Installation::with(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)])?;
    let (mut holder, rp) = here.people().await?;
    open_within_a_trace(&rp, &here.service.base, &holder.qr(Share::Name)?, "01").await?.expect_status(201)?;
    here.stop()?;
    assert!(received.lock().expect("a lock").is_empty());
    Ok(())
}

#[actix_web::test]
async fn a_collector_that_is_not_there_costs_one_line_in_the_log() -> Test {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")?;
    let dead = format!("http://{}", nobody.local_addr()?);
    drop(nobody);
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("log");
    let mut serving = Service::serving(folder.path(), &["--otlp-endpoint", &dead, "--otlp-sample", "1"])?;
    let mut here = Service::spawn(serving.stderr(File::create(&log)?), folder.path())?;
    for _ in 0..4 {
        for _ in 0..10 {
            let issuer = Client::new().get(format!("{}/.well-known/ecert", here.base));
            Answer::to(issuer).await?.expect_status(200)?;
        }
        // Longer than spans are gathered for, so that sending fails more than once.
        actix_web::rt::time::sleep(Duration::from_millis(2500)).await;
    }
    let asked = Instant::now();
    std::process::Command::new("kill").args(["-TERM", &here.process.id().to_string()]).status()?;
    ensure!(here.process.wait()?.success(), "the service ended badly");
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    let log = std::fs::read_to_string(&log)?;
    let complaints = log.lines().filter(|line| line.contains("collector")).count();
    assert_eq!(complaints, 1, "{log}");
    Ok(())
}
