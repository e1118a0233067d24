//! A PostgreSQL of the harness's own, in a folder of its own, that can be killed as a whole.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};

use super::server::free_port;
use crate::postgres::{Account, programs};

/// Recovery after a crash replays what was written since the last checkpoint.
const START: Duration = Duration::from_secs(120);
/// The one database.
const DATABASE: &str = "ecert";

/// A PostgreSQL. It ends with this value, by SIGKILL.
pub(super) struct Postgres {
    /// Its port on loopback.
    pub(super) port: u16,
    programs: PathBuf,
    folder: PathBuf,
    account: Account,
    process: Option<Child>,
}

/// Makes a folder that belongs to the server's user, and that it can reach.
fn make(account: Account, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    account.give(folder, 0o755)?;
    if !is_root() {
        return Ok(());
    }
    for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(std::env::temp_dir())) {
        let mut rights = std::fs::metadata(above)?.permissions();
        rights.set_mode(rights.mode() | 0o011);
        // A folder of the system may not be ours to change, and is open to all anyhow.
        let _ = std::fs::set_permissions(above, rights);
    }
    Ok(())
}

/// Whether this process may mount and change users.
pub(super) fn is_root() -> bool {
    let answer = Command::new("id").arg("-u").output();
    answer.is_ok_and(|answer| answer.stdout.trim_ascii() == b"0")
}

impl Postgres {
    /// Makes one in `folder` and starts it.
    pub(super) async fn start_in(folder: &Path) -> anyhow::Result<Postgres> {
        let (account, programs) = (Account::find()?, programs()?);
        make(account, folder)?;
        let data = folder.join("postgres");
        let made = account
            .command(&programs.join("initdb"), folder)
            .args(["--username=ecert", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"])
            // Small segments, so that it fits on the small disk of `disk-full`.
            .args(["--wal-segsize=1", "--pgdata"])
            .arg(&data)
            .process_group(0)
            .output()?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = free_port()?;
        let mut postgres = Postgres { port, programs, folder: folder.to_owned(), account, process: None };
        postgres.start().await?;
        let mut conn = PgConnection::establish(&postgres.url_of("postgres"))?;
        conn.batch_execute(&format!("CREATE DATABASE {DATABASE}"))?;
        Ok(postgres)
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://ecert@127.0.0.1:{}/{database}", self.port)
    }

    /// Where its database is.
    pub(super) fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// The same through something that listens at `port`.
    pub(super) fn url_through(&self, port: u16) -> String {
        format!("postgres://ecert@127.0.0.1:{port}/{DATABASE}")
    }

    /// A copy of its database, which nobody may be connected to; where it is.
    pub(super) fn copy(&self, name: &str) -> anyhow::Result<String> {
        let mut conn = PgConnection::establish(&self.url_of("postgres"))?;
        conn.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {DATABASE}"))?;
        Ok(self.url_of(name))
    }

    /// Drops a copy.
    pub(super) fn forget(&self, url: &str) -> anyhow::Result<()> {
        let name = url.rsplit('/').next().unwrap_or_default();
        let mut conn = PgConnection::establish(&self.url_of("postgres"))?;
        Ok(conn.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))?)
    }

    /// Starts, and waits until it takes connections.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        let log = self.folder.join("postgres.log");
        let log = File::options().create(true).append(true).open(log)?;
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            "unix_socket_directories=".to_owned(),
            "max_connections=150".to_owned(),
            "shared_buffers=64MB".to_owned(),
            "min_wal_size=8MB".to_owned(),
            "max_wal_size=64MB".to_owned(),
        ];
        let mut command = self.account.command(&self.programs.join("postgres"), &self.folder);
        command.arg("-D").arg(self.folder.join("postgres")).process_group(0);
        for setting in &settings {
            command.args(["-c", setting]);
        }
        self.process = Some(command.stdout(Stdio::null()).stderr(log).spawn()?);
        let began = Instant::now();
        while PgConnection::establish(&self.url_of("postgres")).is_err() {
            if !self.lives() || began.elapsed() > START {
                bail!("PostgreSQL did not start:\n{}", self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Whether the postmaster is there.
    pub(super) fn lives(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(None)))
    }

    /// SIGKILL to the postmaster and all its children, as when the machine loses power, save that the disk's cache stays.
    pub(super) fn kill(&mut self) {
        let Some(mut postmaster) = self.process.take() else { return };
        let pid = postmaster.id();
        // Stopped first, so that it makes no child between the listing and the killing.
        signal("-STOP", &[pid]);
        let mut all = children(pid);
        all.push(pid);
        signal("-KILL", &all);
        let _ = postmaster.wait();
        let began = Instant::now();
        while all.iter().any(|pid| is_running(*pid)) && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn log_tail(&self) -> String {
        let text = std::fs::read(self.folder.join("postgres.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

fn signal(signal: &str, pids: &[u32]) {
    // One that is already gone makes `kill` complain, and nothing else.
    let _ =
        Command::new("kill").arg(signal).args(pids.iter().map(u32::to_string)).stderr(Stdio::null()).status();
}

/// State and parent of a process, from /proc/PID/stat; the name before them may hold spaces.
fn stat(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

fn is_running(pid: u32) -> bool {
    // A zombie has let go of everything, and somebody else reaps it.
    stat(pid).is_some_and(|(state, _)| state != "Z")
}

fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, found)| found == parent)).collect()
}
