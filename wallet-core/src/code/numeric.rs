//! The 16 digits: `V RRRRRRRRRRRRR CC`, shown 4-4-4-4.
//!
//! Version, 13 random digits (43 bits) and two check digits of ISO 7064 MOD 97-10, which catch every single error, swap,
//! jump swap and twin error, so that a slip of the finger is told from a guess. Not 18 digits: that is a citizen number.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use rand_core::CryptoRng;

use super::CodeMalformed;
use crate::pairwise::keyed;

/// How long a minted code lives.
pub const LIFETIME: SignedDuration = SignedDuration::from_secs(120);

const ONE_TIME: u8 = b'1';
const RANDOM_DIGITS: u64 = 10_u64.pow(13);

/// A well-formed one-time code. `Debug` shows no digit of it.
#[derive(Clone, PartialEq, Eq)]
pub struct NumericCode([u8; 16]);

impl NumericCode {
    /// A fresh code from a cryptographic source, uniform over 10¹³.
    pub fn mint(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(draw(ONE_TIME, rng))
    }

    /// The digits without gaps.
    pub fn digits(&self) -> String {
        self.0.iter().copied().map(char::from).collect()
    }

    /// As shown to people: four groups of four.
    pub fn grouped(&self) -> String {
        grouped(&self.0)
    }

    /// What is stored instead of the code: HMAC-SHA256 under a server key. 43 bits could be searched through if the
    /// database leaked with a plain hash.
    pub fn mac(&self, key: &[u8; 32]) -> [u8; 32] {
        keyed(key, &[b"numeric code", &self.0])
    }
}

/// Sixteen digits of a version, as shown to people.
pub(super) fn grouped(digits: &[u8; 16]) -> String {
    digits.chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

/// Sixteen fresh digits of a version: uniform over 10¹³, with their check digits.
pub(super) fn draw(version: u8, rng: &mut (impl CryptoRng + ?Sized)) -> [u8; 16] {
    // Rejection keeps the draw uniform: a plain remainder would favour low codes.
    let limit = u64::MAX - u64::MAX % RANDOM_DIGITS;
    let drawn = loop {
        let candidate = rng.next_u64();
        if candidate < limit {
            break candidate % RANDOM_DIGITS;
        }
    };
    write(version, drawn)
}

/// The digits of a version for a number below 10¹³, with their check digits.
pub(super) fn write(version: u8, number: u64) -> [u8; 16] {
    let payload = format!("{}{number:013}", char::from(version));
    let check = 98 - remainder_97(payload.bytes().chain(*b"00"));
    let mut digits = [b'0'; 16];
    for (place, digit) in digits.iter_mut().zip(format!("{payload}{check:02}").bytes()) {
        *place = digit;
    }
    digits
}

/// Sixteen digits of a version with right check digits. Accepts gaps of spaces or hyphens, as people type them.
pub(super) fn read(version: u8, text: &str) -> Result<[u8; 16], CodeMalformed> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b' ' | b'-')).collect();
    let digits: [u8; 16] = digits.try_into().map_err(|_| CodeMalformed)?;
    let well_formed = digits.iter().all(u8::is_ascii_digit)
        && digits.first() == Some(&version)
        && remainder_97(digits.iter().copied()) == 1;
    if well_formed { Ok(digits) } else { Err(CodeMalformed) }
}

/// ISO 7064 MOD 97-10: digits that end in their check digits leave 1.
pub(super) fn remainder_97(digits: impl Iterator<Item = u8>) -> u32 {
    digits.fold(0, |rest, digit| (rest * 10 + u32::from(digit.wrapping_sub(b'0'))) % 97)
}

impl FromStr for NumericCode {
    type Err = CodeMalformed;

    fn from_str(text: &str) -> Result<Self, CodeMalformed> {
        read(ONE_TIME, text).map(Self)
    }
}

impl fmt::Debug for NumericCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NumericCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    proptest! {
        #[test]
        fn a_minted_code_reads_back_and_no_single_slip_does(seed: u64, place in 1usize..16, shift in 1u8..10) {
            let code = NumericCode::mint(&mut StdRng::seed_from_u64(seed));
            prop_assert_eq!(code.grouped().parse(), Ok(code.clone()));
            let mut digits = code.0;
            digits[place] = b'0' + (digits[place] - b'0' + shift) % 10;
            prop_assert_eq!(String::from_utf8_lossy(&digits).parse::<NumericCode>(), Err(CodeMalformed));
        }

        #[test]
        fn a_swap_of_neighbours_is_caught(seed: u64, place in 1usize..15) {
            let code = NumericCode::mint(&mut StdRng::seed_from_u64(seed));
            let mut digits = code.0;
            digits.swap(place, place + 1);
            prop_assume!(digits != code.0);
            prop_assert_eq!(String::from_utf8_lossy(&digits).parse::<NumericCode>(), Err(CodeMalformed));
        }
    }

    #[test]
    fn debug_shows_no_digit() {
        let code = NumericCode::mint(&mut rand::rng());
        assert_eq!(format!("{code:?}"), "NumericCode(…)");
    }
}
