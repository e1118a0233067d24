//! The transparency log: what is done gets into it, can be proven by those concerned, and can't be undone unseen.

mod changed_past;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use ecert_server::flow::log;
use ecert_server::stop::{Flow, Stop};
use ecert_tests::app::{OwnDatabase, TestApp, execute, later_frames, postgres_server};
use ecert_tests::clients::{Answer, Holder};
use jiff::{Timestamp, ToSpan as _};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use wallet_core::attributes::Share;
use wallet_core::ids::AuditId;
use wallet_core::log::entry::{Act, Evidence};
use wallet_core::log::note::{Checkpoint, VerifierKey};
use wallet_core::log::tiles::from_bundle;
use wallet_core::refusal::Refusal;

use crate::database::Test;

/// A service's log, read over HTTP.
struct Reader<'a>(&'a TestApp);

impl Reader<'_> {
    async fn get(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        Ok(Client::new().get(format!("{}{path}", self.0.base)).send().await?)
    }

    async fn checkpoint(&self) -> anyhow::Result<String> {
        Ok(self.get("/log/checkpoint").await?.error_for_status()?.text().await?)
    }

    async fn key(&self) -> anyhow::Result<VerifierKey> {
        let issuer: Value = self.get("/.well-known/ecert").await?.json().await?;
        Ok(VerifierKey::parse(issuer["log"]["key"].as_str().context("no key")?)?)
    }

    async fn size(&self) -> anyhow::Result<u64> {
        Ok(Checkpoint::open(&self.checkpoint().await?, &self.key().await?)?.size)
    }

    /// Every entry under the newest checkpoint.
    async fn entries(&self) -> anyhow::Result<Vec<[u8; 32]>> {
        let size = self.size().await?;
        ensure!(size < 256, "this reader knows one bundle");
        let bundle = self.get(&format!("/log/tile/entries/000.p/{size}")).await?.error_for_status()?;
        from_bundle(&bundle.bytes().await?).context("a bundle")
    }
}

/// Runs `ecert log …` on the service's database.
fn ecert(app: &TestApp, arguments: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(ecert_tests::service::binary()?);
    command.arg("log").args(arguments).arg("--data-dir").arg(app.folder());
    command.args(["--database", app.database()]);
    if app.context.holder_store.settings().url != app.database() {
        command.args(["--holder-database", &app.context.holder_store.settings().url]);
    }
    Ok(command.output()?)
}

