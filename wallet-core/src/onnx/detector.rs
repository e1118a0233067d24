//! YuNet: faces with five points. BGR 0–255, long side scaled to a chosen length, padded with zeros to the right and
//! below to a multiple of 32.

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "decoding grids whose sizes are checked first; sides are below 2^24"
)]

use ort::session::Session;

use super::manifest::Role;
use super::raster::{self, Crop, Planes};
use super::runtime::{ModelError, Models, run};
use crate::face::{Detection, FaceBox, Landmarks};
use crate::picture::Picture;

/// Faces kept after suppression: more than anybody asks about.
const MAX_FACES: usize = 32;
/// Candidates looked at by suppression, best first; bounds its quadratic cost.
const MAX_CANDIDATES: usize = 1000;
/// The grids of the model, pixels a cell.
const STRIDES: [usize; 3] = [8, 16, 32];

/// A YuNet session and its input buffer.
pub struct Detector {
    session: Session,
    input: Vec<f32>,
    score_threshold: f32,
    nms_threshold: f32,
}

impl Detector {
    pub(super) fn new(models: &Models) -> Result<Detector, ModelError> {
        let entry = models.entry(Role::FaceDetector)?;
        Ok(Detector {
            session: models.session(Role::FaceDetector)?,
            input: Vec::new(),
            score_threshold: entry.threshold("detection", 0.6),
            nms_threshold: entry.threshold("nms", 0.3),
        })
    }

    /// Faces in pixels of the picture, best first, looked for with the long side at `side` pixels.
    pub fn detect(&mut self, picture: &Picture, side: usize) -> Result<Vec<Detection>, ModelError> {
        let whole = Crop::whole(picture);
        let scale = side as f64 / whole.width.max(whole.height) as f64;
        let scaled = |length: usize| ((length as f64 * scale).round() as usize).max(1);
        let size = (scaled(whole.width), scaled(whole.height));
        let (width, height) = (size.0.next_multiple_of(32), size.1.next_multiple_of(32));
        self.input.clear();
        self.input.resize(3 * width * height, 0.0);
        let mut planes = Planes { values: &mut self.input, width, height };
        raster::resize(picture, whole, size, |x, y, [r, g, b]| planes.put(x, y, [b, g, r]));
        let outputs = run(&mut self.session, [1, 3, height, width], &self.input)?;
        let mut found = Vec::new();
        for stride in STRIDES {
            let head = |kind: &str| {
                let value = outputs.get(format!("{kind}_{stride}"));
                let value = value.ok_or(ModelError::UnexpectedOutput("face-detector"))?;
                Ok::<_, ModelError>(value.try_extract_tensor::<f32>()?.1)
            };
            let grid = Grid { stride, columns: width / stride, rows: height / stride };
            let heads = [head("cls")?, head("obj")?, head("bbox")?, head("kps")?];
            grid.decode(heads, self.score_threshold, &mut found)?;
        }
        drop(outputs);
        let mut faces = suppress(found, self.nms_threshold);
        let (sx, sy) = (whole.width as f32 / size.0 as f32, whole.height as f32 / size.1 as f32);
        faces.iter_mut().for_each(|face| rescale(face, sx, sy));
        Ok(faces)
    }
}

/// One of the three grids.
struct Grid {
    stride: usize,
    columns: usize,
    rows: usize,
}

impl Grid {
    /// Adds the cells that reach the score: √(cls · obj), a box by centre offset and log size, points by offset, all
    /// in cells of `stride` pixels.
    fn decode(
        &self,
        [cls, obj, boxes, points]: [&[f32]; 4],
        threshold: f32,
        found: &mut Vec<Detection>,
    ) -> Result<(), ModelError> {
        let cells = self.columns * self.rows;
        let whole = cls.len() == cells && obj.len() == cells;
        if !(whole && boxes.len() == cells * 4 && points.len() == cells * 10) {
            return Err(ModelError::UnexpectedOutput("face-detector"));
        }
        for cell in 0..cells {
            let score = (cls[cell].clamp(0.0, 1.0) * obj[cell].clamp(0.0, 1.0)).sqrt();
            if score.is_nan() || score < threshold {
                continue;
            }
            let stride = self.stride as f32;
            let (column, row) = ((cell % self.columns) as f32, (cell / self.columns) as f32);
            let b = &boxes[cell * 4..cell * 4 + 4];
            let (width, height) = (b[2].exp() * stride, b[3].exp() * stride);
            let (x, y) = ((column + b[0]) * stride - width / 2.0, (row + b[1]) * stride - height / 2.0);
            let k = &points[cell * 10..cell * 10 + 10];
            let point = |i: usize| [(column + k[2 * i]) * stride, (row + k[2 * i + 1]) * stride];
            found.push(Detection {
                face_box: FaceBox { x, y, width, height },
                landmarks: Landmarks::from_points([point(0), point(1), point(2), point(3), point(4)]),
                score,
            });
        }
        Ok(())
    }
}

/// Non-maximum suppression: of boxes that overlap by more than `threshold` (IoU) the best remains.
fn suppress(mut found: Vec<Detection>, threshold: f32) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MAX_CANDIDATES);
    let mut kept: Vec<Detection> = Vec::new();
    for face in found {
        if kept.len() < MAX_FACES && kept.iter().all(|k| k.face_box.overlap(&face.face_box) <= threshold) {
            kept.push(face);
        }
    }
    kept
}

fn rescale(face: &mut Detection, sx: f32, sy: f32) {
    let b = face.face_box;
    face.face_box = FaceBox { x: b.x * sx, y: b.y * sy, width: b.width * sx, height: b.height * sy };
    face.landmarks = Landmarks::from_points(face.landmarks.points().map(|[x, y]| [x * sx, y * sy]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, score: f32) -> Detection {
        let face_box = FaceBox { x, y: 0.0, width: 10.0, height: 10.0 };
        Detection { face_box, landmarks: Landmarks::from_points([[0.0; 2]; 5]), score }
    }

    #[test]
    fn of_overlapping_faces_the_best_remains() {
        let kept = suppress(vec![face(0.0, 0.7), face(1.0, 0.9), face(30.0, 0.8)], 0.3);
        assert_eq!(kept.iter().map(|f| f.score).collect::<Vec<_>>(), [0.9, 0.8]);
    }

    #[test]
    fn a_cell_is_decoded_to_pixels() {
        let mut found = Vec::new();
        let grid = Grid { stride: 8, columns: 2, rows: 1 };
        let boxes = [0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0];
        grid.decode([&[0.1, 1.0], &[0.1, 0.81], &boxes, &[0.0; 20]], 0.6, &mut found).unwrap();
        let [only] = found[..] else { panic!("{found:?}") };
        assert_eq!(only.face_box, FaceBox { x: 8.0, y: 0.0, width: 8.0, height: 8.0 });
        assert!((only.score - 0.9).abs() < 1e-6 && only.landmarks.nose == [8.0, 0.0]);
        assert!(grid.decode([&[0.1], &[0.1], &boxes, &[0.0; 20]], 0.6, &mut found).is_err());
    }
}
