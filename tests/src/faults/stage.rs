//! What a fault is put into: a server over a fresh database with a population, and clients at work.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use super::check::{Db, Extent, Findings, check};
use super::client::Site;
use super::disk::SmallDisk;
use super::postgres::Postgres;
use super::proxy::SlowLine;
use super::server::Server;
use super::tally::Tally;
use super::traffic::Traffic;
use crate::load::{Installation, Population};

const HOLDERS: u64 = 200;
const RELYING_PARTIES: u64 = 8;
/// After a crash a key is under its lease for a minute, and only then can be asked for again.
const SETTLE: Duration = Duration::from_secs(150);
/// Answers that are asked for again at the end, and compared bit for bit.
const ASKED_AGAIN: usize = 400;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Database {
    /// Embedded.
    Sqlite,
    /// Of the harness's own.
    Postgres,
}

/// How a stage is set.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// Which database.
    pub(super) database: Database,
    /// Flags of the server.
    pub(super) flags: Vec<&'static str>,
    /// Clients at work.
    pub(super) clients: u32,
    /// MiB of a small disk under the database.
    pub(super) disk: Option<u32>,
    /// Whether a [`SlowLine`] lies between server and PostgreSQL.
    pub(super) slow_line: bool,
    /// Whether clients use a connection more than once.
    pub(super) keep_alive: bool,
}

impl Setting {
    /// Twelve clients, and nothing special.
    pub(super) fn over(database: Database) -> Setting {
        Setting { database, flags: Vec::new(), clients: 12, disk: None, slow_line: false, keep_alive: true }
    }
}

/// The stage. It is cleared with this value: clients, then processes, then mounts, then files.
pub(super) struct Stage {
    /// The clients.
    pub(super) traffic: Traffic,
    /// Where they go.
    pub(super) site: Arc<Site>,
    /// The server.
    pub(super) server: Server,
    /// Between it and PostgreSQL, when asked for.
    pub(super) slow_line: Option<SlowLine>,
    /// The PostgreSQL, when it is one.
    pub(super) postgres: Option<Postgres>,
    /// The small disk, when asked for.
    pub(super) disk: Option<SmallDisk>,
    binary: PathBuf,
    database: String,
    checked: (usize, usize),
    folder: TempDir,
}

impl Stage {
    /// Sets it, and starts the server; the clients wait for [`Traffic::go`].
    pub(super) async fn set(binary: &Path, setting: &Setting) -> anyhow::Result<Stage> {
        Self::set_with(binary, setting, |_, _| Ok(())).await
    }

