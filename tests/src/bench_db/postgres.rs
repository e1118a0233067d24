//! A PostgreSQL of our own for the time of a bench, as it comes out of the box, and `pgbench` against it.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::scratch::Scratch;
use crate::load::cpu;

/// PostgreSQL refuses to run as root; Debian's packages make this user.
const USER: &str = "postgres";

/// A running server.
pub(super) struct Postgres {
    programs: PathBuf,
    port: u16,
    /// Of the server's first process.
    pub(super) pid: u32,
}

/// Ten seconds or so of TPC-B.
#[derive(Debug, Clone, Copy)]
pub(super) struct TpcB {
    pub(super) per_second: f64,
    /// CPU time of the database for a transaction.
    pub(super) cpu_ms: f64,
}

impl Postgres {
    /// Starts one in `scratch`, with nothing set but where it is.
    pub(super) fn start(scratch: &Scratch) -> anyhow::Result<Postgres> {
        let programs = programs()?;
        let folder = scratch.folder().join("postgres");
        std::fs::create_dir(&folder)?;
        std::fs::set_permissions(scratch.folder(), std::fs::Permissions::from_mode(0o755))?;
        let account = Account::new()?;
        if let Some(Account { user, group }) = account {
            chown(&folder, Some(user), Some(group))?;
        }
        let data = folder.join("data");
        let command = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command.current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null()).env_remove("PGDATA");
            if let Some(Account { user, group }) = account {
                command.uid(user).gid(group);
            }
            command.arg("-D").arg(&data);
            command
        };
        run(command("initdb").args(["-A", "trust", "-U", USER, "-E", "UTF8", "--no-locale"]))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let place = format!(
            "-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={}",
            folder.display()
        );
        let mut stop = command("pg_ctl");
        stop.args(["stop", "-m", "immediate", "-w"]).stderr(Stdio::null());
        // Before it runs, so that no signal can fall between.
        scratch.at_end(move || drop(stop.status()));
        run(command("pg_ctl").args(["start", "-w", "-o", &place]).arg("-l").arg(folder.join("log")))?;
        let pid = std::fs::read_to_string(data.join("postmaster.pid"))?;
        let pid =
            pid.lines().next().and_then(|line| line.parse().ok()).context("no process in postmaster.pid")?;
        Ok(Postgres { programs, port, pid })
    }

    /// Makes a database; its URL.
    pub(super) fn database(&self, name: &str) -> anyhow::Result<String> {
        self.ask("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(format!("postgres://{USER}@127.0.0.1:{}/{name}", self.port))
    }

    /// What a query answers, as text.
    pub(super) fn ask(&self, database: &str, query: &str) -> anyhow::Result<String> {
        output(self.client("psql", database).args(["-XAtqc", query]))
    }

    /// Fills pgbench's tables in a database of its own.
    pub(super) fn prepare_tpc_b(&self, scale: u32) -> anyhow::Result<()> {
        self.database("pgbench")?;
        output(self.client("pgbench", "pgbench").args(["-i", "-q", "-s", &scale.to_string()])).map(drop)
    }

    /// One turn of `pgbench`'s own TPC-B.
    pub(super) fn tpc_b(&self, clients: usize, time: Duration) -> anyhow::Result<TpcB> {
        let before = cpu::time_of(&[self.pid])?;
        let (clients, seconds) = (clients.to_string(), time.as_secs().max(1).to_string());
        let mut pgbench = self.client("pgbench", "pgbench");
        let text = output(pgbench.args(["-n", "-c", &clients, "-j", "2", "-T", &seconds]))?;
        // The connections' processes end a moment after pgbench.
        std::thread::sleep(Duration::from_millis(200));
        let burnt = cpu::time_of(&[self.pid])?.saturating_sub(before);
        let after = |mark: &str| {
            let number = text.split_once(mark)?.1.split(['/', ' ', '\n']).next()?;
            number.parse::<f64>().ok()
        };
        let per_second = after("\ntps = ").context("pgbench does not say how fast it was")?;
        let count = after("actually processed: ").context("pgbench does not say what it did")?;
        Ok(TpcB { per_second, cpu_ms: burnt.as_secs_f64() * 1e3 / count })
    }

    fn client(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(["-h", "127.0.0.1", "-U", USER, "-p", &self.port.to_string()]);
        // pgbench takes the database last, and `-d` for "debug"; the environment is the same for both.
        command.env("PGDATABASE", database).stdin(Stdio::null());
        command
    }
}

/// As whom the server runs, when we are root.
#[derive(Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

impl Account {
    fn new() -> anyhow::Result<Option<Account>> {
        let id = |arguments: &[&str]| -> anyhow::Result<u32> {
            Ok(output(Command::new("id").args(arguments))?.trim().parse()?)
        };
        if id(&["-u"])? != 0 {
            return Ok(None);
        }
        let (user, group) = (id(&["-u", USER]), id(&["-g", USER]));
        let missing =
            "PostgreSQL does not run as root, and there is no user `postgres`; install Debian's package";
        Ok(Some(Account { user: user.context(missing)?, group: group.context(missing)? }))
    }
}

/// The folder with the server's programs: Debian keeps them out of the path, a folder for each version.
fn programs() -> anyhow::Result<PathBuf> {
    let in_path =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    versions.reverse();
    let has = |folder: &Path, program: &str| folder.join(program).is_file();
    let folders: Vec<PathBuf> = versions.into_iter().chain::<Vec<PathBuf>>(in_path).collect();
    let found = folders
        .into_iter()
        .find(|folder| ["initdb", "pg_ctl", "pgbench", "psql"].iter().all(|program| has(folder, program)));
    found.context(
        "PostgreSQL (initdb, pg_ctl, psql, pgbench) is missing; on Debian: apt-get install postgresql",
    )
}

/// Runs a command to its end. A started server keeps our error stream open, so that is not read.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stderr(Stdio::inherit()).status()?;
    ensure!(status.success(), "{} failed", command.get_program().display());
    Ok(())
}

/// Runs a command; what it prints.
pub(super) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output =
        command.output().with_context(|| format!("can't start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{}: {}", command.get_program().display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
