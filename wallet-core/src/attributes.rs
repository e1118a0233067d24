//! What a person can share, what they chose to share, and what a purpose may ask for.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// One fact about the holder that a relying party can receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// Eighteen or older on the day of the redemption: a yes or a no, never the date.
    #[serde(rename = "over_18")]
    Over18,
    /// Sixteen or older, likewise.
    #[serde(rename = "over_16")]
    Over16,
    /// Fourteen or older, likewise: from then on nobody has to agree for the person.
    #[serde(rename = "over_14")]
    Over14,
    /// The name as printed on the document.
    Name,
    /// Its first character, and a star for each other.
    MaskedName,
    /// The sex as printed on the document.
    Sex,
    /// The ethnicity as printed on the document.
    Ethnicity,
    /// The date of birth.
    BirthDate,
    /// The address as printed on the document.
    Address,
    /// The number of the document.
    DocumentNumber,
    /// Its first character and its last four, and stars between.
    MaskedNumber,
    /// The picture on the document: JPEG of 16 KiB at most, in base64url. Certificates from before it was taken have none.
    Portrait,
}

/// Where the value of an attribute comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It stands on the document.
    Document,
    /// Whether so many years have passed since [`Attribute::BirthDate`].
    Age(i16),
    /// Another attribute, most of it covered.
    Masked(Attribute),
    /// It is a picture, kept apart from what is written, and too large for a code.
    Picture,
}

impl Attribute {
    /// Every attribute, in the order of the wire.
    pub const ALL: [Attribute; 12] = [
        Attribute::Over18,
        Attribute::Over16,
        Attribute::Over14,
        Attribute::Name,
        Attribute::MaskedName,
        Attribute::Sex,
        Attribute::Ethnicity,
        Attribute::BirthDate,
        Attribute::Address,
        Attribute::DocumentNumber,
        Attribute::MaskedNumber,
        Attribute::Portrait,
    ];

    /// Where its value comes from.
    pub fn source(self) -> Source {
        match self {
            Attribute::Over18 => Source::Age(18),
            Attribute::Over16 => Source::Age(16),
            Attribute::Over14 => Source::Age(14),
            Attribute::MaskedName => Source::Masked(Attribute::Name),
            Attribute::MaskedNumber => Source::Masked(Attribute::DocumentNumber),
            Attribute::Portrait => Source::Picture,
            Attribute::Name
            | Attribute::Sex
            | Attribute::Ethnicity
            | Attribute::BirthDate
            | Attribute::Address
            | Attribute::DocumentNumber => Source::Document,
        }
    }

    /// The text with all covered that the mask of this attribute covers; the whole text of one that has no mask.
    pub fn mask(self, text: &str) -> String {
        let shown_at_the_end = match self {
            Attribute::MaskedName => 0,
            Attribute::MaskedNumber => 4,
            _ => return text.to_owned(),
        };
        let length = text.chars().count();
        let is_shown = |place: usize| place == 0 || place + shown_at_the_end >= length;
        text.chars().enumerate().map(|(place, char)| if is_shown(place) { char } else { '*' }).collect()
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Attribute::Over18 => "over_18",
            Attribute::Over16 => "over_16",
            Attribute::Over14 => "over_14",
            Attribute::Name => "name",
            Attribute::MaskedName => "masked_name",
            Attribute::Sex => "sex",
            Attribute::Ethnicity => "ethnicity",
            Attribute::BirthDate => "birth_date",
            Attribute::Address => "address",
            Attribute::DocumentNumber => "document_number",
            Attribute::MaskedNumber => "masked_number",
            Attribute::Portrait => "portrait",
        }
    }
}

/// The text names no attribute or no choice of sharing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown attribute")]
pub struct UnknownAttribute;

impl FromStr for Attribute {
    type Err = UnknownAttribute;

    fn from_str(text: &str) -> Result<Self, UnknownAttribute> {
        Attribute::ALL.into_iter().find(|attribute| attribute.as_str() == text).ok_or(UnknownAttribute)
    }
}

/// What the holder chose, before showing the code, that it may share. A code carries the choice under the device's
/// signature, so no relying party can widen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// Only whether the holder has reached an age.
    #[serde(rename = "over_18")]
    Over18,
    /// The name, and whether the holder has reached an age.
    Name,
    /// Everything on the certificate.
    Full,
}

