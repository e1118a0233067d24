//! `cargo xtask bench db`: what a charged redemption costs without the face, beside what the databases themselves can do.
//!
//! Ours and theirs take turns on one machine, so that whatever slows it down slows both; ratios are of the turns of one
//! round, and the median over the rounds is held against the goal. The driver's CPU time counts against us, as
//! `pgbench`'s counts against it. A bench reports: a goal that is missed is printed as such and does not make it fail.

mod bare_sqlite;
pub(crate) mod parts;
pub(crate) mod postgres;
pub(crate) mod scratch;
pub(crate) mod serving;

use std::time::Duration;

use clap::{Parser, ValueEnum};

use parts::Bench;
use postgres::Postgres;
use scratch::Scratch;

use crate::figures::Figures;
use crate::load::cpu;

/// The charged redemption over HTTP, beside pgbench and bare SQLite
#[derive(Debug, Parser)]
#[command(
    name = "bench-db",
    after_help = "Example: cargo xtask bench db\n         cargo xtask bench db -- --quick --only pgbench,sqlite\n         \
                  cargo xtask bench db --json -- --holders 10000000"
)]
pub struct Arguments {
    /// Print the figures as JSON instead of the table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    turns: Turns,
    /// Measure only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// The largest number of holders; the steps are 10^3, 10^5, 10^6 and this [default: 1000000; quick: 10000]
    #[arg(long)]
    holders: Option<u64>,
}

/// How turns are taken: of every bench that measures a service beside something else.
#[derive(Debug, clap::Args)]
pub(crate) struct Turns {
    /// Short turns, few rounds, small numbers: to see that it works, not to quote
    #[arg(long)]
    pub(crate) quick: bool,
    /// Rounds of turns [default: 5; quick: 2]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of a turn [default: 10; quick: 3]
    #[arg(long)]
    seconds: Option<u64>,
    /// Clients at once, ours and pgbench's
    #[arg(long, default_value_t = 32)]
    pub(crate) clients: usize,
    /// Connections of a service to its database [default: the service's own default]
    #[arg(long)]
    connections: Option<u32>,
    /// pgbench's scale: branches, of which each has 100,000 accounts
    #[arg(long, default_value_t = 32)]
    scale: u32,
}

impl Turns {
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 }).max(1)
    }

    pub(crate) fn turn(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(if self.quick { 3 } else { 10 }).max(1))
    }
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Redemptions on PostgreSQL beside pgbench's TPC-B
    Pgbench,
    /// Redemptions on SQLite beside the same rows written by Python's sqlite3
    Sqlite,
    /// Latency at 80 % of the most that PostgreSQL gave
    Latency,
    /// Two replicas beside one
    Replicas,
    /// CPU time of a redemption from few holders and relying parties to many
    Flat,
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn holders(&self) -> u64 {
        self.holders.unwrap_or(if self.turns.quick { 10_000 } else { 1_000_000 })
    }
}

/// Who else used the machine: wall figures count only where nobody did.
pub(crate) struct Company {
    /// First processes of the databases.
    postgres: Vec<u32>,
    machine: (Duration, Duration),
    ours: Duration,
}

/// What the issue of the databases asks for; that of billing asks for more.
const TPC_B: f64 = 0.5;
const SQLITE: f64 = 0.5;
/// The share of the machine's CPU time from which on others are spoken of.
const DISTURBED: f64 = 0.05;

impl Company {
    /// From now on.
    pub(crate) fn watch(postgres: Vec<u32>) -> anyhow::Result<Company> {
        let ours = ours(&postgres)?;
        Ok(Company { postgres, machine: cpu::machine()?, ours })
    }

    /// The share of all cores that others took since then, among the figures; then all of these to where they belong.
    pub(crate) fn conclude(self, mut figures: Figures, name: &str, json: bool) -> anyhow::Result<()> {
        let (machine, ours) = (cpu::machine()?, ours(&self.postgres)?);
        let since = |now: Duration, then: Duration| now.saturating_sub(then).as_secs_f64();
        let busy = since(machine.0, self.machine.0) - since(ours, self.ours);
        let others = busy.max(0.0) / since(machine.1, self.machine.1).max(f64::MIN_POSITIVE);
        figures.note("machine: CPU time that others took", others * 100.0, "%");
        if others > DISTURBED {
            eprintln!(
                "others took {:.0} % of the CPU time: quote no wall figure of this run",
                others * 100.0
            );
        }
        figures.save(name)?;
        println!("{}", if json { figures.json()? } else { figures.table() });
        Ok(())
    }
}

/// CPU time of these databases and of ourselves, with all that we started.
fn ours(postgres: &[u32]) -> anyhow::Result<Duration> {
    let ours: Vec<u32> = postgres.iter().copied().chain([std::process::id()]).collect();
    cpu::time_of(&ours)
}

/// Measures, prints, and keeps the figures in `target/bench/db.json`.
///
/// # Errors
/// When something can't be measured: a program is missing, a service does not start or refuses.
pub fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let scratch = Scratch::new()?;
    let needs_postgres =
        [Part::Pgbench, Part::Latency, Part::Replicas].iter().any(|part| arguments.wants(*part));
    let postgres = needs_postgres.then(|| Postgres::start(&scratch)).transpose()?;
    let large = arguments.wants(Part::Flat).then(|| Postgres::start_large(&scratch)).transpose()?;
    let servers = postgres.iter().chain(&large).map(|postgres| postgres.pid).collect();
    let company = Company::watch(servers)?;
    let mut bench = Bench { turns: &arguments.turns, scratch: &scratch, figures: Figures::default() };
    if let Some(postgres) = &postgres {
        bench.on_postgres(postgres, &arguments)?;
    }
    if arguments.wants(Part::Sqlite) {
        bench.sqlite(SQLITE)?;
    }
    if let Some(large) = &large {
        bench.flat(large, arguments.holders())?;
    }
    company.conclude(bench.figures, "db", arguments.json)
}
