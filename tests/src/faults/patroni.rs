//! The leading node of a cluster that fails over.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::Harness;
use super::check::{Db, Extent, check};
use super::client::Site;
use super::stage::{finish, populate};
use super::tally::Tally;
use super::traffic::Traffic;
use crate::clients::text;

const CLIENTS: u32 = 8;
/// The lease of a dead leader lasts 20 s, and the command returns when the new one takes writes.
const BACK: Duration = Duration::from_secs(60);
/// For the end of a command that another process runs on the same cluster.
const ENDED: Duration = Duration::from_secs(180);

/// A cluster, as `cargo xtask cluster up` starts it. It is gone with this value.
struct Cluster {
    xtask: PathBuf,
    folder: PathBuf,
}

impl Cluster {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.xtask);
        command.arg("cluster").args(words).arg("--json").arg("--dir").arg(&self.folder);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Runs a command of the cluster, off the threads that carry the clients.
    async fn run(&self, words: &[&str]) -> anyhow::Result<Value> {
        let mut command = self.command(words);
        let words = words.join(" ");
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        if !output.status.success() {
            bail!("cargo xtask cluster {words}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let began = Instant::now();
        // After a Ctrl-C an earlier command may still hold the cluster; it ends by itself.
        while !self.command(&["down", "--purge"]).output().is_ok_and(|output| output.status.success()) {
            if began.elapsed() > ENDED {
                eprintln!("the cluster in {} could not be ended", self.folder.display());
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

/// Kills the leader and brings it back, with two replicas of the service and clients at work.
pub(super) async fn kill_primary(harness: &Harness, tally: &mut Tally) -> anyhow::Result<()> {
    let Some(xtask) = harness.xtask.clone() else {
        tally.skip("needs cargo xtask cluster; run it as `cargo xtask faults patroni-primary`");
        return Ok(());
    };
    tally.doing("starting a cluster");
    let folder = std::path::absolute(harness.logs.join("faults-cluster"))?;
    let cluster = Cluster { xtask, folder };
    let binary = harness.binary.to_str().context("the path of `ecert` is not UTF-8")?;
    let about = cluster.run(&["up", "--replica-binary", binary]).await?;
    let database = text(&about, "/database/haproxy")?;
    // Putting people in ends with a checkpoint, which the service's own user may not ask for.
    let superuser = text(&about, "/database/superuser")?.replacen("/postgres?", "/ecert?", 1);
    let people = populate(Path::new(&text(&about, "/ecert/data_dir")?), &superuser)?;
    let site = Arc::new(Site::new(&text(&about, "/ecert/url")?, people, true)?);
    let mut traffic = Traffic::new(site, CLIENTS);
    let mut checked = (0, 0);
    traffic.go();
    for _ in 0..tally.runs {
        ensure!(traffic.goes_on(10, BACK).await.is_some(), "the cluster serves nobody");
        tally.doing("the leader is dead");
        let outcome = cluster.run(&["kill-primary", "--restart"]).await?;
        let back = traffic.goes_on(1, BACK).await;
        tally.note(format!(
            "{} was killed; writes after {:.1} s, back as a follower after {:.1} s more",
            outcome["killed"].as_str().unwrap_or("-"),
            outcome["writes_after"].as_f64().unwrap_or_default(),
            outcome["back_after"].as_f64().unwrap_or_default()
        ));
        let told = traffic.told_since(checked);
        checked = (checked.0 + told.opened.len(), checked.1 + told.captures.len());
        let mut db = Db::open(&database)?;
        let found = tokio::task::block_in_place(|| check(&mut db, &told, Extent::AtLeast))?;
        tally.run(back, &found);
    }
    finish(&mut traffic, &database, tally).await
}
