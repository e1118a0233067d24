//! The database under the service: in two, behind TLS, behind PgBouncer, slow, locked, read-only, cut off, and newer than the
//! program.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use ecert_tests::app::{OwnDatabase, TestApp, execute, later_frames, postgres_server};
use ecert_tests::clients::{Answer, fresh_key};
use ecert_tests::postgres::Cluster;
use futures_util::future::join_all;
use serde_json::json;
use wallet_core::attributes::Share;

pub(super) type Test = anyhow::Result<()>;

/// The PostgreSQL at hand; a story that needs one says that it was left out where there is none.
pub(super) fn server() -> Option<String> {
    let server = postgres_server();
    if server.is_none() {
        eprintln!("LEFT OUT: there is no ECERT_TEST_POSTGRES");
    }
    server
}

/// Enrolled, redeemed by QR and by digits, charged for both, revoked and refused.
pub(super) async fn main_line(app: &TestApp) -> Test {
    let before = app.charges().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let passed = rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    assert_eq!(passed["outcome"], "passed");
    let passed = rp.visit(&holder.digits("over_18").await?, &later_frames()).await?.expect_status(200)?;
    assert_eq!(passed["attributes"], json!({ "over_18": true }));
    assert_eq!(app.charges().await?, before + 2);
    holder.revoke().await?.expect_status(204)?;
    assert_eq!(rp.redeem(&holder.qr(Share::Name)?).await?.refusal(), "410 certificate-revoked");
    Ok(())
}

fn count(url: &str, table: &str) -> anyhow::Result<i64> {
    use diesel::prelude::*;
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let query = diesel::sql_query(format!("SELECT COUNT(*) AS n FROM {table}"));
    Ok(match url.strip_prefix("sqlite:") {
        Some(file) => query.get_result::<Count>(&mut diesel::SqliteConnection::establish(file)?)?,
        None => query.get_result::<Count>(&mut PgConnection::establish(url)?)?,
    }
    .n)
}

#[actix_web::test]
async fn holders_and_relying_parties_may_be_kept_in_two_databases() -> Test {
    let folder = tempfile::tempdir()?;
    let apart = postgres_server().map(|server| OwnDatabase::on(&server)).transpose()?;
    let in_file = format!("sqlite:{}", folder.path().join("holders.db").display());
    let holders = apart.as_ref().map_or(in_file, OwnDatabase::url);
    let app = TestApp::with_flags(&["--holder-database", &holders]).await?;
    main_line(&app).await?;
    for (table, of_rps, of_holders) in [("charges", 2, 0), ("certificates", 0, 1), ("spent_codes", 0, 2)] {
        assert_eq!((count(app.database(), table)?, count(&holders, table)?), (of_rps, of_holders), "{table}");
    }
    Ok(())
}

