//! Passive presentation-attack detection: one frame → probability that the face is live. One signal of several: it
//! stops most prints and replays seen, and is no certification (docs/SECURITY.md).

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    reason = "the crop is clamped to the picture, whose sides are below 2^24"
)]

use ort::session::Session;

use super::manifest::Role;
use super::raster::{self, Crop, Planes};
use super::runtime::{ModelError, Models, run};
use crate::face::FaceBox;
use crate::picture::Picture;

/// Side of the model's input in pixels.
const SIDE: usize = 128;
/// How much wider than the face box the crop is: the model looks for the edges of paper and screens.
const CONTEXT: f32 = 2.7;

/// An `fr_liveness` session and its input buffer.
pub struct Liveness {
    session: Session,
    input: Vec<f32>,
}

impl Liveness {
    pub(super) fn new(models: &Models) -> Result<Liveness, ModelError> {
        Ok(Liveness { session: models.session(Role::Liveness)?, input: vec![0.0; 3 * SIDE * SIDE] })
    }

    /// Probability (0 to 1) of class 0, live. The input is **BGR** 0–255: fed RGB the model refuses half of the living.
    pub fn live(&mut self, picture: &Picture, face_box: &FaceBox) -> Result<f32, ModelError> {
        let mut planes = Planes { values: &mut self.input, width: SIDE, height: SIDE };
        let crop = context(picture, face_box);
        raster::resize(picture, crop, (SIDE, SIDE), |x, y, [r, g, b]| planes.put(x, y, [b, g, r]));
        let outputs = run(&mut self.session, [1, 3, SIDE, SIDE], &self.input)?;
        let output = outputs.values().next().ok_or(ModelError::UnexpectedOutput("liveness"))?;
        match output.try_extract_tensor::<f32>()?.1 {
            [live, a, b] => {
                let top = live.max(*a).max(*b);
                let [live, a, b] = [live, a, b].map(|logit| (logit - top).exp());
                Ok(live / (live + a + b))
            }
            _ => Err(ModelError::UnexpectedOutput("liveness")),
        }
    }
}

/// The face box scaled by 2.7, or by as much as fits, about its centre, then shifted back inside the picture.
fn context(picture: &Picture, face: &FaceBox) -> Crop {
    let (right, bottom) = ((picture.width() - 1) as f32, (picture.height() - 1) as f32);
    let scale = (bottom / face.height.max(1.0)).min(right / face.width.max(1.0)).min(CONTEXT);
    let span = |centre: f32, length: f32, end: f32| {
        let from = (centre - length / 2.0).min(end - length).max(0.0);
        let to = (from + length).min(end);
        (from as usize, (to as usize).saturating_sub(from as usize) + 1)
    };
    let (x, width) = span(face.x + face.width / 2.0, face.width * scale, right);
    let (y, height) = span(face.y + face.height / 2.0, face.height * scale, bottom);
    Crop { x, y, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crop_stays_inside() {
        let picture = Picture::from_rgb(100, 80, vec![0; 24_000]).unwrap();
        for (x, y, width, height) in [
            (45.0, 35.0, 10.0, 10.0),
            (-20.0, -9.0, 50.0, 60.0),
            (90.0, 70.0, 30.0, 30.0),
            (0.0, 0.0, 300.0, 300.0),
        ] {
            let crop = context(&picture, &FaceBox { x, y, width, height });
            assert!(
                crop.width > 0 && crop.height > 0 && crop.x + crop.width <= 100 && crop.y + crop.height <= 80
            );
        }
        let middle = context(&picture, &FaceBox { x: 45.0, y: 35.0, width: 10.0, height: 10.0 });
        assert_eq!(middle, Crop { x: 36, y: 26, width: 28, height: 28 });
    }
}
