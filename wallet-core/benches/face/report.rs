//! The figures of the bench, as rows and as a table.

use anyhow::{Context, Result};
use serde::Serialize;

use super::{BESIDES, CPU, DLIB, MAIN, Measured, OURS, SURE, THEIRS, TIMES, TOTAL, TOTAL_BOTH, WALL};

const PERCENTILES: [(&str, usize); 2] = [("median", 50), ("p90", 90)];

/// At most this share of OpenCV's CPU time, in the sure case.
const RATIO_GOAL: f64 = 0.40;
/// At most this share of `face_recognition`'s, in the sure case.
const DLIB_GOAL: f64 = 0.10;
/// At least this cosine between our embedding and OpenCV's: the same person to every digit that a threshold has.
const COSINE_GOAL: f64 = 0.9999;

/// One figure of the report.
#[derive(Serialize)]
pub(super) struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Option<String>,
    ok: Option<bool>,
}

/// The value that `percent` of the values do not exceed (nearest rank).
pub(super) fn percentile(mut values: Vec<f64>, percent: usize) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(rank).copied().context("nothing was measured")
}

/// Every figure: the times of every stage on both sides, the ratios, and how far the templates agree.
pub(super) fn report(measured: &Measured) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (side, stage) in measured.costs.keys() {
        for (kind, time) in TIMES {
            for (word, percent) in PERCENTILES {
                let value = percentile(measured.milliseconds(side, stage, time)?, percent)?;
                rows.push(Row::plain(format!("{side}/{stage} {kind} {word}"), value, "ms"));
            }
        }
    }
    for (name, time, percent) in [("cpu p90", CPU, 90), ("wall median", WALL, 50), ("wall p90", WALL, 90)] {
        let value = percentile(measured.ratios(TOTAL, (THEIRS, TOTAL), time)?, percent)?;
        rows.push(Row::plain(format!("ratio total {name}"), value, "1"));
    }
    let ratio = measured.ratio(TOTAL, (THEIRS, TOTAL))?;
    rows.push(Row::at_most("ratio total", ratio, RATIO_GOAL));
    let both = measured.ratio(TOTAL_BOTH, (THEIRS, TOTAL))?;
    rows.push(Row::plain("ratio total-both".to_owned(), both, "1"));
    if measured.of(DLIB, TOTAL).is_ok() {
        let ratio = measured.ratio(TOTAL, (DLIB, TOTAL))?;
        rows.push(Row::at_most("ratio to face_recognition", ratio, DLIB_GOAL));
        let both = measured.ratio(TOTAL_BOTH, (DLIB, TOTAL))?;
        rows.push(Row::plain("ratio to face_recognition, total-both".to_owned(), both, "1"));
    }
    let unsure = measured.cosines.len() - measured.sure;
    let share = f64::from(u32::try_from(unsure)?) / f64::from(u32::try_from(measured.cosines.len())?);
    rows.push(Row::plain("share that takes both embedders".to_owned(), share, "1"));
    let lowest = measured.cosines.iter().copied().fold(1.0, f64::min);
    let goal = Some(format!(">= {COSINE_GOAL}"));
    rows.push(Row {
        goal,
        ok: Some(lowest >= COSINE_GOAL),
        ..Row::plain("min cosine".to_owned(), lowest, "1")
    });
    Ok(rows)
}

impl Row {
    /// A figure without a goal.
    fn plain(name: String, value: f64, unit: &'static str) -> Row {
        Row { name, value, unit, goal: None, ok: None }
    }

    fn at_most(name: &str, value: f64, goal: f64) -> Row {
        let ok = Some(value <= goal);
        Row { goal: Some(format!("<= {goal:.2}")), ok, ..Row::plain(name.to_owned(), value, "1") }
    }
}

pub(super) fn print_table(measured: &Measured) -> Result<()> {
    let times = TIMES.map(|(kind, _)| format!("{:>32}", format!("{kind} ms"))).concat();
    println!("{:<12}{times}{:>10}", "", "cpu ratio");
    println!("{:<12}{}", "", format!("{OURS:>16}{THEIRS:>16}").repeat(2));
    println!("{:<12}{}{:>10}", "stage", format!("{:>8}{:>8}", "median", "p90").repeat(4), "median");
    let stages = SURE.into_iter().chain([TOTAL]).chain(MAIN).chain([TOTAL_BOTH]).chain(BESIDES);
    for stage in stages {
        // The sure case is held against all that OpenCV does, and so is the unsure one.
        let their_stage = if stage == TOTAL_BOTH { TOTAL } else { stage };
        let compared = measured.of(THEIRS, their_stage).is_ok();
        let mut line = format!("{stage:<12}");
        for (_, time) in TIMES {
            for (side, stage) in [(OURS, stage), (THEIRS, their_stage)] {
                for (_, percent) in PERCENTILES {
                    line += &if compared || side == OURS {
                        format!("{:>8.3}", percentile(measured.milliseconds(side, stage, time)?, percent)?)
                    } else {
                        format!("{:>8}", "–")
                    };
                }
            }
        }
        if compared {
            line += &format!("{:>10.2}", measured.ratio(stage, (THEIRS, their_stage))?);
        }
        println!("{line}");
    }
    if measured.of(DLIB, TOTAL).is_ok() {
        let value = |time, percent| percentile(measured.milliseconds(DLIB, TOTAL, time)?, percent);
        println!(
            "\nface_recognition: CPU ms {:.1} (p90 {:.1}), wall ms {:.1} (p90 {:.1})",
            value(CPU, 50)?,
            value(CPU, 90)?,
            value(WALL, 50)?,
            value(WALL, 90)?
        );
    }
    Ok(())
}

pub(super) fn print_goals(rows: &[Row]) {
    println!();
    for Row { name, value, goal, ok, .. } in rows {
        if let (Some(goal), Some(ok)) = (goal, ok) {
            // Rounded down, so that a cosine just under its goal is not shown as met.
            let value = (value * 1e6).floor() / 1e6;
            println!("{name:<28}{value:>10.6}  goal {goal:<10}{}", if *ok { "met" } else { "MISSED" });
        }
    }
}
