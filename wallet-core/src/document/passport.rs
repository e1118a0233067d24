//! A passport, from its machine-readable zone (ICAO Doc 9303, part 4: TD3) to checked fields.
//!
//! Only the zone is believed: it has check digits, one alphabet and one place for every character. So the name is the one in Latin
//! letters, and there is no address.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::citizen_number::Sex;
use super::mrz::{Birth, Format, Mrz, MrzField, MrzProblem, MrzSex};
use super::{DocumentProblem, Field};

/// A passport's number together with the state that gave it, `UTO-L898902C3`: two states may give the same number. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PassportNumber {
    text: String,
}

#[cfg(feature = "openapi")]
text_schema!(
    PassportNumber,
    "^[A-Z]{1,3}-[A-Z0-9]{1,9}$",
    "A passport's number behind the state that gave it."
);

impl PassportNumber {
    /// The number on a zone, and its state; `None` where either has not its form.
    pub fn new(state: &str, number: &str) -> Option<PassportNumber> {
        let is_state = (1..=3).contains(&state.len()) && state.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_character = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        // Longer ones than nine go on in the optional data, which only cards do (part 5, section 4.2.2).
        let is_number = (1..=9).contains(&number.len()) && number.bytes().all(is_character);
        (is_state && is_number).then(|| PassportNumber { text: format!("{state}-{number}") })
    }

    /// Parses `UTO-L898902C3`; small letters count as capitals. Errors: [`DocumentProblem::FieldUnreadable`].
    pub fn parse(text: &str) -> Result<PassportNumber, DocumentProblem> {
        let capitals = text.to_ascii_uppercase();
        let parts = capitals.split_once('-');
        parts
            .and_then(|(state, number)| PassportNumber::new(state, number))
            .ok_or(DocumentProblem::FieldUnreadable(Field::Number))
    }

    /// State and number.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for PassportNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassportNumber(…)")
    }
}

/// A passport whose fields are whole, agree with the day and were not cut short. `Debug` is redacted: it is a person's identity.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Passport {
    /// Surname, and after a comma the given names, if there are any: `ERIKSSON, ANNA MARIA`.
    pub name: String,
    /// None where the state does not say.
    pub sex: Option<Sex>,
    /// ISO 3166-1 alpha-3 with ICAO's additions (part 3, section 5).
    pub nationality: String,
    pub birth: Date,
    pub number: PassportNumber,
    /// The last day on which it is valid.
    pub valid_until: Date,
}

impl Passport {
    /// What a zone says, held against the day. Errors: no passport's zone; a name that may be cut short; a day of birth that is not
    /// known; past its end.
    pub fn of_zone(zone: &Mrz, today: Date) -> Result<Passport, DocumentProblem> {
        // `P` and a letter of the state's choice; a visa has `V`.
        if zone.format != Format::Td3 || !zone.document_code.starts_with('P') {
            return Err(DocumentProblem::NotAPassport);
        }
        // A cut name is not the person's, and the zone does not say what is missing.
        if zone.names_may_be_cut || zone.surname.is_empty() {
            return Err(DocumentProblem::FieldUnreadable(Field::Name));
        }
        let birth = whole_day(zone.birth).ok_or(DocumentProblem::FieldMissing(Field::Birth))?;
        let number = PassportNumber::new(&zone.issuing_state, &zone.number)
            .ok_or(DocumentProblem::FieldUnreadable(Field::Number))?;
        if zone.expires < today {
            return Err(DocumentProblem::Expired);
        }
        Ok(Passport {
            name: name(zone),
            sex: match zone.sex {
                MrzSex::Male => Some(Sex::Male),
                MrzSex::Female => Some(Sex::Female),
                MrzSex::Unspecified => None,
            },
            nationality: zone.nationality.clone(),
            birth,
            number,
            valid_until: zone.expires,
        })
    }
}

impl fmt::Debug for Passport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passport(…)")
    }
}

/// Why a zone could not be believed, as what the person should do about it.
impl From<MrzProblem> for DocumentProblem {
    fn from(problem: MrzProblem) -> Self {
        match problem {
            MrzProblem::NotAZone => DocumentProblem::ZoneMissing,
            MrzProblem::CheckDigit(MrzField::Number) => DocumentProblem::CheckDigit,
            MrzProblem::DateInvalid(MrzField::Birth) => DocumentProblem::DateInvalid(Field::Birth),
            MrzProblem::DateInvalid(MrzField::Expiry) => DocumentProblem::DateInvalid(Field::ValidUntil),
            MrzProblem::CheckDigit(_) | MrzProblem::Unreadable(_) | MrzProblem::DateInvalid(_) => {
                DocumentProblem::ZoneUnreadable
            }
        }
    }
}

fn name(zone: &Mrz) -> String {
    if zone.given_names.is_empty() {
        zone.surname.clone()
    } else {
        format!("{}, {}", zone.surname, zone.given_names)
    }
}

fn whole_day(birth: Birth) -> Option<Date> {
    Date::new(birth.year, birth.month?, birth.day?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::document::mrz::parse;

    /// The specimen of Doc 9303, part 4, appendix A.
    const LINES: [&str; 2] =
        ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"];

    fn specimen() -> Mrz {
        parse(&LINES, date(2010, 1, 1)).unwrap()
    }

    #[test]
    fn the_specimen_says_who_it_is_of() {
        let passport = Passport::of_zone(&specimen(), date(2012, 4, 15)).unwrap();
        assert_eq!(passport.name, "ERIKSSON, ANNA MARIA");
        assert_eq!(passport.number.as_str(), "UTO-L898902C3");
        assert_eq!((passport.sex, passport.birth), (Some(Sex::Female), date(1974, 8, 12)));
        assert_eq!((passport.nationality.as_str(), passport.valid_until), ("UTO", date(2012, 4, 15)));
    }

    #[test]
    fn it_ends_after_its_last_day() {
        assert_eq!(Passport::of_zone(&specimen(), date(2012, 4, 16)), Err(DocumentProblem::Expired));
    }

    #[test]
    fn a_card_or_a_visa_is_no_passport() {
        let visa = Mrz { document_code: "V".to_owned(), ..specimen() };
        let card = Mrz { format: Format::Td1, ..specimen() };
        for other in [visa, card] {
            assert_eq!(Passport::of_zone(&other, date(2011, 1, 1)), Err(DocumentProblem::NotAPassport));
        }
    }

    #[test]
    fn nothing_is_guessed() {
        let refused = |zone: Mrz| Passport::of_zone(&zone, date(2011, 1, 1)).unwrap_err();
        let cut = Mrz { names_may_be_cut: true, ..specimen() };
        assert_eq!(refused(cut), DocumentProblem::FieldUnreadable(Field::Name));
        let born = Mrz { birth: Birth { year: 1974, month: Some(8), day: None }, ..specimen() };
        assert_eq!(refused(born), DocumentProblem::FieldMissing(Field::Birth));
    }

    #[test]
    fn a_number_is_one_only_together_with_its_state() {
        let parsed = PassportNumber::parse("uto-l898902c3").unwrap();
        assert_eq!(parsed, PassportNumber::new("UTO", "L898902C3").unwrap());
        for wrong in ["L898902C3", "UTO-", "-L898902C3", "UTOX-1", "UTO-L898902C34", "UTO-L8 98", "UT0-1"] {
            assert!(PassportNumber::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(format!("{parsed:?}"), "PassportNumber(…)");
    }
}
