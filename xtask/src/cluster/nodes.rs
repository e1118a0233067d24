//! The nodes of PostgreSQL, as Patroni sees them and as the system sees them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::process::Running;
use super::state::{Cluster, Kind, Member};
use super::system::get;

/// A node in Patroni's words.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// `leader`, `sync_standby`, `replica`, …
    pub(crate) role: String,
    /// `running`, `streaming`, `starting`, …
    pub(crate) state: String,
    pub(crate) timeline: Option<u64>,
    /// Bytes of write-ahead log behind the leader; Patroni says "unknown" where it does not know.
    pub(crate) lag: Option<serde_json::Value>,
}

impl Node {
    pub(crate) fn is_leader(&self) -> bool {
        self.role == "leader"
    }

    pub(crate) fn is_up(&self) -> bool {
        self.state == "running" || self.state == "streaming"
    }
}

/// All nodes that etcd knows of, asked from the first node that answers; empty when none does.
pub(crate) fn nodes(cluster: &Cluster) -> Vec<Node> {
    #[derive(Deserialize)]
    struct Answer {
        members: Vec<Node>,
    }
    let ask = |node: &Member| {
        let (_, body) = get(&format!("http://{}/cluster", node.address("rest").ok()?))?;
        Some(serde_json::from_str::<Answer>(&body).ok()?.members)
    };
    let running = cluster.of_kind(Kind::Postgres).filter(|node| node.running().is_some());
    running.into_iter().find_map(ask).unwrap_or_default()
}

/// Whether commits are taken and survive the loss of a node, and every node that is to run does.
pub(crate) fn are_whole(cluster: &Cluster, nodes: &[Node]) -> bool {
    let up = |node: &&Node| node.is_up();
    let wanted = cluster.of_kind(Kind::Postgres).count();
    nodes.iter().filter(up).count() == wanted
        && nodes.iter().any(Node::is_leader)
        && nodes.iter().any(|node| node.role == "sync_standby")
}

/// `node-1 leader, node-2 sync_standby, node-3 creating replica`
pub(crate) fn in_words(nodes: &[Node]) -> String {
    let word = |node: &Node| match node.is_up() {
        true => format!("{} {}", node.name, node.role),
        false => format!("{} {}", node.name, node.state),
    };
    nodes.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Where a node's PostgreSQL has its data.
pub(crate) fn data_folder(node: &Member) -> Option<PathBuf> {
    node.data.as_ref().map(|data| data.join("data"))
}

/// The first process of the node's PostgreSQL, which is no child of Patroni's group and may outlive it.
pub(crate) fn postmaster(node: &Member) -> Option<Running> {
    let folder = data_folder(node)?;
    let file = fs::read_to_string(folder.join("postmaster.pid")).ok()?;
    let process = Running::of(file.lines().next()?.trim().parse().ok()?)?;
    // The file stays after a kill, and its number may have gone to another process; PostgreSQL works in its data.
    let works_in = fs::read_link(format!("/proc/{}/cwd", process.pid)).ok()?;
    (works_in == folder).then_some(process)
}

/// Ends a PostgreSQL that lost its Patroni.
pub(crate) fn stop_postmaster(node: &Member) {
    if let Some(postmaster) = postmaster(node) {
        // The "fast" way: sessions are cut, and what is committed is written.
        postmaster.stop(Signal::INT, Duration::from_secs(20));
    }
}
