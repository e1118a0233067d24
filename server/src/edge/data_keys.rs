//! A data key for each holder: what belongs to a person is sealed under a key of their own, which is kept wrapped. Destroying the wrapped
//! key destroys what it sealed, wherever a copy of that lies (docs/adr/0034).
//!
//! The keys that wrap are behind a port, [`Kms`]. The adapter is the sealed key store; a key management service would be another.

use anyhow::Context as _;
use jiff::Timestamp;
use rand::Rng as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wallet_core::ids::HolderId;
use zeroize::Zeroizing;

use super::vault::Vault;
use crate::store::data_keys::WrappedKey;

/// The first byte of what is sealed under a data key. One value in 256 of those from before begins with it by chance: it does not open
/// under the data key, and is tried as what it is.
const UNDER_DATA_KEY: u8 = 1;

/// Who has the keys that wrap data keys: several may be open at once, and one of them wraps.
pub trait Kms: Send + Sync {
    /// Wraps a data key of a holder under the key that is current at `now`.
    ///
    /// # Errors
    /// When there is no key to wrap with.
    fn wrap(&self, holder: HolderId, key: &DataKey, now: Timestamp) -> anyhow::Result<WrappedKey>;

    /// Unwraps what was wrapped for the same holder.
    ///
    /// # Errors
    /// When the key that wrapped is not here, or it was wrapped for somebody else, or is damaged.
    fn unwrap(&self, holder: HolderId, wrapped: &WrappedKey) -> anyhow::Result<DataKey>;

    /// The name of the key that wraps at `now`.
    ///
    /// # Errors
    /// When there is none.
    fn current(&self, now: Timestamp) -> anyhow::Result<String>;
}

/// 256 random bits that seal what belongs to one holder.
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// A new one.
    pub fn fresh() -> DataKey {
        let mut key = Zeroizing::new([0; 32]);
        rand::rng().fill_bytes(key.as_mut_slice());
        DataKey(key)
    }

    /// Wraps it with a key that wraps: bound to the holder, and to which key that is.
    pub(super) fn wrap(&self, with: &Vault, kek: &str, holder: HolderId) -> anyhow::Result<WrappedKey> {
        let bytes = with.seal(&context(kek, holder), self.0.as_slice())?;
        Ok(WrappedKey { kek: kek.to_owned(), bytes })
    }

    /// Unwraps one.
    pub(super) fn unwrap(with: &Vault, holder: HolderId, wrapped: &WrappedKey) -> anyhow::Result<DataKey> {
        let opened = Zeroizing::new(with.open(&context(&wrapped.kek, holder), &wrapped.bytes)?);
        let key: [u8; 32] = opened.as_slice().try_into().context("a data key has not 32 bytes")?;
        Ok(DataKey(Zeroizing::new(key)))
    }
}

fn context(kek: &str, holder: HolderId) -> String {
    format!("holders.data_key {kek} {holder}")
}

/// The service's own vault and who has the keys that wrap: together they open what belongs to any holder.
#[derive(Clone, Copy)]
pub struct Vaults<'a> {
    /// What is nobody's in particular, and what holders had before they had keys.
    pub service: &'a Vault,
    /// For data keys.
    pub kms: &'a dyn Kms,
}

impl<'a> Vaults<'a> {
    /// What seals and opens the values of a holder with this data key; without one they are under the service's own.
    ///
    /// # Errors
    /// When the key can't be unwrapped.
    pub fn of(&self, holder: HolderId, key: Option<&WrappedKey>) -> anyhow::Result<HolderVault<'a>> {
        let key = key.map(|wrapped| self.kms.unwrap(holder, wrapped)).transpose()?;
        Ok(HolderVault { own: key.map(|key| Vault::new(&key.0)), service: self.service })
    }

    /// The same under a key that is at hand.
    pub fn under(&self, key: &DataKey) -> HolderVault<'a> {
        HolderVault { own: Some(Vault::new(&key.0)), service: self.service }
    }
}

/// Seals and opens what belongs to one holder.
pub struct HolderVault<'a> {
    own: Option<Vault>,
    service: &'a Vault,
}

