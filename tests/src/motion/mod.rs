//! Frames of somebody who does what a challenge asks for, made from one real picture by warping it over its 68 points; and
//! frames as an attacker would show them.
//!
//! They look made. That is good enough to prove that the plumbing works and that an attack is refused for its reason; it is no
//! evidence of how many real attacks are refused, nor of how real people turn, blink and speak.

pub mod attack;
pub mod capture;
mod mesh;
mod moves;
mod pixels;

use anyhow::{Result, anyhow};
use image::RgbImage;
use wallet_core::face::{FaceBox, Point};
use wallet_core::onnx::Engine;
use wallet_core::picture::Picture;

pub use moves::{blinking, lit, mouth_open, nodding, turned};

/// A picture of one face, and where it is.
#[derive(Debug, Clone)]
pub struct Face {
    /// The picture.
    pub image: RgbImage,
    /// In the order of iBUG 300-W.
    pub points: [Point; 68],
    /// As the detector finds it.
    pub face_box: FaceBox,
}

impl Face {
    /// Finds the one face in a picture.
    pub fn find(engine: &mut Engine, image: RgbImage) -> Result<Face> {
        let (width, height) = image.dimensions();
        let picture = Picture::from_rgb(width, height, image.as_raw().clone());
        let picture = picture.ok_or_else(|| anyhow!("a picture without pixels"))?;
        let located = engine.locate(&picture)?.map_err(|unusable| anyhow!("{}", unusable.code()))?;
        Ok(Face { image, points: located.points.0, face_box: located.face_box })
    }

    fn point(&self, index: usize) -> Point {
        self.points.get(index).copied().unwrap_or_default()
    }

    /// The mean of some points.
    fn middle(&self, of: std::ops::Range<usize>) -> Point {
        let count = of.len().max(1) as f32;
        let add = |[x, y]: Point, index| [x + self.point(index)[0] / count, y + self.point(index)[1] / count];
        of.fold([0.0; 2], add)
    }

    /// Distance of the eyes in pixels.
    fn eyes_apart(&self) -> f32 {
        let (left, right) = (self.middle(36..42), self.middle(42..48));
        (left[0] - right[0]).hypot(left[1] - right[1]).max(1.0)
    }

    /// With the same points and other pixels.
    fn with(&self, image: RgbImage) -> Face {
        Face { image, ..self.clone() }
    }
}
