//! The engine: all sessions of one worker thread, and the pipelines over them.
//!
//! Each stage is public for measuring; callers use [`Engine::observe`] and [`Engine::read_id_card`] (in `id_card.rs`).

use super::appearance::AppearanceModels;
use super::colour;
use super::comparing::Embedders;
use super::detector::Detector;
use super::landmarks::{Landmarker, Points68};
use super::liveness::Liveness;
use super::raster;
use super::runtime::{ModelError, Models};
use super::text_detector::TextDetector;
use super::text_reader::TextReader;
use crate::document::TextLine;
use crate::face::attributes::Appearance;
use crate::face::geometry::Similarity;
use crate::face::quality::{self, ALIGNED_LEN, Limits};
use crate::face::{
    AlignedFace, Detection, Embedding, FaceBox, Landmarks, Measures, Observation, Quality, Scale, Template,
    Tier, Unusable,
};
use crate::picture::Picture;

/// Long sides in pixels at which faces are looked for, one after the other: 1.6 CPU-ms, 3.3 and 13. The first is enough for one large
/// face; where it shows another or only small ones the second is believed, and the third where that shows none.
pub const SIDES: [usize; 3] = [160, 320, CLOSE_SIDE];
/// The long side at which nothing that matters is missed.
pub const CLOSE_SIDE: usize = 640;
/// A largest face of this share of the long side needs no second look: another that is to be noticed beside it is then at least half as
/// high, which is 20 pixels of 160.
const LARGE_FACE: f32 = 0.25;
/// A second face is somebody else in the capture from this share of the largest face's height; smaller ones are people
/// in the background (0.34 to 0.45 in a live set recorded in an office), posters and prints on shirts.
const SECOND_FACE: f32 = 0.5;

/// One worker's sessions and buffers. Not shared: `Send`, and every call is `&mut`.
pub struct Engine {
    detector: Detector,
    landmarker: Landmarker,
    embedders: Embedders,
    liveness: Liveness,
    appearance: AppearanceModels,
    text_detector: TextDetector,
    text_reader: TextReader,
    limits: Limits,
}

/// The one face of a picture.
pub struct Located {
    /// Where.
    pub face_box: FaceBox,
    /// The five points that it was aligned by.
    pub landmarks: Landmarks,
    /// All points that were found.
    pub points: Points68,
    /// Upright, 112 × 112 RGB.
    pub aligned: AlignedFace,
    /// How good it is.
    pub quality: Quality,
}

impl Models {
    /// The sessions of one more worker: about 60 MB and half a second.
    pub fn engine(&self) -> Result<Engine, ModelError> {
        Ok(Engine {
            detector: Detector::new(self)?,
            landmarker: Landmarker::new(self)?,
            embedders: Embedders::new(self)?,
            liveness: Liveness::new(self)?,
            appearance: AppearanceModels::new(self)?,
            text_detector: TextDetector::new(self)?,
            text_reader: TextReader::new(self)?,
            limits: Limits::DEFAULT,
        })
    }
}

impl Engine {
    /// What one frame says: [`Engine::locate`] → gate → embed by the cheaper model → passive liveness. The inner error is what the
    /// person can mend, the outer one a malfunction. The costly models run only on frames that pass the gate.
    pub fn observe(&mut self, picture: &Picture) -> Result<Result<Observation, Unusable>, ModelError> {
        let face = match self.locate(picture)? {
            Ok(face) => face,
            Err(unusable) => return Ok(Err(unusable)),
        };
        if let Err(unusable) = quality::gate(&face.quality, &self.limits) {
            return Ok(Err(unusable));
        }
        Ok(Ok(Observation {
            template: self.embed_first(&face.aligned)?,
            live: self.live(picture, &face.face_box)?,
            measures: Measures::of(
                face.points.0,
                colour::of_face(face.aligned.pixels()),
                colour::of_background(picture, &face.face_box),
            ),
            aligned: face.aligned,
            face_box: face.face_box,
            landmarks: face.landmarks,
            quality: face.quality,
            width: picture.width(),
            height: picture.height(),
        }))
    }

    /// The one face of a picture, whatever its quality: detect → [`Engine::locate_in`].
    pub fn locate(&mut self, picture: &Picture) -> Result<Result<Located, Unusable>, ModelError> {
        let face_box = match the_one_face(&self.detect(picture)?) {
            Ok(face) => face.face_box,
            Err(unusable) => return Ok(Err(unusable)),
        };
        Ok(self.locate_in(picture, face_box)?.ok_or(Unusable::NoFace))
    }

