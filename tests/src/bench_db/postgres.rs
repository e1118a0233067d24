//! A PostgreSQL of our own for the time of a bench, and `pgbench` against it.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::scratch::Scratch;
use crate::load::cpu;
use crate::postgres::{Account, programs};

/// Who may do everything in the databases.
const USER: &str = "postgres";

/// A running server.
pub(crate) struct Postgres {
    programs: PathBuf,
    port: u16,
    /// Of the server's first process.
    pub(crate) pid: u32,
}

/// Ten seconds or so of TPC-B.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TpcB {
    pub(crate) per_second: f64,
    /// CPU time of the database for a transaction.
    pub(crate) cpu_ms: f64,
}

impl Postgres {
    /// Starts one in `scratch` as it comes out of the box.
    pub(crate) fn start(scratch: &Scratch) -> anyhow::Result<Postgres> {
        Self::start_with(scratch, "postgres", "")
    }

    /// The same with a quarter of the machine's memory, as PostgreSQL's manual advises (20.4.1, `shared_buffers`): with the 128 MiB that it
    /// comes with, a million holders are read through a keyhole.
    pub(crate) fn start_large(scratch: &Scratch) -> anyhow::Result<Postgres> {
        let memory = std::fs::read_to_string("/proc/meminfo")?;
        let total =
            memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
        let total: u64 = total.context("no MemTotal in /proc/meminfo")?.parse()?;
        Self::start_with(scratch, "postgres-large", &format!("-c shared_buffers={}kB", total / 4))
    }

    fn start_with(scratch: &Scratch, name: &str, settings: &str) -> anyhow::Result<Postgres> {
        let programs = programs()?;
        let folder = scratch.folder().join(name);
        std::fs::create_dir(&folder)?;
        std::fs::set_permissions(scratch.folder(), std::fs::Permissions::from_mode(0o755))?;
        let account = Account::find()?;
        account.give(&folder, 0o755)?;
        let data = folder.join("data");
        let command = |program: &str| {
            let mut command = account.command(&programs.join(program), &folder);
            command.stdout(Stdio::null()).arg("-D").arg(&data);
            command
        };
        run(command("initdb").args(["-A", "trust", "-U", USER, "-E", "UTF8", "--no-locale"]))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let place = format!(
            "-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} {settings}",
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
    pub(crate) fn database(&self, name: &str) -> anyhow::Result<String> {
        self.ask("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(format!("postgres://{USER}@127.0.0.1:{}/{name}", self.port))
    }

    /// What a query answers, as text.
    pub(crate) fn ask(&self, database: &str, query: &str) -> anyhow::Result<String> {
        output(self.client("psql", database).args(["-XAtqc", query]))
    }

    /// Fills pgbench's tables in a database of its own.
    pub(crate) fn prepare_tpc_b(&self, scale: u32) -> anyhow::Result<()> {
        self.database("pgbench")?;
        output(self.client("pgbench", "pgbench").args(["-i", "-q", "-s", &scale.to_string()])).map(drop)
    }

    /// One turn of `pgbench`'s own TPC-B.
    pub(crate) fn tpc_b(&self, clients: usize, time: Duration) -> anyhow::Result<TpcB> {
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

/// Runs a command to its end. A started server keeps our error stream open, so that is not read.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stderr(Stdio::inherit()).status()?;
    ensure!(status.success(), "{} failed", command.get_program().display());
    Ok(())
}

/// Runs a command; what it prints.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output =
        command.output().with_context(|| format!("can't start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{}: {}", command.get_program().display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
