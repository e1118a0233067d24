//! A relying party of the sandbox lives through a month over HTTP alone, while the service's own clock stands still.

use ecert_server::billing::merkle::Tree;
use ecert_tests::app::TestApp;
use ecert_tests::clients::buying::yuan;
use ecert_tests::clients::{RelyingParty, root};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use wallet_core::code::test_people::TestPerson;
use wallet_core::jws::base64url;
use wallet_core::receipt::{Receipt, statement_leaf};
use wallet_core::statement::Statement;

type Test = anyhow::Result<()>;

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// A day is closed ten minutes after it ends.
const QUARTER: SignedDuration = SignedDuration::from_mins(15);

/// What a use costs now, or why there is none.
async fn cost(rp: &RelyingParty) -> anyhow::Result<String> {
    let answer = rp.meet(TestPerson::Passes).await?;
    let micros = &answer.body["charge"]["amount"]["micros"];
    Ok(if answer.status == 200 { micros.to_string() } else { answer.refusal() })
}

async fn bills(rp: &RelyingParty) -> anyhow::Result<Vec<Value>> {
    let body = rp.get("/v1/statements").await?.expect_status(200)?;
    Ok(body["statements"].as_array().cloned().unwrap_or_default())
}

async fn standing(rp: &RelyingParty) -> anyhow::Result<(String, i64)> {
    let account = rp.get("/v1/balance").await?.expect_status(200)?;
    let word = account["standing"].as_str().unwrap_or_default().to_owned();
    Ok((word, account["to_pay"]["micros"].as_i64().unwrap_or(-1)))
}

/// To a quarter of an hour after the next midnight of the product's zone.
async fn into_the_next_day(app: &TestApp, rp: &RelyingParty) -> Test {
    let now = rp.time().await?;
    let midnight = app.context.zone.to_datetime(now).date().tomorrow()?.to_zoned(app.context.zone.clone())?;
    rp.advance(midnight.timestamp().duration_since(now) + QUARTER).await
}

/// A pack of three, and a fourth use on account; the day is closed, and paid from the balance.
async fn the_first_day(app: &TestApp, rp: &RelyingParty) -> Test {
    let offer = json!({ "id": "redeem-3", "service": "ecert.redeem", "kind": "pack", "units": 3, "months": 1, "price": yuan(3) });
    app.admin.post("/v1/admin/offers", &offer).await?.expect_status(201)?;
    rp.pay_in(10).await?;
    assert_eq!(rp.buy("redeem-3").await?["with_gift"], true);
    for expected in ["0", "0", "0", "1000000"] {
        assert_eq!(cost(rp).await?, expected);
    }
    into_the_next_day(app, rp).await?;
    let [bill] = &bills(rp).await?[..] else { anyhow::bail!("one bill") };
    assert_eq!((&bill["uses"], &bill["amount"], &bill["state"]), (&json!(4), &yuan(1), &json!("settled")));
    let told = rp.get("/v1/messages").await?.expect_status(200)?;
    let kinds: Vec<&Value> =
        told["messages"].as_array().expect("messages").iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["payment", "order.paid", "statement.closed", "pack.low"]);
    Ok(())
}

/// Eight yuan are used, six are there: a day of grace, suspension, two days' late fee, and back at once.
async fn in_arrears_and_back(app: &TestApp, rp: &RelyingParty) -> Test {
    for _ in 0..8 {
        assert_eq!(cost(rp).await?, "1000000");
    }
    into_the_next_day(app, rp).await?;
    assert_eq!(standing(rp).await?, ("in_arrears".to_owned(), 2_000_000));
    let closed_at: Timestamp = bills(rp).await?[1]["closed_at"].as_str().unwrap_or_default().parse()?;
    let grace = (closed_at + DAY).duration_since(rp.time().await?);
    rp.advance(grace - SignedDuration::from_secs(1)).await?;
    assert_eq!(cost(rp).await?, "1000000");
    rp.advance(SignedDuration::from_secs(1)).await?;
    assert_eq!(cost(rp).await?, "402 arrears-suspended");
    rp.advance(DAY).await?;
    // Two midnights at 0.05 % of two yuan, and the use of the day of grace.
    assert_eq!(standing(rp).await?, ("suspended".to_owned(), 3_000_000 + 2_000));
    rp.pay_in(100).await?;
    assert_eq!((cost(rp).await?.as_str(), standing(rp).await?), ("1000000", ("clear".to_owned(), 0)));
    Ok(())
}

