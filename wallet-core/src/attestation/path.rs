//! The chain of an attestation (RFC 5280 §6): from the key's certificate to a root that the operator named.
//!
//! Signatures that are verified: ECDSA on P-256 and P-384 with SHA-256 or SHA-384, RSA (PKCS #1 v1.5, 2048 to 8192 bits) with
//! SHA-256, SHA-384 or SHA-512. P-521, RSA-PSS, Ed25519 and SHA-1 are refused; no phone's chain has them.

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::oid::Oid;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA,
    OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384,
    OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_KEY_USAGE,
};
use x509_parser::pem::Pem;
use x509_parser::prelude::{ASN1Time, FromDer, X509Version};
use x509_parser::{der_parser::oid, x509::SubjectPublicKeyInfo};

use super::Reason;
use crate::es256::PublicKey;

/// Bytes of one certificate. A phone's have 500 to 1400.
const MAX_DER: usize = 4096;
/// Certificates of one chain, its root counted. Phones have three to five.
const MAX_CHAIN: usize = 6;
/// Where a certificate describes its key.
const DESCRIPTION: Oid<'static> = oid!(1.3.6.1.4.1.11129.2.1.17);
const SIGNATURES: [Oid<'static>; 5] = [
    OID_SIG_ECDSA_WITH_SHA256,
    OID_SIG_ECDSA_WITH_SHA384,
    OID_PKCS1_SHA256WITHRSA,
    OID_PKCS1_SHA384WITHRSA,
    OID_PKCS1_SHA512WITHRSA,
];
/// The critical extensions that are judged here.
const JUDGED: [Oid<'static>; 2] = [OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_KEY_USAGE];

/// The roots that are trusted: each a name with a key. How long their certificates are valid is not asked (RFC 5280 §6.1.1): phones outlive
/// them, and the operator takes out what is to be trusted no more.
#[derive(Debug, Clone, Default)]
pub struct Anchors(Vec<Vec<u8>>);

/// The text holds no roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one or more certificates of roots in PEM, each of a CA")]
pub struct NotAnchors;

impl Anchors {
    /// Reads certificates in PEM; other text between them is passed over.
    ///
    /// # Errors
    /// When there is none, or one that is no CA's.
    pub fn from_pem(text: &[u8]) -> Result<Anchors, NotAnchors> {
        let read = |pem: Result<Pem, _>| match pem {
            Ok(pem) if pem.label == "CERTIFICATE" => match parse(&pem.contents) {
                Ok(certificate) if certificate.is_ca() => Ok(pem.contents),
                _ => Err(NotAnchors),
            },
            _ => Err(NotAnchors),
        };
        let anchors = Pem::iter_from_buffer(text).map(read).collect::<Result<Vec<_>, _>>()?;
        if anchors.is_empty() { Err(NotAnchors) } else { Ok(Anchors(anchors)) }
    }

    /// Whether no root is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The certificate of the key, believed.
pub(super) struct Leaf {
    /// The key, if it is one of P-256.
    pub(super) key: Option<PublicKey>,
    /// How it is described.
    pub(super) description: Vec<u8>,
}

/// Follows the chain from its first certificate up.
pub(super) fn verify(chain: &[Vec<u8>], anchors: &Anchors, now: Timestamp) -> Result<Leaf, Reason> {
    if chain.is_empty() || chain.len() > MAX_CHAIN {
        return Err(Reason::ChainMalformed);
    }
    let certificates = chain.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
    let mut keys: Vec<&[u8]> = certificates.iter().map(|certificate| certificate.public_key().raw).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(Reason::ChainDuplicate);
    }
    let anchors = anchors.0.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
    let (path, anchor) = below(&certificates, &anchors)?;
    // Cheap questions first: signatures are for those that could be a phone's.
    let [leaf, cas @ ..] = path else { return Err(Reason::ChainMalformed) };
    for certificate in path {
        is_understood(certificate)?;
    }
    if cas.iter().any(is_described) {
        return Err(Reason::ChainExtended);
    }
    if leaf.is_ca() || !cas.iter().zip(0..).all(|(ca, between)| may_sign(ca, between)) {
        return Err(Reason::ChainUse);
    }
    let at = ASN1Time::from_timestamp(now.as_second()).map_err(|_| Reason::ChainNotCurrent)?;
    if !path.iter().all(|certificate| certificate.validity().is_valid_at(at)) {
        return Err(Reason::ChainNotCurrent);
    }
    for (certificate, above) in path.iter().zip(cas.iter().chain([anchor])) {
        is_signed(certificate, above)?;
    }
    let described = leaf.get_extension_unique(&DESCRIPTION).ok().flatten();
    let description = described.ok_or(Reason::DescriptionMalformed)?.value.to_vec();
    Ok(Leaf { key: p256(leaf.public_key()), description })
}

/// The certificates that are to be judged, and the root above them. The chain may end with the root or with what the root signed; its
/// own copy of the root proves nothing, and may be another certificate for the same key.
fn below<'c, 'a>(
    certificates: &'c [X509Certificate<'a>],
    anchors: &'c [X509Certificate<'a>],
) -> Result<(&'c [X509Certificate<'a>], &'c X509Certificate<'a>), Reason> {
    let (top, rest) = certificates.split_last().ok_or(Reason::ChainMalformed)?;
    let is_top = |anchor: &&X509Certificate<'_>| {
        anchor.subject() == top.subject() && anchor.public_key().raw == top.public_key().raw
    };
    if let Some(anchor) = anchors.iter().find(is_top) {
        return Ok((rest, anchor));
    }
    let signed = |anchor: &&X509Certificate<'_>| is_signed(top, anchor).is_ok();
    let anchor = anchors.iter().find(signed).ok_or(Reason::ChainUntrusted)?;
    Ok((certificates, anchor))
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Reason> {
    if der.len() > MAX_DER {
        return Err(Reason::ChainMalformed);
    }
    let certificate = match X509Certificate::from_der(der) {
        Ok(([], certificate)) => certificate,
        _ => return Err(Reason::ChainMalformed),
    };
    let unparsed = |extension: &ParsedExtension<'_>| matches!(extension, ParsedExtension::ParseError { .. });
    let is_whole = certificate.version() == X509Version::V3
        // Fails where an extension stands twice.
        && certificate.extensions_map().is_ok()
        && !certificate.iter_extensions().any(|extension| unparsed(extension.parsed_extension()))
        // The number of bits that do not count stands outside what is signed.
        && certificate.signature_value.unused_bits == 0;
    if is_whole { Ok(certificate) } else { Err(Reason::ChainMalformed) }
}

