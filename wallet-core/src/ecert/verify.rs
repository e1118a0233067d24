//! Believing a certificate.

use std::marker::PhantomData;

use jiff::Timestamp;

use super::format::{Claims, Disclosure, UnverifiedCert};
use crate::chain::{self, ChainRefused};
use crate::cose::CoseRefused;
use crate::status_list::{Status, VerifiedStatusList};

/// Nobody has looked whether the certificate was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusUnknown {}

/// A status list that holds now says that the certificate is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InForce {}

/// A certificate whose chain, signature and time were checked. `S` says what is known of its status: whoever needs to
/// know that it was not revoked takes a `VerifiedCert<InForce>`, and only [`VerifiedCert::in_force`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCert<S = StatusUnknown> {
    claims: Claims,
    status: PhantomData<S>,
}

/// Why a certificate was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertRefused {
    /// Not a COSE_Sign1 of ours.
    #[error("not an E-cert: {0}")]
    Cose(#[from] CoseRefused),
    /// The claims have another form.
    #[error("not an E-cert: {0}")]
    Form(&'static str),
    /// The chain does not lead to the root.
    #[error(transparent)]
    Chain(#[from] ChainRefused),
    /// The signature is wrong.
    #[error("the E-cert's signature is not valid")]
    Signature,
    /// Before `iat`.
    #[error("the E-cert is not valid yet")]
    NotYetValid,
    /// At `exp` or after.
    #[error("the E-cert has expired")]
    Expired,
    /// The status list says that it was ended, for good.
    #[error("the E-cert is revoked")]
    Revoked,
    /// The status list says that it is suspended.
    #[error("the E-cert is suspended")]
    Suspended,
    /// The status list is another one than the certificate names, has expired, or has no such place.
    #[error("the status list does not tell the E-cert's status")]
    StatusNotTold,
}

/// Checks `cert` against the trusted `root` (DER) at `now`.
///
/// # Errors
/// The first check that failed, in the order of [`CertRefused`].
pub fn verify(cert: UnverifiedCert, root: &[u8], now: Timestamp) -> Result<VerifiedCert, CertRefused> {
    let key = chain::verify(&cert.chain, root, now)?;
    cert.signed.verify(&[], &key).map_err(|_| CertRefused::Signature)?;
    is_current(&cert.claims, now)?;
    Ok(VerifiedCert { claims: cert.claims, status: PhantomData })
}

fn is_current(claims: &Claims, now: Timestamp) -> Result<(), CertRefused> {
    if now < claims.issued_at {
        return Err(CertRefused::NotYetValid);
    }
    if now >= claims.expires_at { Err(CertRefused::Expired) } else { Ok(()) }
}

impl VerifiedCert {
    /// Asks the status list that the certificate names, at `now`.
    ///
    /// # Errors
    /// [`CertRefused::Revoked`], [`CertRefused::Suspended`], or [`CertRefused::StatusNotTold`] where the list cannot say.
    pub fn in_force(
        self,
        list: &VerifiedStatusList,
        now: Timestamp,
    ) -> Result<VerifiedCert<InForce>, CertRefused> {
        is_current(&self.claims, now)?;
        let place = &self.claims.status;
        if list.uri() != place.uri || !list.holds_at(now) {
            return Err(CertRefused::StatusNotTold);
        }
        match list.get(place.index) {
            Some(Status::Valid) => Ok(VerifiedCert { claims: self.claims, status: PhantomData }),
            Some(Status::Invalid) => Err(CertRefused::Revoked),
            Some(Status::Suspended) => Err(CertRefused::Suspended),
            None => Err(CertRefused::StatusNotTold),
        }
    }
}

impl<S> VerifiedCert<S> {
    /// What the certificate says.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whether the issuer signed this attribute.
    pub fn vouches_for(&self, disclosure: &Disclosure) -> bool {
        let digest = disclosure.digest();
        self.claims.digests.iter().any(|(name, signed)| *name == disclosure.name && *signed == digest)
    }
}
