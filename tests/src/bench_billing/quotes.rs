//! How soon a quote is there: for a use, and for an order of a pack.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{HOLDERS, RELYING_PARTIES};
use crate::bench_db::parts::Bench;
use crate::bench_db::postgres::Postgres;
use crate::clients::RelyingParty;
use crate::figures::Goal;

/// Those who ask, each over a connection that it keeps.
const PARTIES: u64 = 16;
/// What the issue asks for.
const AT_MOST: f64 = 5.0;

pub(super) fn measure(bench: &mut Bench<'_>, postgres: &Postgres) -> anyhow::Result<()> {
    bench.say("quotes");
    let place = bench.place("quotes", Some(postgres), HOLDERS, RELYING_PARTIES)?;
    let served = bench.serve(&place, Some(postgres), 1)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let parties = (0..PARTIES).map(|number| place.population.identities.relying_party(number));
    let parties: Vec<_> = parties
        .map(|party| RelyingParty::new(served.base(), &party.id.to_string(), &party.api_key))
        .collect();
    let count = if bench.turns.quick { 200 } else { 5_000 };
    let wanted =
        [("a use", json!({ "service": "ecert.redeem" })), ("a pack", json!({ "offer": "redeem-1k" }))];
    for (name, body) in wanted {
        let mut times = Vec::new();
        for rp in parties.iter().cycle().take(count) {
            let began = Instant::now();
            runtime.block_on(rp.quote(body.clone()))?.expect_status(200)?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).map_or(f64::NAN, Duration::as_secs_f64);
        bench.figures.note(format!("quote of {name}, one client, p50"), at(50) * 1e3, "ms");
        bench.figures.hold(
            format!("quote of {name}, one client, p99"),
            at(99) * 1e3,
            "ms",
            Goal::AtMost(AT_MOST),
        );
    }
    Ok(())
}
