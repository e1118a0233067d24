//! The auditor's replay: it agrees with honest books, and finds each way to change a bill behind the service's back.

use std::process::{Command, Output};

use ecert_server::flow::replay::{Audit, Finding, Report, Scope};
use ecert_server::flow::{earning, statements};
use ecert_server::progress::Progress;
use ecert_tests::app::{TestApp, execute, later_frames, postgres_server};

use ecert_tests::clients::buying::yuan;
use ecert_tests::clients::{Gateway, RelyingParty, fresh_key, root};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::orders::pay_in;

type Test = anyhow::Result<()>;

const DAY: i64 = 86_400;

async fn compare(rp: &RelyingParty, times: usize) -> Test {
    let picture = &later_frames()[0];
    for _ in 0..times {
        rp.compare(picture, picture).await?.expect_status(200)?;
    }
    Ok(())
}

/// What the service remembers of a relying party, and who has arrears, it forgets after a second.
async fn settle_caches() {
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
}

fn close_the_day(app: &TestApp) -> Test {
    app.wait(DAY);
    Ok(statements::close_due(&app.context)?)
}

async fn announce(app: &TestApp, version: &str, micros: i64) -> Test {
    let at = app.clock_now() + SignedDuration::from_mins(10);
    let prices = [json!({ "service": "face.compare", "micros": micros })];
    let list = json!({ "version": version, "valid_from": at, "prices": prices });
    app.approved(app.admin.post("/v1/admin/prices", &list).await?).await?;
    Ok(())
}

/// Some days: uses on account that are paid late and with a fee, a payment, a refund, a pack of three of which one is left void, an order
/// that is given back, two price lists.
async fn lively() -> anyhow::Result<(TestApp, RelyingParty)> {
    let started = TestApp::start().await?;
    let app = &started;
    let rp = app.admin.admit_with("Corner Shop", &["name"], &["face.compare"]).await?;
    compare(&rp, 2).await?;
    close_the_day(app)?;
    app.wait(2 * DAY);
    let payment = pay_in(app, &rp, 100).await?;
    let refund = app.admin.ask_refund(&payment, 5_000_000).await?.expect_status(201)?;
    app.second().await?.decide_refund(&refund, "approve").await?.expect_status(200)?;
    let offer = json!({ "id": "compare-4", "service": "face.compare", "kind": "pack", "units": 4, "months": 1,
        "price": { "currency": "CNY", "micros": 1_000_001 } });
    app.admin.post("/v1/admin/offers", &offer).await?.expect_status(201)?;
    let half = json!({ "id": "half", "basis_points": 5_000, "offer": "compare-4", "valid_from": app.clock_now(),
        "valid_until": app.clock_now() + SignedDuration::from_hours(1) });
    app.admin.post("/v1/admin/promotions", &half).await?.expect_status(201)?;
    rp.buy("compare-4").await?;
    let unwanted = rp.buy("verify-1k").await;
    assert!(unwanted.is_err(), "the balance does not reach");
    app.wait(5);
    let again = rp.buy("compare-4").await?;
    rp.withdraw(&again).await?.expect_status(200)?;
    settle_caches().await;
    compare(&rp, 2).await?;
    close_the_day(app)?;
    announce(app, "list-2", 5_000).await?;
    compare(&rp, 1).await?;
    app.wait(35 * DAY);
    earning::void_expired(&app.context)?;
    settle_caches().await;
    compare(&rp, 3).await?;
    close_the_day(app)?;
    Ok((started, rp))
}

/// The findings of a replay, and its summary.
async fn replayed(app: &TestApp, scope: Scope) -> anyhow::Result<(Vec<Finding>, Report)> {
    let issuer = root(&app.holder().issuer().await?)?;
    let context = &app.context;
    let audit = Audit { store: &context.rp_store, root: &issuer, zone: &context.zone, now: app.clock_now() };
    let mut findings = Vec::new();
    let report =
        audit.replay(scope, &Progress::hidden(), &mut |finding: &Finding| findings.push(finding.clone()))?;
    Ok((findings, report))
}

