//! The face side of a judgement: vector arithmetic, quality gates and the decision, all pure.
//!
//! Reading order: [`geometry`] (where a face is aligned to), [`quality`] (is the frame judgeable), [`matching`]
//! (templates against templates), [`judgement`] (the one decision); [`challenge`] (what the person is asked to do),
//! [`measures`] (what can be measured of it), [`liveness`] (whether it was done). The model pipeline that fills an
//! [`Observation`] from a picture is `crate::onnx`, behind the feature `onnx`.
//!
//! Invariant: nothing here logs or prints a template; `Debug` of one is redacted and its memory is wiped on drop.

pub mod challenge;
pub mod geometry;
pub mod judgement;
pub mod liveness;
pub mod matching;
pub mod measures;
pub mod quality;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use challenge::{Challenge, Mode};
pub use judgement::{CaptureLimits, Judgement, Reason, Thresholds};
pub use liveness::Liveness;
pub use measures::Measures;
pub use quality::Quality;

/// Numbers in a template: the width of SFace's output.
pub const TEMPLATE_LEN: usize = 128;

/// A face feature vector of length one, so that the dot product of two templates is their cosine.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct Template([f32; TEMPLATE_LEN]);

/// Why bytes or numbers are not a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("a template is {expected} bytes, not {0}", expected = TEMPLATE_LEN * 4)]
    Length(usize),
    #[error("a template's numbers must be finite and its length one")]
    NotNormalised,
}

impl Template {
    /// Scales a raw model output to length one. Errors when a number is not finite or all are zero.
    pub fn normalise(mut raw: [f32; TEMPLATE_LEN]) -> Result<Template, TemplateError> {
        let norm = raw.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        if !norm.is_finite() || norm < 1e-6 {
            raw.zeroize();
            return Err(TemplateError::NotNormalised);
        }
        #[allow(clippy::cast_possible_truncation, reason = "f64 to f32 loses digits, not range, for a norm")]
        let scale = norm.recip() as f32;
        for value in &mut raw {
            *value *= scale;
        }
        Ok(Template(raw))
    }

    /// The numbers, of length one.
    pub fn values(&self) -> &[f32; TEMPLATE_LEN] {
        &self.0
    }

    /// 128 little-endian `f32`: 512 bytes. The caller seals them before they are stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    /// Reads [`Template::to_bytes`] back. Errors on another length and on a vector whose length is not one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Template, TemplateError> {
        if bytes.len() != TEMPLATE_LEN * 4 {
            return Err(TemplateError::Length(bytes.len()));
        }
        let mut values = [0.0; TEMPLATE_LEN];
        for (value, four) in values.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *value = f32::from_le_bytes(*four);
        }
        let template = Template(values);
        let norm = template.0.iter().map(|v| v * v).sum::<f32>().sqrt();
        // 1e-3: far above f32 rounding over 128 terms (1e-6), far below anything that would move a score.
        if (norm - 1.0).abs() < 1e-3 { Ok(template) } else { Err(TemplateError::NotNormalised) }
    }
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Template(redacted)")
    }
}

/// A point in pixels of the upright picture, x to the right and y down.
pub type Point = [f32; 2];

/// Where a face is, in pixels of the upright picture; may stick out of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FaceBox {
    pub x: f32,
    pub y: f32,
    pub width: f32,
    pub height: f32,
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

/// What one usable frame says about the one face in it.
#[derive(Debug, Clone)]
pub struct Observation {
    pub template: Template,
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
    pub const ALL: [Unusable; 14] = [
        Unusable::NoFace,
        Unusable::SeveralFaces,
        Unusable::FaceTooSmall,
        Unusable::Blurred,
        Unusable::Dark,
        Unusable::OverExposed,
        Unusable::TurnedAway,
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

    fn ramp() -> Template {
        let mut raw = [0.0; TEMPLATE_LEN];
        for (i, v) in raw.iter_mut().enumerate() {
            *v = i as f32 - 60.0;
        }
        Template::normalise(raw).unwrap()
    }

    #[test]
    fn template_survives_bytes_and_hides_in_debug() {
        let template = ramp();
        assert_eq!(Template::from_bytes(&template.to_bytes()).unwrap(), template);
        assert_eq!(format!("{template:?}"), "Template(redacted)");
    }

    #[test]
    fn what_is_not_of_length_one_is_not_a_template() {
        assert_eq!(Template::normalise([0.0; TEMPLATE_LEN]), Err(TemplateError::NotNormalised));
        assert_eq!(Template::normalise([f32::NAN; TEMPLATE_LEN]), Err(TemplateError::NotNormalised));
        assert_eq!(Template::from_bytes(&[0; 511]), Err(TemplateError::Length(511)));
        assert_eq!(Template::from_bytes(&[0; 512]), Err(TemplateError::NotNormalised));
        assert_eq!(Template::from_bytes(&[0xff; 512]), Err(TemplateError::NotNormalised));
    }

    #[test]
    fn serde_names_are_the_codes() {
        for reason in Unusable::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
            assert!(!reason.hint().0.is_empty() && !reason.hint().1.is_empty());
        }
    }
}
