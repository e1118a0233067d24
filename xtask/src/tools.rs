//! The programs of the system that the commands need: found, or installed where that is allowed, or asked for in words.

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
    Patroni,
    PatroniEtcd,
    Etcd,
    Haproxy,
    Pgbouncer,
    Openssl,
    SoftHsm,
    PythonSqlite,
    NotoCjk,
    Wenkai,
    Zenhei,
    OcrB,
    Chromium,
    Ffmpeg,
}

impl Tool {
    /// A command that succeeds where the tool is there.
    fn probe(self) -> &'static [&'static str] {
        match self {
            Self::Pip => &["python3", "-m", "pip", "--version"],
            Self::Npm => &["npm", "--version"],
            Self::Venv => &["python3", "-c", "import ensurepip, venv"],
            // The server's programs are not on the path; psql's package comes with them.
            Self::Postgres => {
                &["sh", "-c", "ls /usr/lib/postgresql/*/bin/postgres /usr/lib/postgresql/*/bin/pgbench"]
            }
            Self::Patroni => &["patroni", "--version"],
            // Debian's Patroni runs on Debian's Python, whatever other Python is first on the path.
            Self::PatroniEtcd => &["/usr/bin/python3", "-c", "import etcd"],
            Self::Etcd => &["etcd", "--version"],
            Self::Haproxy => &["/usr/sbin/haproxy", "-v"],
            Self::Pgbouncer => &["/usr/sbin/pgbouncer", "--version"],
            Self::Openssl => &["openssl", "version"],
            Self::SoftHsm => &["softhsm2-util", "--version"],
            Self::PythonSqlite => &["python3", "-c", "import sqlite3"],
            Self::NotoCjk => &["test", "-f", "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc"],
            Self::Wenkai => &["test", "-f", "/usr/share/fonts/truetype/lxgw-wenkai/LXGWWenKai-Regular.ttf"],
            Self::Zenhei => &["test", "-f", "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"],
            Self::OcrB => &["test", "-f", "/usr/share/fonts/opentype/ocr-b/OCRB.otf"],
            Self::Chromium => &["chromium", "--version"],
            Self::Ffmpeg => &["ffmpeg", "-version"],
        }
    }

    fn debian_package(self) -> &'static str {
        match self {
            Self::Pip => "python3-pip",
            Self::Npm => "npm",
            Self::Venv => "python3-venv",
            Self::Postgres => "postgresql",
            Self::Patroni => "patroni",
            Self::PatroniEtcd => "python3-etcd",
            Self::Etcd => "etcd-server",
            Self::Haproxy => "haproxy",
            Self::Pgbouncer => "pgbouncer",
            Self::Openssl => "openssl",
            Self::SoftHsm => "softhsm2",
            Self::PythonSqlite => "python3",
            Self::NotoCjk => "fonts-noto-cjk",
            Self::Wenkai => "fonts-lxgw-wenkai",
            Self::Zenhei => "fonts-wqy-zenhei",
            Self::OcrB => "fonts-ocr-b",
            Self::Chromium => "chromium",
            Self::Ffmpeg => "ffmpeg",
        }
    }

    fn what_for(self) -> &'static str {
        match self {
            Self::Pip => "Python's package client (python3 -m pip)",
            Self::Npm => "the npm package client",
            Self::Venv => "Python virtual environments (python3 -m venv)",
            Self::Patroni => "Patroni",
            Self::PatroniEtcd => "Patroni's way to etcd",
            Self::Etcd => "etcd",
            Self::Haproxy => "HAProxy",
            Self::Pgbouncer => "PgBouncer",
            Self::Openssl => "openssl",
            Self::Postgres => "PostgreSQL with pgbench",
            Self::SoftHsm => "SoftHSM2, a PKCS#11 token in software",
            Self::PythonSqlite => "Python with its sqlite3 module",
            Self::NotoCjk => "the fonts Noto Sans and Serif CJK",
            Self::Wenkai => "the font LXGW WenKai",
            Self::Zenhei => "the font WenQuanYi Zen Hei",
            Self::OcrB => "the font OCR-B",
            Self::Chromium => "Chromium, a browser for the stories of mobile/",
            Self::Ffmpeg => "ffmpeg, which makes films for its camera",
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
    ensure_all(&[tool], progress)
}

/// [`ensure`] for several at once, so that the user is asked once.
///
/// # Errors
/// As [`ensure`].
pub(crate) fn ensure_all(tools: &[Tool], progress: &Progress) -> Result<()> {
    let missing = || tools.iter().copied().filter(|tool| !tool.is_there()).collect::<Vec<_>>();
    let mut lacking = missing();
    if lacking.is_empty() {
        return Ok(());
    }
    if is_root() && succeeds("apt-get", &["--version"]) {
        let packages = listed(&lacking, " ", Tool::debian_package);
        progress
            .say(&format!("installing {packages}: missing are {}", listed(&lacking, ", ", Tool::what_for)));
        // A fresh container has no package lists; they are fetched only when they turn out to be needed.
        if install(&lacking) || (apt_get(&["update"]) && install(&lacking)) {
            lacking = missing();
        }
        if lacking.is_empty() {
            return Ok(());
        }
    }
    bail!(
        "missing: {}. Install it and run this again, for example on Debian or Ubuntu:\n  \
         sudo apt-get install {}",
        listed(&lacking, ", ", Tool::what_for),
        listed(&lacking, " ", Tool::debian_package)
    )
}

fn listed(tools: &[Tool], between: &str, word: fn(Tool) -> &'static str) -> String {
    tools.iter().copied().map(word).collect::<Vec<_>>().join(between)
}

fn install(tools: &[Tool]) -> bool {
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(tools.iter().copied().map(Tool::debian_package));
    apt_get(&arguments)
}

/// Runs `apt-get`, waiting up to 15 minutes for another one that holds the lock of the package data base.
fn apt_get(arguments: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command.args(["-o", "DPkg::Lock::Timeout=900"]).args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(io::stderr());
    command.status().is_ok_and(|status| status.success())
}

/// Whether we may do everything on this machine.
pub(crate) fn is_root() -> bool {
    let answer = Command::new("id").arg("-u").output();
    answer.is_ok_and(|answer| answer.stdout.trim_ascii() == b"0")
}

/// Whether a command ends well; nothing of it is shown.
pub(crate) fn succeeds(program: impl AsRef<Path>, arguments: &[&str]) -> bool {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
