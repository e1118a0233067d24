//! Webhooks go to nobody's inside, by TLS to who is certified, keep their secrets, survive whoever was telling them, and are their relying
//! party's alone.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use ecert_server::edge::webhooks::Names;
use ecert_tests::app::{OwnDatabase, TestApp, postgres_server};
use ecert_tests::clients::{Admin, RelyingParty, Staff, text};
use ecert_tests::receiver::{Receiver, Reply, until};
use ecert_tests::service::Service;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::orders::pay_in;
use crate::replicas::Pair;
use crate::webhooks::{NEAR, near};

type Test = anyhow::Result<()>;

#[actix_web::test]
async fn an_address_that_only_we_reach_is_refused_however_it_is_written() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    for inside in [
        "https://127.0.0.1/",
        "https://localhost:8443/",
        "https://10.0.0.1/hooks",
        "https://169.254.169.254/latest/meta-data/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "http://93.184.215.14/",
    ] {
        let answer = rp.ask_webhook(inside).await?;
        assert_eq!(
            (answer.refusal().as_str(), &answer.body["field"]),
            ("400 request-invalid", &json!("url")),
            "{inside}"
        );
    }
    // A hundred addresses an hour are looked up, and no more.
    for _ in 10..100 {
        rp.ask_webhook("https://127.0.0.1/").await?;
    }
    assert_eq!(rp.ask_webhook("https://127.0.0.1/").await?.refusal(), "429 rate-limited");
    assert_eq!(rp.get("/v1/webhooks").await?.body["webhooks"], json!([]));
    Ok(())
}

/// A name server that leads outside the first time, and inside ever after.
#[derive(Debug, Default)]
struct Turncoat(AtomicUsize);

impl Names for Turncoat {
    fn look_up(&self, _: &str, port: u16, _: Duration) -> io::Result<Vec<SocketAddr>> {
        let outside = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        let address = if outside { Ipv4Addr::new(93, 184, 215, 14) } else { Ipv4Addr::LOCALHOST };
        Ok(vec![SocketAddr::from((address, port))])
    }
}

#[actix_web::test]
async fn a_name_that_leads_inside_once_it_is_registered_is_not_followed() -> Test {
    let inside = TcpListener::bind("127.0.0.1:0")?;
    inside.set_nonblocking(true)?;
    let names = Arc::new(Turncoat::default());
    let app = TestApp::with_names(Arc::clone(&names) as Arc<dyn Names>).await?;
    let rp = app.relying_party().await?;
    let url = format!("https://rebinding.example:{}/", inside.local_addr()?.port());
    let hook = rp.webhook(&url, &["payment"]).await?;
    pay_in(&app, &rp, 1).await?;
    assert_eq!(rp.delivery_is(&hook, "waiting", 1).await?["outcome"], "address-refused");
    assert!(names.0.load(Ordering::SeqCst) >= 2);
    let nobody = inside.accept().expect_err("nobody came").kind();
    assert_eq!(nobody, io::ErrorKind::WouldBlock);
    Ok(())
}

