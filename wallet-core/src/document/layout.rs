//! From loose lines of text to "what stands behind this label": turn the lines level, cut them at labels, follow rows.
//!
//! The reader may give a label and its value as one line, as two, or several fields as one; all come out the same.

use super::{Glyph, TextLine};

/// A label to look for: its spellings, the right one first, then what readers make of it.
#[derive(Debug)]
pub(super) struct Label {
    pub spellings: &'static [&'static str],
}

/// A piece of a line: a label, or text without one. Coordinates are level: x along the text, y down.
#[derive(Debug, Clone)]
struct Piece {
    /// Index into the labels given to [`Page::new`].
    label: Option<usize>,
    text: String,
    glyphs: Vec<Glyph>,
    sharpness: f32,
    left: f32,
    right: f32,
    middle: f32,
    height: f32,
}

/// A value: what stands behind a label, joined.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    pub glyphs: Vec<Glyph>,
    /// Of its least sharp line, as in [`TextLine`].
    pub sharpness: f32,
    /// There is room for a character between two of its pieces that stand on one row: something may have been lost there.
    pub gap: bool,
}

impl Value {
    pub(super) fn text(&self) -> String {
        self.glyphs.iter().map(|glyph| glyph.character).collect()
    }

    /// Confidence in its most doubtful character.
    pub(super) fn confidence(&self) -> f32 {
        self.glyphs.iter().map(|glyph| glyph.confidence).fold(1.0, f32::min)
    }
}

/// The pieces of one side of a card, left to right.
#[derive(Debug)]
pub(super) struct Page {
    pieces: Vec<Piece>,
}

/// A row's pieces may differ in height of their middles by this share of the text height.
const SAME_ROW: f32 = 0.7;
/// A continued line starts under the first by at most this many text heights aside.
const SAME_COLUMN: f32 = 1.2;
/// Lines of a paragraph are at most this many text heights apart.
const NEXT_LINE: f32 = 2.4;
/// Pieces of a row further apart than this many line heights have room for a character between them: boxes are higher than letters.
const GAP: f32 = 1.0;
/// Words of this many Latin letters are print on the card or a watermark, never part of a field.
const LATIN_WORD: usize = 4;

impl Page {
    pub(super) fn new(lines: &[TextLine], labels: &[Label]) -> Page {
        let (sin, cos) = angle(lines).sin_cos();
        let mut pieces: Vec<Piece> = lines.iter().flat_map(|line| cut(line, labels, sin, cos)).collect();
        pieces.sort_by(|a, b| a.left.total_cmp(&b.left));
        Page { pieces }
    }

    /// How many of the labels were found.
    pub(super) fn labels_found(&self) -> usize {
        let mut found: Vec<usize> = self.pieces.iter().filter_map(|piece| piece.label).collect();
        found.sort_unstable();
        found.dedup();
        found.len()
    }

    /// The text behind a label on its row, up to the next label. `None` when the label or the text is missing.
    pub(super) fn row(&self, label: usize) -> Option<Value> {
        join(&self.row_pieces(label)?)
    }

    /// Like [`Page::row`], with the lines below that start in the same column, until another label's row.
    pub(super) fn paragraph(&self, label: usize) -> Option<Value> {
        let mut taken = self.row_pieces(label)?;
        let column = taken.first()?.left;
        loop {
            let last = *taken.last()?;
            let next = self.pieces.iter().filter(|piece| {
                let step = piece.middle - last.middle;
                piece.label.is_none()
                    && !is_print(&piece.text)
                    && step > SAME_ROW * last.height
                    && step < NEXT_LINE * last.height
                    && (piece.left - column).abs() < SAME_COLUMN * last.height
                    && !self.behind_another_label(piece, label)
            });
            match next.min_by(|a, b| a.middle.total_cmp(&b.middle)) {
                Some(piece) => {
                    taken.push(piece);
                    taken.extend(self.right_of(piece));
                }
                None => return join(&taken),
            }
        }
    }

    /// Every piece that is not a label.
    pub(super) fn texts(&self) -> impl Iterator<Item = Value> {
        let free = self.pieces.iter().filter(|piece| piece.label.is_none());
        free.map(|piece| Value { glyphs: piece.glyphs.clone(), sharpness: piece.sharpness, gap: false })
    }

    fn row_pieces(&self, label: usize) -> Option<Vec<&Piece>> {
        let start = self.pieces.iter().find(|piece| piece.label == Some(label))?;
        let found = self.right_of(start);
        (!found.is_empty()).then_some(found)
    }

    /// The pieces to the right of one, on its row, up to the next label.
    fn right_of(&self, start: &Piece) -> Vec<&Piece> {
        let right = self.pieces.iter().filter(|piece| {
            let centre = f32::midpoint(piece.left, piece.right);
            let near = (piece.middle - start.middle).abs() < SAME_ROW * start.height.max(piece.height);
            centre > start.right && near && !is_print(&piece.text)
        });
        right.take_while(|piece| piece.label.is_none()).collect()
    }

