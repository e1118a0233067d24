//! `ecert log`: the transparency log, for whoever runs it and for whoever distrusts them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;
use wallet_core::log::entry::Evidence;
use wallet_core::log::note::VerifierKey;
use wallet_core::log::tiles::TilePath;

use crate::app::{self, Stores};
use crate::config::Config;
use crate::edge::clock::{Clock as _, SystemClock};
use crate::edge::keys;
use crate::flow::consistency::first_kept;
use crate::flow::log::acts::{self, Inspected};
use crate::flow::log::verify::{self, Published, Report};
use crate::flow::log::{self, Keys};
use crate::progress::Progress;

#[derive(Subcommand)]
pub(super) enum LogAction {
    /// Print the newest signed checkpoint; keep it, and the log can't be rewritten before your eyes
    #[command(after_help = "Example:\n  ecert log checkpoint > checkpoint-$(date +%F)")]
    Checkpoint {
        /// As JSON, with the key that verifies it
        #[arg(long)]
        json: bool,
    },
    /// Read the whole log and prove that it is whole; fails with a line for each finding
    #[command(after_help = "\
Examples:
  ecert log verify --from checkpoint-2026-11-01          every act has its leaf, and every leaf its act
  ecert log verify --url http://127.0.0.1:8080 --key KEY --from checkpoint-2026-11-01

With --url only what is published is looked at, and no key or database is needed. The address is asked over HTTP; where it is served over
HTTPS, put a proxy between that checks the certificate.")]
    Verify {
        /// A service's address, instead of the database
        #[arg(long)]
        url: Option<String>,
        /// The log's key, `name+id+key`, from a source that you trust; without it the one that the service shows
        #[arg(long, requires = "url")]
        key: Option<String>,
        /// A file with a checkpoint from earlier: the log must go on from there
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the evidence that something is in the log, as JSON: the act, its salt and a proof
    #[command(after_help = "\
Examples:
  ecert log prove receipt.jws
  ecert log prove red_01KAMX5B2WQ7N1F8SZ0V3D4E6G
  ecert log prove aud_01KAMX5B2WQ7N1F8SZ0V3D4E6G")]
    Prove {
        /// A file with a receipt, or the id of an act (aud_…) or of what was acted on (red_…, use_…, crt_…)
        receipt_or_id: String,
    },
}

pub(super) fn run(config: &Config, action: LogAction) -> anyhow::Result<ExitCode> {
    match action {
        LogAction::Checkpoint { json } => checkpoint(config, json).map(|()| ExitCode::SUCCESS),
        LogAction::Verify { url, key, from, json } => {
            let read = |path: &Path| {
                std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
            };
            let earlier = from.as_deref().map(read).transpose()?;
            let report = match url {
                Some(url) => verify_published(&url, key.as_deref(), earlier.as_deref())?,
                None => verify_database(config, earlier.as_deref())?,
            };
            say(&report, json)?;
            Ok(if report.found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        LogAction::Prove { receipt_or_id } => prove(config, &receipt_or_id).map(|()| ExitCode::SUCCESS),
    }
}

/// What is there; nothing is made.
fn open(config: &Config) -> anyhow::Result<(Stores, keys::Secrets)> {
    ensure!(
        keys::are_in(&config.data_dir.join("keys")),
        "the keys are not in {}: say where with --data-dir, or look at the published log with --url",
        config.data_dir.display()
    );
    let stores = super::db::open_stores(config)?;
    stores.rps.ensure_current()?;
    stores.holders.ensure_current()?;
    let (_, secrets) = app::open_keys(config, &SystemClock)?;
    Ok((stores, secrets))
}

fn checkpoint(config: &Config, json: bool) -> anyhow::Result<()> {
    let (stores, secrets) = open(config)?;
    let note = log::newest_checkpoint(&stores.rps)?;
    if json {
        let key = Keys::of(&secrets)?.signer.verifier().to_string();
        println!("{}", json!({ "checkpoint": note, "key": key }));
    } else {
        print!("{note}");
    }
    Ok(())
}

fn verify_database(config: &Config, earlier: Option<&str>) -> anyhow::Result<Report> {
    let (stores, secrets) = open(config)?;
    let since = config.keep_days.map(|days| first_kept(SystemClock.now(), days));
    let inspected = Inspected {
        rps: &stores.rps,
        holders: &stores.holders,
        secrets: &secrets,
        since: since.unwrap_or(Timestamp::UNIX_EPOCH),
    };
    acts::check(&inspected, earlier, &Progress::shown())
}

fn verify_published(url: &str, key: Option<&str>, earlier: Option<&str>) -> anyhow::Result<Report> {
    let mut log = Remote::at(url);
    let shown = match key {
        Some(key) => key.to_owned(),
        None => {
            let issuer = log.get(".well-known/ecert")?.context("the service shows no /.well-known/ecert")?;
            let issuer: serde_json::Value = serde_json::from_slice(&issuer)?;
            let shown = issuer.pointer("/log/key").and_then(serde_json::Value::as_str);
            let shown = shown.context("the service shows no key of a log")?.to_owned();
            eprintln!("  the key that the service itself shows: {shown}");
            shown
        }
    };
    let key = VerifierKey::parse(&shown).with_context(|| format!("`{shown}` is no key of a log"))?;
    verify::published(&mut log, &key, earlier, &Progress::shown())
}

fn say(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    for finding in &report.findings {
        println!("{} {}", finding.check, finding.id);
    }
    let unlisted = report.found.saturating_sub(report.findings.len() as u64);
    if unlisted > 0 {
        println!("… and {unlisted} more of these kinds");
    }
    let acts = report
        .acts
        .map(|acts| format!(", {acts} acts ({} wait, {} no longer kept)", report.waiting, report.acts_gone));
    println!("{} findings in {} leaves{}", report.found, report.leaves, acts.unwrap_or_default());
    Ok(())
}

fn prove(config: &Config, receipt_or_id: &str) -> anyhow::Result<()> {
    let (stores, secrets) = open(config)?;
    let id = if Path::new(receipt_or_id).exists() {
        occasion(Path::new(receipt_or_id))?
    } else {
        receipt_or_id.to_owned()
    };
    let evidence: Vec<Evidence> = log::evidence_of(&stores.rps, &secrets, &id)?;
    if evidence.is_empty() {
        bail!("nothing about `{id}` is in the log (yet: an act gets its place within a second)");
    }
    println!("{}", serde_json::to_string_pretty(&evidence)?);
    Ok(())
}

/// What a receipt is about. Whether it holds is `ecert receipts verify`'s to say.
fn occasion(file: &Path) -> anyhow::Result<String> {
    let token = std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
    let claims = token.trim().split('.').nth(1).context("not a receipt")?;
    let claims = wallet_core::jws::from_base64url(claims).context("not a receipt")?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).context("not a receipt")?;
    let named = ["redemption", "use"].iter().find_map(|name| claims.get(name)?.as_str());
    Ok(named.context("the receipt does not say what it is about")?.to_owned())
}

/// A log that a service publishes.
struct Remote {
    base: String,
    agent: ureq::Agent,
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// No tile, bundle or checkpoint is longer.
const MOST_BYTES: u64 = 64 * 1024;

impl Remote {
    fn at(url: &str) -> Remote {
        let agent =
            ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build();
        Remote { base: url.trim_end_matches('/').to_owned(), agent: agent.into() }
    }

    fn get(&mut self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let url = format!("{}/{path}", self.base);
        let mut answer = self.agent.get(&url).call().with_context(|| format!("can't read {url}"))?;
        match answer.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            status => bail!("{url} answers {status}"),
        }
        let bytes = answer.body_mut().with_config().limit(MOST_BYTES).read_to_vec();
        bytes.map(Some).with_context(|| format!("can't read {url}"))
    }
}

impl Published for Remote {
    fn checkpoint(&mut self) -> anyhow::Result<String> {
        let note = self.get("log/checkpoint")?.context("the service publishes no log")?;
        String::from_utf8(note).context("the checkpoint is no text")
    }

    fn tile(&mut self, path: TilePath) -> anyhow::Result<Option<Vec<u8>>> {
        self.get(&format!("log/tile/{path}"))
    }
}
