//! Q1, online: opens a redemption by any relying party.

use std::fmt;

use ciborium::Value;
use jiff::Timestamp;
use rand_core::CryptoRng;

use super::Showing;
use super::envelope::{bytes, seal, showing_of, showing_values};
use crate::attributes::Share;
use crate::code::CodeMalformed;
use crate::es256::{Es256Signer, SigningFailed};

pub(super) const CONTEXT: &[u8] = b"ecert-q1";

/// What a Q1 says.
#[derive(Clone, PartialEq, Eq)]
pub struct Q1 {
    /// Which certificate, to the server alone.
    pub handle: [u8; 16],
    /// When it was made, until when, once, and what it may share.
    pub showing: Showing,
}

impl fmt::Debug for Q1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Q1(…)")
    }
}

impl Q1 {
    /// A code made at `now`, to be shown for [`LIFETIME`](super::LIFETIME).
    pub fn new(handle: [u8; 16], share: Share, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Q1 {
        Q1 { handle, showing: Showing::new(share, now, rng) }
    }

    /// Signs with the handle's key. The answer is the text of the QR.
    pub fn sign(&self, key: &(impl Es256Signer + ?Sized)) -> Result<String, SigningFailed> {
        seal(CONTEXT, self.payload(), key)
    }

    pub(super) fn payload(&self) -> Vec<Value> {
        let mut members = vec![Value::Bytes(self.handle.to_vec())];
        members.extend(showing_values(&self.showing));
        members
    }

    pub(super) fn read(handle: &Value, showing: &[Value; 4]) -> Result<Q1, CodeMalformed> {
        Ok(Q1 { handle: bytes(handle)?, showing: showing_of(showing)? })
    }
}
