//! IETF Token Status List: two bits a certificate, compressed, signed as a JWT.
//!
//! The list is for those who verify a certificate offline. A redemption reads the database itself, so that a revocation
//! counts there at once, not when a list is next fetched.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::es256::{Es256Signer, PublicKey, SigningFailed};
use crate::jws::{self, JwsError, UnverifiedJws, base64url, from_base64url};

const TYP: &str = "statuslist+jwt";
const BITS: usize = 2;
const PER_BYTE: usize = 8 / BITS;
/// Entries in one list: 128 Ki, 32 KiB before compression. Half of it is used.
pub const CAPACITY: u32 = 1 << 17;

/// A certificate's published status (Token Status List §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 0: in force, or an index that nobody has.
    Valid,
    /// 1: revoked or superseded, for good.
    Invalid,
    /// 2: suspended, may come back.
    Suspended,
}

impl Status {
    fn bits(self) -> u8 {
        match self {
            Status::Valid => 0,
            Status::Invalid => 1,
            Status::Suspended => 2,
        }
    }
}

/// The statuses of one list.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusList {
    packed: Vec<u8>,
}

impl Default for StatusList {
    fn default() -> Self {
        Self { packed: vec![0; CAPACITY as usize / PER_BYTE] }
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    iat: i64,
    exp: i64,
    ttl: i64,
    status_list: Lst,
}

#[derive(Serialize, Deserialize)]
struct Lst {
    bits: usize,
    lst: String,
}

/// From when a published list holds, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    /// When it was signed.
    pub issued_at: Timestamp,
    /// How long it may be kept before it is asked for again.
    pub ttl: SignedDuration,
    /// How long it is believed at all: an older one may have been held back to hide a revocation.
    pub lifetime: SignedDuration,
}

impl StatusList {
    /// Sets the status at `index`; one beyond [`CAPACITY`] is nobody's and is left out.
    pub fn set(&mut self, index: u32, status: Status) {
        let (byte, shift) = place(index);
        if let Some(byte) = self.packed.get_mut(byte) {
            *byte = (*byte & !(0b11 << shift)) | (status.bits() << shift);
        }
    }

    /// The status at `index`; `None` where the list has none or the value is not one we know.
    pub fn get(&self, index: u32) -> Option<Status> {
        let (byte, shift) = place(index);
        let bits = (self.packed.get(byte)? >> shift) & 0b11;
        [Status::Valid, Status::Invalid, Status::Suspended].into_iter().find(|status| status.bits() == bits)
    }

    /// The signed token of this list. `header` carries the signer's chain.
    pub fn sign(
        &self,
        uri: &str,
        validity: Validity,
        header: Map<String, Value>,
        signer: &(impl Es256Signer + ?Sized),
    ) -> Result<String, SigningFailed> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        let compressed = encoder.write_all(&self.packed).and_then(|()| encoder.finish());
        let compressed = compressed.map_err(|error| SigningFailed(error.to_string()))?;
        let status_list = Lst { bits: BITS, lst: base64url(&compressed) };
        let claims = Claims {
            sub: uri.to_owned(),
            iat: validity.issued_at.as_second(),
            exp: validity.issued_at.as_second().saturating_add(validity.lifetime.as_secs()),
            ttl: validity.ttl.as_secs(),
            status_list,
        };
        jws::sign(TYP, header, &claims, signer)
    }

    /// Reads a token signed by `key` for the list at `uri` that holds at `now`.
    pub fn verify(token: &str, uri: &str, key: &PublicKey, now: Timestamp) -> Result<StatusList, JwsError> {
        let claims: Claims = UnverifiedJws::parse(token, TYP)?.verify(key)?;
        let holds = claims.iat <= now.as_second() && now.as_second() < claims.exp;
        if claims.sub != uri || claims.status_list.bits != BITS || !holds {
            return Err(JwsError::NotForThis);
        }
        let compressed = from_base64url(&claims.status_list.lst)?;
        let mut packed = Vec::new();
        // One byte more than a full list shows that there is more, without unpacking a bomb.
        let limit = u64::from(CAPACITY) / PER_BYTE as u64 + 1;
        ZlibDecoder::new(compressed.as_slice())
            .take(limit)
            .read_to_end(&mut packed)
            .map_err(|_| JwsError::Malformed)?;
        if packed.len() > CAPACITY as usize / PER_BYTE {
            return Err(JwsError::Malformed);
        }
        Ok(StatusList { packed })
    }
}

fn place(index: u32) -> (usize, usize) {
    let index = index as usize;
    (index / PER_BYTE, index % PER_BYTE * BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::SigningKey;
    use p256::elliptic_curve::Generate;

    #[test]
    fn what_was_published_is_what_is_read() {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        let mut list = StatusList::default();
        list.set(5, Status::Invalid);
        list.set(6, Status::Suspended);
        list.set(CAPACITY - 1, Status::Invalid);
        let read = read_back(&list, &key, "https://x.test/1", 0).unwrap();
        let statuses: Vec<_> = [4, 5, 6, 7, CAPACITY - 1, CAPACITY].map(|index| read.get(index)).into();
        use Status::{Invalid, Suspended, Valid};
        assert_eq!(statuses, [Some(Valid), Some(Invalid), Some(Suspended), Some(Valid), Some(Invalid), None]);
        assert!(read_back(&list, &key, "https://x.test/2", 0).is_err());
    }

    #[test]
    fn a_list_that_was_held_back_is_not_believed() {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        let verdicts = [-1, 0, 3599, 3600]
            .map(|second| read_back(&StatusList::default(), &key, "https://x.test/1", second).is_ok());
        assert_eq!(verdicts, [false, true, true, false]);
    }

    #[test]
    fn a_full_list_of_random_statuses_is_read() {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        let mut list = StatusList::default();
        for index in 0..CAPACITY {
            list.set(index, [Status::Valid, Status::Invalid, Status::Suspended][rand::random_range(0..3)]);
        }
        assert!(read_back(&list, &key, "https://x.test/1", 0).unwrap() == list);
    }

    fn read_back(
        list: &StatusList,
        key: &SigningKey,
        uri: &str,
        second: i64,
    ) -> Result<StatusList, JwsError> {
        let (ttl, lifetime) = (SignedDuration::from_secs(60), SignedDuration::from_secs(3600));
        let validity = Validity { issued_at: Timestamp::UNIX_EPOCH, ttl, lifetime };
        let token = list.sign("https://x.test/1", validity, Map::new(), key).unwrap();
        StatusList::verify(&token, uri, &key.into(), Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn the_specifications_packing_of_two_bits() {
        // Token Status List §4.2: entry 0 stands in the lowest bits of byte 0.
        let mut list = StatusList::default();
        for (index, status) in
            [(0, Status::Invalid), (1, Status::Suspended), (2, Status::Valid), (4, Status::Invalid)]
        {
            list.set(index, status);
        }
        assert_eq!(&list.packed[..2], &[0b0000_1001, 0b0000_0001]);
    }
}
