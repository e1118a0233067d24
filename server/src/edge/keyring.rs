//! The keys of a running service: which one signs now, which ones are published, the lists of what was taken back.
//!
//! The key store is looked at every second and read anew when it changed, so that every process that sees the file follows
//! a rotation without a restart. What was read is one value ([`KeySet`]); whoever signs takes a [`Signer`] out of it once
//! and has key and chain that belong together, whatever happens meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, RwLock};
use wallet_core::chain;
use wallet_core::es256::PublicKey;
use wallet_core::ids::HolderId;
use wallet_core::x509_lint::Role;

use super::clock::Clock;
use super::data_keys::{DataKey, Kms};
use super::keys::{Contents, Keks, Keys, Stamp, StoredKey, Upkeep};
use super::metrics::Metrics;
use super::signer::Signer;
use crate::store::data_keys::WrappedKey;

/// Lists of what an issuing CA took back are signed anew so often.
const CRLS_ANEW: SignedDuration = SignedDuration::from_hours(1);

/// A signer and its time.
struct Timed {
    active_from: Timestamp,
    ends: Timestamp,
    signer: Arc<Signer>,
}

/// What was read of the store.
struct KeySet {
    stamp: Stamp,
    signers: Vec<Timed>,
    published: Vec<Published>,
    keks: Keks,
    root: Arc<[u8]>,
    /// DER, by the CA's kid.
    crls: BTreeMap<String, Arc<[u8]>>,
    root_kid: String,
    issuing_kid: String,
    read_at: Timestamp,
}

/// A key by which what we signed, or will sign, can be verified.
#[derive(Clone)]
pub struct Published {
    /// Its JWK thumbprint.
    pub kid: String,
    /// The public half.
    pub key: PublicKey,
    /// DER: its certificate, the issuing CA's, the root's.
    pub chain: Vec<Vec<u8>>,
    /// From when it signs.
    pub active_from: Timestamp,
    /// When its certificate ends.
    pub ends: Timestamp,
}

/// The keys in use.
pub struct Keyring {
    keys: Keys,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    set: RwLock<Arc<KeySet>>,
    /// One reads at a time.
    reading: Mutex<()>,
}

impl Keyring {
    /// Reads the store. A signer at its end is renewed first where that `may_renew`.
    ///
    /// # Errors
    /// When the store does not open, or there is no key that could sign.
    pub fn open(
        keys: Keys,
        may_renew: bool,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        if let Err(error) = keys.keep_up(may_renew, clock.now()) {
            // The job tries again; there is time.
            tracing::warn!(error = format!("{error:#}"), "the keys were not looked after");
        }
        let set = read(&keys, None, clock.now(), &metrics)?;
        Ok(Self { keys, clock, metrics, set: RwLock::new(Arc::new(set)), reading: Mutex::new(()) })
    }

    /// Who signs now: the last signer that has begun. Take it once for each thing that is signed.
    pub fn current(&self) -> Arc<Signer> {
        let (set, now) = (self.set(), self.clock.now());
        let good = || set.signers.iter().filter(|signer| now < signer.ends);
        let begun = good().filter(|signer| signer.active_from <= now).max_by_key(|signer| signer.active_from);
        // Where none has begun or all have ended, what is signed does not verify, and the alert has been out for two months.
        let any = begun.or_else(|| good().min_by_key(|signer| signer.active_from)).or(set.signers.last());
        match any {
            Some(timed) => Arc::clone(&timed.signer),
            None => unreachable!("a set without a signer is not taken in"),
        }
    }

    /// The public half of the key that signs now.
    pub fn public_key(&self) -> PublicKey {
        self.current().public_key()
    }

    /// The root's certificate, DER.
    pub fn root(&self) -> Arc<[u8]> {
        Arc::clone(&self.set().root)
    }

    /// All keys that verify something, the newest first.
    pub fn published(&self) -> Vec<Published> {
        let now = self.clock.now();
        self.set().published.iter().filter(|key| now < key.ends).cloned().collect()
    }

    /// Public keys that no device may have.
    pub fn own_keys(&self) -> Vec<PublicKey> {
        self.set().published.iter().map(|key| key.key.clone()).collect()
    }

    /// The names of the keys that wrap data keys, in the order in which they begin.
    pub fn kek_ids(&self) -> Vec<String> {
        self.set().keks.list().into_iter().map(|kek| kek.id).collect()
    }

    /// A list of certificates that were taken back (DER): `root`, `issuing`, or the kid of an issuing CA.
    pub fn crl(&self, name: &str) -> Option<Arc<[u8]>> {
        let set = self.set();
        let kid = match name {
            "root" => &set.root_kid,
            "issuing" => &set.issuing_kid,
            kid => kid,
        };
        set.crls.get(kid).cloned()
    }

