//! A sealed file: AES-256-GCM under the 32 bytes of a key file, or under a pass phrase by Argon2id (RFC 9106).
//!
//! The file is JSON, `{"ecert_sealed": 2, "kdf": …, "sealed": base64}`. How the key is derived stands in clear, salt
//! included, and is bound to the content as associated data, so that nobody can weaken it unseen.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::edge::vault::Vault;

const FORMAT: u32 = 2;
/// RFC 9106 §4, the second recommended option: 64 MiB, three passes, four lanes. About 0.1 s.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;
/// What a file may ask for: the header is read before anything is verified, and must not exhaust the machine.
const MOST_MEMORY_KIB: u32 = 1024 * 1024;
const MOST_PASSES: u32 = 64;
const MOST_LANES: u32 = 64;
const SALT_BYTES: usize = 16;
/// A pass phrase is the only thing between a stolen file and the keys.
pub(super) const LEAST_PASS_PHRASE: usize = 12;

/// What opens a sealed file.
#[derive(Clone)]
pub(super) enum Lock {
    /// The content of a key file.
    KeyFile(Zeroizing<[u8; 32]>),
    /// What somebody remembers.
    PassPhrase(Zeroizing<String>),
}

/// How the key is derived, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Kdf {
    /// The key file's bytes are the key.
    KeyFile,
    /// Argon2id, version 0x13.
    Argon2id {
        /// KiB.
        memory_kib: u32,
        /// Iterations.
        passes: u32,
        /// Degree of parallelism.
        lanes: u32,
        /// Base64, at least 8 bytes.
        salt: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    ecert_sealed: u32,
    kdf: Kdf,
    sealed: String,
}

/// A derived key, with how it was derived: opens and seals again without asking for the pass phrase.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) kdf: Kdf,
    vault: Vault,
}

impl Key {
    /// A key for a new file, under a fresh salt.
    pub(super) fn fresh(lock: &Lock) -> anyhow::Result<Key> {
        let kdf = match lock {
            Lock::KeyFile(_) => Kdf::KeyFile,
            Lock::PassPhrase(words) => {
                ensure!(
                    words.chars().count() >= LEAST_PASS_PHRASE,
                    "a pass phrase needs at least {LEAST_PASS_PHRASE} characters; five or six random words are good"
                );
                let mut salt = [0; SALT_BYTES];
                rand::rng().fill_bytes(&mut salt);
                let salt = STANDARD.encode(salt);
                Kdf::Argon2id { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES, salt }
            }
        };
        Key::derive(lock, kdf)
    }

    /// The key of a file that says `kdf`.
    pub(super) fn derive(lock: &Lock, kdf: Kdf) -> anyhow::Result<Key> {
        let vault = match (lock, &kdf) {
            (Lock::KeyFile(bytes), Kdf::KeyFile) => Vault::new(bytes),
            (Lock::PassPhrase(words), Kdf::Argon2id { memory_kib, passes, lanes, salt }) => {
                let within = *memory_kib <= MOST_MEMORY_KIB && *passes <= MOST_PASSES && *lanes <= MOST_LANES;
                ensure!(
                    within,
                    "the file asks for more Argon2id than is sensible; it may have been tampered with"
                );
                let parameters = Params::new(*memory_kib, *passes, *lanes, Some(32));
                let parameters = parameters.map_err(|error| anyhow::anyhow!("Argon2id: {error}"))?;
                let salt = STANDARD.decode(salt).context("the salt is no base64")?;
                let mut key = Zeroizing::new([0; 32]);
                Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
                    .hash_password_into(words.as_bytes(), &salt, key.as_mut_slice())
                    .map_err(|error| anyhow::anyhow!("Argon2id: {error}"))?;
                Vault::new(&key)
            }
            (_, Kdf::KeyFile) => bail!("the file is sealed under a key file, not under a pass phrase"),
            (_, Kdf::Argon2id { .. }) => {
                bail!("the file is sealed under a pass phrase, not under a key file")
            }
        };
        Ok(Key { kdf, vault })
    }

    /// Seals `plain` as a whole file.
    pub(super) fn seal(&self, context: &str, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
        let sealed = self.vault.seal(&bound(context, &self.kdf)?, plain)?;
        let envelope =
            Envelope { ecert_sealed: FORMAT, kdf: self.kdf.clone(), sealed: STANDARD.encode(sealed) };
        Ok(serde_json::to_vec_pretty(&envelope)?)
    }

