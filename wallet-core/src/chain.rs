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

/// When a certificate (DER) ends.
pub fn expiry(der: &[u8]) -> Result<Timestamp, ChainRefused> {
    Timestamp::from_second(parse(der)?.validity().not_after.timestamp()).map_err(|_| ChainRefused::Malformed)
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

#[cfg(test)]
pub(crate) mod tests {
    use p256::ecdsa::SigningKey;
    use p256::pkcs8::DecodePrivateKey as _;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

    use super::*;

    /// A chain of the form that the issuer makes.
    pub(crate) struct TestChain {
        pub(crate) root: Vec<u8>,
        pub(crate) certificates: Vec<Vec<u8>>,
        pub(crate) signer: SigningKey,
    }

    fn parameters(name: &str, is_ca: bool) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2040, 1, 1);
        parameters.is_ca = if is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
        parameters.key_usages =
            vec![if is_ca { KeyUsagePurpose::KeyCertSign } else { KeyUsagePurpose::DigitalSignature }];
        parameters
    }

    impl TestChain {
        pub(crate) fn new() -> Self {
            let [root_key, issuing_key, signer_key] = [(); 3].map(|()| KeyPair::generate().unwrap());
            let root = parameters("root", true).self_signed(&root_key).unwrap();
            let by_root = Issuer::from_ca_cert_der(root.der(), &root_key).unwrap();
            let issuing = parameters("issuing", true).signed_by(&issuing_key, &by_root).unwrap();
            let by_issuing = Issuer::from_ca_cert_der(issuing.der(), &issuing_key).unwrap();
            let signer = parameters("signer", false).signed_by(&signer_key, &by_issuing).unwrap();
            TestChain {
                root: root.der().to_vec(),
                certificates: vec![signer.der().to_vec(), issuing.der().to_vec()],
                signer: SigningKey::from_pkcs8_der(&signer_key.serialize_der()).unwrap(),
            }
        }
    }

    fn at(second: &str) -> Timestamp {
        second.parse().unwrap()
    }

    #[test]
    fn a_chain_holds_under_its_root_in_its_time() {
        let chain = TestChain::new();
        let now = at("2026-11-22T00:00:00Z");
        assert_eq!(verify(&chain.certificates, &chain.root, now), Ok((&chain.signer).into()));
        let late = at("2041-01-01T00:00:00Z");
        assert_eq!(verify(&chain.certificates, &chain.root, late), Err(ChainRefused::NotCurrent));
        let other = TestChain::new().root;
        assert_eq!(verify(&chain.certificates, &other, now), Err(ChainRefused::NotTrusted));
        assert_eq!(verify(&chain.certificates[..1], &chain.root, now), Err(ChainRefused::Malformed));
    }

    #[test]
    fn a_ca_signs_no_data_and_a_leaf_no_certificates() {
        let chain = TestChain::new();
        let now = at("2026-11-22T00:00:00Z");
        let issuing = chain.certificates[1].clone();
        // The issuing CA in the signer's place, under the root in the issuing CA's place.
        let as_signer = [issuing, chain.root.clone()];
        assert_eq!(verify(&as_signer, &chain.root, now), Err(ChainRefused::WrongUse));
    }
}
