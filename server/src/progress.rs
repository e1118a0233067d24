//! Tells whoever waits how far long work has come: bars on a terminal, plain lines elsewhere, all on the error stream. The
//! output stream is for results.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Where progress is shown.
pub struct Progress {
    shown: Shown,
}

enum Shown {
    Bars(MultiProgress),
    Lines,
    Nowhere,
}

impl Progress {
    /// On the error stream.
    pub fn shown() -> Progress {
        let terminal = std::io::stderr().is_terminal();
        Progress { shown: if terminal { Shown::Bars(MultiProgress::new()) } else { Shown::Lines } }
    }

    /// Nowhere.
    pub fn hidden() -> Progress {
        Progress { shown: Shown::Nowhere }
    }

    /// Begins a piece of work of so many steps (rows, checks); without a number where nobody knows.
    pub fn begin(&self, what: &str, steps: Option<u64>) -> Piece {
        let bar = match &self.shown {
            Shown::Bars(bars) => {
                let bar = bars.add(steps.map_or_else(ProgressBar::new_spinner, ProgressBar::new));
                let template = match steps {
                    Some(_) => "  {prefix:<24} {bar:24} {human_pos:>12} / {human_len:<12} {msg}",
                    None => "  {prefix:<24} {spinner:<24} {human_pos:>12} {msg}",
                };
                // The templates are fixed and correct; a plain bar is shown if one ever is not.
                let style = ProgressStyle::with_template(template);
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.enable_steady_tick(Duration::from_millis(200));
                bar
            }
            Shown::Lines | Shown::Nowhere => ProgressBar::hidden(),
        };
        bar.set_prefix(what.to_owned());
        Piece { bar, line: matches!(self.shown, Shown::Lines).then(|| what.to_owned()) }
    }
}

/// A piece of work under way.
pub struct Piece {
    bar: ProgressBar,
    /// What to print at the end, where there are no bars.
    line: Option<String>,
}

impl Piece {
    /// One step more is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// So many steps more are done.
    pub fn steps(&self, steps: u64) {
        self.bar.inc(steps);
    }

    /// It is done; `words` say with what outcome.
    pub fn end(self, words: &str) {
        self.bar.finish_with_message(words.to_owned());
        if let Some(what) = self.line {
            eprintln!("  {what}: {words}");
        }
    }
}