#[actix_web::test]
async fn what_was_left_behind_when_the_tables_were_parted_is_believed_by_nobody() -> Test {
    if postgres_server().is_some() {
        // The rule is the same code for both; only SQLite copies between databases in a line.
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("holders.db").display().to_string();
    let app = TestApp::with_flags(&["--holder-database", &format!("sqlite:{file}")]).await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    execute(
        app.database(),
        &format!(
            "ATTACH '{file}' AS apart; INSERT INTO holders SELECT * FROM apart.holders; \
             INSERT INTO certificates SELECT * FROM apart.certificates"
        ),
    )?;
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    holder.revoke().await?.expect_status(204)?;
    assert_eq!(rp.judge(&open, &later_frames()).await?.refusal(), "410 certificate-revoked");
    Ok(())
}

/// A CA and a certificate of 127.0.0.1 that it signed: CA, certificate, key, in PEM.
fn certificates() -> anyhow::Result<[String; 3]> {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let (ca_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, format!("CA {:x}", rand::random::<u64>()));
    let certificate = ca.self_signed(&ca_key)?;
    let issuer = Issuer::from_ca_cert_der(certificate.der(), &ca_key)?;
    let server = CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
    Ok([certificate.pem(), server.pem(), key.serialize_pem()])
}

#[actix_web::test]
async fn the_way_to_the_database_may_be_encrypted_and_a_wrong_ca_is_refused() -> Test {
    if server().is_none() {
        return Ok(());
    }
    let ([ca, certificate, key], [wrong_ca, ..]) = (certificates()?, certificates()?);
    let settings = ["ssl=on", "ssl_cert_file=../server.crt", "ssl_key_file=../server.key"].map(str::to_owned);
    let cluster = Cluster::start(&settings, &[("server.crt", &certificate), ("server.key", &key)])?;
    let database = OwnDatabase::on(&cluster.url())?;
    let folder = tempfile::tempdir()?;
    let verified = |name: &str, ca: &str| -> anyhow::Result<String> {
        let file = folder.path().join(name);
        std::fs::write(&file, ca)?;
        Ok(format!("{}?sslmode=verify-full&sslrootcert={}", database.url(), file.display()))
    };
    let (url, wrong) = (verified("ca.pem", &ca)?, verified("wrong.pem", &wrong_ca)?);
    let app = TestApp::with_flags(&["--database", &url]).await?;
    main_line(&app).await?;
    let inspected = app.context.rp_store.inspect(jiff::Timestamp::now())?;
    let tls = inspected.postgres.and_then(|postgres| postgres.tls);
    assert!(tls.as_ref().is_some_and(|tls| tls.starts_with("TLSv1.3")), "{tls:?}");
    let refused = TestApp::with_flags(&["--database", &wrong, "--database-patience", "2000"]).await.err();
    let words = refused.map(|error| format!("{error:#}")).unwrap_or_default();
    assert!(words.contains("certificate verify failed"), "{words}");
    Ok(())
}

#[actix_web::test]
async fn it_works_through_pgbouncer_with_more_clients_than_server_connections() -> Test {
    if server().is_none() {
        return Ok(());
    }
    let cluster = Cluster::start(&[], &[])?;
    let bouncer = match cluster.bouncer(2) {
        Ok(bouncer) => bouncer,
        Err(error) => {
            eprintln!("LEFT OUT: {error:#}");
            return Ok(());
        }
    };
    let database = OwnDatabase::on(&cluster.url())?;
    let url = database.url_on(&bouncer.url());
    let flags = ["--database", &url, "--database-pooler", "transaction", "--database-connections", "12"];
    let app = TestApp::with_flags(&flags).await?;
    main_line(&app).await?;

    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let codes: Vec<String> = (0..36).map(|_| holder.qr(Share::Name)).collect::<Result<_, _>>()?;
    let answers = join_all(codes.iter().map(|code| rp.redeem(code))).await;
    for answer in answers {
        answer?.expect_status(201)?;
    }
    assert_eq!(count(&database.url(), "spent_codes")?, 38);
    Ok(())
}

fn cut_all_sessions(database: &OwnDatabase, server: &str) -> Test {
    let mut conn = PgConnection::establish(&format!("{server}postgres"))?;
    let name = database.name();
    Ok(conn.batch_execute(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    ))?)
}

