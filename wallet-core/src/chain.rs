//! The issuer's X.509 chain: root → issuing CA → signer (RFC 5280 §6, for a path of exactly that length).
//!
//! Invariant: a signer is believed only through a root that the verifier already holds; the chain that comes with a
//! token proves nothing by itself. One algorithm is allowed, and an extension that nobody here understands is refused
//! where it is critical.

mod names;

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ECDSA_WITH_SHA256, OID_X509_EXT_BASIC_CONSTRAINTS,
    OID_X509_EXT_KEY_USAGE, OID_X509_EXT_NAME_CONSTRAINTS,
};
use x509_parser::prelude::{ASN1Time, AlgorithmIdentifier, FromDer, X509Version};

use crate::es256::PublicKey;

/// Bytes of one certificate. Ours have about 600.
const MAX_DER: usize = 2048;
/// The critical extensions that are judged here. Any other one is refused (RFC 5280 §4.2).
const JUDGED: [x509_parser::der_parser::oid::Oid<'static>; 3] =
    [OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_KEY_USAGE, OID_X509_EXT_NAME_CONSTRAINTS];

/// Why a chain was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainRefused {
    /// Not two DER certificates of version 3, each with a name and each extension once.
    #[error("the certificate chain is malformed")]
    Malformed,
    /// More than two certificates, or more than a CA allows below it.
    #[error("the certificate chain is longer than is allowed")]
    TooLong,
    /// The same certificate or the same key twice.
    #[error("a certificate or key stands in the chain twice")]
    Duplicate,
    /// A key that is not P-256, or a signature that is not ecdsa-with-SHA256.
    #[error("a key or signature of the chain is of an algorithm that is not allowed")]
    Algorithm,
    /// An extension that must be understood, and is not.
    #[error("a certificate of the chain has a critical extension that is not understood")]
    CriticalExtension,
    /// A leaf used as a CA, or the other way round, or for something that its key is not meant for.
    #[error("a certificate of the chain may not be used like this")]
    WrongUse,
    /// Not signed by the one above it.
    #[error("the certificate chain does not lead to the trusted root")]
    NotTrusted,
    /// Outside its validity.
    #[error("a certificate of the chain is not valid at this time")]
    NotCurrent,
    /// A name that a CA above may not certify.
    #[error("a name in the chain is outside what its CA may certify")]
    Name,
}

/// Checks `[signer, issuing CA]` (DER) up to `root` (DER) at `now`, and answers the signer's key.
///
/// # Errors
/// The first check that failed, in the order of [`ChainRefused`].
pub fn verify(chain: &[Vec<u8>], root: &[u8], now: Timestamp) -> Result<PublicKey, ChainRefused> {
    let (signer, issuing) = match chain {
        [signer, issuing] => (signer, issuing),
        [_, _, _, ..] => return Err(ChainRefused::TooLong),
        _ => return Err(ChainRefused::Malformed),
    };
    let [signer, issuing, root] = [parse(signer)?, parse(issuing)?, parse(root)?];
    let path = [&root, &issuing, &signer];
    // What each CA may have below it, itself not counted, beside the one that signs.
    for (ca, below) in [(&root, 1), (&issuing, 0)] {
        if ca.basic_constraints().ok().flatten().is_some_and(|basic| {
            basic.value.ca && basic.value.path_len_constraint.is_some_and(|most| most < below)
        }) {
            return Err(ChainRefused::TooLong);
        }
    }
    let key = |place: usize| path.get(place).map(|certificate| certificate.public_key().raw);
    if key(0) == key(1) || key(1) == key(2) || key(0) == key(2) {
        return Err(ChainRefused::Duplicate);
    }
    path.iter().try_for_each(|certificate| algorithms_are_allowed(certificate))?;
    path.iter().try_for_each(|certificate| extensions_are_understood(certificate))?;
    if !may_sign_certificates(&root) || !may_sign_certificates(&issuing) || !may_sign_data(&signer) {
        return Err(ChainRefused::WrongUse);
    }
    for (below, above) in [(&root, &root), (&issuing, &root), (&signer, &issuing)] {
        let issued_by = below.issuer() == above.subject();
        if !issued_by || below.verify_signature(Some(above.public_key())).is_err() {
            return Err(ChainRefused::NotTrusted);
        }
    }
    let at = ASN1Time::from_timestamp(now.as_second()).map_err(|_| ChainRefused::NotCurrent)?;
    if !path.iter().all(|certificate| certificate.validity().is_valid_at(at)) {
        return Err(ChainRefused::NotCurrent);
    }
    for (ca, below) in [(&root, &issuing), (&root, &signer), (&issuing, &signer)] {
        names::may_certify(ca, below)?;
    }
    PublicKey::from_sec1(&signer.public_key().subject_public_key.data).map_err(|_| ChainRefused::Algorithm)
}

