//! Checkpoints: the size and root of the tree, signed as C2SP signed notes (signed-note, tlog-checkpoint) with Ed25519.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use super::tree::Hash;

/// The signature type of Ed25519 in key ids.
const ED25519_TYPE: u8 = 1;
/// Longer notes are not read, and more signatures not looked at (signed-note, "Signatures").
const MOST_BYTES: usize = 64 * 1024;
const MOST_SIGNATURES: usize = 64;

/// A checkpoint that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a signed checkpoint, or not a verifier key.
    #[error("not a signed checkpoint, or not a key for one")]
    Form,
    /// Of another log.
    #[error("the checkpoint is of another log")]
    Origin,
    /// No signature of the key, or a wrong one.
    #[error("the checkpoint is not signed by the log's key")]
    Signature,
}

/// The public key of a log, with the log's name: `name+id+key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: [u8; 32],
}

impl VerifierKey {
    /// Of this name and Ed25519 key.
    ///
    /// # Errors
    /// When the name is empty, or has spaces or a plus in it.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self, NoteError> {
        let is_bad =
            |character: char| character.is_whitespace() || character.is_control() || character == '+';
        if name.is_empty() || name.contains(is_bad) {
            return Err(NoteError::Form);
        }
        Ok(VerifierKey { name: name.to_owned(), key })
    }

    /// From `name+id+key`, where the id must be that of name and key.
    ///
    /// # Errors
    /// [`NoteError::Form`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, rest) = text.split_once('+').ok_or(NoteError::Form)?;
        let (_, key) = rest.split_once('+').ok_or(NoteError::Form)?;
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::Form)?;
        let Some((&ED25519_TYPE, key)) = bytes.split_first() else { return Err(NoteError::Form) };
        let key = VerifierKey::new(name, key.try_into().map_err(|_| NoteError::Form)?)?;
        if key.to_string() == text { Ok(key) } else { Err(NoteError::Form) }
    }

    /// The log's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name).chain_update([b'\n', ED25519_TYPE]);
        let [a, b, c, d, ..]: [u8; 32] = hash.chain_update(self.key).finalize().into();
        [a, b, c, d]
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = STANDARD.encode([&[ED25519_TYPE], self.key.as_slice()].concat());
        write!(f, "{}+{:08x}+{key}", self.name, u32::from_be_bytes(self.id()))
    }
}

/// The signing key of a log.
pub struct LogKey {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl LogKey {
    /// From a secret seed (RFC 8032 §5.1.5), for the log of this name.
    ///
    /// # Errors
    /// When the name can't be one.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Form)?;
        let key = pair.public_key().as_ref().try_into().map_err(|_| NoteError::Form)?;
        Ok(LogKey { verifier: VerifierKey::new(name, key)?, pair })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs the checkpoint of the tree with this size and root.
    pub fn sign(&self, size: u64, root: Hash) -> String {
        let name = &self.verifier.name;
        let text = Checkpoint { origin: name.clone(), size, root }.to_text();
        let signature = self.pair.sign(text.as_bytes());
        let signature = STANDARD.encode([&self.verifier.id(), signature.as_ref()].concat());
        format!("{text}\n— {name} {signature}\n")
    }
}

/// What is signed: so many leaves have this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

impl Checkpoint {
    fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, to_base64(&self.root))
    }

    /// The checkpoint in a signed note, if the log's key signed it. Other signatures, of witnesses say, are passed over.
    ///
    /// # Errors
    /// When it did not, or the note is none.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Checkpoint, NoteError> {
        if note.len() > MOST_BYTES || !note.ends_with('\n') {
            return Err(NoteError::Form);
        }
        let end = note.rfind("\n\n").ok_or(NoteError::Form)?;
        let (text, signatures) = note.split_at_checked(end + 1).ok_or(NoteError::Form)?;
        let checkpoint = Self::parse(text)?;
        if checkpoint.origin != key.name {
            return Err(NoteError::Origin);
        }
        let ours =
            signatures.lines().skip(1).take(MOST_SIGNATURES).filter_map(|line| signature_of(line, key));
        let public = UnparsedPublicKey::new(&ED25519, key.key);
        let mut any = false;
        for signature in ours {
            public.verify(text.as_bytes(), &signature).map_err(|_| NoteError::Signature)?;
            any = true;
        }
        if any { Ok(checkpoint) } else { Err(NoteError::Signature) }
    }

    fn parse(text: &str) -> Result<Checkpoint, NoteError> {
        let mut lines = text.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(NoteError::Form);
        let (origin, digits, root) = (line()?, line()?, line()?);
        let size = digits.parse::<u64>().ok().filter(|size| size.to_string() == digits);
        let (Some(size), Some(root)) = (size, from_base64(root)) else { return Err(NoteError::Form) };
        Ok(Checkpoint { origin: origin.to_owned(), size, root })
    }
}

/// The signature in a line `— name base64`, if it says that it is by this key.
fn signature_of(line: &str, key: &VerifierKey) -> Option<Vec<u8>> {
    let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    (name == key.name && *id == key.id()).then(|| signature.to_vec())
}

/// Base64 with padding (RFC 4648 §4).
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A hash from its base64.
pub fn from_base64(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}