fn is_understood(certificate: &X509Certificate<'_>) -> Result<(), Reason> {
    let mut critical = certificate.iter_extensions().filter(|extension| extension.critical);
    if critical.all(|extension| JUDGED.contains(&extension.oid)) {
        Ok(())
    } else {
        Err(Reason::ChainExtension)
    }
}

fn is_described(certificate: &X509Certificate<'_>) -> bool {
    certificate.iter_extensions().any(|extension| extension.oid == DESCRIPTION)
}

/// Whether a CA may have so many CAs between itself and the key.
fn may_sign(ca: &X509Certificate<'_>, between: u32) -> bool {
    let basic = ca.basic_constraints().ok().flatten();
    let usage = ca.key_usage().ok().flatten();
    basic.is_some_and(|basic| {
        basic.value.ca && basic.value.path_len_constraint.is_none_or(|most| between <= most)
    }) && usage.is_none_or(|usage| usage.value.key_cert_sign())
}

fn is_signed(certificate: &X509Certificate<'_>, above: &X509Certificate<'_>) -> Result<(), Reason> {
    let algorithm = &certificate.signature_algorithm;
    if algorithm != &certificate.signature || !SIGNATURES.contains(&algorithm.algorithm) {
        return Err(Reason::ChainAlgorithm);
    }
    let is_issuer = certificate.issuer() == above.subject();
    if is_issuer && certificate.verify_signature(Some(above.public_key())).is_ok() {
        Ok(())
    } else {
        Err(Reason::ChainUntrusted)
    }
}

fn p256(key: &SubjectPublicKeyInfo<'_>) -> Option<PublicKey> {
    let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
    let is_p256 = key.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY && curve == OID_EC_P256;
    let point = &key.subject_public_key;
    if is_p256 && point.unused_bits == 0 { PublicKey::from_sec1(&point.data).ok() } else { None }
}
