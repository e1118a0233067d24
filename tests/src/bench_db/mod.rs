//! `cargo xtask bench db`: what a charged redemption costs without the face, beside what the databases themselves can do.
//!
//! Ours and theirs take turns on one machine, so that whatever slows it down slows both; ratios are of the turns of one
//! round, and the median over the rounds is held against the goal. The driver's CPU time counts against us, as
//! `pgbench`'s counts against it. A bench reports: a goal that is missed is printed as such and does not make it fail.

mod bare_sqlite;
mod parts;
mod postgres;
mod scratch;
mod serving;

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
    /// Short turns, few rounds, up to 10,000 holders: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// Measure only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Rounds of turns [default: 5; quick: 2]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of a turn [default: 10; quick: 3]
    #[arg(long)]
    seconds: Option<u64>,
    /// Clients at once, ours and pgbench's
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// Connections of a service to its database [default: the service's own default]
    #[arg(long)]
    connections: Option<u32>,
    /// pgbench's scale: branches, of which each has 100,000 accounts
    #[arg(long, default_value_t = 32)]
    scale: u32,
    /// The largest number of holders; the steps are 10^3, 10^5, 10^6 and this [default: 1000000; quick: 10000]
    #[arg(long)]
    holders: Option<u64>,
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

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 }).max(1)
    }

    fn turn(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(if self.quick { 3 } else { 10 }).max(1))
    }

    fn holders(&self) -> u64 {
        self.holders.unwrap_or(if self.quick { 10_000 } else { 1_000_000 })
    }
}

/// Who else used the machine: wall figures count only where nobody did.
struct Company {
    machine: (Duration, Duration),
    ours: Duration,
}

/// The share of the machine's CPU time from which on others are spoken of.
const DISTURBED: f64 = 0.05;

impl Company {
    fn now(postgres: &[u32]) -> anyhow::Result<Company> {
        let ours: Vec<u32> = postgres.iter().copied().chain([std::process::id()]).collect();
        Ok(Company { machine: cpu::machine()?, ours: cpu::time_of(&ours)? })
    }

    /// The share of all cores that others took since then.
    fn share_since(&self, then: &Company) -> f64 {
        let since = |now: Duration, then: Duration| now.saturating_sub(then).as_secs_f64();
        let busy = since(self.machine.0, then.machine.0) - since(self.ours, then.ours);
        busy.max(0.0) / since(self.machine.1, then.machine.1).max(f64::MIN_POSITIVE)
    }
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
    let servers: Vec<u32> = postgres.iter().chain(&large).map(|postgres| postgres.pid).collect();
    let before = Company::now(&servers)?;
    let mut bench = Bench { arguments: &arguments, scratch: &scratch, figures: Figures::default() };
    if let Some(postgres) = &postgres {
        bench.on_postgres(postgres)?;
    }
    if arguments.wants(Part::Sqlite) {
        bench.sqlite()?;
    }
    if let Some(large) = &large {
        bench.flat(large)?;
    }
    let others = Company::now(&servers)?.share_since(&before);
    bench.figures.note("machine: CPU time that others took", others * 100.0, "%");
    if others > DISTURBED {
        eprintln!("others took {:.0} % of the CPU time: quote no wall figure of this run", others * 100.0);
    }
    bench.figures.save("db")?;
    if arguments.json {
        println!("{}", bench.figures.json()?);
    } else {
        println!("{}", bench.figures.table());
    }
    Ok(())
}
