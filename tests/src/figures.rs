//! What was measured, beside what it shall be.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Serialize, Serializer};

/// What a value is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Between.
    Within(f64, f64),
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Goal::AtLeast(least) => value >= least,
            Goal::AtMost(most) => value <= most,
            Goal::Within(least, most) => (least..=most).contains(&value),
        }
    }

    fn text(self) -> String {
        match self {
            Goal::AtLeast(least) => format!("≥ {least}"),
            Goal::AtMost(most) => format!("≤ {most}"),
            Goal::Within(least, most) => format!("{least} to {most}"),
        }
    }
}

impl Serialize for Goal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

/// One line of the result.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Option<Goal>,
    ok: Option<bool>,
}

/// All lines, in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Figures(Vec<Figure>);

impl Figures {
    /// A figure without a goal.
    pub(crate) fn note(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.0.push(Figure { name: name.into(), value, unit, goal: None, ok: None });
    }

    /// A figure that is held against a goal.
    pub(crate) fn hold(&mut self, name: impl Into<String>, value: f64, unit: &'static str, goal: Goal) {
        let ok = Some(goal.is_met(value));
        self.0.push(Figure { name: name.into(), value, unit, goal: Some(goal), ok });
    }

    pub(crate) fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(&self.0)?)
    }

    pub(crate) fn table(&self) -> String {
        let mut table = format!("\n{:<58} {:>11} {:<8} {:<11} met\n", "figure", "value", "unit", "goal");
        for figure in &self.0 {
            let goal = figure.goal.map(Goal::text).unwrap_or_default();
            let met = match figure.ok {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "",
            };
            // Writing into a text can't fail.
            let _ = writeln!(
                table,
                "{:<58} {:>11.3} {:<8} {goal:<11} {met}",
                figure.name, figure.value, figure.unit
            );
        }
        table
    }

    /// Keeps them in `target/bench/NAME.json` of the workspace, wherever cargo's own target folder is.
    pub(crate) fn save(&self, name: &str) -> anyhow::Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
        std::fs::create_dir_all(&folder)?;
        Ok(std::fs::write(folder.join(format!("{name}.json")), self.json()?)?)
    }
}

/// The middle one; of an even number, the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 { at(middle) } else { f64::midpoint(at(middle.wrapping_sub(1)), at(middle)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_goals() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median([]).is_nan());
        assert!(!Goal::AtLeast(0.5).is_met(f64::NAN));
        assert!(Goal::Within(0.9, 1.1).is_met(1.1) && !Goal::Within(0.9, 1.1).is_met(1.2));
    }
}
