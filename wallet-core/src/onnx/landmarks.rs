//! `fr_landmark`: the detector's box → 68 points of the face in it. Grey 0–1, `[1, 1, 64, 64]` → `[1, 136]`, x and y in turn
//! as shares of the crop's side.
//!
//! YuNet's own five points wander by several pixels between two looks at one face; these stand still, and alignment is only as
//! good as its points (docs/adr/0011).

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel kernel: spans are clipped to the picture, cells and points are counted by their types"
)]

use std::ops::Range;

use ort::session::Session;

use super::manifest::Role;
use super::runtime::{ModelError, Models, run};
use crate::face::measures::{LEFT_EYE, RIGHT_EYE, eye_open};
use crate::face::{FaceBox, Landmarks, Point};
use crate::picture::Picture;

/// Side of the model's input in pixels.
const SIDE: usize = 64;
/// Points in the model's answer.
const POINTS: usize = 68;
/// Samples a side of one cell at most: enough for a face of 8,192 pixels, and a bound where a box is absurd.
const MAX_SAMPLES: f64 = 128.0;

/// An `fr_landmark` session and its buffers.
pub struct Landmarker {
    session: Session,
    input: Vec<f32>,
    scratch: Scratch,
}

/// 68 points in pixels of the picture, in the order of iBUG 300-W: jaw 0–16, brows 17–26, nose 27–35, eyes 36–47,
/// mouth 48–67; of two sides the left one as seen comes first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Points68(pub [Point; POINTS]);

impl Points68 {
    /// The five points that faces are aligned by: each eye the mean of its four lid points, the tip of the nose, and each
    /// corner of the mouth the mean of its outer and inner one.
    pub fn five(&self) -> Landmarks {
        Landmarks {
            left_eye: self.mean([37, 38, 40, 41]),
            right_eye: self.mean([43, 44, 46, 47]),
            nose: self.0[30],
            left_mouth: self.mean([48, 60]),
            right_mouth: self.mean([54, 64]),
        }
    }

    /// How far the eyes are open: height over width of the lids' outline, of the eye that is more shut.
    pub fn eyes_open(&self) -> f32 {
        eye_open(&self.0, LEFT_EYE).min(eye_open(&self.0, RIGHT_EYE))
    }

    /// How far the mouth is open: height over width of the inner lips.
    pub fn mouth_open(&self) -> f32 {
        let height = self.distance(61, 67) + self.distance(62, 66) + self.distance(63, 65);
        height / (3.0 * self.distance(60, 64))
    }

    /// In pixels; never 0, so that it can be divided by.
    fn distance(&self, a: usize, b: usize) -> f32 {
        let (p, q) = (self.0[a], self.0[b]);
        (p[0] - q[0]).hypot(p[1] - q[1]).max(1e-3)
    }

    fn mean<const N: usize>(&self, points: [usize; N]) -> Point {
        [0, 1].map(|axis| points.iter().map(|i| self.0[*i][axis]).sum::<f32>() / N as f32)
    }
}

impl Landmarker {
    pub(super) fn new(models: &Models) -> Result<Landmarker, ModelError> {
        let session = models.session(Role::FaceLandmarks)?;
        Ok(Landmarker { session, input: vec![0.0; SIDE * SIDE], scratch: Scratch::default() })
    }

    /// The points of the face in the box. Errors when the box is empty, or it or an answer is not a finite number.
    pub fn find(&mut self, picture: &Picture, face_box: &FaceBox) -> Result<Points68, ModelError> {
        let square = Square::around(face_box).ok_or(ModelError::Input("face-landmarks"))?;
        square.shrink(picture, &mut self.scratch, &mut self.input);
        let outputs = run(&mut self.session, [1, 1, SIDE, SIDE], &self.input)?;
        let unexpected = || ModelError::UnexpectedOutput("face-landmarks");
        let output = outputs.values().next().ok_or_else(unexpected)?;
        let (shares, rest) = output.try_extract_tensor::<f32>()?.1.as_chunks::<2>();
        let shares: &[Point; POINTS] = shares.try_into().map_err(|_| unexpected())?;
        let points = shares.map(|share| square.place(share));
        let finite = points.iter().flatten().all(|v| v.is_finite());
        if rest.is_empty() && finite { Ok(Points68(points)) } else { Err(unexpected()) }
    }
}

/// The part of the picture that the model sees, in its pixels; it may reach beyond the edge, where all is black.
#[derive(Debug, Clone, Copy)]
struct Square {
    x: f64,
    y: f64,
    side: f64,
}