#[actix_web::test]
async fn sessions_that_are_cut_are_healed_and_no_request_fails() -> Test {
    let Some(server) = server() else { return Ok(()) };
    let database = OwnDatabase::on(&server)?;
    let app = TestApp::with_flags(&["--database", &database.url()]).await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    cut_all_sessions(&database, &server)?;
    rp.redeem(&holder.qr(Share::Name)?).await?.expect_status(201)?;

    // Under load, where the cut may come between a commit and its confirmation: then it says 503, and the same request
    // gets the answer.
    let codes: Vec<String> = (0..40).map(|_| holder.qr(Share::Name)).collect::<Result<_, _>>()?;
    let redeem = async |code: &String| -> anyhow::Result<Answer> {
        let (key, body) = (fresh_key(), json!({ "code": code, "purpose": "check" }));
        loop {
            let answer = rp.redeem_with(body.clone(), &key).await?;
            if answer.status != 503 {
                return Ok(answer);
            }
            assert!(answer.headers.contains_key("retry-after"));
        }
    };
    let cut = async {
        for _ in 0..10 {
            cut_all_sessions(&database, &server)?;
            actix_web::rt::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    let (answers, cut) = futures_util::future::join(join_all(codes.iter().map(redeem)), cut).await;
    cut?;
    for answer in answers {
        answer?.expect_status(201)?;
    }
    assert_eq!(count(&database.url(), "redemptions")?, 41);
    assert_eq!(count(&database.url(), "spent_codes")?, 41);
    Ok(())
}

#[actix_web::test]
async fn a_primary_turned_read_only_is_answered_by_503_until_it_takes_writes_again() -> Test {
    let Some(server) = server() else { return Ok(()) };
    let database = OwnDatabase::on(&server)?;
    let url = database.url();
    let app = TestApp::with_flags(&["--database", &url, "--database-patience", "500"]).await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let turned = |value: &str| -> Test {
        let mut conn = PgConnection::establish(&format!("{server}postgres"))?;
        let name = database.name();
        conn.batch_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}"))?;
        cut_all_sessions(&database, &server)
    };
    turned("on")?;
    let (key, body) = (fresh_key(), json!({ "code": holder.qr(Share::Name)?, "purpose": "check" }));
    let refused = rp.redeem_with(body.clone(), &key).await?;
    assert_eq!(refused.refusal(), "503 overloaded");
    assert!(refused.headers.contains_key("retry-after"));
    turned("off")?;
    rp.redeem_with(body, &key).await?.expect_status(201)?;
    Ok(())
}

#[actix_web::test]
async fn statements_and_locks_that_take_too_long_are_answered_by_503() -> Test {
    let Some(server) = server() else { return Ok(()) };
    let database = OwnDatabase::on(&server)?;
    let url = database.url();
    let flags = ["--database", &url, "--database-lock-timeout", "200", "--database-statement-timeout", "600"];
    let app = TestApp::with_flags(&flags).await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let (key, body) = (fresh_key(), json!({ "code": holder.qr(Share::Name)?, "purpose": "check" }));
    let refused = async || -> Test {
        let refused = rp.redeem_with(body.clone(), &key).await?;
        assert_eq!(refused.refusal(), "503 overloaded");
        assert!(refused.headers.contains_key("retry-after"));
        Ok(())
    };
    let mut other = PgConnection::establish(&url)?;
    other.batch_execute("BEGIN; LOCK TABLE redemptions IN ACCESS EXCLUSIVE MODE")?;
    refused().await?;
    other.batch_execute("ROLLBACK")?;

    execute(
        &url,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
           'BEGIN PERFORM pg_sleep(5); RETURN NEW; END'; \
         CREATE TRIGGER slow BEFORE INSERT ON redemptions FOR EACH ROW EXECUTE FUNCTION slow()",
    )?;
    refused().await?;
    execute(&url, "DROP TRIGGER slow ON redemptions")?;
    rp.redeem_with(body.clone(), &key).await?.expect_status(201)?;
    Ok(())
}

#[actix_web::test]
async fn what_can_not_be_put_on_record_does_not_happen() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    let (shut, opened) = match app.database().starts_with("sqlite:") {
        true => (
            "CREATE TRIGGER shut BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'shut'); END",
            "DROP TRIGGER shut",
        ),
        false => (
            "ALTER TABLE audit ADD CONSTRAINT shut CHECK (false) NOT VALID",
            "ALTER TABLE audit DROP CONSTRAINT shut",
        ),
    };
    execute(app.database(), shut)?;
    let key = fresh_key();
    assert_eq!(rp.judge_with(&open, &later_frames(), &key).await?.status, 500);
    assert_eq!(rp.redeem(&holder.qr(Share::Name)?).await?.status, 500);
    for table in ["charges", "attempts", "postings"] {
        assert_eq!(count(app.database(), table)?, 0, "{table}");
    }
    execute(app.database(), opened)?;
    rp.judge_with(&open, &later_frames(), &key).await?.expect_status(200)?;
    assert_eq!(app.charges().await?, 1);
    Ok(())
}

/// What the next release does to the tables before it is rolled out: it expands them.
const EXPANDED: &str = "ALTER TABLE redemptions ADD COLUMN later TEXT; \
     ALTER TABLE certificates ADD COLUMN later TEXT; \
     CREATE TABLE later_things (id TEXT PRIMARY KEY NOT NULL, rp_id TEXT NOT NULL REFERENCES relying_parties (id)); \
     CREATE INDEX charges_later ON charges (rp_id, charged_at); \
     INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000')";

#[actix_web::test]
async fn an_older_program_works_on_expanded_tables_and_refuses_contracted_ones() -> Test {
    let folder = tempfile::tempdir()?;
    let apart = postgres_server().map(|server| OwnDatabase::on(&server)).transpose()?;
    let in_file = format!("sqlite:{}", folder.path().join("ecert.db").display());
    let url = apart.as_ref().map_or(in_file, OwnDatabase::url);
    let app = TestApp::with_flags(&["--database", &url]).await?;
    main_line(&app).await?;
    execute(&url, EXPANDED)?;
    main_line(&app).await?;
    main_line(&app.replica(&["--database", &url]).await?).await?;

    execute(&url, "UPDATE schema_floor SET version = '20991231000000'")?;
    for migrate in ["true", "false"] {
        let refused = app.replica(&["--database", &url, "--migrate", migrate]).await.err();
        let words = refused.map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(words.contains("moved on past this program") && words.contains("20991231000000"), "{words}");
    }
    Ok(())
}
