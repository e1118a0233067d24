//! The installation's keys: made on the first start, kept in one file that is sealed under a key file.
//!
//! The key file (32 bytes, mode 0600) opens `keys/issuer.sealed`, which holds the root, the issuing CA and the
//! signer with their certificates, and one secret from which all symmetric keys are derived. Keep the key file on
//! another medium than the back-up of the rest.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use hkdf::Hkdf;
use p256::ecdsa::SigningKey;
use p256::pkcs8::DecodePrivateKey as _;
use rand::Rng as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use wallet_core::face::protection::ProtectionKey;

use super::signer::FileSigner;
use super::vault::Vault;

const CONTEXT: &str = "ecert issuer keys 1";
const KEY_FILE_BYTES: usize = 32;

/// The years that each certificate of the chain is valid for. A signer is replaced long before its CA ends.
const YEARS: [i64; 3] = [20, 10, 3];

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct KeyStore {
    root_key: Vec<u8>,
    root_der: Vec<u8>,
    issuing_key: Vec<u8>,
    issuing_der: Vec<u8>,
    signer_key: Vec<u8>,
    signer_der: Vec<u8>,
    secret: [u8; 32],
}

/// Symmetric keys, one a use, so that no value made for one use means anything in another.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secrets {
    /// Document number → eid.
    pub eid: [u8; 32],
    /// Eid → subject of one relying party.
    pub subject: [u8; 32],
    /// Numeric code → what is stored of it.
    pub code: [u8; 32],
    /// What was asked under an Idempotency-Key → what is stored of it.
    pub fingerprint: [u8; 32],
    /// Name and number → a line of the local register.
    pub register: [u8; 32],
    /// Personal data at rest.
    pub vault: [u8; 32],
    /// With a salt, how a template is turned.
    pub template: ProtectionKey,
    /// The transparency log: its signing key and its salts are derived from this one (`flow/log`).
    pub log: [u8; 32],
}

impl Secrets {
    /// Derives all of them from the installation's secret (HKDF, RFC 5869).
    fn derive(secret: &[u8; 32]) -> anyhow::Result<Self> {
        let hkdf = Hkdf::<Sha256>::new(None, secret);
        let derive = |label: &str| {
            let mut key = [0; 32];
            hkdf.expand(label.as_bytes(), &mut key).map_err(|_| anyhow::anyhow!("HKDF refuses 32 bytes"))?;
            anyhow::Ok(key)
        };
        Ok(Self {
            eid: derive("ecert eid")?,
            subject: derive("ecert subject")?,
            code: derive("ecert numeric code")?,
            fingerprint: derive("ecert idempotency fingerprint")?,
            register: derive("ecert register")?,
            vault: derive("ecert vault")?,
            template: ProtectionKey::new(derive("ecert template")?),
            log: derive("ecert transparency log")?,
        })
    }
}

const STORE: &str = "issuer.sealed";

/// Whether keys were ever made in `directory`.
pub fn are_in(directory: &Path) -> bool {
    directory.join(STORE).exists()
}

/// Opens the keys, or makes them where there are none. `now` dates new certificates.
pub fn open_or_create(
    directory: &Path,
    key_file: &Path,
    now: jiff::Timestamp,
) -> anyhow::Result<(FileSigner, Secrets)> {
    fs::create_dir_all(directory)
        .with_context(|| format!("can't make the folder {}", directory.display()))?;
    let sealed_path = directory.join(STORE);
    if sealed_path.exists() && !key_file.exists() {
        bail!(
            "{} is there but its key file {} is not; restore it",
            sealed_path.display(),
            key_file.display()
        );
    }
    let vault = Vault::new(&open_or_create_key_file(key_file)?);
    if !sealed_path.exists() {
        let made = Zeroizing::new(serde_json::to_vec(&create(now)?)?);
        write_new(&sealed_path, &vault.seal(CONTEXT, &made)?)?;
    }
    let sealed = fs::read(&sealed_path).with_context(|| format!("can't read {}", sealed_path.display()))?;
    let opened = vault.open(CONTEXT, &sealed);
    let opened = Zeroizing::new(opened.with_context(|| {
        format!("{} does not open with the key file {}", sealed_path.display(), key_file.display())
    })?);
    let keys: KeyStore = serde_json::from_slice(&opened).context("the key store has another form")?;
    let key =
        SigningKey::from_pkcs8_der(&keys.signer_key).map_err(|_| anyhow::anyhow!("no P-256 signing key"))?;
    let chain = vec![keys.signer_der.clone(), keys.issuing_der.clone()];
    let signer = FileSigner::new(&key, chain, keys.root_der.clone())?;
    Ok((signer, Secrets::derive(&keys.secret)?))
}

