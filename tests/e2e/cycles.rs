//! Services that are billed by the hour and by the month beside those that are billed by the day, and how one becomes the other.

use ecert_server::flow::{announcements, statements};
use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::{Admin, RelyingParty, fresh_key, text};
use jiff::{SignedDuration, Timestamp, Zoned};
use serde_json::{Value, json};

use crate::orders::pay_in;

type Test = anyhow::Result<()>;

const HOUR: i64 = 3_600;

async fn a_second() {
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
}

async fn compare(rp: &RelyingParty) -> anyhow::Result<String> {
    let picture = &later_frames()[0];
    period(&rp.compare(picture, picture).await?.expect_status(200)?)
}

async fn describe(rp: &RelyingParty) -> anyhow::Result<String> {
    period(&rp.describe(&later_frames()[0]).await?.expect_status(200)?)
}

async fn live(rp: &RelyingParty) -> anyhow::Result<String> {
    let open = rp.liveness_session().await?;
    period(&rp.judge_liveness(&open, &later_frames(), &fresh_key()).await?.expect_status(200)?)
}

/// The period that a use was billed in.
fn period(answer: &Value) -> anyhow::Result<String> {
    text(answer, "/charge/period")
}

fn local(app: &TestApp) -> Zoned {
    app.clock_now().to_zoned(app.context.zone.clone())
}

/// Lets time pass until a moment.
fn wait_until(app: &TestApp, moment: Timestamp) {
    app.wait(moment.duration_since(app.clock_now()).as_secs() + 1);
}

fn midnight(app: &TestApp, days: i64) -> anyhow::Result<Timestamp> {
    let day = local(app).date().saturating_add(jiff::Span::new().days(days));
    Ok(day.to_zoned(app.context.zone.clone())?.timestamp())
}

fn next_month(app: &TestApp) -> anyhow::Result<Timestamp> {
    let first = local(app).date().first_of_month().saturating_add(jiff::Span::new().months(1));
    Ok(first.to_zoned(app.context.zone.clone())?.timestamp())
}

async fn change(app: &TestApp, service: &str, cycle: &str) -> anyhow::Result<Timestamp> {
    let wanted = json!({ "service": service, "cycle": cycle });
    let announced = app.admin.post("/v1/admin/billing-cycles", &wanted).await?.expect_status(201)?;
    a_second().await;
    Ok(text(&announced, "/since")?.parse()?)
}

#[actix_web::test]
async fn an_hourly_and_a_monthly_service_are_billed_beside_a_daily_one_to_the_micro_yuan() -> Test {
    let app = TestApp::start().await?;
    let services = ["face.compare", "face.attributes", "face.liveness"];
    let rp = app.admin.admit_with("Corner Shop", &["name"], &services).await?;
    pay_in(&app, &rp, 1_000).await?;
    // Announced in the middle of a month: until its end all three are daily.
    if next_month(&app)?.duration_since(app.clock_now()) < SignedDuration::from_hours(50) {
        wait_until(&app, next_month(&app)?);
    }
    let month_ends = next_month(&app)?;
    assert_eq!(change(&app, "face.attributes", "monthly").await?, month_ends);
    let day = local(&app).date().to_string();
    assert_eq!([compare(&rp).await?, describe(&rp).await?, live(&rp).await?], [&*day, &*day, &*day]);
    wait_until(&app, month_ends - SignedDuration::from_hours(3));
    assert_eq!(change(&app, "face.compare", "hourly").await?, month_ends);

    // A second before the change, and with it.
    app.wait(month_ends.duration_since(app.clock_now()).as_secs());
    let last = local(&app).date().to_string();
    assert_eq!([compare(&rp).await?, describe(&rp).await?, live(&rp).await?], [&*last, &*last, &*last]);
    app.wait(1);
    let first = local(&app);
    let (hour, day, month) = (
        format!("{}T00+08", first.date()),
        first.date().to_string(),
        first.date().strftime("%Y-%m").to_string(),
    );
    assert_eq!([compare(&rp).await?, describe(&rp).await?, live(&rp).await?], [hour, month.clone(), day]);
    app.wait(2 * HOUR);
    assert_eq!(compare(&rp).await?, format!("{}T02+08", first.date()));
    app.wait(72 * HOUR);
    assert_eq!(describe(&rp).await?, month);

    wait_until(&app, next_month(&app)? + SignedDuration::from_mins(11));
    statements::close_due(&app.context)?;
    statements::close_due(&app.context)?;
    let bills = rp.get("/v1/statements").await?.expect_status(200)?["statements"].clone();
    let bills: Vec<(usize, i64)> = bills
        .as_array()
        .expect("statements")
        .iter()
        .map(|bill| (bill["period"].as_str().unwrap_or_default().len(), bill["uses"].as_i64().unwrap_or(0)))
        .collect();
    // By the lengths of their names: two months' days of three uses, one of liveness alone; two hours of one; a month of two.
    let of =
        |length: usize| bills.iter().filter(|bill| bill.0 == length).map(|bill| bill.1).collect::<Vec<_>>();
    assert_eq!((of(10), of(16), of(7)), (vec![3, 3, 1], vec![1, 1], vec![2]), "{bills:?}");
    crate::replay::agrees(&app).await
}

