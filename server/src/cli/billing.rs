//! `ecert billing`: what is done with the books.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use jiff::tz::TimeZone;

use crate::app::{open_keys, open_stores};
use crate::config::Config;
use crate::edge::clock::{Clock, SystemClock};
use crate::edge::keyring::Keyring;
use crate::edge::metrics::Metrics;
use crate::flow::statements::Books;
use crate::progress::Progress;

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
}

pub(super) fn run(config: &Config, action: BillingAction) -> anyhow::Result<()> {
    let BillingAction::CloseDay { json } = action;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_stores(config, 2)?.rps;
    let keys = open_keys(config, clock.as_ref())?;
    let signer = Keyring::open(keys, false, Arc::clone(&clock), Metrics::new()?)?;
    let zone = TimeZone::get(&config.time_zone).context("unknown time zone")?;
    let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{}", config.listen));
    let public_url = public_url.trim_end_matches('/');
    let books = Books { store: &store, signer: &signer, public_url, zone: &zone };
    let closed = books.close_due(clock.now(), &Progress::shown());
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
