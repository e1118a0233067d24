//! `ecert receipts`: the relying party's side, offline.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;
use wallet_core::receipt::Receipt;
use wallet_core::statement::Statement;

use super::statement_check::{Given, differences, proven};

#[derive(Subcommand)]
pub(super) enum ReceiptsAction {
    /// Check receipts against the issuer's root, and whether they make their statement; fails when something does not hold
    #[command(after_help = "\
Examples:
  ecert receipts verify --root root.der receipt-1.jws receipt-2.jws
  ecert receipts verify --root root.der --statement 2026-11-22.jws receipts/*.jws
  ecert receipts verify --root root.der --statement 2026-11-22.jws --proof proof.json receipt-1.jws

With --statement, FILEs are all receipts of its period: as many as it says, with its items, its total and its root. Receipts of attempts
that were not charged may be among them. With --proof, one receipt is enough.")]
    Verify {
        /// The root certificate, DER: the last of `x5c` at /.well-known/ecert
        #[arg(long)]
        root: PathBuf,
        /// The signed statement: `statement` of GET /v1/statements/{period}
        #[arg(long)]
        statement: Option<PathBuf>,
        /// The answer of GET /v1/statements/{period}/proofs/{charge}, for one receipt
        #[arg(long, requires = "statement")]
        proof: Option<PathBuf>,
        /// They are of the sandbox; without this, such are refused
        #[arg(long)]
        sandbox: bool,
        /// Print receipts, and what became of the statement, as JSON
        #[arg(long)]
        json: bool,
        /// Files with one receipt each
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

pub(super) fn run(action: ReceiptsAction) -> anyhow::Result<ExitCode> {
    let ReceiptsAction::Verify { root, statement, proof, sandbox, json, files } = action;
    ensure!(proof.is_none() || files.len() == 1, "--proof is of one receipt: name one file");
    let root = std::fs::read(&root).with_context(|| format!("can't read {}", root.display()))?;
    let statement = statement.map(|file| stated(&file, &root, sandbox)).transpose()?;
    let (mut all_hold, mut given) = (true, Vec::new());
    for file in &files {
        match verify(file, &root, sandbox) {
            Ok(one) => {
                print(&one, json)?;
                // Without a statement, nothing is kept: there may be many.
                if statement.is_some() {
                    given.push(one);
                }
            }
            Err(error) => {
                all_hold = false;
                eprintln!("{}: {error:#}", file.display());
            }
        }
    }
    if let Some(statement) = statement {
        all_hold &= match proof {
            Some(proof) => is_in(&statement, &given, &proof, json),
            None => agree(&statement, &given, json)?,
        };
    }
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn stated(file: &Path, root: &[u8], sandbox: bool) -> anyhow::Result<Statement> {
    let token = std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
    let verify = if sandbox { Statement::verify_sandbox } else { Statement::verify };
    verify(token.trim(), root, Timestamp::now())
        .with_context(|| format!("{}: the statement does not hold", file.display()))
}

fn verify(file: &Path, root: &[u8], sandbox: bool) -> anyhow::Result<Given> {
    let token = std::fs::read_to_string(file).context("can't be read")?.trim().to_owned();
    let verify = if sandbox { Receipt::verify_sandbox } else { Receipt::verify };
    let receipt = verify(&token, root, Timestamp::now()).context("does not hold")?;
    Ok(Given { place: file.display().to_string(), token, receipt })
}

fn print(Given { place, receipt, .. }: &Given, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(receipt)?);
    } else {
        println!("{place}: {} {}, {}", receipt.attempt, receipt.outcome, cost(receipt));
    }
    Ok(())
}

/// Whether all receipts together make the statement.
fn agree(statement: &Statement, given: &[Given], json: bool) -> anyhow::Result<bool> {
    let found = differences(statement, given)?;
    if json {
        println!(
            "{}",
            json!({ "statement": statement.id, "agrees": found.is_empty(), "differences": found })
        );
    } else if found.is_empty() {
        let (amount, currency) = (statement.amount, statement.amount.currency.code());
        let Statement { id, period, uses, .. } = statement;
        println!("{id} of {period}: {uses} receipts make it, {amount} {currency}");
    }
    if !json {
        found.iter().for_each(|difference| eprintln!("{}: {difference}", statement.id));
    }
    Ok(found.is_empty())
}

/// Whether the one receipt is in the statement.
fn is_in(statement: &Statement, given: &[Given], proof: &Path, json: bool) -> bool {
    let [one] = given else { return false };
    let read = std::fs::read_to_string(proof).with_context(|| format!("can't read {}", proof.display()));
    let index = read.and_then(|proof| proven(statement, &one.token, &proof));
    if json {
        let index = index.as_ref().ok();
        println!("{}", json!({ "statement": statement.id, "agrees": index.is_some(), "index": index }));
    }
    match index {
        Ok(index) if !json => println!("{}: in {} at place {index}", one.place, statement.id),
        Ok(_) => {}
        Err(error) => {
            eprintln!("{}: {error:#}", one.place);
            return false;
        }
    }
    true
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
