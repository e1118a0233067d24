//! `cargo xtask fuzz`: builds the fuzz targets of `wallet-core/fuzz` with libFuzzer's coverage, and runs each for a time.
//!
//! The flags are those of cargo-fuzz, which is not needed. What they ask for is in the stable compiler; no sanitizer is
//! asked for, since `wallet-core` has no `unsafe` and a panic, a failed assertion or an overflow is what is looked for.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;

use crate::commands::target_folder;

/// The targets, in the order in which they run.
const TARGETS: [&str; 7] = ["qr_text", "numeric", "cbor", "certificate", "chain", "status_list", "dpop"];
/// Where coverage is counted, for whatever is built for the target (not for build scripts).
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];
/// Above the largest seed. Nothing that is read is refused for its size before this.
const MAX_INPUT: usize = 8192;

/// What one target did.
#[derive(Serialize)]
struct Outcome {
    target: String,
    executions: u64,
    seconds: f64,
    /// The input that it failed on.
    crash: Option<PathBuf>,
}

/// Runs `chosen` targets, or all, for `seconds` each.
///
/// # Errors
/// When a target is unknown, the targets cannot be built, or one of them finds something.
pub(crate) fn run(chosen: &[String], seconds: u32, json: bool) -> Result<()> {
    if let Some(unknown) = chosen.iter().find(|name| !TARGETS.contains(&name.as_str())) {
        bail!("there is no fuzz target {unknown:?}; known: {}", TARGETS.join(", "));
    }
    let host = host()?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wallet-core/fuzz");
    let target = target_folder()?.join("fuzz");
    build(&folder, &target, &host)?;
    let targets =
        TARGETS.iter().filter(|name| chosen.is_empty() || chosen.iter().any(|chosen| chosen == *name));
    let mut outcomes = Vec::new();
    for name in targets {
        let program = target.join(&host).join("release").join(name);
        let outcome = fuzz(name, &program, &folder.join("seeds").join(name), &target, seconds)?;
        if !json {
            println!("{}", line(&outcome));
        }
        outcomes.push(outcome);
    }
    if json {
        println!("{}", serde_json::to_string(&outcomes)?);
    }
    let crashes: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| {
            outcome.crash.as_ref().map(|crash| format!("{}: {}", outcome.target, crash.display()))
        })
        .collect();
    ensure!(crashes.is_empty(), "inputs that were not survived:\n{}", crashes.join("\n"));
    Ok(())
}

fn line(outcome: &Outcome) -> String {
    let verdict = if outcome.crash.is_some() { "CRASHED" } else { "nothing found" };
    format!(
        "{:12} {:>12} executions in {:>4.0} s, {verdict}",
        outcome.target, outcome.executions, outcome.seconds
    )
}

/// The machine that we build for, by its name of the compiler.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned);
    host.context("rustc does not say its host")
}

fn build(folder: &Path, target: &Path, host: &str) -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Of its own workspace, not of the one that runs us.
    cargo.current_dir(folder).args(["build", "--release", "--bins", "--locked", "--target", host]);
    cargo
        .arg("--target-dir")
        .arg(target)
        .env("RUSTFLAGS", COVERAGE.join(" "))
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    let status = cargo.status().context("cannot start cargo")?;
    ensure!(status.success(), "the fuzz targets could not be built; libFuzzer needs a C++ compiler");
    Ok(())
}

/// Runs one target. What it learns stays in `target/fuzz/corpus`, so that the next run begins there.
fn fuzz(name: &str, program: &Path, seeds: &Path, target: &Path, seconds: u32) -> Result<Outcome> {
    let (corpus, artifacts) = (target.join("corpus").join(name), target.join("artifacts").join(name));
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    ensure!(
        seeds.is_dir(),
        "{name} has no seeds: ECERT_VECTORS=write cargo test -p wallet-core --test formats"
    );
    let mut command = Command::new(program);
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={MAX_INPUT}"));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048"]).arg(&corpus).arg(seeds);
    let started = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let child =
        child.as_mut().map_err(|error| anyhow::anyhow!("cannot start {}: {error}", program.display()))?;
    let stderr = child.stderr.take().context("no output")?;
    let (mut executions, mut crash, mut said) = (0, None, Vec::new());
    for line in BufReader::new(stderr).lines() {
        let line = line.unwrap_or_default();
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            executions = count.trim().parse().unwrap_or(0);
        } else if let Some((_, path)) = line.split_once("Test unit written to ") {
            crash = Some(PathBuf::from(path));
        } else if line.contains("pulse") || line.contains("INITED") {
            eprintln!("{name}: {line}");
        }
        said.push(line);
    }
    if !child.wait()?.success() && crash.is_none() {
        crash = Some(artifacts.clone());
    }
    if crash.is_some() {
        eprintln!("{}", said.get(said.len().saturating_sub(40)..).unwrap_or_default().join("\n"));
    }
    Ok(Outcome { target: name.to_owned(), executions, seconds: started.elapsed().as_secs_f64(), crash })
}
