//! What an operator sees: /metrics, the dashboard and alert rules that read them, and traces.

mod promql;
mod traces;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use diesel::RunQueryDsl as _;
use ecert_server::edge::clock::Clock as _;
use ecert_server::flow::health;
use ecert_server::store::outbox;
use ecert_tests::app::{TestApp, later_frames, samples};
use ecert_tests::clients::Answer;
use ecert_tests::samples::variants;
use promql::Scrape;
use reqwest::Client;
use serde_json::Value;
use wallet_core::attributes::Share;

type Test = anyhow::Result<()>;

async fn scrape(app: &TestApp) -> anyhow::Result<Scrape> {
    let text = Answer::to(Client::new().get(format!("{}/metrics", app.base))).await?.expect_status(200)?;
    Scrape::parse(text.as_str().context("/metrics is no text")?)
}

/// One enrolment, one redemption that passes, one capture that can't be judged, one code used twice.
async fn live_through_a_day(app: &TestApp) -> Test {
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let code = holder.qr(Share::Name)?;
    let open = rp.open(&code).await?;
    assert_eq!(rp.redeem(&code).await?.refusal(), "409 code-already-redeemed");
    rp.judge(&open, &variants(samples().landscape(), 2)?).await?.expect_status(422)?;
    rp.judge(&open, &later_frames()).await?.expect_status(200)?;
    Ok(())
}

#[actix_web::test]
async fn after_a_redemption_the_metrics_show_it_and_its_stages() -> Test {
    let app = TestApp::start().await?;
    let before = scrape(&app).await?;
    assert_eq!(before.value("ecert_redemptions_total", &[("outcome", "passed")]), Some(0.0));
    live_through_a_day(&app).await?;
    let now = scrape(&app).await?;
    for (outcome, times) in [("passed", 1.0), ("failed", 0.0), ("unusable", 1.0)] {
        assert_eq!(now.value("ecert_redemptions_total", &[("outcome", outcome)]), Some(times), "{outcome}");
    }
    let service = [("service", "ecert.redeem")];
    assert_eq!(now.value("ecert_charges_total", &service), Some(1.0));
    assert_eq!(now.value("ecert_billed_micro_yuan_total", &service), Some(1_000_000.0));
    assert_eq!(now.value("ecert_enrolments_total", &[("outcome", "approved")]), Some(1.0));
    assert_eq!(now.value("ecert_problems_total", &[("code", "code-already-redeemed")]), Some(1.0));
    assert_eq!(now.value("ecert_problems_total", &[("code", "capture-unusable")]), Some(1.0));
    assert_eq!(now.value("ecert_problems_total", &[("code", "not-found")]), None, "scraping is no problem");
    let stages = [
        ("redemption", "open", 2.0),
        ("redemption", "upload", 2.0),
        ("redemption", "claim", 2.0),
        ("redemption", "models", 2.0),
        ("redemption", "settle", 2.0),
        ("enrolment", "document", 1.0),
        ("enrolment", "issue", 1.0),
        ("relying_party", "authenticate", 4.0),
        // Consent and certificate, the receipts of both attempts, the result; and the status list at the start.
        ("issuer", "sign", 6.0),
    ];
    for (operation, stage, times) in stages {
        let labels = [("operation", operation), ("stage", stage)];
        let seen = now.value("ecert_stage_duration_seconds_count", &labels);
        assert!(seen >= Some(times), "{operation} {stage}: {seen:?} of {times}");
    }
    let models = [("operation", "redemption"), ("stage", "models")];
    assert!(now.value("ecert_stage_duration_seconds_sum", &models) > Some(0.001));
    assert!(now.value("ecert_database_transactions_total", &[("outcome", "committed")]) > Some(10.0));
    assert_eq!(now.value("ecert_uploads", &[]), Some(0.0));
    Ok(())
}

#[actix_web::test]
async fn an_answer_that_is_repeated_is_not_counted_again() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    for _ in 0..3 {
        rp.judge_with(&open, &later_frames(), "the same key").await?.expect_status(200)?;
    }
    let now = scrape(&app).await?;
    assert_eq!(now.value("ecert_redemptions_total", &[("outcome", "passed")]), Some(1.0));
    assert_eq!(now.value("ecert_charges_total", &[("service", "ecert.redeem")]), Some(1.0));
    Ok(())
}