    fn behind_another_label(&self, piece: &Piece, label: usize) -> bool {
        self.pieces.iter().any(|other| {
            other.label.is_some_and(|l| l != label)
                && other.right < piece.right
                && (other.middle - piece.middle).abs() < SAME_ROW * other.height
        })
    }
}

fn join(pieces: &[&Piece]) -> Option<Value> {
    let glyphs: Vec<Glyph> = pieces.iter().flat_map(|piece| piece.glyphs.iter().copied()).collect();
    let sharpness = pieces.iter().map(|piece| piece.sharpness).fold(f32::MAX, f32::min);
    let gap = pieces.windows(2).any(|pair| match pair {
        [a, b] => (b.middle - a.middle).abs() < SAME_ROW * a.height && b.left - a.right > GAP * a.height,
        _ => false,
    });
    (!glyphs.is_empty()).then_some(Value { glyphs, sharpness, gap })
}

fn is_print(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphabetic()).any(|word| word.len() >= LATIN_WORD)
}

/// The angle of the text: the median over the lines, each weighed by its length, since short boxes lie askew.
pub(super) fn angle(lines: &[TextLine]) -> f32 {
    let mut angles: Vec<(f32, f32)> = lines
        .iter()
        .map(|line| {
            let [start, end, ..] = line.quad;
            let (dx, dy) = (end[0] - start[0], end[1] - start[1]);
            (dy.atan2(dx), dx.hypot(dy))
        })
        .collect();
    // Angles about ±180° are one direction: measured from the longest line, they do not wrap.
    let longest = angles.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.0, |(angle, _)| *angle);
    for (angle, _) in &mut angles {
        let turn = *angle - longest;
        *angle = turn.sin().atan2(turn.cos());
    }
    angles.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = angles.iter().map(|(_, length)| length).sum::<f32>() / 2.0;
    let mut passed = 0.0;
    for (angle, length) in angles {
        passed += length;
        if passed >= half {
            return longest + angle;
        }
    }
    longest
}

/// Cuts a line at the labels in it. A piece is as sure as its own characters: how a label was read decides nothing.
fn cut(line: &TextLine, labels: &[Label], sin: f32, cos: f32) -> Vec<Piece> {
    let glyphs: Vec<Glyph> =
        line.glyphs.iter().filter(|glyph| !glyph.character.is_whitespace()).copied().collect();
    let text: String = glyphs.iter().map(|glyph| glyph.character).collect();
    let level = |p: [f32; 2]| [p[0] * cos + p[1] * sin, p[1] * cos - p[0] * sin];
    let corners = line.quad.map(level);
    let [top_left, top_right, bottom_right, bottom_left] = corners;
    let (left, right) =
        (f32::midpoint(top_left[0], bottom_left[0]), f32::midpoint(top_right[0], bottom_right[0]));
    let middle = corners.iter().map(|p| p[1]).sum::<f32>() / 4.0;
    let height = (bottom_left[1] - top_left[1]).abs().max(1.0);
    let (mut pieces, mut rest) = (Vec::new(), glyphs.as_slice());
    let mut from = left;
    for (label, part) in split(&text, labels) {
        let (own, after) = rest.split_at_checked(part.chars().count()).unwrap_or((rest, &[]));
        rest = after;
        let ends = own.last().zip(rest.first()).map_or(1.0, |(a, b)| f32::midpoint(a.at, b.at));
        let to = left + (right - left) * ends;
        let (text, glyphs, sharpness) = (part.to_owned(), own.to_vec(), line.sharpness);
        pieces.push(Piece { label, text, glyphs, sharpness, left: from, right: to, middle, height });
        from = to;
    }
    pieces
}

/// The text as labels and what stands between them, in order, nothing empty.
fn split<'t>(text: &'t str, labels: &[Label]) -> Vec<(Option<usize>, &'t str)> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((at, length, label)) = first_label(rest, labels) {
        let (before, from_label) = rest.split_at(at);
        let (found, after) = from_label.split_at(length);
        if !before.is_empty() {
            parts.push((None, before));
        }
        parts.push((Some(label), found));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push((None, rest));
    }
    parts
}

/// The first label in a text: where, how long, which; of spellings that start together the longest.
fn first_label(text: &str, labels: &[Label]) -> Option<(usize, usize, usize)> {
    let found = labels.iter().enumerate().flat_map(|(index, label)| {
        label.spellings.iter().filter_map(move |s| text.find(s).map(|at| (at, s.len(), index)))
    });
    found.min_by_key(|(at, length, _)| (*at, usize::MAX - length))
}
