//! What is measured, part by part.

use std::path::PathBuf;
use std::time::Duration;

use super::bare_sqlite::BareSqlite;
use super::postgres::Postgres;
use super::scratch::Scratch;
use super::serving::{Served, Setting, Turn};
use super::{Arguments, Part, TPC_B, Turns};
use crate::figures::{Figures, Goal, median};
use crate::load::{Installation, Population};

/// Who is there where their number is not what is measured.
const HOLDERS: u64 = 10_000;
const RELYING_PARTIES: u64 = 1_000;
/// The steps over which the cost of a redemption shall stay the same.
const HOLDER_STEPS: [u64; 3] = [1_000, 100_000, 1_000_000];
const RELYING_PARTY_STEPS: [u64; 3] = [1, 1_000, 100_000];
/// The share of the most at which latency is measured.
const PARTIAL: f64 = 0.8;
/// Redemptions before the clock counts.
const WARM_UP: u64 = 500;
const FLAT: Goal = Goal::Within(0.9, 1.1);

/// The state of a bench.
pub(crate) struct Bench<'a> {
    pub(crate) turns: &'a Turns,
    pub(crate) scratch: &'a Scratch,
    pub(crate) figures: Figures,
}

/// An installation with people in it.
pub(crate) struct Place {
    name: String,
    pub(crate) installation: Installation,
    pub(crate) population: Population,
}

