//! The machine-readable zone of travel documents: ICAO Doc 9303, parts 3 (check digits, dates, names), 4 (TD3, passports),
//! 5 (TD1, cards) and 6 (TD2).
//!
//! [`parse`] takes lines of the exact length, [`repair`] also such in which a reader took `0` for `O` and the like,
//! [`grid::find`] the lines of a photograph. Names, states and document codes are under no check digit: they are right only as far
//! as they were read.

pub mod grid;
mod repair;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use repair::{Repaired, repair};

/// How many lines, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Three lines of 30: cards.
    Td1,
    /// Two lines of 36: larger cards, some visas.
    Td2,
    /// Two lines of 44: passports.
    Td3,
}

/// Sex as the zone has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MrzSex {
    Male,
    Female,
    Unspecified,
}

/// A date of birth of which month and day may be unknown (part 3, section 4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Birth {
    pub year: i16,
    pub month: Option<i8>,
    pub day: Option<i8>,
}

/// What a zone says, its check digits verified. `Debug` is redacted: it is a person's identity.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mrz {
    pub format: Format,
    /// `P`, `ID`, `AR`: what kind of document, without fillers.
    pub document_code: String,
    /// Three letters of ISO 3166-1 with ICAO's additions; `D` for Germany.
    pub issuing_state: String,
    pub surname: String,
    /// Between spaces; empty when the document has none.
    pub given_names: String,
    /// The names fill their field, so that they may have been cut short (part 3, section 4.6).
    pub names_may_be_cut: bool,
    pub number: String,
    pub nationality: String,
    pub birth: Birth,
    pub sex: MrzSex,
    pub expires: Date,
    /// Optional data, without fillers at the end; empty when there is none.
    pub optional: String,
}

/// A part of the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MrzField {
    DocumentCode,
    State,
    Names,
    Number,
    Nationality,
    Birth,
    Sex,
    Expiry,
    Optional,
    /// The check digit over several fields.
    Composite,
}

/// Why lines are no zone that can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "problem", content = "field")]
pub enum MrzProblem {
    /// Not two lines of 36 or 44, nor three of 30, of `A`–`Z`, `0`–`9` and `<`.
    NotAZone,
    /// A check digit does not follow from what it is of.
    CheckDigit(MrzField),
    /// A character that cannot stand there, or was not read with confidence.
    Unreadable(MrzField),
    /// Not a day of the calendar, or a birth in the future.
    DateInvalid(MrzField),
}

impl MrzProblem {
    /// The stable code; the field stands beside it.
    pub fn code(self) -> &'static str {
        match self {
            MrzProblem::NotAZone => "mrz-not-found",
            MrzProblem::CheckDigit(_) => "mrz-check-digit",
            MrzProblem::Unreadable(_) => "mrz-unreadable",
            MrzProblem::DateInvalid(_) => "mrz-date-invalid",
        }
    }

    /// The field it is about.
    pub fn field(self) -> Option<MrzField> {
        match self {
            MrzProblem::NotAZone => None,
            MrzProblem::CheckDigit(field)
            | MrzProblem::Unreadable(field)
            | MrzProblem::DateInvalid(field) => Some(field),
        }
    }
}

impl Format {
    /// All three.
    pub const ALL: [Format; 3] = [Format::Td3, Format::Td1, Format::Td2];

    /// Lines, and characters in each.
    pub fn size(self) -> (usize, usize) {
        match self {
            Format::Td1 => (3, 30),
            Format::Td2 => (2, 36),
            Format::Td3 => (2, 44),
        }
    }
}

/// The value of a character for a check digit: `0`–`9`, `A` = 10 to `Z` = 35, `<` = 0; `None` for any other.
pub fn value(character: u8) -> Option<u32> {
    match character {
        b'0'..=b'9' => Some(u32::from(character - b'0')),
        b'A'..=b'Z' => Some(u32::from(character - b'A') + 10),
        b'<' => Some(0),
        _ => None,
    }
}

/// The check digit over characters: weights 7, 3, 1, modulo 10 (part 3, section 4.9). `None` for a character that cannot stand
/// in a zone.
pub fn check_digit<'a>(characters: impl IntoIterator<Item = &'a u8>) -> Option<u8> {
    let mut sum = 0;
    for (character, weight) in characters.into_iter().zip([7, 3, 1].into_iter().cycle()) {
        sum += value(*character)? * weight;
    }
    u8::try_from(sum % 10).ok().map(|digit| b'0' + digit)
}

/// The lines of a zone: where its fields are. Every line has its format's length and alphabet.
#[derive(Debug, Clone, Copy)]
struct Zone<'a> {
    format: Format,
    lines: [&'a [u8]; 3],
}