/// What is left of the month: an order lapses, a pack ends with units left.
async fn the_rest_of_it(app: &TestApp, rp: &RelyingParty) -> Test {
    let (order, _) = (rp.order("redeem-3").await?, rp.buy("redeem-3").await?);
    assert_eq!(cost(rp).await?, "0");
    rp.advance(DAY * 7 + SignedDuration::from_secs(1)).await?;
    assert_eq!(rp.show_order(&order).await?["state"], "expired");
    assert_eq!(rp.pay(&order).await?.refusal(), "409 order-closed");
    rp.advance(DAY * 25).await?;
    assert_eq!(cost(rp).await?, "1000000");
    let packs = rp.get("/v1/packs").await?.expect_status(200)?;
    let of_redemptions = packs["packs"].as_array().expect("packs").iter();
    assert_eq!(of_redemptions.filter(|pack| pack["service"] == "ecert.redeem").count(), 0);
    into_the_next_day(app, rp).await
}

/// Its receipts make its statements; both say of what they are, and pass for nothing else.
async fn it_checks_its_bills(app: &TestApp, rp: &RelyingParty) -> Test {
    let (issuer, now) = (root(&app.holder().issuer().await?)?, app.clock_now());
    let bills = bills(rp).await?;
    assert!(bills.windows(2).all(|pair| pair[0]["closed_at"].as_str() < pair[1]["closed_at"].as_str()));
    for bill in &bills {
        let token = bill["statement"].as_str().unwrap_or_default();
        let statement = Statement::verify_sandbox(token, &issuer, now)?;
        assert!(Statement::verify(token, &issuer, now).is_err());
        let lines = rp.get(&format!("/v1/statements/{}/lines?limit=1000", statement.period)).await?;
        let (mut tree, mut sum, mut uses) = (Tree::default(), 0, 0);
        for line in lines.expect_status(200)?["lines"].as_array().expect("lines") {
            let token = line["receipt"].as_str().unwrap_or_default();
            let charge = Receipt::verify_sandbox(token, &issuer, now)?.charge.expect("it was charged");
            assert!(Receipt::verify(token, &issuer, now).is_err());
            assert_eq!(charge.period.as_deref(), Some(statement.period.as_str()));
            tree.push(statement_leaf(token));
            (sum, uses) = (sum + charge.amount.micros.get(), uses + 1);
        }
        assert_eq!((sum, uses), (statement.amount.micros.get(), statement.uses));
        assert_eq!(base64url(&tree.finish().root), statement.root);
    }
    Ok(())
}

#[actix_web::test]
async fn a_month_in_the_sandbox_over_http_alone() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_to_the_sandbox().await?;
    let began = app.clock_now();
    rp.stop_clock().await?.expect_status(200)?;
    the_first_day(&app, &rp).await?;
    in_arrears_and_back(&app, &rp).await?;
    the_rest_of_it(&app, &rp).await?;
    it_checks_its_bills(&app, &rp).await?;
    assert_eq!(app.clock_now(), began, "nobody else has grown older");
    assert!(rp.time().await? > began + DAY * 31);
    crate::replay::agrees(&app).await?;
    crate::sandbox::holds(&app).await?;
    let ledger = app.admin.ledger().await?.expect_status(200)?;
    assert_eq!((&ledger["transactions"], &ledger["accounts"]), (&json!(0), &json!({})));
    Ok(())
}
