//! The key store: one sealed file with every key of the issuer, its certificate, and what became of it.
//!
//! It is read whole and replaced whole, under a lock file, so that two that change it do it one after the other and whoever
//! reads it sees one state or the next.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use parking_lot::Mutex;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use wallet_core::chain;
use wallet_core::jws::thumbprint;
use wallet_core::x509_lint::{self, Role};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::keks::StoredKek;
use super::pass_phrase::SecretSource;
use super::sealed_file::{self, Kdf, Key, Lock, SealedFile};
use crate::edge::signer::KeyReference;

const CONTEXT: &str = "ecert issuer keys 1";
/// Of a store that has keys for wrapping. A program that does not know these can't open it, and so can't lose them by writing it anew.
const WITH_KEKS: &str = "ecert issuer keys 2";
pub(super) const STORE: &str = "issuer.sealed";
const LOCK: &str = "lock";
const KEY_FILE_BYTES: usize = 32;

/// Why a key is taken out of use before its time (RFC 5280 §5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum RetirementReason {
    /// Somebody else has it, or may have it: nothing that it signed can be believed any more.
    KeyCompromise,
    /// Another one took its place.
    Superseded,
    /// It is not needed any more.
    CessationOfOperation,
}

/// That a key was taken back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Retirement {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: RetirementReason,
}

/// One key of the issuer.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::edge) struct StoredKey {
    /// Its JWK thumbprint.
    pub(in crate::edge) kid: String,
    pub(in crate::edge) role: Role,
    /// DER.
    pub(in crate::edge) certificate: Vec<u8>,
    /// The kid of the CA that certified it; a root's own.
    pub(in crate::edge) above: String,
    /// Where the private half is; none where it is not in this installation (any more).
    pub(in crate::edge) private: Option<KeyReference>,
    /// From when it signs; the last one of a role that has begun is the one that does.
    pub(in crate::edge) active_from: Timestamp,
    pub(in crate::edge) retired: Option<Retirement>,
}

impl StoredKey {
    /// A key that was just certified.
    pub(super) fn new(
        role: Role,
        certificate: Vec<u8>,
        above: Option<&str>,
        private: KeyReference,
        active_from: Timestamp,
    ) -> anyhow::Result<Self> {
        let kid = thumbprint(&x509_lint::public_key(&certificate)?);
        let above = above.unwrap_or(&kid).to_owned();
        Ok(Self { kid, role, certificate, above, private: Some(private), active_from, retired: None })
    }

    /// Whether its certificate is valid at `now` and it was not taken back.
    pub(in crate::edge) fn is_good(&self, now: Timestamp) -> bool {
        self.retired.is_none() && chain::expiry(&self.certificate).is_ok_and(|end| now < end)
    }
}

/// What the sealed file holds.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct Contents {
    pub(in crate::edge) secret: Zeroizing<[u8; 32]>,
    /// In the order in which they were made.
    pub(in crate::edge) keys: Vec<StoredKey>,
    /// The root's list of issuing CAs that it took back, signed when the root was last at hand.
    pub(in crate::edge) root_crl: Option<Vec<u8>>,
    /// Keys that wrap holders' data keys; none in a store from before there were any.
    #[serde(default)]
    pub(super) keks: Vec<StoredKek>,
}

impl Contents {
    /// With a fresh secret, and a key that wraps.
    pub(super) fn empty(now: Timestamp) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rand::rng().fill_bytes(secret.as_mut_slice());
        Self { secret, keys: Vec::new(), root_crl: None, keks: vec![StoredKek::fresh(now)] }
    }

    /// The keys that wrap; in a store from before there were any, the one that follows from its secret.
    pub(super) fn keks(&self) -> anyhow::Result<Vec<StoredKek>> {
        if self.keks.is_empty() {
            return Ok(vec![StoredKek::derived(super::derived(&self.secret, "ecert data keys")?)]);
        }
        Ok(self.keks.clone())
    }

    fn seal(&self, key: &Key) -> anyhow::Result<Vec<u8>> {
        key.seal(if self.keks.is_empty() { CONTEXT } else { WITH_KEKS }, &json(self)?)
    }

    pub(in crate::edge) fn of(&self, role: Role) -> impl DoubleEndedIterator<Item = &StoredKey> {
        self.keys.iter().filter(move |key| key.role == role)
    }

    /// The key with this name.
    pub(in crate::edge) fn find(&self, kid: &str) -> Option<&StoredKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// The root: there is one.
    pub(in crate::edge) fn root(&self) -> anyhow::Result<&StoredKey> {
        self.of(Role::Root).next_back().context("the key store has no root")
    }

    /// The one of `role` that signs at `now`: the last that has begun and is good; before any has, the first to come.
    pub(in crate::edge) fn active(&self, role: Role, now: Timestamp) -> Option<&StoredKey> {
        let good = || self.of(role).filter(|key| key.is_good(now));
        let begun = good().filter(|key| key.active_from <= now).max_by_key(|key| key.active_from);
        begun.or_else(|| good().min_by_key(|key| key.active_from))
    }
}

