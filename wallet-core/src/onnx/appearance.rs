//! Apparent age and gender of a face: `age-v1` takes RGB `[1, 3, 64, 64]` and answers with the probabilities of the ages 0 to 80,
//! `gender-v1` `[1, 3, 32, 32]` → female, male. Both want (value − mean) ÷ 256 of a face that stands as dlib's
//! `get_face_chip_details` puts it, by five points and with a margin of a fifth.

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel kernel: every index is checked against the picture, every number is far below 2^24"
)]

use ort::session::Session;

use super::landmarks::Points68;
use super::manifest::Role;
use super::runtime::{ModelError, Models, run};
use crate::face::Point;
use crate::face::attributes::{ApparentAge, ApparentGender};
use crate::face::geometry::Similarity;
use crate::picture::Picture;

const AGE_SIDE: usize = 64;
const GENDER_SIDE: usize = 32;
/// Of the networks' training set, by channel.
const MEANS: [f32; 3] = [122.782, 117.001, 104.298];
/// dlib's mean face, as shares of the chip without its margin: corners of the eye on the right (outer, inner) and on the left
/// (outer, inner), base of the nose.
const MEAN_FACE: [Point; 5] = [
    [0.859_567_5, 0.213_498_15],
    [0.646_060_5, 0.228_967_44],
    [0.120_575_06, 0.213_727_45],
    [0.334_085_06, 0.229_064_24],
    [0.490_112_3, 0.627_797_5],
];
/// The same points among the 68.
const OF_68: [usize; 5] = [45, 42, 36, 39, 33];
/// On each side of the face, as a share of its chip.
const MARGIN: f32 = 0.2;
/// Samples a side that are averaged for one pixel of a chip at most: enough for a face of 1,000 pixels.
const MAX_SAMPLES: f64 = 16.0;

/// Two sessions.
pub struct AppearanceModels {
    age: Session,
    gender: Session,
}

impl AppearanceModels {
    pub(super) fn new(models: &Models) -> Result<AppearanceModels, ModelError> {
        Ok(AppearanceModels {
            age: models.session(Role::FaceAge)?,
            gender: models.session(Role::FaceGender)?,
        })
    }

    /// What both models say of the face with these points; `None` when the points coincide.
    pub fn look(
        &mut self,
        picture: &Picture,
        points: &Points68,
    ) -> Result<Option<(ApparentAge, ApparentGender)>, ModelError> {
        let (Some(age), Some(gender)) =
            (chip::<AGE_SIDE>(picture, points), chip::<GENDER_SIDE>(picture, points))
        else {
            return Ok(None);
        };
        let outputs = run(&mut self.age, [1, 3, AGE_SIDE, AGE_SIDE], &age)?;
        let output = outputs.values().next().ok_or(ModelError::UnexpectedOutput("face-age"))?;
        let ages: &[f32; 81] = output
            .try_extract_tensor::<f32>()?
            .1
            .try_into()
            .map_err(|_| ModelError::UnexpectedOutput("face-age"))?;
        let age = ApparentAge::of_distribution(ages);
        let outputs = run(&mut self.gender, [1, 3, GENDER_SIDE, GENDER_SIDE], &gender)?;
        let output = outputs.values().next().ok_or(ModelError::UnexpectedOutput("face-gender"))?;
        match output.try_extract_tensor::<f32>()?.1 {
            [female, male] => Ok(Some((age, ApparentGender::of_probabilities(*female, *male)))),
            _ => Err(ModelError::UnexpectedOutput("face-gender")),
        }
    }
}

/// The face as a model's input: `SIDE` pixels square, three planes.
fn chip<const SIDE: usize>(picture: &Picture, points: &Points68) -> Option<Vec<f32>> {
    let side = SIDE as f32;
    let place = |share: f32| (MARGIN + share) / (2.0 * MARGIN + 1.0) * side;
    let of_chip = MEAN_FACE.map(|point| point.map(place));
    let to_picture = Similarity::estimate(&of_chip, &OF_68.map(|i| points.0[i]))?;
    // About one sample for each pixel of the picture, or a large face would be a mesh of single pixels.
    let samples = to_picture.scale().round().clamp(1.0, MAX_SAMPLES);
    let within = |sample: usize| (sample as f64 + 0.5) / samples - 0.5;
    let mut planes = vec![0.0; 3 * SIDE * SIDE];
    for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
        let mut sum = [0.0_f32; 3];
        for (down, right) in (0..samples as usize).flat_map(|d| (0..samples as usize).map(move |r| (d, r))) {
            let (u, v) = to_picture.apply(x as f64 + within(right), y as f64 + within(down));
            let pixel = nearest(picture, u, v);
            for (sum, value) in sum.iter_mut().zip(pixel) {
                *sum += f32::from(value);
            }
        }
        for (channel, sum) in sum.into_iter().enumerate() {
            let mean = sum / (samples * samples) as f32;
            planes[(channel * SIDE + y) * SIDE + x] = (mean - MEANS[channel]) / 256.0;
        }
    }
    Some(planes)
}

/// The pixel that a place lies in; black outside of the picture.
fn nearest(picture: &Picture, x: f64, y: f64) -> [u8; 3] {
    let (x, y) = (x.round(), y.round());
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if x < 0.0 || y < 0.0 || x >= width as f64 || y >= height as f64 {
        return [0; 3];
    }
    let at = (y as usize * width + x as usize) * 3;
    [picture.rgb()[at], picture.rgb()[at + 1], picture.rgb()[at + 2]]
}
