//! Lines of text as they lie in a photograph → the lines of a zone.
//!
//! The zone is printed with one pitch, so a character's place follows from where it stands, whatever the reader made of the
//! fillers between: it merges them, or leaves them out. A gap is taken for fillers only beside a filler that was read; between two
//! other characters something was lost.

use jiff::civil::Date;

use super::{Format, Mrz, MrzField, MrzProblem, Repaired, repair};
use crate::document::{Glyph, TextLine, layout};

/// A zone as read from a photograph.
#[derive(Debug, Clone, PartialEq)]
pub struct MrzReading {
    pub mrz: Mrz,
    /// Least confidence in a character that no check digit is of: names, state, nationality, sex; 0 to 1.
    pub unchecked_confidence: f32,
    /// Least confidence in any other but fillers.
    pub checked_confidence: f32,
    /// Characters that were put right by where they stand.
    pub changes: usize,
}

/// Least confidence in what no check digit is of.
const MIN_UNCHECKED: f32 = 0.60;
/// A row of a zone has at least this many characters that were read, fillers included.
const MIN_ROW: usize = 14;
/// Pieces belong to one row when their middles differ by less than this share of their height.
const SAME_ROW: f32 = 0.5;

/// Characters of a row with their places in pixels along it.
#[derive(Debug, Clone, Default)]
struct Row {
    glyphs: Vec<(f32, Glyph)>,
    middle: f32,
    height: f32,
}

/// Finds the zone among the lines of a picture, read with the zone's alphabet, upright to within 45°. Errors:
/// [`MrzProblem::NotAZone`], or what is wrong with the one that is most like a zone.
pub fn find(lines: &[TextLine], today: Date) -> Result<MrzReading, MrzProblem> {
    let rows = rows(lines);
    let (mut in_form, mut in_content) = (None, None);
    for format in Format::ALL {
        let (count, length) = format.size();
        // The zone is the last print on the page, but a shadow or an edge may have been taken for a line below it.
        for candidate in rows.windows(count).rev() {
            match placed(candidate, format, length) {
                Ok(placed) => match judged(&placed, format, today) {
                    Ok(reading) => return Ok(reading),
                    Err(problem) => _ = in_content.get_or_insert(problem),
                },
                Err(problem) if problem != MrzProblem::NotAZone => _ = in_form.get_or_insert(problem),
                Err(_) => {}
            }
        }
    }
    // What has a zone's form says more of what is wrong with it.
    Err(in_content.or(in_form).unwrap_or(MrzProblem::NotAZone))
}