#[actix_web::test]
async fn what_waits_and_what_does_not_add_up_is_seen() -> Test {
    let app = TestApp::start().await?;
    live_through_a_day(&app).await?;
    health::check_ledger(&app.context)?;
    assert_eq!(scrape(&app).await?.value("ecert_ledger_unbalanced_transactions", &[]), Some(0.0));
    let once_more = "INSERT INTO postings (book, transaction_id, line, account, currency, micros) \
                     SELECT book, transaction_id, line + 10, account, currency, micros FROM postings WHERE line = 0";
    let now = app.clock.now();
    app.context.rp_store.write(|conn| {
        diesel::sql_query(once_more).execute(conn)?;
        Ok(outbox::append(conn, "a topic that no job knows", "-", now)?)
    })?;
    app.wait(90);
    health::check_ledger(&app.context)?;
    health::measure(&app.context)?;
    let seen = scrape(&app).await?;
    assert_eq!(seen.value("ecert_ledger_unbalanced_transactions", &[]), Some(1.0));
    assert!(seen.value("ecert_outbox_entries", &[]) >= Some(1.0));
    assert!(seen.value("ecert_outbox_oldest_age_seconds", &[]) >= Some(90.0));
    assert_eq!(seen.value("ecert_ready", &[]), Some(1.0));
    // The clock that was wound by hand is ahead of a database that has its own.
    let is_sqlite = seen.value("ecert_build_info", &[("database", "sqlite")]).is_some();
    let skew = seen.value("ecert_clock_skew_seconds", &[]).context("no skew")?;
    assert!(if is_sqlite { skew == 0.0 } else { (80.0..100.0).contains(&skew) }, "{skew}");
    Ok(())
}

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file)
}

fn alerts() -> anyhow::Result<Vec<Value>> {
    let text = std::fs::read_to_string(deploy("prometheus/ecert.rules.yml"))?;
    let rules: Value = serde_saphyr::from_str(&text)?;
    let groups = rules["groups"].as_array().context("no groups")?;
    Ok(groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect())
}

/// Every `expr` below a JSON value.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("expr").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| expressions(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[actix_web::test]
async fn every_metric_and_label_of_the_dashboard_and_the_alerts_exists() -> Test {
    let app = TestApp::start().await?;
    live_through_a_day(&app).await?;
    let dashboard: Value = serde_json::from_slice(&std::fs::read(deploy("grafana/ecert.json"))?)?;
    let mut all = Vec::new();
    expressions(&dashboard, &mut all);
    let of_dashboard = all.len();
    alerts()?.iter().for_each(|alert| expressions(alert, &mut all));
    assert!(of_dashboard > 20 && all.len() > of_dashboard + 10, "{of_dashboard} of {}", all.len());
    // Jobs count themselves once they ran, which they do at the start.
    let mut scraped = scrape(&app).await?;
    for _ in 0..50 {
        if scraped.value("ecert_job_duration_seconds_count", &[("task", "measure")]) > Some(0.0) {
            break;
        }
        actix_web::rt::time::sleep(std::time::Duration::from_millis(100)).await;
        scraped = scrape(&app).await?;
    }
    let unknown: BTreeSet<String> = all
        .iter()
        .flat_map(|expression| promql::selectors(expression))
        .filter(|selector| !scraped.has(selector))
        .map(|selector| selector.to_string())
        .collect();
    assert!(unknown.is_empty(), "not in /metrics: {unknown:#?}");
    Ok(())
}

#[test]
fn every_alert_has_its_entry_in_the_runbook_and_every_entry_its_alert() -> Test {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
    let book = std::fs::read_to_string(book)?;
    let entries: BTreeSet<&str> = book
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .filter(|h| h.starts_with("Ecert"))
        .collect();
    let alerts = alerts()?;
    let named: BTreeSet<&str> = alerts.iter().filter_map(|alert| alert["alert"].as_str()).collect();
    assert_eq!(named, entries);
    for alert in &alerts {
        let name = alert["alert"].as_str().context("an alert without a name")?;
        let link = format!("docs/OPERATIONS.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], Value::from(link));
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap_or_default()));
        assert!(alert["annotations"]["summary"].as_str().is_some_and(|summary| summary.len() > 10), "{name}");
    }
    // Prometheus' own judgement, where it is installed.
    for (check, file) in [("rules", "prometheus/ecert.rules.yml"), ("config", "prometheus/prometheus.yml")] {
        if let Ok(output) = Command::new("promtool").args(["check", check]).arg(deploy(file)).output() {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    Ok(())
}
