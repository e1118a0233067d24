//! Believing a certificate.

use coset::{Algorithm, RegisteredLabelWithPrivate, iana};
use jiff::Timestamp;

use super::format::{Claims, Disclosure, Malformed, UnverifiedCert};
use crate::chain::{self, ChainRefused};

/// A certificate whose chain, signature and time were checked. Its status is a separate question, asked of the list at
/// [`Claims::status`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCert(Claims);

/// Why a certificate was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertRefused {
    /// The bytes have another form.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The algorithm is not ES256.
    #[error("the E-cert is signed with an algorithm that is not allowed")]
    Algorithm,
    /// The chain does not lead to the root.
    #[error(transparent)]
    Chain(#[from] ChainRefused),
    /// The signature is wrong.
    #[error("the E-cert's signature is not valid")]
    Signature,
    /// Before `iat` or after `exp`.
    #[error("the E-cert is not valid at this time")]
    NotCurrent,
}

/// Checks `cert` against the trusted `root` (DER) at `now`.
pub fn verify(cert: UnverifiedCert, root: &[u8], now: Timestamp) -> Result<VerifiedCert, CertRefused> {
    let es256 = RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256);
    if cert.signed.protected.header.alg != Some(es256 as Algorithm) {
        return Err(CertRefused::Algorithm);
    }
    let key = chain::verify(&cert.chain, root, now)?;
    let signature = cert.signed.verify_signature(&[], |signature, message| key.verify(message, signature));
    signature.map_err(|_| CertRefused::Signature)?;
    if now < cert.claims.issued_at || now >= cert.claims.expires_at {
        return Err(CertRefused::NotCurrent);
    }
    Ok(VerifiedCert(cert.claims))
}

impl VerifiedCert {
    /// What the certificate says.
    pub fn claims(&self) -> &Claims {
        &self.0
    }

    /// Whether the issuer signed this attribute.
    pub fn vouches_for(&self, disclosure: &Disclosure) -> bool {
        self.0.digests.iter().any(|(name, digest)| *name == disclosure.name && *digest == disclosure.digest())
    }
}
