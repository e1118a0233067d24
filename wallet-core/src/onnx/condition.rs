//! In what condition a document was photographed: glare, blur, and whether it may have been shown on a screen. Numbers; what follows
//! from them is `id_card.rs`'s to say.

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel kernel: tiles are cut inside the picture; sides are far below 2^24"
)]

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use serde::Serialize;

use super::raster;
use crate::document::DocumentProblem;
use crate::document::plane::{Homography, Quad};
use crate::picture::Picture;

/// How a document was photographed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Condition {
    /// Share of the document that is blown out to white, 0 to 1: what was printed there is lost.
    pub glare: f32,
    /// Whether that is one spot, as a lamp's reflection is. White paper in too much light is spread out between the letters.
    pub lamp: bool,
    /// Median sharpness of its lines of text, as in `TextLine`.
    pub sharpness: f32,
    /// How far the sharpest single frequency stands out of those around it, in decades of power: the grid of a screen, or its
    /// moiré with the camera's. Print gives 0.6 to 1.5.
    pub screen: f32,
    /// Whether `screen` is more than print gives: a reason to look closer, no proof.
    pub screen_suspected: bool,
}

/// `screen` from which on a screen is suspected: 40 drawn photographs and 16 of others had at most 1.5, of 12 drawn screens 9 had more.
const SCREEN: f32 = 1.75;
/// All three colours at or above this level are blown out; white paper in good light is below.
const BLOWN: f32 = 250.0;
/// Side of a tile whose spectrum is taken, in pixels of the photograph.
const TILE: usize = 128;
/// Tiles along each axis of the document.
const TILES: usize = 4;

/// From this share on, glare is what hides a field that could not be read.
const HIDING: f32 = 0.004;
/// Under this sharpness blur is.
const BLURRED: f32 = 0.010;

impl Condition {
    /// Whether a lamp may hide characters without a trace: eight addresses were read without some, all on cards of which it took 0.10
    /// and more.
    pub(super) fn hides(&self) -> bool {
        const LOST: f32 = 0.02;
        self.lamp && self.glare >= LOST
    }

    /// What the person should hear: glare or blur, where that is why something could not be read; else the problem itself.
    pub fn explains(&self, problem: DocumentProblem) -> DocumentProblem {
        match problem {
            DocumentProblem::FieldMissing(_)
            | DocumentProblem::FieldUnreadable(_)
            | DocumentProblem::PortraitMissing
                if self.glare >= HIDING =>
            {
                DocumentProblem::Glare
            }
            DocumentProblem::FieldMissing(_) | DocumentProblem::FieldUnreadable(_)
                if self.sharpness < BLURRED =>
            {
                DocumentProblem::Blurred
            }
            other => other,
        }
    }

    /// Of a document that lies in the photograph between these corners (all of it, where they are not known), once laid flat in
    /// `upright`.
    pub(super) fn of(
        photograph: &Picture,
        corners: Option<&Quad>,
        upright: &Picture,
        sharpness: f32,
    ) -> Condition {
        let screen = screen(photograph, corners);
        let (glare, lamp) = glare(upright);
        Condition { glare, lamp, sharpness, screen, screen_suspected: screen > SCREEN }
    }
}

/// The share that is blown out, and whether it is one spot: for a disc, the mean square distance from its middle is its area over 2π;
/// what is spread out lies further away.
fn glare(upright: &Picture) -> (f32, bool) {
    const COMPACT: f32 = 0.65;
    /// More than this is no spot.
    const LARGEST: f32 = 0.45;
    let small = raster::shrunk(upright, 320);
    let blown: Vec<[f32; 2]> = (0..small.rgb.len())
        .filter(|i| small.rgb[*i].iter().all(|v| *v >= BLOWN))
        .map(|i| [(i % small.width) as f32, (i / small.width) as f32])
        .collect();
    let count = blown.len().max(1) as f32;
    let middle = [0, 1].map(|axis| blown.iter().map(|p| p[axis]).sum::<f32>() / count);
    let square = |p: &[f32; 2]| (p[0] - middle[0]).powi(2) + (p[1] - middle[1]).powi(2);
    let spread = blown.iter().map(square).sum::<f32>() / count;
    let compact = count / (std::f32::consts::TAU * spread.max(0.1));
    let share = blown.len() as f32 / small.rgb.len().max(1) as f32;
    (share, compact > COMPACT && share < LARGEST)
}

