//! A printed thing as it is photographed: laid on a desk, turned and tilted before a camera, lit from one side, out of focus, noisy
//! and saved as JPEG; or shown on a screen and photographed from there.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel arithmetic on pictures of a few megapixels; every place is clamped to its picture"
)]

use anyhow::{Context, Result};
use image::{Rgb, RgbImage};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use wallet_core::document::plane::{Homography, Quad};

use super::blurred;
use crate::samples;

/// What the camera saves, in pixels.
pub const PHOTOGRAPH: (u32, u32) = (1440, 1080);
/// Focal length in long sides of the photograph: a telephone's main camera.
const FOCAL: f32 = 0.8;
/// Rays per pixel along each axis.
const RAYS: u32 = 2;

/// What lies under the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desk {
    Dark,
    Wood,
    /// Nearly as light as the card.
    Paper,
    Cloth,
}

/// How something is photographed.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    pub desk: Desk,
    /// Degrees clockwise in the plane of the picture.
    pub turn: f32,
    /// Degrees by which the upper edge leans away.
    pub pitch: f32,
    /// Degrees by which the right edge leans away.
    pub yaw: f32,
    /// The card's width as a share of the photograph's.
    pub share: f32,
    /// By which share the light falls off from the upper left to the lower right.
    pub shade: f32,
    /// A lamp's reflection: where on the card (shares of its sides), and its radius in card heights.
    pub glare: Option<([f32; 2], f32)>,
    /// Standard deviation in pixels of the photograph.
    pub blur: f32,
    /// Standard deviation in levels of 255.
    pub noise: f32,
    /// JPEG quality, 1 to 100.
    pub quality: u8,
    /// Shown on a screen with this many of its pixels across the card; `None` for the thing itself.
    pub screen: Option<u32>,
    /// For the noise and the desk.
    pub seed: u64,
}

/// A photograph, and where the card's corners are in it.
pub struct Photograph {
    pub jpeg: Vec<u8>,
    pub corners: Quad,
}

impl Scene {
    /// Straight from above, sharp, in even light.
    pub fn plain(seed: u64) -> Self {
        Self {
            desk: Desk::Dark,
            turn: 0.0,
            pitch: 0.0,
            yaw: 0.0,
            share: 0.78,
            shade: 0.0,
            glare: None,
            blur: 0.0,
            noise: 0.0,
            quality: 90,
            screen: None,
            seed,
        }
    }

    /// Photographs a flat print. `rounded` says how much of a pixel of it is there (cards have round corners).
    pub fn photograph(&self, print: &RgbImage, rounded: impl Fn(u32, u32) -> f32) -> Result<Photograph> {
        let (width, height) = (print.width() as f32, print.height() as f32);
        let corners = self.corners(width / height);
        let seen = Homography::of_rectangle(width, height, &corners).context("the card is seen edge on")?;
        let back = seen.inverse().context("the card is seen edge on")?;
        let paint =
            Paint { scene: self, print, rounded: &rounded, back, desk: DeskTop::new(self.desk, self.seed) };
        let picture = RgbImage::from_fn(PHOTOGRAPH.0, PHOTOGRAPH.1, |x, y| paint.pixel(x, y));
        let picture = if self.blur > 0.0 { blurred(&picture, self.blur) } else { picture };
        let picture = if self.noise > 0.0 { noisy(picture, self.noise, self.seed) } else { picture };
        Ok(Photograph { jpeg: samples::jpeg(&picture, self.quality)?, corners })
    }

    /// The corners of a card of this aspect in the photograph.
    fn corners(&self, aspect: f32) -> Quad {
        let (wide, high) = (PHOTOGRAPH.0 as f32, PHOTOGRAPH.1 as f32);
        let focal = FOCAL * wide.max(high);
        // A card one high at this distance is `share` of the photograph wide.
        let distance = focal * aspect / (self.share * wide);
        let [turn, pitch, yaw] =
            [self.turn, self.pitch, self.yaw].map(|angle: f32| angle.to_radians().sin_cos());
        let project = |[x, y]: [f32; 2]| {
            let (x, y) = (x * turn.1 - y * turn.0, x * turn.0 + y * turn.1);
            let (y, z) = (y * pitch.1, -y * pitch.0);
            let (x, z) = (x * yaw.1 - z * yaw.0, x * yaw.0 + z * yaw.1 + distance);
            [wide / 2.0 + focal * x / z, high / 2.0 + focal * y / z]
        };
        let (x, y) = (aspect / 2.0, 0.5);
        [[-x, -y], [x, -y], [x, y], [-x, y]].map(project)
    }
}

struct Paint<'a> {
    scene: &'a Scene,
    print: &'a RgbImage,
    rounded: &'a dyn Fn(u32, u32) -> f32,
    /// From the photograph to the print.
    back: Homography,
    desk: DeskTop,
}

