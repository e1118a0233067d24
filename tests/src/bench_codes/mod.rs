//! `cargo xtask bench codes`: what codes cost, that each is good once however many offer it, and that refused ones take the same time.
//!
//! Each part is a file and a function that adds its figures. The service runs in this process without models, over a population that is put
//! straight into its database.

mod alike;
mod lists;
mod once;
mod place;
mod revocations;
mod symbols;
mod verify;

use clap::{Parser, ValueEnum};

use crate::figures::Figures;
use place::Place;

/// What codes cost, and whether each is good once
#[derive(Debug, Parser)]
#[command(
    name = "bench-codes",
    after_help = "Example: cargo xtask bench codes\n         cargo xtask bench codes -- --quick --only verify,symbols"
)]
struct Arguments {
    /// Print the figures as JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Few of everything: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// Measure only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// The service's database, empty; without one, SQLite in a folder that is removed
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Codes that are verified, and drawn [default: 20000; quick: 1000]
    #[arg(long)]
    verified: Option<usize>,
    /// Codes that are offered by all clients at once [default: 10000; quick: 100]
    #[arg(long)]
    codes: Option<usize>,
    /// Clients that offer a code at once
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Entries of the status list [default: 10000000; quick: 100000]
    #[arg(long)]
    entries: Option<u32>,
    /// Refused codes of each kind [default: 2000; quick: 200]
    #[arg(long)]
    refused: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// From the text of a Q1 to a certificate that is in force
    Verify,
    /// From the text of a QR to its picture
    Symbols,
    /// One code offered by many at once
    Once,
    /// Refused codes, told apart by time
    Alike,
    /// A status list of ten million entries
    Lists,
    /// A thousand certificates revoked by one file
    Revocations,
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn or_quick(&self, given: Option<usize>, usual: usize, quick: usize) -> usize {
        given.unwrap_or(if self.quick { quick } else { usual })
    }
}

/// Measures, prints, and keeps the figures in `target/bench/codes.json`.
///
/// # Errors
/// When the service can't be started, or does not answer as it must.
pub async fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut figures = Figures::default();
    let verified = arguments.or_quick(arguments.verified, 20_000, 1_000);
    if arguments.wants(Part::Symbols) {
        symbols::measure(verified.min(1_000), &mut figures)?;
    }
    let here = [Part::Verify, Part::Once, Part::Alike, Part::Lists, Part::Revocations];
    if here.into_iter().any(|part| arguments.wants(part)) {
        let place = Place::start(arguments.database.as_deref(), arguments.clients)?;
        if arguments.wants(Part::Verify) {
            verify::measure(&place, verified, &mut figures)?;
        }
        if arguments.wants(Part::Once) {
            let codes = arguments.or_quick(arguments.codes, 10_000, 100);
            once::measure(&place, arguments.clients, codes, &mut figures).await?;
        }
        if arguments.wants(Part::Alike) {
            let refused = arguments.or_quick(arguments.refused, 2_000, 200);
            alike::measure(&place, refused, &mut figures).await?;
        }
        if arguments.wants(Part::Lists) {
            let entries = arguments.entries.unwrap_or(if arguments.quick { 100_000 } else { 10_000_000 });
            lists::measure(&place, entries, &mut figures)?;
        }
        // Last: whoever it takes is not there for the others.
        if arguments.wants(Part::Revocations) {
            revocations::measure(&place, if arguments.quick { 1 } else { 5 }, &mut figures).await?;
        }
    }
    figures.save("codes")?;
    if arguments.json {
        println!("{}", figures.json()?);
    } else {
        println!("{}", figures.table());
    }
    Ok(())
}
