//! The issuer's X.509 chain: root → issuing CA → signer.
//!
//! Invariant: a signer is believed only through a root that the verifier already holds; the chain that comes with a
//! token proves nothing by itself.

use jiff::Timestamp;
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use crate::es256::PublicKey;

/// Why a chain was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainRefused {
    /// Not two DER certificates.
    #[error("the certificate chain is malformed")]
    Malformed,
    /// Not signed by the one above it.
    #[error("the certificate chain does not lead to the trusted root")]
    NotTrusted,
    /// Outside its validity.
    #[error("a certificate of the chain is not valid at this time")]
    NotCurrent,
    /// A leaf used as a CA, or the other way round.
    #[error("a certificate of the chain may not be used like this")]
    WrongUse,
}

/// Checks `[signer, issuing CA]` (DER) up to `root` (DER) at `now`, and answers the signer's key.
pub fn verify(chain: &[Vec<u8>], root: &[u8], now: Timestamp) -> Result<PublicKey, ChainRefused> {
    let [signer, issuing] = chain else {
        return Err(ChainRefused::Malformed);
    };
    let [signer, issuing, root] = [parse(signer)?, parse(issuing)?, parse(root)?];
    for (below, above) in [(&root, &root), (&issuing, &root), (&signer, &issuing)] {
        let issued_by = below.issuer() == above.subject();
        if !issued_by || below.verify_signature(Some(above.public_key())).is_err() {
            return Err(ChainRefused::NotTrusted);
        }
        let at = ASN1Time::from_timestamp(now.as_second()).map_err(|_| ChainRefused::NotCurrent)?;
        if !below.validity().is_valid_at(at) {
            return Err(ChainRefused::NotCurrent);
        }
    }
    let use_is_right =
        root.is_ca() && may_sign_certificates(&issuing) && issuing.is_ca() && may_sign_data(&signer);
    if !use_is_right || signer.is_ca() {
        return Err(ChainRefused::WrongUse);
    }
    PublicKey::from_sec1(&signer.public_key().subject_public_key.data).map_err(|_| ChainRefused::Malformed)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, ChainRefused> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(ChainRefused::Malformed),
    }
}

fn may_sign_certificates(certificate: &X509Certificate<'_>) -> bool {
    certificate.key_usage().ok().flatten().is_some_and(|usage| usage.value.key_cert_sign())
}

fn may_sign_data(certificate: &X509Certificate<'_>) -> bool {
    certificate.key_usage().ok().flatten().is_some_and(|usage| usage.value.digital_signature())
}