/// What `ecert log verify` finds, in the order of the alphabet.
fn findings(app: &TestApp, arguments: &[&str]) -> anyhow::Result<Vec<String>> {
    let output = ecert(app, &[&["verify", "--json"], arguments].concat())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_slice(&output.stdout).with_context(|| said.clone())?;
    let found = report["findings"].as_array().cloned().unwrap_or_default();
    assert_eq!(output.status.success(), found.is_empty(), "{said}");
    let mut names: Vec<String> =
        found.iter().filter_map(|finding| finding["check"].as_str().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn sound() -> Vec<String> {
    Vec::new()
}

fn evidence(value: &Value) -> anyhow::Result<Vec<Evidence>> {
    Ok(serde_json::from_value(value.clone())?)
}

fn proven(evidence: &[Evidence], key: &VerifierKey) -> anyhow::Result<Vec<(String, String)>> {
    let verified: Result<Vec<Act>, _> = evidence.iter().map(|evidence| evidence.verify(key)).collect();
    Ok(verified?.into_iter().map(|act| (act.action, act.outcome)).collect())
}

/// A holder's log with a query, of which the DPoP proof says nothing (RFC 9449 §4.2, `htu`).
async fn log_of(holder: &Holder, query: &str) -> anyhow::Result<Answer> {
    let mut request = holder.request(Method::GET, "/v1/me/log")?.build()?;
    request.url_mut().set_query(Some(query));
    Answer::to(RequestBuilder::from_parts(Client::new(), request)).await
}

#[actix_web::test]
async fn a_redemption_is_in_the_log_and_both_sides_can_prove_it() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let judged = rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    let id = judged["id"].as_str().context("an id")?.to_owned();
    let (committed, path) = (Instant::now(), format!("/v1/redemptions/{id}/receipt"));
    let receipt = loop {
        let receipt = rp.get(&path).await?.expect_status(200)?;
        if receipt["log"][0].is_object() {
            break receipt;
        }
        ensure!(committed.elapsed() < Duration::from_secs(5), "not logged within 5 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };

    let key = Reader(&app).key().await?;
    let judged = ("redemption.judge".to_owned(), "passed".to_owned());
    assert_eq!(proven(&evidence(&receipt["log"])?, &key)?, std::slice::from_ref(&judged));
    let own = holder.get(&format!("/v1/me/redemptions/{id}/log")).await?.expect_status(200)?;
    assert_eq!(proven(&evidence(&own["log"])?, &key)?, std::slice::from_ref(&judged));
    let elses = holder.get("/v1/me/redemptions/red_01ARZ3NDEKTSV4RRFFQ69G5FAV/log").await?;
    assert_eq!(elses.refusal(), "404 not-found");
    holder.revoke().await?.expect_status(204)?;
    log::sequence(&app.context)?;
    let of_holder = log_of(&holder, "").await?.expect_status(200)?;
    let acts = proven(&evidence(&of_holder["acts"])?, &key)?;
    let done = |action: &str| (action.to_owned(), "done".to_owned());
    for act in [done("certificate.issue"), judged, done("certificate.revoke")] {
        assert!(acts.contains(&act), "{acts:?}");
    }
    assert_eq!(findings(&app, &[])?, sound());
    Ok(())
}

#[actix_web::test]
async fn a_holder_reads_their_own_log_page_by_page_and_nobody_elses() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    app.admin.revoke(&holder.certificate()?, "misuse").await?.expect_status(204)?;
    log::sequence(&app.context)?;
    let (mut acts, mut next) = (Vec::new(), Some(0));
    while let Some(from) = next {
        let page = log_of(&holder, &format!("from={from}&limit=1")).await?.expect_status(200)?;
        acts.extend(proven(&evidence(&page["acts"])?, &Reader(&app).key().await?)?);
        next = page["next"].as_u64();
    }
    assert!(acts.len() >= 3, "{acts:?}");
    let mut stranger = app.holder();
    stranger.start().await?;
    log::sequence(&app.context)?;
    let theirs = log_of(&stranger, "").await?.expect_status(200)?;
    let theirs = proven(&evidence(&theirs["acts"])?, &Reader(&app).key().await?)?;
    assert_eq!(theirs, [("enrolment.start".to_owned(), "done".to_owned())]);
    for odd in ["from=-1", "from=0&after=7", "limit=all"] {
        assert_eq!(log_of(&holder, odd).await?.refusal(), "400 request-invalid", "{odd}");
    }
    Ok(())
}

#[actix_web::test]
async fn an_old_phone_is_told_that_it_was_replaced_and_the_new_one_sees_what_was_superseded() -> Test {
    let app = TestApp::start().await?;
    let (old, new) = (app.enrolled().await?, app.enrolled().await?);
    log::sequence(&app.context)?;
    let objects = async |holder: &Holder| -> anyhow::Result<Vec<(String, String)>> {
        let page = log_of(holder, "").await?.expect_status(200)?;
        let acts = evidence(&page["acts"])?.into_iter().map(|evidence| serde_json::from_str(&evidence.act));
        let acts: Vec<Act> = acts.collect::<Result<_, _>>()?;
        Ok(acts.into_iter().map(|act| (act.action, act.object)).collect())
    };
    let superseded = ("certificate.supersede".to_owned(), old.certificate()?);
    let new_one = new.certificate()?;
    assert_eq!(log_of(&old, "").await?.refusal(), "401 device-replaced");
    let seen = objects(&new).await?;
    assert!(seen.contains(&superseded) && seen.iter().any(|(_, object)| *object == new_one), "{seen:?}");
    Ok(())
}

#[actix_web::test]
async fn what_is_public_says_nothing_and_may_be_kept_for_ever() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    log::sequence(&app.context)?;
    let (reader, size) = (Reader(&app), Reader(&app).size().await?);
    let tile = reader.get(&format!("/log/tile/0/000.p/{size}")).await?;
    assert_eq!(tile.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(tile.bytes().await?.len() as u64, 32 * size);
    assert_eq!(reader.get("/log/checkpoint").await?.headers()["cache-control"], "no-cache");
    for path in ["0/000", "0/001.p/1", "0/000.p/255", "0/0", "entries/", "entries/000.p/0", "x/000"] {
        let answer = Answer::to(Client::new().get(format!("{}/log/tile/{path}", app.base))).await?;
        assert_eq!(answer.refusal(), "404 not-found", "{path}");
    }
    // Commitments under different salts have nothing in common, not even for the same act.
    let mut entries = reader.entries().await?;
    entries.sort_unstable();
    entries.dedup();
    assert_eq!(entries.len() as u64, size);
    let note = reader.checkpoint().await?;
    assert!(!note.contains(&holder.certificate()?) && !note.contains("127.0.0.1"), "{note}");
    Ok(())
}

/// Adds an act behind the service's back, as if it had been done at `at`.
fn act_at(app: &TestApp, at: Timestamp) -> anyhow::Result<String> {
    act_in(app.database(), at)
}

fn act_in(database: &str, at: Timestamp) -> anyhow::Result<String> {
    let id = AuditId::new(at, &mut rand::rng()).to_string();
    let values = format!("'cli', '{id}', 'a.story', '-', 'done', {}", at.as_microsecond());
    let into = "INSERT INTO audit (actor, id, action, object, outcome, at) VALUES";
    execute(database, &format!("{into} ({values})"))?;
    Ok(id)
}

#[actix_web::test]
async fn an_act_has_its_place_within_a_second() -> Test {
    let app = TestApp::start().await?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let (id, committed) = (act_at(&app, Timestamp::now())?, Instant::now());
        while log::proof_of(&app.context, &id)?.is_none() {
            ensure!(committed.elapsed() < Duration::from_secs(10), "not logged within 10 s");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        times.push(committed.elapsed());
    }
    // Other stories run meanwhile, so one or the other may be late.
    times.sort_unstable();
    assert!(times[2] < Duration::from_secs(1), "{times:?}");
    Ok(())
}

#[actix_web::test]
async fn an_act_that_is_committed_late_gets_its_place_later() -> Test {
    let app = TestApp::start().await?;
    act_at(&app, Timestamp::now())?;
    log::sequence(&app.context)?;
    // Its id was born an hour before those that have their places already.
    let late = act_at(&app, Timestamp::now() - 1.hour())?;
    log::sequence(&app.context)?;
    let found = log::proof_of(&app.context, &late)?.context("it has its place")?;
    assert_eq!(found.verify(&Reader(&app).key().await?)?.id, late);
    assert_eq!(findings(&app, &[])?, sound());
    Ok(())
}

/// On a machine that has no time for them writers are put off, and come again: as the job does.
fn unless_busy(done: Flow<()>) -> Flow<()> {
    match done {
        Err(Stop::Refused(Refusal::Overloaded { .. })) => Ok(()),
        other => other,
    }
}

#[actix_web::test]
async fn two_sequencers_at_once_neither_fork_nor_repeat_nor_lose() -> Test {
    let folder = tempfile::tempdir()?;
    let database = postgres_server().map(|server| OwnDatabase::on(&server)).transpose()?;
    let in_file = format!("sqlite:{}", folder.path().join("ecert.db").display());
    let url = database.as_ref().map_or(in_file, OwnDatabase::url);
    let one = TestApp::with_flags(&["--database", &url]).await?;
    let other = one.replica(&["--database", &url]).await?;
    let before = Reader(&one).size().await.unwrap_or(0);
    std::thread::scope(|scope| -> Test {
        let writer = scope.spawn(|| (0..300).try_for_each(|_| act_in(&url, Timestamp::now()).map(drop)));
        // The leases of jobs are left out on purpose: only the log itself keeps them apart.
        let sequencers = [&one, &other].map(|app| {
            let ctx = app.context.clone().into_inner();
            scope.spawn(move || (0..150).try_for_each(|_| unless_busy(log::sequence(&ctx))))
        });
        writer.join().expect("no panic")?;
        for sequencer in sequencers {
            sequencer.join().expect("no panic").map_err(anyhow::Error::from)?;
        }
        Ok(())
    })?;
    log::sequence(&one.context)?;
    let output = ecert(&one, &["verify", "--json"])?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((&report["found"], &report["waiting"]), (&json!(0), &json!(0)), "{report}");
    assert_eq!(report["size"], report["acts"], "{report}");
    assert!(report["size"].as_u64() >= Some(before + 300), "{report}");
    Ok(())
}

#[actix_web::test]
async fn holders_apart_are_logged_once_whatever_crashes() -> Test {
    let folder = tempfile::tempdir()?;
    let apart = postgres_server().map(|server| OwnDatabase::on(&server)).transpose()?;
    let in_file = format!("sqlite:{}", folder.path().join("holders.db").display());
    let holders = apart.as_ref().map_or(in_file, OwnDatabase::url);
    let app = TestApp::with_flags(&["--holder-database", &holders]).await?;
    crate::database::main_line(&app).await?;
    log::sequence(&app.context)?;
    let size = Reader(&app).size().await?;
    assert_eq!(findings(&app, &[])?, sound());
    // As after a crash between the two databases: appended, and not yet taken out of the queue.
    execute(
        &holders,
        "INSERT INTO log_queue (id, actor, action, object, outcome, at) SELECT id, actor, action, object, outcome, at FROM audit",
    )?;
    log::sequence(&app.context)?;
    assert_eq!((Reader(&app).size().await?, findings(&app, &[])?), (size, sound()));
    execute(&holders, "DELETE FROM audit WHERE action = 'certificate.issue'")?;
    assert_eq!(findings(&app, &[])?, ["logged-act-is-gone"]);
    Ok(())
}

#[actix_web::test]
async fn the_command_line_proves_what_a_receipt_is_about() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let judged = rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    log::sequence(&app.context)?;
    let file = app.folder().join("receipt.jws");
    std::fs::write(&file, judged["receipt"].as_str().context("a receipt")?)?;
    let key = Reader(&app).key().await?;
    for about in [file.display().to_string(), judged["id"].as_str().context("an id")?.to_owned()] {
        let output = ecert(&app, &["prove", &about])?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let found: Vec<Evidence> = serde_json::from_slice(&output.stdout).context(said)?;
        assert_eq!(proven(&found, &key)?, [("redemption.judge".to_owned(), "passed".to_owned())]);
    }
    let nothing = ecert(&app, &["prove", "red_01KAMX5B2WQ7N1F8SZ0V3D4E6G"])?;
    assert!(!nothing.status.success() && String::from_utf8(nothing.stderr)?.contains("nothing about"));
    Ok(())
}

/// What the script says to a log and to evidence out of it.
fn ask_a_stranger(python: &std::ffi::OsStr, key: &VerifierKey, given: &Value) -> anyhow::Result<Output> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peer/transparency_log.py");
    let mut child = Command::new(python);
    child.arg(script).arg(key.to_string());
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("an input")?.write_all(&serde_json::to_vec(given)?)?;
    Ok(child.wait_with_output()?)
}

