//! What every document that a person can enrol with says of them.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::citizen_number::{CitizenNumber, Sex};
use super::passport::{Passport, PassportNumber};
use super::{DocumentProblem, IdCard};

/// A document that was read in full. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Document {
    /// A Chinese resident identity card.
    IdCard(IdCard),
    /// A passport of any state.
    Passport(Passport),
}

/// What tells the person behind a document from everybody else. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum DocumentNumber {
    /// Of the person, for life.
    Citizen(CitizenNumber),
    /// Of the passport: the next one has another.
    Passport(PassportNumber),
}

impl Document {
    /// Its kind on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Document::IdCard(_) => "id-card",
            Document::Passport(_) => "passport",
        }
    }

    /// The name as printed.
    pub fn name(&self) -> &str {
        match self {
            Document::IdCard(card) => &card.name,
            Document::Passport(passport) => &passport.name,
        }
    }

    /// The number as printed, a passport's with its state.
    pub fn number(&self) -> DocumentNumber {
        match self {
            Document::IdCard(card) => DocumentNumber::Citizen(card.number.clone()),
            Document::Passport(passport) => DocumentNumber::Passport(passport.number.clone()),
        }
    }

    /// The day of birth.
    pub fn birth(&self) -> Date {
        match self {
            Document::IdCard(card) => card.birth,
            Document::Passport(passport) => passport.birth,
        }
    }

    /// The sex, where the document says.
    pub fn sex(&self) -> Option<Sex> {
        match self {
            Document::IdCard(card) => Some(card.sex),
            Document::Passport(passport) => passport.sex,
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({}, …)", self.kind())
    }
}

impl DocumentNumber {
    /// Parses a citizen number, or a passport's number with its state as in `UTO-L898902C3`. Only the latter has a hyphen. Errors: those
    /// of the kind that it looks like.
    pub fn parse(text: &str) -> Result<DocumentNumber, DocumentProblem> {
        if text.contains('-') {
            PassportNumber::parse(text).map(DocumentNumber::Passport)
        } else {
            CitizenNumber::parse(text).map(DocumentNumber::Citizen)
        }
    }

    /// As it was parsed from, in capitals.
    pub fn as_str(&self) -> &str {
        match self {
            DocumentNumber::Citizen(number) => number.as_str(),
            DocumentNumber::Passport(number) => number.as_str(),
        }
    }
}

impl fmt::Debug for DocumentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DocumentNumber(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_of_what_kind_it_is() {
        let citizen = DocumentNumber::parse("990000199003070013").unwrap();
        assert!(matches!(citizen, DocumentNumber::Citizen(_)));
        let passport = DocumentNumber::parse("UTO-L898902C3").unwrap();
        assert!(matches!(passport, DocumentNumber::Passport(_)));
        assert!(DocumentNumber::parse("L898902C3").is_err());
        assert_eq!(format!("{citizen:?} {passport:?}"), "DocumentNumber(…) DocumentNumber(…)");
    }
}
