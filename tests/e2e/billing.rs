//! From uses to bills: packs, statements, proofs, caps.

use std::collections::BTreeSet;

use ecert_server::billing::account::Provider;
use ecert_server::billing::packs::Pack;
use ecert_server::billing::posting::Balanced;
use ecert_server::billing::price::Service;
use ecert_server::flow::{alerts, statements};
use ecert_server::store::packs::{self, Grant};
use ecert_server::store::{balances, ledger};
use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::{Answer, RelyingParty, root};
use jiff::SignedDuration;
use serde_json::{Value, json};
use wallet_core::ids::{LedgerTransactionId, PackId};
use wallet_core::jws::from_base64url;
use wallet_core::log::proof::includes;
use wallet_core::money::Micros;
use wallet_core::receipt::{Receipt, statement_leaf};
use wallet_core::statement::Statement;

type Test = anyhow::Result<()>;

const DAY: i64 = 86_400;

async fn buyer(app: &TestApp) -> anyhow::Result<RelyingParty> {
    app.admin.admit_with("Corner Shop", &["name"], &["face.compare"]).await
}

/// One use of the cheapest service: 6,000 micro-yuan.
async fn compare(rp: &RelyingParty) -> anyhow::Result<Answer> {
    let picture = &later_frames()[0];
    rp.compare(picture, picture).await
}

fn grant(app: &TestApp, rp: &RelyingParty, units: i64, days: i64) -> anyhow::Result<PackId> {
    let now = app.clock_now();
    let id = PackId::new(now, &mut rand::rng());
    let expires_at = now + SignedDuration::from_hours(24 * days);
    let pack =
        Pack { id, service: Service::FaceCompare, units, remaining: units, starts_at: now, expires_at };
    let (rp, paid) = (rp.id.parse()?, Micros::new(units * 5_000));
    let grant = Grant { pack, rp, origin: "a story".to_owned(), paid, monthly: false };
    let granted = app.context.rp_store.write(|conn| Ok(packs::insert(conn, &grant, now)?));
    granted.map_err(|stop| anyhow::anyhow!("{stop:?}"))?;
    Ok(id)
}

/// Closes what can be closed once the day is over.
fn close_the_day(app: &TestApp) -> anyhow::Result<()> {
    app.wait(DAY);
    statements::close_due(&app.context).map_err(|stop| anyhow::anyhow!("{stop:?}"))
}

async fn bills(rp: &RelyingParty) -> anyhow::Result<Vec<Value>> {
    let body = rp.get("/v1/statements").await?.expect_status(200)?;
    Ok(body["statements"].as_array().cloned().unwrap_or_default())
}

#[actix_web::test]
async fn packs_are_drawn_first_the_earliest_to_expire_before_others_and_then_it_is_on_account() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    let (later, sooner) = (grant(&app, &rp, 1, 60)?, grant(&app, &rp, 2, 30)?);
    let mut paid_by = Vec::new();
    for _ in 0..4 {
        let charge = compare(&rp).await?.expect_status(200)?["charge"].clone();
        paid_by.push((charge["pack"].as_str().map(str::to_owned), charge["amount"]["micros"].clone()));
    }
    let of = |pack: PackId| (Some(pack.to_string()), json!(0));
    assert_eq!(paid_by, [of(sooner), of(sooner), of(later), (None, json!(6_000))]);
    let left = rp.get("/v1/packs").await?.expect_status(200)?;
    assert_eq!(left["packs"][0]["remaining"], 0);
    Ok(())
}

#[actix_web::test]
async fn a_day_becomes_one_statement_however_often_it_is_closed() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    grant(&app, &rp, 1, 30)?;
    for _ in 0..3 {
        compare(&rp).await?.expect_status(200)?;
    }
    statements::close_due(&app.context).map_err(|stop| anyhow::anyhow!("{stop:?}"))?;
    assert_eq!(bills(&rp).await?, Vec::<Value>::new(), "the day is not over");
    close_the_day(&app)?;
    close_the_day(&app)?;
    let bills = bills(&rp).await?;
    assert_eq!((bills.len(), &bills[0]["uses"]), (1, &json!(3)));
    assert_eq!(bills[0]["amount"]["micros"], 12_000);
    assert_eq!(bills[0]["items"][0]["pack"].as_str().is_some(), bills[0]["items"][1]["pack"].is_null());
    app.charges().await?;
    Ok(())
}