#[actix_web::test]
async fn a_lively_month_agrees_to_the_micro_yuan() -> Test {
    let (app, rp) = lively().await?;
    let (findings, report) = replayed(&app, Scope::default()).await?;
    assert_eq!(findings, []);
    let told = json!(report);
    // 2 × 6,000 and 3 × 5,000; what 12,000 cost for two days late; one pack bought at half its price of 1,000,001, one given back, two gifts.
    let of = |name: &str| told[name]["micros"].as_i64().unwrap_or(-1);
    assert_eq!((of("charged"), of("stated"), of("paid"), of("late_fees")), (27_000, 27_000, 27_000, 12));
    assert_eq!((&told["charges"], &told["statements"], &told["packs"]), (&json!(8), &json!(4), &json!(4)));
    assert_eq!(of("balances"), 100_000_000 - 5_000_000 - 500_001 - 27_000 - 12);
    assert_eq!(of("balances"), app.admin.balance(&rp).await?);
    Ok(())
}

/// That a replay of everything finds nothing.
pub(crate) async fn agrees(app: &TestApp) -> Test {
    let (findings, _) = replayed(app, Scope::default()).await?;
    assert_eq!(findings, []);
    Ok(())
}

#[actix_web::test]
async fn money_agrees_by_whatever_way_it_comes_and_goes() -> Test {
    let gateway = Gateway::new()?;
    let app = TestApp::with_flags(&gateway.flags()?).await?;
    let rp = app.admin.admit_with("Corner Shop", &["name"], &["face.compare", "face.liveness"]).await?;
    let told = async |kind: &str, data: Value| gateway.notify(&app.base, &app.clock, kind, data).await;
    let paid = |name: &str, amount: i64| json!({ "payment": name, "rp": rp.id, "amount": yuan(amount), "paid_at": app.clock_now() });
    told("payment.succeeded", paid("A1", 2_000)).await?.expect_status(200)?;
    let first = rp.buy("verify-1k").await?;
    app.wait(5);
    // A gift is used, and costs what the list says when its order is given back.
    settle_caches().await;
    let open = rp.liveness_session().await?;
    rp.judge_liveness(&open, &later_frames(), &fresh_key()).await?.expect_status(200)?;
    rp.withdraw(&first).await?.expect_status(200)?;
    agrees(&app).await?;
    let device = rp.order_as(json!({ "offer": "device-1y", "quantity": 2 })).await?.expect_status(201)?;
    rp.pay(&device).await?.expect_status(200)?;
    let back = |name: &str| json!({ "payment": "A1", "refund": name, "amount": yuan(1_500) });
    told("payment.refunded", back("R1")).await?.expect_status(200)?;
    pay_in(&app, &rp, 100).await?;
    agrees(&app).await?;
    pay_in(&app, &rp, 20_000).await?;
    rp.buy("verify-monthly-1k").await?;
    close_the_day(&app)?;
    app.wait(70 * DAY);
    earning::void_expired(&app.context)?;
    agrees(&app).await
}

#[actix_web::test]
async fn a_part_of_the_books_is_replayed_by_relying_party_and_day() -> Test {
    let (app, rp) = lively().await?;
    let other = app.admin.admit_with("Another", &["name"], &["face.compare"]).await?;
    compare(&other, 1).await?;
    let last = app.context.zone.to_datetime(app.clock_now()).date().yesterday()?;
    let scope = Scope { rp: Some(rp.id.parse()?), from: Some(last), to: Some(last) };
    let (findings, report) = replayed(&app, scope).await?;
    assert_eq!((findings, report.charges, report.statements), (vec![], 3, 1));
    let (findings, report) =
        replayed(&app, Scope { rp: Some(other.id.parse()?), ..Scope::default() }).await?;
    assert_eq!((findings, report.charges), (vec![], 1));
    Ok(())
}

