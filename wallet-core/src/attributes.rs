//! What a person can share, what they chose to share, and what a purpose may ask for.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One fact about the holder that a relying party can receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// Eighteen or older on the day of the redemption: a yes or a no, never the date.
    #[serde(rename = "over_18")]
    Over18,
    /// The name as printed on the document.
    Name,
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
}

impl Attribute {
    /// Every attribute, in the order of the wire.
    pub const ALL: [Attribute; 7] = [
        Attribute::Over18,
        Attribute::Name,
        Attribute::Sex,
        Attribute::Ethnicity,
        Attribute::BirthDate,
        Attribute::Address,
        Attribute::DocumentNumber,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Attribute::Over18 => "over_18",
            Attribute::Name => "name",
            Attribute::Sex => "sex",
            Attribute::Ethnicity => "ethnicity",
            Attribute::BirthDate => "birth_date",
            Attribute::Address => "address",
            Attribute::DocumentNumber => "document_number",
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
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// Only whether the holder is of age.
    #[serde(rename = "over_18")]
    Over18,
    /// The name, and whether of age.
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

    /// The attributes this choice allows.
    pub fn attributes(self) -> &'static [Attribute] {
        match self {
            Share::Over18 => &[Attribute::Over18],
            Share::Name => &[Attribute::Over18, Attribute::Name],
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_share() -> impl Strategy<Value = Share> {
        prop_oneof![Just(Share::Over18), Just(Share::Name), Just(Share::Full)]
    }

    proptest! {
        #[test]
        fn nothing_is_released_that_was_not_both_asked_and_allowed(
            asked in proptest::collection::btree_set(0usize..7, 0..7),
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
}
