//! The installation's keys: root, issuing CAs, signers, and one secret from which all symmetric keys are derived. They are made
//! on the first start and kept in one sealed file, `keys/issuer.sealed` ([`store`]), which holds the private halves as well or,
//! where there is a PKCS#11 token, only their names in it. Why a file and not the database: docs/adr/0015.
//!
//! The key file or the pass phrase opens it. Keep either apart from the back-up of the rest.

mod ceremony;
mod certificates;
mod keks;
pub mod pass_phrase;
mod sealed_file;
mod store;
#[cfg(test)]
mod tests;

use std::path::Path;

use hkdf::Hkdf;
use jiff::Timestamp;
use serde::Serialize;
use sha2::Sha256;
use wallet_core::chain;
use wallet_core::face::protection::ProtectionKey;
use wallet_core::x509_lint::{self, Role};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use self::ceremony::{RootSource, Upkeep};
pub use self::keks::{KekInfo, KekState, Keks};
pub use self::store::{Retirement, RetirementReason, Seal, StoreSettings};

use self::pass_phrase::SecretSource;
use self::store::KeyStore;
pub(super) use self::store::{Contents, Stamp, StoredKey};
use super::signer::{KeyPlace as _, KeyPlaces, KeyReference, PrivateKey};

/// Symmetric keys, one a use, so that no value made for one use means anything in another.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secrets {
    /// Document number → eid.
    pub eid: [u8; 32],
    /// Eid → subject of one relying party.
    pub subject: [u8; 32],
    /// Numeric code → what is stored of it.
    pub code: [u8; 32],
    /// What was asked under an Idempotency-Key → what is stored of it.
    pub fingerprint: [u8; 32],
    /// Name and number → a line of the local register.
    pub register: [u8; 32],
    /// Personal data at rest that is no enrolled holder's: those have data keys (`keks`).
    pub vault: [u8; 32],
    /// With a salt, how a template is turned.
    pub template: ProtectionKey,
    /// The transparency log: its signing key and its salts are derived from this one (`flow/log`).
    pub log: [u8; 32],
    /// Challenges for which phones make attested keys.
    pub attestation: [u8; 32],
    /// Addresses that relying parties are told at: what is counted of them, and tokens that prove them.
    pub contact: [u8; 32],
}

impl Secrets {
    /// Derives all of them from the installation's secret (HKDF, RFC 5869).
    fn derive(secret: &[u8; 32]) -> anyhow::Result<Self> {
        let derive = |label: &str| derived(secret, label);
        Ok(Self {
            eid: derive("ecert eid")?,
            subject: derive("ecert subject")?,
            code: derive("ecert numeric code")?,
            fingerprint: derive("ecert idempotency fingerprint")?,
            register: derive("ecert register")?,
            vault: derive("ecert vault")?,
            template: ProtectionKey::new(derive("ecert template")?),
            log: derive("ecert transparency log")?,
            attestation: derive("ecert attestation challenge")?,
            contact: derive("ecert contact")?,
        })
    }
}

/// The key for one use, from the installation's secret.
fn derived(secret: &[u8; 32], label: &str) -> anyhow::Result<[u8; 32]> {
    let mut key = [0; 32];
    let expanded = Hkdf::<Sha256>::new(None, secret).expand(label.as_bytes(), &mut key);
    expanded.map_err(|_| anyhow::anyhow!("HKDF refuses 32 bytes"))?;
    Ok(key)
}

/// Whether keys were ever made in `folder`.
pub fn are_in(folder: &Path) -> bool {
    folder.join(store::STORE).exists()
}

/// The keys of an installation, at rest.
pub struct Keys {
    store: KeyStore,
    places: KeyPlaces,
    /// The service's address, where lists of certificates that were taken back are published.
    address: Option<String>,
}

impl Keys {
    /// Opens the keys, or makes them where there are none. `now` dates new certificates.
    ///
    /// # Errors
    /// When the store does not open, or could not be made.
    pub fn open_or_create(
        settings: StoreSettings,
        places: KeyPlaces,
        address: Option<String>,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let keys = Self { store: KeyStore::new(settings), places, address };
        if !keys.store.exists() {
            keys.store.create(|| keys.first(now))?;
        }
        keys.store.read()?;
        Ok(keys)
    }

    /// The symmetric keys.
    ///
    /// # Errors
    /// When the store does not open.
    pub fn secrets(&self) -> anyhow::Result<Secrets> {
        Secrets::derive(&self.store.read()?.secret)
    }