#[actix_web::test]
async fn a_day_from_packs_alone_is_settled_with_nothing() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    grant(&app, &rp, 1, 30)?;
    compare(&rp).await?.expect_status(200)?;
    close_the_day(&app)?;
    assert_eq!(bills(&rp).await?[0]["state"], "settled");
    assert_eq!(rp.get("/v1/balance").await?.expect_status(200)?["owed"], json!([]));
    Ok(())
}

#[actix_web::test]
async fn a_statement_and_the_place_of_a_receipt_in_it_are_checked_offline() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    let mut receipts = Vec::new();
    for _ in 0..5 {
        receipts.push(compare(&rp).await?.expect_status(200)?["receipt"].clone());
    }
    close_the_day(&app)?;
    let (issuer, bill) = (root(&app.holder().issuer().await?)?, bills(&rp).await?.remove(0));
    let token = bill["statement"].as_str().unwrap_or_default();
    let statement = Statement::verify(token, &issuer, app.clock_now())?;
    assert_eq!((statement.uses, statement.amount.micros.get()), (5, 30_000));
    let mut places = BTreeSet::new();
    for receipt in &receipts {
        let receipt = receipt.as_str().unwrap_or_default();
        let charge = Receipt::verify(receipt, &issuer, app.clock_now())?.charge.expect("it was charged");
        let address = format!("/v1/statements/{}/proofs/{}", statement.period, charge.id);
        let proof = rp.get(&address).await?.expect_status(200)?;
        let hash = |text: &Value| <[u8; 32]>::try_from(from_base64url(text.as_str()?).ok()?).ok();
        let path: Option<Vec<_>> = proof["path"].as_array().expect("a path").iter().map(hash).collect();
        let root = hash(&json!(statement.root)).expect("a hash");
        let place = proof["index"].as_u64().expect("a place");
        places.insert(place);
        let (leaf, path) = (statement_leaf(receipt), path.expect("hashes"));
        assert!(includes(&leaf, place, 5, &root, &path));
        assert!(!includes(&statement_leaf("another"), place, 5, &root, &path));
    }
    assert_eq!(places, (0..5).collect());
    Ok(())
}

#[actix_web::test]
async fn lines_and_tables_of_a_statement_are_for_its_relying_party_alone() -> Test {
    let app = TestApp::start().await?;
    let (rp, other) = (buyer(&app).await?, buyer(&app).await?);
    for _ in 0..3 {
        compare(&rp).await?.expect_status(200)?;
    }
    close_the_day(&app)?;
    let period = bills(&rp).await?[0]["period"].as_str().expect("a name").to_owned();
    let first = rp.get(&format!("/v1/statements/{period}/lines?limit=2")).await?.expect_status(200)?;
    let next = first["next"].as_str().expect("there is more");
    let rest = rp.get(&format!("/v1/statements/{period}/lines?after={next}")).await?.expect_status(200)?;
    let count = |lines: &Value| lines["lines"].as_array().map(Vec::len);
    assert_eq!((count(&first), count(&rest), &rest["next"]), (Some(2), Some(1), &Value::Null));
    for address in ["", "/lines"] {
        let address = format!("/v1/statements/{period}{address}");
        assert_eq!(other.get(&address).await?.refusal(), "404 not-found");
        let nobody = RelyingParty::new(&app.base, &rp.id, "ek_live_nobody");
        assert_eq!(nobody.get(&address).await?.refusal(), "401 unauthenticated");
    }
    let usage = rp.get(&format!("/v1/usage?from={period}&to=2099-01-01")).await?;
    assert_eq!(usage.refusal(), "400 request-invalid");
    Ok(())
}

#[actix_web::test]
async fn usage_is_told_by_day_before_and_after_it_is_stated() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    compare(&rp).await?.expect_status(200)?;
    let today = app.context.zone.to_datetime(app.clock_now()).date();
    let address = format!("/v1/usage?from={today}&to={}", today.saturating_add(jiff::Span::new().days(5)));
    let open = rp.get(&address).await?.expect_status(200)?;
    close_the_day(&app)?;
    compare(&rp).await?.expect_status(200)?;
    let both = rp.get(&address).await?.expect_status(200)?;
    let told = |usage: &Value, place: usize| {
        (usage["usage"][place]["uses"].clone(), usage["usage"][place]["stated"].clone())
    };
    assert_eq!(told(&open, 0), (json!(1), json!(false)));
    assert_eq!([told(&both, 0), told(&both, 1)], [(json!(1), json!(true)), (json!(1), json!(false))]);
    Ok(())
}

