//! The keys that wrap holders' data keys ("key encryption keys", NIST SP 800-57 part 1, 5.1.1), in the sealed key store.

use anyhow::{Context as _, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wallet_core::ids::HolderId;
use zeroize::Zeroizing;

use super::Keys;
use super::store::Contents;
use crate::edge::data_keys::{DataKey, Kms};
use crate::edge::vault::Vault;
use crate::store::data_keys::WrappedKey;

/// A replica that was cut off may wrap with the key before for so long after another one began, as with signers.
const SPENT_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// A key that wraps, as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::edge) struct StoredKek {
    key: Zeroizing<[u8; 32]>,
    /// From when it wraps; the last one that has begun is the one that does.
    active_from: Timestamp,
}

impl StoredKek {
    pub(super) fn fresh(active_from: Timestamp) -> StoredKek {
        let mut key = Zeroizing::new([0; 32]);
        rand::rng().fill_bytes(key.as_mut_slice());
        StoredKek { key, active_from }
    }

    /// The one of a store from before there were any: it follows from the store's secret, so that replicas that have copies of the store
    /// have the same.
    pub(super) fn derived(key: [u8; 32]) -> StoredKek {
        StoredKek { key: Zeroizing::new(key), active_from: Timestamp::UNIX_EPOCH }
    }

    /// Its name: 64 bits of a hash of it, which tell two apart and nothing else.
    fn id(&self) -> String {
        let digest = Sha256::new().chain_update(b"ecert kek id").chain_update(self.key.as_slice()).finalize();
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What a key that wraps is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KekState {
    /// It wraps.
    Current,
    /// It will wrap.
    Next,
    /// It only unwraps.
    Unwrapping,
}

impl KekState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            KekState::Current => "current",
            KekState::Next => "next",
            KekState::Unwrapping => "unwrapping",
        }
    }
}

/// A key that wraps as it is told; nothing secret is in it.
#[derive(Debug, Clone, Serialize)]
pub struct KekInfo {
    /// Its name.
    pub id: String,
    /// What it is doing.
    pub state: KekState,
    /// From when it wraps.
    pub active_from: Timestamp,
}

/// The keys that wrap, ready for use.
pub struct Keks {
    /// In the order in which they begin.
    open: Vec<(KekInfo, Vault)>,
}

impl Keks {
    pub(in crate::edge) fn of(contents: &Contents, now: Timestamp) -> anyhow::Result<Keks> {
        let mut stored = contents.keks()?;
        stored.sort_by_key(|kek| kek.active_from);
        let current = stored.iter().rposition(|kek| kek.active_from <= now).unwrap_or(0);
        let info = |place: usize, kek: &StoredKek| KekInfo {
            id: kek.id(),
            state: match place.cmp(&current) {
                std::cmp::Ordering::Less => KekState::Unwrapping,
                std::cmp::Ordering::Equal => KekState::Current,
                std::cmp::Ordering::Greater => KekState::Next,
            },
            active_from: kek.active_from,
        };
        let open = stored.iter().enumerate().map(|(place, kek)| (info(place, kek), Vault::new(&kek.key)));
        Ok(Keks { open: open.collect() })
    }

    /// Whether a key with this name is among them.
    pub fn knows(&self, id: &str) -> bool {
        self.open.iter().any(|(kek, _)| kek.id == id)
    }

    /// All of them as they were when these were read, in the order in which they begin.
    pub fn list(&self) -> Vec<KekInfo> {
        self.open.iter().map(|(kek, _)| kek.clone()).collect()
    }

    fn at(&self, now: Timestamp) -> anyhow::Result<&(KekInfo, Vault)> {
        let begun = self.open.iter().rfind(|(kek, _)| kek.active_from <= now);
        begun.or(self.open.first()).context("there is no key to wrap data keys with")
    }
}

impl Kms for Keks {
    fn wrap(&self, holder: HolderId, key: &DataKey, now: Timestamp) -> anyhow::Result<WrappedKey> {
        let (kek, vault) = self.at(now)?;
        key.wrap(vault, &kek.id, holder)
    }

    fn unwrap(&self, holder: HolderId, wrapped: &WrappedKey) -> anyhow::Result<DataKey> {
        let found = self.open.iter().find(|(kek, _)| kek.id == wrapped.kek);
        let (_, vault) = found.with_context(|| format!("the key {} that wraps is not here", wrapped.kek))?;
        DataKey::unwrap(vault, holder, wrapped)
    }

    fn current(&self, now: Timestamp) -> anyhow::Result<String> {
        Ok(self.at(now)?.0.id.clone())
    }
}

impl Keys {
    /// The keys that wrap, as the store has them now.
    ///
    /// # Errors
    /// When the store does not open.
    pub fn keks(&self, now: Timestamp) -> anyhow::Result<Keks> {
        Keks::of(&self.store.read()?, now)
    }

    /// Makes a key that wraps from `at` on.
    ///
    /// # Errors
    /// When the store can't be changed.
    pub fn rotate_kek(&self, at: Timestamp, now: Timestamp) -> anyhow::Result<KekInfo> {
        ensure!(at >= now, "a key can't begin in the past");
        self.store.change(|contents| {
            contents.keks = contents.keks()?;
            let kek = StoredKek::fresh(at);
            let id = kek.id();
            contents.keks.push(kek);
            let made = Keks::of(contents, now)?.list().into_iter().find(|kek| kek.id == id);
            made.context("the key was just made")
        })
    }

    /// Destroys a key that wraps. That nothing names it any more, the caller has seen: what it wrapped opens nowhere afterwards, neither
    /// here nor in a back-up.
    ///
    /// # Errors
    /// When it is not there, still wraps, or was followed less than a day ago; or the store can't be changed.
    pub fn drop_kek(&self, id: &str, now: Timestamp) -> anyhow::Result<()> {
        self.store.change(|contents| {
            let keks = Keks::of(contents, now)?.list();
            let Some(place) = keks.iter().position(|kek| kek.id == id) else {
                bail!("there is no key `{id}` that wraps; `ecert keys keks` has them all")
            };
            let followed = keks.get(place + 1).map(|next| next.active_from.saturating_add(SPENT_AFTER));
            let is_spent = followed.transpose()?.is_some_and(|spent| spent <= now);
            ensure!(
                keks.get(place).is_some_and(|kek| kek.state == KekState::Unwrapping) && is_spent,
                "{id} wraps, will wrap, or was followed by another less than a day ago"
            );
            contents.keks = contents.keks()?;
            contents.keks.retain(|kek| kek.id() != id);
            Ok(())
        })
    }
}