/// What versions before 0.2 wrote: one key a role.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct FirstContents {
    root_key: Vec<u8>,
    root_der: Vec<u8>,
    issuing_key: Vec<u8>,
    issuing_der: Vec<u8>,
    signer_key: Vec<u8>,
    signer_der: Vec<u8>,
    secret: [u8; 32],
}

impl TryFrom<FirstContents> for Contents {
    type Error = anyhow::Error;

    fn try_from(first: FirstContents) -> anyhow::Result<Self> {
        let mut keys: Vec<StoredKey> = Vec::new();
        let all = [
            (Role::Root, &first.root_der, &first.root_key),
            (Role::Issuing, &first.issuing_der, &first.issuing_key),
            (Role::Signer, &first.signer_der, &first.signer_key),
        ];
        for (role, certificate, key) in all {
            let (above, private) =
                (keys.last().map(|key| key.kid.clone()), KeyReference::Sealed(key.clone()));
            let from = x509_lint::begins(certificate)?;
            keys.push(StoredKey::new(role, certificate.clone(), above.as_deref(), private, from)?);
        }
        Ok(Self { secret: Zeroizing::new(first.secret), keys, root_crl: None, keks: Vec::new() })
    }
}

/// How a new store is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Seal {
    /// Under a key file, which is made.
    KeyFile,
    /// Under a pass phrase.
    PassPhrase,
}

/// Where the store is and what opens it.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The folder.
    pub folder: PathBuf,
    /// 32 bytes.
    pub key_file: PathBuf,
    /// Where the pass phrase comes from, if the store has one.
    pub pass_phrase: SecretSource,
    /// How a new one is sealed.
    pub seal: Seal,
}

/// What changes with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::edge) struct Stamp {
    modified: SystemTime,
    length: u64,
    /// A file that replaces another is a new one, however fast that goes.
    inode: u64,
}

/// The store on disk.
pub(super) struct KeyStore {
    settings: StoreSettings,
    /// What it was last opened with: a pass phrase is asked for once.
    key: Mutex<Option<Key>>,
}

impl KeyStore {
    pub(super) fn new(settings: StoreSettings) -> Self {
        Self { settings, key: Mutex::new(None) }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.settings.folder.join(STORE)
    }

    pub(super) fn exists(&self) -> bool {
        self.path().exists()
    }

