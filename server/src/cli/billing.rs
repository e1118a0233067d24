//! `ecert billing`: what is done with the books.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use jiff::tz::TimeZone;
use wallet_core::ids::RelyingPartyId;

use crate::app::{open_keys, open_stores};
use crate::config::Config;
use crate::edge::clock::{Clock, SystemClock};
use crate::edge::keyring::Keyring;
use crate::edge::metrics::Metrics;
use crate::edge::print::{Language, Press};
use crate::flow::statements::Books;
use crate::progress::Progress;
use crate::store::Store;

#[derive(Subcommand)]
pub(super) enum BillingAction {
    /// Close every period that is over, whatever was missed; the service does so by itself, and may run meanwhile
    #[command(
        name = "close-day",
        after_help = "\
Examples:
  ecert billing close-day
  ecert billing close-day --json

Each relying party's charges become its statement, which is signed and paid from its balance. A period can be closed from ten minutes after its
end on. The same again changes nothing, so run it anew if it was interrupted; it goes on where it was."
    )]
    CloseDay {
        /// Print what was closed as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the statement of a relying party for a period as PDF, as it gets it itself
    #[command(after_help = "\
Examples:
  ecert billing statement --rp rp_… --period 2026-11-22 --pdf statement.pdf
  ecert billing statement --rp rp_… --period 2026-11 --lang en --pdf statement.pdf

What is printed is what was signed. It is a PDF/A-3 file with the signed statement attached.")]
    Statement {
        /// Whose
        #[arg(long)]
        rp: RelyingPartyId,
        /// Of which period: 2026-11-22, 2026-11 or 2026-11-22T09+08, as the service is billed
        #[arg(long)]
        period: String,
        /// `zh` or `en`
        #[arg(long, default_value = "zh", value_parser = language)]
        lang: Language,
        /// The file to write; one that is there is not overwritten
        #[arg(long)]
        pdf: PathBuf,
    },
}

fn language(word: &str) -> Result<Language, String> {
    Language::parse(word).ok_or_else(|| "`zh` or `en`".to_owned())
}

/// What the books are opened with.
struct Opened {
    store: Store,
    signer: Keyring,
    public_url: String,
    zone: TimeZone,
    clock: Arc<dyn Clock>,
}

impl Opened {
    fn of(config: &Config) -> anyhow::Result<Opened> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = open_stores(config, 2)?.rps;
        let keys = open_keys(config, clock.as_ref())?;
        let signer = Keyring::open(keys, false, Arc::clone(&clock), Metrics::new()?)?;
        let zone = TimeZone::get(&config.time_zone).context("unknown time zone")?;
        let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{}", config.listen));
        let public_url = public_url.trim_end_matches('/').to_owned();
        Ok(Opened { store, signer, public_url, zone, clock })
    }

    fn books(&self) -> Books<'_> {
        Books { store: &self.store, signer: &self.signer, public_url: &self.public_url, zone: &self.zone }
    }
}

pub(super) fn run(config: &Config, action: BillingAction) -> anyhow::Result<()> {
    match action {
        BillingAction::CloseDay { json } => close_day(config, json),
        BillingAction::Statement { rp, period, lang, pdf } => {
            let opened = Opened::of(config)?;
            let bill = opened.books().bill(rp, &period, opened.clock.now()).map_err(anyhow::Error::from);
            let bill = bill.with_context(|| format!("there is no statement of {rp} for {period}"))?;
            let printed = Press::in_folder(config.model_dir().ok()).print(&bill, lang)?;
            let file = std::fs::File::options().write(true).create_new(true).open(&pdf);
            let mut file = file.with_context(|| format!("can't write {}", pdf.display()))?;
            file.write_all(&printed)?;
            println!("{}: {} bytes", pdf.display(), printed.len());
            Ok(())
        }
    }
}

fn close_day(config: &Config, json: bool) -> anyhow::Result<()> {
    let opened = Opened::of(config)?;
    let closed = opened.books().close_due(opened.clock.now(), &Progress::shown());
    let closed =
        closed.map_err(|stop| anyhow::Error::from(stop).context("stopped; run the same again to go on"))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&closed)?);
        return Ok(());
    }
    if closed.is_empty() {
        println!("nothing to close: every period that is over is closed");
    }
    for one in closed {
        let currency = one.amount.currency.code();
        println!("{}: {} statements, {} {currency}", one.period, one.statements, one.amount);
    }
    Ok(())
}
