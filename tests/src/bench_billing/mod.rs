//! `cargo xtask bench billing`: what charging costs beside what the databases themselves can do, what a busy relying party costs beside many
//! quiet ones, how long closing a day takes, and how soon a quote is there.

mod close;
mod hot;
mod quotes;

use clap::{Parser, ValueEnum};

use crate::bench_db::parts::Bench;
use crate::bench_db::postgres::Postgres;
use crate::bench_db::scratch::Scratch;
use crate::bench_db::{Company, Turns};
use crate::figures::Figures;

/// What the issue asks for: redemptions beside TPC-B, and beside the same rows by bare `sqlite3`.
const TPC_B: f64 = 1.0;
const SQLITE: f64 = 0.8;
const HOLDERS: u64 = 10_000;
const RELYING_PARTIES: u64 = 1_000;

/// Charging, closing and quoting, on both databases
#[derive(Debug, Parser)]
#[command(
    name = "bench-billing",
    after_help = "Example: cargo xtask bench billing\n         cargo xtask bench billing -- --quick --only close,quotes"
)]
struct Arguments {
    /// Print the figures as JSON instead of the table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    turns: Turns,
    /// Measure only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Charges of the day that is closed [default: 1000000; quick: 20000]
    #[arg(long)]
    charges: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Charged redemptions on PostgreSQL beside pgbench's TPC-B
    Pgbench,
    /// Charged redemptions on SQLite beside the same rows by Python's sqlite3
    Sqlite,
    /// One relying party beside 100,000, with and without a pack
    Hot,
    /// Closing a day
    Close,
    /// Quotes
    Quotes,
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn charges(&self) -> u64 {
        self.charges.unwrap_or(if self.turns.quick { 20_000 } else { 1_000_000 }).max(1)
    }
}

/// Measures, prints, and keeps the figures in `target/bench/billing.json`.
///
/// # Errors
/// When something can't be measured: a program is missing, a service does not start or refuses.
pub fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let scratch = Scratch::new()?;
    let postgres = Postgres::start(&scratch)?;
    let company = Company::watch(vec![postgres.pid])?;
    let mut bench = Bench { turns: &arguments.turns, scratch: &scratch, figures: Figures::default() };
    if arguments.wants(Part::Pgbench) {
        let place = bench.place("redemptions", Some(&postgres), HOLDERS, RELYING_PARTIES)?;
        bench.pgbench(&postgres, &place, TPC_B)?;
    }
    if arguments.wants(Part::Sqlite) {
        bench.sqlite(SQLITE)?;
    }
    if arguments.wants(Part::Hot) {
        hot::measure(&mut bench, &postgres)?;
    }
    if arguments.wants(Part::Close) {
        close::measure(&mut bench, "PostgreSQL", Some(&postgres), arguments.charges())?;
        close::measure(&mut bench, "SQLite", None, arguments.charges())?;
    }
    if arguments.wants(Part::Quotes) {
        quotes::measure(&mut bench, &postgres)?;
    }
    company.conclude(bench.figures, "billing", arguments.json)
}