/// What an attacker who owns the database can change, and what the replay calls it.
const PLANTED: &[(&str, &str, &str)] = &[
    ("a changed price", "UPDATE charges SET micros = micros + 1 WHERE micros > 0", "charge-price"),
    (
        "a price of another list",
        "UPDATE charges SET price_version = 'list-2' WHERE price_version = 'list-1'",
        "charge-price",
    ),
    (
        "a price list of yesterday made dearer",
        "UPDATE prices SET micros = 7000 WHERE version = 'list-1' AND service = 'face.compare'",
        "charge-price",
    ),
    ("a dropped charge", "DELETE FROM charges WHERE id = (SELECT MIN(id) FROM charges)", "charge-missing"),
    (
        "a dropped charge with its attempt",
        "DELETE FROM attempts WHERE charge_id = (SELECT MIN(id) FROM charges); \
         DELETE FROM charges WHERE id = (SELECT MIN(id) FROM charges)",
        "statement-total",
    ),
    (
        "a doubled charge",
        "INSERT INTO charges (rp_id, redemption_id, id, attempt_id, service, price_version, currency, micros, transaction_id, \
           usage_date, charged_at, pack_id, period, submitted_at) \
         SELECT rp_id, substr(redemption_id, 1, 29) || CASE WHEN redemption_id LIKE '%Z' THEN 'Y' ELSE 'Z' END, substr(id, 1, 29) || CASE WHEN id LIKE '%Z' THEN 'Y' ELSE 'Z' END, attempt_id, service, price_version, currency, \
           micros, transaction_id, usage_date, charged_at, pack_id, period, submitted_at FROM charges \
         WHERE id = (SELECT MIN(id) FROM charges)",
        "statement-total",
    ),
    (
        "a moved date",
        "UPDATE charges SET usage_date = '2026-01-01' WHERE id = (SELECT MIN(id) FROM charges)",
        "charge-date",
    ),
    (
        "a moved period",
        "UPDATE charges SET period = (SELECT MAX(period) FROM charges) WHERE id = (SELECT MIN(id) FROM charges)",
        "charge-period",
    ),
    (
        "a use moved out of its pack",
        "UPDATE charges SET pack_id = NULL WHERE pack_id IS NOT NULL",
        "pack-draw-order",
    ),
    (
        "an altered posting",
        "UPDATE postings SET micros = micros * 2 WHERE micros IN (6000, -6000)",
        "charge-postings",
    ),
    (
        "a posting of another account",
        "UPDATE postings SET account = 'promotions' WHERE account = 'fees:late'",
        "ledger-cause",
    ),
    (
        "a payment posted as more than was paid",
        "UPDATE postings SET micros = micros + 1 WHERE transaction_id = (SELECT transaction_id FROM payments) AND micros > 0",
        "ledger-unbalanced",
    ),
    (
        "a payment posted to others' cash",
        "UPDATE postings SET account = 'cash:alipay' WHERE account = 'cash:bank' AND micros = 100000000",
        "ledger-postings",
    ),
    (
        "a removed statement line",
        "DELETE FROM statement_items WHERE period = (SELECT MIN(period) FROM statement_items)",
        "statement-items",
    ),
    ("an altered statement total", "UPDATE statements SET micros = micros + 1", "statement-total"),
    (
        "a removed statement",
        "DELETE FROM statement_items WHERE period = (SELECT MAX(period) FROM statements); \
         DELETE FROM statements WHERE period = (SELECT MAX(period) FROM statements)",
        "statement-missing",
    ),
    (
        "the token of another statement",
        "UPDATE statements SET token = (SELECT token FROM statements ORDER BY period DESC LIMIT 1)",
        "statement-token",
    ),
    ("an altered receipt", "UPDATE attempts SET receipt = (SELECT MAX(receipt) FROM attempts)", "receipt"),
    (
        "units made from nothing",
        "UPDATE packs SET remaining = units, voided_at = NULL WHERE origin <> 'first-purchase'",
        "pack-remaining",
    ),
    (
        "a pack that nobody bought",
        "UPDATE packs SET origin = 'ord_01ARZ3NDEKTSV4RRFFQ69G5FAV' WHERE origin <> 'first-purchase'",
        "pack-order",
    ),
    (
        "revenue earned too early",
        "UPDATE packs SET earned_micros = paid_micros - 1 WHERE paid_micros > 0",
        "pack-earned",
    ),
    ("a raised balance", "UPDATE balances SET micros = micros + 1000000", "balance"),
    (
        "a forged late fee",
        "UPDATE statements SET late_fee_micros = late_fee_micros * 2 WHERE late_fee_micros > 0",
        "late-fee",
    ),
    (
        "a payment without its transaction",
        "DELETE FROM postings WHERE transaction_id = (SELECT transaction_id FROM payments); \
         DELETE FROM ledger_transactions WHERE id = (SELECT transaction_id FROM payments)",
        "ledger-missing",
    ),
    (
        "money without a payment",
        "UPDATE payments SET state = 'recorded', transaction_id = NULL",
        "ledger-cause",
    ),
    (
        "a payment of a statement that was later than it was",
        "UPDATE settlement_payments SET paid_at = paid_at + 86400000000",
        "settlement",
    ),
    ("an order cheaper than its list", "UPDATE orders SET list_micros = list_micros + 1", "order"),
    (
        "an order with more taken off than was promised",
        "UPDATE orders SET micros = micros - 1",
        "order-discount",
    ),
    (
        "an order that names a promotion it had not",
        "UPDATE orders SET promotions = 'never'",
        "order-discount",
    ),
    ("a promotion that was made larger later", "UPDATE promotions SET value = 9000", "order-discount"),
    (
        "a promotion that was put back in time",
        "INSERT INTO promotions (id, kind, value, stackable, valid_from, valid_until) \
           SELECT 'double', kind, 9000, stackable, valid_from, valid_until FROM promotions",
        "order-discount",
    ),
    ("books of nobody", "UPDATE balances SET rp_id = 'rp_01ARZ3NDEKTSV4RRFFQ69G5FAV'", "book-of-nobody"),
];

