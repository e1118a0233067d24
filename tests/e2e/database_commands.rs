//! `ecert db`: what whoever runs the databases types.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::ensure;
use ecert_tests::app::{OwnDatabase, TestApp, execute, later_frames, postgres_server, samples};
use ecert_tests::samples::variants;
use serde_json::Value;
use wallet_core::attributes::Share;

use crate::database::{Test, server};

/// Runs `ecert db …` with the keys in `folder`.
fn db(folder: &Path, arguments: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(ecert_tests::service::binary()?);
    Ok(command.arg("db").args(arguments).arg("--data-dir").arg(folder).output()?)
}

/// The same, expected to go well; its JSON.
fn said(folder: &Path, arguments: &[&str]) -> anyhow::Result<Value> {
    let output = db(folder, arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The same, expected to fail; why.
fn refused(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = db(folder, arguments)?;
    ensure!(!output.status.success(), "{arguments:?} went well");
    Ok(String::from_utf8(output.stderr)?)
}

/// A place for a database of the kind that this run is about.
struct Place {
    folder: tempfile::TempDir,
    database: Option<OwnDatabase>,
}

impl Place {
    fn new() -> anyhow::Result<Place> {
        let database = postgres_server().map(|server| OwnDatabase::on(&server)).transpose()?;
        Ok(Place { folder: tempfile::tempdir()?, database })
    }

    fn url(&self) -> String {
        let in_file = || format!("sqlite:{}", self.folder.path().join("ecert.db").display());
        self.database.as_ref().map_or_else(in_file, OwnDatabase::url)
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// Two passed, one unusable, one abandoned, one revoked.
async fn used(app: &TestApp) -> Test {
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    let open = rp.open(&holder.digits("full").await?).await?;
    rp.judge(&open, &variants(samples().landscape(), 2)?).await?.expect_status(422)?;
    rp.judge(&open, &later_frames()).await?.expect_status(200)?;
    rp.open(&holder.qr(Share::Name)?).await?;
    app.admin.revoke(&holder.certificate()?, "other").await?.expect_status(204)?;
    Ok(())
}

#[actix_web::test]
async fn status_says_what_the_database_is() -> Test {
    let place = Place::new()?;
    let url = place.url();
    assert!(
        postgres_server().is_some()
            || refused(place.folder.path(), &["status", "--database", &url])?.contains("no database")
    );
    let app = TestApp::with_flags(&["--database", &url]).await?;
    used(&app).await?;
    let status = said(app.folder(), &["status", "--json", "--database", &url])?;
    let database = &status[0];
    assert!(database["bytes"].as_i64().is_some_and(|bytes| bytes > 50_000));
    assert!(
        database["migrations"]
            .as_array()
            .is_some_and(|steps| steps.iter().all(|step| step["applied"] == true))
    );
    assert!(!database["place"].to_string().contains('@'));
    match postgres_server() {
        None => assert!(database["server"].to_string().contains("SQLite 3.")),
        Some(_) => {
            let postgres = &database["postgres"];
            assert!(database["server"].to_string().contains("PostgreSQL "));
            assert_eq!((&postgres["in_recovery"], &postgres["keeps_session"]), (&false.into(), &true.into()));
            assert_eq!(postgres["partitions"]["charges"]["days"], 8);
            assert_eq!(postgres["partitions"]["charges"]["rows_outside"], false);
        }
    }
    let text = String::from_utf8(db(app.folder(), &["status", "--database", &url])?.stdout)?;
    assert!(text.contains("migrations") && text.contains("outbox"), "{text}");
    Ok(())
}

#[actix_web::test]
async fn a_service_that_may_not_migrate_waits_for_whoever_does() -> Test {
    let place = Place::new()?;
    let (url, folder) = (place.url(), place.folder.path());
    let flags = ["--database", &url, "--migrate", "false"];
    let pending = TestApp::with_flags(&flags).await.err().map(|error| format!("{error:#}"));
    assert!(pending.is_some_and(|words| words.contains("ecert db migrate") && words.contains("main_line")));
    let dry = said(folder, &["migrate", "--dry-run", "--json", "--database", &url])?;
    let all = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/sqlite"))?.count();
    assert_eq!((&dry["run"], dry["migrations"].as_array().map(Vec::len)), (&false.into(), Some(all)));
    assert!(TestApp::with_flags(&flags).await.is_err());
    said(folder, &["migrate", "--json", "--database", &url])?;
    assert_eq!(
        said(folder, &["migrate", "--json", "--database", &url])?["migrations"],
        serde_json::json!([])
    );
    used(&TestApp::with_flags(&flags).await?).await
}

/// The names of the rules that a check finds broken.
pub(crate) fn findings(app: &TestApp) -> anyhow::Result<Vec<String>> {
    let output = db(app.folder(), &["check", "--all", "--json", "--database", app.database()])?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let found = report["findings"].as_array().cloned().unwrap_or_default();
    assert_eq!(output.status.success(), found.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut names: Vec<String> =
        found.iter().filter_map(|finding| finding["check"].as_str().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// What is done to a sound database, and what must be found then.
const DAMAGES: [(&str, &[&str]); 11] = [
    (
        "DELETE FROM charges WHERE id = (SELECT MIN(id) FROM charges)",
        &["attempt-without-its-charge", "judged-not-charged", "receipt-does-not-hold", "use-not-charged"],
    ),
    (
        "UPDATE charges SET micros = micros + 1 WHERE id = (SELECT MIN(id) FROM charges)",
        &["charge-and-ledger-differ", "charge-not-of-a-price-list", "receipt-does-not-hold"],
    ),
    (
        "UPDATE postings SET micros = micros + 1 WHERE micros > 0 AND transaction_id = (SELECT MIN(id) FROM ledger_transactions)",
        &["book-not-balanced", "charge-and-ledger-differ", "ledger-not-balanced", "transaction-not-balanced"],
    ),
    (
        "UPDATE redemptions SET unusable_attempts = 4 WHERE state = 'challenged'",
        &["unusable-attempts-miscounted"],
    ),
    (
        "UPDATE redemptions SET state = 'failed' WHERE id = (SELECT MIN(id) FROM redemptions WHERE state = 'passed')",
        &["attempt-judged-otherwise", "judged-without-one-audit-line"],
    ),
    (
        "UPDATE attempts SET receipt = (SELECT MAX(receipt) FROM attempts WHERE charge_id IS NULL) WHERE charge_id IS NOT NULL",
        &["receipt-does-not-hold"],
    ),
    (
        "DELETE FROM audit WHERE action = 'redemption.judge' AND outcome = 'passed'",
        &["judged-without-one-audit-line"],
    ),
    ("DELETE FROM spent_codes", &["digits-spent-by-nobody", "redemption-without-code"]),
    (
        "UPDATE redemptions SET certificate_id = 'crt_01KAN000000000000000000000' WHERE state = 'challenged'",
        &["redemption-by-a-code-of-another", "redemption-of-unknown-certificate"],
    ),
    ("DELETE FROM handles", &["certificate-without-handles"]),
    ("UPDATE certificates SET sealed_template = sealed_attributes", &["template-does-not-open"]),
];

#[actix_web::test]
async fn a_check_finds_what_is_wrong_and_nothing_else() -> Test {
    let place = Place::new()?;
    let url = place.url();
    let app = TestApp::with_flags(&["--database", &url]).await?;
    used(&app).await?;
    assert_eq!(findings(&app)?, Vec::<String>::new());
    let report = said(app.folder(), &["check", "--all", "--json", "--database", &url])?;
    assert_eq!((&report["receipts"], &report["codes_without_redemption"]), (&3.into(), &0.into()));
    // The attributes of the certificate, whose template was erased when it was revoked, the answer to the enrolment, what
    // the phone said of itself, two answers, and six under keys.
    assert_eq!(report["sealed"], 11);

    // Each damage is done to the same sound rows, which are kept aside meanwhile.
    let tables =
        ["charges", "postings", "redemptions", "attempts", "audit", "spent_codes", "handles", "certificates"];
    let each = |form: &dyn Fn(&str) -> String| tables.map(form).join("; ");
    execute(&url, &each(&|table| format!("CREATE TABLE sound_{table} AS SELECT * FROM {table}")))?;
    let untied = match postgres_server() {
        Some(_) => "SET session_replication_role = replica",
        None => {
            "PRAGMA foreign_keys = OFF; DROP TRIGGER IF EXISTS charges_stay; DROP TRIGGER IF EXISTS postings_stay"
        }
    };
    for (damage, expected) in DAMAGES {
        execute(&url, &format!("{untied}; {damage}"))?;
        assert_eq!(findings(&app)?, expected, "{damage}");
        let heal =
            each(&|table| format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM sound_{table}"));
        execute(&url, &format!("{untied}; {heal}"))?;
    }
    assert_eq!(findings(&app)?, Vec::<String>::new());
    let without_keys = refused(place.folder.path(), &["check", "--database", &url])?;
    assert!(without_keys.contains("the keys are not in"), "{without_keys}");
    Ok(())
}

#[actix_web::test]
async fn a_backup_made_while_it_serves_is_restored_and_goes_on() -> Test {
    let (place, elsewhere) = (Place::new()?, Place::new()?);
    let app = TestApp::with_flags(&["--database", &place.url()]).await?;
    used(&app).await?;
    let file = place.file("backup");
    let backup = ["backup", &file, "--json", "--database", app.database()];
    let written = said(app.folder(), &backup)?;
    assert!(written["bytes"].as_u64().is_some_and(|bytes| bytes > 10_000));
    let sum =
        Command::new("sha256sum").args(["--check", "backup.sha256"]).current_dir(&place.folder).output()?;
    assert!(sum.status.success(), "{}", String::from_utf8_lossy(&sum.stderr));
    assert!(refused(app.folder(), &backup)?.contains("is there already"));
    used(&app).await?;

    let url = elsewhere.url();
    let restore = ["restore", &file, "--json", "--database", &url];
    said(app.folder(), &restore)?;
    let again = refused(app.folder(), &restore)?;
    assert!(again.contains("is not empty") || again.contains("is there already"), "{again}");
    let restored = app.replica(&["--database", &url]).await?;
    assert_eq!((restored.charges().await?, app.charges().await?), (2, 4));
    assert_eq!(findings(&restored)?, Vec::<String>::new());
    used(&restored).await?;
    assert_eq!(findings(&restored)?, Vec::<String>::new());

    let third = Place::new()?;
    let mut bytes = std::fs::read(&file)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes)?;
    let damaged = refused(app.folder(), &["restore", &file, "--database", &third.url()])?;
    assert!(damaged.contains("is not what was backed up"), "{damaged}");
    Ok(())
}

#[actix_web::test]
async fn two_databases_are_backed_up_and_restored_together() -> Test {
    let (rps, holders) = (Place::new()?, Place::new()?);
    let flags = ["--database", &rps.url(), "--holder-database", &holders.url()];
    let app = TestApp::with_flags(&flags).await?;
    used(&app).await?;
    let file = rps.file("backup");
    let with = |command: &[&str], flags: &[&str]| -> anyhow::Result<Output> {
        db(app.folder(), &[command, flags].concat())
    };
    assert!(with(&["backup", &file], &flags)?.status.success());
    assert!(Path::new(&format!("{file}.holders")).exists());
    let (rps, holders) = (Place::new()?, Place::new()?);
    let flags = ["--database", &rps.url(), "--holder-database", &holders.url()];
    assert!(with(&["restore", &file], &flags)?.status.success());
    let report: Value = serde_json::from_slice(&with(&["check", "--json"], &flags)?.stdout)?;
    assert_eq!((&report["found"], &report["receipts"]), (&0.into(), &3.into()), "{report}");
    Ok(())
}

#[actix_web::test]
async fn an_installation_moves_from_sqlite_to_postgresql_and_back() -> Test {
    let Some(server) = server() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let sqlite = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let (here, there, other) = (sqlite("here.db"), OwnDatabase::on(&server)?, OwnDatabase::on(&server)?);
    let (back, last) = (sqlite("back.db"), there.url());
    let app = TestApp::with_flags(&["--database", &here]).await?;
    used(&app).await?;
    let rows_outside = |url: &str| -> anyhow::Result<Value> {
        Ok(said(app.folder(), &["status", "--json", "--database", url])?[0]["postgres"]["partitions"]["charges"]["rows_outside"].clone())
    };

    // Days of a year ago, for which no partition would be made.
    execute(
        &here,
        "UPDATE audit SET id = 'aud_01JD0000000000000000000000', at = 1732000000000000 WHERE id = (SELECT MIN(id) FROM audit)",
    )?;
    let copied = said(app.folder(), &["copy", &here, &last, "--json"])?;
    let tables = copied.as_array().expect("a list of tables").clone();
    assert!(tables.iter().any(|table| table["table"] == "charges" && table["rows"] == 2));
    assert_eq!(rows_outside(&last)?, false);
    assert_eq!(said(app.folder(), &["copy", &last, &other.url(), "--json"])?, copied);
    assert_eq!(said(app.folder(), &["copy", &other.url(), &back, "--json"])?, copied);

    for (from, to) in [(&here, &last), (&last, &back)] {
        assert!(refused(app.folder(), &["copy", from, to])?.contains("the target is not empty"));
    }
    assert!(refused(app.folder(), &["copy", &here, &here])?.contains("the same database"));
    assert!(refused(app.folder(), &["copy", &sqlite("none.db"), &back])?.contains("there is no database"));
    for url in [&last, &back] {
        let moved = app.replica(&["--database", url]).await?;
        assert_eq!(findings(&moved)?, Vec::<String>::new());
        used(&moved).await?;
        assert_eq!(moved.charges().await?, 4);
        assert_eq!(findings(&moved)?, Vec::<String>::new());
    }
    Ok(())
}

#[actix_web::test]
async fn a_copy_that_fails_leaves_the_target_empty() -> Test {
    let Some(server) = server() else { return Ok(()) };
    let (folder, there) = (tempfile::tempdir()?, OwnDatabase::on(&server)?);
    let here = format!("sqlite:{}", folder.path().join("here.db").display());
    let app = TestApp::with_flags(&["--database", &here]).await?;
    used(&app).await?;
    said(app.folder(), &["migrate", "--json", "--database", &there.url()])?;
    execute(&there.url(), "ALTER TABLE status_lists ADD CONSTRAINT shut CHECK (false)")?;
    let words = refused(app.folder(), &["copy", &here, &there.url()])?;
    assert!(words.contains("can't write status_lists"), "{words}");
    execute(&there.url(), "ALTER TABLE status_lists DROP CONSTRAINT shut")?;
    // It was not left half full, or this would be refused.
    said(app.folder(), &["copy", &here, &there.url(), "--json"])?;
    Ok(())
}
