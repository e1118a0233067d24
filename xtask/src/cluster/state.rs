//! What a cluster consists of: `cluster.json`, for the commands, the fault harness and whoever wants to look.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::process::Running;

const FILE: &str = "cluster.json";
const LOCK: &str = "cluster.lock";
/// All that a cluster puts into its folder; nothing else there is ever touched.
const OURS: [&str; 6] = [FILE, LOCK, "etc", "tls", "data", "log"];

/// A cluster, as it was planned, with the processes that were started last.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Cluster {
    pub(crate) folder: PathBuf,
    pub(crate) ecert: Ecert,
    pub(crate) database: Database,
    /// HAProxy's page of statistics.
    pub(crate) stats_url: String,
    pub(crate) passwords: Passwords,
    pub(crate) members: Vec<Member>,
}

/// The service.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Ecert {
    /// Through HAProxy, over both replicas.
    pub(crate) url: String,
    pub(crate) replicas: Vec<String>,
    pub(crate) data_dir: PathBuf,
}

/// The ways to the database `ecert`, as URLs with user and password.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Database {
    /// To all nodes; the client library looks for the one that takes writes.
    pub(crate) direct: String,
    /// To the leader, wherever it is.
    pub(crate) haproxy: String,
    /// To the leader over connections that are shared between transactions.
    pub(crate) pgbouncer: String,
    /// As the superuser, to the leader.
    pub(crate) superuser: String,
}

/// Made at random for this cluster.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Passwords {
    pub(crate) superuser: String,
    pub(crate) replicator: String,
    pub(crate) rest: String,
    pub(crate) ecert: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Etcd,
    /// A node of PostgreSQL; its process is Patroni, which starts the other.
    Postgres,
    Haproxy,
    Pgbouncer,
    Ecert,
}

/// One of the processes.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// `host:port` by what is spoken there.
    pub(crate) addresses: BTreeMap<String, String>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) log: PathBuf,
    /// The command that started it last.
    pub(crate) command: Vec<String>,
    /// The process that was started last, which may have ended since.
    #[serde(flatten)]
    pub(crate) process: Option<Running>,
}

impl Member {
    pub(crate) fn running(&self) -> Option<Running> {
        self.process.filter(|process| process.is_alive())
    }

    /// # Errors
    /// When the member has no such address, which a damaged `cluster.json` may bring.
    pub(crate) fn address(&self, kind: &str) -> Result<&str> {
        let address = self.addresses.get(kind).map(String::as_str);
        address.with_context(|| format!("{} has no address {kind:?} in {FILE}", self.name))
    }
}

impl Cluster {
    /// The cluster in `folder`; None where there is none.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub(crate) fn load(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).with_context(|| {
                format!(
                    "{} is damaged, or of another build; stop its processes and remove it",
                    path.display()
                )
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes the file, readable by nobody else, since it holds the passwords; it is seen whole or not at all.
    pub(crate) fn save(&self) -> Result<()> {
        let path = self.folder.join(FILE);
        let temporary = self.folder.join(".cluster.json.new");
        let write = || -> Result<()> {
            let mut file =
                File::options().create(true).write(true).truncate(true).mode(0o600).open(&temporary)?;
            serde_json::to_writer_pretty(&file, self)?;
            file.write_all(b"\n")?;
            Ok(fs::rename(&temporary, &path)?)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    pub(crate) fn member(&self, name: &str) -> Result<&Member> {
        let member = self.members.iter().find(|member| member.name == name);
        member.with_context(|| format!("there is no {name} in {FILE}"))
    }

    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.kind == kind)
    }

    /// Notes the process of the member `name`, and saves.
    pub(crate) fn note(&mut self, name: &str, process: Option<Running>) -> Result<()> {
        if let Some(member) = self.members.iter_mut().find(|member| member.name == name) {
            member.process = process;
        }
        self.save()
    }
}

/// Held while a command changes the cluster; released when dropped or when the process ends.
pub(crate) struct Lock {
    _file: File,
}

/// Takes the folder for this command; it is made where it is missing.
///
/// # Errors
/// When another command is at work, the folder holds something else, or it cannot be made.
pub(crate) fn lock(folder: &Path) -> Result<Lock> {
    let make = || -> Result<bool> {
        fs::create_dir_all(folder)?;
        let mut names = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?.into_iter();
        Ok(folder.join(LOCK).exists() || names.next().is_none())
    };
    if !make().with_context(|| format!("cannot make the folder {}", folder.display()))? {
        bail!("{} holds something else than a cluster; choose another folder with --dir", folder.display());
    }
    let file = File::create(folder.join(LOCK)).context("cannot write in the folder of the cluster")?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => {
            bail!("another `cargo xtask cluster` is at work on {}; wait for it", folder.display())
        }
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock the folder of the cluster"),
    }
}

/// Removes what the cluster put into its folder, but for `keep`; and the folder, when nothing else is in it.
pub(crate) fn remove(folder: &Path, keep: &[&str]) -> Result<()> {
    for name in OURS.iter().filter(|name| !keep.contains(name)) {
        let path = folder.join(name);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
    }
    if keep.is_empty() {
        // Stays when somebody put a file of their own there.
        drop(fs::remove_dir(folder));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::plan;

    #[test]
    fn a_cluster_is_read_back_as_it_was_written_and_only_its_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster");
        assert!(Cluster::load(&path).unwrap().is_none());
        let lock = lock(&path).unwrap();
        assert!(super::lock(&path).is_err(), "one command at a time");
        let mut cluster = plan::cluster(&path).unwrap();
        let process = Running::of(i32::try_from(std::process::id()).unwrap());
        cluster.note("node-2", process).unwrap();
        let read = Cluster::load(&path).unwrap().unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&cluster).unwrap());
        assert!(read.member("node-2").unwrap().running().is_some());
        assert!(read.member("node-1").unwrap().running().is_none());

        drop(lock);
        fs::write(path.join("mine.txt"), "mine").unwrap();
        remove(&path, &[]).unwrap();
        let left: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["mine.txt"]);
        assert!(super::lock(&path).is_err(), "a folder with something else in it is left alone");
    }
}