impl<'a> Zone<'a> {
    fn of(lines: &'a [impl AsRef<str>]) -> Result<Zone<'a>, MrzProblem> {
        let fits = |format: &Format| {
            let (count, length) = format.size();
            lines.len() == count && lines.iter().all(|line| line.as_ref().len() == length)
        };
        let format = Format::ALL.into_iter().find(fits).ok_or(MrzProblem::NotAZone)?;
        let mut zone = Zone { format, lines: [&[]; 3] };
        for (place, line) in zone.lines.iter_mut().zip(lines) {
            *place = line.as_ref().as_bytes();
        }
        let good = zone.lines.iter().copied().flatten().all(|c| value(*c).is_some());
        if good { Ok(zone) } else { Err(MrzProblem::NotAZone) }
    }

    /// Characters of a line, counted from 0; empty where there are none.
    fn part(&self, line: usize, from: usize, to: usize) -> &'a [u8] {
        self.lines.get(line).and_then(|line| line.get(from..to)).unwrap_or_default()
    }

    /// The line of birth, sex and expiry, and where in it birth begins.
    fn middle(&self) -> (usize, usize) {
        match self.format {
            Format::Td1 => (1, 0),
            Format::Td2 | Format::Td3 => (1, 13),
        }
    }

    /// The document number, its check digit, and the optional data. A number of more than nine characters goes on in the optional
    /// data, and its check digit follows it there (parts 5 and 6, note j).
    fn number(&self) -> (Vec<u8>, u8, &'a [u8]) {
        let (line, from) = if self.format == Format::Td1 { (0, 5) } else { (1, 0) };
        let first = self.part(line, from, from + 9);
        let check = self.part(line, from + 9, from + 10).first().copied().unwrap_or(b'<');
        let optional = match self.format {
            Format::Td1 => self.part(0, 15, 30),
            Format::Td2 => self.part(1, 28, 35),
            Format::Td3 => self.part(1, 28, 42),
        };
        if check != b'<' || self.format == Format::Td3 {
            return (first.to_vec(), check, optional);
        }
        let end = optional.iter().position(|c| *c == b'<').unwrap_or(optional.len());
        let (long, rest) = optional.split_at_checked(end).unwrap_or((optional, &[]));
        match long.split_last() {
            Some((check, more)) => ([first, more].concat(), *check, rest),
            None => (first.to_vec(), check, optional),
        }
    }

    /// What the composite check digit is of, and the digit.
    fn composite(&self) -> (Vec<u8>, u8) {
        let parts = match self.format {
            Format::Td1 => {
                [self.part(0, 5, 30), self.part(1, 0, 7), self.part(1, 8, 15), self.part(1, 18, 29)]
            }
            Format::Td2 => [self.part(1, 0, 10), self.part(1, 13, 20), self.part(1, 21, 35), &[]],
            Format::Td3 => [self.part(1, 0, 10), self.part(1, 13, 20), self.part(1, 21, 43), &[]],
        };
        let digit = self.lines.get(1).and_then(|line| line.last()).copied().unwrap_or(b'<');
        (parts.concat(), digit)
    }

    /// Every check digit, or the first that does not hold.
    fn verify(&self) -> Result<(), MrzProblem> {
        let holds = |of: &[u8], digit: u8, field| {
            if check_digit(of) == Some(digit) { Ok(()) } else { Err(MrzProblem::CheckDigit(field)) }
        };
        let (number, check, optional) = self.number();
        holds(&number, check, MrzField::Number)?;
        let (line, at) = self.middle();
        let digit = |at: usize| self.part(line, at, at + 1).first().copied().unwrap_or(b'<');
        holds(self.part(line, at, at + 6), digit(at + 6), MrzField::Birth)?;
        holds(self.part(line, at + 8, at + 14), digit(at + 14), MrzField::Expiry)?;
        if self.format == Format::Td3 {
            let empty = optional.iter().all(|c| *c == b'<');
            // An empty personal number may have a filler for its check digit (part 4, note i).
            if !(empty && digit(42) == b'<') {
                holds(optional, digit(42), MrzField::Optional)?;
            }
        }
        let (of, digit) = self.composite();
        holds(&of, digit, MrzField::Composite)
    }
}

