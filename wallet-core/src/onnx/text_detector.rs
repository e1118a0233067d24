//! PP-OCR detection (DB): where lines of text are. The model gives each pixel the probability of lying in the shrunk
//! core of a line; connected cores become rectangles, which are grown back.

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel kernel: indices are bounded by the map's size, which is checked; sides are below 2^24"
)]

use std::collections::BTreeMap;

use ort::session::Session;

use super::manifest::Role;
use super::raster::{self, Crop, Planes};
use super::runtime::{ModelError, Models, run};
use super::shape::Rect;
use crate::picture::Picture;

/// Long side in pixels at which text is looked for: PaddleOCR's own limit. A card that fills half of the picture's
/// width then still has letters of 15 px.
const SIDE: usize = 960;
/// How far a core is grown, as a share of area over perimeter (the model was trained with cores shrunk by it).
const UNCLIP: f32 = 1.6;
/// Cores and lines thinner than this (pixels of the map) are noise.
const MIN_CORE: f32 = 3.0;
/// Lines kept, most probable first: an identity card has at most 12 a side.
const MAX_LINES: usize = 48;

/// A DB session and its buffers.
pub struct TextDetector {
    session: Session,
    input: Vec<f32>,
    seen: Vec<bool>,
    pixel_threshold: f32,
    box_threshold: f32,
}

/// The model's answer: probabilities, row by row.
struct Map<'a> {
    values: &'a [f32],
    width: usize,
    height: usize,
}

impl TextDetector {
    pub(super) fn new(models: &Models) -> Result<TextDetector, ModelError> {
        let entry = models.entry(Role::TextDetector)?;
        Ok(TextDetector {
            session: models.session(Role::TextDetector)?,
            input: Vec::new(),
            seen: Vec::new(),
            pixel_threshold: entry.threshold("pixel", 0.3),
            box_threshold: entry.threshold("box", 0.5),
        })
    }

    /// The corners of each line in pixels of the picture: top left, top right, bottom right, bottom left, if the
    /// lines run roughly along x.
    pub fn detect(&mut self, picture: &Picture) -> Result<Vec<[[f32; 2]; 4]>, ModelError> {
        let whole = Crop::whole(picture);
        let scale = SIDE as f32 / whole.width.max(whole.height) as f32;
        let side = |length: usize| ((length as f32 * scale / 32.0).round() as usize).max(1) * 32;
        let (width, height) = (side(whole.width), side(whole.height));
        self.input.resize(3 * width * height, 0.0);
        let mut planes = Planes { values: &mut self.input, width, height };
        // PP-OCR models are fed BGR, −1 to 1.
        let level = |v: f32| v / 127.5 - 1.0;
        raster::resize(picture, whole, (width, height), |x, y, [r, g, b]| {
            planes.put(x, y, [level(b), level(g), level(r)]);
        });
        let outputs = run(&mut self.session, [1, 3, height, width], &self.input)?;
        let output = outputs.values().next().ok_or(ModelError::UnexpectedOutput("text-detector"))?;
        let values = output.try_extract_tensor::<f32>()?.1;
        if values.len() != width * height {
            return Err(ModelError::UnexpectedOutput("text-detector"));
        }
        let map = Map { values, width, height };
        let mut lines = map.lines(&mut self.seen, self.pixel_threshold, self.box_threshold);
        lines.sort_by(|a, b| b.1.total_cmp(&a.1));
        lines.truncate(MAX_LINES);
        part_neighbours(&mut lines);
        let (sx, sy) = (whole.width as f32 / width as f32, whole.height as f32 / height as f32);
        Ok(lines.iter().map(|(rect, _)| rect.quad().map(|[x, y]| [x * sx, y * sy])).collect())
    }
}

