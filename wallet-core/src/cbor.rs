//! The one form of CBOR that is read: deterministic (RFC 8949 §4.2.1) and bounded.
//!
//! Invariant: [`check`] passes before anything is built from bytes that a stranger sent. It keeps no copy, allocates
//! nothing, and its recursion is bounded by [`Limits::depth`]. Since every value has one encoding only, two different
//! byte strings never say the same: nothing that was signed or counted once comes back in another coat.

/// The one tag that is read (RFC 9052 §2).
pub const COSE_SIGN1: u64 = 18;

/// How much a document may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole.
    pub bytes: usize,
    /// Items within items: a plain number is 1 deep.
    pub depth: usize,
    /// Items in all, each key and each value being one.
    pub items: usize,
    /// Bytes of one text or byte string.
    pub string: usize,
}

/// Why bytes were not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CborRefused {
    /// More bytes than allowed.
    #[error("more bytes than are read")]
    TooLarge,
    /// The bytes end within an item, or an initial byte is none (RFC 8949 §3).
    #[error("the CBOR is not well-formed")]
    NotWellFormed,
    /// Something follows the item.
    #[error("bytes follow the CBOR")]
    Trailing,
    /// An indefinite length.
    #[error("an indefinite length")]
    Indefinite,
    /// A number, length, count or tag that has a shorter form.
    #[error("a number is not in its shortest form")]
    NotShortest,
    /// A map's keys do not rise.
    #[error("a map's keys are not in their order")]
    KeyOrder,
    /// A map has a key twice.
    #[error("a map has a key twice")]
    DuplicateKey,
    /// Nested too deeply.
    #[error("nested too deeply")]
    TooDeep,
    /// More items than allowed.
    #[error("more items than are read")]
    TooMany,
    /// A string longer than allowed.
    #[error("a longer string than is read")]
    TooLong,
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// A float, `undefined`, an unassigned simple value or a tag other than COSE_Sign1's: none of our formats has one.
    #[error("a kind of value that is not read")]
    Unsupported,
}

/// Whether `bytes` are exactly one item in its deterministic encoding and within `limits`.
pub fn check(bytes: &[u8], limits: &Limits) -> Result<(), CborRefused> {
    if bytes.len() > limits.bytes {
        return Err(CborRefused::TooLarge);
    }
    let mut reader = Reader { rest: bytes, items: limits.items, string: limits.string };
    reader.item(limits.depth)?;
    if reader.rest.is_empty() { Ok(()) } else { Err(CborRefused::Trailing) }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// How many more items there may be.
    items: usize,
    string: usize,
}

impl<'a> Reader<'a> {
    fn item(&mut self, depth: usize) -> Result<(), CborRefused> {
        let below = depth.checked_sub(1).ok_or(CborRefused::TooDeep)?;
        self.items = self.items.checked_sub(1).ok_or(CborRefused::TooMany)?;
        let (major, argument) = self.head()?;
        match major {
            0 | 1 => Ok(()),
            2 => self.string(argument).map(drop),
            3 => match std::str::from_utf8(self.string(argument)?) {
                Ok(_) => Ok(()),
                Err(_) => Err(CborRefused::NotUtf8),
            },
            4 => (0..self.count(argument, 1)?).try_for_each(|_| self.item(below)),
            5 => self.map(argument, below),
            // A small number as a bignum (tag 2) would be a second way to write it; of the rest none is ours.
            6 if argument != COSE_SIGN1 => Err(CborRefused::Unsupported),
            6 => self.item(below),
            // false, true, null.
            _ if (20..=22).contains(&argument) => Ok(()),
            _ => Err(CborRefused::Unsupported),
        }
    }

