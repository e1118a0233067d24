//! What `ecert db` says to people.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use crate::flow::consistency::Report;
use crate::store::Step;
use crate::store::inspection::{Inspection, Partitions, Postgres};

pub(super) fn migrated(names: &[String], dry_run: bool) -> String {
    match (names, dry_run) {
        ([], _) => "up to date".to_owned(),
        (names, true) => format!("would run {}", names.join(", ")),
        (names, false) => format!("ran {}", names.join(", ")),
    }
}

/// Lines about one database.
pub(super) fn inspected(database: &Inspection, now: Timestamp) -> String {
    let mut text = format!("{}\n", database.place);
    line(&mut text, "server", &database.server);
    line(&mut text, "size", &megabytes(database.bytes));
    line(&mut text, "migrations", &migrations(&database.migrations));
    if let Some(postgres) = &database.postgres {
        self::postgres(&mut text, postgres);
    }
    let Some(contents) = &database.contents else {
        line(&mut text, "tables", "not up to date, or not there: `ecert db migrate`");
        return text;
    };
    line(&mut text, "outbox", &format!("{} waiting", contents.outbox_waiting));
    for job in &contents.jobs {
        let last = job.succeeded_at.map_or("never ended well".to_owned(), |at| {
            format!("ended well {} s ago", now.duration_since(at).as_secs())
        });
        let due = job.due_at.map(|at| due(now.duration_until(at))).unwrap_or_default();
        let leased = job.leased_by.as_ref().map(|replica| format!(", with {replica}")).unwrap_or_default();
        line(&mut text, &format!("job {}", job.name), &format!("{last}{due}{leased}"));
    }
    text
}

fn due(wait: SignedDuration) -> String {
    if wait.is_positive() { format!(", due in {} s", wait.as_secs()) } else { ", due".to_owned() }
}

fn line(text: &mut String, what: &str, value: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "  {what:<18} {value}");
}

fn megabytes(bytes: i64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

fn migrations(steps: &[Step]) -> String {
    let name = |step: &Step| step.name.clone().unwrap_or_else(|| step.version.clone());
    let some = |which: &dyn Fn(&&Step) -> bool| steps.iter().filter(which).map(name).collect::<Vec<_>>();
    let pending = some(&|step| !step.applied);
    let newer = some(&|step| step.name.is_none());
    let mut text = format!("{} applied", steps.iter().filter(|step| step.applied).count());
    if !pending.is_empty() {
        text += &format!(", PENDING {}", pending.join(", "));
    }
    if !newer.is_empty() {
        text += &format!(", newer than this program {}", newer.join(", "));
    }
    text
}

fn postgres(text: &mut String, postgres: &Postgres) {
    let role = match (postgres.in_recovery, postgres.read_only) {
        (true, _) => "a standby: takes no writes",
        (false, true) => "READ-ONLY by setting",
        (false, false) => "takes writes",
    };
    line(text, "role", role);
    line(text, "TLS", postgres.tls.as_deref().unwrap_or("none: the connection is in clear"));
    line(text, "connections", &postgres.connections.to_string());
    let session = match (postgres.pooler, postgres.keeps_session) {
        ("none", false) => {
            "statements of one connection reach several sessions: set database_pooler = \"transaction\""
        }
        (pooler, _) => pooler,
    };
    line(text, "pooler", session);
    for (table, partitions) in &postgres.partitions {
        line(text, &format!("days of {table}"), &days(partitions));
    }
}

fn days(partitions: &Partitions) -> String {
    let name = |day: &Option<String>| day.clone().unwrap_or_else(|| "none".to_owned());
    let mut text =
        format!("{}, {} to {}", partitions.days, name(&partitions.oldest), name(&partitions.newest));
    if !partitions.detached.is_empty() {
        text += &format!("; detached, to archive and drop: {}", partitions.detached.join(" "));
    }
    if partitions.rows_outside {
        text += "; ROWS OUTSIDE in the default partition";
    }
    text
}

/// The outcome of a check.
pub(super) fn report(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text += &format!("{} {}\n", finding.check, finding.id);
    }
    let unlisted = report.found.saturating_sub(report.findings.len() as u64);
    if unlisted > 0 {
        text += &format!("… and {unlisted} more of these kinds\n");
    }
    text += &format!(
        "{} findings in {} checks; {} receipts verified, {} sealed values opened, {} codes used up without a redemption\n",
        report.found, report.checks, report.receipts, report.sealed, report.codes_without_redemption
    );
    text
}
