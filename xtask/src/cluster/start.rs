//! Starts one member, and knows when it is ready.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::nodes;
use super::process::{self, Running, tail};
use super::state::{Cluster, Database, Kind, Member};
use super::system::{System, get};

/// The way by which the replicas of ecert reach the database. PgBouncer shares connections between transactions, for
/// which ecert has to be told; then this becomes `&database.pgbouncer`.
fn replica_database(database: &Database) -> &str {
    &database.haproxy
}

/// What the replicas of ecert are started with.
pub(super) struct Service<'a> {
    pub(super) binary: &'a Path,
    pub(super) models: &'a Path,
}

/// Starts the member `name`, notes its process, and answers with it.
///
/// # Errors
/// When one of its ports is taken, or its program does not start.
pub(super) fn start(
    cluster: &mut Cluster,
    name: &str,
    system: &System,
    service: &Service<'_>,
) -> Result<Running> {
    let member = cluster.member(name)?;
    require_ports(member)?;
    let (mut command, account) = match member.kind {
        Kind::Ecert => (replica(cluster, member, service)?, None),
        _ => (engine(member, system)?, system.account),
    };
    let argv = std::iter::once(command.get_program()).chain(command.get_args());
    let argv: Vec<String> = argv.map(|word| word.to_string_lossy().into_owned()).collect();
    let process = process::spawn(&mut command, account, &member.log)?;
    if let Some(member) = cluster.members.iter_mut().find(|member| member.name == name) {
        member.command = argv;
    }
    cluster.note(name, Some(process))?;
    Ok(process)
}

fn engine(member: &Member, system: &System) -> Result<Command> {
    let config = member.config.as_deref().context("an engine has a configuration")?;
    let (program, before): (&str, &[&str]) = match member.kind {
        Kind::Etcd => ("etcd", &["--config-file"]),
        Kind::Postgres => ("patroni", &[]),
        // In the foreground, so that its process is the one that we know.
        Kind::Haproxy => ("haproxy", &["-db", "-f"]),
        Kind::Pgbouncer => ("pgbouncer", &["-q"]),
        Kind::Ecert => bail!("ecert is no engine"),
    };
    let mut command = system.command(program);
    command.args(before).arg(config);
    let home = member.data.as_deref().or_else(|| config.parent()).context("a file is in a folder")?;
    command.env("HOME", home).current_dir(home);
    Ok(command)
}

/// The variables of the caller are passed on: by them a test sets what it wants to be otherwise.
fn replica(cluster: &Cluster, member: &Member, service: &Service<'_>) -> Result<Command> {
    let mut command = Command::new(service.binary);
    command.args(["serve", "--listen", member.address("http")?, "--public-url", &cluster.ecert.url]);
    command.arg("--data-dir").arg(&cluster.ecert.data_dir);
    // Not as an argument: those are shown to every user of the machine, and it holds a password.
    command.env("ECERT_DATABASE", replica_database(&cluster.database)).env("ECERT_MODEL_DIR", service.models);
    command.current_dir(&cluster.folder);
    Ok(command)
}

/// A taken port would be found by the program too, but said less clearly.
fn require_ports(member: &Member) -> Result<()> {
    for (what, address) in &member.addresses {
        // A PostgreSQL that outlived its Patroni keeps its port, and Patroni takes it over.
        if what == "postgres" && nodes::postmaster(member).is_some() {
            continue;
        }
        if let Err(error) = TcpListener::bind(address) {
            bail!(
                "{}: its address {address} ({what}) cannot be had: {error}.\nEnd the process that is there \
                 (`ss -ltnp` shows it), or let the cluster find other ports, with its data gone:\n  \
                 cargo xtask cluster down --purge",
                member.name
            );
        }
    }
    Ok(())
}

/// Waits until `ready` says so.
///
/// # Errors
/// When one of the members `names` ends, or it takes longer than `patience`; the message quotes their logs.
pub(super) fn wait(
    cluster: &Cluster,
    names: &[&str],
    patience: Duration,
    mut ready: impl FnMut() -> bool,
) -> Result<()> {
    let start = Instant::now();
    while !ready() {
        for name in names {
            let member = cluster.member(name)?;
            if member.running().is_none() {
                bail!("{name} has ended. The end of its log:\n{}", tail(&member.log));
            }
        }
        if start.elapsed() > patience {
            let logs = names.iter().filter_map(|name| cluster.member(name).ok());
            let logs: Vec<String> = logs.map(|member| tail(&member.log)).collect();
            bail!(
                "{} not ready after {} s. The logs end:\n{}",
                names.join(", "),
                patience.as_secs(),
                logs.join("\n")
            );
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Whether a member that is no node of PostgreSQL does its work. For a node, Patroni is asked about all of them.
pub(super) fn is_ready(member: &Member) -> bool {
    let says_ok = |kind: &str, path: &str| {
        let url = member.address(kind).map(|address| format!("http://{address}{path}"));
        url.ok().and_then(|url| get(&url)).is_some_and(|(status, _)| status == 200)
    };
    let accepts = |kind: &str| member.address(kind).is_ok_and(|address| TcpStream::connect(address).is_ok());
    match member.kind {
        Kind::Etcd => says_ok("client", "/health"),
        Kind::Postgres => says_ok("rest", "/health"),
        Kind::Haproxy => says_ok("stats", "/"),
        Kind::Pgbouncer => accepts("postgres"),
        Kind::Ecert => says_ok("http", "/readyz"),
    }
}

/// How many nodes HAProxy takes for the leader (its statistics as CSV: proxy, server, …, and the status as the 18th).
pub(super) fn takes_for_leader(cluster: &Cluster) -> usize {
    let table = get(&format!("{};csv", cluster.stats_url)).map(|(_, table)| table).unwrap_or_default();
    let is_up = |line: &&str| {
        let fields: Vec<&str> = line.split(',').collect();
        let is_node = fields.get(1).is_some_and(|server| *server != "FRONTEND" && *server != "BACKEND");
        fields.first() == Some(&"primary")
            && is_node
            && fields.get(17).is_some_and(|status| status.starts_with("UP"))
    };
    table.lines().filter(is_up).count()
}

/// Makes the folders of the cluster and writes its configurations, each readable only by who needs it.
pub(super) fn write_files(cluster: &Cluster, system: &System) -> Result<()> {
    let folder = &cluster.folder;
    for name in ["etc", "tls", "data", "log"] {
        fs::create_dir_all(folder.join(name))
            .with_context(|| format!("cannot make folders in {}", folder.display()))?;
    }
    system.can_reach(&folder.join("data"))?;
    for member in cluster.members.iter().filter(|member| member.kind != Kind::Ecert) {
        if let Some(data) = &member.data {
            fs::create_dir_all(data)?;
            system.give(data)?;
        }
    }
    let mut files = super::plan::files(cluster, &system.postgres_bin)?;
    files.push(super::plan::user_list(cluster));
    for (path, text) in files {
        write_private(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
        system.give(&path)?;
    }
    super::certificates::make(folder)?;
    system.give(&super::plan::tls(folder, "server.key"))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    std::io::Write::write_all(&mut file, text.as_bytes())
}
