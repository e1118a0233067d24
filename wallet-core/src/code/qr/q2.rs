//! Q2, bound: a Q1 that is good for one relying party, one purpose and one amount. Whoever else scans it holds nothing.

use std::fmt;

use ciborium::Value;
use jiff::Timestamp;
use rand_core::CryptoRng;

use super::Showing;
use super::envelope::{bytes, integer, seal, showing_of, showing_values};
use crate::attributes::Share;
use crate::code::CodeMalformed;
use crate::es256::{Es256Signer, SigningFailed, sha256};
use crate::ids::RelyingPartyId;
use crate::money::{Amount, Currency, Micros};

pub(super) const CONTEXT: &[u8] = b"ecert-q2";

/// What a redemption is for: what the holder saw, and what the relying party asks. The two must agree.
#[derive(Clone, PartialEq, Eq)]
pub struct Bound {
    /// Who may redeem the code.
    pub audience: RelyingPartyId,
    /// For which of its purposes: the first 8 bytes of the SHA-256 of its name. A name has up to 80 letters, and a symbol grows
    /// with what is in it; a name that collides would have to be registered by an admin for this relying party.
    pub purpose: [u8; 8],
    /// For how much, where there is an amount.
    pub amount: Option<Amount>,
}

impl Bound {
    /// To a relying party, a purpose by its registered name, and an amount (not below zero).
    pub fn to(audience: RelyingPartyId, purpose: &str, amount: Option<Amount>) -> Bound {
        let mut digest = [0; 8];
        digest.iter_mut().zip(sha256(purpose.as_bytes())).for_each(|(place, byte)| *place = byte);
        Bound { audience, purpose: digest, amount }
    }
}

/// What a Q2 says.
#[derive(Clone, PartialEq, Eq)]
pub struct Q2 {
    /// Which certificate, to the server alone.
    pub handle: [u8; 16],
    /// When it was made, until when, once, and what it may share.
    pub showing: Showing,
    /// What it is good for.
    pub bound: Bound,
}

impl fmt::Debug for Q2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Q2(…)")
    }
}

impl Q2 {
    /// A code made at `now`, to be shown for [`LIFETIME`](super::LIFETIME).
    pub fn new(
        handle: [u8; 16],
        share: Share,
        bound: Bound,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Q2 {
        Q2 { handle, showing: Showing::new(share, now, rng), bound }
    }

    /// Signs with the handle's key. The answer is the text of the QR.
    pub fn sign(&self, key: &(impl Es256Signer + ?Sized)) -> Result<String, SigningFailed> {
        seal(CONTEXT, self.payload(), key)
    }

    fn payload(&self) -> Vec<Value> {
        let Bound { audience, purpose, amount } = &self.bound;
        let priced = |Amount { currency, micros }: &Amount| {
            Value::Array(vec![currency.code().into(), micros.get().into()])
        };
        let mut members = vec![Value::Bytes(self.handle.to_vec())];
        members.extend(showing_values(&self.showing));
        members.push(Value::Bytes(audience.to_bytes().to_vec()));
        members.push(Value::Bytes(purpose.to_vec()));
        members.push(amount.as_ref().map_or(Value::Null, priced));
        members
    }

    pub(super) fn read(
        handle: &Value,
        showing: &[Value; 4],
        [audience, purpose, amount]: &[Value; 3],
    ) -> Result<Q2, CodeMalformed> {
        let audience = RelyingPartyId::from_bytes(bytes(audience)?);
        let bound = Bound { audience, purpose: bytes(purpose)?, amount: amount_of(amount)? };
        Ok(Q2 { handle: bytes(handle)?, showing: showing_of(showing)?, bound })
    }
}

fn amount_of(value: &Value) -> Result<Option<Amount>, CodeMalformed> {
    if value.is_null() {
        return Ok(None);
    }
    let Some([currency, micros]) = value.as_array().map(Vec::as_slice) else { return Err(CodeMalformed) };
    if currency.as_text() != Some(Currency::Cny.code()) {
        return Err(CodeMalformed);
    }
    let micros = integer(micros).ok().filter(|micros| *micros >= 0).ok_or(CodeMalformed)?;
    Ok(Some(Amount { currency: Currency::Cny, micros: Micros::new(micros) }))
}
