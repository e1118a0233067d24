//! Processes that die while a day is closed, and two that close it at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::Harness;
use super::check::{Db, Findings, books, compare_books};
use super::clock::faketime;
use super::server::Server;
use super::stage::{Database, Setting, Stage, finish};
use super::tally::Tally;
use crate::clients::buying::yuan;
use crate::clients::{Admin, Staff};

/// Charges of the day that is closed, at least.
const CHARGES: usize = 2_500;
/// For so long clients may take over them.
const AT_WORK: Duration = Duration::from_secs(300);
/// Closers that are killed, one after another, before one is left alone.
const KILLS: usize = 4;
/// By then whatever was used today is of a day that is over.
const LATER: &str = "+2d";
/// What half of the relying parties have paid beforehand: some of it pays a whole day, some a part.
const BEFOREHAND: i64 = 250;

/// A day with its charges, and what closes it.
struct Day {
    binary: PathBuf,
    library: PathBuf,
    folder: PathBuf,
    /// The database in which nothing is closed; each run has a copy of it.
    open: String,
    stage: Stage,
    copies: u64,
}

/// Kills whoever closes a day, at random moments, again and again, and lets one or two finish: then the books must be those of a day that
/// nobody disturbed.
pub(super) async fn close(harness: &Harness, database: Database, tally: &mut Tally) -> anyhow::Result<()> {
    let Some(library) = faketime() else {
        tally.skip("libfaketime is missing; install Debian's `libfaketime`");
        return Ok(());
    };
    let mut day = used(harness, database, library, tally).await?;
    tally.doing("closing it undisturbed");
    let alone = day.copy()?;
    let began = Instant::now();
    ended(day.closer(&alone).spawn()?)?;
    let takes = began.elapsed();
    let undisturbed = books(&mut Db::open(&alone)?)?;
    ensure!(
        undisturbed.keys().any(|line| line.starts_with("payment of")),
        "nothing was paid: {undisturbed:?}"
    );
    tally
        .note(format!("closing it undisturbed took {} ms, with the start of the program", takes.as_millis()));
    let mut killed = 0;
    for run in 0..tally.runs {
        let copy = day.copy()?;
        tally.doing(["closers die", "closers die two by two", "servers die"][usize::try_from(run % 3)?]);
        let began = Instant::now();
        for _ in 0..KILLS {
            killed += u64::from(day.disturb(&copy, run, takes).await?);
        }
        // Two at once, as replicas do it; in a third of the runs one of them dies over it.
        let (mut one, other) = (day.closer(&copy).spawn()?, day.closer(&copy).spawn()?);
        if run % 3 == 1 {
            tokio::time::sleep(at_random(takes)?).await;
            // Already gone is as good as killed.
            let _ = one.kill();
            one.wait()?;
        } else {
            ended(one)?;
        }
        ended(other)?;
        let found = day.judge(&copy, &undisturbed)?;
        tally.run(Some(began.elapsed()), &found);
        day.forget(&copy)?;
    }
    tally.note(format!("{killed} closers were killed before they had ended"));
    tally.keep(&day.stage.server)
}

/// Lets clients make a day's charges, with money for half of those who pay, and ends the server.
async fn used(
    harness: &Harness,
    database: Database,
    library: PathBuf,
    tally: &mut Tally,
) -> anyhow::Result<Day> {
    tally.doing("a day's charges");
    let mut stage = Stage::set(&harness.binary, &Setting::over(database)).await?;
    stage.traffic.go();
    let served = stage.traffic.goes_on(CHARGES, AT_WORK).await;
    ensure!(served.is_some(), "clients were not served {CHARGES} times within {AT_WORK:?}");
    let one = Admin::new(&stage.server.base, &stage.admin()?);
    let mut other = Staff::invited(&stage.server.base, &stage.invitation()?).await?;
    for shop in (0..stage.site.people.relying_parties).step_by(2) {
        let rp = stage.site.people.identities.relying_party(shop).id;
        let transfer = serde_json::json!({
            "rp": rp, "reference": format!("transfer-{shop}"), "amount": yuan(BEFOREHAND), "received_at": jiff::Timestamp::now(),
        });
        let recorded = one.record_transfer(transfer).await?.expect_status(201)?;
        // Each time anew: what a passkey was shown for lasts five minutes, and this may last longer.
        other.step_up().await?;
        other.admin.decide_payment(&recorded, "approve").await?.expect_status(200)?;
    }
    let (folder, open) = (stage.folder().to_owned(), stage.database().to_owned());
    finish(&mut stage.traffic, &open, tally).await?;
    stage.server.terminate().await?;
    Ok(Day { binary: harness.binary.clone(), library, folder, open, stage, copies: 0 })
}

