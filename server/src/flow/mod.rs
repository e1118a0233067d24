//! Use cases: one function each, which opens the transaction, loads the facts, lets a pure rule decide and saves the
//! outcome with everything that belongs to it. HTTP is not known here, tables are not named here.

pub mod accounts;
pub mod admin_actions;
pub mod admin_sessions;
pub mod admins;
pub mod alerts;
mod amounts;
pub mod announcements;
pub mod answers;
pub mod api_keys;
pub mod approvals;
pub mod attestations;
pub mod caches;
pub mod callers;
pub mod caps;
pub mod captures;
pub mod ceremonies;
pub mod certificates;
mod charging;
pub mod codes;
pub mod consents;
pub mod consistency;
pub mod contacts;
pub mod couriers;
pub mod cycles;
pub mod data_keys;
pub mod devices;
pub mod earning;
pub mod enrolments;
pub mod erasures;
pub mod exports;
pub mod face_groups;
pub mod faces;
mod fulfilment;
pub mod handles;
pub mod health;
pub mod idempotency;
pub mod issuance;
pub mod issuer;
mod issuing_guard;
pub mod jobs;
pub mod ledger;
pub mod liability;
mod limits;
pub mod listening;
pub mod liveness_sessions;
pub mod log;
mod metering;
pub mod misses;
pub mod offers;
pub mod orders;
pub mod paper;
pub mod past_uses;
pub mod payment_notices;
pub mod payments;
pub mod persons;
pub mod pictures;
pub mod prices;
pub mod promotions;
pub mod proofing;
pub mod recoveries;
pub mod redemptions;
pub mod refunds;
pub mod registrations;
pub mod relying_parties;
pub mod replay;
pub mod retention;
pub mod revocations;
pub mod sandbox_payments;
pub mod settlement;
pub mod settling;
pub mod sign_ins;
pub mod sponsorships;
pub mod standing_numbers;
pub mod statements;
pub mod status_lists;
pub mod telling;
pub mod templates;
pub mod terminals;
pub mod test_clocks;
mod test_people;
mod tokens;
pub mod uses;
pub mod webhooks;
pub mod withdrawals;
#[cfg(feature = "bench-without-face")]
mod without_face;

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rand::Rng as _;
use wallet_core::face::Mode;
use wallet_core::ids::ReplicaId;

use crate::edge::attestation::Trust;
use crate::edge::clock::Clock;
use crate::edge::face_index::FaceIndexes;
use crate::edge::keyring::Keyring;
use crate::edge::keys::Secrets;
use crate::edge::listeners::Listeners;
use crate::edge::mail::Mailer;
use crate::edge::metrics::Metrics;
use crate::edge::models::ModelWorkers;
use crate::edge::passkeys::Passkeys;
use crate::edge::payments::Gateways;
use crate::edge::print::Press;
use crate::edge::source::AuthoritativeSource;
use crate::edge::vault::Vault;
use crate::edge::webhooks::Webhooks;
use crate::store::rounds::Rounds;
use crate::store::{Store, patience};

/// What every use case may reach: the database and the ports.
pub struct Context {
    /// The tables of relying parties: keys, redemptions, charges, the ledger. And the house's own: admins, prices, jobs.
    pub rp_store: Store,
    /// The tables of holders: devices, enrolments, certificates, codes. The same database unless told otherwise; written as
    /// if it were another one, since no transaction could span the shards of a large installation.
    pub holder_store: Store,
    /// What many redemptions do in either of them together.
    pub rounds: Rounds,
    /// Where models run.
    pub models: Arc<ModelWorkers>,
    /// The issuing keys. Take `signer.current()` once for each thing that is signed.
    pub signer: Keyring,
    /// Whether a signer that comes to its end is renewed by itself.
    pub renew_signer: bool,
    /// E-certs that may be issued in an hour.
    pub issuing_limit: u32,
    /// Symmetric keys.
    pub secrets: Secrets,
    /// Encryption at rest.
    pub vault: Vault,
    /// Who confirms name and number.
    pub source: Box<dyn AuthoritativeSource>,
    /// Who tells us of money that came in.
    pub gateways: Gateways,
    /// How admins prove themselves.
    pub passkeys: Passkeys,
    /// How relying parties are told by HTTP.
    pub webhooks: Webhooks,
    /// How they are told by mail, if they are.
    pub mailer: Option<Box<dyn Mailer>>,
    /// What prints statements.
    pub press: Press,
    /// What is counted and timed.
    pub metrics: Metrics,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The address under which the world sees us, without a slash at its end.
    pub public_url: String,
    /// How liveness is shown in an enrolment.
    pub enrolment_liveness: Mode,
    /// How liveness is shown in a recovery.
    pub recovery_liveness: Mode,
    /// Who is believed when they vouch for a phone's key.
    pub attestation: Trust,
    /// Days that grown tables keep their partitions; for ever without it.
    pub keep_days: Option<u32>,
    /// What face groups are searched by.
    pub face_indexes: FaceIndexes,
    /// What keeps digits from being guessed.
    pub misses: misses::Misses,
    /// What may be a second old.
    pub caches: caches::Caches,
    /// The wallets that listen to this process.
    pub listeners: Arc<Listeners>,
    /// This process, among those that share the databases.
    pub replica: ReplicaId,
    /// The zone of billing days and birthdays.
    pub zone: TimeZone,
}

impl Context {
    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Works on a request: what it waits for the database, all in all, is bounded.
    pub fn bounded<T>(&self, work: impl FnOnce(&Context) -> T) -> T {
        patience::of_a_request(self.rp_store.settings().patience, || work(self))
    }

    /// Today, where the product is sold.
    pub fn today(&self) -> Date {
        self.zone.to_datetime(self.now()).date()
    }
}

/// The moment so much later; the end of time where there is none.
fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Cryptographically random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