    /// The major type and the argument of the next item (RFC 8949 §3).
    fn head(&mut self) -> Result<(u8, u64), CborRefused> {
        let first = self.take(1)?.first().copied().unwrap_or_default();
        let (major, information) = (first >> 5, first & 0x1f);
        let width = match information {
            0..=23 => return Ok((major, u64::from(information))),
            // Major type 7 has floats here, and its simple values in two bytes.
            24..=27 if major == 7 => return Err(CborRefused::Unsupported),
            24..=27 => 1 << (information - 24),
            28..=30 => return Err(CborRefused::NotWellFormed),
            _ => return Err(CborRefused::Indefinite),
        };
        let argument = self.take(width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let least = if width == 1 { 24 } else { 1 << (width * 4) };
        if argument < least { Err(CborRefused::NotShortest) } else { Ok((major, argument)) }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], CborRefused> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(CborRefused::NotWellFormed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn string(&mut self, length: u64) -> Result<&'a [u8], CborRefused> {
        let length = usize::try_from(length).ok().filter(|length| *length <= self.string);
        self.take(length.ok_or(CborRefused::TooLong)?)
    }

    /// `argument` entries of `each` items, if that many may still come.
    fn count(&self, argument: u64, each: usize) -> Result<usize, CborRefused> {
        let count = usize::try_from(argument).ok().filter(|count| *count <= self.items / each);
        count.ok_or(CborRefused::TooMany)
    }

    fn map(&mut self, argument: u64, below: usize) -> Result<(), CborRefused> {
        let mut previous: Option<&[u8]> = None;
        for _ in 0..self.count(argument, 2)? {
            let from = self.rest;
            self.item(below)?;
            let key = from.get(..from.len() - self.rest.len()).unwrap_or_default();
            match previous.map(|previous| previous.cmp(key)) {
                None | Some(std::cmp::Ordering::Less) => previous = Some(key),
                Some(std::cmp::Ordering::Equal) => return Err(CborRefused::DuplicateKey),
                Some(std::cmp::Ordering::Greater) => return Err(CborRefused::KeyOrder),
            }
            self.item(below)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ciborium::Value;
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { bytes: 1 << 16, depth: 8, items: 1000, string: 1 << 12 };

    fn verdict(bytes: &[u8]) -> Result<(), CborRefused> {
        check(bytes, &LIMITS)
    }

    #[test]
    fn each_departure_from_the_one_form_has_its_word() {
        use CborRefused::*;
        let cases: [(&[u8], CborRefused); 20] = [
            (b"", NotWellFormed),
            (b"\x1c", NotWellFormed),
            (b"\x18", NotWellFormed),
            (b"\x42\x00", NotWellFormed),
            (b"\x00\x00", Trailing),
            (b"\x9f\xff", Indefinite),
            (b"\xff", Indefinite),
            (b"\x18\x17", NotShortest),
            (b"\x19\x00\xff", NotShortest),
            (b"\x1a\x00\x00\xff\xff", NotShortest),
            (b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff", NotShortest),
            (b"\xa2\x02\x00\x01\x00", KeyOrder),
            (b"\xa2\x01\x00\x01\x00", DuplicateKey),
            (b"\x81\x81\x81\x81\x81\x81\x81\x81\x00", TooDeep),
            (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", TooMany),
            (b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", TooLong),
            (b"\x62\xc3\x28", NotUtf8),
            (b"\xf9\x3c\x00", Unsupported),
            (b"\xc2\x41\x01", Unsupported),
            (b"\xd8\x3d\x80", Unsupported),
        ];
        for (bytes, expected) in cases {
            assert_eq!(verdict(bytes), Err(expected), "{bytes:02x?}");
        }
        assert_eq!(check(&[0x40], &Limits { bytes: 0, ..LIMITS }), Err(TooLarge));
        for good in
            [&b"\x18\x18"[..], b"\x19\x01\x00", b"\xa2\x01\x00\x02\x00", b"\xd2\x80", b"\xf6", b"\x20"]
        {
            assert_eq!(verdict(good), Ok(()), "{good:02x?}");
        }
    }

    #[test]
    fn a_huge_count_is_refused_before_its_items_are_looked_for() {
        // A map of as many pairs as there may be items is one too many.
        assert_eq!(check(b"\xa2", &Limits { items: 4, ..LIMITS }), Err(CborRefused::TooMany));
        assert_eq!(check(b"\xa2", &Limits { items: 5, ..LIMITS }), Err(CborRefused::NotWellFormed));
    }

    proptest! {
        /// What passes is written back, by another implementation, to the very same bytes.
        #[test]
        fn whatever_passes_has_no_other_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if verdict(&bytes).is_ok() {
                let value: Value = ciborium::from_reader(bytes.as_slice()).unwrap();
                let mut again = Vec::new();
                ciborium::into_writer(&value, &mut again).unwrap();
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