    /// Opens a file that says the same `kdf` as this key.
    pub(super) fn open(&self, context: &str, file: &SealedFile) -> anyhow::Result<Zeroizing<Vec<u8>>> {
        let context = match file.format {
            FileFormat::First => context.to_owned(),
            FileFormat::Envelope => bound(context, &file.kdf)?,
        };
        let opened = self.vault.open(&context, &file.sealed).map(Zeroizing::new);
        opened.context("a wrong key file or pass phrase, or a damaged file")
    }
}

fn bound(context: &str, kdf: &Kdf) -> anyhow::Result<String> {
    Ok(format!("{context} {}", serde_json::to_string(kdf)?))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FileFormat {
    /// Bare, under a key file: what versions before 0.2 wrote.
    First,
    Envelope,
}

/// A sealed file that was read and not yet opened.
pub(super) struct SealedFile {
    pub(super) kdf: Kdf,
    format: FileFormat,
    sealed: Vec<u8>,
}

impl SealedFile {
    /// Takes a file apart.
    pub(super) fn parse(bytes: Vec<u8>) -> anyhow::Result<SealedFile> {
        // The first format begins with a random nonce, and no envelope lacks these words.
        let is_envelope =
            bytes.first() == Some(&b'{') && bytes.windows(14).any(|part| part == b"\"ecert_sealed\"");
        if !is_envelope {
            return Ok(SealedFile { kdf: Kdf::KeyFile, format: FileFormat::First, sealed: bytes });
        }
        let envelope: Envelope =
            serde_json::from_slice(&bytes).context("the sealed file has another form")?;
        ensure!(envelope.ecert_sealed == FORMAT, "the sealed file is of a newer version");
        let sealed = STANDARD.decode(envelope.sealed).context("the sealed file is damaged")?;
        Ok(SealedFile { kdf: envelope.kdf, format: FileFormat::Envelope, sealed })
    }
}

/// Writes a file that only we may read and that appears whole or not at all. When somebody else was first, theirs stays.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write(path, bytes, |temporary| match fs::hard_link(temporary, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    })
}

/// The same for a file that may be there: whoever reads it sees the old one or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write(path, bytes, |temporary| fs::rename(temporary, path))
}

fn write(path: &Path, bytes: &[u8], put: impl FnOnce(&Path) -> std::io::Result<()>) -> anyhow::Result<()> {
    let folder = match path.parent().context("a key path needs a folder")? {
        here if here.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
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
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| put(&temporary));
    // Moved away where all went well; where it did not, nothing is left behind.
    let _ = fs::remove_file(&temporary);
    written.with_context(|| format!("can't write {}", path.display()))?;
    // The folder too: after a power cut the store must not be there without its key.
    Ok(fs::File::open(folder)?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Lock {
        Lock::PassPhrase(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn a_pass_phrase_opens_its_file_and_another_one_does_not() {
        let key = Key::fresh(&words("correct horse battery")).unwrap();
        let file = SealedFile::parse(key.seal("keys", b"secret").unwrap()).unwrap();
        let again = Key::derive(&words("correct horse battery"), file.kdf.clone()).unwrap();
        assert_eq!(again.open("keys", &file).unwrap().as_slice(), b"secret");
        assert!(again.open("other", &file).is_err());
        let wrong = Key::derive(&words("correct horse batterz"), file.kdf.clone()).unwrap();
        assert!(wrong.open("keys", &file).is_err());
        assert!(Key::fresh(&words("short")).is_err());
    }

    #[test]
    fn the_parameters_are_bound_to_the_content_and_bounded() {
        let key = Key::fresh(&words("correct horse battery")).unwrap();
        let text = String::from_utf8(key.seal("keys", b"secret").unwrap()).unwrap();
        let weaker = text.replace("\"passes\": 3", "\"passes\": 2");
        assert_ne!(weaker, text);
        let file = SealedFile::parse(weaker.into_bytes()).unwrap();
        assert!(key.open("keys", &file).is_err());
        let bomb = SealedFile::parse(text.replace("65536", "4294967295").into_bytes()).unwrap();
        let refused = Key::derive(&words("correct horse battery"), bomb.kdf).err().unwrap();
        assert!(refused.to_string().contains("tampered"), "{refused}");
    }
}
