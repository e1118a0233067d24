//! Ways of changing what was logged, and what `ecert log verify` says to each.

use ecert_server::flow::log;
use ecert_tests::app::{TestApp, execute, postgres_server};
use jiff::Timestamp;

use super::{Reader, act_at, ecert, findings, sound};
use crate::database::Test;

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
        (entries("'0000000000000000' || substr(HEX, 17)"), wrong_leaf),
        (entries("substr(HEX, 65, 64) || substr(HEX, 1, 64) || substr(HEX, 129)"), wrong_leaf),
        (entries("substr(HEX, 1, length(HEX) - 64)"), &["act-without-leaf", "entries-missing"]),
        (entries("HEX || substr(HEX, 1, 64)"), &["entries-missing"]),
        (
            format!(
                "UPDATE log_tiles SET hashes = {} WHERE level = 0",
                digits("'0000000000000000' || substr(HEX, 17)")
            ),
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
    act_at(&app, Timestamp::now())?;
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
    act_at(&app, Timestamp::now())?;
    act_at(&app, Timestamp::now())?;
    log::sequence(&app.context)?;
    assert_eq!(findings(&app, &[])?, sound());
    assert_eq!(findings(&app, &["--from", &kept])?, ["log-was-another-before"]);
    assert_eq!(findings(&app, &from_outside)?, ["log-was-another-before"]);
    Ok(())
}