#[actix_web::test]
async fn somebody_elses_reader_comes_to_the_same() -> Test {
    let Some(python) = std::env::var_os("ECERT_COSE_PYTHON") else {
        eprintln!("left out: no ECERT_COSE_PYTHON; `cargo xtask test` sets it");
        return Ok(());
    };
    let app = TestApp::start().await?;
    log::sequence(&app.context)?;
    let (reader, earlier) = (Reader(&app), Reader(&app).checkpoint().await?);
    let acts: Vec<String> = (0..40).map(|_| act_at(&app, Timestamp::now())).collect::<anyhow::Result<_>>()?;
    log::sequence(&app.context)?;
    let (key, act) = (reader.key().await?, log::proof_of(&app.context, &acts[20])?.context("a place")?);
    let hex = |entry: [u8; 32]| entry.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let entries: Vec<String> = reader.entries().await?.into_iter().map(hex).collect();
    let given = json!({ "checkpoint": reader.checkpoint().await?, "earlier": earlier, "entries": entries,
                        "evidence": act });
    let said = ask_a_stranger(&python, &key, &given)?;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(String::from_utf8(said.stdout)?.contains(&acts[20]));

    let mut changed = given.clone();
    changed["evidence"]["act"] = given["evidence"]["act"].as_str().unwrap().replace("done", "failed").into();
    let refused = ask_a_stranger(&python, &key, &changed)?;
    assert!(String::from_utf8(refused.stderr)?.contains("does not lead to the root"));
    let mut forked = given.clone();
    forked["entries"][0] = entries[1].clone().into();
    let refused = ask_a_stranger(&python, &key, &forked)?;
    assert!(String::from_utf8(refused.stderr)?.contains("do not make the root"));
    Ok(())
}
