//! What a certificate of the issuer's own must look like before it is kept (RFC 5280): our own hand is checked here, not
//! somebody else's; a verifier has [`crate::chain`].

use jiff::{SignedDuration, Timestamp};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate, X509Version};

use crate::chain::ChainRefused;
use crate::es256::PublicKey;

/// What a key of the issuer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Signs issuing CAs, and nothing else.
    Root,
    /// Signs signers.
    Issuing,
    /// Signs E-certs, receipts, results and lists.
    Signer,
}

impl Role {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Root => "root",
            Role::Issuing => "issuing",
            Role::Signer => "signer",
        }
    }

    /// The longest that a certificate of the role may be valid, with the hour of slack before it.
    fn longest(self) -> SignedDuration {
        let years = match self {
            Role::Root => 20,
            Role::Issuing => 10,
            Role::Signer => 3,
        };
        SignedDuration::from_hours(years * 365 * 24 + 2)
    }

    /// Certificates that may stand below it in a chain (RFC 5280 §4.2.1.9).
    fn path_length(self) -> Option<u32> {
        match self {
            Role::Root => Some(1),
            Role::Issuing => Some(0),
            Role::Signer => None,
        }
    }
}

/// Bytes of a serial that can't be foretold: 64 random bits at least, 20 bytes at most (RFC 5280 §4.1.2.2, CA/B BR §7.1).
const SERIAL: std::ops::RangeInclusive<usize> = 9..=20;

/// The serial of a certificate (DER), as it is encoded.
///
/// # Errors
/// When it is no certificate.
pub fn serial(der: &[u8]) -> Result<Vec<u8>, ChainRefused> {
    Ok(parse(der).ok_or(ChainRefused::Malformed)?.raw_serial().to_vec())
}

/// The key in a certificate (DER).
///
/// # Errors
/// When it is no certificate, or its key is not of P-256.
pub fn public_key(der: &[u8]) -> Result<PublicKey, ChainRefused> {
    let certificate = parse(der).ok_or(ChainRefused::Malformed)?;
    PublicKey::from_sec1(&certificate.public_key().subject_public_key.data)
        .map_err(|_| ChainRefused::Malformed)
}

/// When a certificate (DER) begins to be valid.
///
/// # Errors
/// When it is no certificate.
pub fn begins(der: &[u8]) -> Result<Timestamp, ChainRefused> {
    let certificate = parse(der).ok_or(ChainRefused::Malformed)?;
    Timestamp::from_second(certificate.validity().not_before.timestamp()).map_err(|_| ChainRefused::Malformed)
}

/// Everything that is wrong with a certificate (DER) of `role` that was signed by `above` (DER; itself, if none).
pub fn lint(der: &[u8], role: Role, above: Option<&[u8]>) -> Vec<&'static str> {
    let Some(certificate) = parse(der) else { return vec!["it is no certificate"] };
    let Some(above) = parse(above.unwrap_or(der)) else { return vec!["the CA's is no certificate"] };
    let mut findings = form(&certificate);
    findings.extend(extensions(&certificate, role));
    let must: [(bool, &str); 7] = [
        (certificate.issuer() == above.subject(), "the issuer's name is not the CA's subject"),
        (certificate.verify_signature(Some(above.public_key())).is_ok(), "the signature is not the CA's"),
        (
            authority_key(&certificate) == subject_key(&above) && subject_key(&above).is_some(),
            "the authority key identifier is not the CA's subject key identifier",
        ),
        (
            (role == Role::Root) == (certificate.issuer() == certificate.subject()),
            "a root signs itself, and nobody else does",
        ),
        (certificate.validity().not_after <= above.validity().not_after, "it outlives its CA"),
        (
            role == Role::Root
                || certificate.public_key().subject_public_key != above.public_key().subject_public_key,
            "it has the key of its CA",
        ),
        (
            length(&certificate).is_some_and(|length| length.is_positive() && length <= role.longest()),
            "it is valid for nothing or for too long",
        ),
    ];
    findings.extend(must.into_iter().filter(|(holds, _)| !holds).map(|(_, finding)| finding));
    findings
}