    /// Follows the store, if it changed since it was read; and signs the lists anew when they are an hour old.
    ///
    /// Whether other keys sign than before.
    ///
    /// # Errors
    /// When the changed store can't be read: then what was read before goes on.
    pub fn refresh(&self) -> anyhow::Result<bool> {
        let (before, now) = (self.set(), self.clock.now());
        let is_old = now.duration_since(before.read_at).abs() >= CRLS_ANEW;
        if self.keys.stamp()? == before.stamp && !is_old {
            return Ok(false);
        }
        let _alone = self.reading.lock();
        let set = read(&self.keys, Some(&before), now, &self.metrics)?;
        let (old, new) = (kids(&before), kids(&set));
        *self.set.write() = Arc::new(set);
        if old != new {
            tracing::info!(signers = new.join(" "), "the keys have changed");
        }
        Ok(old != new)
    }

    /// Renews a signer that comes to its end where that is allowed, and destroys what is not needed any more.
    ///
    /// # Errors
    /// When the store can't be changed, or a key can't be made.
    pub fn keep_up(&self, may_renew: bool) -> anyhow::Result<Upkeep> {
        let done = self.keys.keep_up(may_renew, self.clock.now())?;
        self.refresh()?;
        Ok(done)
    }

    fn set(&self) -> Arc<KeySet> {
        Arc::clone(&self.set.read())
    }
}

impl Kms for Keyring {
    fn wrap(&self, holder: HolderId, key: &DataKey, now: Timestamp) -> anyhow::Result<WrappedKey> {
        self.set().keks.wrap(holder, key, now)
    }

    fn unwrap(&self, holder: HolderId, wrapped: &WrappedKey) -> anyhow::Result<DataKey> {
        let set = self.set();
        if !set.keks.knows(&wrapped.kek) {
            // Another replica may have seen a rotation before this one did.
            self.refresh()?;
            return self.set().keks.unwrap(holder, wrapped);
        }
        set.keks.unwrap(holder, wrapped)
    }

    fn current(&self, now: Timestamp) -> anyhow::Result<String> {
        self.set().keks.current(now)
    }
}

fn kids(set: &KeySet) -> Vec<String> {
    set.signers.iter().map(|timed| timed.signer.kid().to_owned()).collect()
}

fn read(keys: &Keys, before: Option<&KeySet>, now: Timestamp, metrics: &Metrics) -> anyhow::Result<KeySet> {
    // Before the content: should it change in between, it is read once more.
    let stamp = keys.stamp()?;
    let contents = keys.read()?;
    let root = contents.root()?;
    let issuing = contents.active(Role::Issuing, now).context("there is no issuing CA in force")?;
    let (der, root_kid): (Arc<[u8]>, _) = (root.certificate.as_slice().into(), root.kid.clone());
    let (mut signers, mut published) = (Vec::new(), Vec::new());
    for key in contents.of(Role::Signer).filter(|key| key.is_good(now)) {
        let ca = contents.find(&key.above).context("a signer's CA is missing")?;
        let chain = vec![key.certificate.clone(), ca.certificate.clone()];
        let (active_from, ends) = (key.active_from, chain::expiry(&key.certificate)?);
        published.push(Published {
            kid: key.kid.clone(),
            key: wallet_core::x509_lint::public_key(&key.certificate)?,
            chain: chain.iter().chain([&root.certificate]).cloned().collect(),
            active_from,
            ends,
        });
        if let Some(reference) = &key.private {
            let signer = Signer::new(keys.open(reference)?, chain, Arc::clone(&der), metrics.clone());
            signers.push(Timed { active_from, ends, signer: Arc::new(signer) });
        }
    }
    anyhow::ensure!(!signers.is_empty(), "no signer is in force: run `ecert keys rotate signer`");
    published.reverse();
    tell_expiry(&contents, now, metrics)?;
    let issuing_kid = issuing.kid.clone();
    let crls = crls(keys, &contents, before, now);
    let keks = Keks::of(&contents, now)?;
    Ok(KeySet { stamp, signers, published, keks, root: der, crls, root_kid, issuing_kid, read_at: now })
}

/// The root's list is what was signed at the last ceremony. The others are signed now; where that fails (a token is away),
/// what was signed before stays until it ends, and it is tried again with the next reading.
fn crls(
    keys: &Keys,
    contents: &Contents,
    before: Option<&KeySet>,
    now: Timestamp,
) -> BTreeMap<String, Arc<[u8]>> {
    let signed = |ca: &StoredKey| match (&contents.root_crl, ca.role) {
        (Some(crl), Role::Root) => Ok(Some(crl.clone())),
        _ => keys.crl(contents, ca, now),
    };
    let cas = contents.keys.iter().filter(|key| key.role != Role::Signer && key.is_good(now));
    let list = |ca: &StoredKey| match signed(ca) {
        Ok(crl) => crl.map(|crl| (ca.kid.clone(), crl.into())),
        Err(error) => {
            tracing::warn!(kid = ca.kid, error = format!("{error:#}"), "a revocation list was not signed");
            before.and_then(|set| set.crls.get(&ca.kid)).map(|crl| (ca.kid.clone(), Arc::clone(crl)))
        }
    };
    cas.filter_map(list).collect()
}

fn tell_expiry(contents: &Contents, now: Timestamp, metrics: &Metrics) -> anyhow::Result<()> {
    for role in [Role::Root, Role::Issuing, Role::Signer] {
        if let Some(key) = contents.active(role, now) {
            metrics.certificate_ends(role.as_str(), chain::expiry(&key.certificate)?.as_second());
        }
    }
    Ok(())
}
