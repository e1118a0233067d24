//! The one font: text becomes glyphs, is measured, and is broken into lines.
//!
//! A character is a glyph, which Chinese and what Latin stands in a bill need no more than; scripts that must be shaped are not set here.
//! Invariant: whatever the text is, every glyph is in the font and stands for a character that PDF/A allows.

use std::sync::Arc;

use anyhow::Context as _;
use krilla::Data;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::{FontRef, MetadataProvider as _};

/// Stands for a character that the font lacks, as printers do (U+3013 GETA MARK). Copied, it is the character that was meant.
const STAND_IN: char = '〓';

/// A font.
pub(super) struct Face {
    bytes: Arc<Vec<u8>>,
    pub(super) font: Font,
}

impl Face {
    /// A font from a file's bytes, if it is one that has what is needed.
    pub(super) fn new(bytes: Vec<u8>) -> Option<Face> {
        let bytes = Arc::new(bytes);
        let font = Font::new(Data::from(Arc::clone(&bytes)), 0)?;
        let face = Face { bytes, font };
        face.typesetter().is_ok().then_some(face)
    }

    /// What sets text in it.
    pub(super) fn typesetter(&self) -> anyhow::Result<Typesetter<'_>> {
        let font = FontRef::new(&self.bytes).context("the font can't be read")?;
        let (charmap, metrics) =
            (font.charmap(), font.glyph_metrics(Size::unscaled(), LocationRef::default()));
        let stand_in = charmap.map(STAND_IN).context("the font has no U+3013")?;
        Ok(Typesetter { charmap, metrics, stand_in, units_per_em: self.font.units_per_em() })
    }
}

/// Sets text.
pub(super) struct Typesetter<'a> {
    charmap: Charmap<'a>,
    metrics: GlyphMetrics<'a>,
    stand_in: skrifa::GlyphId,
    units_per_em: f32,
}

/// A line of glyphs.
#[derive(Clone, Default)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) glyphs: Vec<KrillaGlyph>,
}

/// What becomes of a character.
enum Role {
    Letter(char),
    /// Says which form of the character before it is meant; shown as that one is.
    Variant,
    Nothing,
}

fn role(letter: char) -> Role {
    match u32::from(letter) {
        // Controls, and separators of lines and paragraphs.
        0..=0x1F | 0x7F..=0x9F | 0x2028 | 0x2029 => Role::Letter(' '),
        // Direction, width and joining, which no glyph shows.
        0xAD | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0xFEFF => Role::Nothing,
        0xFE00..=0xFE0F | 0xE_0100..=0xE_01EF => Role::Variant,
        // Private use, and what is no character.
        0xE000..=0xF8FF | 0xFDD0..=0xFDEF | 0xE_0000..=0x10_FFFF => Role::Letter(STAND_IN),
        number if number & 0xFFFE == 0xFFFE => Role::Letter(STAND_IN),
        _ => Role::Letter(letter),
    }
}

impl Typesetter<'_> {
    /// A text as one line.
    pub(super) fn line(&self, text: &str) -> Line {
        let mut line = Line::default();
        for letter in text.chars() {
            let from = line.text.len();
            match role(letter) {
                Role::Nothing => {}
                Role::Variant => {
                    if let Some(last) = line.glyphs.last_mut() {
                        line.text.push(letter);
                        last.text_range.end = line.text.len();
                    }
                }
                Role::Letter(letter) => {
                    line.text.push(letter);
                    let glyph = self.charmap.map(letter).unwrap_or(self.stand_in);
                    let advance = self.metrics.advance_width(glyph).unwrap_or_default() / self.units_per_em;
                    let (glyph, range) = (GlyphId::new(glyph.to_u32()), from..line.text.len());
                    line.glyphs.push(KrillaGlyph::new(glyph, advance, 0.0, 0.0, 0.0, range, None));
                }
            }
        }
        line
    }

    /// A text as lines that are at most `width` points wide at `size`.
    pub(super) fn lines(&self, text: &str, size: f32, width: f32) -> Vec<Line> {
        let (mut lines, mut rest) = (Vec::new(), self.line(text));
        while let Some(next) = rest.break_at(width / size) {
            lines.push(std::mem::replace(&mut rest, next));
        }
        lines.push(rest);
        lines
    }
}

/// What may not begin a line.
const CLOSING: &str = "，。、；：！？）》」』】”’…,.;:!?)]";
/// What may not end one.
const OPENING: &str = "（《「『【“‘([";

fn may_break(before: char, after: char) -> bool {
    let is_wide = |letter: char| u32::from(letter) >= 0x2E80;
    let apart = before == ' ' || before == '/' || is_wide(before) || is_wide(after);
    apart && after != ' ' && !CLOSING.contains(after) && !OPENING.contains(before)
}

impl Line {
    /// Its width in ems.
    pub(super) fn ems(&self) -> f32 {
        self.glyphs.iter().map(|glyph| glyph.x_advance).sum()
    }

    fn letter(&self, glyph: &KrillaGlyph) -> char {
        self.text.get(glyph.text_range.clone()).and_then(|text| text.chars().next()).unwrap_or(' ')
    }

    /// Keeps what fits, and gives back the rest, if there is any. The space that a line is broken at stays at its end and needs no room.
    fn break_at(&mut self, most: f32) -> Option<Line> {
        let (mut ems, mut place, mut before) = (0.0, None, None);
        let mut over = None;
        for (index, glyph) in self.glyphs.iter().enumerate() {
            let letter = self.letter(glyph);
            if before.is_some_and(|before| may_break(before, letter)) {
                place = Some(index);
            }
            ems += glyph.x_advance;
            if ems > most && letter != ' ' {
                over = Some(index.max(1));
                break;
            }
            before = Some(letter);
        }
        let at = place.unwrap_or(over?).max(1);
        if at >= self.glyphs.len() {
            return None;
        }
        let mut glyphs = self.glyphs.split_off(at);
        let from = glyphs.first().map_or(self.text.len(), |glyph| glyph.text_range.start);
        let text = self.text.split_off(from);
        for glyph in &mut glyphs {
            glyph.text_range = glyph.text_range.start - from..glyph.text_range.end - from;
        }
        Some(Line { text, glyphs })
    }
}
