//! PP-OCR recognition: a line of text → characters. Height 48, BGR −1 to 1, CTC over the dictionary that the model
//! carries in its metadata.

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel kernel: indices are bounded by buffers sized here, sides are below 2^24"
)]

use ort::session::Session;

use super::manifest::Role;
use super::raster::{self, Planes};
use super::runtime::{ModelError, Models, run};
use crate::document::plane::Quad;
use crate::document::{Glyph, TextLine};
use crate::face::quality::sharpness;
use crate::picture::Picture;

/// Height of the model's input in pixels.
const HEIGHT: usize = 48;
/// Least width of the input: the model was trained on 320, and reads single characters better with room behind them.
const MIN_WIDTH: usize = 320;
/// Greatest width: 25 characters; longer lines are squeezed, so that no line costs more than 30 CPU-ms.
const MAX_WIDTH: usize = 1200;

/// The characters of a machine-readable zone.
const ZONE: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<";
/// What else a zone's filler looks like to a reader of many scripts.
const FILLERS: &str = "<＜〈《«‹く";

/// A CTC session, its dictionary and its input buffer.
pub struct TextReader {
    session: Session,
    input: Vec<f32>,
    words: Words,
}

/// What the model's classes mean.
struct Words {
    /// Index 0 is "no character", the last is a space.
    characters: Vec<String>,
    /// The classes that mean a character of [`ZONE`].
    zone: Vec<(char, Vec<usize>)>,
}

impl TextReader {
    pub(super) fn new(models: &Models) -> Result<TextReader, ModelError> {
        let session = models.session(Role::TextReader)?;
        let dictionary = session.metadata()?.custom("character");
        let dictionary = dictionary.ok_or(ModelError::UnexpectedOutput("text-reader"))?;
        let mut characters = vec![String::new()];
        characters.extend(dictionary.lines().map(str::to_owned));
        characters.push(" ".to_owned());
        let zone = ZONE.chars().map(|c| (c, classes(&characters, c))).collect();
        Ok(TextReader { session, input: Vec::new(), words: Words { characters, zone } })
    }

    /// Reads the line inside a quadrangle: top left, top right, bottom right, bottom left in reading direction.
    pub fn read(&mut self, picture: &Picture, quad: Quad) -> Result<TextLine, ModelError> {
        self.read_as(picture, quad, |words, values, stretch| decode(values, &words.characters, stretch))
    }

    /// The same for a line that has `A`–`Z`, `0`–`9` and `<` only, as in a machine-readable zone.
    pub fn read_zone(&mut self, picture: &Picture, quad: Quad) -> Result<TextLine, ModelError> {
        self.read_as(picture, quad, |words, values, stretch| {
            let classes = words.characters.len();
            let few = |step: &[f32]| {
                let sum = |classes: &Vec<usize>| classes.iter().map(|class| step[*class]).sum::<f32>();
                let rest = words.zone.iter().map(|(_, classes)| sum(classes));
                std::iter::once(step[0]).chain(rest).collect::<Vec<f32>>()
            };
            let values: Vec<f32> = values.chunks_exact(classes).flat_map(few).collect();
            let mut characters = vec![String::new()];
            characters.extend(words.zone.iter().map(|(c, _)| c.to_string()));
            decode(&values, &characters, stretch)
        })
    }

    fn read_as(
        &mut self,
        picture: &Picture,
        quad: Quad,
        decode: impl Fn(&Words, &[f32], f32) -> Vec<Glyph>,
    ) -> Result<TextLine, ModelError> {
        let ratio = length(quad[0], quad[1]) / length(quad[0], quad[3]).max(1.0);
        let used = ((ratio * HEIGHT as f32).ceil() as usize).clamp(8, MAX_WIDTH);
        let width = used.max(MIN_WIDTH);
        self.input.clear();
        self.input.resize(3 * HEIGHT * width, 0.0);
        let mut planes = Planes { values: &mut self.input, width, height: HEIGHT };
        let sharpness = fill(picture, quad, used, &mut planes);
        let outputs = run(&mut self.session, [1, 3, HEIGHT, width], &self.input)?;
        let output = outputs.values().next().ok_or(ModelError::UnexpectedOutput("text-reader"))?;
        let (shape, values) = output.try_extract_tensor::<f32>()?;
        let classes = self.words.characters.len();
        if shape.last().copied() != i64::try_from(classes).ok() {
            return Err(ModelError::UnexpectedOutput("text-reader"));
        }
        let glyphs = decode(&self.words, values, width as f32 / used as f32);
        Ok(TextLine { glyphs, quad, sharpness })
    }
}