fn form(certificate: &X509Certificate<'_>) -> Vec<&'static str> {
    let serial = certificate.raw_serial();
    let is_positive = serial.first().is_some_and(|first| *first < 0x80);
    let varies = serial.iter().any(|byte| serial.first() != Some(byte));
    let name: Vec<_> = certificate.subject().iter_common_name().collect();
    // ecdsa-with-SHA256, RFC 5758 §3.2.
    let algorithm = "1.2.840.10045.4.3.2";
    let must: [(bool, &str); 5] = [
        (certificate.version() == X509Version::V3, "it is not of version 3"),
        (
            SERIAL.contains(&serial.len()) && is_positive && varies,
            "the serial is not a positive number of 9 to 20 random bytes",
        ),
        (
            certificate.signature_algorithm.algorithm.to_id_string() == algorithm,
            "it is not signed with ECDSA and SHA-256",
        ),
        (
            PublicKey::from_sec1(&certificate.public_key().subject_public_key.data).is_ok(),
            "the key is no point of P-256",
        ),
        (
            name.len() == 1
                && name.iter().all(|name| name.as_str().is_ok_and(|name| !name.trim().is_empty())),
            "the subject has not exactly one name",
        ),
    ];
    must.into_iter().filter(|(holds, _)| !holds).map(|(_, finding)| finding).collect()
}

fn extensions(certificate: &X509Certificate<'_>, role: Role) -> Vec<&'static str> {
    let constraints = certificate.basic_constraints().ok().flatten();
    let is_ca = role != Role::Signer;
    let constrained = constraints.is_some_and(|constraints| {
        (constraints.value.ca, constraints.value.path_len_constraint) == (is_ca, role.path_length())
            && (constraints.critical || !is_ca)
    });
    let usage = certificate.key_usage().ok().flatten();
    // digitalSignature is bit 0, keyCertSign 5, cRLSign 6 (RFC 5280 §4.2.1.3).
    let wanted: u16 = if is_ca { 1 << 5 | 1 << 6 } else { 1 };
    let known = certificate.extensions().iter().all(|extension| match extension.parsed_extension() {
        ParsedExtension::BasicConstraints(_)
        | ParsedExtension::KeyUsage(_)
        | ParsedExtension::SubjectKeyIdentifier(_)
        | ParsedExtension::AuthorityKeyIdentifier(_) => true,
        ParsedExtension::CRLDistributionPoints(points) => points.iter().all(|point| {
            let names = match &point.distribution_point {
                Some(x509_parser::extensions::DistributionPointName::FullName(names)) => names.as_slice(),
                _ => &[],
            };
            !names.is_empty()
                && names.iter().all(|name| matches!(name, GeneralName::URI(uri) if uri.starts_with("http")))
        }),
        _ => false,
    });
    let must: [(bool, &str); 4] = [
        (constrained, "the basic constraints are not those of its role"),
        (
            usage.is_some_and(|usage| usage.critical && usage.value.flags == wanted),
            "the key usage is not exactly that of its role",
        ),
        (subject_key(certificate).is_some(), "there is no subject key identifier"),
        (known, "there is an extension that is never made"),
    ];
    must.into_iter().filter(|(holds, _)| !holds).map(|(_, finding)| finding).collect()
}

fn length(certificate: &X509Certificate<'_>) -> Option<SignedDuration> {
    let validity = certificate.validity();
    let seconds = validity.not_after.timestamp().checked_sub(validity.not_before.timestamp())?;
    Some(SignedDuration::from_secs(seconds))
}

fn subject_key<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(key) => Some(key.0),
        _ => None,
    })
}

fn authority_key<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(key) => key.key_identifier.as_ref().map(|key| key.0),
        _ => None,
    })
}

fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
        PKCS_ED25519, SerialNumber,
    };

    use super::*;

    struct Made {
        root_key: KeyPair,
        root: Vec<u8>,
    }

    fn parameters(role: Role, name: &str) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.serial_number =
            Some(SerialNumber::from_slice(&[0x41, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(if role == Role::Signer { 2028 } else { 2035 }, 1, 1);
        let path = |length| IsCa::Ca(BasicConstraints::Constrained(length));
        let ca = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (parameters.is_ca, parameters.key_usages) = match role {
            Role::Root => (path(1), ca),
            Role::Issuing => (path(0), ca),
            Role::Signer => (IsCa::ExplicitNoCa, vec![KeyUsagePurpose::DigitalSignature]),
        };
        parameters.use_authority_key_identifier_extension = true;
        parameters
    }

    impl Made {
        fn new() -> Self {
            let root_key = KeyPair::generate().unwrap();
            let root = parameters(Role::Root, "root").self_signed(&root_key).unwrap();
            Self { root: root.der().to_vec(), root_key }
        }

        /// What is found of an issuing CA whose parameters were changed.
        fn issuing(&self, change: impl FnOnce(&mut CertificateParams), key: &KeyPair) -> Vec<&'static str> {
            let mut changed = parameters(Role::Issuing, "issuing");
            change(&mut changed);
            let by = Issuer::from_ca_cert_der(&self.root.as_slice().into(), &self.root_key).unwrap();
            lint(changed.signed_by(key, &by).unwrap().der(), Role::Issuing, Some(&self.root))
        }
    }

    #[test]
    fn sound_certificates_of_each_role_have_no_findings() {
        let made = Made::new();
        assert_eq!(lint(&made.root, Role::Root, None), [""; 0]);
        assert_eq!(made.issuing(|_| {}, &KeyPair::generate().unwrap()), [""; 0]);
        let (key, issuing_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let by = Issuer::from_ca_cert_der(&made.root.as_slice().into(), &made.root_key).unwrap();
        let issuing = parameters(Role::Issuing, "issuing").signed_by(&issuing_key, &by).unwrap();
        let by = Issuer::from_ca_cert_der(issuing.der(), &issuing_key).unwrap();
        let signer = parameters(Role::Signer, "signer").signed_by(&key, &by).unwrap();
        assert_eq!(lint(signer.der(), Role::Signer, Some(issuing.der())), [""; 0]);
        // In another role, or under another CA, nothing of it is right.
        assert!(lint(signer.der(), Role::Issuing, Some(issuing.der())).len() >= 2);
        let stranger = lint(signer.der(), Role::Signer, Some(&made.root));
        assert!(stranger.contains(&"the signature is not the CA's"), "{stranger:?}");
        assert_eq!(lint(b"no", Role::Root, None), ["it is no certificate"]);
    }

    #[test]
    fn each_fault_of_an_issuing_ca_is_found() {
        type Change = fn(&mut CertificateParams);
        let made = Made::new();
        let serial = "the serial is not a positive number of 9 to 20 random bytes";
        let usage = "the key usage is not exactly that of its role";
        let constraints = "the basic constraints are not those of its role";
        let table: [(Change, &str); 11] = [
            (|made| made.serial_number = Some(SerialNumber::from(7)), serial),
            (|made| made.serial_number = Some(SerialNumber::from_slice(&[1; 21])), serial),
            (|made| made.serial_number = Some(SerialNumber::from_slice(&[0x41; 16])), serial),
            (|made| made.is_ca = IsCa::ExplicitNoCa, constraints),
            (|made| made.is_ca = IsCa::Ca(BasicConstraints::Unconstrained), constraints),
            (|made| made.is_ca = IsCa::Ca(BasicConstraints::Constrained(1)), constraints),
            (|made| made.key_usages.push(KeyUsagePurpose::DigitalSignature), usage),
            (|made| made.key_usages = vec![KeyUsagePurpose::KeyCertSign], usage),
            (|made| made.not_after = rcgen::date_time_ymd(2036, 6, 1), "it outlives its CA"),
            (|made| made.not_after = made.not_before, "it is valid for nothing or for too long"),
            (
                |made| {
                    made.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 9999], vec![5, 0]))
                },
                "there is an extension that is never made",
            ),
        ];
        for (change, finding) in table {
            let findings = made.issuing(change, &KeyPair::generate().unwrap());
            assert!(findings.contains(&finding), "{finding}: {findings:?}");
        }
        let unnamed = made.issuing(
            |made| made.distinguished_name = rcgen::DistinguishedName::new(),
            &KeyPair::generate().unwrap(),
        );
        assert!(unnamed.contains(&"the subject has not exactly one name"), "{unnamed:?}");
        let without = made.issuing(
            |made| made.use_authority_key_identifier_extension = false,
            &KeyPair::generate().unwrap(),
        );
        assert_eq!(without, ["the authority key identifier is not the CA's subject key identifier"]);
        let edwards = made.issuing(|_| {}, &KeyPair::generate_for(&PKCS_ED25519).unwrap());
        assert_eq!(edwards, ["the key is no point of P-256"]);
        let own = made.issuing(|_| {}, &made.root_key);
        assert!(own.contains(&"it has the key of its CA"), "{own:?}");
    }
}
