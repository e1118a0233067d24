//! The face side of a judgement: vector arithmetic, quality gates and the decision, all pure.
//!
//! Reading order: [`geometry`] (where a face is aligned to), [`quality`] (is the frame judgeable), [`Template`] and
//! [`matching`] (templates against templates), [`comparison`] (the one score), [`protection`] (as templates are stored),
//! [`judgement`] (the one decision); [`challenge`] (what the person is asked to do), [`measures`] (what can be measured of it),
//! [`liveness`] (whether it was done); [`attributes`] (what a face looks like). The model pipeline that fills an
//! [`Observation`] from a picture is `crate::onnx`, behind the feature `onnx`.
//!
//! Invariant: nothing here logs or prints a template; `Debug` of one is redacted and its memory is wiped on drop.

pub mod attributes;
pub mod challenge;
pub mod comparison;
pub mod geometry;
pub mod judgement;
pub mod liveness;
pub mod matching;
pub mod measures;
pub mod protection;
pub mod quality;
mod template;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use challenge::{Challenge, Mode};
pub use comparison::{Comparison, Scale};
pub use judgement::{CaptureLimits, Judgement, Reason, Thresholds};
pub use liveness::Liveness;
pub use measures::Measures;
pub use quality::Quality;
pub use template::{Embedding, Space, Template, TemplateError, Tier};

/// A point in pixels of the upright picture, x to the right and y down.
pub type Point = [f32; 2];

/// Where a face is, in pixels of the upright picture; may stick out of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FaceBox {
    pub x: f32,
    pub y: f32,
    pub width: f32,
    pub height: f32,
}

impl FaceBox {
    /// Intersection over union with another box, 0 to 1.
    pub fn overlap(&self, other: &FaceBox) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        let common = width.max(0.0) * height.max(0.0);
        common / (self.width * self.height + other.width * other.height - common).max(f32::EPSILON)
    }
}

/// Five points of a face in pixels, in the detector's order; left and right as seen in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Landmarks {
    pub left_eye: Point,
    pub right_eye: Point,
    pub nose: Point,
    pub left_mouth: Point,
    pub right_mouth: Point,
}

impl Landmarks {
    /// The points in the detector's order: eyes, nose, mouth corners.
    pub fn points(&self) -> [Point; 5] {
        [self.left_eye, self.right_eye, self.nose, self.left_mouth, self.right_mouth]
    }

    /// From five points in that order.
    pub fn from_points([left_eye, right_eye, nose, left_mouth, right_mouth]: [Point; 5]) -> Landmarks {
        Landmarks { left_eye, right_eye, nose, left_mouth, right_mouth }
    }
}

/// One face as the detector found it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    pub face_box: FaceBox,
    pub landmarks: Landmarks,
    /// Detector confidence, 0 to 1.
    pub score: f32,
}

/// An upright face of 112 × 112 pixels, RGB, which is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct AlignedFace(Box<[u8; quality::ALIGNED_LEN]>);

impl AlignedFace {
    /// Takes the pixels over.
    pub fn new(pixels: Box<[u8; quality::ALIGNED_LEN]>) -> AlignedFace {
        AlignedFace(pixels)
    }

    /// The pixels, row by row.
    pub fn pixels(&self) -> &[u8; quality::ALIGNED_LEN] {
        &self.0
    }
}

impl std::fmt::Debug for AlignedFace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AlignedFace(redacted)")
    }
}

/// What one usable frame says about the one face in it.
#[derive(Debug, Clone)]
pub struct Observation {
    /// What the embedders have made of `aligned` so far; a costly one runs only when a comparison needs it.
    pub template: Template,
    /// The upright face, 112 × 112 RGB. Wiped with the template when it is dropped.
    pub aligned: AlignedFace,
    pub face_box: FaceBox,
    pub landmarks: Landmarks,
    pub quality: Quality,
    /// What a challenge is judged by.
    pub measures: Measures,
    /// Passive presentation-attack detection: the model's probability (0 to 1) that this is a live face.
    pub live: f32,
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
}

/// Why a frame or a capture cannot be judged. An unusable capture is not billed, and the person may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unusable {
    NoFace,
    SeveralFaces,
    FaceTooSmall,
    Blurred,
    Dark,
    OverExposed,
    TurnedAway,
    Covered,
    EyesClosed,
    TooFewFrames,
    TooManyFrames,
    FramesIdentical,
    NotOnePerson,
    StepsIncomplete,
    OutOfTime,
    FlashTooWeak,
}

