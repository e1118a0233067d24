//! One relying party that all uses are of, beside very many: no row may be shared by all of its uses. With a pack one row is, once a round
//! (docs/adr/0022); two replicas then wait for each other, which is why both are measured.

use ecert_server::app;
use ecert_server::billing::packs::Pack;
use ecert_server::billing::price::Service;
use ecert_server::store::packs::{self, Grant};
use jiff::{SignedDuration, Timestamp};
use wallet_core::ids::PackId;
use wallet_core::money::Micros;

use super::HOLDERS;
use crate::bench_db::parts::{Bench, Place, line};
use crate::bench_db::postgres::Postgres;
use crate::bench_db::serving::Served;
use crate::figures::{Goal, median};

const MANY: u64 = 100_000;
const FEW: u64 = 1_000;
/// What the issue asks for.
const AT_LEAST: f64 = 0.9;
/// More than any bench draws.
const UNITS: i64 = 1_000_000_000;

/// What takes its turn.
struct Turned {
    name: &'static str,
    served: Served,
    replicas: usize,
    rates: Vec<f64>,
}

pub(super) fn measure(bench: &mut Bench<'_>, postgres: &Postgres) -> anyhow::Result<()> {
    let many = if bench.turns.quick { FEW } else { MANY };
    let mut turned = Vec::new();
    let kinds = [("many", many, false), ("one, on account", 1, false), ("one, from a pack", 1, true)];
    for (number, (name, parties, from_pack)) in kinds.into_iter().enumerate() {
        bench.say(&format!("hot: {name}"));
        let place = bench.place(&format!("hot_{number}"), Some(postgres), HOLDERS, parties)?;
        if from_pack {
            grant(&place)?;
        }
        let replicas = if from_pack { 2 } else { 1 };
        let served = bench.serve(&place, Some(postgres), replicas)?;
        turned.push(Turned { name, served, replicas, rates: Vec::new() });
    }
    let mut both = Vec::new();
    for round in 1..=bench.turns.rounds() {
        for one in &mut turned {
            one.served.use_replicas(1);
            let turn = one.served.turn(bench.turns.turn(), None)?;
            bench.say(&format!("  round {round}, {}: {}", one.name, line(&turn)));
            one.rates.push(turn.per_second);
            if one.replicas > 1 {
                one.served.use_replicas(one.replicas);
                let turn = one.served.turn(bench.turns.turn(), None)?;
                bench.say(&format!("  round {round}, {}, two replicas: {}", one.name, line(&turn)));
                both.push(turn.per_second);
            }
        }
    }
    conclude(bench, &turned, &both, many);
    Ok(())
}

fn conclude(bench: &mut Bench<'_>, turned: &[Turned], both: &[f64], many: u64) {
    let ratio = |rates: &[f64], base: &[f64]| median(rates.iter().zip(base).map(|(rate, base)| rate / base));
    let [base, account, pack] = turned else { return };
    let figures = &mut bench.figures;
    figures.note(
        format!("hot: {many} relying parties, redemptions"),
        median(base.rates.iter().copied()),
        "1/s",
    );
    for one in [account, pack] {
        let name = format!("hot: {} ÷ {many} relying parties, wall", one.name);
        figures.hold(name, ratio(&one.rates, &base.rates), "×", Goal::AtLeast(AT_LEAST));
    }
    figures.note("hot: one, from a pack, two replicas ÷ one replica, wall", ratio(both, &pack.rates), "×");
}

/// Gives the only relying party a pack.
fn grant(place: &Place) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let pack = Pack {
        id: PackId::new(now, &mut rand::rng()),
        service: Service::EcertRedeem,
        units: UNITS,
        remaining: UNITS,
        starts_at: now,
        expires_at: now + SignedDuration::from_hours(24 * 365),
    };
    let rp = place.population.identities.relying_party(0).id;
    let grant = Grant { pack, rp, origin: "bench".to_owned(), paid: Micros::ZERO, monthly: false };
    let store = app::open_stores(place.installation.config(), 1)?.rps;
    let granted = store.write(|conn| Ok(packs::insert(conn, &grant, now)?));
    granted.map_err(|stop| anyhow::anyhow!("{stop:?}"))
}