/// Reads lines of the exact length, on `today`, which tells the centuries apart. Errors: the first thing that is wrong.
pub fn parse(lines: &[impl AsRef<str>], today: Date) -> Result<Mrz, MrzProblem> {
    let zone = Zone::of(lines)?;
    zone.verify()?;
    let (number, _, optional) = zone.number();
    let (line, at) = zone.middle();
    let nationality = match zone.format {
        Format::Td1 => zone.part(1, 15, 18),
        Format::Td2 | Format::Td3 => zone.part(1, 10, 13),
    };
    let names = match zone.format {
        Format::Td1 => zone.part(2, 0, 30),
        Format::Td2 | Format::Td3 => zone.part(0, 5, 44.min(zone.format.size().1)),
    };
    let (surname, given_names) = named(names)?;
    let second = if zone.format == Format::Td1 { zone.part(1, 18, 29) } else { &[] };
    Ok(Mrz {
        format: zone.format,
        document_code: letters(zone.part(0, 0, 2), MrzField::DocumentCode)?,
        issuing_state: letters(zone.part(0, 2, 5), MrzField::State)?,
        surname,
        given_names,
        names_may_be_cut: names.last() != Some(&b'<'),
        number: without_fillers(&number),
        nationality: letters(nationality, MrzField::Nationality)?,
        birth: birth(zone.part(line, at, at + 6), today)?,
        sex: sex(zone.part(line, at + 7, at + 8))?,
        expires: expiry(zone.part(line, at + 8, at + 14), today)?,
        optional: [without_fillers(optional), without_fillers(second)].join(" ").trim().to_owned(),
    })
}

/// Letters with fillers behind them only.
fn letters(characters: &[u8], field: MrzField) -> Result<String, MrzProblem> {
    let text = without_fillers(characters);
    let good = !text.is_empty() && text.bytes().all(|c| c.is_ascii_uppercase());
    if good { Ok(text) } else { Err(MrzProblem::Unreadable(field)) }
}

/// The primary identifier, `<<`, and the secondary one; single fillers are spaces.
fn named(characters: &[u8]) -> Result<(String, String), MrzProblem> {
    let text = without_fillers(characters);
    let (surname, given) = text.split_once("<<").unwrap_or((&text, ""));
    let spaced = |part: &str| part.split('<').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let good = text.bytes().all(|c| c.is_ascii_uppercase() || c == b'<')
        && surname.starts_with(|c: char| c.is_ascii_uppercase())
        // A third part has no meaning: something was not read rightly.
        && !given.trim_start_matches('<').contains("<<");
    if good { Ok((spaced(surname), spaced(given))) } else { Err(MrzProblem::Unreadable(MrzField::Names)) }
}

fn without_fillers(characters: &[u8]) -> String {
    String::from_utf8_lossy(characters).trim_end_matches('<').to_owned()
}

fn sex(characters: &[u8]) -> Result<MrzSex, MrzProblem> {
    match characters {
        b"M" => Ok(MrzSex::Male),
        b"F" => Ok(MrzSex::Female),
        b"<" | b"X" => Ok(MrzSex::Unspecified),
        _ => Err(MrzProblem::Unreadable(MrzField::Sex)),
    }
}

/// Two digits; `None` for two fillers.
fn pair(characters: &[u8], field: MrzField) -> Result<Option<i8>, MrzProblem> {
    match characters {
        b"<<" => Ok(None),
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Ok(i8::try_from((tens - b'0') * 10 + (ones - b'0')).ok()),
        _ => Err(MrzProblem::DateInvalid(field)),
    }
}

fn three(characters: &[u8], field: MrzField) -> Result<(i8, Option<i8>, Option<i8>), MrzProblem> {
    let part = |from: usize| pair(characters.get(from..from + 2).unwrap_or_default(), field);
    let year = part(0)?.ok_or(MrzProblem::DateInvalid(field))?;
    Ok((year, part(2)?, part(4)?))
}

/// The latest century in which the day is not in the future.
fn birth(characters: &[u8], today: Date) -> Result<Birth, MrzProblem> {
    let invalid = MrzProblem::DateInvalid(MrzField::Birth);
    let (year, month, day) = three(characters, MrzField::Birth)?;
    if month.is_none() && day.is_some() {
        return Err(invalid);
    }
    let this_century = today.year() - today.year() % 100;
    for century in [this_century, this_century - 100] {
        let year = century + i16::from(year);
        // What is unknown must be possible: the first of January, or of the month.
        let first = Date::new(year, month.unwrap_or(1), day.unwrap_or(1));
        if first.is_ok_and(|first| first <= today) {
            return Ok(Birth { year, month, day });
        }
    }
    Err(invalid)
}

/// Documents are valid for some ten years: the century that brings the day nearest to today.
fn expiry(characters: &[u8], today: Date) -> Result<Date, MrzProblem> {
    let invalid = MrzProblem::DateInvalid(MrzField::Expiry);
    let (year, month, day) = three(characters, MrzField::Expiry)?;
    let (month, day) = month.zip(day).ok_or(invalid)?;
    let this_century = today.year() - today.year() % 100;
    let years = [-100, 0, 100].map(|step| this_century + step + i16::from(year));
    let nearest = years.into_iter().min_by_key(|year| (year - today.year()).abs()).ok_or(invalid)?;
    Date::new(nearest, month, day).map_err(|_| invalid)
}

impl std::fmt::Debug for Mrz {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mrz(redacted)")
    }
}

#[cfg(test)]
mod tests;
