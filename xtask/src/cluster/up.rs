//! `up`: starts what is not running, floor by floor, and takes it down again when a floor does not hold.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::process::Signal;

use super::plan::DATABASE;
use super::process::Running;
use super::start::{self, Service, is_ready, start, wait};
use super::state::{self, Cluster, Kind};
use super::system::System;
use super::{nodes, plan};
use crate::commands;
use crate::progress::Progress;

/// How long a member may take. The first start of the nodes copies a database twice.
const PATIENCE: Duration = Duration::from_secs(60);
const NODES_PATIENCE: Duration = Duration::from_secs(180);

/// What `up` found and did.
pub(super) struct Outcome {
    pub(super) cluster: Cluster,
    /// The members that were started; none where all were up.
    pub(super) started: Vec<String>,
}

/// Brings everything up that is not. A cluster that cannot be brought up is taken down again, and one that was made
/// by this call is forgotten but for its logs.
///
/// # Errors
/// When a program is missing or a member does not get ready; the message quotes its log.
pub(super) fn up(folder: &Path, binary: Option<PathBuf>, progress: &Progress) -> Result<Outcome> {
    let found = Cluster::load(folder)?;
    let fresh = found.is_none();
    let mut cluster = match found {
        Some(cluster) => cluster,
        None => plan::cluster(folder)?,
    };
    if cluster.members.iter().all(|member| member.running().is_some()) {
        return Ok(Outcome { cluster, started: Vec::new() });
    }
    let system = System::ready(progress)?;
    let models = commands::ready_cache()?;
    let binary = match binary {
        Some(binary) => binary.canonicalize().with_context(|| format!("there is no {}", binary.display()))?,
        None => {
            progress.say("building ecert");
            commands::build(&models, &["ecert"])?.join("ecert")
        }
    };
    let mut floors = Floors {
        cluster: &mut cluster,
        system: &system,
        service: Service { binary: &binary, models: models.root() },
        progress,
        started: Vec::new(),
    };
    match floors.build() {
        Ok(()) => {
            let started = floors.started.into_iter().map(|(name, _)| name).collect();
            Ok(Outcome { cluster, started })
        }
        Err(error) => {
            let error = floors.take_down(error);
            if fresh {
                state::remove(folder, &["log", "cluster.lock"])?;
            }
            Err(error)
        }
    }
}

struct Floors<'a> {
    cluster: &'a mut Cluster,
    system: &'a System,
    service: Service<'a>,
    progress: &'a Progress,
    /// By this call, in order.
    started: Vec<(String, Running)>,
}