fn open_or_create_key_file(path: &Path) -> anyhow::Result<[u8; KEY_FILE_BYTES]> {
    if !path.exists() {
        let mut key = [0; KEY_FILE_BYTES];
        rand::rng().fill_bytes(&mut key);
        write_new(path, &key)?;
    }
    let bytes = fs::read(path).with_context(|| format!("can't read the key file {}", path.display()))?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| {
        anyhow::anyhow!(
            "the key file {} must hold exactly {KEY_FILE_BYTES} bytes, not {length}",
            path.display()
        )
    })
}

/// Writes a file that only we may read and that appears whole or not at all. When somebody else was first, theirs stays.
fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("a key path needs a folder")?;
    fs::create_dir_all(folder)?;
    let mut random = [0; 8];
    rand::rng().fill_bytes(&mut random);
    let temporary = folder.join(format!(".new-{:x}", u64::from_be_bytes(random)));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file =
        options.open(&temporary).with_context(|| format!("can't write in {}", folder.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    // The folder too: after a power cut the store must not be there without its key.
    fs::File::open(folder)?.sync_all()?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("can't write {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn create(now: jiff::Timestamp) -> anyhow::Result<KeyStore> {
    let names = ["E-Cert Root", "E-Cert Issuing CA", "E-Cert Signer"];
    let [root, issuing, signer] = [0, 1, 2].map(|level| parameters(level, &names, now));
    let [root_key, issuing_key, signer_key] =
        [KeyPair::generate()?, KeyPair::generate()?, KeyPair::generate()?];
    let root_certificate = root?.self_signed(&root_key)?;
    let by_root = Issuer::from_ca_cert_der(root_certificate.der(), &root_key)?;
    let issuing_certificate = issuing?.signed_by(&issuing_key, &by_root)?;
    let by_issuing = Issuer::from_ca_cert_der(issuing_certificate.der(), &issuing_key)?;
    let signer_certificate = signer?.signed_by(&signer_key, &by_issuing)?;
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    Ok(KeyStore {
        root_key: root_key.serialize_der(),
        root_der: root_certificate.der().to_vec(),
        issuing_key: issuing_key.serialize_der(),
        issuing_der: issuing_certificate.der().to_vec(),
        signer_key: signer_key.serialize_der(),
        signer_der: signer_certificate.der().to_vec(),
        secret,
    })
}

fn parameters(level: usize, names: &[&str], now: jiff::Timestamp) -> anyhow::Result<CertificateParams> {
    let mut parameters = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, *names.get(level).context("three levels")?);
    parameters.distinguished_name = name;
    let start = now.as_second();
    let days = YEARS.get(level).context("three levels")? * 365;
    // An hour of slack, for verifiers whose clock is behind ours.
    parameters.not_before = time::OffsetDateTime::from_unix_timestamp(start - 3600)?;
    parameters.not_after = time::OffsetDateTime::from_unix_timestamp(start + days * 86_400)?;
    let (is_ca, usages) = match level {
        0 => (
            IsCa::Ca(BasicConstraints::Constrained(1)),
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign],
        ),
        1 => (
            IsCa::Ca(BasicConstraints::Constrained(0)),
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign],
        ),
        _ => (IsCa::ExplicitNoCa, vec![KeyUsagePurpose::DigitalSignature]),
    };
    parameters.is_ca = is_ca;
    parameters.key_usages = usages;
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::signer::Signer as _;
    use jiff::{Timestamp, ToSpan as _};

    #[test]
    fn the_second_start_finds_the_keys_of_the_first_and_the_chain_holds() {
        let folder = tempfile::tempdir().unwrap();
        let (keys, key_file) = (folder.path().join("keys"), folder.path().join("kek"));
        let (first, secrets) = open_or_create(&keys, &key_file, Timestamp::now()).unwrap();
        let (second, again) = open_or_create(&keys, &key_file, Timestamp::now()).unwrap();
        assert_eq!((first.root(), secrets.eid), (second.root(), again.eid));

        let now = Timestamp::now();
        wallet_core::chain::verify(first.chain(), first.root(), now).unwrap();
        let later = now + (4 * 365 * 24).hours();
        assert!(wallet_core::chain::verify(first.chain(), first.root(), later).is_err());
    }

    #[test]
    fn without_the_key_file_nothing_opens_and_nothing_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (keys, key_file) = (folder.path().join("keys"), folder.path().join("kek"));
        open_or_create(&keys, &key_file, Timestamp::now()).unwrap();
        fs::remove_file(&key_file).unwrap();
        assert!(open_or_create(&keys, &key_file, Timestamp::now()).is_err());
        fs::write(&key_file, [7; 32]).unwrap();
        assert!(open_or_create(&keys, &key_file, Timestamp::now()).is_err());
    }
}
