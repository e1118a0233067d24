//! The issuing key behind a port: whoever signs also knows the chain that vouches for it.

use p256::ecdsa::SigningKey;
use wallet_core::es256::{Es256Signer, PublicKey, SigningFailed};

use super::metrics::{Metrics, Stage};

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
    key: SigningKey,
    chain: Vec<Vec<u8>>,
    root: Vec<u8>,
}

impl FileSigner {
    /// A signer over a key and its chain.
    pub fn new(key: SigningKey, chain: Vec<Vec<u8>>, root: Vec<u8>) -> Self {
        Self { key, chain, root }
    }
}

impl Es256Signer for FileSigner {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        Es256Signer::sign(&self.key, message)
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
        (&self.key).into()
    }
}

/// A signer whose signatures are timed, whatever they are for.
pub struct MeasuredSigner<S> {
    signer: S,
    metrics: Metrics,
}

impl<S: Signer> MeasuredSigner<S> {
    /// Times `signer`.
    pub fn new(signer: S, metrics: Metrics) -> Self {
        Self { signer, metrics }
    }
}

impl<S: Signer> Es256Signer for MeasuredSigner<S> {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        self.metrics.stage(Stage::Sign, || self.signer.sign(message))
    }
}

impl<S: Signer> Signer for MeasuredSigner<S> {
    fn chain(&self) -> &[Vec<u8>] {
        self.signer.chain()
    }

    fn root(&self) -> &[u8] {
        self.signer.root()
    }

    fn public_key(&self) -> PublicKey {
        self.signer.public_key()
    }
}
