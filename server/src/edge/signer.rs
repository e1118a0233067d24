//! Private keys behind a port, wherever they are kept, and the signer: a key with the chain that vouches for it.
//!
//! Two stores have the port: the sealed file, whose keys are in memory while the service runs, and a PKCS#11 token
//! ([`super::pkcs11`]), which signs and never gives a key away.

use std::sync::Arc;

use anyhow::Context as _;
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wallet_core::es256::{Es256Signer, PublicKey, SigningFailed};
use wallet_core::jws;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::metrics::{Metrics, Stage};
use super::pkcs11::Token;

/// Where a private key is. It is part of the sealed key store.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "snake_case")]
pub enum KeyReference {
    /// Here: PKCS#8.
    Sealed(Vec<u8>),
    /// In a PKCS#11 token.
    Token {
        /// `CKA_ID`.
        id: Vec<u8>,
        /// The public half, SEC 1 uncompressed, so that nobody has to ask the token for it.
        point: Vec<u8>,
    },
}

/// A private key that can be used.
pub trait PrivateKey: Es256Signer + Send + Sync {
    /// Its public half.
    fn public_key(&self) -> PublicKey;
}

/// A place that keys are made in and found again.
pub trait KeyPlace: Send + Sync {
    /// Makes a P-256 key. `label` is for people who look into the place with other tools.
    fn make(&self, label: &str) -> anyhow::Result<KeyReference>;
    /// The key behind a reference of this place's.
    fn open(&self, reference: &KeyReference) -> anyhow::Result<Arc<dyn PrivateKey>>;
    /// Destroys it. What is not there any more is as good as destroyed.
    fn destroy(&self, reference: &KeyReference) -> anyhow::Result<()>;
}

/// The sealed file: a reference is the key itself.
pub struct SealedKeys;

impl KeyPlace for SealedKeys {
    fn make(&self, _: &str) -> anyhow::Result<KeyReference> {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        let der = key.to_pkcs8_der().map_err(|_| anyhow::anyhow!("the key has no PKCS#8 form"))?;
        Ok(KeyReference::Sealed(der.as_bytes().to_vec()))
    }

    fn open(&self, reference: &KeyReference) -> anyhow::Result<Arc<dyn PrivateKey>> {
        let KeyReference::Sealed(der) = reference else { anyhow::bail!("the key is in a token") };
        let key = SigningKey::from_pkcs8_der(der).map_err(|_| anyhow::anyhow!("no P-256 signing key"))?;
        Ok(Arc::new(KeyInMemory::new(&key)?))
    }

    fn destroy(&self, _: &KeyReference) -> anyhow::Result<()> {
        // It is gone with its reference.
        Ok(())
    }
}

/// Both places: keys are found in either, and made in one of them.
pub struct KeyPlaces {
    token: Option<Arc<Token>>,
}

impl KeyPlaces {
    /// With a token, new keys are made in it.
    pub fn new(token: Option<Arc<Token>>) -> Self {
        Self { token }
    }

    fn of(&self, reference: &KeyReference) -> anyhow::Result<&dyn KeyPlace> {
        match reference {
            KeyReference::Sealed(_) => Ok(&SealedKeys),
            KeyReference::Token { .. } => self.token.as_ref().map(|token| token as &dyn KeyPlace).context(
                "the key is in a PKCS#11 token: set --signer pkcs11, --pkcs11-module and --pkcs11-token",
            ),
        }
    }
}

impl KeyPlace for KeyPlaces {
    fn make(&self, label: &str) -> anyhow::Result<KeyReference> {
        match &self.token {
            Some(token) => token.make(label),
            None => SealedKeys.make(label),
        }
    }

    fn open(&self, reference: &KeyReference) -> anyhow::Result<Arc<dyn PrivateKey>> {
        self.of(reference)?.open(reference)
    }

    fn destroy(&self, reference: &KeyReference) -> anyhow::Result<()> {
        self.of(reference)?.destroy(reference)
    }
}

/// A key in memory; ring signs four times as fast as p256.
struct KeyInMemory {
    key: EcdsaKeyPair,
    public_key: PublicKey,
    random: SystemRandom,
}

