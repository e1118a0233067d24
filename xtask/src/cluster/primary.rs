//! `kill-primary`: the leader is lost as if its machine had been, and the time without writes is taken.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde::Serialize;

use super::nodes::{self, Node};
use super::process::Running;
use super::state::{Cluster, Kind};
use super::system::System;
use super::up;
use crate::progress::Progress;

/// The lease of a dead leader lasts 20 seconds; a machine with other work may need several times that.
const PATIENCE: Duration = Duration::from_secs(120);

/// What happened.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) killed: String,
    /// Patroni, the first process of PostgreSQL, and its children.
    pub(super) killed_pids: Vec<i32>,
    pub(super) new_primary: String,
    /// Seconds from the kill until another node led.
    pub(super) leader_after: f64,
    /// Seconds from the kill until a commit through PgBouncer was acknowledged, which a second node then has as well.
    pub(super) writes_after: f64,
    /// Seconds from the new start of the killed node until it followed; None where it was left dead.
    pub(super) back_after: Option<f64>,
}

/// Kills the leader, waits until writes work again, and with `restart` brings the killed node back.
///
/// # Errors
/// When no node leads, no other could take over, or none did within two minutes.
pub(super) fn kill(folder: &Path, restart: bool, progress: &Progress) -> Result<Outcome> {
    let missing =
        || format!("there is no cluster in {}; start one: cargo xtask cluster up", folder.display());
    let mut cluster = Cluster::load(folder)?.with_context(missing)?;
    let system = System::ready(progress)?;
    let before = nodes::nodes(&cluster);
    let leader = before.iter().find(|node| node.is_leader() && node.is_up());
    let leader = leader.context("no node leads; look at: cargo xtask cluster status")?.name.clone();
    let heir = before.iter().any(|node| node.role == "sync_standby" && node.is_up());
    ensure!(heir, "no node could take over from {leader}; bring the others up first: cargo xtask cluster up");

    let pids = kill_node(&cluster, &leader)?;
    let start = Instant::now();
    cluster.note(&leader, None)?;
    progress.say(&format!("{leader} killed ({} processes); waiting for another leader", pids.len()));
    let is_new = |node: &Node| node.is_leader() && node.is_up() && node.name != leader;
    let new_primary =
        until("no other node took the lead", || nodes::nodes(&cluster).into_iter().find(is_new))?.name;
    let leader_after = start.elapsed().as_secs_f64();
    progress.say(&format!("  {new_primary} leads after {leader_after:.1} s"));
    // Written to the log of the database and to a second node, without a table.
    let write = "SELECT pg_logical_emit_message(true, 'ecert cluster', 'kill-primary')";
    until("writes did not work again", || system.sql(&cluster.database.pgbouncer, write).ok())?;
    let writes_after = start.elapsed().as_secs_f64();
    progress.say(&format!("  writes through PgBouncer work after {writes_after:.1} s"));

    let back_after = restart.then(|| -> Result<f64> {
        let start = Instant::now();
        up::bring_back(&mut cluster, &leader, progress)?;
        Ok(start.elapsed().as_secs_f64())
    });
    let back_after = back_after.transpose()?;
    if let Some(seconds) = back_after {
        progress.say(&format!("  {leader} follows after {seconds:.1} s"));
    }
    Ok(Outcome { killed: leader, killed_pids: pids, new_primary, leader_after, writes_after, back_after })
}

/// Kills Patroni first, which would else start PostgreSQL again.
fn kill_node(cluster: &Cluster, name: &str) -> Result<Vec<i32>> {
    let node = cluster.of_kind(Kind::Postgres).find(|node| node.name == name);
    let node = node.with_context(|| format!("{name} leads, but is none of this cluster"))?;
    let patroni = node.running();
    let postmaster = nodes::postmaster(node);
    let mut processes: Vec<Running> = patroni.into_iter().chain(postmaster).collect();
    processes.extend(postmaster.map(Running::children).unwrap_or_default());
    for process in &processes {
        process.signal(Signal::KILL);
    }
    // What was forked meanwhile sees that its parent is gone, and ends.
    for process in &processes {
        ensure!(
            process.ends_within(Duration::from_secs(5)),
            "process {} of {name} cannot be killed",
            process.pid
        );
    }
    Ok(processes.iter().map(|process| process.pid).collect())
}

fn until<T>(failed: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        ensure!(
            start.elapsed() < PATIENCE,
            "{failed} within {} s; look at: cargo xtask cluster status",
            PATIENCE.as_secs()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}
