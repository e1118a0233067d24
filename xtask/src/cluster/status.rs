//! `status`: who runs, who leads, who follows how closely, and which replica is ready.

use serde::Serialize;

use super::nodes::{self, Node};
use super::start::is_ready;
use super::state::{Cluster, Kind, Member};

/// How the cluster is.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    /// `up` when every member does its work, `down` when none runs, else `degraded`.
    pub(super) state: &'static str,
    pub(super) leader: Option<String>,
    pub(super) members: Vec<Line>,
}

/// How one member is.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// `ready`, `not ready`, or `down`.
    pub(super) state: &'static str,
    pub(super) pid: Option<i32>,
    /// The first process of PostgreSQL; Patroni's is `pid`.
    pub(super) postmaster_pid: Option<i32>,
    /// What Patroni says of a node.
    pub(super) node: Option<Node>,
    pub(super) address: String,
}

/// Asks every member.
pub(super) fn status(cluster: &Cluster) -> Status {
    let nodes = nodes::nodes(cluster);
    let members: Vec<Line> = cluster.members.iter().map(|member| line(member, &nodes)).collect();
    let state = match members.iter() {
        all if all.clone().all(|line| line.state == "ready") => "up",
        all if all.clone().all(|line| line.state == "down") => "down",
        _ => "degraded",
    };
    Status { state, leader: nodes.into_iter().find(Node::is_leader).map(|node| node.name), members }
}

fn line(member: &Member, nodes: &[Node]) -> Line {
    let node = nodes.iter().find(|node| member.kind == Kind::Postgres && node.name == member.name).cloned();
    let running = member.running();
    let state = match running {
        None => "down",
        // Patroni's answer is about its own PostgreSQL; that it also takes part is known from the others.
        Some(_)
            if is_ready(member)
                && (member.kind != Kind::Postgres || node.as_ref().is_some_and(Node::is_up)) =>
        {
            "ready"
        }
        Some(_) => "not ready",
    };
    Line {
        name: member.name.clone(),
        kind: member.kind,
        state,
        pid: running.map(|process| process.pid),
        postmaster_pid: nodes::postmaster(member).map(|process| process.pid),
        // Patroni knows a dead node until its lease ends.
        node: node.filter(|_| running.is_some()),
        address: member.addresses.values().cloned().collect::<Vec<_>>().join(" "),
    }
}

impl Status {
    /// As a table for people.
    pub(super) fn table(&self) -> String {
        let head = ["member", "state", "role", "lag", "timeline", "pid"].map(str::to_owned).to_vec();
        let rows = self.members.iter().map(|line| {
            let node = line.node.as_ref();
            let lag = node.and_then(|node| node.lag.as_ref()).map(|lag| match lag {
                serde_json::Value::String(word) => word.clone(),
                bytes => format!("{bytes} B"),
            });
            vec![
                line.name.clone(),
                line.state.to_owned(),
                node.map(|node| node.role.clone()).unwrap_or_default(),
                lag.unwrap_or_default(),
                node.and_then(|node| node.timeline).map(|timeline| timeline.to_string()).unwrap_or_default(),
                line.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            ]
        });
        let leader = self.leader.as_deref().unwrap_or("nobody");
        format!(
            "{}\nthe cluster is {}; {leader} leads\n",
            table(&std::iter::once(head).chain(rows).collect::<Vec<_>>()),
            self.state
        )
    }
}

/// Columns as wide as their widest cell.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::plan;

    #[test]
    fn a_cluster_that_was_never_started_is_down_and_each_member_has_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let status = status(&plan::cluster(folder.path()).unwrap());
        assert_eq!((status.state, &status.leader), ("down", &None));
        let table = status.table();
        for name in ["etcd-3", "node-1", "haproxy", "pgbouncer", "ecert-2"] {
            assert!(table.contains(&format!("{name} ")), "{table}");
        }
    }
}
