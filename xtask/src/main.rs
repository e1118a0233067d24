//! `cargo xtask`: brings in the models, then runs, shows, tests or measures the product.
//!
//! Reading order: [`pins`] (what is brought in), [`setup`] (how), [`prepare`] (what is done to two of the models),
//! [`commands`] (what comes after), [`cluster`] (a whole installation on one machine).

mod cache;
#[cfg(unix)]
mod cluster;
mod commands;
mod flatbuffer;
#[cfg(unix)]
mod fuzz;
mod manifest;
mod mobile;
mod onnx_graph;
mod openapi;
mod packages;
mod peer;
mod pins;
mod postgres;
mod prepare;
mod progress;
mod setup;
mod tflite;
mod tools;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::cache::Cache;
use crate::packages::Source;
use crate::progress::Progress;

const CACHE_WORDS: &str = "Files are kept in $ECERT_CACHE, else $XDG_CACHE_HOME/ecert, else ~/.cache/ecert.";

/// Brings in the models, then runs, shows, tests or measures E-Cert.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = CACHE_WORDS)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch, check and prepare the models, the runtime library, the sample pictures and the font
    #[command(after_help = "Example: cargo xtask setup\n         cargo xtask setup --offline ./packages")]
    Setup {
        /// Take the package files from this folder instead of the network
        #[arg(long, value_name = "DIR")]
        offline: Option<PathBuf>,
        /// Print what was done as one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Set up, then build and run the server
    #[command(after_help = "Example: cargo xtask run\n         cargo xtask run -- --help")]
    Run {
        /// Passed on to `ecert serve`
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Set up, then show the whole story, from a face and a card to a redeemed certificate
    #[command(after_help = "Example: cargo xtask demo")]
    Demo {
        /// Passed on to the demo
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Set up, then run every test, and the end-to-end stories a second time on a PostgreSQL that is made for it
    #[command(after_help = "Example: cargo xtask test\n         cargo xtask test -- --package wallet-core")]
    Test {
        /// Passed on to `cargo test`
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Write the description of the API (docs/openapi.json) and the apps' types of it anew
    #[command(after_help = "Example: cargo xtask openapi\n         cargo xtask openapi --check")]
    Openapi {
        /// Write nothing, and fail where something would be written
        #[arg(long)]
        check: bool,
    },
    /// Set up, then measure
    #[command(
        after_help = "Example: cargo xtask bench face --json\n         cargo xtask bench db -- --quick"
    )]
    Bench {
        /// What to measure: face, serving, attacks, documents, search, pictures, codes, log, db, billing, web
        name: String,
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
        /// Passed on to the bench
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Put faults in around a service under load, and prove that nothing is lost and nothing is billed twice
    #[cfg(unix)]
    #[command(
        disable_help_flag = true,
        after_help = "Example: cargo xtask faults --quick\n         cargo xtask faults kill-sqlite --runs 1000"
    )]
    Faults {
        /// Passed on to the harness; --help shows what it takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Feed the readers of codes, certificates and proofs with hostile bytes, and fail where one is not survived
    #[cfg(unix)]
    #[command(
        after_help = "Example: cargo xtask fuzz --seconds 60 certificate chain\n         cargo xtask fuzz --json"
    )]
    Fuzz {
        /// Which of qr_text, numeric, cbor, certificate, chain, status_list and dpop; all of them when none is named
        targets: Vec<String>,
        /// How long each target runs
        #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
        /// Print the outcomes as one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Three PostgreSQL nodes that fail over, and two replicas of ecert, on this machine
    #[cfg(unix)]
    #[command(
        subcommand,
        after_help = "Example: cargo xtask cluster up\n         cargo xtask cluster kill-primary --restart"
    )]
    Cluster(cluster::ClusterTask),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Task::Setup { offline, json } => set_up(offline, json),
        Task::Run { arguments } => commands::run(&arguments),
        Task::Demo { arguments } => commands::demo(&arguments),
        Task::Test { arguments } => commands::test(&arguments),
        Task::Openapi { check } => openapi::run(check),
        Task::Bench { name, json, arguments } => commands::bench(&name, json, &arguments),
        #[cfg(unix)]
        Task::Faults { arguments } => commands::faults(&arguments),
        #[cfg(unix)]
        Task::Fuzz { targets, seconds, json } => fuzz::run(&targets, seconds, json),
        #[cfg(unix)]
        Task::Cluster(task) => cluster::run(&task),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn set_up(offline: Option<PathBuf>, json: bool) -> Result<()> {
    let cache = Cache::of_user()?;
    let source = offline.map_or(Source::Client, Source::Folder);
    let outcome = setup::run(&cache, &source, &Progress::new())?;
    if json {
        println!("{}", serde_json::to_string(&outcome)?);
        return Ok(());
    }
    let fetched = match outcome.fetched.len() {
        0 => "nothing to fetch".to_owned(),
        1 => "1 package fetched".to_owned(),
        count => format!("{count} packages fetched"),
    };
    println!("{} files ready in {} ({fetched}, {:.1} s)", outcome.files, outcome.cache, outcome.seconds);
    Ok(())
}
