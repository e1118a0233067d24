//! The most that a relying party may claim for a fault: what it paid for the service that failed.

use ecert_server::flow::statements;
use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::RelyingParty;
use ecert_tests::clients::buying::yuan;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::orders::pay_in;

type Test = anyhow::Result<()>;

const DAY: i64 = 86_400;

/// The figures for packs and for use on account.
async fn figures(rp: &RelyingParty, service: &str, at: Timestamp) -> anyhow::Result<(i64, i64)> {
    let told = rp.get(&format!("/v1/liability?service={service}&fault_at={at}")).await?.expect_status(200)?;
    let of = |name: &str| told[name]["micros"].as_i64().unwrap_or(-1);
    Ok((of("of_packs"), of("of_use")))
}

#[actix_web::test]
async fn it_is_what_was_paid_for_the_service_within_a_year_or_for_the_packs_in_force() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_with("Corner Shop", &["name"], &["face.compare", "face.attributes"]).await?;
    let picture = &later_frames()[0];
    for _ in 0..2 {
        rp.compare(picture, picture).await?.expect_status(200)?;
    }
    rp.describe(picture).await?.expect_status(200)?;
    app.wait(DAY);
    statements::close_due(&app.context)?;
    let unpaid = app.clock_now();
    assert_eq!(figures(&rp, "face.compare", unpaid).await?, (0, 0), "nothing was paid yet");
    app.wait(60);
    pay_in(&app, &rp, 10).await?;
    let paid = app.clock_now();
    assert_eq!(figures(&rp, "face.compare", paid).await?, (0, 12_000));
    assert_eq!(figures(&rp, "face.attributes", paid).await?, (0, 6_000));
    assert_eq!(figures(&rp, "face.compare", unpaid).await?, (0, 0), "paid after the fault");

    let offer = json!({ "id": "ten", "service": "face.compare", "kind": "pack", "units": 10, "months": 1, "price": yuan(2) });
    app.admin.post("/v1/admin/offers", &offer).await?.expect_status(201)?;
    rp.buy("ten").await?;
    let again = rp.buy("ten").await?;
    let bought = app.clock_now();
    assert_eq!(figures(&rp, "face.compare", bought).await?, (4_000_000, 12_000));
    rp.withdraw(&again).await?.expect_status(200)?;
    assert_eq!(
        figures(&rp, "face.compare", bought).await?,
        (2_000_000, 12_000),
        "what was given back is not paid"
    );
    app.wait(45 * DAY);
    assert_eq!(figures(&rp, "face.compare", app.clock_now()).await?, (0, 12_000), "no pack is in force");
    app.wait(400 * DAY);
    assert_eq!(
        figures(&rp, "face.compare", app.clock_now()).await?,
        (0, 0),
        "paid more than twelve months before"
    );
    Ok(())
}

#[actix_web::test]
async fn it_is_told_of_the_past_of_known_services_to_its_relying_party_alone() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    let ahead = app.clock_now() + SignedDuration::from_hours(1);
    for query in [
        "".to_owned(),
        "?service=face.compare".to_owned(),
        format!("?service=face.swap&fault_at={}", app.clock_now()),
        format!("?service=face.compare&fault_at={ahead}"),
        "?service=face.compare&fault_at=yesterday".to_owned(),
    ] {
        assert_eq!(
            rp.get(&format!("/v1/liability{query}")).await?.refusal(),
            "400 request-invalid",
            "{query}"
        );
    }
    let at: Value = json!(app.clock_now());
    let address = format!("/v1/liability?service=face.compare&fault_at={}", at.as_str().unwrap_or_default());
    let nobody = RelyingParty::new(&app.base, &rp.id, "ek_live_nobody");
    assert_eq!(nobody.get(&address).await?.refusal(), "401 unauthenticated");
    rp.get(&address).await?.expect_status(200)?;
    Ok(())
}