impl Bench<'_> {
    pub(crate) fn say(&self, words: &str) {
        eprintln!("{words}");
    }

    /// People in a database of that name on `postgres`, or in a SQLite file.
    pub(crate) fn place(
        &self,
        name: &str,
        postgres: Option<&Postgres>,
        holders: u64,
        parties: u64,
    ) -> anyhow::Result<Place> {
        let url = postgres.map(|postgres| postgres.database(name)).transpose()?;
        let folder: PathBuf = self.scratch.folder().join(name);
        let installation = Installation::new(&folder, url.as_deref())?;
        let mut population = Population::new(1);
        population.grow(&installation, holders, parties)?;
        Ok(Place { name: name.to_owned(), installation, population })
    }

    /// Services over a place, warmed up: each relying party has been there before, as all but a new one have.
    pub(crate) fn serve(
        &self,
        place: &Place,
        postgres: Option<&Postgres>,
        replicas: usize,
    ) -> anyhow::Result<Served> {
        let setting = Setting {
            clients: self.turns.clients,
            connections: self.turns.connections,
            database: postgres.map(|postgres| postgres.pid),
        };
        let mut served =
            Served::start(self.scratch, &place.installation, &place.population, &setting, replicas)?;
        served.visits(WARM_UP.max(place.population.relying_parties))?;
        if let Some(postgres) = postgres {
            // As autovacuum does within a minute: until then statements are planned for tables that were empty.
            postgres.ask(&place.name, "VACUUM ANALYZE")?;
        }
        served.visits(WARM_UP)?;
        Ok(served)
    }

    /// pgbench, latency and replicas, over one population.
    pub(super) fn on_postgres(&mut self, postgres: &Postgres, arguments: &Arguments) -> anyhow::Result<()> {
        self.say("PostgreSQL: a population");
        let place = self.place("redemptions", Some(postgres), HOLDERS, RELYING_PARTIES)?;
        let mut most = None;
        if arguments.wants(Part::Pgbench) {
            most = Some(self.pgbench(postgres, &place, TPC_B)?);
        }
        if arguments.wants(Part::Latency) {
            self.latency(postgres, &place, most)?;
        }
        if arguments.wants(Part::Replicas) {
            self.replicas(postgres, &place)?;
        }
        Ok(())
    }

    /// Ours and TPC-B in turns; the most redemptions a second.
    pub(crate) fn pgbench(&mut self, postgres: &Postgres, place: &Place, least: f64) -> anyhow::Result<f64> {
        let Turns { clients, scale, .. } = *self.turns;
        self.say(&format!("pgbench: tables of scale {scale}"));
        postgres.prepare_tpc_b(scale)?;
        let mut served = self.serve(place, Some(postgres), 1)?;
        let time = self.turns.turn();
        postgres.tpc_b(clients, Duration::from_secs(1))?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let mut written = (0.0, 0.0);
        for round in 1..=self.turns.rounds() {
            let before = wal(postgres)?;
            let turn = served.turn(time, None)?;
            written = (written.0 + wal(postgres)? - before, written.1 + turn.report.charged() as f64);
            let tpc_b = postgres.tpc_b(clients, time)?;
            self.say(&format!(
                "  round {round}: {}; TPC-B {:.0}/s, {:.2} CPU-ms",
                line(&turn),
                tpc_b.per_second,
                tpc_b.cpu_ms
            ));
            ours.push(turn);
            theirs.push(tpc_b);
        }
        let figures = &mut self.figures;
        let rounds = || ours.iter().zip(&theirs);
        let most = median(ours.iter().map(|turn| turn.per_second));
        figures.note("postgres: charged redemptions", most, "1/s");
        figures.note("postgres: TPC-B (pgbench)", median(theirs.iter().map(|peer| peer.per_second)), "1/s");
        let ratio = median(rounds().map(|(turn, peer)| turn.per_second / peer.per_second));
        figures.hold("postgres: redemptions ÷ TPC-B, wall", ratio, "×", Goal::AtLeast(least));
        let cpu = median(ours.iter().map(|turn| turn.cpu_ms));
        figures.note("postgres: CPU of a redemption, service and database", cpu, "ms");
        let service = median(ours.iter().map(|turn| turn.service_cpu_ms));
        figures.note("postgres: CPU of a redemption, service alone", service, "ms");
        figures.note(
            "postgres: CPU of a redemption, the driver",
            median(ours.iter().map(driver_cpu_ms)),
            "ms",
        );
        figures.note(
            "postgres: CPU of a TPC-B, database",
            median(theirs.iter().map(|peer| peer.cpu_ms)),
            "ms",
        );
        let ratio = median(rounds().map(|(turn, peer)| peer.cpu_ms / (turn.cpu_ms - turn.service_cpu_ms)));
        figures.note("postgres: database CPU, TPC-B ÷ redemption", ratio, "×");
        figures.note("postgres: WAL of a redemption", written.0 / written.1, "bytes");
        figures.note("postgres: tries sent again, all turns", again(&ours), "");
        Ok(most)
    }

    fn latency(&mut self, postgres: &Postgres, place: &Place, most: Option<f64>) -> anyhow::Result<()> {
        let mut served = self.serve(place, Some(postgres), 1)?;
        let time = self.turns.turn();
        let most = match most {
            Some(most) => most,
            None => served.turn(time, None)?.per_second,
        };
        let turn = served.turn(time * 2, Some(most * PARTIAL))?;
        self.say(&format!("at {:.0}/s: {}", most * PARTIAL, line(&turn)));
        let millis = |took: Duration| took.as_secs_f64() * 1e3;
        let figures = &mut self.figures;
        figures.note("latency: offered, 80 % of the most", most * PARTIAL, "1/s");
        figures.note("latency: served", turn.per_second, "1/s");
        figures.note("latency: tries sent again", again([&turn]), "");
        figures.note(
            "latency: a redemption, both requests, p50",
            millis(turn.report.visit.percentile(0.5)),
            "ms",
        );
        figures.note(
            "latency: a redemption, both requests, p99",
            millis(turn.report.visit.percentile(0.99)),
            "ms",
        );
        figures.note("latency: POST /v1/redemptions, p99", millis(turn.report.open.percentile(0.99)), "ms");
        figures.note("latency: POST …/captures, p99", millis(turn.report.judge.percentile(0.99)), "ms");
        Ok(())
    }

    /// Two services on one database beside one of them, each with as many clients. On two cores, which the database and the driver
    /// share, this is a lower bound.
    fn replicas(&mut self, postgres: &Postgres, place: &Place) -> anyhow::Result<()> {
        let mut served = self.serve(place, Some(postgres), 2)?;
        let (mut ratios, mut cpu) = (Vec::new(), Vec::new());
        for round in 1..=self.turns.rounds() {
            served.use_replicas(1);
            let one = served.turn(self.turns.turn(), None)?;
            served.use_replicas(2);
            let two = served.turn(self.turns.turn(), None)?;
            self.say(&format!("  round {round}: one replica {}; two {}", line(&one), line(&two)));
            ratios.push(two.per_second / one.per_second);
            cpu.push(two.cpu_ms / one.cpu_ms);
        }
        self.figures.hold("replicas: two ÷ one, wall", median(ratios), "×", Goal::AtLeast(1.0));
        self.figures.note("replicas: two ÷ one, CPU of a redemption", median(cpu), "×");
        Ok(())
    }

    /// Ours and Python's `sqlite3` in turns.
    pub(crate) fn sqlite(&mut self, least: f64) -> anyhow::Result<()> {
        self.say("SQLite: a population");
        let place = self.place("sqlite", None, HOLDERS, RELYING_PARTIES)?;
        let mut served = self.serve(&place, None, 1)?;
        let database = place.installation.data_dir().join("ecert.db");
        let mut peer = BareSqlite::start(self.scratch, &database)?;
        served.visits(1)?;
        self.say(&format!("  rows of one redemption: {}", peer.rows()?));
        let time = self.turns.turn();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=self.turns.rounds() {
            let turn = served.turn(time, None)?;
            let written = peer.turn(time)?;
            self.say(&format!(
                "  round {round}: {}; bare {:.0}/s, {:.2} CPU-ms",
                line(&turn),
                written.per_second(),
                written.cpu_ms()
            ));
            ours.push(turn);
            theirs.push(written);
        }
        let figures = &mut self.figures;
        let rate = median(ours.iter().map(|turn| turn.per_second));
        figures.note("sqlite: charged redemptions", rate, "1/s");
        let bare = median(theirs.iter().map(|peer| peer.per_second()));
        figures.note("sqlite: the same rows by bare sqlite3", bare, "1/s");
        let ratio = median(ours.iter().zip(&theirs).map(|(turn, peer)| turn.per_second / peer.per_second()));
        figures.hold("sqlite: redemptions ÷ bare, wall", ratio, "×", Goal::AtLeast(least));
        figures.note(
            "sqlite: CPU of a redemption, service",
            median(ours.iter().map(|turn| turn.cpu_ms)),
            "ms",
        );
        figures.note("sqlite: CPU of the rows, bare", median(theirs.iter().map(|peer| peer.cpu_ms())), "ms");
        figures.note("sqlite: CPU of a redemption, the driver", median(ours.iter().map(driver_cpu_ms)), "ms");
        Ok(())
    }

    /// The CPU time of a redemption over growing numbers of holders, then of relying parties.
    pub(super) fn flat(&mut self, postgres: &Postgres, largest: u64) -> anyhow::Result<()> {
        let mut holders: Vec<u64> = HOLDER_STEPS.into_iter().filter(|step| *step < largest).collect();
        holders.push(largest);
        let steps: Vec<_> = holders.iter().map(|holders| (*holders, RELYING_PARTIES)).collect();
        self.steps(postgres, "holders", &steps, |(holders, _)| holders)?;
        let fixed = largest.min(100_000);
        let steps = RELYING_PARTY_STEPS.map(|parties| (fixed, parties));
        self.steps(postgres, "relying parties", &steps, |(_, parties)| parties)
    }

    fn steps(
        &mut self,
        postgres: &Postgres,
        what: &str,
        steps: &[(u64, u64)],
        shown: fn((u64, u64)) -> u64,
    ) -> anyhow::Result<()> {
        let mut served = Vec::new();
        for &step in steps {
            self.say(&format!("flat: {} {what}", shown(step)));
            let name = format!("flat_{}_{}_{}", what.replace(' ', "_"), step.0, step.1);
            let place = self.place(&name, Some(postgres), step.0, step.1)?;
            served.push((shown(step), self.serve(&place, Some(postgres), 1)?, Vec::new()));
        }
        for round in 1..=self.turns.rounds() {
            for (count, served, costs) in &mut served {
                let turn = served.turn(self.turns.turn(), None)?;
                eprintln!("  round {round}, {count} {what}: {}", line(&turn));
                costs.push(turn.cpu_ms);
            }
        }
        let Some((_, _, base)) = served.first() else { return Ok(()) };
        for (place, (count, _, costs)) in served.iter().enumerate() {
            let name = format!("flat: CPU of a redemption at {count} {what}");
            self.figures.note(&name, median(costs.iter().copied()), "ms");
            if place > 0 {
                let ratio = median(costs.iter().zip(base).map(|(cost, base)| cost / base));
                self.figures.hold(format!("{name} ÷ the first"), ratio, "×", FLAT);
            }
        }
        Ok(())
    }
}

/// Bytes of write-ahead log since the server was made.
fn wal(postgres: &Postgres) -> anyhow::Result<f64> {
    Ok(postgres.ask("postgres", "SELECT pg_current_wal_lsn() - '0/0'")?.trim().parse()?)
}

/// Requests that had to be sent again.
fn again<'a>(turns: impl IntoIterator<Item = &'a Turn>) -> f64 {
    turns.into_iter().flat_map(|turn| turn.report.retries.values()).sum::<u64>() as f64
}

fn driver_cpu_ms(turn: &Turn) -> f64 {
    turn.report.driver_cpu.as_secs_f64() * 1e3 / turn.report.charged().max(1) as f64
}

/// A turn in a few words.
pub(crate) fn line(turn: &Turn) -> String {
    let millis = |share| turn.report.visit.percentile(share).as_secs_f64() * 1e3;
    let (p50, p99) = (millis(0.5), millis(0.99));
    let words =
        format!("{:.0}/s, {:.2} CPU-ms, p50 {p50:.0} ms, p99 {p99:.0} ms", turn.per_second, turn.cpu_ms);
    match turn.report.retries.is_empty() {
        true => words,
        false => format!("{words}, again {:?}", turn.report.retries),
    }
}
