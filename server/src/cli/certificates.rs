//! `ecert certificates`: what is done to many of them at once.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Subcommand;

use crate::app::open_stores;
use crate::config::Config;
use crate::edge::clock::SystemClock;
use crate::flow::revocations::{self, MAX_BYTES};
use crate::progress::Progress;

#[derive(Subcommand)]
pub(super) enum CertificatesAction {
    /// Revoke every certificate that a file names; the service may run meanwhile
    #[command(after_help = "\
Example:
  ecert certificates revoke --csv stolen.csv

The file: UTF-8, at most 100,000 lines, the header certificate_id,reason,note, then for example
  crt_01KAMX5B2WQ7N1F8SZ0V3D4E6G,stolen-device,ticket 4711
Reasons: lost-device, stolen-device, key-compromise, data-changed, holder-request, misuse, deceased, issued-in-error, cessation, other.
Every line is checked before anything is done. The same file again changes nothing, so run it anew if it was interrupted.")]
    Revoke {
        /// The file
        #[arg(long, value_name = "FILE")]
        csv: PathBuf,
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(config: &Config, action: CertificatesAction) -> anyhow::Result<()> {
    let CertificatesAction::Revoke { csv, json } = action;
    let name = csv.display();
    let bytes = std::fs::metadata(&csv).with_context(|| format!("can't read {name}"))?.len();
    ensure!(bytes <= u64::try_from(MAX_BYTES)?, "{name} is longer than {} MiB; split it", MAX_BYTES >> 20);
    let file = std::fs::read(&csv).with_context(|| format!("can't read {name}"))?;
    let checked =
        revocations::check(&file).map_err(|refusal| anyhow::anyhow!("{name}: {}", refusal.detail()))?;
    let store = open_stores(config, 1)?.holders;
    let done = revocations::revoke_file(&store, &SystemClock, "cli", &checked, &Progress::shown());
    let done =
        done.map_err(|stop| anyhow::Error::from(stop).context("stopped; run the same again to go on"))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&done)?);
        return Ok(());
    }
    for line in &done.unchanged {
        println!("line {}: {} {}", line.line, line.certificate_id, line.outcome);
    }
    println!("{} revoked, {} had ended already, {} unknown", done.revoked, done.already_ended, done.unknown);
    Ok(())
}