/// Growing makes a label and the value behind it overlap, so that the value would begin with half a character of the
/// label.
fn part_neighbours(lines: &mut [(Rect, f32)]) {
    lines.sort_by(|a, b| a.0.centre[0].total_cmp(&b.0.centre[0]));
    for i in 1..lines.len() {
        let (before, from) = lines.split_at_mut(i);
        for (left, _) in before {
            Rect::part(left, &mut from[0].0);
        }
    }
}

impl Map<'_> {
    /// Lines with their mean probability.
    fn lines(&self, seen: &mut Vec<bool>, pixel_threshold: f32, box_threshold: f32) -> Vec<(Rect, f32)> {
        seen.clear();
        seen.extend(self.values.iter().map(|v| v.is_nan() || *v <= pixel_threshold));
        let mut lines = Vec::new();
        for start in 0..seen.len() {
            if seen[start] {
                continue;
            }
            let Some(core) = Rect::around(self.component(start, seen)) else { continue };
            if core.width.min(core.height) < MIN_CORE {
                continue;
            }
            let score = self.mean_inside(&core);
            if score >= box_threshold {
                let distance = core.width * core.height * UNCLIP / (2.0 * (core.width + core.height));
                lines.push((core.grown(distance), score));
            }
        }
        lines
    }

    /// Marks the 8-connected pixels around `start` and returns, for each of its rows, the leftmost and rightmost: all
    /// that a convex hull needs.
    fn component(&self, start: usize, seen: &mut [bool]) -> Vec<[f32; 2]> {
        let mut ends: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        let mut stack = vec![start];
        seen[start] = true;
        while let Some(at) = stack.pop() {
            let (x, y) = (at % self.width, at / self.width);
            let row = ends.entry(y).or_insert((x, x));
            *row = (row.0.min(x), row.1.max(x));
            for ny in y.saturating_sub(1)..(y + 2).min(self.height) {
                for nx in x.saturating_sub(1)..(x + 2).min(self.width) {
                    let next = ny * self.width + nx;
                    if !seen[next] {
                        seen[next] = true;
                        stack.push(next);
                    }
                }
            }
        }
        ends.iter()
            .flat_map(|(y, (low, high))| [[*low as f32, *y as f32], [*high as f32, *y as f32]])
            .collect()
    }

    /// Mean probability of the pixels whose centres lie in a rectangle.
    fn mean_inside(&self, rect: &Rect) -> f32 {
        let quad = rect.quad();
        let range = |axis: usize, side: usize| {
            let low = quad.iter().map(|p| p[axis]).fold(f32::MAX, f32::min).max(0.0) as usize;
            let high = quad.iter().map(|p| p[axis]).fold(0.0, f32::max) as usize;
            low..(high + 1).min(side)
        };
        let (mut sum, mut count) = (0.0_f32, 0.0_f32);
        for y in range(1, self.height) {
            for x in range(0, self.width) {
                let (dx, dy) = (x as f32 - rect.centre[0], y as f32 - rect.centre[1]);
                let u = dx * rect.along[0] + dy * rect.along[1];
                let v = dy * rect.along[0] - dx * rect.along[1];
                if u.abs() <= rect.width / 2.0 && v.abs() <= rect.height / 2.0 {
                    sum += self.values[y * self.width + x];
                    count += 1.0;
                }
            }
        }
        if count > 0.0 { sum / count } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_become_grown_rectangles_and_specks_do_not() {
        let mut values = vec![0.0; 64 * 32];
        for y in 8..14 {
            values[y * 64 + 10..y * 64 + 51].fill(0.9);
        }
        values[25 * 64 + 3] = 0.9;
        let map = Map { values: &values, width: 64, height: 32 };
        let lines = map.lines(&mut Vec::new(), 0.3, 0.5);
        let [(rect, score)] = lines[..] else { panic!("{lines:?}") };
        assert!((score - 0.9).abs() < 1e-3 && rect.centre == [30.0, 10.5]);
        assert!(rect.height > 10.0 && rect.height < 14.0, "{rect:?}");
    }
}