    /// What tells a changed file from the one that was read.
    pub(super) fn stamp(&self) -> anyhow::Result<Stamp> {
        let path = self.path();
        let about = fs::metadata(&path).with_context(|| format!("can't read {}", path.display()))?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&about);
        #[cfg(not(unix))]
        let inode = 0;
        Ok(Stamp { modified: about.modified()?, length: about.len(), inode })
    }

    /// Makes the store with what `make` says, if there is none. Whoever comes second finds what the first one made.
    pub(super) fn create(&self, make: impl FnOnce() -> anyhow::Result<Contents>) -> anyhow::Result<()> {
        let _lock = self.lock()?;
        if self.exists() {
            return Ok(());
        }
        let lock = match self.settings.seal {
            Seal::KeyFile => Lock::KeyFile(open_or_create_key_file(&self.settings.key_file)?),
            Seal::PassPhrase => Lock::PassPhrase(self.settings.pass_phrase.get_new()?),
        };
        let key = Key::fresh(&lock)?;
        sealed_file::write_new(&self.path(), &make()?.seal(&key)?)?;
        *self.key.lock() = Some(key);
        Ok(())
    }

    /// Opens it.
    pub(super) fn read(&self) -> anyhow::Result<Contents> {
        let path = self.path();
        let bytes = fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
        let file = SealedFile::parse(bytes).with_context(|| path.display().to_string())?;
        let key = self.key(&file.kdf)?;
        let opened = key.open(WITH_KEKS, &file).or_else(|_| key.open(CONTEXT, &file));
        let opened = opened.with_context(|| format!("{} does not open", path.display()))?;
        *self.key.lock() = Some(key);
        // Without serde's words: they quote values.
        if let Ok(contents) = serde_json::from_slice::<Contents>(&opened) {
            return Ok(contents);
        }
        let first = serde_json::from_slice::<FirstContents>(&opened);
        first.map_err(|_| anyhow::anyhow!("the key store has another form"))?.try_into()
    }

    fn key(&self, kdf: &Kdf) -> anyhow::Result<Key> {
        if let Some(key) = self.key.lock().clone().filter(|key| key.kdf == *kdf) {
            return Ok(key);
        }
        let lock = match kdf {
            Kdf::KeyFile => Lock::KeyFile(read_key_file(&self.settings.key_file, &self.path())?),
            Kdf::Argon2id { .. } => Lock::PassPhrase(self.settings.pass_phrase.get()?),
        };
        Key::derive(&lock, kdf.clone())
    }

    /// Changes it: what `change` answers is written before it is given back.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Contents) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let _lock = self.lock()?;
        let mut contents = self.read()?;
        let done = change(&mut contents)?;
        let key = self.key.lock().clone().context("the store was just opened")?;
        sealed_file::replace(&self.path(), &contents.seal(&key)?)?;
        Ok(done)
    }

    /// Seals it anew, under another key file or pass phrase.
    pub(super) fn reseal(&self, seal: Seal, new_pass_phrase: &SecretSource) -> anyhow::Result<()> {
        let _lock = self.lock()?;
        let contents = self.read()?;
        let lock = match seal {
            Seal::KeyFile => Lock::KeyFile(open_or_create_key_file(&self.settings.key_file)?),
            Seal::PassPhrase => Lock::PassPhrase(new_pass_phrase.get_new()?),
        };
        let key = Key::fresh(&lock)?;
        sealed_file::replace(&self.path(), &contents.seal(&key)?)?;
        *self.key.lock() = Some(key);
        Ok(())
    }

    fn lock(&self) -> anyhow::Result<fs::File> {
        let folder = &self.settings.folder;
        fs::create_dir_all(folder).with_context(|| format!("can't make the folder {}", folder.display()))?;
        let path = folder.join(LOCK);
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| format!("can't write {}", path.display()))?;
        file.lock().with_context(|| format!("can't lock {}", path.display()))?;
        Ok(file)
    }
}

fn json(contents: &Contents) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    Ok(Zeroizing::new(serde_json::to_vec(contents)?))
}

fn open_or_create_key_file(path: &Path) -> anyhow::Result<Zeroizing<[u8; KEY_FILE_BYTES]>> {
    if !path.exists() {
        let mut key = Zeroizing::new([0; KEY_FILE_BYTES]);
        rand::rng().fill_bytes(key.as_mut_slice());
        sealed_file::write_new(path, key.as_slice())?;
    }
    read_key_file(path, path)
}

fn read_key_file(path: &Path, opens: &Path) -> anyhow::Result<Zeroizing<[u8; KEY_FILE_BYTES]>> {
    if !path.exists() {
        bail!("{} is there but its key file {} is not; restore it", opens.display(), path.display());
    }
    let bytes = fs::read(path).map(Zeroizing::new);
    let bytes = bytes.with_context(|| format!("can't read the key file {}", path.display()))?;
    let length = bytes.len();
    ensure!(
        length == KEY_FILE_BYTES,
        "the key file {} must hold exactly {KEY_FILE_BYTES} bytes, not {length}",
        path.display()
    );
    let mut key = Zeroizing::new([0; KEY_FILE_BYTES]);
    key.copy_from_slice(&bytes);
    Ok(key)
}
