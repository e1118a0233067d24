//! An issuer whose keys and certificates are the same every time.

use jiff::Timestamp;
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer,
    KeyUsagePurpose, PublicKeyData, SerialNumber, SignatureAlgorithm,
};

/// When everything is judged, unless a case says otherwise: 2027-01-15T08:00:00Z.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// The key number `number`.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).unwrap()
}

/// The device key of every certificate, code and proof.
pub(crate) fn device() -> SigningKey {
    key(0x44)
}

/// A key as rcgen takes it, under any algorithm's name and with any point.
pub(crate) struct Named {
    pub(crate) key: SigningKey,
    pub(crate) point: Vec<u8>,
    pub(crate) algorithm: &'static SignatureAlgorithm,
}

impl Named {
    pub(crate) fn of(number: u8) -> Self {
        let key = key(number);
        let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self { key, point, algorithm: &rcgen::PKCS_ECDSA_P256_SHA256 }
    }
}

impl PublicKeyData for Named {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl rcgen::SigningKey for Named {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: Signature = self.key.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

/// One certificate to be made.
pub(crate) struct Link {
    pub(crate) parameters: CertificateParams,
    pub(crate) key: Named,
}

fn distinguished(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::OrganizationName, "E-Cert Test");
    names.push(DnType::CommonName, name);
    names
}

fn link(name: &str, number: u8, is_ca: IsCa, usages: &[KeyUsagePurpose]) -> Link {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = distinguished(name);
    parameters.serial_number = Some(SerialNumber::from(vec![number; 16]));
    parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2036, 1, 1);
    parameters.is_ca = is_ca;
    parameters.key_usages = usages.to_vec();
    parameters.use_authority_key_identifier_extension = true;
    Link { parameters, key: Named::of(number) }
}

/// The three certificates of an issuer, to be changed before they are made.
pub(crate) struct Plan {
    pub(crate) root: Link,
    pub(crate) issuing: Link,
    pub(crate) signer: Link,
}

impl Plan {
    /// As `server/src/edge/keys.rs` makes them.
    pub(crate) fn good() -> Self {
        use KeyUsagePurpose::{CrlSign, DigitalSignature, KeyCertSign};
        let ca = |below| IsCa::Ca(BasicConstraints::Constrained(below));
        Self {
            root: link("Root", 0x11, ca(1), &[KeyCertSign, CrlSign]),
            issuing: link("Issuing CA", 0x22, ca(0), &[KeyCertSign, CrlSign]),
            signer: link("Signer", 0x33, IsCa::ExplicitNoCa, &[DigitalSignature]),
        }
    }

    /// Another issuer of the same names.
    pub(crate) fn impostor() -> Self {
        let mut plan = Self::good();
        plan.root.key = Named::of(0x15);
        plan.issuing.key = Named::of(0x25);
        plan.signer.key = Named::of(0x35);
        plan
    }

    pub(crate) fn make(&self) -> Chain {
        let root = self.root.parameters.self_signed(&self.root.key).unwrap();
        let issuing = signed_by(&self.issuing, &self.root);
        Chain { root: root.der().to_vec(), issuing, signer: signed_by(&self.signer, &self.issuing) }
    }
}

/// DER of `link`, signed by `above`.
pub(crate) fn signed_by(link: &Link, above: &Link) -> Vec<u8> {
    let issuer = Issuer::from_params(&above.parameters, &above.key);
    link.parameters.signed_by(&link.key, &issuer).unwrap().der().to_vec()
}

/// DER, made.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) root: Vec<u8>,
    pub(crate) issuing: Vec<u8>,
    pub(crate) signer: Vec<u8>,
}

impl Chain {
    pub(crate) fn good() -> Self {
        Plan::good().make()
    }

    /// What a token carries.
    pub(crate) fn sent(&self) -> Vec<Vec<u8>> {
        vec![self.signer.clone(), self.issuing.clone()]
    }
}

/// The private key of the good chain's signer.
pub(crate) fn signer() -> SigningKey {
    key(0x33)
}

/// An extension that nobody knows.
pub(crate) fn unknown_extension(critical: bool, bytes: usize) -> CustomExtension {
    let mut content = vec![0x04, 0x82];
    content.extend(u16::try_from(bytes).unwrap().to_be_bytes());
    content.extend(vec![0; bytes]);
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], content);
    extension.set_criticality(critical);
    extension
}

/// One DER element (X.690 §8.1) of at most 65,535 bytes.
pub(crate) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match content.len() {
        0..0x80 => vec![tag, length[1]],
        0x80..0x100 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [head.as_slice(), content].concat()
}

/// The elements inside a DER element.
pub(crate) fn parts(element: &[u8]) -> Vec<Vec<u8>> {
    let content = |bytes: &[u8]| -> (usize, usize) {
        match bytes[1] {
            length @ 0..0x80 => (2, usize::from(length)),
            0x80..=0x81 => (3, usize::from(bytes[2])),
            _ => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        }
    };
    let (head, length) = content(element);
    let mut rest = &element[head..head + length];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (head, length) = content(rest);
        found.push(rest[..head + length].to_vec());
        rest = &rest[head + length..];
    }
    found
}

/// A certificate of other parts, signed anew by key `number`: `[tbs, algorithm]` go through `change`.
pub(crate) fn signed_anew(
    certificate: &[u8],
    number: u8,
    change: impl FnOnce(&mut Vec<Vec<u8>>, &mut Vec<u8>),
) -> Vec<u8> {
    let outer = parts(certificate);
    let (mut tbs, mut algorithm) = (parts(&outer[0]), outer[1].clone());
    change(&mut tbs, &mut algorithm);
    let tbs = der(0x30, &tbs.concat());
    let signature = rcgen::SigningKey::sign(&Named::of(number), &tbs).unwrap();
    with_signature(&tbs, &algorithm, &signature)
}

/// A certificate with this signature.
pub(crate) fn with_signature(tbs: &[u8], algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
    let signature = der(0x03, &[&[0], signature].concat());
    der(0x30, &[tbs, algorithm, &signature].concat())
}
