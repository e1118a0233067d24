//! `ecert billing close-day` over a day of very many charges.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use ecert_server::app;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{HOLDERS, RELYING_PARTIES};
use crate::bench_db::parts::{Bench, Place};
use crate::bench_db::postgres::Postgres;
use crate::figures::Goal;
use crate::load::{Day, cpu};
use crate::service;

/// What the issue asks for, of a million charges.
const SECONDS: f64 = 60.0;
const MEGABYTES: f64 = 300.0;
/// The zone that billing days are of unless a service is told otherwise.
const ZONE: &str = "Asia/Shanghai";
/// How often the memory of what closes is looked at.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn measure(
    bench: &mut Bench<'_>,
    database: &str,
    postgres: Option<&Postgres>,
    charges: u64,
) -> anyhow::Result<()> {
    bench.say(&format!("close: a day of {charges} charges on {database}"));
    let place = bench.place("closing", postgres, HOLDERS, RELYING_PARTIES)?;
    // Real uses of today, of which one is the pattern of all.
    drop(bench.serve(&place, postgres, 1)?);
    let mut day = Day::before(Timestamp::now(), &TimeZone::get(ZONE)?)?;
    let pattern = pattern(&place)?;
    (day.charges, day.receipt, day.price_version, day.micros) =
        (charges, pattern.receipt, pattern.price_version, pattern.micros);
    place.population.spend(&place.installation, &day)?;
    if let Some(postgres) = postgres {
        // As autovacuum does within a minute.
        postgres.ask("closing", "VACUUM ANALYZE")?;
    }
    let servers: Vec<u32> = postgres.iter().map(|postgres| postgres.pid).collect();
    let (began, before) = (Instant::now(), cpu::time_of(&servers)?);
    let closed = close(&place)?;
    let wall = began.elapsed().as_secs_f64();
    let burnt = closed.cpu.as_secs_f64() + (cpu::time_of(&servers)?.saturating_sub(before)).as_secs_f64();
    ensure!(closed.micros == i128::from(charges) * i128::from(day.micros), "not all charges were stated");
    let figures = &mut bench.figures;
    figures.note(format!("{database}: charges of the day that is closed"), charges as f64, "");
    figures.hold(format!("{database}: closing it"), wall, "s", Goal::AtMost(SECONDS));
    figures.note(format!("{database}: closing it, CPU with the database"), burnt, "s");
    figures.hold(
        format!("{database}: memory of what closes, at most"),
        closed.most_resident / 1e6,
        "MB",
        Goal::AtMost(MEGABYTES),
    );
    Ok(())
}

#[derive(QueryableByName)]
struct Pattern {
    #[diesel(sql_type = Text)]
    receipt: String,
    #[diesel(sql_type = Text)]
    price_version: String,
    #[diesel(sql_type = BigInt)]
    micros: i64,
}

fn pattern(place: &Place) -> anyhow::Result<Pattern> {
    let query = "SELECT a.receipt, c.price_version, c.micros FROM charges c JOIN attempts a ON a.rp_id = c.rp_id \
                 AND a.redemption_id = c.redemption_id AND a.id = c.attempt_id LIMIT 1";
    let store = app::open_stores(place.installation.config(), 1)?.rps;
    let found = store.read(|conn| Ok(diesel::sql_query(query).get_result(conn)?));
    found.map_err(|stop| anyhow::anyhow!("no charge to begin with: {stop:?}"))
}

struct Closed {
    micros: i128,
    cpu: Duration,
    /// Bytes.
    most_resident: f64,
}

fn close(place: &Place) -> anyhow::Result<Closed> {
    let mut command = Command::new(service::binary()?);
    command.args(["billing", "close-day", "--json", "--database", &place.installation.database()]);
    command.arg("--data-dir").arg(place.installation.data_dir());
    let mut process = command.stdout(Stdio::piped()).spawn()?;
    let (mut most_resident, mut burnt) = (0.0, Duration::ZERO);
    while process.try_wait()?.is_none() {
        // It may end between two looks; what was seen before stands then.
        most_resident = cpu::most_resident(process.id()).unwrap_or(most_resident);
        burnt = cpu::time_of(&[process.id()]).unwrap_or(burnt).max(burnt);
        std::thread::sleep(LOOK);
    }
    let output = process.wait_with_output()?;
    ensure!(output.status.success(), "the day could not be closed");
    let closed: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    let mut micros = 0;
    for period in closed {
        let amount = period["amount"]["micros"].as_i64().context("a closed period has no amount")?;
        micros += i128::from(amount);
    }
    Ok(Closed { micros, cpu: burnt, most_resident })
}
