//! `ecert db`: the databases, for whoever runs them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use serde_json::json;

use super::db_words as words;
use crate::app::{self, Stores};
use crate::config::Config;
use crate::edge::clock::{Clock as _, SystemClock};
use crate::edge::data_keys::Vaults;
use crate::edge::keys;
use crate::edge::vault::Vault;
use crate::flow::consistency::{self, Inspected, Samples};
use crate::progress::Progress;
use crate::store::consistency::Sample;
use crate::store::{Settings, Store, backup, copying};

#[derive(Subcommand)]
pub(super) enum DbAction {
    /// Bring the tables up to date
    #[command(after_help = "Example:\n  ecert db migrate --dry-run --database postgres://ecert@db1/ecert")]
    Migrate {
        /// Only say what would be run
        #[arg(long)]
        dry_run: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what the database is and how it fares; changes nothing
    #[command(after_help = "Example:\n  ecert db status --json | jq '.[0].contents.outbox_waiting'")]
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Prove that charges, receipts, ledger and codes agree; fails with a line for each finding
    #[command(after_help = "Example:\n  ecert db check\n  ecert db check --all --json > report.json")]
    Check {
        /// Verify every receipt and open every sealed value
        #[arg(long)]
        all: bool,
        /// Otherwise about so many of each, chosen at random
        #[arg(long, default_value_t = 1000, value_name = "ROWS")]
        sample: u64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a copy to a file while the service runs, and look whether it is whole
    #[command(
        after_help = "Example:\n  ecert db backup /backups/ecert-$(date +%F).db\n\nThe keys are not in it: back up DATA_DIR/keys and the key file apart."
    )]
    Backup {
        /// Where to; holders apart go to FILE.holders
        file: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Put a backup into an empty database
    #[command(after_help = "Example:\n  ecert db restore /backups/ecert-2026-11-22.db --data-dir ./restored")]
    Restore {
        /// The backup; holders apart come from FILE.holders
        file: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Copy a whole database into an empty one, of the same kind or the other
    #[command(
        after_help = "Example:\n  ecert db copy sqlite:data/ecert.db postgres://ecert@localhost/ecert\n\nStop the service first: what is written meanwhile stays behind."
    )]
    Copy {
        /// sqlite:FILE or postgres://…
        #[arg(env = "ECERT_COPY_FROM", hide_env_values = true)]
        from: String,
        /// sqlite:FILE or postgres://…, without any rows
        #[arg(env = "ECERT_COPY_TO", hide_env_values = true)]
        to: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(config: &Config, action: DbAction) -> anyhow::Result<ExitCode> {
    match action {
        DbAction::Migrate { dry_run, json } => migrate(config, dry_run, json)?,
        DbAction::Status { json } => status(config, json)?,
        DbAction::Check { all, sample, json } => return check(config, all, sample, json),
        DbAction::Backup { file, json } => back_up(config, &file, json)?,
        DbAction::Restore { file, json } => restore(config, &file, json)?,
        DbAction::Copy { from, to, json } => copy(config, from, to, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens what is there, and makes nothing: a mistyped path must not become an empty database.
fn open(settings: Settings) -> anyhow::Result<Store> {
    if let Some(file) = settings.sqlite_file() {
        ensure!(Path::new(file).exists(), "there is no database at {file}");
    }
    Store::open(settings)
}

/// Both databases, or the one that is both.
pub(super) fn open_stores(config: &Config) -> anyhow::Result<Stores> {
    let rps = open(config.rp_database(1))?;
    let holders = match config.holder_database(1) {
        Some(apart) => open(apart)?,
        None => rps.clone(),
    };
    Ok(Stores { rps, holders })
}

impl Stores {
    /// Each database once.
    fn each(&self) -> Vec<&Store> {
        let apart = (!self.rps.is_same_as(&self.holders)).then_some(&self.holders);
        std::iter::once(&self.rps).chain(apart).collect()
    }
}

fn migrate(config: &Config, dry_run: bool, json: bool) -> anyhow::Result<()> {
    let mut databases = Vec::new();
    config.make_data_dir()?;
    for settings in std::iter::once(config.rp_database(1)).chain(config.holder_database(1)) {
        let is_new = settings.sqlite_file().is_some_and(|file| !Path::new(file).exists());
        ensure!(!(dry_run && is_new), "there is no database yet; all migrations would be run");
        let store = Store::open(settings)?;
        let pending = store.migration_status()?.into_iter().filter(|step| !step.applied);
        let pending: Vec<String> = pending.filter_map(|step| step.name).collect();
        if !dry_run {
            store.migrate()?;
        }
        databases.push((store.place().to_owned(), pending));
    }
    for (place, names) in &databases {
        if json {
            println!("{}", json!({ "place": place, "migrations": names, "run": !dry_run }));
        } else {
            println!("{place}: {}", words::migrated(names, dry_run));
        }
    }
    Ok(())
}

fn status(config: &Config, json: bool) -> anyhow::Result<()> {
    let (stores, now) = (open_stores(config)?, SystemClock.now());
    let inspected = stores.each().into_iter().map(|store| store.inspect(now));
    let inspected: Vec<_> = inspected.collect::<anyhow::Result<_>>()?;
    if json {
        println!("{}", serde_json::to_string_pretty(&inspected)?);
    } else {
        inspected.iter().for_each(|database| print!("{}", words::inspected(database, now)));
    }
    Ok(())
}

fn check(config: &Config, all: bool, sample: u64, json: bool) -> anyhow::Result<ExitCode> {
    let stores = open_stores(config)?;
    stores.each().into_iter().try_for_each(Store::ensure_current)?;
    ensure!(
        keys::are_in(&config.data_dir.join("keys")),
        "the keys are not in {}: without them nothing can be verified or opened",
        config.data_dir.display()
    );
    let keys = app::open_keys(config, &SystemClock)?;
    let (root, secrets, now) = (keys.root_certificate()?, keys.secrets()?, SystemClock.now());
    let inspected = Inspected {
        rps: &stores.rps,
        holders: &stores.holders,
        root: &root,
        vaults: Vaults { service: &Vault::new(&secrets.vault), kms: &keys.keks(now)? },
        keep_days: config.keep_days,
        now,
    };
    let sample = if all { Sample::All } else { Sample::About(sample) };
    let samples = Samples { receipts: sample, sealed: sample };
    let report = consistency::check(&inspected, samples, &Progress::shown())?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", words::report(&report));
    }
    Ok(if report.found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn back_up(config: &Config, file: &Path, json: bool) -> anyhow::Result<()> {
    let stores = open_stores(config)?;
    // The relying parties' side first: each code that it used up is then in the holders' side.
    let files = [file.to_owned(), backup::beside(file, "holders")];
    for (store, file) in stores.each().into_iter().zip(files) {
        let written = store.back_up(&file)?;
        if json {
            println!("{}", serde_json::to_string(&written)?);
        } else {
            let place = written.file.display();
            println!("{place}: {} bytes, sha256 {}", written.bytes, written.sha256);
        }
    }
    if !json {
        println!("the keys are not in it: back up DATA_DIR/keys and the key file apart");
    }
    Ok(())
}

fn restore(config: &Config, file: &Path, json: bool) -> anyhow::Result<()> {
    config.make_data_dir()?;
    let databases = std::iter::once(config.rp_database(1)).chain(config.holder_database(1));
    let files = [file.to_owned(), backup::beside(file, "holders")];
    for (settings, file) in databases.zip(files) {
        match settings.sqlite_file() {
            Some(target) => backup::restore_sqlite(&file, Path::new(target))?,
            None => Store::open(settings.clone())?.restore(&file)?,
        }
        let store = open(settings)?;
        let migrations = store.migration_status()?;
        ensure!(migrations.iter().any(|step| step.applied), "{} is no database of E-Cert", file.display());
        if json {
            println!("{}", json!({ "file": file, "place": store.place(), "migrations": migrations }));
        } else {
            println!("{} is now in {}", file.display(), store.place());
        }
    }
    if !json {
        println!("restore the keys too, then look with `ecert db check`");
    }
    Ok(())
}

fn copy(config: &Config, from: String, to: String, json: bool) -> anyhow::Result<()> {
    copying::ensure_apart(&from, &to)?;
    let settings = |url| Settings { url, ..config.rp_database(1) };
    let source = open(settings(from)).context("the source")?;
    let target = Store::open(settings(to)).context("the target")?;
    let copied = copying::copy(&source, &target, &Progress::shown())?;
    if json {
        println!("{}", serde_json::to_string_pretty(&copied)?);
    } else {
        copied.iter().for_each(|table| println!("{:<20} {:>10} {}", table.table, table.rows, table.sha256));
        println!("{} tables are the same in {} and {}", copied.len(), source.place(), target.place());
    }
    Ok(())
}
