//! The citizen identification number, GB 11643-1999: region (6), birth date (8), sequence (3), check character (1).

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::DocumentProblem;
use super::Field;

/// Sex as printed on the card and carried by the number's 17th digit: odd is male.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Sex {
    Male,
    Female,
}

/// A number whose check character and birth date hold. `Debug` is redacted: it identifies a person.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CitizenNumber {
    digits: String,
    birth: Date,
    sex: Sex,
}

/// Weights of ISO 7064 MOD 11-2 over the first 17 digits: 2^(18 − position) mod 11.
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECK_CHARACTERS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];

#[cfg(feature = "openapi")]
text_schema!(CitizenNumber, "^[0-9]{17}[0-9X]$", "A citizen number (GB 11643) whose check character holds.");

impl CitizenNumber {
    /// Parses 18 characters; a small `x` counts as `X`. Errors: [`DocumentProblem::FieldUnreadable`] when it has not
    /// the shape, `CheckDigit`, `DateInvalid(Number)` when no day of the calendar (or before 1900) stands in it.
    pub fn parse(text: &str) -> Result<CitizenNumber, DocumentProblem> {
        let digits = text.to_ascii_uppercase();
        let unreadable = DocumentProblem::FieldUnreadable(Field::Number);
        let check = check_character(digits.get(..17).unwrap_or_default()).ok_or(unreadable)?;
        let last = digits.get(17..).unwrap_or_default();
        if last.len() != 1 || !CHECK_CHARACTERS.iter().any(|c| last.starts_with(*c)) {
            return Err(unreadable);
        }
        if !last.starts_with(check) {
            return Err(DocumentProblem::CheckDigit);
        }
        let number = |range| digits.get(range).and_then(|part: &str| part.parse::<i16>().ok()).unwrap_or(0);
        let small = |range| i8::try_from(number(range)).unwrap_or(0);
        let birth = Date::new(number(6..10), small(10..12), small(12..14))
            .ok()
            .filter(|date| date.year() >= 1900)
            .ok_or(DocumentProblem::DateInvalid(Field::Number))?;
        let sex = if number(14..17) % 2 == 1 { Sex::Male } else { Sex::Female };
        Ok(CitizenNumber { digits, birth, sex })
    }

    /// All 18 characters. Personal data: never logged.
    pub fn as_str(&self) -> &str {
        &self.digits
    }

    /// The division code of the first registration (GB/T 2260), six digits.
    pub fn region(&self) -> &str {
        self.digits.get(..6).unwrap_or_default()
    }

    /// The birth date in the number.
    pub fn birth(&self) -> Date {
        self.birth
    }

    /// The sex in the number.
    pub fn sex(&self) -> Sex {
        self.sex
    }

    /// What may be shown to staff and in lists: first character, stars, last four.
    pub fn masked(&self) -> String {
        let (first, last) =
            (self.digits.get(..1).unwrap_or_default(), self.digits.get(14..).unwrap_or_default());
        format!("{first}*************{last}")
    }
}

/// The check character that follows 17 digits; `None` when they are not 17 ASCII digits.
pub fn check_character(first17: &str) -> Option<char> {
    if first17.len() != 17 {
        return None;
    }
    let mut sum = 0;
    for (c, weight) in first17.chars().zip(WEIGHTS) {
        sum += c.to_digit(10)? * weight;
    }
    CHECK_CHARACTERS.get(usize::try_from(sum % 11).ok()?).copied()
}

impl std::fmt::Debug for CitizenNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CitizenNumber(redacted)")
    }
}

impl TryFrom<String> for CitizenNumber {
    type Error = String;

    fn try_from(text: String) -> Result<CitizenNumber, String> {
        CitizenNumber::parse(&text).map_err(|problem| problem.code().to_owned())
    }
}

impl From<CitizenNumber> for String {
    fn from(number: CitizenNumber) -> String {
        number.digits
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_tells_birth_sex_and_region() {
        let number = CitizenNumber::parse("11010519491231002x").unwrap(); // the example of GB 11643
        assert_eq!(number.as_str(), "11010519491231002X");
        assert_eq!(
            (number.birth(), number.sex(), number.region()),
            (date(1949, 12, 31), Sex::Female, "110105")
        );
        assert_eq!(number.masked(), "1*************002X");
        assert_eq!(format!("{number:?}"), "CitizenNumber(redacted)");
    }

    #[test]
    fn what_is_not_a_number() {
        let unreadable = Err(DocumentProblem::FieldUnreadable(Field::Number));
        for text in [
            "",
            "1101051949123100",
            "11010519491231002",
            "11010519491231002XX",
            "1101051949123100２X",
            "X10105194912310021",
        ] {
            assert_eq!(CitizenNumber::parse(text), unreadable, "{text}");
        }
        assert_eq!(CitizenNumber::parse("110105194912310021"), Err(DocumentProblem::CheckDigit));
        let leap = "11010519490229002";
        let text = format!("{leap}{}", check_character(leap).unwrap());
        assert_eq!(CitizenNumber::parse(&text), Err(DocumentProblem::DateInvalid(Field::Number)));
    }

    fn any_number() -> impl Strategy<Value = String> {
        (100_000u32..900_000, 1900i32..2026, 1u8..=12, 1u8..=28, 0u16..1000).prop_map(|(r, y, m, d, s)| {
            let first = format!("{r:06}{y:04}{m:02}{d:02}{s:03}");
            format!("{first}{}", check_character(&first).unwrap())
        })
    }

    proptest! {
        #[test]
        fn every_made_number_parses(text in any_number()) {
            let number = CitizenNumber::parse(&text).unwrap();
            prop_assert_eq!(number.as_str(), text);
        }

        /// MOD 11-2 finds every single wrong character and every swap of two neighbours.
        #[test]
        fn one_slip_is_always_found(text in any_number(), at in 0usize..17, digit in 0u8..10) {
            let mut slip = text.clone().into_bytes();
            slip[at] = b'0' + digit;
            if slip != text.as_bytes() {
                prop_assert!(CitizenNumber::parse(std::str::from_utf8(&slip).unwrap()).is_err());
            }
            let mut swap = text.clone().into_bytes();
            swap.swap(at, at + 1);
            if swap != text.as_bytes() {
                prop_assert!(CitizenNumber::parse(std::str::from_utf8(&swap).unwrap()).is_err());
            }
        }

        #[test]
        fn parsing_never_panics(text in ".{0,24}") {
            let _ = CitizenNumber::parse(&text);
        }
    }
}
