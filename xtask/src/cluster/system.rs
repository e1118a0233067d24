//! What this machine offers: the programs, the account they run under, and the ways to talk to them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::process::Account;
use crate::progress::Progress;
use crate::tools::{self, Tool};

/// Debian's place for all versions of PostgreSQL.
const POSTGRES: &str = "/usr/lib/postgresql";
/// PostgreSQL refuses to run as root; Debian's package brings this user.
const USER: &str = "postgres";
/// Programs of Debian's are found here, and no others of the same name.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// The machine.
pub(crate) struct System {
    pub(crate) postgres_bin: PathBuf,
    /// Who the engines run as, where it is not us.
    pub(crate) account: Option<Account>,
}

impl System {
    /// Finds everything; as root, what is missing is installed.
    ///
    /// # Errors
    /// When a program is missing; the message says how to install it.
    pub(crate) fn ready(progress: &Progress) -> Result<Self> {
        let wanted = [
            Tool::Postgres,
            Tool::Patroni,
            Tool::PatroniEtcd,
            Tool::Etcd,
            Tool::Haproxy,
            Tool::Pgbouncer,
            Tool::Openssl,
        ];
        tools::ensure_all(&wanted, progress)?;
        let account = tools::is_root().then(account_of_postgres).transpose()?;
        Ok(Self { postgres_bin: newest_postgres()?, account })
    }

    /// A program of the system in a clean environment: a `PGHOST` or a Python of the user's must not lead it astray.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().env("PATH", PATH).env("LC_ALL", "C.UTF-8");
        command
    }

    /// Gives `path` to the account of the engines.
    pub(crate) fn give(&self, path: &Path) -> Result<()> {
        let Some(account) = self.account else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid))
            .with_context(|| format!("cannot give {} to {USER}", path.display()))
    }

    /// # Errors
    /// When the account of the engines cannot get to `folder`, as when it is in the home of root.
    pub(crate) fn can_reach(&self, folder: &Path) -> Result<()> {
        let Some(account) = self.account else { return Ok(()) };
        let mut test = self.command("test");
        std::os::unix::process::CommandExt::uid(&mut test, account.uid);
        std::os::unix::process::CommandExt::gid(&mut test, account.gid);
        let status = test.arg("-x").arg(folder).current_dir("/").status()?;
        ensure!(
            status.success(),
            "as root, PostgreSQL runs as the user {USER}, who may not enter {}; choose another folder with --dir",
            folder.display()
        );
        Ok(())
    }

    /// Runs one statement, and answers what it printed.
    ///
    /// # Errors
    /// What psql says.
    pub(crate) fn sql(&self, url: &str, statement: &str) -> Result<String> {
        let mut psql = self.command(self.postgres_bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, url]);
        let output =
            psql.env("PGCONNECT_TIMEOUT", "5").stdin(Stdio::null()).output().context("cannot start psql")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "psql: {}", errors.trim_end());
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}

/// What an HTTP server says to GET: status and body; None when there is no answer within two seconds.
pub(crate) fn get(url: &str) -> Option<(u16, String)> {
    // A proxy of the user's has no business on the loopback.
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(2)))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into();
    let mut answer = agent.get(url).call().ok()?;
    Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
}

fn newest_postgres() -> Result<PathBuf> {
    let versions = fs::read_dir(POSTGRES).with_context(|| format!("there is no {POSTGRES}"))?;
    let version = |path: PathBuf| Some((path.file_name()?.to_str()?.parse::<u32>().ok()?, path.join("bin")));
    let newest = versions.flatten().filter_map(|entry| version(entry.path()));
    let newest = newest.filter(|(_, bin)| bin.join("postgres").exists() && bin.join("psql").exists()).max();
    newest.map(|(_, bin)| bin).with_context(|| format!("there is no PostgreSQL with psql in {POSTGRES}"))
}

fn account_of_postgres() -> Result<Account> {
    let number = |flag: &str| -> Result<u32> {
        let output = Command::new("id").args([flag, USER]).output()?;
        if !output.status.success() {
            bail!("there is no user {USER}, which Debian's package postgresql-common makes");
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
    };
    Ok(Account { uid: number("-u")?, gid: number("-g")? })
}
