//! `ecert receipts`: the relying party's side, offline.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use jiff::Timestamp;
use wallet_core::receipt::Receipt;

#[derive(Subcommand)]
pub(super) enum ReceiptsAction {
    /// Check receipts against the issuer's root; fails when one does not hold
    #[command(after_help = "Example:\n  ecert receipts verify --root root.der receipt-1.jws receipt-2.jws")]
    Verify {
        /// The root certificate, DER: the last of `x5c` at /.well-known/ecert
        #[arg(long)]
        root: PathBuf,
        /// Print the receipts as JSON
        #[arg(long)]
        json: bool,
        /// Files with one receipt each
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

pub(super) fn run(action: ReceiptsAction) -> anyhow::Result<ExitCode> {
    let ReceiptsAction::Verify { root, json, files } = action;
    let root = std::fs::read(&root).with_context(|| format!("can't read {}", root.display()))?;
    let mut all_hold = true;
    for file in &files {
        match verify(file, &root) {
            Ok(receipt) if json => println!("{}", serde_json::to_string(&receipt)?),
            Ok(receipt) => {
                println!("{}: {} {}, {}", file.display(), receipt.attempt, receipt.outcome, cost(&receipt))
            }
            Err(error) => {
                all_hold = false;
                eprintln!("{}: {error:#}", file.display());
            }
        }
    }
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verify(file: &Path, root: &[u8]) -> anyhow::Result<Receipt> {
    let token = std::fs::read_to_string(file).context("can't be read")?;
    Receipt::verify(token.trim(), root, Timestamp::now()).context("does not hold")
}

fn cost(receipt: &Receipt) -> String {
    match (&receipt.charge, &receipt.not_charged) {
        (Some(charge), _) => {
            let pack = charge.pack.map(|pack| format!(", a unit of {pack}")).unwrap_or_default();
            format!("charged {} {}{pack}", charge.amount, charge.amount.currency.code())
        }
        (None, reason) => format!("not charged: {}", reason.as_deref().unwrap_or("no reason given")),
    }
}
