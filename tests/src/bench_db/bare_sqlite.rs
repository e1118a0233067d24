//! Python's `sqlite3`, which writes the very rows of our redemptions and does nothing else.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::scratch::Scratch;

/// The peer.
pub(super) struct BareSqlite {
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    process: Arc<Mutex<Child>>,
}

/// What it did in a turn.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Written {
    redemptions: f64,
    wall_s: f64,
    cpu_s: f64,
}

impl Written {
    pub(super) fn per_second(self) -> f64 {
        self.redemptions / self.wall_s
    }

    pub(super) fn cpu_ms(self) -> f64 {
        self.cpu_s * 1e3 / self.redemptions.max(1.0)
    }
}

impl BareSqlite {
    /// Starts it; it keeps a copy of the database as it is now.
    pub(super) fn start(scratch: &Scratch, database: &Path) -> anyhow::Result<BareSqlite> {
        let folder = scratch.folder().join("bare");
        std::fs::create_dir(&folder)?;
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peer/bare_sqlite.py");
        let mut process = Command::new("python3")
            .arg(script)
            .args([database, &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("can't start python3, whose sqlite3 module is what is compared with")?;
        let requests = process.stdin.take().context("no input of python3")?;
        let answers = BufReader::new(process.stdout.take().context("no output of python3")?).lines();
        let process = Arc::new(Mutex::new(process));
        let ended = Arc::clone(&process);
        scratch.at_end(move || end(&ended));
        let mut peer = BareSqlite { requests, answers, process };
        let ready = peer.answer()?;
        ensure!(ready == "ready", "the peer says `{ready}`");
        Ok(peer)
    }

    /// After one redemption: which rows it left behind, by table.
    pub(super) fn rows(&mut self) -> anyhow::Result<Value> {
        writeln!(self.requests, "rows")?;
        let rows: Value = serde_json::from_str(&self.answer()?)?;
        let charged = ["charges", "attempts"].iter().all(|table| rows[*table].as_u64() == Some(1));
        ensure!(charged, "not what one charged redemption leaves behind: {rows}");
        Ok(rows)
    }

    /// One turn.
    pub(super) fn turn(&mut self, time: Duration) -> anyhow::Result<Written> {
        writeln!(self.requests, "{}", time.as_secs_f64())?;
        Ok(serde_json::from_str(&self.answer()?)?)
    }

    fn answer(&mut self) -> anyhow::Result<String> {
        self.requests.flush()?;
        Ok(self.answers.next().context("the peer (tests/peer/bare_sqlite.py) ended")??)
    }
}

impl Drop for BareSqlite {
    fn drop(&mut self) {
        end(&self.process);
    }
}

fn end(process: &Mutex<Child>) {
    let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
    // Already gone is as good as ended.
    let _ = process.kill();
    let _ = process.wait();
}