/// The mean spectrum of tiles of the document, at the photograph's own size: scaling would take the grid away. Print differs from
/// tile to tile, a grid does not.
fn screen(photograph: &Picture, corners: Option<&Quad>) -> f32 {
    let (width, height) = (photograph.width() as f32, photograph.height() as f32);
    let whole = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]];
    let Some(place) = Homography::of_rectangle(1.0, 1.0, corners.unwrap_or(&whole)) else { return 0.0 };
    let mut power = vec![0.0_f32; TILE * TILE];
    let fft = FftPlanner::new().plan_fft_forward(TILE);
    let share = |i: usize| (i as f32 + 0.5) / TILES as f32;
    let mut taken = 0;
    for i in 0..TILES * TILES {
        let [x, y] = place.apply([share(i % TILES), share(i / TILES)]);
        let (x, y) = (x - TILE as f32 / 2.0, y - TILE as f32 / 2.0);
        if x < 0.0 || y < 0.0 || x + TILE as f32 >= width || y + TILE as f32 >= height {
            continue;
        }
        let mut tile = windowed(photograph, x as usize, y as usize);
        transform(&mut tile, fft.as_ref());
        // Each tile counts as much as another, however contrasty its print.
        let sum: f32 = tile.iter().map(Complex::norm_sqr).sum::<f32>().max(1e-6);
        for (power, value) in power.iter_mut().zip(&tile) {
            *power += value.norm_sqr() / sum;
        }
        taken += 1;
    }
    if taken < 2 { 0.0 } else { prominence(&power) }
}

/// A tile's luma, without its mean, faded out to its edges.
fn windowed(photograph: &Picture, x: usize, y: usize) -> Vec<Complex<f32>> {
    let width = photograph.width() as usize;
    let luma = |at: usize| {
        let pixel = &photograph.rgb()[at * 3..at * 3 + 3];
        0.299 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2])
    };
    let values: Vec<f32> = (0..TILE * TILE).map(|i| luma((y + i / TILE) * width + x + i % TILE)).collect();
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    let fade = |i: usize| 0.5 - 0.5 * (std::f32::consts::TAU * i as f32 / TILE as f32).cos();
    let tile = values.iter().enumerate();
    tile.map(|(i, v)| Complex::new((v - mean) * fade(i % TILE) * fade(i / TILE), 0.0)).collect()
}

/// In two dimensions: rows, then columns.
fn transform(tile: &mut [Complex<f32>], fft: &dyn rustfft::Fft<f32>) {
    for _ in 0..2 {
        fft.process(tile);
        let turned: Vec<Complex<f32>> = (0..TILE * TILE).map(|i| tile[i % TILE * TILE + i / TILE]).collect();
        tile.copy_from_slice(&turned);
    }
}

/// The greatest quotient of a frequency's power to the median of those as high, in decades.
fn prominence(power: &[f32]) -> f32 {
    const LOWEST: usize = 14;
    let half = TILE / 2;
    let mut rings: Vec<Vec<f32>> = vec![Vec::new(); half + 1];
    let mut seen: Vec<(usize, f32)> = Vec::new();
    for y in 0..TILE {
        for x in 0..=half {
            let v = y.min(TILE - y);
            let ring = (x as f32).hypot(v as f32).round() as usize;
            // Upright and level lines of print, and the blocks of JPEG, lie on the axes and on eighths.
            let printed = x < 3 || v < 3 || (near_eighth(x) && near_eighth(v));
            if !(LOWEST..=half).contains(&ring) || printed {
                continue;
            }
            let value = power[y * TILE + x];
            rings[ring].push(value);
            seen.push((ring, value));
        }
    }
    let medians: Vec<f32> = rings
        .into_iter()
        .map(|mut ring| {
            ring.sort_by(f32::total_cmp);
            ring.get(ring.len() / 2).copied().unwrap_or(0.0)
        })
        .collect();
    let most = seen.iter().map(|(ring, value)| value / medians[*ring].max(1e-12)).fold(1.0, f32::max);
    most.log10()
}

