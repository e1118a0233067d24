//! Counts, and how sure they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use wallet_core::face::Mode;

/// What became of a capture.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Passed,
    /// Why.
    Failed(String),
    Unusable(&'static str),
}

#[derive(Debug, Default)]
struct Counts {
    passed: u32,
    failed: u32,
    unusable: u32,
    reasons: BTreeMap<String, u32>,
}

/// Of every mode, the living and the attacks by kind.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<(usize, bool, String), Counts>);

/// One figure of the result.
#[derive(Serialize)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Option<&'static str>,
    ok: Option<bool>,
    /// Captures.
    n: u32,
    /// Wilson's 95 % interval.
    interval: [f64; 2],
    unusable: u32,
    /// Why they did not pass, most frequent first.
    reasons: Vec<(String, u32)>,
}

/// What a recording, a sheet of paper or a second person must never do. Nothing is held against what is known to pass, see
/// docs/SECURITY.md: the silent mode asks for nothing, and whoever makes the statement can label frames as they like.
fn is_held(mode: Mode, kind: &str) -> bool {
    let labelled = kind.starts_with("recorded frames");
    let silent = mode == Mode::Silent && kind != "two people in turn" && !kind.starts_with("real print");
    // Paper with a living mouth behind it speaks; a mouth that moves at other times does so now and then.
    let mouth = mode == Mode::Digits && (kind.contains("cut out") || kind.contains("recorded session"));
    !labelled && !silent && !mouth
}

/// Of the living, so many in a hundred may be refused: the passive detector alone refuses 8 (docs/BENCHMARKS.md).
const BPCER: f64 = 0.12;

impl Tally {
    pub(super) fn living(&mut self, mode: Mode, kind: &str, outcome: Outcome) {
        self.count(mode, false, kind, outcome.clone());
        self.count(mode, false, "all", outcome);
    }

    pub(super) fn attack(&mut self, mode: Mode, kind: &str, outcome: Outcome) {
        self.count(mode, true, kind, outcome);
    }

    fn count(&mut self, mode: Mode, attack: bool, kind: &str, outcome: Outcome) {
        let place = Mode::ALL.into_iter().position(|of| of == mode).unwrap_or(0);
        let counts = self.0.entry((place, attack, kind.to_owned())).or_default();
        match outcome {
            Outcome::Passed => counts.passed += 1,
            Outcome::Failed(reason) => {
                counts.failed += 1;
                *counts.reasons.entry(reason).or_default() += 1;
            }
            Outcome::Unusable(reason) => {
                counts.unusable += 1;
                *counts.reasons.entry(reason.to_owned()).or_default() += 1;
            }
        }
    }

    fn figures(&self) -> Vec<Figure> {
        let figure = |((place, attack, kind), counts): (&(usize, bool, String), &Counts)| {
            let mode = Mode::ALL.get(*place).copied().unwrap_or_default();
            let n = counts.passed + counts.failed + counts.unusable;
            // An attack counts when it passes, a person when they fail; what is unusable may be tried again.
            let errors = if *attack { counts.passed } else { counts.failed };
            let value = f64::from(errors) / f64::from(n.max(1));
            let goal = match (attack, kind.as_str()) {
                (true, kind) if is_held(mode, kind) => Some(0.0),
                (false, "all") => Some(BPCER),
                _ => None,
            };
            let mut reasons: Vec<_> =
                counts.reasons.iter().map(|(reason, count)| (reason.clone(), *count)).collect();
            reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            Figure {
                name: format!("{} {}: {kind}", mode.code(), if *attack { "APCER" } else { "BPCER" }),
                value,
                unit: "share",
                goal: goal.map(|goal| if goal > 0.0 { "≤ 0.12" } else { "0" }),
                ok: goal.map(|goal| value <= goal),
                n,
                interval: wilson(errors, n),
                unusable: counts.unusable,
                reasons,
            }
        };
        self.0.iter().map(figure).collect()
    }

    pub(super) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.figures())?)
    }

    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "\n{:<66} {:>6} {:>5} {:>15} {:>8} {:<7} {:<4} reasons\n",
            "figure", "value", "n", "95 %", "unusable", "goal", "met"
        );
        for figure in self.figures() {
            let met = figure.ok.map_or("", |ok| if ok { "yes" } else { "NO" });
            let [low, high] = figure.interval;
            let reasons: Vec<String> =
                figure.reasons.iter().take(3).map(|(reason, count)| format!("{reason} {count}")).collect();
            // Writing into a text can't fail.
            let _ = writeln!(
                table,
                "{:<66} {:>6.3} {:>5} {:>15} {:>8} {:<7} {met:<4} {}",
                figure.name,
                figure.value,
                figure.n,
                format!("{low:.3} to {high:.3}"),
                figure.unusable,
                figure.goal.unwrap_or_default(),
                reasons.join(", ")
            );
        }
        table
    }

    /// Keeps them in `target/bench/attacks.json` of the workspace, wherever cargo's own target folder is.
    pub(super) fn save(&self) -> Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
        std::fs::create_dir_all(&folder)?;
        Ok(std::fs::write(folder.join("attacks.json"), self.json()?)?)
    }
}

/// Wilson's score interval at 95 %.
fn wilson(errors: u32, n: u32) -> [f64; 2] {
    const Z: f64 = 1.959_964;
    let (errors, n) = (f64::from(errors), f64::from(n.max(1)));
    let (share, square) = (errors / n, Z * Z / n);
    let middle = (share + square / 2.0) / (1.0 + square);
    let half = Z / (1.0 + square) * (share * (1.0 - share) / n + square / (4.0 * n)).sqrt();
    [(middle - half).max(0.0), (middle + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_as_in_the_tables() {
        let [low, high] = wilson(0, 42);
        assert!(low.abs() < 1e-9 && (high - 0.0838).abs() < 1e-3, "{high}");
        let [low, high] = wilson(5, 59);
        assert!((low - 0.0367).abs() < 1e-3 && (high - 0.1835).abs() < 1e-3, "{low} {high}");
    }
}
