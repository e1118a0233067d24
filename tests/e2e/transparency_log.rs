//! The transparency log: what is done gets into it, can be proven by those concerned, and can't be undone unseen.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use ecert_server::flow::log;
use ecert_tests::app::{OwnDatabase, TestApp, execute, later_frames, postgres_server};
use ecert_tests::clients::Answer;
use jiff::{Timestamp, ToSpan as _};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use wallet_core::attributes::Share;
use wallet_core::ids::AuditId;
use wallet_core::log::entry::{Act, Evidence};
use wallet_core::log::note::{Checkpoint, VerifierKey};
use wallet_core::log::tiles::from_bundle;

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

#[actix_web::test]
async fn a_redemption_is_in_the_log_within_a_second_and_both_sides_can_prove_it() -> Test {
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
    assert!(committed.elapsed() < Duration::from_secs(1), "took {:?}", committed.elapsed());

    let key = Reader(&app).key().await?;
    let judged = ("redemption.judge".to_owned(), "passed".to_owned());
    assert_eq!(proven(&evidence(&receipt["log"])?, &key)?, [judged.clone()]);
    holder.revoke().await?.expect_status(204)?;
    log::sequence(&app.context)?;
    let of_holder = Answer::to(holder.request(Method::GET, "/v1/me/log")?).await?.expect_status(200)?;
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
    app.admin.revoke(&holder.certificate()?, "a story").await?.expect_status(204)?;
    log::sequence(&app.context)?;
    let (mut acts, mut next) = (Vec::new(), Some(0));
    while let Some(from) = next {
        // A DPoP proof is of the address without its query.
        let page = holder.request(Method::GET, "/v1/me/log")?.query(&[("from", from), ("limit", 1)]);
        let page = Answer::to(page).await?.expect_status(200)?;
        acts.extend(proven(&evidence(&page["acts"])?, &Reader(&app).key().await?)?);
        next = page["next"].as_u64();
    }
    assert!(acts.len() >= 3, "{acts:?}");
    let mut stranger = app.holder();
    stranger.start().await?;
    log::sequence(&app.context)?;
    let theirs = Answer::to(stranger.request(Method::GET, "/v1/me/log")?).await?.expect_status(200)?;
    let theirs = proven(&evidence(&theirs["acts"])?, &Reader(&app).key().await?)?;
    assert_eq!(theirs, [("enrolment.start".to_owned(), "done".to_owned())]);
    let odd = holder.request(Method::GET, "/v1/me/log")?.query(&[("from", "-1")]);
    assert_eq!(Answer::to(odd).await?.refusal(), "400 request-invalid");
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
fn act_at(app: &TestApp, at: Timestamp, actor: &str) -> anyhow::Result<String> {
    let id = AuditId::new(at, &mut rand::rng()).to_string();
    let values = format!("'{actor}', '{id}', 'a.story', '-', 'done', {}", at.as_microsecond());
    execute(
        app.database(),
        &format!("INSERT INTO audit (actor, id, action, object, outcome, at) VALUES ({values})"),
    )?;
    Ok(id)
}

#[actix_web::test]
async fn an_act_that_is_committed_late_gets_its_place_later() -> Test {
    let app = TestApp::start().await?;
    act_at(&app, Timestamp::now(), "cli")?;
    log::sequence(&app.context)?;
    // Its id was born an hour before those that have their places already.
    let late = act_at(&app, Timestamp::now() - 1.hour(), "cli")?;
    log::sequence(&app.context)?;
    let found = log::proof_of(&app.context, &late)?.context("it has its place")?;
    assert_eq!(found.verify(&Reader(&app).key().await?)?.id, late);
    assert_eq!(findings(&app, &[])?, sound());
    Ok(())
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
        let writer =
            scope.spawn(|| (0..300).try_for_each(|_| act_at(&one, Timestamp::now(), "cli").map(drop)));
        // The leases of jobs are left out on purpose: only the log itself keeps them apart.
        let sequencers = [&one, &other].map(|app| {
            let ctx = app.context.clone().into_inner();
            scope.spawn(move || (0..150).try_for_each(|_| log::sequence(&ctx)))
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

/// SQL for the bytes of a tile, put together from pieces of its hexadecimal digits.
fn digits(pieces: &str) -> String {
    match postgres_server() {
        Some(_) => format!("decode({}, 'hex')", pieces.replace("HEX", "encode(hashes, 'hex')")),
        None => format!("unhex({})", pieces.replace("HEX", "hex(hashes)")),
    }
}

/// What is done to a sound log, and what must be found then.
fn damages() -> Vec<(String, &'static [&'static str])> {
    let entries = |pieces: &str| format!("UPDATE log_tiles SET hashes = {} WHERE level = -1", digits(pieces));
    let wrong_leaf: &[&str] =
        &["leaf-is-not-of-its-act", "root-differs-from-checkpoint", "tile-differs-from-leaves"];
    let act = "'cli', 'aud_01KAN000000000000000000000', 'a.story', '-', 'done', 1";
    vec![
        // A changed leaf, two that changed places, the last one removed, one more than was signed.
        (entries("'00' || substr(HEX, 3)"), wrong_leaf),
        (entries("substr(HEX, 65, 64) || substr(HEX, 1, 64) || substr(HEX, 129)"), wrong_leaf),
        (entries("substr(HEX, 1, length(HEX) - 64)"), &["act-without-leaf", "entries-missing"]),
        (entries("HEX || substr(HEX, 1, 64)"), &["entries-missing"]),
        (
            format!("UPDATE log_tiles SET hashes = {} WHERE level = 0", digits("'00' || substr(HEX, 3)")),
            &["tile-differs-from-leaves"],
        ),
        (
            "UPDATE log_heads SET checkpoint = replace(checkpoint, 'ecert-log/', 'ecert-log/0')".to_owned(),
            &["checkpoint-does-not-hold"],
        ),
        ("DELETE FROM log_entries WHERE log_index = 1".to_owned(), &["act-not-in-log", "leaf-without-act"]),
        (
            "UPDATE log_entries SET id = 'aud_0' WHERE log_index = 1".to_owned(),
            &["act-not-in-log", "leaf-is-not-of-its-act", "logged-act-is-gone"],
        ),
        (
            format!(
                "INSERT INTO audit (actor, id, action, object, outcome, at) VALUES ({act}); \
                 DELETE FROM log_queue WHERE id = 'aud_01KAN000000000000000000000'"
            ),
            &["act-not-in-log"],
        ),
        ("DELETE FROM audit WHERE action = 'certificate.revoke'".to_owned(), &["logged-act-is-gone"]),
        (
            "UPDATE audit SET actor = 'cli' WHERE action = 'certificate.revoke'".to_owned(),
            &["act-changed-since"],
        ),
        (
            "UPDATE audit SET outcome = 'failed' WHERE action = 'admin.add'; \
             UPDATE log_entries SET outcome = 'failed' WHERE action = 'admin.add'"
                .to_owned(),
            &["leaf-is-not-of-its-act"],
        ),
    ]
}

#[actix_web::test]
async fn every_way_of_changing_the_past_is_found() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    app.admin.revoke(&holder.certificate()?, "a story").await?.expect_status(204)?;
    log::sequence(&app.context)?;
    assert_eq!(findings(&app, &[])?, sound());
    // Each damage is done to the same sound rows, which are kept aside meanwhile.
    let tables = ["audit", "log_entries", "log_tiles", "log_heads"];
    let each = |form: &dyn Fn(&str) -> String| tables.map(form).join("; ");
    execute(app.database(), &each(&|table| format!("CREATE TABLE sound_{table} AS SELECT * FROM {table}")))?;
    let heal = each(&|table| format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM sound_{table}"));
    for (damage, expected) in damages() {
        // In one transaction, so that the running sequencer does not come in between.
        execute(app.database(), &format!("BEGIN; {damage}; COMMIT"))?;
        assert_eq!(findings(&app, &[])?, expected, "{damage}");
        execute(app.database(), &format!("BEGIN; {heal}; DELETE FROM log_queue; COMMIT"))?;
    }
    assert_eq!(findings(&app, &[])?, sound());
    Ok(())
}

#[actix_web::test]
async fn a_log_that_is_written_anew_is_not_the_one_that_somebody_remembers() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    app.admin.revoke(&holder.certificate()?, "a story").await?.expect_status(204)?;
    log::sequence(&app.context)?;
    let kept = app.folder().join("checkpoint").display().to_string();
    std::fs::write(&kept, ecert(&app, &["checkpoint"])?.stdout)?;
    act_at(&app, Timestamp::now(), "cli")?;
    log::sequence(&app.context)?;
    assert_eq!(findings(&app, &["--from", &kept])?, sound());
    let key = Reader(&app).key().await?.to_string();
    let from_outside = ["--url", &app.base, "--key", &key, "--from", &kept];
    assert_eq!(findings(&app, &from_outside)?, sound());

    // Whoever has the keys and the database leaves an act out, and the rest is in perfect order.
    let forget = |table: &str| format!("DELETE FROM {table} WHERE action = 'certificate.revoke'");
    let anew = "INSERT INTO log_queue (id, actor, action, object, outcome, at) \
                SELECT id, actor, action, object, outcome, at FROM log_entries";
    let wiped = "DELETE FROM log_entries; DELETE FROM log_tiles; DELETE FROM log_heads";
    let forgotten = [forget("audit"), forget("log_entries")].join("; ");
    execute(app.database(), &format!("BEGIN; {forgotten}; {anew}; {wiped}; COMMIT"))?;
    log::sequence(&app.context)?;
    act_at(&app, Timestamp::now(), "cli")?;
    act_at(&app, Timestamp::now(), "cli")?;
    log::sequence(&app.context)?;
    assert_eq!(findings(&app, &[])?, sound());
    assert_eq!(findings(&app, &["--from", &kept])?, ["log-was-another-before"]);
    assert_eq!(findings(&app, &from_outside)?, ["log-was-another-before"]);
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
    let Some(python) = std::env::var_os("ECERT_LOG_PYTHON") else {
        eprintln!("left out: no ECERT_LOG_PYTHON; `cargo xtask test` sets it");
        return Ok(());
    };
    let app = TestApp::start().await?;
    log::sequence(&app.context)?;
    let (reader, earlier) = (Reader(&app), Reader(&app).checkpoint().await?);
    let acts: Vec<String> =
        (0..40).map(|_| act_at(&app, Timestamp::now(), "cli")).collect::<anyhow::Result<_>>()?;
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