/// Rows from the top, each from the left, of pieces that lie on one line.
fn rows(lines: &[TextLine]) -> Vec<Row> {
    let (sin, cos) = layout::angle(lines).sin_cos();
    let level = |p: [f32; 2]| [p[0] * cos + p[1] * sin, p[1] * cos - p[0] * sin];
    let mut rows: Vec<Row> = Vec::new();
    for line in lines {
        let [a, b, c, d] = line.quad.map(level);
        let (left, right) = (f32::midpoint(a[0], d[0]), f32::midpoint(b[0], c[0]));
        let (middle, height) = ((a[1] + b[1] + c[1] + d[1]) / 4.0, (d[1] - a[1]).abs());
        let glyphs = line.glyphs.iter().filter(|glyph| !glyph.character.is_whitespace());
        let glyphs = glyphs.map(|glyph| (left + (right - left) * glyph.at, *glyph));
        let near = |row: &&mut Row| (row.middle - middle).abs() < SAME_ROW * row.height.max(height);
        match rows.iter_mut().find(near) {
            Some(row) => row.glyphs.extend(glyphs),
            None => rows.push(Row { glyphs: glyphs.collect(), middle, height }),
        }
    }
    rows.retain(|row| row.glyphs.len() >= MIN_ROW);
    rows.sort_by(|a, b| a.middle.total_cmp(&b.middle));
    for row in &mut rows {
        row.glyphs.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    rows
}

/// The rows as lines of the format's length; each place its character, and how sure it is (1 for a filler that follows from the
/// pitch).
fn placed(rows: &[Row], format: Format, length: usize) -> Result<Vec<Vec<(u8, f32)>>, MrzProblem> {
    // The second line ends in a check digit in all formats: its ends give the pitch.
    let ends = rows.get(1).and_then(|row| row.glyphs.first().zip(row.glyphs.last()));
    let ((first, _), (last, _)) = ends.ok_or(MrzProblem::NotAZone)?;
    #[allow(clippy::cast_precision_loss, reason = "at most 44")]
    let pitch = (last - first) / (length - 1) as f32;
    if !(pitch > 2.0 && pitch.is_finite()) {
        return Err(MrzProblem::NotAZone);
    }
    let names = if format == Format::Td1 { 2 } else { 0 };
    let lines = rows.iter().enumerate();
    lines.map(|(i, row)| on_grid(row, pitch, length, i == names)).collect()
}

fn on_grid(row: &Row, pitch: f32, length: usize, names: bool) -> Result<Vec<(u8, f32)>, MrzProblem> {
    const FILLER: (u8, f32) = (b'<', 1.0);
    if row.glyphs.len() == length && (!names || even(row, pitch)) {
        return row.glyphs.iter().map(|(_, glyph)| Ok((ascii(glyph)?, glyph.confidence))).collect();
    }
    let mut line: Vec<(u8, f32)> = Vec::with_capacity(length);
    let mut before: Option<f32> = None;
    for (x, glyph) in &row.glyphs {
        let character = ascii(glyph)?;
        let steps = before.map_or(1.0, |before| ((x - before) / pitch).round());
        if steps < 1.0 {
            // Twice the same place: a character that was split, or one filler too many.
            match line.last_mut() {
                Some(last) if last.0 == b'<' => *last = (character, glyph.confidence),
                Some(last) if character != b'<' && last.1 < glyph.confidence => {
                    *last = (character, glyph.confidence)
                }
                _ => {}
            }
            continue;
        }
        let beside_filler = character == b'<' || line.last().is_none_or(|last| last.0 == b'<');
        if steps > 1.0 && names && !beside_filler {
            return Err(MrzProblem::Unreadable(MrzField::Names));
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to a line's length"
        )]
        let gap = (steps.clamp(1.0, 44.0) as usize) - 1;
        line.extend(std::iter::repeat_n(FILLER, gap));
        line.push((character, glyph.confidence));
        before = Some(*x);
    }
    if line.len() > length && line.iter().skip(length).all(|(c, _)| *c == b'<') {
        line.truncate(length);
    }
    if names {
        line.resize(length.max(line.len()), FILLER);
    }
    fitted(line, length)
}

fn ascii(glyph: &Glyph) -> Result<u8, MrzProblem> {
    u8::try_from(glyph.character).map_err(|_| MrzProblem::NotAZone)
}

/// Whether each letter stands as far from the one before as the characters between say: nothing was lost, and nothing merged.
fn even(row: &Row, pitch: f32) -> bool {
    const ASIDE: f32 = 0.75;
    let letters: Vec<(usize, f32)> = row
        .glyphs
        .iter()
        .enumerate()
        .filter(|(_, (_, glyph))| glyph.character != '<')
        .map(|(i, (x, _))| (i, *x))
        .collect();
    #[allow(clippy::cast_precision_loss, reason = "at most some hundred")]
    letters.windows(2).all(|pair| match pair {
        [(i, from), (j, to)] => ((to - from) / pitch - (j - i) as f32).abs() < ASIDE,
        _ => true,
    })
}

/// Where characters and places do not come out even, the longest run of fillers gives way: it is where places are least sure.
fn fitted(mut line: Vec<(u8, f32)>, length: usize) -> Result<Vec<(u8, f32)>, MrzProblem> {
    const MOST: usize = 3;
    if line.len().abs_diff(length) > MOST {
        return Err(MrzProblem::NotAZone);
    }
    let (mut best, mut run) = ((0, 0), 0);
    for (i, (character, _)) in line.iter().enumerate() {
        run = if *character == b'<' { run + 1 } else { 0 };
        if run > best.0 {
            best = (run, i);
        }
    }
    while line.len() != length {
        if best.0 < 2 {
            return Err(MrzProblem::NotAZone);
        }
        if line.len() < length {
            line.insert(best.1, (b'<', 1.0));
        } else {
            line.remove(best.1);
            best = (best.0 - 1, best.1 - 1);
        }
    }
    Ok(line)
}