    /// The root's certificate, DER.
    ///
    /// # Errors
    /// When the store does not open.
    pub fn root_certificate(&self) -> anyhow::Result<Vec<u8>> {
        Ok(self.store.read()?.root()?.certificate.clone())
    }

    /// Every key that there ever was, the oldest first.
    ///
    /// # Errors
    /// When the store does not open.
    pub fn list(&self, now: Timestamp) -> anyhow::Result<Vec<KeyInfo>> {
        let contents = self.store.read()?;
        contents.keys.iter().map(|key| KeyInfo::of(&contents, key, now)).collect()
    }

    /// Seals the store anew.
    ///
    /// # Errors
    /// When it can't be read or written.
    pub fn reseal(&self, seal: Seal, new_pass_phrase: &SecretSource) -> anyhow::Result<()> {
        self.store.reseal(seal, new_pass_phrase)
    }

    pub(super) fn stamp(&self) -> anyhow::Result<Stamp> {
        self.store.stamp()
    }

    pub(super) fn read(&self) -> anyhow::Result<Contents> {
        self.store.read()
    }

    pub(super) fn open(&self, reference: &KeyReference) -> anyhow::Result<std::sync::Arc<dyn PrivateKey>> {
        self.places.open(reference)
    }

    /// The list of what `ca` took back, signed now; none where its private key is not here.
    pub(super) fn crl(
        &self,
        contents: &Contents,
        ca: &StoredKey,
        now: Timestamp,
    ) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(reference) = &ca.private else { return Ok(None) };
        let key = self.places.open(reference)?;
        let above = certificates::Above { key: key.as_ref(), certificate: &ca.certificate };
        let of_ca = |key: &&StoredKey| key.above == ca.kid && key.kid != ca.kid && key.retired.is_some();
        let retired: Vec<&StoredKey> = contents.keys.iter().filter(of_ca).collect();
        certificates::crl(&above, ca.role, &retired, now).map(Some)
    }

    fn crl_uri(&self, kid: &str) -> Option<String> {
        self.address.as_ref().map(|address| format!("{address}/v1/crl/{kid}"))
    }
}

/// What a key is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It signs.
    Active,
    /// It will sign.
    Next,
    /// It signs no more; what it signed holds.
    Verifying,
    /// It was taken back: nothing that it signed is to be believed by whoever reads the lists.
    Retired,
    /// Its certificate has ended.
    Expired,
}

/// A key as it is told to people and machines; nothing secret is in it.
#[derive(Debug, Clone, Serialize)]
pub struct KeyInfo {
    /// Its JWK thumbprint (RFC 7638).
    pub kid: String,
    /// What it is for.
    pub role: Role,
    /// What it is doing.
    pub state: KeyState,
    /// Where its private half is: `sealed file`, `token` or `not here`.
    pub lives: &'static str,
    /// From when its certificate is valid.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// Whole days until then.
    pub days_left: i64,
    /// From when it signs.
    pub active_from: Timestamp,
    /// SHA-256 of the certificate, hex.
    pub fingerprint: String,
    /// The key that certified it.
    pub certified_by: String,
    /// That it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<Retirement>,
    /// DER.
    #[serde(skip)]
    pub certificate: Vec<u8>,
}

impl KeyInfo {
    fn of(contents: &Contents, key: &StoredKey, now: Timestamp) -> anyhow::Result<Self> {
        let not_after = chain::expiry(&key.certificate)?;
        let is_active = contents.active(key.role, now).is_some_and(|active| active.kid == key.kid);
        let state = match &key.retired {
            Some(_) => KeyState::Retired,
            None if now >= not_after => KeyState::Expired,
            None if is_active => KeyState::Active,
            None if key.active_from > now => KeyState::Next,
            None => KeyState::Verifying,
        };
        Ok(Self {
            kid: key.kid.clone(),
            role: key.role,
            state,
            lives: match &key.private {
                Some(KeyReference::Sealed(_)) => "sealed file",
                Some(KeyReference::Token { .. }) => "token",
                None => "not here",
            },
            not_before: x509_lint::begins(&key.certificate)?,
            not_after,
            days_left: now.duration_until(not_after).as_hours() / 24,
            active_from: key.active_from,
            fingerprint: certificates::fingerprint(&key.certificate),
            certified_by: key.above.clone(),
            retired: key.retired.clone(),
            certificate: key.certificate.clone(),
        })
    }
}
