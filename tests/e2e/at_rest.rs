//! What lies in the database and in the log after a life with the service: nothing that tells who somebody is.

use std::io::Read as _;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use diesel::prelude::*;
use diesel::sql_types::Text;
use ecert_server::edge::clock::SystemClock;
use ecert_server::store::tables;
use ecert_tests::app::{OwnDatabase, card, enrolment_frames, later_frames, postgres_server};
use ecert_tests::clients::{Admin, Answer, Holder, fresh_key, nonce, text};
use ecert_tests::service::Service;
use ecert_tests::specimen::Specimen;
use reqwest::Method;
use serde_json::{Value, json};
use wallet_core::attributes::Share;

type Test = anyhow::Result<()>;

/// A place for a service in a process of its own.
struct Place {
    folder: tempfile::TempDir,
    database: Option<OwnDatabase>,
}

impl Place {
    fn new() -> anyhow::Result<Place> {
        let database = postgres_server().map(|server| OwnDatabase::on(&server)).transpose()?;
        Ok(Place { folder: tempfile::tempdir()?, database })
    }

    fn flags(&self) -> Vec<String> {
        let mut flags = vec!["--recovery-liveness".to_owned(), "silent".to_owned()];
        flags.extend(self.database.iter().flat_map(|own| ["--database".to_owned(), own.url()]));
        flags
    }

    /// Every byte of the database: of its files, or of what its tables say.
    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        match &self.database {
            Some(own) => dump(&own.url()),
            None => {
                let mut bytes = Vec::new();
                for entry in std::fs::read_dir(self.folder.path())? {
                    let path = entry?.path();
                    if path.file_name().is_some_and(|name| name.to_string_lossy().contains(".db")) {
                        bytes.extend(std::fs::read(path)?);
                    }
                }
                Ok(bytes)
            }
        }
    }
}

/// All rows of all tables, with what is no text as it is.
fn dump(url: &str) -> anyhow::Result<Vec<u8>> {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text)]
        line: String,
    }
    let mut conn = PgConnection::establish(url)?;
    let mut bytes = Vec::new();
    for table in tables::all() {
        let rows = diesel::sql_query(format!("SELECT row_to_json(t)::text AS line FROM {} t", table.name));
        for Line { line } in rows.load(&mut conn)? {
            bytes.extend(line.as_bytes());
            for value in serde_json::from_str::<Value>(&line)?.as_object().into_iter().flatten() {
                // PostgreSQL says bytes as `\x…`.
                if let Some(digits) = value.1.as_str().and_then(|text| text.strip_prefix("\\x")) {
                    bytes.extend(hex(digits));
                }
            }
        }
    }
    Ok(bytes)
}

fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

/// What tells who somebody is, in the forms in which it could lie about.
fn telling() -> Vec<(&'static str, Vec<u8>)> {
    let person = Specimen::franck();
    let (year, month, day) = person.birth;
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("the name", text(&person.name)),
        ("the number", text(&person.number)),
        ("the birth date", text(&format!("{year}-{month:02}-{day:02}"))),
        ("the address", text(&person.address.chars().take(6).collect::<String>())),
        ("a JPEG", text("JFIF")),
        ("a JPEG in base64", text("/9j/4AAQSk")),
        ("a JPEG in base64url", text("_9j_4AAQSk")),
        ("a PNG", b"\x89PNG\r\n\x1a\n".to_vec()),
        ("a PNG in base64", text("iVBORw0KGgo")),
    ]
}

fn found_in(bytes: &[u8]) -> Vec<&'static str> {
    let is_in = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    telling().into_iter().filter(|(_, what)| is_in(what)).map(|(name, _)| name).collect()
}

/// Everything that can happen to somebody, up to their erasure.
async fn live(base: &str, admin: &Admin) -> anyhow::Result<Holder> {
    let rp =
        admin.admit("Corner Shop", &["over_18", "name", "address", "document_number", "portrait"]).await?;
    let clock = Arc::new(SystemClock);
    let mut old = Holder::new(base, Arc::clone(&clock) as _);
    old.enrol(card(), &enrolment_frames()).await?;
    rp.visit(&old.qr(Share::Full)?, &later_frames()).await?.expect_status(200)?;
    let body = json!({ "code": old.qr(Share::Full)?, "purpose": "check", "capture": "holder" });
    let opened = rp.redeem_with(body, &fresh_key()).await?.expect_status(201)?;
    let (id, number) = (text(&opened, "/id")?, text(&opened, "/number")?);
    let agreed = old.agree(&id, &number).await?.expect_status(200)?;
    old.show_face(&id, &nonce(&agreed, "/challenge/nonce")?, &later_frames()).await?.expect_status(200)?;
    let mut holder = Holder::new(base, clock);
    let begun = holder.recover(&Specimen::franck().number).await?.expect_status(201)?;
    let recovered = holder.submit_recovery(&nonce(&begun, "/challenge/nonce")?, &later_frames()).await?;
    holder.remember(recovered.expect_status(200)?).await?;
    rp.visit(&holder.qr(Share::Full)?, &later_frames()).await?.expect_status(200)?;
    let withdrawal = holder.request(Method::POST, "/v1/me/consents/withdrawals")?;
    let withdrawal = withdrawal.json(&json!({ "relying_party": rp.id, "block": true }));
    Answer::to(withdrawal).await?.expect_status(201)?;
    Ok(holder)
}

#[actix_web::test]
async fn neither_the_database_nor_the_log_tells_who_somebody_is() -> Test {
    let place = Place::new()?;
    let flags = place.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut command = Service::serving(place.folder.path(), &flags)?;
    command.env("ECERT_LOG", "debug").stderr(Stdio::piped());
    let mut service = Service::spawn(&mut command, place.folder.path())?;
    let mut stderr = service.process.stderr.take().context("its log")?;
    let log = std::thread::spawn(move || {
        let mut said = Vec::new();
        stderr.read_to_end(&mut said).map(|_| said)
    });
    let database: Vec<&str> = flags.get(2..).unwrap_or_default().to_vec();
    let run = |arguments: &[&str]| service.command(&[arguments, &database].concat());
    let person = Specimen::franck();
    run(&["register", "add", &person.name, &person.number])?;
    let admin = run(&["admin", "add", "--name", "test", "--role", "operator"])?;
    let token = admin.split_whitespace().find(|word| word.starts_with("ea_")).context("a token")?;
    let holder = live(&service.base, &Admin::new(&service.base, token)).await?;
    assert_eq!(found_in(&place.bytes()?), Vec::<&str>::new(), "in the database, before the erasure");
    let erased = holder.request(Method::POST, "/v1/me/erasure")?.json(&json!({ "confirm": "erase" }));
    Answer::to(erased).await?.expect_status(200)?;
    assert_eq!(found_in(&place.bytes()?), Vec::<&str>::new(), "in the database, after it");
    drop(service);
    let said = log.join().map_err(|_| anyhow::anyhow!("the log was not read"))??;
    ensure!(String::from_utf8_lossy(&said).contains("/v1/me/erasure"), "this is no log of it");
    assert_eq!(found_in(&said), Vec::<&str>::new(), "in the log");

    // What is looked for is what a wallet is given: the story would find it.
    let given = holder.issued["disclosures"].to_string();
    assert!(found_in(given.as_bytes()).len() >= 4, "{:?}", found_in(given.as_bytes()));
    Ok(())
}
