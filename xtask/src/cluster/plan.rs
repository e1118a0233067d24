//! What will stand where: members, ports, passwords, and the text of every configuration.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base16ct::lower;
use serde_json::{Value, json};

use super::render::{Template, render};
use super::state::{Cluster, Database, Ecert, Kind, Member, Passwords};

pub(super) const HOST: &str = "127.0.0.1";
/// The database, and its owner.
pub(super) const DATABASE: &str = "ecert";
const NODES: u16 = 3;
const REPLICAS: u16 = 2;
/// Ports below those that the system gives to outgoing connections, one of which could otherwise sit on the port of a
/// node while it is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A new cluster in `folder`, on free ports.
///
/// # Errors
/// When there are not enough free ports.
pub(super) fn cluster(folder: &Path) -> Result<Cluster> {
    let mut ports = FreePorts::new();
    let mut members = Vec::new();
    for number in 1..=NODES {
        members.push(member(folder, Kind::Etcd, &format!("etcd-{number}"), &["client", "peer"], &mut ports)?);
    }
    for number in 1..=NODES {
        members.push(member(
            folder,
            Kind::Postgres,
            &format!("node-{number}"),
            &["postgres", "rest"],
            &mut ports,
        )?);
    }
    members.push(member(folder, Kind::Haproxy, "haproxy", &["primary", "ecert", "stats"], &mut ports)?);
    members.push(member(folder, Kind::Pgbouncer, "pgbouncer", &["postgres"], &mut ports)?);
    for number in 1..=REPLICAS {
        members.push(member(folder, Kind::Ecert, &format!("ecert-{number}"), &["http"], &mut ports)?);
    }
    let passwords =
        Passwords { superuser: password()?, replicator: password()?, rest: password()?, ecert: password()? };
    let mut cluster = Cluster {
        folder: folder.to_owned(),
        ecert: Ecert {
            url: String::new(),
            replicas: Vec::new(),
            data_dir: folder.join("data").join("ecert"),
        },
        database: Database {
            direct: String::new(),
            haproxy: String::new(),
            pgbouncer: String::new(),
            superuser: String::new(),
        },
        stats_url: String::new(),
        passwords,
        members,
    };
    add_urls(&mut cluster)?;
    Ok(cluster)
}

fn member(folder: &Path, kind: Kind, name: &str, spoken: &[&str], ports: &mut FreePorts) -> Result<Member> {
    let mut addresses = BTreeMap::new();
    for what in spoken {
        addresses.insert((*what).to_owned(), format!("{HOST}:{}", ports.take()?));
    }
    let config = |ending: &str| Some(folder.join("etc").join(format!("{name}.{ending}")));
    let data = || Some(folder.join("data").join(name));
    let (config, data) = match kind {
        Kind::Etcd | Kind::Postgres => (config("yml"), data()),
        Kind::Haproxy => (config("cfg"), None),
        Kind::Pgbouncer => (config("ini"), None),
        // Both replicas share one folder: the keys of the installation are in it.
        Kind::Ecert => (None, Some(folder.join("data").join("ecert"))),
    };
    let log = folder.join("log").join(format!("{name}.log"));
    Ok(Member {
        name: name.to_owned(),
        kind,
        addresses,
        config,
        data,
        log,
        command: Vec::new(),
        process: None,
    })
}

fn add_urls(cluster: &mut Cluster) -> Result<()> {
    let nodes = cluster.of_kind(Kind::Postgres).map(|node| node.address("postgres"));
    let nodes = nodes.collect::<Result<Vec<_>>>()?.join(",");
    let leader = cluster.member("haproxy")?.address("primary")?;
    let pooler = cluster.member("pgbouncer")?.address("postgres")?;
    let verified = format!("sslmode=verify-full&sslrootcert={}", tls(&cluster.folder, "ca.pem").display());
    let ours = format!("postgres://{DATABASE}:{}", cluster.passwords.ecert);
    // The client refuses a node that does not take writes: HAProxy may need a second to see who leads.
    let writes = format!("target_session_attrs=read-write&{verified}");
    let database = Database {
        direct: format!("{ours}@{nodes}/{DATABASE}?{writes}"),
        haproxy: format!("{ours}@{leader}/{DATABASE}?{writes}"),
        pgbouncer: format!("{ours}@{pooler}/{DATABASE}?{verified}"),
        superuser: format!("postgres://postgres:{}@{leader}/postgres?{writes}", cluster.passwords.superuser),
    };
    let front = format!("http://{}", cluster.member("haproxy")?.address("ecert")?);
    let stats = format!("http://{}/", cluster.member("haproxy")?.address("stats")?);
    let replicas =
        cluster.of_kind(Kind::Ecert).map(|replica| Ok(format!("http://{}", replica.address("http")?)));
    let replicas = replicas.collect::<Result<_>>()?;
    cluster.database = database;
    cluster.stats_url = stats;
    cluster.ecert.url = front;
    cluster.ecert.replicas = replicas;
    Ok(())
}

