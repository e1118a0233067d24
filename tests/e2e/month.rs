//! A month in the life of a relying party, from its first purchase to what its auditor says.

use std::time::Duration;

use ecert_server::billing::merkle::Tree;
use ecert_server::flow::{alerts, earning, statements};
use ecert_server::stop::Stop;
use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::buying::yuan;
use ecert_tests::clients::{Answer, RelyingParty, fresh_key, root};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use wallet_core::jws::base64url;
use wallet_core::receipt::{Receipt, statement_leaf};
use wallet_core::statement::Statement;

use crate::orders::pay_in;

type Test = anyhow::Result<()>;

const DAY: i64 = 86_400;

struct Month {
    app: TestApp,
    rp: RelyingParty,
    /// The first money that came in.
    payment: Value,
}

fn done<T>(outcome: Result<T, Stop>) -> anyhow::Result<T> {
    outcome.map_err(|stop| anyhow::anyhow!("{stop:?}"))
}

/// What is kept in memory for a second may be seen late by as much.
async fn a_second() {
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

impl Month {
    async fn begin() -> anyhow::Result<Month> {
        let app = TestApp::start().await?;
        let services = ["person.verify", "face.liveness", "face.compare"];
        let rp = app.admin.admit_with("Corner Shop", &["name"], &services).await?;
        let payment = pay_in(&app, &rp, 1_000).await?;
        let pack = |id: &str, units: i64, price: i64| json!({ "id": id, "service": "face.compare", "kind": "pack", "units": units, "months": 1, "price": yuan(price) });
        for offer in [pack("ten", 10, 1), pack("ten-thousand", 10_000, 40)] {
            app.admin.post("/v1/admin/offers", &offer).await?.expect_status(201)?;
        }
        Ok(Month { app, rp, payment })
    }

    async fn compare(&self) -> anyhow::Result<Answer> {
        let picture = &later_frames()[0];
        self.rp.compare(picture, picture).await
    }

    /// What a comparison costs now, or why there is none.
    async fn cost(&self) -> anyhow::Result<String> {
        let answer = self.compare().await?;
        let micros = &answer.body["charge"]["amount"]["micros"];
        Ok(if answer.status == 200 { micros.to_string() } else { answer.refusal() })
    }

    async fn live(&self) -> anyhow::Result<Value> {
        let open = self.rp.liveness_session().await?;
        self.rp.judge_liveness(&open, &later_frames(), &fresh_key()).await?.expect_status(200)
    }

    /// How long the day, in the product's zone, still lasts.
    fn seconds_to_midnight(&self) -> i64 {
        let now = self.app.context.zone.to_datetime(self.app.clock_now());
        let gone = SignedDuration::from_hours(now.hour().into())
            + SignedDuration::from_mins(now.minute().into())
            + SignedDuration::from_secs(now.second().into());
        DAY - gone.as_secs()
    }

    /// A quarter of an hour into the next day everything that is over is closed.
    fn close_the_day(&self) -> anyhow::Result<()> {
        self.app.wait(self.seconds_to_midnight() + 900);
        done(statements::close_due(&self.app.context))
    }

    async fn bills(&self) -> anyhow::Result<Vec<Value>> {
        let body = self.rp.get("/v1/statements").await?.expect_status(200)?;
        Ok(body["statements"].as_array().cloned().unwrap_or_default())
    }

    async fn standing(&self) -> anyhow::Result<(String, i64)> {
        let account = self.rp.get("/v1/balance").await?.expect_status(200)?;
        let word = account["standing"].as_str().unwrap_or_default().to_owned();
        Ok((word, account["to_pay"]["micros"].as_i64().unwrap_or(-1)))
    }

    async fn told(&self, kind: &str) -> anyhow::Result<usize> {
        done(alerts::tell(&self.app.context))?;
        let told = self.rp.get("/v1/messages").await?.expect_status(200)?;
        let messages = told["messages"].as_array().cloned().unwrap_or_default();
        let is_told =
            |message: &&Value| message["kind"] == kind && message["body"]["service"] == "face.compare";
        Ok(messages.iter().filter(is_told).count())
    }
}

/// The first purchase brings a hundred of two services, once; the 101st is on account.
async fn first_purchase(month: &Month) -> Test {
    // All of this is one day's, and the price that follows is announced in time.
    if month.seconds_to_midnight() < 600 {
        month.app.wait(600);
    }
    let bought = month.rp.buy("ten").await?;
    assert_eq!(bought["with_gift"], true);
    for _ in 0..100 {
        assert_eq!(month.live().await?["charge"]["amount"]["micros"], 0);
    }
    let overflow = month.live().await?;
    assert_eq!(
        (&overflow["charge"]["amount"]["micros"], &overflow["charge"]["pack"]),
        (&json!(182_000), &Value::Null)
    );
    Ok(())
}

/// At 30 % it is told, once; a purchase lets it be told again.
async fn packs_run_low(month: &Month) -> Test {
    for expected in [0, 0, 0, 0, 0, 0, 1, 1] {
        assert_eq!(month.cost().await?, "0");
        assert_eq!(month.told("pack.low").await?, expected);
    }
    month.rp.buy("ten").await?;
    // Two of the first ten are left: 30 % of twenty are six.
    for expected in [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2] {
        assert_eq!((month.cost().await?.as_str(), month.told("pack.low").await?), ("0", expected));
    }
    Ok(())
}

/// A use at 23:59:59 costs the old price, one at midnight the new one.
async fn the_price_changes_at_midnight(month: &Month) -> Test {
    let ahead = month.seconds_to_midnight();
    let midnight = Timestamp::from_second(month.app.clock_now().as_second() + ahead)?;
    let price = json!({ "service": "face.compare", "micros": 5_000 });
    let list = json!({ "version": "list-2", "valid_from": midnight, "prices": [price] });
    let app = &month.app;
    app.approved(app.admin.post("/v1/admin/prices", &list).await?).await?;
    a_second().await;
    month.app.wait(ahead - 1);
    assert_eq!(month.cost().await?, "6000");
    month.app.wait(1);
    assert_eq!(month.cost().await?, "5000");
    Ok(())
}

/// Closed again, and after a crash between the last statement and the note that there are no more, a day has its one statement.
async fn a_day_is_closed_once(month: &Month) -> Test {
    month.app.wait(900);
    done(statements::close_due(&month.app.context))?;
    let bills = month.bills().await?;
    assert_eq!(
        (bills.len(), &bills[0]["amount"]["micros"], &bills[0]["state"]),
        (1, &json!(188_000), &json!("settled"))
    );
    done(statements::close_due(&month.app.context))?;
    ecert_tests::app::execute(month.app.database(), "DELETE FROM closed_periods")?;
    done(statements::close_due(&month.app.context))?;
    assert_eq!(month.bills().await?, bills);
    Ok(())
}

/// What is left goes back the way it came; then a day can't be paid: a day of grace, suspension, three days' late fee, and back at once.
async fn in_arrears_and_back(month: &Month) -> Test {
    let left = month.app.admin.balance(&month.rp).await?;
    let refund = month.app.admin.ask_refund(&month.payment, left).await?.expect_status(201)?;
    month.app.second().await?.decide_refund(&refund, "approve").await?.expect_status(200)?;
    assert_eq!(month.app.admin.balance(&month.rp).await?, 0);
    for _ in 0..4 {
        assert_eq!(month.cost().await?, "5000");
    }
    month.close_the_day()?;
    a_second().await;
    assert_eq!(month.standing().await?, ("in_arrears".to_owned(), 25_000));
    month.app.wait(DAY - 60);
    assert_eq!(month.cost().await?, "5000");
    month.app.wait(60);
    assert_eq!(
        (month.cost().await?.as_str(), month.standing().await?.0.as_str()),
        ("402 arrears-suspended", "suspended")
    );
    // 0.05 % of 25,000 a day, over three midnights, is 37.5: half goes to the even neighbour.
    month.app.wait(2 * DAY);
    assert_eq!(month.standing().await?.1, 25_000 + 38);
    pay_in(&month.app, &month.rp, 100).await?;
    a_second().await;
    assert_eq!((month.cost().await?.as_str(), month.standing().await?), ("5000", ("clear".to_owned(), 0)));
    assert_eq!(month.bills().await?[1]["late_fee"]["micros"], 38);
    Ok(())
}

/// A coupon is no use on top of a promotion; an order that is left for a week and a second is gone.
async fn what_is_not_to_be_had(month: &Month) -> Test {
    let now = month.app.clock_now();
    let promotion = |id: &str, coupon: Option<&str>| {
        let mut promotion = json!({ "id": id, "basis_points": 1_000, "offer": "ten-thousand", "valid_from": now,
            "valid_until": now + SignedDuration::from_hours(48) });
        if let Some(coupon) = coupon {
            promotion["coupon"] = json!(coupon);
        }
        promotion
    };
    for promotion in [promotion("autumn", None), promotion("thanks", Some("THANKS"))] {
        month.app.admin.post("/v1/admin/promotions", &promotion).await?.expect_status(201)?;
    }
    let stacked = month.rp.order_as(json!({ "offer": "ten-thousand", "coupon": "THANKS" })).await?;
    assert_eq!(stacked.refusal(), "409 coupon-not-stackable");
    let order = month.rp.order("ten-thousand").await?;
    month.app.wait(7 * DAY + 1);
    assert_eq!(month.rp.pay(&order).await?.refusal(), "409 order-closed");
    assert_eq!(month.rp.show_order(&order).await?["state"], "expired");
    Ok(())
}

/// What is left of a pack at its end is void, and what was paid for it is earned.
async fn a_pack_ends_with_units_left(month: &Month) -> Test {
    month.rp.buy("ten-thousand").await?;
    assert_eq!(month.cost().await?, "0");
    month.close_the_day()?;
    month.app.wait(32 * DAY);
    done(earning::void_expired(&month.app.context))?;
    assert_eq!(month.cost().await?, "5000");
    assert_eq!(month.app.admin.units(&month.rp, "face.compare").await?, 0);
    assert_eq!(month.app.admin.account("void:face.compare").await?, 9_999);
    month.close_the_day()
}

/// The relying party's own receipts make its statements, to the micro-yuan.
async fn it_checks_its_bills(month: &Month) -> Test {
    let issuer = root(&month.app.holder().issuer().await?)?;
    let now = month.app.clock_now();
    for bill in month.bills().await? {
        let statement = Statement::verify(bill["statement"].as_str().unwrap_or_default(), &issuer, now)?;
        let lines = month.rp.get(&format!("/v1/statements/{}/lines?limit=1000", statement.period)).await?;
        let (mut tree, mut sum, mut uses) = (Tree::default(), 0, 0);
        for line in lines.expect_status(200)?["lines"].as_array().expect("lines") {
            let token = line["receipt"].as_str().unwrap_or_default();
            let charge = Receipt::verify(token, &issuer, now)?.charge.expect("it was charged");
            assert_eq!(charge.period.as_deref(), Some(statement.period.as_str()));
            tree.push(statement_leaf(token));
            sum += charge.amount.micros.get();
            uses += 1;
        }
        assert_eq!((sum, uses), (statement.amount.micros.get(), statement.uses));
        assert_eq!(base64url(&tree.finish().root), statement.root);
    }
    Ok(())
}

#[actix_web::test]
async fn a_month_in_the_life_of_a_relying_party() -> Test {
    let month = Month::begin().await?;
    first_purchase(&month).await?;
    packs_run_low(&month).await?;
    the_price_changes_at_midnight(&month).await?;
    a_day_is_closed_once(&month).await?;
    in_arrears_and_back(&month).await?;
    what_is_not_to_be_had(&month).await?;
    a_pack_ends_with_units_left(&month).await?;
    it_checks_its_bills(&month).await?;
    crate::replay::agrees(&month.app).await?;
    month.app.charges().await.map(drop)
}
