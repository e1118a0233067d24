//! A service in this process, with people in its database.

use actix_web::web::Data;
use clap::{Args as _, Command};
use ecert_server::app::{Ports, start};
use ecert_server::config::Config;
use ecert_server::flow::Context;
use jiff::Timestamp;
use tempfile::TempDir;
use wallet_core::attributes::Share;
use wallet_core::code::qr::Q1;

use crate::clients::RelyingParty;
use crate::load::{Installation, Population};

/// Holders, each with a handle.
pub(super) const HOLDERS: u64 = 10_000;
/// Enough that none has five wrong digits in a minute.
const RELYING_PARTIES: u64 = 1_000;

/// The service and who is there.
pub(super) struct Place {
    pub(super) context: Data<Context>,
    pub(super) people: Population,
    handle: actix_web::dev::ServerHandle,
    _folder: TempDir,
}

impl Place {
    pub(super) fn start(database: Option<&str>, clients: usize) -> anyhow::Result<Place> {
        let folder = tempfile::tempdir()?;
        let mut people = Population::new(1);
        people.grow(&Installation::new(folder.path(), database)?, HOLDERS, RELYING_PARTIES)?;
        let data_dir = folder.path().display().to_string();
        let uploads = clients.to_string();
        let mut line =
            vec!["bench", "--listen", "127.0.0.1:0", "--data-dir", &data_dir, "--model-workers", "0"];
        // What is measured of digits is not their limit.
        line.extend(["--numeric-breaker", "1000000", "--uploads", &uploads]);
        line.extend(database.iter().flat_map(|url| ["--database", *url]));
        let command = Config::augment_args(Command::new("bench"));
        let config = Config::from_matches(&command.try_get_matches_from(line)?)?;
        let running = start(&config, Ports::default())?;
        let (context, handle) = (running.context.clone(), running.handle.clone());
        actix_web::rt::spawn(running.serve());
        Ok(Place { context, people, handle, _folder: folder })
    }

    /// A relying party.
    pub(super) fn relying_party(&self, number: usize) -> anyhow::Result<RelyingParty> {
        let party = self.people.identities.relying_party(u64::try_from(number)? % RELYING_PARTIES);
        Ok(RelyingParty::new(&self.context.public_url, &party.id.to_string(), &party.api_key))
    }

    /// A Q1 of a holder, made at this moment.
    pub(super) fn code(&self, holder: u64, now: Timestamp) -> anyhow::Result<String> {
        let people = &self.people.identities;
        let code = Q1::new(people.handle(holder % HOLDERS, 0), Share::Name, now, &mut rand::rng());
        Ok(code.sign(&people.device(holder % HOLDERS)?)?)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        actix_web::rt::spawn(self.handle.stop(false));
    }
}
