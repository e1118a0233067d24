//! `cargo xtask bench pictures`: how long the oddest pictures keep a worker, and how much memory they take.

use std::time::Instant;

use clap::Parser;
use wallet_core::picture::Picture;

use crate::figures::{Figures, Goal};
use crate::load::cpu;
use crate::odd_pictures;

/// Pictures that nobody's camera takes
#[derive(Debug, Parser)]
#[command(name = "bench-pictures", after_help = "Example: cargo xtask bench pictures --json")]
struct Arguments {
    /// Print the figures as JSON instead of the table
    #[arg(long)]
    json: bool,
}

/// Measures, prints, and keeps the figures in `target/bench/pictures.json`.
///
/// # Errors
/// When the pictures can't be made.
pub fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let odd = odd_pictures::all()?;
    let mut figures = Figures::default();
    figures.note("odd pictures", odd.len() as f64, "");
    let before = cpu::most_resident(std::process::id())?;
    let mut times = Vec::new();
    for odd in &odd {
        let began = Instant::now();
        // What becomes of each is checked by a test.
        let _ = Picture::decode(&odd.bytes);
        times.push((began.elapsed().as_secs_f64() * 1e3, odd.name.as_str()));
    }
    times.sort_by(|a, b| b.0.total_cmp(&a.0));
    if let Some((time, name)) = times.first() {
        eprintln!("the slowest: {name}");
        figures.hold("the slowest to be read or refused", *time, "ms", Goal::AtMost(100.0));
    }
    let most = (cpu::most_resident(std::process::id())? - before) / 1e6;
    figures.hold("memory at most, beside the files", most, "MB", Goal::AtMost(160.0));
    figures.save("pictures")?;
    if arguments.json {
        println!("{}", figures.json()?);
    } else {
        println!("{}", figures.table());
    }
    Ok(())
}