fn judged(lines: &[Vec<(u8, f32)>], format: Format, today: Date) -> Result<MrzReading, MrzProblem> {
    let text: Vec<String> =
        lines.iter().map(|line| line.iter().map(|(c, _)| char::from(*c)).collect()).collect();
    let repaired = repair(&text, today)?;
    let (mut unchecked, mut checked) = (1.0_f32, 1.0_f32);
    for (row, line) in lines.iter().enumerate() {
        for (at, (character, confidence)) in line.iter().enumerate() {
            let free = match (format, row) {
                (Format::Td1, 0) => at < 5,
                (Format::Td1, 1) => at == 7 || (15..18).contains(&at),
                (Format::Td2 | Format::Td3, 1) => at == 20 || (10..13).contains(&at),
                _ => true,
            };
            if *character != b'<' {
                let least = if free { &mut unchecked } else { &mut checked };
                *least = least.min(*confidence);
            }
        }
    }
    if unchecked < MIN_UNCHECKED {
        return Err(MrzProblem::Unreadable(MrzField::Names));
    }
    let Repaired { mrz, changes, .. } = repaired;
    Ok(MrzReading { mrz, unchecked_confidence: unchecked, checked_confidence: checked, changes })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    /// A line of a zone as a reader gives it: all fillers behind the first of a run left out.
    fn line(text: &str, y: f32, drop_fillers: bool) -> TextLine {
        let count = text.len() as f32;
        let mut last = ' ';
        let mut glyphs = Vec::new();
        for (i, character) in text.chars().enumerate() {
            if !(drop_fillers && character == '<' && last == '<') {
                glyphs.push(Glyph { character, confidence: 0.99, at: (i as f32 + 0.5) / count });
            }
            last = character;
        }
        let quad = [[40.0, y], [1240.0, y + 10.0], [1240.0, y + 50.0], [40.0, y + 40.0]];
        TextLine { glyphs, quad, sharpness: 1.0 }
    }

    const PASSPORT: [&str; 2] =
        ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"];

    #[test]
    fn fillers_follow_from_places() {
        for drop_fillers in [false, true] {
            let lines = [
                line("SOME PRINT ABOVE", 100.0, false),
                line(PASSPORT[1], 400.0, drop_fillers),
                line(PASSPORT[0], 330.0, drop_fillers),
            ];
            let read = find(&lines, date(2026, 11, 22)).unwrap();
            assert_eq!(
                (read.mrz.surname.as_str(), read.mrz.given_names.as_str()),
                ("ERIKSSON", "ANNA MARIA")
            );
            assert_eq!((read.mrz.number.as_str(), read.changes), ("L898902C3", 0));
        }
    }

    #[test]
    fn a_lost_letter_is_no_filler() {
        let mut names = line(PASSPORT[0], 330.0, true);
        names.glyphs.remove(7);
        let lines = [names, line(PASSPORT[1], 400.0, true)];
        assert_eq!(find(&lines, date(2026, 11, 22)), Err(MrzProblem::Unreadable(MrzField::Names)));
    }

    #[test]
    fn doubtful_names_are_refused_and_other_pictures_have_no_zone() {
        let mut names = line(PASSPORT[0], 330.0, true);
        names.glyphs[7].confidence = 0.4;
        let lines = [names, line(PASSPORT[1], 400.0, true)];
        assert_eq!(find(&lines, date(2026, 11, 22)), Err(MrzProblem::Unreadable(MrzField::Names)));
        assert_eq!(find(&[], date(2026, 11, 22)), Err(MrzProblem::NotAZone));
        assert_eq!(find(&lines[..1], date(2026, 11, 22)), Err(MrzProblem::NotAZone));
    }
}
