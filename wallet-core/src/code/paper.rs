//! The paper revocation code: `0 RRRRRRRRRRRRRRR CC`, shown 6-6-6.
//!
//! Eighteen digits, so that they can be typed on any telephone: a leading 0, 15 random digits (49.8 bits) and two check digits of
//! ISO 7064 MOD 97-10. A citizen number has 18 places too, but none begins with 0 (GB/T 2260: divisions are numbered from 11), and
//! so neither is taken for the other.

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;

use super::CodeMalformed;
use super::numeric::remainder_97;
use crate::pairwise::keyed;

const LEADING: u8 = b'0';
const RANDOM_DIGITS: u64 = 10_u64.pow(15);
/// Longer text is not looked at: 18 digits with a gap after each are shorter.
const MAX_BYTES: usize = 128;

/// A well-formed paper code. `Debug` shows no digit of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PaperCode([u8; 18]);

impl PaperCode {
    /// A fresh code from a cryptographic source, uniform over 10¹⁵.
    pub fn mint(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        // Rejection keeps the draw uniform: a plain remainder would favour low codes.
        let limit = u64::MAX - u64::MAX % RANDOM_DIGITS;
        let drawn = loop {
            let candidate = rng.next_u64();
            if candidate < limit {
                break candidate % RANDOM_DIGITS;
            }
        };
        let payload = format!("{}{drawn:015}", char::from(LEADING));
        let check = 98 - remainder_97(payload.bytes().chain(*b"00"));
        let mut digits = [b'0'; 18];
        for (place, digit) in digits.iter_mut().zip(format!("{payload}{check:02}").bytes()) {
            *place = digit;
        }
        Self(digits)
    }

    /// As shown to people: three groups of six.
    pub fn grouped(&self) -> String {
        self.0.chunks(6).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
    }

    /// What is stored instead of the code: HMAC-SHA256 under a server key. 10¹⁵ could be searched through in a leaked database
    /// with a plain hash.
    pub fn mac(&self, key: &[u8; 32]) -> [u8; 32] {
        keyed(key, &[b"paper revocation code", &self.0])
    }
}

impl FromStr for PaperCode {
    type Err = CodeMalformed;

    /// Accepts gaps of white space, hyphens and dots, and the wide digits of Chinese keyboards.
    fn from_str(text: &str) -> Result<Self, CodeMalformed> {
        if text.len() > MAX_BYTES {
            return Err(CodeMalformed);
        }
        let is_gap = |c: &char| c.is_whitespace() || matches!(c, '-' | '－' | '–' | '.');
        let narrow = |c: char| match c {
            '0'..='9' => u8::try_from(c).ok(),
            '０'..='９' => u8::try_from(u32::from(c) - u32::from('０')).ok().map(|digit| b'0' + digit),
            _ => None,
        };
        let digits: Option<Vec<u8>> = text.chars().filter(|c| !is_gap(c)).map(narrow).collect();
        let digits: [u8; 18] = digits.ok_or(CodeMalformed)?.try_into().map_err(|_| CodeMalformed)?;
        let well_formed = digits.first() == Some(&LEADING) && remainder_97(digits.iter().copied()) == 1;
        if well_formed { Ok(Self(digits)) } else { Err(CodeMalformed) }
    }
}

impl fmt::Debug for PaperCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaperCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn code(seed: u64) -> PaperCode {
        PaperCode::mint(&mut StdRng::seed_from_u64(seed))
    }

    proptest! {
        #[test]
        fn a_minted_code_reads_back_and_no_single_slip_does(seed: u64, place in 0usize..18, shift in 1u8..10) {
            let code = code(seed);
            prop_assert_eq!(code.grouped().parse(), Ok(code.clone()));
            let mut digits = code.0;
            digits[place] = b'0' + (digits[place] - b'0' + shift) % 10;
            prop_assert_eq!(String::from_utf8_lossy(&digits).parse::<PaperCode>(), Err(CodeMalformed));
        }

        #[test]
        fn swaps_jump_swaps_and_twins_are_caught(seed: u64, place in 0usize..16, twin in 0u8..10) {
            let code = code(seed);
            let mut wrong = [code.0; 3];
            wrong[0].swap(place, place + 1);
            wrong[1].swap(place, place + 2);
            if code.0[place] == code.0[place + 1] {
                wrong[2][place] = b'0' + twin;
                wrong[2][place + 1] = b'0' + twin;
            }
            for digits in wrong.into_iter().filter(|digits| *digits != code.0) {
                prop_assert_eq!(String::from_utf8_lossy(&digits).parse::<PaperCode>(), Err(CodeMalformed));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = text.parse::<PaperCode>();
        }
    }

    #[test]
    fn it_is_read_however_it_is_typed_and_is_never_a_citizen_number() {
        let code = code(7);
        let plain: String = code.0.iter().copied().map(char::from).collect();
        let wide: String =
            plain.chars().map(|c| char::from_u32(c as u32 - 48 + '０' as u32).unwrap()).collect();
        for typed in
            [plain.clone(), wide, format!(" {} ", code.grouped().replace(' ', "-")), format!("{plain}\n")]
        {
            assert_eq!(typed.parse(), Ok(code.clone()), "{typed}");
        }
        assert!(crate::document::CitizenNumber::parse(&plain).is_err());
        assert!("990000199003070013".parse::<PaperCode>().is_err());
        for wrong in ["", "0", &plain[1..], &format!("{plain}0"), &"0".repeat(18), &" ".repeat(4000)] {
            assert_eq!(wrong.parse::<PaperCode>(), Err(CodeMalformed), "{wrong}");
        }
    }

    #[test]
    fn what_is_stored_depends_on_the_key_and_debug_shows_no_digit() {
        let code = code(7);
        assert_ne!(code.mac(&[1; 32]), code.mac(&[2; 32]));
        assert_eq!(format!("{code:?}"), "PaperCode(…)");
    }
}
