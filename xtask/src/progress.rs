//! Tells the person at the terminal what is being fetched: bars on a terminal, plain lines elsewhere.
//!
//! Everything goes to the error stream; the output stream is for `--json`.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Where progress is shown.
pub(crate) struct Progress {
    /// None where the error stream is not a terminal.
    bars: Option<MultiProgress>,
}

/// The line of one package.
pub(crate) struct Line {
    label: String,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { bars: terminal.then(MultiProgress::new) }
    }

    /// Says one thing, above the bars.
    pub(crate) fn say(&self, words: &str) {
        match &self.bars {
            // Fails only when the terminal is gone, and then nobody reads it.
            Some(bars) => drop(bars.println(words)),
            None => eprintln!("{words}"),
        }
    }

    /// Starts the line of a package of `bytes` bytes.
    pub(crate) fn line(&self, label: &str, bytes: u64) -> Line {
        let label = label.to_owned();
        let Some(bars) = &self.bars else {
            eprintln!("  {label}: fetching {}", megabytes(bytes));
            return Line { label, bar: None };
        };
        let bar = bars.add(ProgressBar::new(bytes));
        let template = "  {prefix:<42} {bar:24} {decimal_bytes:>10} / {decimal_total_bytes:<10} {msg}";
        // The template is fixed and correct; a plain bar is shown if it ever is not.
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_prefix(label.clone());
        bar.enable_steady_tick(Duration::from_millis(200));
        Line { label, bar: Some(bar) }
    }
}

impl Line {
    /// Shows that `bytes` of the package have come.
    pub(crate) fn reached(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes.min(bar.length().unwrap_or(bytes)));
        }
    }

    /// Shows what is being done with the package.
    pub(crate) fn doing(&self, words: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(bar.length().unwrap_or_default());
            bar.set_message(words.to_owned());
        }
    }

    pub(crate) fn finish(self, words: &str) {
        match self.bar {
            Some(bar) => bar.finish_with_message(words.to_owned()),
            None => eprintln!("  {}: {words}", self.label),
        }
    }

    pub(crate) fn fail(self) {
        match self.bar {
            Some(bar) => bar.abandon_with_message("failed"),
            None => eprintln!("  {}: failed", self.label),
        }
    }
}

/// A number of bytes for people, in millions with one decimal: `23.8 MB`.
pub(crate) fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
