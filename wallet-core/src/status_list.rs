//! IETF Token Status List: two bits a certificate, compressed, signed as a JWT.
//!
//! The list is for those who verify a certificate offline. A redemption reads the database itself, so that a revocation
//! counts there at once, not when a list is next fetched.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::es256::{Es256Signer, PublicKey, SigningFailed};
use crate::jws::{self, JwsError, UnverifiedJws, base64url, from_base64url};

const TYP: &str = "statuslist+jwt";
const BITS: usize = 2;
const PER_BYTE: usize = 8 / BITS;
/// Entries in one list: 128 Ki, 32 KiB before compression. A new holder hides among that many others.
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
    ttl: i64,
    status_list: Lst,
}

#[derive(Serialize, Deserialize)]
struct Lst {
    bits: usize,
    lst: String,
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
        ttl_seconds: i64,
        now: Timestamp,
        header: Map<String, Value>,
        signer: &(impl Es256Signer + ?Sized),
    ) -> Result<String, SigningFailed> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        let compressed = encoder.write_all(&self.packed).and_then(|()| encoder.finish());
        let compressed = compressed.map_err(|error| SigningFailed(error.to_string()))?;
        let status_list = Lst { bits: BITS, lst: base64url(&compressed) };
        let claims = Claims { sub: uri.to_owned(), iat: now.as_second(), ttl: ttl_seconds, status_list };
        jws::sign(TYP, header, &claims, signer)
    }

    /// Reads a token signed by `key` for the list at `uri`.
    pub fn verify(token: &str, uri: &str, key: &PublicKey) -> Result<StatusList, JwsError> {
        let claims: Claims = UnverifiedJws::parse(token, TYP)?.verify(key)?;
        if claims.sub != uri || claims.status_list.bits != BITS {
            return Err(JwsError::Header);
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
        let token = list.sign("https://x.test/1", 60, Timestamp::UNIX_EPOCH, Map::new(), &key).unwrap();
        let read = StatusList::verify(&token, "https://x.test/1", &(&key).into()).unwrap();
        let statuses: Vec<_> = [4, 5, 6, 7, CAPACITY - 1, CAPACITY].map(|index| read.get(index)).into();
        use Status::{Invalid, Suspended, Valid};
        assert_eq!(statuses, [Some(Valid), Some(Invalid), Some(Suspended), Some(Valid), Some(Invalid), None]);
        assert!(StatusList::verify(&token, "https://x.test/2", &(&key).into()).is_err());
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
