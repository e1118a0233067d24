//! Characters that look alike, put right by where they stand.
//!
//! Where only a digit may stand, `O` is `0`; where only a letter may, `0` is `O`. In a document number both may: there a change is
//! believed only when the check digits hold with it, and with no other change as small.

use jiff::civil::Date;

use super::{Format, Mrz, MrzField, MrzProblem, Zone, parse};

/// A zone, and how many characters were put right in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    pub mrz: Mrz,
    pub changes: usize,
    /// The lines as they must have been.
    pub lines: Vec<String>,
}

/// What may stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    Letter,
    Digit,
    Both,
}

/// Letters and the digits that they are taken for.
const ALIKE: [(u8, u8); 9] = [
    (b'O', b'0'),
    (b'Q', b'0'),
    (b'D', b'0'),
    (b'I', b'1'),
    (b'L', b'1'),
    (b'Z', b'2'),
    (b'S', b'5'),
    (b'G', b'6'),
    (b'B', b'8'),
];
/// Of these, what is tried in a document number: one letter a digit, and not `G`, which has the value of `6` to a check digit.
const ALIKE_IN_NUMBER: [(u8, u8); 5] = [(b'O', b'0'), (b'I', b'1'), (b'Z', b'2'), (b'S', b'5'), (b'B', b'8')];

/// Reads lines of the exact length as [`parse`] does, having put right what can only be a misreading. Errors: what is wrong then.
pub fn repair(lines: &[impl AsRef<str>], today: Date) -> Result<Repaired, MrzProblem> {
    let format = Zone::of(lines)?.format;
    let mut repaired: Vec<Vec<u8>> = lines.iter().map(|line| line.as_ref().as_bytes().to_vec()).collect();
    let mut changes = 0;
    for (row, line) in repaired.iter_mut().enumerate() {
        for (at, character) in line.iter_mut().enumerate() {
            let right = placed(*character, allowed(format, row, at));
            changes += usize::from(right != *character);
            *character = right;
        }
    }
    let mut result = read(&repaired, today);
    if matches!(result, Err(MrzProblem::CheckDigit(MrzField::Number))) {
        let mut found = Vec::new();
        for candidate in numbers(&repaired, format) {
            if let Ok(mrz) = read(&candidate, today) {
                found.push((mrz, candidate));
            }
        }
        if let (Some((mrz, candidate)), true) = (found.pop(), found.is_empty()) {
            (result, repaired, changes) = (Ok(mrz), candidate, changes + 1);
        }
    }
    let mrz = result?;
    Ok(Repaired { mrz, changes, lines: text(&repaired) })
}

fn read(lines: &[Vec<u8>], today: Date) -> Result<Mrz, MrzProblem> {
    parse(&text(lines), today)
}

fn text(lines: &[Vec<u8>]) -> Vec<String> {
    lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

fn allowed(format: Format, row: usize, at: usize) -> May {
    let digits = |ranges: &[std::ops::Range<usize>]| ranges.iter().any(|range| range.contains(&at));
    match (format, row) {
        (Format::Td1, 0) if at < 5 => May::Letter,
        (Format::Td1, 1) if digits(&[0..7, 8..15, 29..30]) => May::Digit,
        (Format::Td1, 1) if at == 7 || (15..18).contains(&at) => May::Letter,
        (Format::Td1, 2) | (Format::Td2 | Format::Td3, 0) => May::Letter,
        (Format::Td2 | Format::Td3, 1) if digits(&[13..20, 21..28]) => May::Digit,
        (Format::Td2 | Format::Td3, 1) if at == 20 || (10..13).contains(&at) => May::Letter,
        (Format::Td2, 1) if at == 9 || at == 35 => May::Digit,
        (Format::Td3, 1) if at == 9 || at == 42 || at == 43 => May::Digit,
        _ => May::Both,
    }
}

fn placed(character: u8, may: May) -> u8 {
    let pairs = ALIKE.iter();
    let right = match may {
        May::Digit => pairs.clone().find(|(letter, _)| *letter == character).map(|(_, digit)| *digit),
        // The first letter of a digit is the likeliest: O for 0, I for 1.
        May::Letter => pairs.clone().find(|(_, digit)| *digit == character).map(|(letter, _)| *letter),
        May::Both => None,
    };
    right.unwrap_or(character)
}

/// The lines with one character of the document number changed to what looks like it.
fn numbers(lines: &[Vec<u8>], format: Format) -> Vec<Vec<Vec<u8>>> {
    let (row, from) = if format == Format::Td1 { (0, 5) } else { (1, 0) };
    let mut candidates = Vec::new();
    for at in from..from + 9 {
        let Some(character) = lines.get(row).and_then(|line| line.get(at)).copied() else { continue };
        for (letter, digit) in ALIKE_IN_NUMBER {
            let other = match character {
                c if c == letter => digit,
                c if c == digit => letter,
                _ => continue,
            };
            let mut candidate = lines.to_vec();
            if let Some(place) = candidate.get_mut(row).and_then(|line| line.get_mut(at)) {
                *place = other;
                candidates.push(candidate);
            }
        }
    }
    candidates
}