/// A file of the certificates.
pub(super) fn tls(folder: &Path, file: &str) -> PathBuf {
    folder.join("tls").join(file)
}

/// Every configuration with its place. `bin_dir` holds the programs of PostgreSQL.
///
/// # Errors
/// When a template wants a value that is not there.
pub(super) fn files(cluster: &Cluster, bin_dir: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    for member in &cluster.members {
        let template = match member.kind {
            Kind::Etcd => Template::Etcd,
            Kind::Postgres => Template::Patroni,
            Kind::Haproxy => Template::Haproxy,
            Kind::Pgbouncer => Template::Pgbouncer,
            Kind::Ecert => continue,
        };
        let path =
            member.config.clone().with_context(|| format!("{} has no place for its file", member.name))?;
        files.push((path, render(template, values(cluster, member, bin_dir)?)?));
    }
    Ok(files)
}

/// PgBouncer's list of users.
pub(super) fn user_list(cluster: &Cluster) -> (PathBuf, String) {
    let line = format!("\"{DATABASE}\" \"{}\"\n", cluster.passwords.ecert);
    (cluster.folder.join("etc").join("userlist.txt"), line)
}

/// The values of the file of `member`; deploy/README.md lists them for operators.
fn values(cluster: &Cluster, member: &Member, bin_dir: &Path) -> Result<Value> {
    let all = |kind| -> Vec<Value> { cluster.of_kind(kind).map(value).collect() };
    let haproxy = cluster.member("haproxy")?;
    let (primary_host, primary_port) = parts(haproxy.address("primary")?)?;
    let (host, port) = parts(cluster.member("pgbouncer")?.address("postgres")?)?;
    Ok(json!({
        "scope": DATABASE,
        "database": DATABASE,
        "network": format!("{HOST}/32"),
        "watchdog": "off",
        "postgres_bin_dir": bin_dir,
        "passwords": cluster.passwords,
        "tls": {
            "ca": tls(&cluster.folder, "ca.pem"),
            "certificate": tls(&cluster.folder, "server.pem"),
            "key": tls(&cluster.folder, "server.key"),
        },
        "member": value(member),
        "etcd": all(Kind::Etcd),
        "nodes": all(Kind::Postgres),
        "replicas": all(Kind::Ecert),
        "haproxy": value(haproxy),
        "primary": { "host": primary_host, "port": primary_port },
        "pgbouncer": { "host": host, "port": port, "auth_file": user_list(cluster).0 },
    }))
}

/// A member by its name, its addresses, and its folders.
fn value(member: &Member) -> Value {
    let mut value = json!(member.addresses);
    if let Value::Object(value) = &mut value {
        value.insert("name".to_owned(), json!(member.name));
        if let Some(data) = &member.data {
            value.insert("data_dir".to_owned(), json!(data.join("data")));
            value.insert("pgpass".to_owned(), json!(data.join("pgpass")));
        }
        if let Some((_, port)) = member.addresses.get("rest").and_then(|rest| rest.rsplit_once(':')) {
            value.insert("rest_port".to_owned(), json!(port));
        }
    }
    value
}

/// Host and port of an address.
pub(super) fn parts(address: &str) -> Result<(&str, &str)> {
    address.rsplit_once(':').with_context(|| format!("{address:?} is not host:port"))
}

/// 128 random bits as hexadecimal digits, which need no quoting in any of the files.
fn password() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes))?;
    Ok(lower::encode_string(&bytes))
}

/// Finds free ports, and holds them until all are found, so that none is found twice.
struct FreePorts {
    left: Box<dyn Iterator<Item = u16>>,
    held: Vec<TcpListener>,
}

impl FreePorts {
    /// Begins where few others do, so that two clusters that come up at once do not race for the same ports.
    fn new() -> Self {
        let length = u32::from(PORTS.end - PORTS.start);
        let first = std::process::id().wrapping_mul(97) % length;
        let first = PORTS.start + u16::try_from(first).unwrap_or_default();
        Self { left: Box::new((first..PORTS.end).chain(PORTS.start..first)), held: Vec::new() }
    }

    fn take(&mut self) -> Result<u16> {
        for port in self.left.by_ref() {
            if let Ok(listener) = TcpListener::bind((HOST, port)) {
                self.held.push(listener);
                return Ok(port);
            }
        }
        bail!("no port from {} to {} is free", PORTS.start, PORTS.end)
    }
}
