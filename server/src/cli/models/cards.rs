//! How right the fields of identity cards are read; pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::acquire::Code;
use super::folder::{Card, Side};

/// What was read from a side: fields by code, or why nothing.
pub(super) type Read = Result<Vec<(&'static str, String)>, Code>;

/// The report's part. The product answers a whole side or nothing, so a side that is refused has none of its fields.
#[derive(Debug, Default, Serialize)]
pub(super) struct Ocr {
    /// Fields that were expected, and those that were read exactly so.
    pub(super) n: usize,
    pub(super) exact: usize,
    pub(super) accuracy: Option<f64>,
    pub(super) sides: BTreeMap<&'static str, Sides>,
    pub(super) fields: BTreeMap<&'static str, FieldCounts>,
    pub(super) faulty: Faulty,
}

/// Good sides: how many were read, and why the others were not.
#[derive(Debug, Default, Serialize)]
pub(super) struct Sides {
    pub(super) n: usize,
    pub(super) read: usize,
    pub(super) refused: BTreeMap<Code, usize>,
}

/// One field over all good sides.
#[derive(Debug, Default, Serialize)]
pub(super) struct FieldCounts {
    pub(super) n: usize,
    pub(super) exact: usize,
    /// Read as something else: the worst that can happen.
    pub(super) wrong: usize,
    pub(super) refused: usize,
}

/// Sides that must not be accepted.
#[derive(Debug, Default, Serialize)]
pub(super) struct Faulty {
    pub(super) n: usize,
    pub(super) accepted: usize,
}

impl Ocr {
    pub(super) fn of(cards: &[Card], reads: &[Read]) -> Ocr {
        let mut ocr = Ocr::default();
        for (card, read) in cards.iter().zip(reads) {
            match &card.expected {
                Some(expected) => ocr.count(card.side, expected, read),
                None => {
                    ocr.faulty.n += 1;
                    ocr.faulty.accepted += usize::from(read.is_ok());
                }
            }
        }
        ocr.n = ocr.fields.values().map(|field| field.n).sum();
        ocr.exact = ocr.fields.values().map(|field| field.exact).sum();
        ocr.accuracy = (ocr.n > 0).then(|| ocr.exact as f64 / ocr.n as f64);
        ocr
    }

    fn count(&mut self, side: Side, expected: &BTreeMap<&'static str, String>, read: &Read) {
        let sides = self.sides.entry(side.name()).or_default();
        sides.n += 1;
        match read {
            Ok(_) => sides.read += 1,
            Err(code) => *sides.refused.entry(code).or_default() += 1,
        }
        for (code, expected) in expected {
            let counts = self.fields.entry(code).or_default();
            counts.n += 1;
            let value = read.as_ref().map(|fields| fields.iter().find(|(name, _)| name == code));
            match value {
                Ok(Some((_, value))) if value == expected => counts.exact += 1,
                Ok(_) => counts.wrong += 1,
                Err(_) => counts.refused += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_exact_wrong_or_refused() {
        let card = |expected: Option<&[(&'static str, &str)]>| Card {
            path: "card.jpg".into(),
            side: Side::Front,
            expected: expected.map(|fields| fields.iter().map(|(k, v)| (*k, (*v).to_owned())).collect()),
        };
        let asked: &[(&str, &str)] = &[("name", "林知远"), ("sex", "male")];
        let cards = [card(Some(asked)), card(Some(asked)), card(None), card(None)];
        let read = |name: &str| Ok(vec![("name", name.to_owned()), ("sex", "male".to_owned())]);
        let ocr = Ocr::of(&cards, &[read("林知近"), Err("blurred"), read("林"), Err("check-digit")]);
        let counts = |code: &str| (ocr.fields[code].exact, ocr.fields[code].wrong, ocr.fields[code].refused);
        assert_eq!((counts("name"), counts("sex")), ((0, 1, 1), (1, 0, 1)));
        assert_eq!((ocr.n, ocr.exact, ocr.accuracy), (4, 1, Some(0.25)));
        assert_eq!((ocr.sides["front"].read, &ocr.sides["front"].refused), (1, &[("blurred", 1)].into()));
        assert_eq!((ocr.faulty.n, ocr.faulty.accepted), (2, 1));
    }
}
