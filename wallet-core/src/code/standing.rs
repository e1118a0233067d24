//! The standing E-cert number: sixteen digits that a person can give away, on paper or by voice.
//!
//! The same form as the one-time digits, with version 2. It opens an approval on the holder's own phone and nothing else, so it may be
//! known to many; it still comes from a cryptographic source, and is stored as a keyed MAC, so that nobody finds whom to bother.

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;

use super::CodeMalformed;
use super::numeric::{draw, grouped, read};
use crate::pairwise::keyed;

const STANDING: u8 = b'2';

/// A well-formed standing number. `Debug` shows no digit of it.
#[derive(Clone, PartialEq, Eq)]
pub struct StandingNumber([u8; 16]);

impl StandingNumber {
    /// A fresh number from a cryptographic source, uniform over 10¹³.
    pub fn mint(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(draw(STANDING, rng))
    }

    /// As shown to people: four groups of four.
    pub fn grouped(&self) -> String {
        grouped(&self.0)
    }

    /// What is stored instead of the number: HMAC-SHA256 under a server key, apart from those of one-time digits.
    pub fn mac(&self, key: &[u8; 32]) -> [u8; 32] {
        keyed(key, &[b"standing number", &self.0])
    }
}

impl FromStr for StandingNumber {
    type Err = CodeMalformed;

    fn from_str(text: &str) -> Result<Self, CodeMalformed> {
        read(STANDING, text).map(Self)
    }
}

impl fmt::Debug for StandingNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StandingNumber(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::code::numeric::NumericCode;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    proptest! {
        #[test]
        fn is_told_from_one_time_digits_and_reads_back(seed: u64, place in 0usize..16, shift in 1u8..10) {
            let number = StandingNumber::mint(&mut StdRng::seed_from_u64(seed));
            prop_assert!(matches!(number.grouped().parse(), Ok(Code::Standing(read)) if read == number));
            prop_assert_eq!(number.grouped().parse::<NumericCode>(), Err(CodeMalformed));
            let mut digits = number.0;
            digits[place] = b'0' + (digits[place] - b'0' + shift) % 10;
            prop_assert!(String::from_utf8_lossy(&digits).parse::<Code>().is_err());
        }
    }

    #[test]
    fn debug_shows_no_digit() {
        assert_eq!(format!("{:?}", StandingNumber::mint(&mut rand::rng())), "StandingNumber(…)");
    }
}