impl Square {
    /// As high as the box and with the same centre.
    fn around(face_box: &FaceBox) -> Option<Square> {
        let FaceBox { x, y, width, height } = *face_box;
        let usable = [x, y, width, height].iter().all(|v| v.is_finite()) && width > 0.0 && height > 0.0;
        let [x, y, width, side] = [x, y, width, height].map(f64::from);
        usable.then_some(Square { x: x + (width - side) / 2.0, y, side })
    }

    /// Where a point lies that the model gives as shares of the side.
    fn place(&self, [x, y]: Point) -> Point {
        let along = |from: f64, share: f32| (from + f64::from(share) * self.side) as f32;
        [along(self.x, x), along(self.y, y)]
    }

    /// How many samples a side are averaged for one cell: about one for each pixel of the picture.
    fn samples(&self) -> f64 {
        (self.side / SIDE as f64).round().clamp(1.0, MAX_SAMPLES)
    }

    /// The square as the model's input: luma (BT.601) over 256, each cell the mean of evenly spaced bilinear samples.
    ///
    /// All of it is linear and the axes are independent, so the samples' weights on rows and on columns are added up first;
    /// then every pixel is read once, and only what lies in the square becomes grey.
    fn shrink(&self, picture: &Picture, scratch: &mut Scratch, input: &mut [f32]) {
        let Scratch { columns, rows, band, luma } = scratch;
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        columns.fill(self.x, self, width);
        rows.fill(self.y, self, height);
        let seen = columns.seen();
        band.resize(seen.len() * 3, 0.0);
        for (cell, line) in input.chunks_exact_mut(SIDE).enumerate() {
            band.fill(0.0);
            for (y, weight) in rows.of(cell) {
                let row = &picture.rgb()[(y * width + seen.start) * 3..(y * width + seen.end) * 3];
                for (sum, byte) in band.iter_mut().zip(row) {
                    *sum += weight * f32::from(*byte);
                }
            }
            luma.clear();
            luma.extend(band.as_chunks::<3>().0.iter().map(|[r, g, b]| 0.299 * r + 0.587 * g + 0.114 * b));
            for (cell, value) in line.iter_mut().enumerate() {
                *value =
                    columns.of(cell).map(|(x, weight)| weight * luma[x - seen.start]).sum::<f32>() / 256.0;
            }
        }
    }
}

/// Buffers of [`Square::shrink`].
#[derive(Default)]
struct Scratch {
    columns: Axis,
    rows: Axis,
    /// The pixels behind one line of cells, weighed and added up: RGB.
    band: Vec<f32>,
    luma: Vec<f32>,
}

/// Along one axis, which pixels make up each cell, and by how much.
#[derive(Default)]
struct Axis {
    spans: Vec<Span>,
    weights: Vec<f32>,
}

struct Span {
    /// The first pixel.
    from: usize,
    /// Of `Axis::weights`, a weight a pixel.
    weights: Range<usize>,
}

impl Axis {
    /// Weights for the cells from `start` on along an axis of `length` pixels. Sample `i` of all lies at `start` and `i`
    /// steps; whole coordinates are pixel centres. A sample's share of a pixel outside the picture is lost: it is black there.
    fn fill(&mut self, start: f64, square: &Square, length: usize) {
        self.spans.clear();
        self.weights.clear();
        let samples = square.samples();
        let step = square.side / (samples * SIDE as f64);
        let clip = |pixel: f64| pixel.clamp(0.0, length as f64) as usize;
        for cell in 0..SIDE {
            let first = start + cell as f64 * samples * step;
            let (from, to) = (clip(first.floor()), clip((first + (samples - 1.0) * step).floor() + 2.0));
            let begin = self.weights.len();
            self.weights.resize(begin + (to - from), 0.0);
            for sample in 0..samples as usize {
                let place = first + sample as f64 * step;
                let low = place.floor();
                for (pixel, weight) in [(low, 1.0 - (place - low)), (low + 1.0, place - low)] {
                    if pixel >= from as f64 && pixel < to as f64 {
                        self.weights[begin + (pixel as usize - from)] += (weight / samples) as f32;
                    }
                }
            }
            self.spans.push(Span { from, weights: begin..self.weights.len() });
        }
    }

    /// The pixels of a cell with their weights.
    fn of(&self, cell: usize) -> impl Iterator<Item = (usize, f32)> {
        let Span { from, weights } = &self.spans[cell];
        (*from..).zip(self.weights[weights.clone()].iter().copied())
    }

    /// All pixels that any cell has a share in.
    fn seen(&self) -> Range<usize> {
        let from = self.spans.iter().map(|span| span.from).min().unwrap_or(0);
        let end = self.spans.iter().map(|span| span.from + span.weights.len()).max().unwrap_or(0);
        from..end
    }
}

#[cfg(test)]
mod tests;