/// A receiver behind TLS that answers one post; the body that it got. Whoever gives up on its certificate is let go.
fn behind_tls(
    certified: &rcgen::CertifiedKey<rcgen::KeyPair>,
) -> anyhow::Result<(u16, JoinHandle<anyhow::Result<String>>)> {
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der());
    let key = key.map_err(|error| anyhow::anyhow!("{error}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)?;
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0")?);
    let port = listener.local_addr()?.port();
    let serve = move || loop {
        let connection = rustls::ServerConnection::new(Arc::clone(&config))?;
        let mut stream = BufReader::new(rustls::StreamOwned::new(connection, listener.accept()?.0));
        let (mut line, mut length) = (String::new(), 0);
        while stream.read_line(&mut line).is_ok_and(|read| read > 0) && line != "\r\n" {
            let value = line.to_ascii_lowercase();
            length =
                value.strip_prefix("content-length:").map_or(Ok(length), |value| value.trim().parse())?;
            line.clear();
        }
        let mut body = vec![0; length];
        if length > 0 && stream.read_exact(&mut body).is_ok() {
            stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
            return Ok(String::from_utf8(body)?);
        }
    };
    Ok((port, std::thread::spawn(serve)))
}

#[actix_web::test]
async fn a_receiver_behind_tls_is_told_when_it_is_certified_by_whom_we_believe() -> Test {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let (port, served) = behind_tls(&certified)?;
    let url = format!("https://localhost:{port}/hooks");

    let doubtful = near().await?;
    let rp = doubtful.relying_party().await?;
    let hook = rp.webhook(&url, &["payment"]).await?;
    pay_in(&doubtful, &rp, 1).await?;
    assert_eq!(rp.delivery_is(&hook, "waiting", 1).await?["outcome"], "tls");

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("roots.pem").display().to_string();
    std::fs::write(&file, certified.cert.pem())?;
    let app = TestApp::with_flags(&[&NEAR[..], &["--webhook-roots", &file]].concat()).await?;
    let rp = app.relying_party().await?;
    let hook = rp.webhook(&url, &["payment"]).await?;
    pay_in(&app, &rp, 1).await?;
    rp.delivery_is(&hook, "delivered", 1).await?;
    let body = served.join().map_err(|_| anyhow::anyhow!("the receiver panicked"))??;
    assert!(body.contains("\"type\":\"payment\""), "{body}");
    Ok(())
}

#[actix_web::test]
async fn neither_secret_nor_address_can_be_read_in_the_database() -> Test {
    if postgres_server().is_some() {
        return Ok(());
    }
    let app = near().await?;
    let rp = app.relying_party().await?;
    let hook = rp.webhook("http://127.0.0.1:9/capability-7b1c", &["*"]).await?;
    let secret = hook.secret.trim_start_matches("whsec_").as_bytes();
    for file in ["ecert.db", "ecert.db-wal"] {
        let bytes = std::fs::read(app.folder().join(file)).unwrap_or_default();
        for word in [secret, b"capability-7b1c"] {
            assert!(!bytes.windows(word.len()).any(|part| part == word), "{file} has it");
        }
    }
    let bytes = std::fs::read(app.folder().join("ecert.db-wal"))?;
    assert!(bytes.windows(hook.id.len()).any(|part| part == hook.id.as_bytes()), "its row is elsewhere");
    Ok(())
}

#[actix_web::test]
async fn two_replicas_tell_each_event_once() -> Test {
    let (pair, receiver) = (Pair::with_flags(&NEAR).await?, Receiver::start()?);
    let rp = pair.one.relying_party().await?;
    rp.webhook(&receiver.url, &["payment"]).await?;
    rp.webhook(&receiver.url, &["payment"]).await?;
    for _ in 0..15 {
        pay_in(&pair.one, &rp, 1).await?;
    }
    let heard = receiver.wait_for(30).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let events: BTreeSet<&str> = heard.iter().map(|heard| heard.id.as_str()).collect();
    assert_eq!((receiver.heard().len(), events.len()), (30, 15));
    Ok(())
}

#[actix_web::test]
async fn an_event_survives_the_death_of_the_replica_that_was_telling_it() -> Test {
    let (folder, receiver) = (tempfile::tempdir()?, Receiver::start()?);
    let database = postgres_server().map(|server| OwnDatabase::on(&server)).transpose()?;
    let mut flags: Vec<String> = NEAR.map(str::to_owned).to_vec();
    if let Some(database) = &database {
        flags.extend(["--database".to_owned(), database.url()]);
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let start = || Service::spawn(&mut Service::serving(folder.path(), &flags)?, folder.path());
    let mut service = start()?;
    let line = [
        &["admin", "add", "--name", "story", "--role", "operator", "--role", "finance"],
        &flags[NEAR.len()..],
    ]
    .concat();
    let token = service.command(&line)?;
    let token = token.split_whitespace().find(|word| word.starts_with("ea_")).context("a token")?;
    let admin = Admin::new(&service.base, token);
    let rp = admin.admit("Corner Shop", &["name"]).await?;
    rp.webhook(&receiver.url, &["price.announced"]).await?;

    receiver.first([Reply::Hang]);
    let list = json!({ "version": "list-2", "valid_from": Timestamp::now() + SignedDuration::from_hours(1),
        "prices": [{ "service": "ecert.redeem", "micros": 1_100_000 }] });
    let asked = admin.post("/v1/admin/prices", &list).await?.expect_status(202)?;
    let line = [&["admin", "bootstrap", "--name", "second", "--json"], &flags[NEAR.len()..]].concat();
    let invitation = text(&serde_json::from_str(&service.command(&line)?)?, "/invitation")?;
    let second = Staff::invited(&service.base, &invitation).await?.stepped_up().await?;
    second.decide(&asked, "approve").await?.expect_status(200)?;
    receiver.wait_for(1).await?;
    service.process.kill()?;
    service.process.wait()?;

    let service = start()?;
    // As soon as what the dead one had taken is free again.
    until(|| receiver.heard().len() >= 2).await?;
    let heard = receiver.heard();
    assert_eq!((&heard[0].id, &heard[0].body), (&heard[1].id, &heard[1].body));
    drop(service);
    Ok(())
}

#[actix_web::test]
async fn a_webhook_is_its_relying_partys_alone_and_goes_with_all_that_it_was_told() -> Test {
    let (app, receiver) = (near().await?, Receiver::start()?);
    let (rp, other) = (app.relying_party().await?, app.relying_party().await?);
    let hook = rp.webhook(&receiver.url, &["payment"]).await?;
    pay_in(&app, &rp, 1).await?;
    let delivery = rp.delivery_is(&hook, "delivered", 1).await?;
    assert_eq!(other.replay(&hook, &delivery).await?.refusal(), "404 not-found");
    assert_eq!(other.rotate(&hook, json!({})).await?.refusal(), "404 not-found");
    for path in ["", "/deliveries"] {
        assert_eq!(other.get(&hook.path(path)).await?.refusal(), "404 not-found");
    }
    for path in ["", "/secrets"] {
        assert_eq!(other.delete(&hook.path(path)).await?.refusal(), "404 not-found");
    }
    assert_eq!(other.post_json(&hook.path(":enable"), &json!({})).await?.refusal(), "404 not-found");
    let all = |body: Value| body["webhooks"].as_array().map(Vec::len);
    assert_eq!(all(other.get("/v1/webhooks").await?.expect_status(200)?), Some(0));
    let listed = rp.get("/v1/webhooks").await?.expect_status(200)?;
    assert_eq!((all(listed.clone()), listed.to_string().contains(&hook.secret)), (Some(1), false));
    assert_eq!(rp.delete(&hook.path("")).await?.status, 204);
    assert_eq!(rp.delete(&hook.path("")).await?.refusal(), "404 not-found");
    pay_in(&app, &rp, 1).await?;
    assert_eq!(receiver.heard().len(), 1);
    Ok(())
}

#[actix_web::test]
async fn deliveries_come_in_pages_of_fifty() -> Test {
    let (app, receiver) = (near().await?, Receiver::start()?);
    let rp = app.relying_party().await?;
    let hook = rp.webhook(&receiver.url, &["payment"]).await?;
    for _ in 0..51 {
        pay_in(&app, &rp, 1).await?;
        app.wait(1);
    }
    receiver.wait_for(51).await?;
    let page = rp.get(&hook.path("/deliveries")).await?.expect_status(200)?;
    let next = text(&page, "/next")?;
    let rest = rp.get(&hook.path(&format!("/deliveries?before={next}"))).await?.expect_status(200)?;
    assert_eq!(
        (page["deliveries"].as_array().map(Vec::len), rest["deliveries"].as_array().map(Vec::len)),
        (Some(50), Some(1))
    );
    assert!(rest.get("next").is_none());
    assert_eq!(rp.get(&hook.path("/deliveries?before=x")).await?.refusal(), "400 request-invalid");
    Ok(())
}

/// What a relying party is answered that asks for a webhook with this body.
async fn refused(rp: &RelyingParty, body: Value) -> anyhow::Result<String> {
    let answer = rp.post_json("/v1/webhooks", &body).await?;
    Ok(format!("{} {}", answer.refusal(), answer.body["field"].as_str().unwrap_or("-")))
}

#[actix_web::test]
async fn a_webhook_that_makes_no_sense_is_refused() -> Test {
    let app = near().await?;
    let rp = app.relying_party().await?;
    let url = "http://127.0.0.1:1/";
    for events in [json!([]), json!(["pack"]), json!(["*", "pack.low"]), json!(["contact.confirmation"])] {
        assert_eq!(
            refused(&rp, json!({ "url": url, "events": events })).await?,
            "400 request-invalid events"
        );
    }
    for wrong in ["", "here", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http://127.0.0.1/#x"] {
        assert_eq!(refused(&rp, json!({ "url": wrong })).await?, "400 request-invalid url", "{wrong}");
    }
    assert_eq!(refused(&rp, json!({ "url": url, "secret": "mine" })).await?, "400 request-invalid body");
    for _ in 0..10 {
        rp.ask_webhook(url).await?.expect_status(201)?;
    }
    assert_eq!(refused(&rp, json!({ "url": url })).await?, "400 request-invalid webhooks");
    Ok(())
}
