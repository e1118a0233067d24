//! `ecert templates`: renewing what is kept of faces.

use clap::Subcommand;
use wallet_core::ids::CertificateId;

use crate::app::{open_keys, open_stores};
use crate::config::Config;
use crate::edge::clock::{Clock as _, SystemClock};
use crate::edge::data_keys::Vaults;
use crate::edge::vault::Vault;
use crate::flow::templates::{self, Rekeyed};
use crate::progress::Progress;

#[derive(Subcommand)]
pub(super) enum TemplatesAction {
    /// Put every template under a new salt; nobody is captured again, and the service may run meanwhile
    #[command(after_help = "\
Examples:
  ecert templates rekey
  ecert templates rekey --after crt_01KAMX5B2WQ7N1F8SZ0V3D4E6G      to go on where it was interrupted

Do this after a copy of the database or of a back-up may have got into wrong hands: templates of that copy are then unrelated to those
that are kept. It also protects templates that were stored before there was protection.")]
    Rekey {
        /// Only certificates behind this one; what an interrupted run named last
        #[arg(long, value_name = "CERTIFICATE")]
        after: Option<CertificateId>,
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(config: &Config, action: TemplatesAction) -> anyhow::Result<()> {
    let TemplatesAction::Rekey { after, json } = action;
    let (stores, keys) = (open_stores(config, 1)?, open_keys(config, &SystemClock)?);
    let (secrets, keks) = (keys.secrets()?, keys.keks(SystemClock.now())?);
    let (service, mut last) = (Vault::new(&secrets.vault), after);
    let vaults = Vaults { service: &service, kms: &keks };
    let said = |done: &Rekeyed| last = done.last;
    let done = templates::rekey(&stores.holders, &secrets.template, vaults, after, &Progress::shown(), said);
    let done = done.map_err(|stop| {
        let reason = anyhow::Error::from(stop);
        match last {
            Some(last) => {
                reason.context(format!("stopped; go on with: ecert templates rekey --after {last}"))
            }
            None => reason,
        }
    })?;
    if json {
        println!("{}", serde_json::to_string_pretty(&done)?);
    } else {
        println!(
            "{} templates under a new salt ({} had none), {} changed meanwhile and left alone",
            done.rekeyed, done.were_plain, done.left_alone
        );
    }
    Ok(())
}