const TABLES: [&str; 13] = [
    "charges",
    "attempts",
    "postings",
    "ledger_transactions",
    "statements",
    "statement_items",
    "settlement_payments",
    "packs",
    "balances",
    "payments",
    "orders",
    "prices",
    "promotions",
];

/// As an attacker does who owns the database: first the triggers go.
fn disarm(app: &TestApp) -> Test {
    let triggers = [
        ("ledger_is_balanced", "ledger_transactions"),
        ("postings_stay", "postings"),
        ("ledger_transactions_stay", "ledger_transactions"),
        ("charges_stay", "charges"),
        ("statement_items_stay", "statement_items"),
    ];
    let of = |table: &str| postgres_server().map_or_else(String::new, |_| format!(" ON {table}"));
    for (trigger, table) in triggers {
        execute(app.database(), &format!("DROP TRIGGER {trigger}{}", of(table)))?;
    }
    for table in TABLES {
        execute(app.database(), &format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"))?;
    }
    Ok(())
}

/// All rows as they were.
fn undo(app: &TestApp) -> Test {
    for table in TABLES {
        let back = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
        execute(app.database(), &back)?;
    }
    Ok(())
}

#[actix_web::test]
async fn each_planted_error_is_found_by_its_name() -> Test {
    let (app, _) = lively().await?;
    disarm(&app)?;
    let mut missed = Vec::new();
    for (name, planted, expected) in PLANTED {
        execute(app.database(), planted)?;
        let (findings, report) = replayed(&app, Scope::default()).await?;
        assert_eq!(report.findings, u64::try_from(findings.len())?);
        if !findings.iter().any(|finding| finding.kind == *expected) {
            missed.push((name, findings));
        }
        undo(&app)?;
        let (findings, _) = replayed(&app, Scope::default()).await?;
        assert_eq!(findings, [], "after {name}");
    }
    assert!(missed.is_empty(), "not found: {missed:#?}");
    Ok(())
}

fn replay(app: &TestApp, more: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(ecert_tests::service::binary()?);
    command.args(["audit", "replay", "--database", app.database()]).args(more);
    Ok(command.arg("--data-dir").arg(app.folder()).output()?)
}

#[actix_web::test]
async fn the_command_fails_with_a_line_for_each_finding() -> Test {
    let (app, rp) = lively().await?;
    let good = replay(&app, &["--rp", &rp.id])?;
    let said = String::from_utf8(good.stdout)?;
    assert!(good.status.success() && said.contains("everything agrees"), "{said}");
    assert!(said.contains("8 charges of 0.027000") && said.contains("late fees 0.000012"), "{said}");
    execute(app.database(), "UPDATE balances SET micros = micros + 1")?;
    let bad = replay(&app, &["--json"])?;
    assert!(!bad.status.success());
    let lines: Vec<Value> =
        String::from_utf8(bad.stdout)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(
        (&lines[0]["finding"]["kind"], &lines[1]["summary"]["findings"]),
        (&json!("balance"), &json!(1))
    );
    let nobody = replay(&app, &["--rp", "rp_01ARZ3NDEKTSV4RRFFQ69G5FAV"])?;
    assert!(!nobody.status.success());
    let nothing = replay(&app, &["--from", "2026-11-02", "--to", "2026-11-01"])?;
    assert!(String::from_utf8(nothing.stderr)?.contains("--from is after --to"));

    Ok(())
}