#[actix_web::test]
async fn what_is_not_covered_is_served_for_a_day_of_grace() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    compare(&rp).await?.expect_status(200)?;
    close_the_day(&app)?;
    let owed = rp.get("/v1/balance").await?.expect_status(200)?;
    assert_eq!((&owed["standing"], &owed["to_pay"]["micros"]), (&json!("in_arrears"), &json!(6_000)));
    app.wait(DAY - 60);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    compare(&rp).await?.expect_status(200)?;
    app.wait(60);
    assert_eq!(compare(&rp).await?.refusal(), "402 arrears-suspended");
    Ok(())
}

#[actix_web::test]
async fn a_hard_cap_is_never_passed_and_a_soft_one_tells_once() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    let cap = |kind: &str, micros: i64| json!({ "scope": "relying_party", "kind": kind, "amount": { "currency": "CNY", "micros": micros } });
    let set = rp.put("/v1/caps", &json!({ "caps": [cap("hard", 18_000), cap("soft", 12_000)] })).await?;
    set.expect_status(200)?;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let all = futures_util::future::try_join_all((0..8).map(|_| compare(&rp))).await?;
    let served = all.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(served, 3);
    assert!(all.iter().all(|answer| answer.status == 200 || answer.refusal() == "402 cap-reached"));
    let told = rp.get("/v1/messages").await?.expect_status(200)?;
    assert_eq!(
        (told["messages"].as_array().map(Vec::len), &told["messages"][0]["kind"]),
        (Some(1), &json!("cap.reached"))
    );
    app.wait(DAY);
    compare(&rp).await?.expect_status(200)?;
    for refused in [
        cap("hard", 0),
        cap("hard", -1),
        cap("firm", 1),
        json!({ "scope": "purpose", "kind": "soft", "amount": { "currency": "CNY", "micros": 1 } }),
    ] {
        assert_eq!(rp.put("/v1/caps", &json!({ "caps": [refused] })).await?.refusal(), "400 request-invalid");
    }
    Ok(())
}

#[actix_web::test]
async fn low_packs_are_told_of_once_a_threshold() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    let alert = |threshold: i64| json!({ "alerts": [{ "enabled": true, "threshold": threshold }] });
    for refused in [0, 100, -1] {
        assert_eq!(rp.put("/v1/alerts", &alert(refused)).await?.refusal(), "400 request-invalid");
    }
    rp.put("/v1/alerts", &alert(50)).await?.expect_status(200)?;
    grant(&app, &rp, 4, 30)?;
    for expected in [0, 1, 1] {
        compare(&rp).await?.expect_status(200)?;
        for _ in 0..2 {
            alerts::tell(&app.context).map_err(|stop| anyhow::anyhow!("{stop:?}"))?;
        }
        let told = rp.get("/v1/messages").await?.expect_status(200)?;
        assert_eq!(told["messages"].as_array().map(Vec::len), Some(expected));
    }
    Ok(())
}

#[actix_web::test]
async fn the_database_itself_refuses_what_does_not_sum_to_zero() -> Test {
    let app = TestApp::start().await?;
    let rp = buyer(&app).await?;
    let (now, book) = (app.clock_now(), rp.id.parse()?);
    let id = LedgerTransactionId::new(now, &mut rand::rng());
    let bank = Provider::parse("bank").expect("a name");
    let half = Balanced::top_up(book, bank, Micros::new(5))?;
    let posted = app.context.rp_store.write(|conn| {
        ledger::post(conn, book, id, "top_up", &half, now)?;
        Ok(balances::add(conn, book, Micros::new(5), id)?)
    });
    posted.map_err(|stop| anyhow::anyhow!("{stop:?}"))?;
    let lopsided = format!(
        "INSERT INTO postings (book, transaction_id, line, account, currency, micros) VALUES ('{book}', 'ltx_x', 0, 'rounding', 'CNY', 1); \
         INSERT INTO ledger_transactions (book, id, kind, posted_at) VALUES ('{book}', 'ltx_x', 'top_up', 0)"
    );
    for refused in [
        lopsided.as_str(),
        "UPDATE postings SET micros = micros + 1",
        "UPDATE ledger_transactions SET kind = 'use'",
    ] {
        let refused =
            ecert_tests::app::execute(app.database(), refused).expect_err("the database refuses it");
        let said = format!("{refused:#}");
        assert!(said.contains("sum to zero") || said.contains("never changed"), "{said}");
    }
    Ok(())
}
