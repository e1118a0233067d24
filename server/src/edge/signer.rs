//! The issuing key behind a port: whoever signs also knows the chain that vouches for it.

use p256::ecdsa::SigningKey;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use wallet_core::es256::{Es256Signer, PublicKey, SigningFailed};
use zeroize::Zeroizing;

/// A signer with its certificates.
pub trait Signer: Es256Signer + Send + Sync {
    /// DER: the signer's own certificate, then the issuing CA's.
    fn chain(&self) -> &[Vec<u8>];
    /// DER of the root, which verifiers hold.
    fn root(&self) -> &[u8];
    /// The public half of the signing key.
    fn public_key(&self) -> PublicKey;
}

/// The key from the sealed file, in memory while the service runs.
pub struct FileSigner {
    key: EcdsaKeyPair,
    public_key: PublicKey,
    random: SystemRandom,
    chain: Vec<Vec<u8>>,
    root: Vec<u8>,
}

impl FileSigner {
    /// A signer over a key and its chain.
    ///
    /// # Errors
    /// When the key is not one of the curve.
    pub fn new(key: &SigningKey, chain: Vec<Vec<u8>>, root: Vec<u8>) -> Result<Self, SigningFailed> {
        let (public_key, random) = (PublicKey::from(key), SystemRandom::new());
        let scalar = Zeroizing::new(key.to_bytes());
        let key = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &scalar,
            &public_key.to_sec1(),
            &random,
        );
        let key = key.map_err(|error| SigningFailed(error.to_string()))?;
        Ok(Self { key, public_key, random, chain, root })
    }
}

impl Es256Signer for FileSigner {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signature = self.key.sign(&self.random, message);
        let signature = signature.map_err(|error| SigningFailed(error.to_string()))?;
        signature.as_ref().try_into().map_err(|_| SigningFailed("not 64 bytes".to_owned()))
    }
}

impl Signer for FileSigner {
    fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    fn root(&self) -> &[u8] {
        &self.root
    }

    fn public_key(&self) -> PublicKey {
        self.public_key.clone()
    }
}