#[actix_web::test]
async fn a_cycle_changes_at_a_boundary_of_both_and_once_at_a_time() -> Test {
    let app = TestApp::start().await?;
    let post = async |body: Value| app.admin.post("/v1/admin/billing-cycles", &body).await;
    let wanted =
        |cycle: &str, since: Timestamp| json!({ "service": "face.compare", "cycle": cycle, "since": since });
    let (tomorrow, month) = (midnight(&app, 2)?, next_month(&app)?);
    let off = month + SignedDuration::from_hours(26);
    for (refused, field) in [
        (wanted("monthly", off), "since"),
        (wanted("hourly", tomorrow + SignedDuration::from_mins(60)), "since"),
        (wanted("hourly", midnight(&app, 0)?), "since"),
        (wanted("weekly", tomorrow), "cycle"),
        (wanted("daily", tomorrow), "cycle"),
        (json!({ "service": "face.swap", "cycle": "hourly" }), "service"),
    ] {
        let answer = post(refused.clone()).await?;
        assert_eq!(
            (answer.refusal().as_str(), &answer.body["field"]),
            ("400 request-invalid", &json!(field)),
            "{refused}"
        );
    }
    post(wanted("hourly", tomorrow)).await?.expect_status(201)?;
    assert_eq!(post(wanted("monthly", month)).await?.body["field"], "service", "one is announced already");
    let listed = app.admin.get("/v1/admin/billing-cycles").await?.expect_status(200)?;
    assert_eq!(
        listed["announced"],
        json!([{ "service": "face.compare", "cycle": "hourly", "since": tomorrow }])
    );
    assert_eq!(listed["in_force"].as_array().map(Vec::len), Some(7));
    wait_until(&app, tomorrow);
    let listed = app.admin.get("/v1/admin/billing-cycles").await?.expect_status(200)?;
    assert_eq!(listed["announced"], json!([]));
    let rp = app.relying_party().await?;
    let seen = rp.get("/v1/prices").await?.expect_status(200)?["cycles"].clone();
    assert_eq!(seen, listed, "relying parties see the same");
    for nobody in [Admin::new(&app.base, "ea_nobody"), Admin::new(&app.base, &rp.api_key)] {
        assert_eq!(nobody.get("/v1/admin/billing-cycles").await?.refusal(), "401 unauthenticated");
        let refused = nobody.post("/v1/admin/billing-cycles", &wanted("daily", month)).await?;
        assert_eq!(refused.refusal(), "401 unauthenticated");
    }
    Ok(())
}

#[actix_web::test]
async fn whoever_buys_a_service_is_told_once_of_its_new_price_and_cycle() -> Test {
    let app = TestApp::start().await?;
    let buyer = app.admin.admit_with("Corner Shop", &["name"], &["face.compare"]).await?;
    let another = app.admin.admit_with("Another", &["name"], &["face.compare", "face.liveness"]).await?;
    let stranger = app.admin.admit_with("Stranger", &["name"], &["person.verify"]).await?;
    let at = midnight(&app, 3)?;
    let prices = [
        json!({ "service": "face.compare", "micros": 5_000 }),
        json!({ "service": "face.liveness", "micros": 1 }),
    ];
    let list = json!({ "version": "list-2", "valid_from": at, "prices": prices });
    app.approved(app.admin.post("/v1/admin/prices", &list).await?).await?;
    change(&app, "face.liveness", "monthly").await?;
    for _ in 0..2 {
        announcements::tell(&app.context)?;
    }
    let told = async |rp: &RelyingParty| -> anyhow::Result<Vec<Value>> {
        let messages = rp.get("/v1/messages").await?.expect_status(200)?["messages"].clone();
        Ok(messages.as_array().cloned().unwrap_or_default())
    };
    let kinds = |messages: &[Value]| {
        let kinds = messages.iter().filter_map(|one| one["kind"].as_str()).map(str::to_owned);
        let mut kinds: Vec<_> = kinds.collect();
        // Told in one moment, in no order.
        kinds.sort();
        kinds
    };
    let first = told(&buyer).await?;
    assert_eq!(kinds(&first), ["price.announced"]);
    assert_eq!(first[0]["body"]["prices"][0]["price"]["micros"], 5_000);
    assert_eq!(kinds(&told(&another).await?), ["cycle.announced", "price.announced"]);
    assert_eq!(kinds(&told(&stranger).await?), Vec::<String>::new());
    Ok(())
}