impl KeyInMemory {
    fn new(key: &SigningKey) -> Result<Self, SigningFailed> {
        let (public_key, random) = (PublicKey::from(key), SystemRandom::new());
        let scalar = Zeroizing::new(key.to_bytes());
        let key = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &scalar,
            &public_key.to_sec1(),
            &random,
        );
        let key = key.map_err(|error| SigningFailed(error.to_string()))?;
        Ok(Self { key, public_key, random })
    }
}

impl Es256Signer for KeyInMemory {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signature = self.key.sign(&self.random, message);
        let signature = signature.map_err(|error| SigningFailed(error.to_string()))?;
        signature.as_ref().try_into().map_err(|_| SigningFailed("not 64 bytes".to_owned()))
    }
}

impl PrivateKey for KeyInMemory {
    fn public_key(&self) -> PublicKey {
        self.public_key.clone()
    }
}

/// A signing key with its certificates. Its signatures are timed, whatever they are for.
pub struct Signer {
    key: Arc<dyn PrivateKey>,
    chain: Vec<Vec<u8>>,
    root: Arc<[u8]>,
    kid: String,
    header: Map<String, Value>,
    metrics: Metrics,
}

impl Signer {
    /// A signer over a key and its chain (DER: its own certificate, then the issuing CA's).
    pub fn new(key: Arc<dyn PrivateKey>, chain: Vec<Vec<u8>>, root: Arc<[u8]>, metrics: Metrics) -> Self {
        let kid = jws::thumbprint(&key.public_key());
        let mut header = jws::x5c(&chain);
        header.insert("kid".to_owned(), kid.as_str().into());
        Self { key, chain, root, kid, header, metrics }
    }

    /// DER: the signer's own certificate, then the issuing CA's.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// DER of the root, which verifiers hold.
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// The public half of the signing key.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// The key's name: its JWK thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What every token of this signer has in its header: `kid` and `x5c` (RFC 7515 §4.1).
    pub fn header(&self) -> Map<String, Value> {
        self.header.clone()
    }
}

impl Es256Signer for Signer {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signed = self.metrics.stage(Stage::Sign, || self.key.sign(message));
        if signed.is_err() {
            self.metrics.signing_failures.inc();
        }
        signed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::pkcs11::tests::in_every_place;

    #[test]
    fn a_key_is_found_again_and_signs_what_its_public_half_verifies() {
        in_every_place(
            "edge::signer::tests::a_key_is_found_again_and_signs_what_its_public_half_verifies",
            |place| {
                let reference = place.make("ecert test").unwrap();
                let stored = serde_json::to_vec(&reference).unwrap();
                let key = place.open(&serde_json::from_slice(&stored).unwrap()).unwrap();
                // Many, since a token's signatures are random and some would be high.
                for message in 0..50_u8 {
                    let signature = key.sign(&[message]).unwrap();
                    key.public_key().verify(&[message], &signature).unwrap();
                    assert!(key.public_key().verify(&[message, 1], &signature).is_err());
                }
            },
        );
    }

    #[test]
    fn a_key_signs_for_many_threads_at_once() {
        in_every_place("edge::signer::tests::a_key_signs_for_many_threads_at_once", |place| {
            let key = place.open(&place.make("ecert test").unwrap()).unwrap();
            std::thread::scope(|scope| {
                for thread in 0..40_u8 {
                    let key = &key;
                    scope.spawn(move || {
                        for message in 0..20_u8 {
                            let signature = key.sign(&[thread, message]).unwrap();
                            key.public_key().verify(&[thread, message], &signature).unwrap();
                        }
                    });
                }
            });
        });
    }

    #[test]
    fn a_key_that_was_destroyed_signs_nothing_more() {
        in_every_place("edge::signer::tests::a_key_that_was_destroyed_signs_nothing_more", |place| {
            let reference = place.make("ecert test").unwrap();
            let other = place.open(&place.make("ecert test").unwrap()).unwrap();
            place.destroy(&reference).unwrap();
            place.destroy(&reference).unwrap();
            if let KeyReference::Token { .. } = reference {
                assert!(place.open(&reference).unwrap().sign(b"x").is_err());
            }
            other.sign(b"its neighbour is unharmed").unwrap();
        });
    }
}