/// A moment while a closer is at work that needs so long, the start of the program left out.
fn at_random(takes: Duration) -> anyhow::Result<Duration> {
    let within = u64::try_from(takes.as_millis())?.max(20);
    Ok(Duration::from_millis(rand::random_range(within / 4..within * 5 / 4)))
}

/// Waits for the end of a closer, which must be a good one.
fn ended(closer: Child) -> anyhow::Result<()> {
    let output = closer.wait_with_output()?;
    ensure!(output.status.success(), "a closer failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

impl Day {
    /// A database of its own in which the day is open.
    fn copy(&mut self) -> anyhow::Result<String> {
        self.copies += 1;
        let name = format!("run_{}", self.copies);
        let Some(file) = self.open.strip_prefix("sqlite:") else {
            return self.stage.postgres()?.copy(&name);
        };
        let copy = Path::new(file).with_file_name(format!("{name}.db"));
        for end in ["", "-wal", "-shm"] {
            let from = format!("{file}{end}");
            if Path::new(&from).exists() {
                std::fs::copy(&from, format!("{}{end}", copy.display()))?;
            }
        }
        Ok(format!("sqlite:{}", copy.display()))
    }

    fn forget(&mut self, copy: &str) -> anyhow::Result<()> {
        let Some(file) = copy.strip_prefix("sqlite:") else { return self.stage.postgres()?.forget(copy) };
        for end in ["", "-wal", "-shm"] {
            // Not all of them need be there.
            let _ = std::fs::remove_file(format!("{file}{end}"));
        }
        Ok(())
    }

    fn command(&self, words: &[&str], database: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(words)
            .args(["--json", "--database", database, "--data-dir"])
            .arg(self.folder.join("data"));
        for (name, value) in self.clock() {
            command.env(name, value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn clock(&self) -> [(&'static str, String); 3] {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME", LATER.to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    fn closer(&self, database: &str) -> Command {
        self.command(&["billing", "close-day"], database)
    }

    /// Has the day closed by somebody who is killed at a random moment; whether they were still at it.
    async fn disturb(&self, copy: &str, run: u64, takes: Duration) -> anyhow::Result<bool> {
        let moment = at_random(takes)?;
        if run % 3 == 2 {
            // Its job closes the day as soon as it has started.
            let mut server = Server::new(&self.binary, &self.folder, copy, &[])?;
            for (name, value) in self.clock() {
                server.set(name, value);
            }
            server.start().await?;
            tokio::time::sleep(moment / 2).await;
            let lived = server.lives();
            server.kill();
            return Ok(lived);
        }
        let mut closer = self.closer(copy).spawn()?;
        let mut other = if run % 3 == 1 { Some(self.closer(copy).spawn()?) } else { None };
        tokio::time::sleep(moment).await;
        let lived = matches!(closer.try_wait(), Ok(None));
        // Already gone is as good as killed.
        let _ = closer.kill();
        closer.wait()?;
        if let Some(other) = &mut other {
            tokio::time::sleep(moment / 8).await;
            let _ = other.kill();
            other.wait()?;
        }
        Ok(lived)
    }

    /// The books against those that nobody disturbed; and by the auditor's own replay.
    fn judge(&self, copy: &str, undisturbed: &BTreeMap<String, u64>) -> anyhow::Result<Findings> {
        let mut found = compare_books(undisturbed, &mut Db::open(copy)?)?;
        let replayed = self.command(&["audit", "replay"], copy).output().context("can't start the replay")?;
        if !replayed.status.success() {
            let said = String::from_utf8_lossy(&replayed.stdout);
            let words: String = said.chars().take(400).collect();
            found
                .problems
                .push(format!("`ecert audit replay`: {words} {}", String::from_utf8_lossy(&replayed.stderr)));
        }
        Ok(found)
    }
}
