//! `cargo xtask faults`: what may go wrong around the service goes wrong under load, and nothing is lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use ecert_tests::faults::{FAULTS, Fault, Harness, Row, chosen};
use tokio::signal::unix::{SignalKind, signal};

/// Puts faults in around a service under load, and proves that nothing acknowledged is lost and nothing is billed twice.
///
/// "One order" of issue 3 is not among them: orders come with billing.
#[derive(Parser)]
#[command(
    name = "cargo xtask faults",
    args_override_self = true,
    after_help = "Example: cargo xtask faults --quick\n         cargo xtask faults kill-sqlite --runs 1000"
)]
struct Arguments {
    /// Which faults, or all; `disk-full` stands for `disk-full-sqlite` and `disk-full-postgres`
    names: Vec<String>,
    /// How often each is put in
    #[arg(long)]
    runs: Option<u64>,
    /// A fast pass: each a few times
    #[arg(long, conflicts_with = "runs")]
    quick: bool,
    /// Print the rows as JSON instead of the table
    #[arg(long)]
    json: bool,
    /// List the faults
    #[arg(long)]
    list: bool,
    /// `ecert`, built with the feature `bench-without-face`
    #[arg(long, env = "ECERT_WITHOUT_FACE")]
    binary: Option<PathBuf>,
    /// The program of `cargo xtask`, which starts clusters
    #[arg(long)]
    xtask: Option<PathBuf>,
    /// Where the rows are kept, beside those of other faults
    #[arg(long, default_value = "target/bench/faults.json")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let done = tokio::runtime::Runtime::new().context("no runtime").and_then(|runtime| {
        runtime.block_on(async {
            let (mut interrupt, mut terminate) =
                (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            // Whichever ends first drops the others: a fault that is dropped ends its processes and mounts.
            tokio::select! {
                done = run(Arguments::parse()) => done,
                _ = interrupt.recv() => anyhow::bail!("stopped; everything was cleaned up"),
                _ = terminate.recv() => anyhow::bail!("stopped; everything was cleaned up"),
            }
        })
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("faults: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<bool> {
    let faults = chosen(&arguments.names)?;
    if arguments.list {
        for fault in faults {
            println!("{:<28} ×{:<5} {}", fault.name, fault.runs, fault.about);
        }
        return Ok(true);
    }
    let binary = arguments.binary.context("say with --binary where `ecert` is; `cargo xtask faults` does")?;
    let logs = arguments.out.parent().unwrap_or(Path::new(".")).to_owned();
    std::fs::create_dir_all(&logs)?;
    let harness = Harness { binary, xtask: arguments.xtask, logs };
    let mut rows = Vec::new();
    for fault in faults {
        let runs = arguments.runs.unwrap_or(if arguments.quick { fault.quick } else { fault.runs });
        eprintln!("{}: {}, ×{runs}", fault.name, fault.about);
        let row = fault.run(&harness, runs).await;
        for problem in &row.problems {
            eprintln!("  PROBLEM: {problem}");
        }
        rows.push(row);
        // After each, so that what was found is not lost with a later one.
        keep(&arguments.out, &rows)?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print(&rows);
    }
    Ok(rows.iter().all(|row| row.ok || row.skipped.is_some()))
}

/// Writes the rows into the file, in the place of earlier ones of the same faults.
fn keep(file: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let earlier: Vec<Row> = match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not what this command writes", file.display()))?,
        Err(_) => Vec::new(),
    };
    let mut all: BTreeMap<&str, &Row> = BTreeMap::new();
    for row in earlier.iter().chain(rows) {
        all.insert(&row.name, row);
    }
    let in_order: Vec<&Row> = FAULTS.iter().filter_map(|fault: &Fault| all.remove(fault.name)).collect();
    std::fs::write(file, serde_json::to_vec_pretty(&in_order)?)?;
    Ok(())
}

fn print(rows: &[Row]) {
    println!(
        "{:<28} {:>6} {:>9} {:>6} {:>8} {:>15} {:>13}  ok",
        "fault", "tried", "survived", "lost", "doubled", "longest gap ms", "acknowledged"
    );
    for row in rows {
        if let Some(why) = &row.skipped {
            println!("{:<28} skipped: {why}", row.name);
            continue;
        }
        let ok = if row.ok { "yes" } else { "NO" };
        println!(
            "{:<28} {:>6} {:>9} {:>6} {:>8} {:>15} {:>13}  {ok}",
            row.name, row.tried, row.survived, row.lost, row.doubled, row.longest_gap_ms, row.acknowledged
        );
    }
}
