//! The X.509 side of the keys: certificates of the three roles and lists of those that were taken back (RFC 5280).

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use p256::ecdsa::Signature;
use rand::Rng as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, PublicKeyData, RevocationReason,
    RevokedCertParams, SerialNumber, SignatureAlgorithm, SigningKey,
};
use wallet_core::chain;
use wallet_core::es256::sha256;
use wallet_core::x509_lint::{self, Role};

use super::store::{RetirementReason, StoredKey};
use crate::edge::signer::PrivateKey;

/// An hour of slack, for verifiers whose clock is behind ours.
const SLACK: SignedDuration = SignedDuration::from_hours(1);
/// A root's list is signed at ceremonies only; one is due at least so often.
const ROOT_CRL: SignedDuration = SignedDuration::from_hours(400 * 24);
/// An issuing CA's list is signed by the hour; one this old was held back by somebody.
const ISSUING_CRL: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long a certificate of each role is valid. A signer is replaced long before its CA ends.
pub(super) fn lifetime(role: Role) -> SignedDuration {
    let years = match role {
        Role::Root => 20,
        Role::Issuing => 10,
        Role::Signer => 3,
    };
    SignedDuration::from_hours(years * 365 * 24)
}

/// A private key in the words of rcgen.
struct ForRcgen<'a> {
    key: &'a dyn PrivateKey,
    point: Vec<u8>,
}

impl<'a> ForRcgen<'a> {
    fn new(key: &'a dyn PrivateKey) -> Self {
        Self { key, point: key.public_key().to_sec1() }
    }
}

impl PublicKeyData for ForRcgen<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for ForRcgen<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.key.sign(message).map_err(|_| rcgen::Error::RemoteKeyError)?;
        let signature = Signature::from_slice(&signature).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

/// Who signs a certificate: the key above, with its own certificate (DER).
pub(super) struct Above<'a> {
    pub(super) key: &'a dyn PrivateKey,
    pub(super) certificate: &'a [u8],
}

/// What a certificate is to say.
pub(super) struct Wanted<'a> {
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) from: Timestamp,
    /// Where the list of the one above is, if the installation has an address.
    pub(super) crl: Option<String>,
    /// None for a root, which signs itself.
    pub(super) above: Option<Above<'a>>,
}

/// Makes a certificate (DER) for `key`. It was looked at by the lint, or it is an error.
pub(super) fn certify(key: &dyn PrivateKey, wanted: &Wanted<'_>) -> anyhow::Result<Vec<u8>> {
    let key = ForRcgen::new(key);
    let mut parameters = parameters(wanted)?;
    let der = match &wanted.above {
        None => parameters.self_signed(&key)?,
        Some(above) => {
            let latest = chain::expiry(above.certificate).context("the CA's certificate")?;
            if time(latest)? < parameters.not_after {
                parameters.not_after = time(latest)?;
            }
            parameters.signed_by(&key, &issuer(above)?)?
        }
    };
    let der = der.der().to_vec();
    let findings = x509_lint::lint(&der, wanted.role, wanted.above.as_ref().map(|above| above.certificate));
    ensure!(findings.is_empty(), "the new certificate is not as it must be: {}", findings.join("; "));
    Ok(der)
}

fn issuer<'a>(above: &Above<'a>) -> anyhow::Result<Issuer<'a, ForRcgen<'a>>> {
    Ok(Issuer::from_ca_cert_der(&above.certificate.into(), ForRcgen::new(above.key))?)
}

fn parameters(wanted: &Wanted<'_>) -> anyhow::Result<CertificateParams> {
    let mut parameters = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, wanted.name.as_str());
    parameters.distinguished_name = name;
    parameters.serial_number = Some(serial());
    parameters.not_before = time(wanted.from.saturating_sub(SLACK)?)?;
    parameters.not_after = time(wanted.from.saturating_add(lifetime(wanted.role))?)?;
    let ca = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let (is_ca, usages) = match wanted.role {
        Role::Root => (IsCa::Ca(BasicConstraints::Constrained(1)), ca),
        Role::Issuing => (IsCa::Ca(BasicConstraints::Constrained(0)), ca),
        Role::Signer => (IsCa::ExplicitNoCa, vec![KeyUsagePurpose::DigitalSignature]),
    };
    parameters.is_ca = is_ca;
    parameters.key_usages = usages;
    parameters.use_authority_key_identifier_extension = true;
    let at = |uri: &String| CrlDistributionPoint { uris: vec![uri.clone()] };
    parameters.crl_distribution_points = wanted.crl.iter().map(at).collect();
    Ok(parameters)
}

/// 16 random bytes, positive and without a leading zero: 126 bits that nobody can foretell.
fn serial() -> SerialNumber {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    SerialNumber::from_slice(&bytes)
}

/// The list (DER) of what `above` certified and took back, as of `now`.
pub(super) fn crl(
    above: &Above<'_>,
    role: Role,
    retired: &[&StoredKey],
    now: Timestamp,
) -> anyhow::Result<Vec<u8>> {
    let revoked = |key: &&StoredKey| {
        let retirement = key.retired.as_ref().context("only what was retired is listed")?;
        Ok(RevokedCertParams {
            serial_number: SerialNumber::from_slice(&x509_lint::serial(&key.certificate)?),
            revocation_time: time(retirement.at)?,
            reason_code: Some(match retirement.reason {
                RetirementReason::KeyCompromise => RevocationReason::KeyCompromise,
                RetirementReason::Superseded => RevocationReason::Superseded,
                RetirementReason::CessationOfOperation => RevocationReason::CessationOfOperation,
            }),
            invalidity_date: None,
        })
    };
    let lifetime = if role == Role::Root { ROOT_CRL } else { ISSUING_CRL };
    let parameters = CertificateRevocationListParams {
        this_update: time(now.saturating_sub(SLACK)?)?,
        next_update: time(now.saturating_add(lifetime)?)?,
        // Rises by itself, also over replicas that sign for themselves (RFC 5280 §5.2.3).
        crl_number: SerialNumber::from(u64::try_from(now.as_second())?),
        issuing_distribution_point: None,
        revoked_certs: retired.iter().map(revoked).collect::<anyhow::Result<_>>()?,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(parameters.signed_by(&issuer(above)?)?.der().to_vec())
}

/// SHA-256 of a certificate, in hex: what people compare by eye.
pub(super) fn fingerprint(der: &[u8]) -> String {
    base16ct::lower::encode_string(&sha256(der))
}

fn time(at: Timestamp) -> anyhow::Result<time::OffsetDateTime> {
    Ok(time::OffsetDateTime::from_unix_timestamp(at.as_second())?)
}
