//! Relying parties are told of what happens: once it has happened, signed, until they have it or a day has gone by.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use ecert_server::flow::{alerts, statements};
use ecert_server::stop::Stop;
use ecert_tests::app::{TestApp, later_frames, stranger_frames};
use ecert_tests::clients::text;
use ecert_tests::receiver::{Heard, Receiver, Reply};
use jiff::SignedDuration;
use serde_json::{Value, json};
use wallet_core::attributes::Share;

use crate::orders::pay_in;

type Test = anyhow::Result<()>;

/// Receivers stand on this machine.
pub(crate) const NEAR: [&str; 2] = ["--webhook-private-targets", "true"];

const HOUR: i64 = 3_600;

pub(crate) async fn near() -> anyhow::Result<TestApp> {
    TestApp::with_flags(&NEAR).await
}

fn done<T>(outcome: Result<T, Stop>) -> anyhow::Result<T> {
    outcome.map_err(|stop| anyhow::anyhow!("{stop:?}"))
}

fn kinds(heard: &[Heard]) -> anyhow::Result<BTreeSet<String>> {
    heard.iter().map(|heard| text(&heard.json()?, "/type")).collect()
}

/// The kinds of so many different events.
async fn told(receiver: &Receiver, many: usize) -> anyhow::Result<BTreeSet<String>> {
    kinds(&receiver.wait_for(many).await?)
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[actix_web::test]
async fn a_judgement_is_told_with_its_id_and_its_outcome_and_nothing_of_the_person() -> Test {
    let (app, receiver) = (near().await?, Receiver::start()?);
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let hook = rp.webhook(&receiver.url, &["redemption.judged"]).await?;
    let passed = rp.visit(&holder.qr(Share::Full)?, &later_frames()).await?.expect_status(200)?;
    let heard = receiver.wait_for(1).await?.remove(0);
    let event = heard.json()?;
    assert_eq!(event["data"], json!({ "redemption": passed["id"], "state": "passed" }));
    assert_eq!(
        (&event["type"], event.as_object().map(|event| event.len())),
        (&json!("redemption.judged"), Some(3))
    );
    assert!(heard.id.starts_with("evt_") && heard.is_signed_by(&hook.secret)?);
    let failed = rp.visit(&holder.qr(Share::Full)?, &stranger_frames()?).await?.expect_status(200)?;
    let event = receiver.wait_for(2).await?.remove(1).json()?;
    assert_eq!(event["data"], json!({ "redemption": failed["id"], "state": "failed" }));
    let delivered = rp.delivery_is(&hook, "delivered", 1).await?;
    assert_eq!((&delivered["outcome"], &delivered["type"]), (&json!("204"), &json!("redemption.judged")));
    Ok(())
}

#[actix_web::test]
async fn who_asks_a_holder_hears_that_they_refused_and_who_has_no_webhook_costs_nothing() -> Test {
    let (app, receiver) = (near().await?, Receiver::start()?);
    let (mut holder, rp, silent) =
        (app.enrolled().await?, app.relying_party().await?, app.relying_party().await?);
    silent.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    let hook = rp.webhook(&receiver.url, &["*"]).await?;
    let opened = rp.ask_holder(&holder.qr(Share::Name)?).await?.expect_status(201)?;
    let id = text(&opened, "/id")?;
    holder.decide(&id, &json!({ "decision": "refuse" })).await?.expect_status(200)?;
    let event = receiver.wait_for(1).await?.remove(0).json()?;
    assert_eq!((&event["type"], &event["data"]["redemption"]), (&json!("redemption.cancelled"), &json!(id)));
    silent.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    // What others have judged, and what was judged before, is not theirs.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!((receiver.heard().len(), rp.deliveries(&hook).await?.len()), (1, 1));
    Ok(())
}

#[actix_web::test]
async fn what_happens_to_an_account_is_told_to_who_chose_it() -> Test {
    let (app, all, orders) = (near().await?, Receiver::start()?, Receiver::start()?);
    let rp = app.admin.admit_with("Corner Shop", &["name"], &["face.compare"]).await?;
    rp.webhook(&all.url, &["*"]).await?;
    rp.webhook(&orders.url, &["order.paid", "pack.low"]).await?;
    let pack = json!({ "id": "ten", "service": "face.compare", "kind": "pack", "units": 1, "months": 1,
        "price": { "currency": "CNY", "micros": 1_000_000 } });
    app.admin.post("/v1/admin/offers", &pack).await?.expect_status(201)?;
    pay_in(&app, &rp, 1).await?;
    rp.buy("ten").await?;
    let picture = &later_frames()[0];
    for _ in 0..2 {
        rp.compare(picture, picture).await?.expect_status(200)?;
    }
    done(alerts::tell(&app.context))?;
    assert_eq!(told(&orders, 2).await?, set(&["order.paid", "pack.low"]));
    app.wait(26 * HOUR);
    done(statements::close_due(&app.context))?;
    let before = set(&["payment", "order.paid", "pack.low", "statement.closed", "arrears.begun"]);
    assert_eq!(told(&all, 5).await?, before);
    pay_in(&app, &rp, 1).await?;
    assert!(told(&all, 7).await?.contains("arrears.ended"));
    assert_eq!(orders.heard().len(), 2);
    // The pages tell the same.
    let pages: BTreeSet<String> = rp.message_kinds().await?.into_iter().collect();
    assert_eq!(pages, kinds(&all.heard())?);
    Ok(())
}

#[actix_web::test]
async fn all_who_want_to_hear_of_prices_do() -> Test {
    let (app, receiver) = (near().await?, Receiver::start()?);
    let mut hooks = Vec::new();
    for name in ["one", "two", "three"] {
        let rp = app.relying_party().await?;
        let events: &[&str] = if name == "three" { &["pack.low"] } else { &["price.announced"] };
        hooks.push(rp.webhook(&format!("{}/{name}", receiver.url), events).await?);
    }
    let list = json!({ "version": "list-2", "valid_from": app.clock_now() + SignedDuration::from_hours(1),
        "prices": [{ "service": "ecert.redeem", "micros": 1_100_000 }] });
    app.approved(app.admin.post("/v1/admin/prices", &list).await?).await?;
    let heard = receiver.wait_for(2).await?;
    assert_eq!(heard[0].json()?["data"]["prices"][0]["version"], "list-2");
    let paths: BTreeSet<&str> = heard.iter().map(|heard| heard.path.as_str()).collect();
    assert_eq!(paths, BTreeSet::from(["/hooks/one", "/hooks/two"]));
    let one = heard.iter().find(|heard| heard.path.ends_with("one")).context("one")?;
    assert!(one.is_signed_by(&hooks[0].secret)? && !one.is_signed_by(&hooks[1].secret)?);
    Ok(())
}

#[actix_web::test]
async fn a_receiver_that_fails_hears_the_same_event_again_and_no_redirection_is_followed() -> Test {
    let (app, receiver) = (near().await?, Receiver::start()?);
    let rp = app.relying_party().await?;
    let hook = rp.webhook(&receiver.url, &["payment"]).await?;
    receiver.first([Reply::Status(500), Reply::Redirect, Reply::Status(404)]);
    pay_in(&app, &rp, 1).await?;
    for (tries, outcome, wait) in [(1, "500", 10), (2, "307", 60), (3, "404", 200)] {
        assert_eq!(rp.delivery_is(&hook, "waiting", tries).await?["outcome"], outcome);
        assert!(rp.show_webhook(&hook).await?["failing_since"].is_string());
        app.wait(wait);
    }
    rp.delivery_is(&hook, "delivered", 4).await?;
    assert!(rp.show_webhook(&hook).await?["failing_since"].is_null());
    let heard = receiver.heard();
    assert!(
        heard
            .iter()
            .all(|one| (&one.id, &one.body, one.path.as_str()) == (&heard[0].id, &heard[0].body, "/hooks"))
    );
    // Signed anew each time, or a receiver would take it for an old one.
    assert_ne!(heard[0].timestamp, heard[3].timestamp);
    assert!(heard[3].is_signed_by(&hook.secret)?);
    Ok(())
}

#[actix_web::test]
async fn what_nobody_takes_for_a_day_is_a_dead_letter_and_can_be_replayed() -> Test {
    let (app, receiver) = (near().await?, Receiver::start()?);
    let rp = app.relying_party().await?;
    let hook = rp.webhook(&receiver.url, &["payment"]).await?;
    receiver.always(Reply::Status(503));
    pay_in(&app, &rp, 1).await?;
    rp.delivery_is(&hook, "waiting", 1).await?;
    app.wait(24 * HOUR);
    let dead = rp.delivery_is(&hook, "dead", 2).await?;
    app.wait(HOUR);
    receiver.always(Reply::Status(200));
    let replayed = rp.replay(&hook, &dead).await?.expect_status(200)?;
    assert_eq!((&replayed["state"], &replayed["tries"]), (&json!("waiting"), &json!(0)));
    rp.delivery_is(&hook, "delivered", 1).await?;
    // What arrived can be had once more, too.
    rp.replay(&hook, &dead).await?.expect_status(200)?;
    let heard = receiver.wait_for(4).await?;
    assert!(heard.iter().all(|one| one.id == heard[0].id && one.body == heard[0].body));
    Ok(())
}

#[actix_web::test]
async fn who_takes_nothing_for_three_days_is_switched_off_and_told_so_elsewhere() -> Test {
    let (app, dead, other) = (near().await?, Receiver::start()?, Receiver::start()?);
    let rp = app.relying_party().await?;
    let hook = rp.webhook(&dead.url, &["payment"]).await?;
    rp.webhook(&other.url, &["webhook.disabled"]).await?;
    dead.always(Reply::Status(500));
    pay_in(&app, &rp, 1).await?;
    rp.delivery_is(&hook, "waiting", 1).await?;
    app.wait(25 * HOUR);
    rp.delivery_is(&hook, "dead", 2).await?;
    app.wait(48 * HOUR);
    pay_in(&app, &rp, 1).await?;
    let told = other.wait_for(1).await?.remove(0).json()?;
    assert_eq!(told["data"], json!({ "webhook": hook.id, "why": "failing" }));
    let shown = rp.show_webhook(&hook).await?;
    assert_eq!((&shown["state"], &shown["disabled_why"]), (&json!("disabled"), &json!("failing")));
    let last = rp.deliveries(&hook).await?.remove(0);
    assert_eq!(
        (&last["state"], rp.replay(&hook, &last).await?.refusal()),
        (&json!("dead"), "409 webhook-disabled".to_owned())
    );
    pay_in(&app, &rp, 1).await?;
    assert_eq!(rp.deliveries(&hook).await?.len(), 2);

    dead.always(Reply::Status(204));
    rp.post_json(&hook.path(":enable"), &json!({})).await?.expect_status(200)?;
    rp.replay(&hook, &last).await?.expect_status(200)?;
    rp.delivery_is(&hook, "delivered", 1).await?;
    Ok(())
}

#[actix_web::test]
async fn a_receiver_that_says_it_is_gone_is_switched_off_at_once() -> Test {
    let (app, receiver) = (near().await?, Receiver::start()?);
    let rp = app.relying_party().await?;
    let hook = rp.webhook(&receiver.url, &["*"]).await?;
    receiver.always(Reply::Status(410));
    pay_in(&app, &rp, 1).await?;
    let dead = rp.delivery_is(&hook, "dead", 1).await?;
    assert_eq!(
        (&dead["outcome"], &rp.show_webhook(&hook).await?["disabled_why"]),
        (&json!("disabled"), &json!("gone"))
    );
    let told: BTreeSet<String> = rp.message_kinds().await?.into_iter().collect();
    assert_eq!(told, set(&["payment", "webhook.disabled"]));
    Ok(())
}

#[actix_web::test]
async fn while_a_secret_is_replaced_both_sign() -> Test {
    let (app, receiver) = (near().await?, Receiver::start()?);
    let rp = app.relying_party().await?;
    let hook = rp.webhook(&receiver.url, &["payment"]).await?;
    let signed_by = async |secrets: [&str; 2], number: usize| -> anyhow::Result<(usize, [bool; 2])> {
        pay_in(&app, &rp, 1).await?;
        let heard = receiver.wait_for(number).await?.remove(number - 1);
        let by = [heard.is_signed_by(secrets[0])?, heard.is_signed_by(secrets[1])?];
        Ok((heard.signature.split(' ').count(), by))
    };
    let rotated = rp.rotate(&hook, json!({})).await?.expect_status(201)?;
    let second = text(&rotated, "/secret")?;
    assert!(rp.show_webhook(&hook).await?["old_secret_ends_at"].is_string());
    assert_eq!(signed_by([&hook.secret, &second], 1).await?, (2, [true, true]));
    // A third takes the place of both: two at most are good at a time.
    let third = text(&rp.rotate(&hook, json!({})).await?.expect_status(201)?, "/secret")?;
    assert_eq!(signed_by([&hook.secret, &second], 2).await?, (2, [false, true]));
    assert_eq!(rp.delete(&hook.path("/secrets")).await?.status, 204);
    assert_eq!(signed_by([&second, &third], 3).await?, (1, [false, true]));
    let fourth = text(&rp.rotate(&hook, json!({})).await?.expect_status(201)?, "/secret")?;
    app.wait(24 * HOUR);
    assert_eq!(signed_by([&third, &fourth], 4).await?, (1, [false, true]));
    let at_once = rp.rotate(&hook, json!({ "end_old_at_once": true })).await?.expect_status(201)?;
    assert_eq!(
        signed_by([&fourth, at_once["secret"].as_str().unwrap_or_default()], 5).await?,
        (1, [false, true])
    );
    assert_eq!(rp.rotate(&hook, json!({ "end_old": 1 })).await?.refusal(), "400 request-invalid");
    Ok(())
}

/// What the Standard Webhooks library for Python says to requests: the type of each event, or nothing.
fn theirs(cases: &[Value]) -> anyhow::Result<Option<Vec<Option<String>>>> {
    let Some(python) = std::env::var_os("ECERT_WEBHOOKS_PYTHON") else {
        eprintln!("left out: no ECERT_WEBHOOKS_PYTHON; `cargo xtask test` sets it");
        return Ok(None);
    };
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("peer/standard_webhooks.py");
    let mut peer = Command::new(python).arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    peer.stdin.take().context("no input")?.write_all(&serde_json::to_vec(cases)?)?;
    let output = peer.wait_with_output()?;
    ensure!(output.status.success(), "the peer failed");
    Ok(Some(serde_json::from_slice(&output.stdout)?))
}

fn case(secret: &str, heard: &Heard, body: &str) -> Value {
    let Heard { id, timestamp, signature, .. } = heard;
    let headers = json!({ "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature });
    json!({ "secret": secret, "headers": headers, "body": body })
}

#[actix_web::test]
async fn somebody_elses_library_verifies_what_we_send_also_while_secrets_change() -> Test {
    let (app, receiver) = (near().await?, Receiver::start()?);
    let rp = app.relying_party().await?;
    let hook = rp.webhook(&receiver.url, &["payment"]).await?;
    let second = text(&rp.rotate(&hook, json!({})).await?.expect_status(201)?, "/secret")?;
    pay_in(&app, &rp, 1).await?;
    let heard = receiver.wait_for(1).await?.remove(0);
    let changed = heard.body.replace("topped", "tipped").replacen('1', "2", 1);
    let stranger = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let cases = [
        case(&hook.secret, &heard, &heard.body),
        case(&second, &heard, &heard.body),
        case(&second, &heard, &changed),
        case(stranger, &heard, &heard.body),
    ];
    let Some(theirs) = theirs(&cases)? else { return Ok(()) };
    assert_eq!(theirs, [Some("payment".to_owned()), Some("payment".to_owned()), None, None]);
    Ok(())
}

#[actix_web::test]
async fn whoever_hangs_holds_up_nobody_who_is_known_to_answer() -> Test {
    let (app, quick, hanging) = (near().await?, Receiver::start()?, Receiver::start()?);
    let (rp, other) = (app.relying_party().await?, app.relying_party().await?);
    rp.webhook(&quick.url, &["payment"]).await?;
    pay_in(&app, &rp, 1).await?;
    quick.wait_for(1).await?;
    hanging.always(Reply::Hang);
    let mut hooks = Vec::new();
    for number in 0..10 {
        hooks.push(other.webhook(&format!("{}/{number}", hanging.url), &["payment"]).await?);
    }
    pay_in(&app, &other, 1).await?;
    // Every courier for those who are not known has one that hangs.
    hanging.wait_for(8).await?;
    pay_in(&app, &rp, 1).await?;
    quick.wait_for(2).await?;
    let all = futures_util::future::try_join_all(hooks.iter().map(|hook| other.deliveries(hook))).await?;
    assert!(all.iter().any(|deliveries| deliveries[0]["tries"] == 0), "they hang no more: {all:?}");
    Ok(())
}