    /// The same; `prepare` may set variables of the server, and gets the folder of the stage.
    pub(super) async fn set_with(
        binary: &Path,
        setting: &Setting,
        prepare: impl FnOnce(&mut Server, &Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Stage> {
        let folder = tempfile::Builder::new().prefix("ecert-faults-").tempdir()?;
        let tables = folder.path().join("tables");
        std::fs::create_dir_all(&tables)?;
        let disk = setting.disk.map(|size| SmallDisk::mount(&tables, size)).transpose()?;
        let postgres = match setting.database {
            Database::Sqlite => None,
            Database::Postgres => Some(Postgres::start_in(&tables).await?),
        };
        let database = match &postgres {
            None => format!("sqlite:{}", tables.join("ecert.db").display()),
            Some(postgres) => postgres.url(),
        };
        let slow_line = match (&postgres, setting.slow_line) {
            (Some(postgres), true) => Some(SlowLine::to(postgres.port).await?),
            _ => None,
        };
        let reached = match (&postgres, &slow_line) {
            (Some(postgres), Some(line)) => postgres.url_through(line.port),
            _ => database.clone(),
        };
        let mut server = Server::new(binary, folder.path(), &reached, &setting.flags)?;
        prepare(&mut server, folder.path())?;
        let people = populate(&folder.path().join("data"), &database)?;
        server.start().await?;
        let site = Arc::new(Site::new(&server.base, people, setting.keep_alive)?);
        let traffic = Traffic::new(Arc::clone(&site), setting.clients);
        Ok(Stage {
            traffic,
            site,
            server,
            slow_line,
            postgres,
            disk,
            binary: binary.to_owned(),
            database,
            checked: (0, 0),
            folder,
        })
    }

    /// Sends the clients somewhere else, for example through a line that loses answers.
    pub(super) fn reach_through(&mut self, port: u16, clients: u32) -> anyhow::Result<()> {
        let base = format!("http://127.0.0.1:{port}");
        self.site = Arc::new(Site::new(&base, self.site.people.clone(), false)?);
        self.traffic = Traffic::new(Arc::clone(&self.site), clients);
        Ok(())
    }

    /// Another replica over the same database and keys, not yet started.
    pub(super) fn replica(&self) -> anyhow::Result<Server> {
        Server::new(&self.binary, self.folder.path(), &self.database, &[])
    }

    /// Gives the clients a second address, for when nobody is at the first.
    pub(super) fn reach_also(&mut self, base: &str, clients: u32) -> anyhow::Result<()> {
        let bases = [self.site.base(), base];
        self.site = Arc::new(Site::of(&bases, self.site.people.clone(), true)?);
        self.traffic = Traffic::new(Arc::clone(&self.site), clients);
        Ok(())
    }

    /// Where the server's tables are.
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// Where everything of it lies.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection of the harness's own.
    pub(super) fn db(&self) -> anyhow::Result<Db> {
        Db::open(&self.database)
    }

    /// The PostgreSQL; an error where there is none.
    pub(super) fn postgres(&mut self) -> anyhow::Result<&mut Postgres> {
        self.postgres.as_mut().context("this stage has no PostgreSQL")
    }

    /// A new admin's token, by the command line on the machine.
    pub(super) fn admin(&self) -> anyhow::Result<String> {
        self.by_command(&["add", "--name", "faults", "--role", "operator", "--role", "finance"], "/token")
    }

    /// An invitation for a first person with a passkey.
    pub(super) fn invitation(&self) -> anyhow::Result<String> {
        self.by_command(&["bootstrap", "--name", "second"], "/invitation")
    }

    fn by_command(&self, words: &[&str], member: &str) -> anyhow::Result<String> {
        let output = Command::new(&self.binary)
            .arg("admin")
            .args(words)
            .args(["--json", "--database", &self.database, "--data-dir"])
            .arg(self.folder.path().join("data"))
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        crate::clients::text(&serde_json::from_slice(&output.stdout)?, member)
    }

    /// Checks, while clients are at work, what they were told since the last check.
    pub(super) fn check_so_far(&mut self) -> anyhow::Result<Findings> {
        let told = self.traffic.told_since(self.checked);
        self.checked = (self.checked.0 + told.opened.len(), self.checked.1 + told.captures.len());
        let mut db = self.db()?;
        tokio::task::block_in_place(|| check(&mut db, &told, Extent::AtLeast))
    }

    /// The end of a fault, as [`finish`]; and the server must not have panicked.
    pub(super) async fn close(mut self, tally: &mut Tally) -> anyhow::Result<()> {
        finish(&mut self.traffic, &self.database, tally).await?;
        for panic in self.server.panics() {
            tally.problem(format!("the server: {panic}"));
        }
        tally.keep(&self.server)
    }
}

/// Every client gets its answer, some answers are asked for again, and then the tables must say exactly what the clients
/// were told.
pub(super) async fn finish(traffic: &mut Traffic, database: &str, tally: &mut Tally) -> anyhow::Result<()> {
    tally.doing("asking again for every answer that is missing");
    let pending = traffic.settle(SETTLE).await;
    if pending > 0 {
        tally.problem(format!("{pending} keys had no answer after {SETTLE:?} of asking"));
    }
    let asked_again = tokio::time::timeout(SETTLE, traffic.changed(ASKED_AGAIN)).await;
    match asked_again {
        Ok(changed) => tally.changed(changed?),
        Err(_) => tally.problem("answers that were given could not be asked for again".to_owned()),
    }
    let told = traffic.told_since((0, 0));
    let mut db = Db::open(database)?;
    let found = tokio::task::block_in_place(|| check(&mut db, &told, Extent::Exactly))?;
    tally.total(&found);
    tally.gap(traffic.longest_gap());
    tally.acknowledged(told.captures.len(), &traffic.journal());
    Ok(())
}

/// Puts a small population into an installation: its data folder, and its database.
pub(super) fn populate(data: &Path, database: &str) -> anyhow::Result<Population> {
    let installation = Installation::new(data, Some(database))?;
    let mut people = Population::new(rand::random());
    tokio::task::block_in_place(|| people.grow(&installation, HOLDERS, RELYING_PARTIES))?;
    Ok(people)
}
