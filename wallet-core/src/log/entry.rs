//! What is logged: a commitment to an act, under a salt that only those concerned are given.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::note::VerifierKey;
use super::proof::{Proof, ProofError};
use crate::jws::{base64url, from_base64url};

/// What stands in the log for an act: 32 bytes that look like chance.
pub type Commitment = [u8; 32];

/// An act. It holds ids, never personal data; the order of its members is the order in its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// `noun.verb`: what was done.
    pub action: String,
    /// Who did it: `rp_…`, `adm_…`, a device's thumbprint, `paper`, `cli`.
    pub actor: String,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Its line of the audit trail.
    pub id: String,
    /// What it was done to.
    pub object: String,
    /// How it ended.
    pub outcome: String,
}

impl Act {
    /// The bytes that are committed to: JSON without spaces, members in the order of their names.
    ///
    /// # Errors
    /// None that can happen: all members are text or numbers.
    pub fn to_text(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

/// The salt of each act, derived from a secret: whoever is given one learns nothing of the others.
#[derive(Clone)]
pub struct Salts([u8; 32]);

impl Salts {
    /// Derived from this secret.
    pub fn new(secret: [u8; 32]) -> Salts {
        Salts(secret)
    }

    /// The salt of the act with this id.
    pub fn of(&self, id: &str) -> [u8; 32] {
        hmac(&self.0, id.as_bytes())
    }
}

/// HMAC-SHA-256 of the act's text under its salt. It hides the act from whoever lacks the salt, and since the salt's length is
/// fixed, nobody finds a second act for it.
pub fn commit(salt: &[u8; 32], text: &str) -> Commitment {
    hmac(salt, text.as_bytes())
}

fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    // A key shorter than SHA-256's block is filled up with zeroes (RFC 2104 §2).
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(place, byte)| *place = *byte);
    Hmac::<Sha256>::new(&block.into()).chain_update(message).finalize().into_bytes().into()
}

/// What proves to anybody that an act was logged. It discloses the act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = LogEvidence))]
pub struct Evidence {
    /// The act's text, byte for byte as it was committed to.
    pub act: String,
    /// Its salt, base64url.
    pub salt: String,
    /// A C2SP tlog-proof; the entry is the commitment.
    pub proof: String,
}

/// Evidence that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The salt is not 32 bytes, or the act not one.
    #[error("the salt or the act has another form")]
    Form,
    /// The proof does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl Evidence {
    /// Of an act with its salt.
    pub fn new(act: String, salt: &[u8; 32], proof: &Proof) -> Evidence {
        Evidence { act, salt: base64url(salt), proof: proof.to_text() }
    }

    /// The act, if it is in the log that the key belongs to.
    ///
    /// # Errors
    /// When it is not, or that is not proven.
    pub fn verify(&self, key: &VerifierKey) -> Result<Act, EvidenceError> {
        let salt = from_base64url(&self.salt).ok().and_then(|salt| salt.try_into().ok());
        let salt: [u8; 32] = salt.ok_or(EvidenceError::Form)?;
        Proof::parse(&self.proof)?.verify(&commit(&salt, &self.act), key)?;
        serde_json::from_str(&self.act).map_err(|_| EvidenceError::Form)
    }
}
