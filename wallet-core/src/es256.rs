//! ES256 (ECDSA on P-256 with SHA-256, RFC 7518 §3.4): the one signature algorithm of the product.

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use sha2::{Digest, Sha256};

/// The signer could not sign: the key store is away, or refuses.
#[derive(Debug, thiserror::Error)]
#[error("the signing key could not be used: {0}")]
pub struct SigningFailed(pub String);

/// Whoever holds a private key: a device, an encrypted file, a PKCS#11 token.
pub trait Es256Signer {
    /// Signs `message` (not its hash). The answer is `r ‖ s`, 64 bytes.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed>;
}

impl Es256Signer for SigningKey {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signature: Signature =
            self.try_sign(message).map_err(|error| SigningFailed(error.to_string()))?;
        Ok(signature.to_bytes().into())
    }
}

/// A public P-256 key that was checked to be a point of the curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// Not a P-256 public key, or not a signature by it. Which of the two is nobody's business but a debugger's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key or the signature is not valid")]
pub struct BadSignature;

impl PublicKey {
    /// From SEC 1 bytes, compressed (33 B) or not (65 B).
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, BadSignature> {
        VerifyingKey::from_sec1_bytes(bytes).map(PublicKey).map_err(|_| BadSignature)
    }

    /// From affine coordinates, 32 bytes each, as JWK and COSE_Key carry them.
    pub fn from_coordinates(x: &[u8], y: &[u8]) -> Result<Self, BadSignature> {
        if x.len() != 32 || y.len() != 32 {
            return Err(BadSignature);
        }
        Self::from_sec1(&[&[4], x, y].concat())
    }

    /// The affine coordinates, 32 bytes each.
    pub fn coordinates(&self) -> ([u8; 32], [u8; 32]) {
        let (mut x, mut y) = ([0; 32], [0; 32]);
        let point = self.to_sec1();
        x.copy_from_slice(point.get(1..33).unwrap_or(&[0; 32]));
        y.copy_from_slice(point.get(33..65).unwrap_or(&[0; 32]));
        (x, y)
    }

    /// SEC 1, uncompressed, 65 bytes.
    pub fn to_sec1(&self) -> Vec<u8> {
        self.0.to_sec1_point(false).as_bytes().to_vec()
    }

    /// Checks `r ‖ s` over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let point = self.0.to_sec1_point(false);
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.as_bytes());
        key.verify(message, signature).map_err(|_| BadSignature)
    }
}

impl From<&SigningKey> for PublicKey {
    fn from(key: &SigningKey) -> Self {
        PublicKey(*key.verifying_key())
    }
}

/// SHA-256, 32 bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
