//! The table at the end.

use std::time::{Duration, Instant};

struct Row {
    step: &'static str,
    seen: String,
    right: bool,
    took: Duration,
    charged: i64,
}

/// What happened, step by step.
#[derive(Default)]
pub(super) struct Report {
    rows: Vec<Row>,
    charges: i64,
}

impl Report {
    /// Adds a step that began at `begun`; `charges` is the number of charges since the beginning.
    pub(super) fn row(
        &mut self,
        step: &'static str,
        expected: &str,
        seen: &str,
        begun: Instant,
        charges: i64,
    ) {
        let took = begun.elapsed();
        let charged = charges - self.charges;
        // What is passed or failed costs one unit, everything else nothing.
        let to_be_charged = i64::from(matches!(expected, "passed" | "failed"));
        let right = seen == expected && charged == to_be_charged;
        if !right {
            println!(
                "WRONG at `{step}`: expected {expected} charged {to_be_charged}, saw {seen} charged {charged}"
            );
        }
        self.charges = charges;
        self.rows.push(Row { step, seen: seen.to_owned(), right, took, charged });
    }

    /// Whether every step went as it must.
    pub(super) fn all_right(&self) -> bool {
        self.rows.iter().all(|row| row.right)
    }

    /// Prints the table.
    pub(super) fn print(&self) {
        println!("{:<28} {:<36} {:>6} {:>8}", "step", "result", "ms", "charged");
        for row in &self.rows {
            let wrong = if row.right { "" } else { "  WRONG" };
            println!(
                "{:<28} {:<36} {:>6} {:>8}{wrong}",
                row.step,
                row.seen,
                row.took.as_millis(),
                row.charged
            );
        }
        println!("\n{}", if self.all_right() { "every step went as it must" } else { "something is wrong" });
    }
}