/// When a certificate (DER) ends.
pub fn expiry(der: &[u8]) -> Result<Timestamp, ChainRefused> {
    Timestamp::from_second(parse(der)?.validity().not_after.timestamp()).map_err(|_| ChainRefused::Malformed)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, ChainRefused> {
    if der.len() > MAX_DER {
        return Err(ChainRefused::Malformed);
    }
    let certificate = match X509Certificate::from_der(der) {
        Ok(([], certificate)) => certificate,
        _ => return Err(ChainRefused::Malformed),
    };
    let unparsed = |extension: &ParsedExtension<'_>| matches!(extension, ParsedExtension::ParseError { .. });
    let is_whole = certificate.version() == X509Version::V3
        && certificate.subject().iter_attributes().next().is_some()
        // Fails where an extension stands twice.
        && certificate.extensions_map().is_ok()
        && !certificate.iter_extensions().any(|extension| unparsed(extension.parsed_extension()));
    if is_whole { Ok(certificate) } else { Err(ChainRefused::Malformed) }
}

/// RFC 5480 §2.1.1 and RFC 5758 §3.2: a named curve, a point that is not compressed, and no parameters to the signature.
fn algorithms_are_allowed(certificate: &X509Certificate<'_>) -> Result<(), ChainRefused> {
    let is_ecdsa = |algorithm: &AlgorithmIdentifier<'_>| {
        algorithm.algorithm == OID_SIG_ECDSA_WITH_SHA256 && algorithm.parameters.is_none()
    };
    let key = certificate.public_key();
    let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
    let point = &key.subject_public_key;
    let allowed = is_ecdsa(&certificate.signature_algorithm)
        && is_ecdsa(&certificate.signature)
        && key.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY
        && curve == Some(OID_EC_P256)
        && (point.unused_bits, point.data.len()) == (0, 65)
        && PublicKey::from_sec1(&point.data).is_ok();
    if allowed { Ok(()) } else { Err(ChainRefused::Algorithm) }
}

fn extensions_are_understood(certificate: &X509Certificate<'_>) -> Result<(), ChainRefused> {
    let mut critical = certificate.iter_extensions().filter(|extension| extension.critical);
    let understood = critical.all(|extension| JUDGED.contains(&extension.oid));
    if understood { Ok(()) } else { Err(ChainRefused::CriticalExtension) }
}

/// A CA that says so critically (RFC 5280 §4.2.1.9), and whose key signs certificates.
fn may_sign_certificates(certificate: &X509Certificate<'_>) -> bool {
    let basic = certificate.basic_constraints().ok().flatten();
    let usage = certificate.key_usage().ok().flatten();
    basic.is_some_and(|basic| basic.critical && basic.value.ca)
        && usage.is_some_and(|usage| usage.value.key_cert_sign())
        && is_for_any_purpose(certificate)
}

/// No CA, and a key that signs data and nothing else.
fn may_sign_data(certificate: &X509Certificate<'_>) -> bool {
    let usage = certificate.key_usage().ok().flatten();
    let signs = usage.is_some_and(|usage| {
        usage.value.digital_signature() && !usage.value.key_cert_sign() && !usage.value.crl_sign()
    });
    let constrains_names = certificate.name_constraints().ok().flatten().is_some();
    !certificate.is_ca() && signs && !constrains_names && is_for_any_purpose(certificate)
}

/// An extended key usage keeps a key for that use, such as OCSP answers or TLS, and so from ours.
fn is_for_any_purpose(certificate: &X509Certificate<'_>) -> bool {
    certificate.extended_key_usage().ok().flatten().is_none_or(|usage| usage.value.any)
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
        // The issuing CA in the signer's place, under another CA.
        let other = TestChain::new();
        let as_signer = [issuing, other.root.clone()];
        assert_eq!(verify(&as_signer, &chain.root, now), Err(ChainRefused::WrongUse));
        let twice = [chain.certificates[1].clone(), chain.root.clone()];
        assert_eq!(verify(&twice, &chain.root, now), Err(ChainRefused::Duplicate));
    }
}