impl Paint<'_> {
    fn pixel(&self, x: u32, y: u32) -> Rgb<u8> {
        let mut sum = [0.0_f32; 3];
        for ray in 0..RAYS * RAYS {
            let place = |at: u32, step: u32| at as f32 + (step as f32 + 0.5) / RAYS as f32;
            let colour = self.ray([place(x, ray % RAYS), place(y, ray / RAYS)]);
            for (sum, c) in sum.iter_mut().zip(colour) {
                *sum += c;
            }
        }
        Rgb(sum.map(|c| (c / (RAYS * RAYS) as f32).round().clamp(0.0, 255.0) as u8))
    }

    fn ray(&self, at: [f32; 2]) -> [f32; 3] {
        let [u, v] = self.back.apply(at);
        let (width, height) = (self.print.width() as f32, self.print.height() as f32);
        let (x, y) = (at[0] / PHOTOGRAPH.0 as f32, at[1] / PHOTOGRAPH.1 as f32);
        let light = 1.0 - self.scene.shade * f32::midpoint(x, y);
        let desk = self.desk.colour(at).map(|c| c * light);
        if !(0.0..width).contains(&u) || !(0.0..height).contains(&v) {
            return desk;
        }
        let mut card = self.bilinear(u - 0.5, v - 0.5).map(|c| c * light);
        if let Some(pixels) = self.scene.screen {
            card = on_screen(card, u / width * pixels as f32, v / width * pixels as f32);
        }
        if let Some(([gx, gy], radius)) = self.scene.glare {
            let away = ((u - gx * width) / height).hypot(v / height - gy) / radius;
            let shine = 330.0 * (-away * away).exp();
            card = card.map(|c| (c + shine).min(255.0));
        }
        let there = (self.rounded)(u as u32, v as u32);
        let mut mixed = desk;
        for (under, over) in mixed.iter_mut().zip(card) {
            *under += (over - *under) * there;
        }
        mixed
    }

    fn bilinear(&self, u: f32, v: f32) -> [f32; 3] {
        let last = (self.print.width() - 1, self.print.height() - 1);
        let (u, v) = (u.clamp(0.0, last.0 as f32), v.clamp(0.0, last.1 as f32));
        let (x, y) = (u as u32, v as u32);
        let (right, below) = ((x + 1).min(last.0), (y + 1).min(last.1));
        let (wx, wy) = (u - x as f32, v - y as f32);
        let at = |x: u32, y: u32| self.print.get_pixel(x, y).0.map(f32::from);
        let mut out = [0.0; 3];
        let corners = [at(x, y), at(right, y), at(x, below), at(right, below)];
        let weights = [(1.0 - wx) * (1.0 - wy), wx * (1.0 - wy), (1.0 - wx) * wy, wx * wy];
        for (corner, weight) in corners.iter().zip(weights) {
            for (out, c) in out.iter_mut().zip(corner) {
                *out += c * weight;
            }
        }
        out
    }
}

/// The light of a screen at a place in its own pixels: three stripes of colour with a dark frame around each pixel.
fn on_screen(colour: [f32; 3], u: f32, v: f32) -> [f32; 3] {
    let (x, y) = (u.fract(), v.fract());
    let lit = if y < 0.85 { 1.25 } else { 0.35 };
    let stripe = (x * 3.0) as usize;
    let mut out = colour.map(|c| c * 0.30);
    if let (Some(out), Some(c)) = (out.get_mut(stripe), colour.get(stripe)) {
        *out = c * 2.0;
    }
    out.map(|c| c * lit)
}

/// A desk's surface.
struct DeskTop {
    desk: Desk,
    /// Coarse random levels, for grain and spots.
    grain: Vec<f32>,
}

impl DeskTop {
    const SIDE: usize = 64;

    fn new(desk: Desk, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0xde5c);
        Self { desk, grain: (0..Self::SIDE * Self::SIDE).map(|_| rng.random_range(-1.0..1.0)).collect() }
    }

    fn colour(&self, [x, y]: [f32; 2]) -> [f32; 3] {
        let grain = |x: f32, y: f32| {
            let (x, y) = (x.abs() as usize % Self::SIDE, y.abs() as usize % Self::SIDE);
            self.grain.get(y * Self::SIDE + x).copied().unwrap_or(0.0)
        };
        match self.desk {
            Desk::Dark => [72.0, 66.0, 62.0].map(|c| c + 3.0 * grain(x / 9.0, y / 9.0)),
            Desk::Wood => {
                let wave = ((y / 23.0) + 1.5 * (x / 190.0).sin()).sin();
                [150.0, 112.0, 76.0].map(|c| c + 13.0 * wave + 6.0 * grain(x / 60.0, y / 3.0))
            }
            Desk::Paper => [226.0, 224.0, 219.0].map(|c| c + 2.0 * grain(x / 5.0, y / 5.0)),
            Desk::Cloth => {
                let check = ((x / 120.0).floor() + (y / 120.0).floor()).rem_euclid(2.0);
                [96.0, 104.0, 128.0].map(|c| c + 22.0 * check + 6.0 * grain(x / 2.0, y / 2.0))
            }
        }
    }
}

fn noisy(mut picture: RgbImage, sigma: f32, seed: u64) -> RgbImage {
    let mut rng = StdRng::seed_from_u64(seed);
    for value in picture.iter_mut() {
        // The sum of four uniform draws is near enough to a Gaussian; its variance is 4/12.
        let sum: f32 = (0..4).map(|_| rng.random::<f32>() - 0.5).sum();
        *value = (f32::from(*value) + sum * sigma * 3.0_f32.sqrt()).round().clamp(0.0, 255.0) as u8;
    }
    picture
}
