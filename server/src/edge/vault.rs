//! Encryption at rest: AES-256-GCM under a key derived from the installation's secret, or under a holder's own (`edge/data_keys.rs`).
//!
//! Every sealed value is bound to a context ("what, whose") as associated data, so that a value moved to another row
//! or column does not open. Layout: 12 bytes of random nonce, then ciphertext and tag.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use anyhow::{Context as _, anyhow};
use rand::Rng as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

const NONCE_BYTES: usize = 12;

/// Seals and opens.
#[derive(Clone)]
pub struct Vault {
    cipher: Aes256Gcm,
}

impl Vault {
    /// A vault under `key`.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { cipher: Aes256Gcm::new(key.into()) }
    }

    /// Encrypts `plain` for `context`.
    pub fn seal(&self, context: &str, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        let sealed =
            self.cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| anyhow!("sealing failed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts what was sealed for the same `context`.
    pub fn open(&self, context: &str, sealed: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (nonce, sealed) =
            sealed.split_first_chunk::<NONCE_BYTES>().context("a sealed value is too short")?;
        let payload = Payload { msg: sealed, aad: context.as_bytes() };
        let opened = self.cipher.decrypt(&Nonce::from(*nonce), payload);
        opened.map_err(|_| anyhow!("a sealed value does not open: another key, another row, or damage"))
    }

    /// Seals a value as JSON.
    pub fn seal_json(&self, context: &str, value: &impl Serialize) -> anyhow::Result<Vec<u8>> {
        self.seal(context, &serde_json::to_vec(value)?)
    }

    /// Opens a value sealed as JSON.
    pub fn open_json<T: DeserializeOwned>(&self, context: &str, sealed: &[u8]) -> anyhow::Result<T> {
        Vault::parse(&self.open(context, sealed)?)
    }

    /// Reads JSON that was opened.
    pub(super) fn parse<T: DeserializeOwned>(opened: &[u8]) -> anyhow::Result<T> {
        // Where, but not serde's own words: they quote values, and these are people's.
        serde_json::from_slice(opened)
            .map_err(|error| anyhow!("a sealed value has another form, at column {}", error.column()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_with_its_key_and_context() {
        let vault = Vault::new(&[1; 32]);
        let sealed = vault.seal("row 1", b"secret").unwrap();
        assert_eq!(vault.open("row 1", &sealed).unwrap(), b"secret");
        assert!(vault.open("row 2", &sealed).is_err());
        assert!(Vault::new(&[2; 32]).open("row 1", &sealed).is_err());
        assert!(vault.open("row 1", &sealed[..5]).is_err());
    }
}
