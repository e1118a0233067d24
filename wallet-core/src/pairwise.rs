//! Identifiers derived from the document number under server keys, so that a leaked table of them says nothing.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ids::RelyingPartyId;
use crate::jws::base64url;

/// The holder's root identifier: HMAC-SHA256 of the document number. It never leaves the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Eid([u8; 32]);

impl Eid {
    /// Derives the eid of a document number (its canonical form, upper-case check character).
    pub fn derive(key: &[u8; 32], document_number: &str) -> Eid {
        Eid(keyed(key, &[b"eid/cn-id", document_number.as_bytes()]))
    }

    /// From a stored value.
    pub fn from_bytes(bytes: [u8; 32]) -> Eid {
        Eid(bytes)
    }

    /// To store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What one relying party knows the holder by. Another sees another (OpenID Connect Core §8.1, "pairwise").
    pub fn subject(&self, key: &[u8; 32], rp: RelyingPartyId) -> String {
        let bytes = keyed(key, &[b"subject", &self.0, rp.to_string().as_bytes()]);
        format!("sub_{}", base64url(&bytes))
    }
}

impl fmt::Debug for Eid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Eid(…)")
    }
}

/// HMAC-SHA256 over the parts, each with its length before it, so that no two lists of parts run into one another.
pub fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else {
        unreachable!("HMAC takes a key of any length")
    };
    for part in parts {
        mac.update(&part.len().to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn one_subject_per_relying_party() {
        let eid = Eid::derive(&[1; 32], "11010519491231002X");
        let [a, b] = [0, 1].map(|_| RelyingPartyId::new(Timestamp::UNIX_EPOCH, &mut rand::rng()));
        assert_eq!(eid.subject(&[2; 32], a), eid.subject(&[2; 32], a));
        assert_ne!(eid.subject(&[2; 32], a), eid.subject(&[2; 32], b));
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(keyed(&[0; 32], &[b"ab", b"c"]), keyed(&[0; 32], &[b"a", b"bc"]));
    }
}