    /// The face in a box: landmarks → align → quality; `None` when its points coincide.
    pub(super) fn locate_in(
        &mut self,
        picture: &Picture,
        face_box: FaceBox,
    ) -> Result<Option<Located>, ModelError> {
        let points = self.landmarks(picture, &face_box)?;
        let landmarks = points.five();
        let Some(aligned) = self.align(picture, &landmarks) else { return Ok(None) };
        let quality = quality::measure(&aligned, &face_box, &landmarks);
        Ok(Some(Located { face_box, landmarks, points, aligned: AlignedFace::new(aligned), quality }))
    }

    /// Faces, best first, by as many of [`SIDES`] as it takes.
    pub fn detect(&mut self, picture: &Picture) -> Result<Vec<Detection>, ModelError> {
        let long_side = picture.width().max(picture.height()) as f32;
        let mut faces = Vec::new();
        for (look, side) in SIDES.into_iter().enumerate() {
            faces = self.detect_at(picture, side)?;
            // At the first look a knee may be a face; a second person is made sure of.
            let is_enough = match the_one_face(&faces) {
                Ok(face) => look > 0 || face.face_box.height >= LARGE_FACE * long_side,
                Err(unusable) => look > 0 && unusable == Unusable::SeveralFaces,
            };
            if is_enough {
                break;
            }
        }
        Ok(faces)
    }

    /// Faces, best first, with the picture's long side scaled to `side` pixels.
    pub fn detect_at(&mut self, picture: &Picture, side: usize) -> Result<Vec<Detection>, ModelError> {
        self.detector.detect(picture, side)
    }

    /// 68 points of the face in the box, which alignment and quality take their five from.
    pub fn landmarks(&mut self, picture: &Picture, face_box: &FaceBox) -> Result<Points68, ModelError> {
        self.landmarker.find(picture, face_box)
    }

    /// The face turned and scaled to 112 × 112 RGB; `None` when its points coincide.
    pub fn align(&self, picture: &Picture, landmarks: &Landmarks) -> Option<Box<[u8; ALIGNED_LEN]>> {
        Similarity::aligning(landmarks).map(|similarity| raster::warp_face(picture, &similarity))
    }

    /// An embedder's vector of an aligned face; `None` when the manifest leaves that embedder out.
    pub fn embed(&mut self, tier: Tier, aligned: &AlignedFace) -> Result<Option<Embedding>, ModelError> {
        self.embedders.embed(tier, aligned)
    }

    /// The template of an aligned face by the cheaper embedder alone.
    pub(super) fn embed_first(&mut self, aligned: &AlignedFace) -> Result<Template, ModelError> {
        self.embedders.embed_first(aligned)
    }

    /// The template of an aligned face by every embedder.
    pub fn embed_all(&mut self, aligned: &AlignedFace) -> Result<Template, ModelError> {
        self.embedders.embed_all(aligned)
    }

    /// How the embedders' cosines become one score.
    pub fn scale(&self) -> Scale {
        self.embedders.scale()
    }

    /// The embedders, to compare by.
    pub(super) fn embedders(&mut self) -> &mut Embedders {
        &mut self.embedders
    }

    /// Passive probability, 0 to 1, that the face in the box is live.
    pub fn live(&mut self, picture: &Picture, face_box: &FaceBox) -> Result<f32, ModelError> {
        self.liveness.live(picture, face_box)
    }

    /// What the face with these points looks like; `None` when they coincide.
    pub fn appearance(
        &mut self,
        picture: &Picture,
        points: &Points68,
    ) -> Result<Option<Appearance>, ModelError> {
        let found = self.appearance.look(picture, points)?;
        Ok(found.map(|(age, gender)| {
            let (eyes_open, mouth_open) = (points.eyes_open(), points.mouth_open());
            Appearance { age, gender, eyes_open, mouth_open }
        }))
    }

    /// The corners of every line of text.
    pub fn find_text(&mut self, picture: &Picture) -> Result<Vec<[[f32; 2]; 4]>, ModelError> {
        self.text_detector.detect(picture)
    }

    /// Reads the line inside the corners.
    pub fn read_text(&mut self, picture: &Picture, quad: [[f32; 2]; 4]) -> Result<TextLine, ModelError> {
        self.text_reader.read(picture, quad)
    }

    /// Reads a line of a machine-readable zone inside the corners.
    pub fn read_zone_line(&mut self, picture: &Picture, quad: [[f32; 2]; 4]) -> Result<TextLine, ModelError> {
        self.text_reader.read_zone(picture, quad)
    }
}

/// The largest face, unless another is nearly as large.
pub fn the_one_face(faces: &[Detection]) -> Result<Detection, Unusable> {
    let largest = faces.iter().max_by(|a, b| a.face_box.height.total_cmp(&b.face_box.height));
    let largest = largest.copied().ok_or(Unusable::NoFace)?;
    let limit = largest.face_box.height * SECOND_FACE;
    if faces.iter().filter(|face| face.face_box.height >= limit).count() > 1 {
        return Err(Unusable::SeveralFaces);
    }
    Ok(largest)
}

#[cfg(test)]
mod tests;