/// The classes that mean a character of a zone.
fn classes(characters: &[String], zone: char) -> Vec<usize> {
    let means = |text: &String| {
        let mut text = text.chars();
        let only = text.next().filter(|_| text.next().is_none());
        only.is_some_and(|c| c == zone || (zone == '<' && FILLERS.contains(c)))
    };
    (1..characters.len()).filter(|class| means(&characters[*class])).collect()
}

/// Samples the line into the planes, several samples a pixel where the picture is larger than the input. Returns its
/// sharpness.
fn fill(picture: &Picture, quad: Quad, used: usize, planes: &mut Planes<'_>) -> f32 {
    let [start, right, _, below] = quad;
    let step =
        |to: [f32; 2], count: usize| [(to[0] - start[0]) / count as f32, (to[1] - start[1]) / count as f32];
    let (along, down) = (step(right, used), step(below, HEIGHT));
    let pixel_size = down[0].hypot(down[1]).max(along[0].hypot(along[1]));
    let samples = (pixel_size.round() as usize).clamp(1, 4);
    let mut luma = vec![0.0; used * HEIGHT];
    for y in 0..HEIGHT {
        for x in 0..used {
            let mut sum = [0.0_f32; 3];
            for i in 0..samples * samples {
                let part = |i: usize| (i as f32 + 0.5) / samples as f32;
                let (u, v) = (x as f32 + part(i % samples), y as f32 + part(i / samples));
                let px = start[0] + u * along[0] + v * down[0] - 0.5;
                let py = start[1] + u * along[1] + v * down[1] - 0.5;
                let sample = raster::sample_clamped(picture, px, py);
                (0..3).for_each(|c| sum[c] += sample[c]);
            }
            let [r, g, b] = sum.map(|v| v / (samples * samples) as f32);
            luma[y * used + x] = 0.299 * r + 0.587 * g + 0.114 * b;
            planes.put(x, y, [b, g, r].map(|v| v / 127.5 - 1.0));
        }
    }
    sharpness(&luma, used)
}

/// Greedy CTC: the best class of each step, repeats merged, blanks dropped. A character's confidence is its best step, and there
/// it stands. `stretch` is the input's width over the line's: behind the line the input is empty.
fn decode(values: &[f32], characters: &[String], stretch: f32) -> Vec<Glyph> {
    let steps = (values.len() / characters.len().max(1)) as f32;
    let (mut glyphs, mut last): (Vec<Glyph>, _) = (Vec::new(), 0);
    for (i, step) in values.chunks_exact(characters.len()).enumerate() {
        let best = (0..step.len()).max_by(|a, b| step[*a].total_cmp(&step[*b])).unwrap_or(0);
        // Whether there is a space is doubtful by nature, and decides nothing.
        let confidence = if characters[best] == " " { 1.0 } else { step[best] };
        let at = ((i as f32 + 0.5) / steps * stretch).min(1.0);
        if best != last {
            glyphs.extend(characters[best].chars().map(|character| Glyph { character, confidence, at }));
        } else if let Some(glyph) =
            glyphs.last_mut().filter(|glyph| best != 0 && glyph.confidence < confidence)
        {
            (glyph.confidence, glyph.at) = (confidence, at);
        }
        last = best;
    }
    glyphs
}

fn length(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_merged_unless_a_blank_parts_them() {
        let characters = ["", "a", "b"].map(str::to_owned);
        let step = |class: usize| (0..3).map(move |c| if c == class { 0.8 } else { 0.1 });
        let values: Vec<f32> = [1, 1, 0, 1, 2, 2, 0].into_iter().flat_map(step).collect();
        let glyphs = decode(&values, &characters, 2.0);
        let read: Vec<(char, f32)> = glyphs.iter().map(|g| (g.character, g.confidence)).collect();
        assert_eq!(read, [('a', 0.8), ('a', 0.8), ('b', 0.8)]);
        assert!((glyphs[1].at - 1.0).abs() < 1e-6, "{glyphs:?}");
        assert_eq!(decode(&[], &characters, 1.0), []);
    }
}