fn near_eighth(frequency: usize) -> bool {
    let step = TILE / 8;
    let rest = frequency % step;
    rest.min(step - rest) <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(pixel: impl Fn(f32, f32) -> f32) -> Picture {
        let (width, height) = (640, 480);
        let rgb = (0..width * height).flat_map(|i| {
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            [pixel(x, y).clamp(0.0, 255.0) as u8; 3]
        });
        Picture::from_rgb(width as u32, height as u32, rgb.collect()).unwrap()
    }

    /// Paper and ink as uneven as a camera sees them.
    fn print(x: f32, y: f32) -> f32 {
        // The finisher of SplitMix64.
        let mut cell = u64::from(x as u32) << 32 | u64::from(y as u32);
        cell = (cell ^ (cell >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        cell = (cell ^ (cell >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let noise = ((cell ^ (cell >> 31)) % 64) as f32;
        let ink = if (x / 37.0).sin() + (y / 23.0).cos() > 0.9 { 70.0 } else { 190.0 };
        ink + noise
    }

    #[test]
    fn a_grid_stands_out_of_print() {
        let of = |picture: &Picture| Condition::of(picture, None, picture, 0.1);
        let paper = of(&picture(print));
        let grid = |x: f32, y: f32| 1.0 + 0.12 * (1.9 * x + 0.4 * y).sin() + 0.12 * (1.9 * y - 0.4 * x).sin();
        let screen = of(&picture(|x, y| print(x, y) * grid(x, y)));
        assert!(!paper.screen_suspected && screen.screen_suspected, "{paper:?} {screen:?}");
        assert!(screen.screen > paper.screen + 0.8, "{paper:?} {screen:?}");
    }

    #[test]
    fn glare_is_the_share_that_is_white() {
        let of = |picture: &Picture| Condition::of(picture, None, picture, 0.1).glare;
        assert!(of(&picture(|_, _| 240.0)) < 1e-6);
        let lamp = picture(|x, y| if x < 160.0 && y < 240.0 { 255.0 } else { 200.0 });
        assert!((of(&lamp) - 0.125).abs() < 0.01);
        assert!(Condition::of(&lamp, None, &lamp, 0.1).hides());
        // Paper in too much light, with ink on it, over the whole width.
        let paper =
            picture(
                |x, y| if (x as u32 / 9).is_multiple_of(2) && (y as u32 / 20) % 3 < 2 { 60.0 } else { 253.0 },
            );
        let paper = Condition::of(&paper, None, &paper, 0.1);
        assert!(paper.glare > 0.3 && !paper.hides(), "{paper:?}");
        let condition = |glare, sharpness| Condition { glare, sharpness, ..Condition::default() };
        let unreadable = DocumentProblem::FieldUnreadable(crate::document::Field::Name);
        assert_eq!(condition(0.02, 0.1).explains(unreadable), DocumentProblem::Glare);
        assert_eq!(condition(0.0, 0.005).explains(unreadable), DocumentProblem::Blurred);
        assert_eq!(condition(0.0, 0.1).explains(unreadable), unreadable);
        // What was read and is wrong is not the light's fault.
        assert_eq!(condition(0.5, 0.001).explains(DocumentProblem::CheckDigit), DocumentProblem::CheckDigit);
    }

    #[test]
    fn tiny_pictures_have_no_spectrum() {
        let dot = Picture::from_rgb(1, 1, vec![255; 3]).unwrap();
        let condition = Condition::of(&dot, None, &dot, 0.0);
        assert_eq!((condition.screen, condition.glare), (0.0, 1.0));
        assert!(!condition.screen_suspected);
    }
}
