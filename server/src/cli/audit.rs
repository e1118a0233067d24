//! `ecert audit`: what an auditor does with the books.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;
use wallet_core::ids::RelyingPartyId;

use super::db::open_stores;
use crate::app;
use crate::config::Config;
use crate::edge::clock::{Clock as _, SystemClock};
use crate::edge::keys;
use crate::flow::replay::{Audit, Finding, Report, Scope};
use crate::progress::Progress;

#[derive(Subcommand)]
pub(super) enum AuditAction {
    /// Recompute every bill from attempts, price lists, packs, orders and payments; fails with a line for each difference
    #[command(after_help = "\
Examples:
  ecert audit replay
  ecert audit replay --rp rp_01KA… --from 2026-11-01 --to 2026-11-30
  ecert audit replay --json > findings.jsonl

Changes nothing, and may run while the service does. --from and --to choose charges and statements by the day on which their period
begins; packs, payments and the ledger of a relying party are replayed from the beginning in any case.")]
    Replay {
        /// Only this relying party
        #[arg(long)]
        rp: Option<RelyingPartyId>,
        /// Periods that begin on this day or later
        #[arg(long, value_name = "DATE")]
        from: Option<Date>,
        /// Periods that begin on this day or earlier
        #[arg(long, value_name = "DATE")]
        to: Option<Date>,
        /// As JSON: a line for each finding, and one for the summary at the end
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(config: &Config, action: AuditAction) -> anyhow::Result<ExitCode> {
    let AuditAction::Replay { rp, from, to, json } = action;
    ensure!(
        from.zip(to).is_none_or(|(from, to)| from <= to),
        "--from is after --to: nothing would be looked at"
    );
    let store = open_stores(config)?.rps;
    store.ensure_current()?;
    ensure!(
        keys::are_in(&config.data_dir.join("keys")),
        "the issuer's keys are not in {}: without its root no signature can be checked",
        config.data_dir.display()
    );
    let root = app::open_keys(config, &SystemClock)?.root_certificate()?;
    let zone = TimeZone::get(&config.time_zone).context("unknown time zone")?;
    let audit = Audit { store: &store, root: &root, zone: &zone, now: SystemClock.now() };
    let mut tell = |finding: &Finding| print(finding, json);
    let report = audit.replay(Scope { rp, from, to }, &Progress::shown(), &mut tell)?;
    ensure!(
        rp.is_none() || !report.is_empty() || report.findings > 0,
        "nothing is known of this relying party: look at its id"
    );
    if json {
        println!("{}", json!({ "summary": report }));
    } else {
        print!("{}", words(&report));
    }
    Ok(if report.findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(finding: &Finding, json: bool) {
    if json {
        println!("{}", json!({ "finding": finding }));
        return;
    }
    let Finding { kind, relying_party, object, expected, found } = finding;
    println!("{kind} {relying_party} {object}: expected {expected}; found {found}");
}

fn words(report: &Report) -> String {
    let mut words = format!(
        "{} relying parties, {} charges of {}, {} statements of {}, paid {}, late fees {}, {} packs, {} other transactions, \
         balances {} (CNY)\n",
        report.relying_parties,
        report.charges,
        report.charged,
        report.statements,
        report.stated,
        report.paid,
        report.late_fees,
        report.packs,
        report.transactions,
        report.balances,
    );
    if report.of_the_sandbox > 0 {
        words +=
            &format!("{} relying parties of the sandbox beside them, in no sum\n", report.of_the_sandbox);
    }
    if report.findings == 0 {
        return words + "everything agrees\n";
    }
    for (kind, count) in &report.kinds {
        words += &format!("  {kind}: {count}\n");
    }
    words + &format!("{} FINDINGS\n", report.findings)
}
