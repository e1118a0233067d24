//! Digits that are not known are counted, over all replicas, and a refusal counts as well.

use ecert_tests::app::TestApp;
use ecert_tests::clients::{Answer, RelyingParty, fresh_key};
use serde_json::json;
use wallet_core::code::numeric::NumericCode;

use crate::replicas::Pair;

type Test = anyhow::Result<()>;

async fn guess(rp: &RelyingParty) -> anyhow::Result<String> {
    Ok(rp.redeem(&NumericCode::mint(&mut rand::rng()).digits()).await?.refusal())
}

async fn guess_at(rp: &RelyingParty, terminal: &str) -> anyhow::Result<Answer> {
    let code = NumericCode::mint(&mut rand::rng()).digits();
    rp.redeem_with(json!({ "code": code, "purpose": "check", "terminal": terminal }), &fresh_key()).await
}

/// The same relying party, that asks another replica.
fn at(app: &TestApp, rp: &RelyingParty) -> RelyingParty {
    RelyingParty::new(&app.base, &rp.id, &rp.api_key)
}

/// Begins at a full minute, so that none ends in between.
fn on_the_minute(app: &TestApp) {
    app.wait(60 - app.clock_now().as_second() % 60);
}

#[actix_web::test]
async fn five_misses_a_minute_are_counted_over_replicas() -> Test {
    let pair = Pair::start().await?;
    let (holder, rp) = (pair.one.enrolled().await?, pair.one.relying_party().await?);
    let (there, neighbour) = (at(&pair.other, &rp), pair.one.relying_party().await?);
    on_the_minute(&pair.one);
    on_the_minute(&pair.other);
    for rp in [&rp, &there, &rp, &there, &rp] {
        assert_eq!(guess(rp).await?, "404 code-unknown");
    }
    let good = holder.digits("name").await?;
    for rp in [&rp, &there] {
        assert_eq!(rp.redeem(&good).await?.refusal(), "429 rate-limited");
    }
    assert_eq!(guess(&neighbour).await?, "404 code-unknown", "it is nobody else's business");
    pair.one.wait(60);
    rp.open(&good).await?;
    Ok(())
}

#[actix_web::test]
async fn a_terminal_has_three_misses_a_minute_and_the_next_one_goes_on() -> Test {
    let pair = Pair::start().await?;
    let rp = pair.one.relying_party().await?;
    let there = at(&pair.other, &rp);
    on_the_minute(&pair.one);
    on_the_minute(&pair.other);
    for rp in [&rp, &there, &rp] {
        assert_eq!(guess_at(rp, "till-1").await?.refusal(), "404 code-unknown");
    }
    assert_eq!(guess_at(&there, "till-1").await?.refusal(), "429 rate-limited");
    assert_eq!(guess_at(&there, "till-2").await?.refusal(), "404 code-unknown");
    let nameless = guess_at(&rp, "").await?;
    assert_eq!(
        (nameless.refusal().as_str(), &nameless.body["field"]),
        ("400 request-invalid", &json!("terminal"))
    );
    Ok(())
}

#[actix_web::test]
async fn when_all_miss_too_often_digits_are_taken_from_the_clean_over_replicas() -> Test {
    let pair = Pair::with_flags(&["--numeric-breaker", "6"]).await?;
    let holder = pair.one.enrolled().await?;
    let mut guessers = Vec::new();
    for _ in 0..3 {
        guessers.push(pair.one.relying_party().await?);
    }
    let clean = pair.one.relying_party().await?;
    on_the_minute(&pair.one);
    on_the_minute(&pair.other);
    for guesser in &guessers {
        assert_eq!(guess(guesser).await?, "404 code-unknown");
        assert_eq!(guess(&at(&pair.other, guesser)).await?, "404 code-unknown");
    }
    for guesser in &guessers {
        assert_eq!(guess(&at(&pair.other, guesser)).await?, "429 rate-limited", "they have three left");
    }
    at(&pair.other, &clean).open(&holder.digits("name").await?).await?;
    pair.one.wait(60);
    assert_eq!(guess(&guessers[0]).await?, "404 code-unknown", "the minute is over");
    Ok(())
}

#[actix_web::test]
async fn a_crowd_at_once_gets_no_more_tries_than_one_by_one() -> Test {
    let app = TestApp::start().await?;
    let rp = app.relying_party().await?;
    on_the_minute(&app);
    let guesses = futures_util::future::join_all((0..40).map(|_| guess(&rp))).await;
    let looked_up = guesses.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let looked_up = looked_up.iter().filter(|refusal| *refusal == "404 code-unknown").count();
    assert!((1..=10).contains(&looked_up), "{looked_up} of 40 were tried");
    Ok(())
}