impl Floors<'_> {
    fn build(&mut self) -> Result<()> {
        let begun = Instant::now();
        start::write_files(self.cluster, self.system)?;
        self.cluster.save()?;
        // Before anything is started, since PostgreSQL alone takes ten seconds.
        for member in self.cluster.members.iter().filter(|member| member.running().is_none()) {
            start::require_ports(member)?;
        }
        self.together(Kind::Etcd, "etcd")?;
        self.nodes()?;
        self.together(Kind::Haproxy, "HAProxy")?;
        self.database()?;
        self.together(Kind::Pgbouncer, "PgBouncer")?;
        let answer = self.system.sql(&self.cluster.database.pgbouncer, "SELECT 1");
        answer.context("PgBouncer does not lead to the database")?;
        // One after the other: the first brings the tables up to date and makes the keys.
        for name in self.names(Kind::Ecert) {
            self.alone(&name)?;
        }
        let url = format!("{}/readyz", self.cluster.ecert.url);
        wait(self.cluster, &["haproxy"], PATIENCE, || {
            super::system::get(&url).is_some_and(|(status, _)| status == 200)
        })?;
        self.progress.say(&format!("up after {:.1} s\n", begun.elapsed().as_secs_f64()));
        Ok(())
    }

    fn names(&self, kind: Kind) -> Vec<String> {
        self.cluster.of_kind(kind).map(|member| member.name.clone()).collect()
    }

    /// Starts the member unless it runs; says whether it did.
    fn start(&mut self, name: &str) -> Result<bool> {
        if self.cluster.member(name)?.running().is_some() {
            return Ok(false);
        }
        let process = start(self.cluster, name, self.system, &self.service)?;
        self.started.push((name.to_owned(), process));
        Ok(true)
    }

    /// Starts all of a kind, then waits for them: three members of etcd are ready only when two are there.
    fn together(&mut self, kind: Kind, called: &str) -> Result<()> {
        let begun = Instant::now();
        let names = self.names(kind);
        for name in &names {
            self.start(name)?;
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        wait(self.cluster, &names, PATIENCE, || self.cluster.of_kind(kind).all(is_ready))?;
        self.say(called, begun);
        Ok(())
    }

    fn alone(&mut self, name: &str) -> Result<()> {
        let begun = Instant::now();
        if !self.start(name)? {
            return Ok(());
        }
        wait(self.cluster, &[name], PATIENCE, || self.cluster.member(name).is_ok_and(is_ready))?;
        self.say(name, begun);
        Ok(())
    }

    fn nodes(&mut self) -> Result<()> {
        let begun = Instant::now();
        let names = self.names(Kind::Postgres);
        for name in &names {
            self.start(name)?;
        }
        wait_for_nodes(self.cluster, self.progress)?;
        self.say("PostgreSQL", begun);
        Ok(())
    }

    /// The database and its owner, made through HAProxy, which is so shown to lead to the leader.
    fn database(&self) -> Result<()> {
        let url = &self.cluster.database.superuser;
        // Until it has asked each node, HAProxy takes all of them for the leader.
        let one_leads =
            || start::takes_for_leader(self.cluster) == 1 && self.system.sql(url, "SELECT 1").is_ok();
        wait(self.cluster, &["haproxy"], PATIENCE, one_leads)?;
        let password = &self.cluster.passwords.ecert;
        let missing = |table: &str, column: &str| -> Result<bool> {
            let found = format!("SELECT 1 FROM {table} WHERE {column} = '{DATABASE}'");
            Ok(self.system.sql(url, &found)?.is_empty())
        };
        if missing("pg_roles", "rolname")? {
            self.system.sql(url, &format!("CREATE ROLE {DATABASE} LOGIN PASSWORD '{password}'"))?;
        }
        if missing("pg_database", "datname")? {
            self.system.sql(url, &format!("CREATE DATABASE {DATABASE} OWNER {DATABASE}"))?;
        }
        Ok(())
    }

    fn say(&self, called: &str, begun: Instant) {
        self.progress.say(&format!("  {called:<12} ready ({:.1} s)", begun.elapsed().as_secs_f64()));
    }

    /// Ends what this call started, the last first.
    fn take_down(&mut self, error: anyhow::Error) -> anyhow::Error {
        if self.started.is_empty() {
            return error;
        }
        self.progress.say("taking down what was started");
        for (name, process) in self.started.iter().rev() {
            process.stop(Signal::TERM, Duration::from_secs(10));
            if let Ok(member) = self.cluster.member(name) {
                nodes::stop_postmaster(member);
            }
        }
        anyhow!("{error:#}\nThe cluster did not come up; what had been started for it was ended.")
    }
}

/// Waits until all nodes run and a commit survives the loss of one; says what changes meanwhile.
pub(super) fn wait_for_nodes(cluster: &Cluster, progress: &Progress) -> Result<()> {
    let names: Vec<&str> = cluster.of_kind(Kind::Postgres).map(|node| node.name.as_str()).collect();
    let mut said = String::new();
    wait(cluster, &names, NODES_PATIENCE, || {
        let nodes = nodes::nodes(cluster);
        let words = nodes::in_words(&nodes);
        if words != said && !words.is_empty() {
            progress.say(&format!("    {words}"));
            said = words;
        }
        nodes::are_whole(cluster, &nodes)
    })
}

/// Starts the node `name` anew, and waits until it follows.
pub(super) fn bring_back(cluster: &mut Cluster, name: &str, progress: &Progress) -> Result<()> {
    let kind = cluster.member(name)?.kind;
    ensure!(kind == Kind::Postgres, "{name} is no node of PostgreSQL");
    let system = System::ready(progress)?;
    let nothing = Path::new("");
    start(cluster, name, &system, &Service { binary: nothing, models: nothing })?;
    wait_for_nodes(cluster, progress)
}
