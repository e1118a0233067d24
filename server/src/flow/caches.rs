//! What each redemption reads and nobody changes often. Everything here may be lost at any moment, and is true as of a second ago
//! at most: that is how long a suspension, a revoked key or a new price may take to be seen everywhere.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use moka::sync::Cache;
use parking_lot::Mutex;
use wallet_core::ids::{ApiKeyId, RelyingPartyId};

use super::callers::RelyingParty;
use crate::billing::cycles::Change;
use crate::billing::packs::Pack;
use crate::billing::price::{Price, Service};

/// The product promises that what is revoked is refused everywhere within a second.
const FRESH: Duration = Duration::from_secs(1);
/// Relying parties; about 1 KiB each.
const MOST: u64 = 100_000;

/// Headers in use at once: two kinds of token for each signer that receipts are still read of.
const SIGNERS: u64 = 1000;

/// The caches of a process.
pub struct Caches {
    /// By API key: the relying party. It holds as long as nothing was changed since it was read.
    pub(super) relying_parties: Cache<ApiKeyId, Arc<KnownKey>>,
    /// How often relying parties were changed so far.
    pub(super) changes: Cache<(), i64>,
    /// Headers of stored tokens by their hash; these never change.
    pub(super) jws_headers: Cache<String, Arc<str>>,
    /// The serial that was drawn last: a source of randomness that repeats itself is found at once.
    pub(super) last_serial: Mutex<Option<[u8; 16]>>,
    /// The packs of those that have had one, as they were when a guess about them last failed. A guess that is wrong is noticed in the
    /// transaction that relies on it, so these may be of any age.
    pub(super) packs: Cache<RelyingPartyId, Arc<Vec<Pack>>>,
    /// How often a service is billed, from when on.
    pub(super) cycles: Cache<Service, Arc<Vec<Change>>>,
    /// Every price of a service.
    pub(super) prices: Cache<Service, Arc<Vec<Price>>>,
}

/// A relying party as it was read by one of its keys.
pub(super) struct KnownKey {
    pub(super) rp: Arc<RelyingParty>,
    pub(super) secret_hash: Vec<u8>,
    pub(super) expires_at: Option<Timestamp>,
    /// How often relying parties had been changed before it was read.
    pub(super) changes: i64,
}

impl Default for Caches {
    fn default() -> Self {
        Caches {
            relying_parties: Cache::builder().max_capacity(MOST).build(),
            changes: Cache::builder().max_capacity(1).time_to_live(FRESH).build(),
            jws_headers: Cache::builder().max_capacity(SIGNERS).build(),
            last_serial: Mutex::new(None),
            cycles: Cache::builder().time_to_live(FRESH).build(),
            packs: Cache::builder().max_capacity(MOST).build(),
            prices: Cache::builder().time_to_live(FRESH).build(),
        }
    }
}