impl Unusable {
    /// Every reason, for tables and for the API description.
    pub const ALL: [Unusable; 16] = [
        Unusable::NoFace,
        Unusable::SeveralFaces,
        Unusable::FaceTooSmall,
        Unusable::Blurred,
        Unusable::Dark,
        Unusable::OverExposed,
        Unusable::TurnedAway,
        Unusable::Covered,
        Unusable::EyesClosed,
        Unusable::TooFewFrames,
        Unusable::TooManyFrames,
        Unusable::FramesIdentical,
        Unusable::NotOnePerson,
        Unusable::StepsIncomplete,
        Unusable::OutOfTime,
        Unusable::FlashTooWeak,
    ];

    /// The stable code in the API, in receipts and in the audit record.
    pub fn code(self) -> &'static str {
        match self {
            Unusable::NoFace => "no-face",
            Unusable::SeveralFaces => "several-faces",
            Unusable::FaceTooSmall => "face-too-small",
            Unusable::Blurred => "blurred",
            Unusable::Dark => "dark",
            Unusable::OverExposed => "over-exposed",
            Unusable::TurnedAway => "turned-away",
            Unusable::Covered => "covered",
            Unusable::EyesClosed => "eyes-closed",
            Unusable::TooFewFrames => "too-few-frames",
            Unusable::TooManyFrames => "too-many-frames",
            Unusable::FramesIdentical => "frames-identical",
            Unusable::NotOnePerson => "not-one-person",
            Unusable::StepsIncomplete => "steps-incomplete",
            Unusable::OutOfTime => "out-of-time",
            Unusable::FlashTooWeak => "flash-too-weak",
        }
    }

    /// What the person should do, in Chinese and English.
    pub fn hint(self) -> (&'static str, &'static str) {
        match self {
            Unusable::NoFace => {
                ("请将脸部置于画面中央，不要遮挡", "Place your uncovered face in the middle of the picture.")
            }
            Unusable::SeveralFaces => ("画面中只能有一个人", "Only one person may be in the picture."),
            Unusable::FaceTooSmall => ("请靠近摄像头", "Move closer to the camera."),
            Unusable::Blurred => {
                ("画面模糊，请保持稳定并擦拭镜头", "The picture is blurred: hold still and wipe the lens.")
            }
            Unusable::Dark => ("光线太暗，请到明亮的地方", "It is too dark: find a brighter place."),
            Unusable::OverExposed => {
                ("光线过强，请避开直射光", "It is too bright: turn away from direct light.")
            }
            Unusable::TurnedAway => ("请正对摄像头", "Face the camera."),
            Unusable::Covered => (
                "请摘下口罩、墨镜等遮挡物",
                "Take off whatever covers your face, such as a mask or dark glasses.",
            ),
            Unusable::EyesClosed => ("请睁开眼睛", "Open your eyes."),
            Unusable::TooFewFrames => ("拍摄中断，请重新拍摄", "The capture was cut short: take it again."),
            Unusable::TooManyFrames => {
                ("拍摄的画面过多，请重新拍摄", "The capture has too many frames: take it again.")
            }
            Unusable::FramesIdentical => {
                ("画面静止不变，请用摄像头重新拍摄", "The frames are copies of one picture: capture live.")
            }
            Unusable::NotOnePerson => {
                ("拍摄过程中请勿换人，请重新拍摄", "The same person must stay in view: take it again.")
            }
            Unusable::StepsIncomplete => {
                ("动作未完成，请按提示完成全部步骤", "Not every step was captured: follow all of them.")
            }
            Unusable::OutOfTime => (
                "动作与提示的时间不符，请按节奏重试",
                "The steps were not in time: follow the pace of the screen.",
            ),
            Unusable::FlashTooWeak => (
                "环境光过强，请到较暗处并调高屏幕亮度",
                "The screen's light was too weak: find a darker place and turn up the brightness.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_names_are_the_codes() {
        for reason in Unusable::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
            assert!(!reason.hint().0.is_empty() && !reason.hint().1.is_empty());
        }
    }
}
