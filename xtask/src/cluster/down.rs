//! `down`: ends everything, from the top floor to the ground.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use super::nodes;
use super::state::{self, Cluster, Kind, Member};
use crate::progress::Progress;

/// Ends all processes of the cluster in `folder`, each after those that need it, and answers with their names. With
/// `purge` its data, keys and logs are removed as well.
///
/// # Errors
/// When the files of the cluster cannot be read or removed.
pub(super) fn down(folder: &Path, purge: bool, progress: &Progress) -> Result<Vec<String>> {
    let mut stopped = Vec::new();
    if let Some(mut cluster) = Cluster::load(folder)? {
        let leader = nodes::nodes(&cluster).into_iter().find(nodes::Node::is_leader).map(|node| node.name);
        let is_leader = |member: &Member| Some(&member.name) == leader.as_ref();
        // The followers before the leader, or one of them would be promoted for a moment.
        let floors: [&dyn Fn(&Member) -> bool; 6] = [
            &|member| member.kind == Kind::Ecert,
            &|member| member.kind == Kind::Pgbouncer,
            &|member| member.kind == Kind::Haproxy,
            &|member| member.kind == Kind::Postgres && !is_leader(member),
            &|member| member.kind == Kind::Postgres,
            &|member| member.kind == Kind::Etcd,
        ];
        for floor in floors {
            stop(&mut cluster, floor, progress, &mut stopped)?;
        }
    }
    if purge {
        state::remove(folder, &[])?;
    }
    Ok(stopped)
}

/// Ends the members that `chosen` picks: all are told, then each is waited for.
fn stop(
    cluster: &mut Cluster,
    chosen: impl Fn(&Member) -> bool,
    progress: &Progress,
    stopped: &mut Vec<String>,
) -> Result<()> {
    let there = |member: &&Member| member.running().is_some() || nodes::postmaster(member).is_some();
    let members = cluster.members.iter().filter(|member| chosen(member)).filter(there);
    let names: Vec<String> = members.map(|member| member.name.clone()).collect();
    for name in &names {
        cluster.member(name)?.running().inspect(|process| process.signal(Signal::TERM));
    }
    for name in names {
        let member = cluster.member(&name)?;
        if let Some(process) = member.running() {
            process.stop(Signal::TERM, patience(member.kind));
        }
        nodes::stop_postmaster(member);
        cluster.note(&name, None)?;
        progress.say(&format!("  {name} ended"));
        stopped.push(name);
    }
    Ok(())
}

/// How long a member may take to end before it is killed.
fn patience(kind: Kind) -> Duration {
    Duration::from_secs(match kind {
        // Requests get 20 seconds (`shutdown_timeout`), then the jobs end.
        Kind::Ecert => 30,
        // PostgreSQL writes everything down.
        Kind::Postgres => 60,
        Kind::Etcd | Kind::Haproxy | Kind::Pgbouncer => 10,
    })
}
