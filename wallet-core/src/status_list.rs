//! IETF Token Status List (draft-ietf-oauth-status-list): two bits a certificate, compressed, signed as a JWT or a CWT.
//!
//! The list is for those who verify a certificate offline. A redemption reads the database itself, so that a revocation
//! counts there at once, not when a list is next fetched.

mod token;

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

pub use token::{StatusListRefused, Trust, Validity, VerifiedStatusList};

const BITS: u8 = 2;
const PER_BYTE: usize = 4;
/// Entries of a list of the default size: 128 Ki, 32 KiB before compression. Half of it is used.
pub const CAPACITY: u32 = 1 << 17;
/// The largest list that is made or read: 16 Mi entries, 4 MiB before compression.
pub const MAX_ENTRIES: u32 = 1 << 24;

/// A certificate's published status (§7.1).
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
        Self::with_entries(CAPACITY)
    }
}

impl std::fmt::Debug for StatusList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StatusList({} entries)", self.entries())
    }
}

impl StatusList {
    /// A list of this many entries, all in force: rounded up to whole bytes, at most [`MAX_ENTRIES`].
    pub fn with_entries(entries: u32) -> Self {
        Self { packed: vec![0; (entries.min(MAX_ENTRIES) as usize).div_ceil(PER_BYTE)] }
    }

    /// How many entries there are.
    pub fn entries(&self) -> u32 {
        u32::try_from(self.packed.len() * PER_BYTE).unwrap_or(MAX_ENTRIES)
    }

    /// Sets the status at `index`; one beyond the list is nobody's and is left out.
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

    /// The `lst` of a token (§4.1): zlib, at the level that the draft recommends.
    fn compress(&self) -> io::Result<Vec<u8>> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&self.packed)?;
        encoder.finish()
    }

    /// Reads an `lst`. A stream that is longer than [`MAX_ENTRIES`] allows is given up there, however much it promises.
    fn decompress(lst: &[u8]) -> Result<Self, StatusListRefused> {
        let most = MAX_ENTRIES as usize / PER_BYTE;
        let mut decoder = ZlibDecoder::new(lst).take(most as u64 + 1);
        let mut packed = Vec::new();
        decoder.read_to_end(&mut packed).map_err(|_| StatusListRefused::Form("`lst` is no zlib stream"))?;
        if packed.len() > most {
            return Err(StatusListRefused::TooLarge);
        }
        if packed.is_empty() || decoder.into_inner().total_in() != lst.len() as u64 {
            return Err(StatusListRefused::Form("`lst` is empty, or more than one stream"));
        }
        Ok(Self { packed })
    }
}

fn place(index: u32) -> (usize, usize) {
    let index = index as usize;
    (index / PER_BYTE, index % PER_BYTE * usize::from(BITS))
}

#[cfg(test)]
mod tests;
