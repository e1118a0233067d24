//! `cargo xtask cluster`: a whole installation on the loopback, as plain processes from Debian's packages.
//!
//! Three members of etcd, three nodes of PostgreSQL under Patroni, HAProxy, PgBouncer, and two replicas of `ecert` over
//! one key store. The configurations are the templates of `deploy/`; what they are filled with is in [`plan`].
//!
//! Reading order: [`state`] (what a cluster is), [`plan`], [`up`], [`primary`].
//!
//! Invariant: a process is known by its number *and* its start, so that none of somebody else's is ever ended; and of
//! the folder only what the cluster put there is removed.

mod certificates;
mod down;
mod nodes;
mod plan;
mod primary;
mod process;
mod render;
mod start;
mod state;
mod status;
mod system;
mod up;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use self::state::{Cluster, Member};
use crate::commands;
use crate::progress::Progress;

#[derive(Subcommand)]
pub(crate) enum ClusterTask {
    /// Start what is not running, and print where everything is
    #[command(after_help = "Example: cargo xtask cluster up\n         \
        cargo xtask cluster up --replica-binary target/release/ecert --json")]
    Up {
        /// Start the replicas from this program instead of building it; those that run are left alone
        #[arg(long, value_name = "PATH")]
        replica_binary: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// Print who runs, who leads, who follows how closely, and which replica is ready
    #[command(after_help = "Example: cargo xtask cluster status --json")]
    Status {
        #[command(flatten)]
        common: Common,
    },
    /// End everything; the data stays for the next `up`
    #[command(after_help = "Example: cargo xtask cluster down --purge")]
    Down {
        /// Remove data, keys, ports and logs as well
        #[arg(long)]
        purge: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Kill the leading node as a power cut would, and time how long no write goes through
    #[command(after_help = "Example: cargo xtask cluster kill-primary --restart\n\n\
        Without --restart the node stays dead until the next `cargo xtask cluster up`.")]
    KillPrimary {
        /// Then start the killed node again, and wait until it follows
        #[arg(long)]
        restart: bool,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args)]
pub(crate) struct Common {
    /// The folder of the cluster [default: cluster, in the folder where cargo builds]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print JSON; progress goes to the error stream
    #[arg(long)]
    json: bool,
}

impl Common {
    /// The folder, made absolute: the configurations name it.
    fn folder(&self) -> Result<PathBuf> {
        let folder = match &self.dir {
            Some(folder) => folder.clone(),
            None => commands::target_folder()?.join("cluster"),
        };
        let folder = std::path::absolute(folder)?;
        let plain = |letter: char| letter.is_alphanumeric() || "/._-+".contains(letter);
        ensure!(
            folder.to_str().is_some_and(|text| text.chars().all(plain)),
            "{} has letters that would need quoting in one of the configurations; choose a plain path with --dir",
            folder.display()
        );
        Ok(folder)
    }
}

/// Does what was asked.
///
/// # Errors
/// When it could not be done; the message says what to do.
pub(crate) fn run(task: &ClusterTask) -> Result<()> {
    let progress = Progress::new();
    match task {
        ClusterTask::Up { replica_binary, common } => up(common, replica_binary.clone(), &progress),
        ClusterTask::Status { common } => status(common),
        ClusterTask::Down { purge, common } => {
            let folder = common.folder()?;
            let _lock = folder.exists().then(|| state::lock(&folder)).transpose()?;
            let stopped = down::down(&folder, *purge, &progress)?;
            let words = match stopped.len() {
                0 => format!("nothing was running in {}", folder.display()),
                count => format!("{count} members ended"),
            };
            let rest = if *purge { "; its data is gone" } else { "" };
            print(common, &json!({ "stopped": stopped, "purged": purge }), &format!("{words}{rest}\n"))
        }
        ClusterTask::KillPrimary { restart, common } => {
            let folder = common.folder()?;
            let _lock = folder.exists().then(|| state::lock(&folder)).transpose()?;
            let outcome = primary::kill(&folder, *restart, &progress)?;
            let words = format!(
                "{} was killed, {} leads; {:.1} s without a write\n",
                outcome.killed, outcome.new_primary, outcome.writes_after
            );
            print(common, &outcome, &words)
        }
    }
}

fn up(common: &Common, binary: Option<PathBuf>, progress: &Progress) -> Result<()> {
    let folder = common.folder()?;
    let _lock = state::lock(&folder)?;
    let outcome = up::up(&folder, binary, progress)?;
    let words = match outcome.started.len() {
        0 => "it is up already; nothing was started\n\n".to_owned(),
        count => format!("{count} members started\n\n"),
    };
    print(common, &outcome.cluster, &(words + &places(&outcome.cluster)?))
}

fn status(common: &Common) -> Result<()> {
    let folder = common.folder()?;
    let missing =
        || format!("there is no cluster in {}; start one: cargo xtask cluster up", folder.display());
    let status = status::status(&Cluster::load(&folder)?.with_context(missing)?);
    print(common, &status, &status.table())
}

fn print(common: &Common, value: &impl Serialize, words: &str) -> Result<()> {
    match common.json {
        true => println!("{}", serde_json::to_string(value)?),
        false => print!("{words}"),
    }
    Ok(())
}

/// Where everything is. Passwords are only in `cluster.json`.
fn places(cluster: &Cluster) -> Result<String> {
    let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let mut rows = vec![row(&["member", "pid", "addresses", "log"])];
    for member in &cluster.members {
        let pid = member.process.map(|process| process.pid.to_string()).unwrap_or_default();
        rows.push(row(&[&member.name, &pid, &addresses(member), &short(&member.log, &cluster.folder)]));
    }
    let file = cluster.folder.join("cluster.json");
    let rest = [
        row(&["ecert", &cluster.ecert.url, "both replicas, by HAProxy"]),
        row(&["statistics", &cluster.stats_url, "HAProxy"]),
        row(&["database", cluster.member("haproxy")?.address("primary")?, "the leader, by HAProxy (TLS)"]),
        row(&[
            "",
            cluster.member("pgbouncer")?.address("postgres")?,
            "the leader, by PgBouncer (TLS, transactions)",
        ]),
        row(&["folder", &cluster.folder.display().to_string(), "configurations, data, logs"]),
        row(&[
            "cluster.json",
            &file.display().to_string(),
            "all of this, with the database's URLs and passwords",
        ]),
    ];
    Ok(format!("{}\n{}", status::table(&rows), status::table(&rest)))
}

fn addresses(member: &Member) -> String {
    member.addresses.iter().map(|(what, address)| format!("{what} {address}")).collect::<Vec<_>>().join("  ")
}

fn short(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}