impl Share {
    /// The number that stands in a QR code.
    pub fn number(self) -> u8 {
        match self {
            Share::Over18 => 1,
            Share::Name => 2,
            Share::Full => 3,
        }
    }

    /// The choice behind a number of a QR code.
    pub fn from_number(number: u8) -> Option<Share> {
        [Share::Over18, Share::Name, Share::Full].into_iter().find(|share| share.number() == number)
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Share::Over18 => "over_18",
            Share::Name => "name",
            Share::Full => "full",
        }
    }

    /// The attributes this choice allows: the one table of what a share level releases.
    pub fn attributes(self) -> &'static [Attribute] {
        use Attribute::{MaskedName, Name, Over14, Over16, Over18};
        match self {
            Share::Over18 => &[Over18, Over16, Over14],
            Share::Name => &[Over18, Over16, Over14, Name, MaskedName],
            Share::Full => &Attribute::ALL,
        }
    }
}

impl FromStr for Share {
    type Err = UnknownAttribute;

    fn from_str(text: &str) -> Result<Self, UnknownAttribute> {
        [Share::Over18, Share::Name, Share::Full]
            .into_iter()
            .find(|share| share.as_str() == text)
            .ok_or(UnknownAttribute)
    }
}

/// Exactly what may be given: asked for by the relying party **and** allowed by the holder.
pub fn released(asked: &BTreeSet<Attribute>, share: Share) -> BTreeSet<Attribute> {
    share.attributes().iter().copied().filter(|attribute| asked.contains(attribute)).collect()
}

/// So many years old on the day of that birthday, counted from its midnight. Who was born on 29 February has the birthday on 1 March in
/// the years without one.
pub fn has_reached(years: i16, birth: Date, today: Date) -> bool {
    let passed = today.year() - birth.year();
    passed > years || (passed == years && (today.month(), today.day()) >= (birth.month(), birth.day()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn any_share() -> impl Strategy<Value = Share> {
        prop_oneof![Just(Share::Over18), Just(Share::Name), Just(Share::Full)]
    }

    proptest! {
        #[test]
        fn nothing_is_released_that_was_not_both_asked_and_allowed(
            asked in proptest::collection::btree_set(0usize..12, 0..12),
            share in any_share(),
        ) {
            let asked: BTreeSet<Attribute> = asked.into_iter().map(|index| Attribute::ALL[index]).collect();
            for attribute in released(&asked, share) {
                prop_assert!(asked.contains(&attribute) && share.attributes().contains(&attribute));
            }
        }
    }

    #[test]
    fn names_on_the_wire_match_serde() {
        for attribute in Attribute::ALL {
            assert_eq!(serde_json::to_value(attribute).unwrap(), attribute.as_str());
            assert_eq!(attribute.as_str().parse(), Ok(attribute));
        }
        for number in 1..=3 {
            let share = Share::from_number(number).unwrap();
            assert_eq!(serde_json::to_value(share).unwrap(), share.as_str());
        }
    }

    #[test]
    fn eighteen_on_the_eighteenth_birthday_and_not_a_day_before() {
        let born = date(2008, 11, 22);
        assert!(!has_reached(18, born, date(2026, 11, 21)));
        assert!(has_reached(18, born, date(2026, 11, 22)) && has_reached(16, born, date(2026, 11, 21)));
        assert!(!has_reached(18, date(2008, 2, 29), date(2026, 2, 28)));
        assert!(has_reached(18, date(2008, 2, 29), date(2026, 3, 1)));
    }

    #[test]
    fn a_mask_shows_who_it_may_be_and_no_more() {
        assert_eq!(Attribute::MaskedName.mask("林知远"), "林**");
        assert_eq!(Attribute::MaskedName.mask("林"), "林");
        assert_eq!(Attribute::MaskedNumber.mask("990000199003070013"), "9*************0013");
        assert_eq!(Attribute::MaskedNumber.mask(""), "");
    }

    #[test]
    fn a_wider_choice_allows_all_that_a_narrower_one_does() {
        let allowed = |share: Share| share.attributes().iter().copied().collect::<BTreeSet<_>>();
        assert!(allowed(Share::Over18).is_subset(&allowed(Share::Name)));
        assert!(allowed(Share::Name).is_subset(&allowed(Share::Full)));
    }
}
