//! What came of a fault: the counts, the words for people, and the progress on the way.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::check::Findings;
use super::server::Server;
use super::traffic::Journal;

/// Problems that are told of one fault; a hundred runs may have the same.
const MOST_PROBLEMS: usize = 12;

/// A line of the table and of `faults.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// The fault.
    pub name: String,
    /// How often it was put in.
    pub tried: u64,
    /// How often the service came back in time, with everything in its place.
    pub survived: u64,
    /// Acknowledged, and not there (or another answer when asked again).
    pub lost: u64,
    /// Twice there, or billed twice.
    pub doubled: u64,
    /// The longest time without an answer to any client.
    pub longest_gap_ms: u64,
    /// `tried` and all of them survived, nothing lost, nothing doubled, no problem.
    pub ok: bool,
    /// Captures that were answered meanwhile.
    pub acknowledged: u64,
    /// Why it was not tried at all, where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// What must not be.
    pub problems: BTreeSet<String>,
    /// What was measured beside.
    pub notes: Vec<String>,
    /// When it ended.
    pub at: Timestamp,
}

/// A row in the making.
pub(super) struct Tally {
    /// Runs to do.
    pub(super) runs: u64,
    row: Row,
    bar: ProgressBar,
    terminal: bool,
    log_to: PathBuf,
}

impl Tally {
    /// Nothing tried yet. `logs`: where the log of a server that did not do well is kept.
    pub(super) fn new(name: &str, runs: u64, logs: &Path) -> Tally {
        let bar = ProgressBar::new(runs);
        let template = "  {prefix:<26} {bar:20} {pos:>4} / {len:<4} {msg}";
        // The template is fixed and correct; a plain bar is shown if it ever is not.
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(500));
        let row = Row {
            name: name.to_owned(),
            tried: 0,
            survived: 0,
            lost: 0,
            doubled: 0,
            longest_gap_ms: 0,
            ok: false,
            acknowledged: 0,
            skipped: None,
            problems: BTreeSet::new(),
            notes: Vec::new(),
            at: Timestamp::now(),
        };
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        Tally { runs, row, bar, terminal, log_to: logs.join(format!("{name}.log")) }
    }

    /// Says what is being done.
    pub(super) fn doing(&self, words: &str) {
        self.bar.set_message(words.to_owned());
    }

    /// One run: how long until clients were served again (none: not in time), and what was found after it.
    pub(super) fn run(&mut self, back: Option<Duration>, found: &Findings) {
        self.row.tried += 1;
        self.row.lost += found.lost;
        self.row.doubled = self.row.doubled.max(found.doubled);
        found.problems.iter().for_each(|problem| self.problem(problem.clone()));
        if back.is_none() {
            self.problem("clients were not served again in time".to_owned());
        }
        if back.is_some() && found.is_clean() {
            self.row.survived += 1;
        }
        self.bar.inc(1);
        let back =
            back.map_or_else(|| "not back".to_owned(), |back| format!("back in {} ms", back.as_millis()));
        self.doing(&back);
        let row = &self.row;
        if !self.terminal && (row.tried.is_multiple_of(10) || row.tried == self.runs) {
            eprintln!(
                "  {}: {} of {} done, {} survived, {back}",
                row.name, row.tried, self.runs, row.survived
            );
        }
    }

    /// What must not be.
    pub(super) fn problem(&mut self, words: String) {
        if self.row.problems.len() < MOST_PROBLEMS {
            self.row.problems.insert(words);
        }
    }

    /// What was measured beside.
    pub(super) fn note(&mut self, words: impl Into<String>) {
        self.row.notes.push(words.into());
    }

    /// Answers that were others when asked for again.
    pub(super) fn changed(&mut self, answers: u64) {
        if answers > 0 {
            self.row.lost += answers;
            self.problem(format!("{answers} answers were others when asked for again"));
        }
    }

    /// What was found at the end, over everything.
    pub(super) fn total(&mut self, found: &Findings) {
        self.row.lost = self.row.lost.max(found.lost);
        self.row.doubled = self.row.doubled.max(found.doubled);
        found.problems.iter().for_each(|problem| self.problem(problem.clone()));
    }

    /// The longest time without an answer.
    pub(super) fn gap(&mut self, gap: Duration) {
        let millis = u64::try_from(gap.as_millis()).unwrap_or(u64::MAX);
        self.row.longest_gap_ms = self.row.longest_gap_ms.max(millis);
    }

    /// How many captures were answered, and in which words clients were refused or sent away for a while.
    pub(super) fn acknowledged(&mut self, captures: usize, journal: &Journal) {
        self.row.acknowledged += captures as u64;
        let words = |counts: &std::collections::BTreeMap<String, u64>| {
            counts.iter().map(|(word, count)| format!("{word} ×{count}")).collect::<Vec<_>>().join(", ")
        };
        if !journal.refused.is_empty() {
            self.note(format!("refused: {}", words(&journal.refused)));
        }
        if !journal.retried.is_empty() {
            self.note(format!("asked again after: {}", words(&journal.retried)));
        }
    }

    /// Keeps the server's log when something is wrong.
    pub(super) fn keep(&mut self, server: &Server) -> anyhow::Result<()> {
        if self.is_ok() {
            return Ok(());
        }
        let file = self.log_to.clone();
        server.keep_log(&file)?;
        self.note(format!("the server's log: {}", file.display()));
        Ok(())
    }

    /// It can't be tried here.
    pub(super) fn skip(&mut self, why: impl Into<String>) {
        self.row.skipped = Some(why.into());
    }

    fn is_ok(&self) -> bool {
        let row = &self.row;
        row.tried > 0
            && row.survived == row.tried
            && row.lost == 0
            && row.doubled == 0
            && row.problems.is_empty()
    }

    /// The row.
    pub(super) fn finish(mut self) -> Row {
        self.bar.finish_and_clear();
        self.row.ok = self.is_ok();
        self.row.at = Timestamp::now();
        self.row
    }
}
