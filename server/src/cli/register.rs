//! `ecert register`: fills the local register.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::Subcommand;
use wallet_core::document::DocumentNumber;

use crate::app::{open_keys, open_stores};
use crate::config::Config;
use crate::edge::clock::{Clock as _, SystemClock};
use crate::edge::source::LocalRegister;

#[derive(Subcommand)]
pub(super) enum RegisterAction {
    /// Add one person
    #[command(after_help = "\
Examples:
  ecert register add 林知远 990000199003070013
  ecert register add 'ERIKSSON, ANNA MARIA' UTO-L898902C3")]
    Add {
        /// The name as on the document; of a passport in the letters of the lines at its foot, a comma after the surname
        name: String,
        /// The 18 characters of a citizen number, or a passport's number behind its state
        number: String,
    },
    /// Add everybody in a file of `name,number` lines; the last comma counts
    #[command(after_help = "Example:\n  ecert register import people.csv")]
    Import {
        /// The file, UTF-8, without a heading
        file: PathBuf,
    },
}

pub(super) fn run(config: &Config, action: RegisterAction) -> anyhow::Result<()> {
    let people = match action {
        RegisterAction::Add { name, number } => vec![person(&name, &number)?],
        RegisterAction::Import { file } => read(&file)?,
    };
    let (stores, secrets) = (open_stores(config, 1)?, open_keys(config, &SystemClock)?.secrets()?);
    let register = LocalRegister::new(stores.holders, secrets.register);
    let now = SystemClock.now();
    let mut added = 0;
    for (name, number) in &people {
        added += usize::from(register.add(name, number, now)?);
    }
    println!("{added} added, {} stood there already", people.len() - added);
    Ok(())
}

fn read(file: &std::path::Path) -> anyhow::Result<Vec<(String, DocumentNumber)>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
    let line = |(index, line): (usize, &str)| {
        let (name, number) = line.rsplit_once(',').ok_or_else(|| anyhow!("line {}: no comma", index + 1))?;
        person(name.trim(), number.trim()).with_context(|| format!("line {}", index + 1))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(line).collect()
}

fn person(name: &str, number: &str) -> anyhow::Result<(String, DocumentNumber)> {
    if name.is_empty() {
        bail!("the name is empty");
    }
    let number =
        DocumentNumber::parse(number).map_err(|problem| anyhow!("the number: {}", problem.code()))?;
    Ok((name.to_owned(), number))
}