impl HolderVault<'_> {
    /// Encrypts `plain` for `context`, as [`Vault::seal`] does, under the holder's key.
    ///
    /// # Errors
    /// When it can't be sealed.
    pub fn seal(&self, context: &str, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
        match &self.own {
            Some(own) => Ok([[UNDER_DATA_KEY].as_slice(), &own.seal(context, plain)?].concat()),
            None => self.service.seal(context, plain),
        }
    }

    /// Decrypts what was sealed for the same `context`, under the holder's key or before they had one.
    ///
    /// # Errors
    /// When it does not open.
    pub fn open(&self, context: &str, sealed: &[u8]) -> anyhow::Result<Vec<u8>> {
        if let (Some(own), Some((&UNDER_DATA_KEY, rest))) = (&self.own, sealed.split_first())
            && let Ok(opened) = own.open(context, rest)
        {
            return Ok(opened);
        }
        self.service.open(context, sealed)
    }

    /// Seals a value as JSON.
    ///
    /// # Errors
    /// As [`HolderVault::seal`].
    pub fn seal_json(&self, context: &str, value: &impl Serialize) -> anyhow::Result<Vec<u8>> {
        self.seal(context, &Zeroizing::new(serde_json::to_vec(value)?))
    }

    /// Opens a value sealed as JSON.
    ///
    /// # Errors
    /// As [`HolderVault::open`].
    pub fn open_json<T: DeserializeOwned>(&self, context: &str, sealed: &[u8]) -> anyhow::Result<T> {
        Vault::parse(&Zeroizing::new(self.open(context, sealed)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(Vault);

    impl Kms for One {
        fn wrap(&self, holder: HolderId, key: &DataKey, now: Timestamp) -> anyhow::Result<WrappedKey> {
            key.wrap(&self.0, &self.current(now)?, holder)
        }

        fn unwrap(&self, holder: HolderId, wrapped: &WrappedKey) -> anyhow::Result<DataKey> {
            DataKey::unwrap(&self.0, holder, wrapped)
        }

        fn current(&self, _: Timestamp) -> anyhow::Result<String> {
            Ok("one".to_owned())
        }
    }

    fn holders() -> [HolderId; 2] {
        [1, 2].map(|second| HolderId::first_at(Timestamp::from_second(second).unwrap()))
    }

    #[test]
    fn a_value_opens_with_its_holders_key_alone() {
        let (service, kms, [one, other]) = (Vault::new(&[1; 32]), One(Vault::new(&[2; 32])), holders());
        let vaults = Vaults { service: &service, kms: &kms };
        let wrap = |holder| kms.wrap(holder, &DataKey::fresh(), Timestamp::UNIX_EPOCH).unwrap();
        let (key, others) = (wrap(one), wrap(other));
        let sealed = vaults.of(one, Some(&key)).unwrap().seal("row 1", b"secret").unwrap();
        assert_eq!(vaults.of(one, Some(&key)).unwrap().open("row 1", &sealed).unwrap(), b"secret");
        assert!(vaults.of(one, Some(&key)).unwrap().open("row 2", &sealed).is_err());
        assert!(vaults.of(other, Some(&others)).unwrap().open("row 1", &sealed).is_err());
        assert!(vaults.of(one, None).unwrap().open("row 1", &sealed).is_err(), "without its key");
    }

    #[test]
    fn a_wrapped_key_is_good_for_its_holder_and_under_its_own_kek() {
        let (kms, [one, other]) = (One(Vault::new(&[2; 32])), holders());
        let wrapped = kms.wrap(one, &DataKey::fresh(), Timestamp::UNIX_EPOCH).unwrap();
        assert!(kms.unwrap(one, &wrapped).is_ok() && kms.unwrap(other, &wrapped).is_err());
        assert!(kms.unwrap(one, &WrappedKey { kek: "two".to_owned(), ..wrapped }).is_err());
    }

    #[test]
    fn what_was_sealed_before_there_was_a_key_opens_whatever_byte_it_begins_with() {
        let (service, kms, [one, _]) = (Vault::new(&[1; 32]), One(Vault::new(&[2; 32])), holders());
        let key = kms.wrap(one, &DataKey::fresh(), Timestamp::UNIX_EPOCH).unwrap();
        let vault = Vaults { service: &service, kms: &kms }.of(one, Some(&key)).unwrap();
        let mut old = service.seal("row", b"secret").unwrap();
        while old.first() != Some(&UNDER_DATA_KEY) {
            old = service.seal("row", b"secret").unwrap();
        }
        assert_eq!(vault.open("row", &old).unwrap(), b"secret");
    }
}
