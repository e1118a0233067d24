//! The programs of the system that set-up needs: found, or installed where that is allowed, or asked for in words.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::progress::Progress;

/// A program that may have to be installed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Pip,
    Npm,
    Venv,
    Postgres,
    PgBouncer,
}

impl Tool {
    /// A command that succeeds where the tool is there.
    fn probe(self) -> &'static [&'static str] {
        match self {
            Self::Pip => &["python3", "-m", "pip", "--version"],
            Self::Npm => &["npm", "--version"],
            Self::Venv => &["python3", "-c", "import ensurepip, venv"],
            // Debian keeps PostgreSQL's own programs out of the path.
            Self::Postgres => &["sh", "-c", "command -v initdb || ls /usr/lib/postgresql/*/bin/initdb"],
            Self::PgBouncer => &["sh", "-c", "command -v pgbouncer || ls /usr/sbin/pgbouncer"],
        }
    }

    fn debian_package(self) -> &'static str {
        match self {
            Self::Pip => "python3-pip",
            Self::Npm => "npm",
            Self::Venv => "python3-venv",
            Self::Postgres => "postgresql",
            Self::PgBouncer => "pgbouncer",
        }
    }

    fn what_for(self) -> &'static str {
        match self {
            Self::Pip => "Python's package client (python3 -m pip)",
            Self::Npm => "the npm package client",
            Self::Venv => "Python virtual environments (python3 -m venv)",
            Self::Postgres => "PostgreSQL (initdb, postgres)",
            Self::PgBouncer => "PgBouncer, a connection pooler for PostgreSQL",
        }
    }

    fn is_there(self) -> bool {
        match self.probe() {
            [program, arguments @ ..] => succeeds(program, arguments),
            [] => true,
        }
    }
}

/// Makes sure that `tool` is there; as root on Debian and its kin it is installed.
///
/// # Errors
/// When it is not there and cannot be installed; the message says what to install.
pub(crate) fn ensure(tool: Tool, progress: &Progress) -> Result<()> {
    if tool.is_there() {
        return Ok(());
    }
    let package = tool.debian_package();
    if is_root() && succeeds("apt-get", &["--version"]) {
        progress.say(&format!("installing {package}: {} is missing", tool.what_for()));
        // A fresh container has no package lists; they are fetched only when they turn out to be needed.
        let done = install(package) || (apt_get(&["update"]) && install(package));
        if done && tool.is_there() {
            return Ok(());
        }
    }
    bail!(
        "{} is missing. Install it and run this again, for example on Debian or Ubuntu:\n  \
         sudo apt-get install {package}",
        tool.what_for()
    )
}

fn install(package: &str) -> bool {
    apt_get(&["install", "-y", "--no-install-recommends", package])
}

/// Runs `apt-get`, waiting up to 15 minutes for another one that holds the lock of the package data base.
fn apt_get(arguments: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command.args(["-o", "DPkg::Lock::Timeout=900"]).args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(io::stderr());
    command.status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let answer = Command::new("id").arg("-u").output();
    answer.is_ok_and(|answer| answer.stdout.trim_ascii() == b"0")
}

/// Whether a command ends well; nothing of it is shown.
pub(crate) fn succeeds(program: impl AsRef<Path>, arguments: &[&str]) -> bool {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
