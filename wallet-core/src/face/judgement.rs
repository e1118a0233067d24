//! The one decision over a capture.
//!
//! **Unusable** is what a person of good will can mend by trying again, and what says nothing about who they are:
//! bad light, no face, too few frames, copies of one picture. It costs nothing.
//! **Failed** is a verdict on frames that were all good enough to judge: another face, not live, or a second person
//! who stepped in midway (the classic way to join one person's liveness with another's face, hence a failure here); a
//! challenge that was not done. Which faults of a challenge are which stands in [`super::liveness`].
//! When a capture is to *become* a reference there is nothing to fail against: [`reference_template`] calls the same
//! second person unusable.

use serde::{Deserialize, Serialize};

use super::liveness::{Examined, Liveness};
use super::{Comparison, Observation, Scale, Template, Unusable, matching};

/// Scores a capture must reach; all are "at least".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Thresholds {
    /// Score of the capture and the reference, on the scale of the main embedder's cosine.
    pub comparison: f32,
    /// Lowest score between any two frames of the capture.
    pub continuity: f32,
    /// Cosine of two templates in a search among many, where each face is one more chance of a false match.
    pub search: f32,
    /// Mean probability of the passive presentation-attack detector that the face is live.
    pub live: f32,
}

impl Thresholds {
    /// Where the manifest names none: a cosine of 0.42 is FMR 0.0004 at TPR 1.0 on 2,696 impostor pairs of 19 people
    /// (few: optimistic), and frames of one capture score 0.75 and more even with eyes shut or head tilted; at 0.3
    /// the liveness model lets none of 42 attacks pass and refuses 5 of 59 live frames. 0.53 is where a normal distribution fitted to
    /// those impostors has an FMR of 1e-6: extrapolated, not measured.
    pub const DEFAULT: Thresholds =
        Thresholds { comparison: 0.42, continuity: 0.42, search: 0.53, live: 0.3 };
}

/// How many frames a capture may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureLimits {
    pub min_frames: usize,
    pub max_frames: usize,
}

impl CaptureLimits {
    /// 3: fewer cannot show that frames differ and agree. 12: about 0.5 CPU-seconds of models at 40 ms a frame.
    pub const DEFAULT: CaptureLimits = CaptureLimits { min_frames: 3, max_frames: 12 };
}

/// Why a judgement failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = JudgementReason))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The face is not the reference's.
    FaceMismatch,
    /// The frames look like a print, a screen or a mask.
    NotLive,
    /// The frames show more than one person in turn.
    NotOnePerson,
    /// A step's frames do not show what it asked for.
    ActionMissing,
    /// All was shown, but not in the order asked for.
    ActionOrder,
    /// A turned head without depth.
    Flat,
    /// The light on the face followed other colours than the screen's.
    FlashMismatch,
    /// The mouth did not open with the digits.
    MouthMismatch,
    /// Other digits were heard.
    DigitsMismatch,
    /// Frames from before the challenge.
    Stale,
}

impl Reason {
    /// Every reason, for tables and for the API description.
    pub const ALL: [Reason; 10] = [
        Reason::FaceMismatch,
        Reason::NotLive,
        Reason::NotOnePerson,
        Reason::ActionMissing,
        Reason::ActionOrder,
        Reason::Flat,
        Reason::FlashMismatch,
        Reason::MouthMismatch,
        Reason::DigitsMismatch,
        Reason::Stale,
    ];

    /// The stable code in the API, in receipts and in the audit record.
    pub fn code(self) -> &'static str {
        match self {
            Reason::FaceMismatch => "face-mismatch",
            Reason::NotLive => "not-live",
            Reason::NotOnePerson => "not-one-person",
            Reason::ActionMissing => "action-missing",
            Reason::ActionOrder => "action-order",
            Reason::Flat => "flat",
            Reason::FlashMismatch => "flash-mismatch",
            Reason::MouthMismatch => "mouth-mismatch",
            Reason::DigitsMismatch => "digits-mismatch",
            Reason::Stale => "stale",
        }
    }

    /// Whether it is about a living person before the camera now, and not about which person.
    pub fn is_of_liveness(self) -> bool {
        !matches!(self, Reason::FaceMismatch | Reason::NotOnePerson)
    }
}

/// The verdict on one capture, with every score that led to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Judgement {
    pub passed: bool,
    /// Empty exactly when `passed`.
    pub reasons: Vec<Reason>,
    /// The capture against the reference, −1 to 1; [`super::comparison`] says how it comes about.
    pub comparison_score: f32,
    /// What that score had to reach.
    #[serde(default)]
    pub comparison_threshold: f32,
    /// The embedders that gave it: name and beginning of the SHA-256 of each.
    #[serde(default)]
    pub comparison_models: Vec<String>,
    /// Lowest score between two frames of the capture, −1 to 1; 1 for a single frame. Where actions were asked for, between a frame
    /// at rest and any other.
    pub continuity: f32,
    /// Mean passive probability of a live face, 0 to 1.
    pub liveness: f32,
    /// How the challenge was done; none in the silent mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Liveness>,
}

impl Judgement {
    /// With what examining the capture against its challenge came to. Where that says which frames belong together, its continuity
    /// takes the place of that over all pairs.
    pub fn with(mut self, examined: Option<Examined>, thresholds: &Thresholds) -> Judgement {
        let Some(Examined { liveness, continuity, reasons, .. }) = examined else { return self };
        if let Some(continuity) = continuity {
            self.continuity = continuity;
            if continuity >= thresholds.continuity {
                self.reasons.retain(|reason| *reason != Reason::NotOnePerson);
            }
        }
        for reason in reasons {
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
        self.passed = self.reasons.is_empty();
        self.challenge = Some(liveness);
        self
    }
}

/// Below this [`super::Measures::eyes_open`] eyes are shut. Of 502 live pictures one is below, a blink (.117). It is a lower bound: four
/// people who shut their eyes when asked to measure .15 to .20, among people with narrow open ones (.14 and more), and nobody may be refused for
/// the shape of their eyes.
const EYES_CLOSED: f32 = 0.125;

/// Whether a capture can be judged at all, before any comparison. The frames have passed [`super::quality::gate`].
///
/// Copies are found by their aligned faces: the pipeline is deterministic, so equal pixels give equal faces byte for
/// byte, while two exposures of the same sensor never do. One copy is enough to refuse: a camera makes none.
pub fn check_capture(observations: &[Observation], limits: CaptureLimits) -> Result<(), Unusable> {
    if observations.len() < limits.min_frames {
        return Err(Unusable::TooFewFrames);
    }
    if observations.len() > limits.max_frames {
        return Err(Unusable::TooManyFrames);
    }
    let copied = observations
        .iter()
        .enumerate()
        .any(|(i, a)| observations.iter().skip(i + 1).any(|b| a.aligned == b.aligned));
    if copied {
        return Err(Unusable::FramesIdentical);
    }
    // One blink is no harm; a person whose eyes are shut throughout may be asleep.
    let shut = observations.iter().all(|seen| seen.measures.eyes_open < EYES_CLOSED);
    if shut { Err(Unusable::EyesClosed) } else { Ok(()) }
}

/// Judges a capture by how it compares with its reference. Every threshold that is missed gives its reason; NaN misses.
///
/// An empty capture fails on everything but the comparison; call [`check_capture`] first.
pub fn judge(
    observations: &[Observation],
    comparison: &Comparison,
    scale: &Scale,
    thresholds: &Thresholds,
) -> Judgement {
    let continuity = matching::continuity(observations, scale);
    let liveness = mean_liveness(observations);
    let reached = |score: f32, threshold: f32| score >= threshold;
    let mut reasons = Vec::new();
    if !comparison.matches() {
        reasons.push(Reason::FaceMismatch);
    }
    if !reached(liveness, thresholds.live) {
        reasons.push(Reason::NotLive);
    }
    if !reached(continuity, thresholds.continuity) {
        reasons.push(Reason::NotOnePerson);
    }
    Judgement {
        passed: reasons.is_empty(),
        reasons,
        comparison_score: comparison.score,
        comparison_threshold: comparison.threshold,
        comparison_models: comparison.models.clone(),
        continuity,
        liveness,
        challenge: None,
    }
}

/// The template to store from a capture that will be the reference of later ones: of the embedders that have seen every frame.
pub fn reference_template(
    observations: &[Observation],
    limits: CaptureLimits,
    scale: &Scale,
    thresholds: &Thresholds,
) -> Result<Template, Unusable> {
    check_capture(observations, limits)?;
    if matching::continuity(observations, scale) < thresholds.continuity {
        return Err(Unusable::NotOnePerson);
    }
    matching::mean_template(observations).map_err(|_| Unusable::TooFewFrames)
}

/// Mean over the frames, 0 when there is none.
fn mean_liveness(observations: &[Observation]) -> f32 {
    let (sum, count) = observations.iter().fold((0.0_f32, 0.0_f32), |(s, n), o| (s + o.live, n + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::super::measures::tests::seen;
    use super::super::quality::ALIGNED_LEN;
    use super::super::{AlignedFace, Embedding, FaceBox, Landmarks, Measures, Quality, Space, Tier};
    use super::*;

    const SCALE: Scale = Scale::DEFAULT;

    /// A frame of the person along axis `person`, a little off it along axis `noise`.
    fn frame(person: usize, noise: usize, live: f32) -> Observation {
        let mut raw = [0.0; 128];
        raw[person] = 1.0;
        raw[noise] += 0.3;
        let pixel = u8::try_from(person * 16 + noise).unwrap();
        Observation {
            template: Template::of(Tier::Main, Embedding::normalise(Space::UNKNOWN, &raw).unwrap()),
            aligned: AlignedFace::new(Box::new([pixel; ALIGNED_LEN])),
            face_box: FaceBox { x: 0.0, y: 0.0, width: 100.0, height: 130.0 },
            landmarks: Landmarks::from_points([[0.0; 2]; 5]),
            quality: Quality::default(),
            measures: Measures::of(seen(0.0, false), [0.0; 3], None),
            live,
            width: 640,
            height: 480,
        }
    }

    fn judged(capture: &[Observation], person: usize) -> Judgement {
        let reference = frame(person, 127, 1.0).template;
        let score = matching::mean_template(capture).ok().and_then(|mean| SCALE.score(&reference, &mean));
        let comparison =
            Comparison { score: score.unwrap_or(-1.0), threshold: 0.42, models: vec!["m".to_owned()] };
        judge(capture, &comparison, &SCALE, &Thresholds::DEFAULT)
    }

    #[test]
    fn the_same_live_person_passes() {
        let capture = [frame(0, 1, 0.9), frame(0, 2, 0.8), frame(0, 3, 0.7)];
        assert_eq!(check_capture(&capture, CaptureLimits::DEFAULT), Ok(()));
        let judgement = judged(&capture, 0);
        assert!(judgement.passed && judgement.reasons.is_empty());
        assert!((judgement.liveness - 0.8).abs() < 1e-6);
        assert_eq!(
            (judgement.comparison_threshold, judgement.comparison_models),
            (0.42, vec!["m".to_owned()])
        );
    }

    #[test]
    fn another_face_a_print_and_a_swap_each_fail_for_their_reason() {
        let capture = [frame(0, 1, 0.9), frame(0, 2, 0.8)];
        let reasons = |capture: &[Observation], person| judged(capture, person).reasons;
        assert_eq!(reasons(&capture, 5), [Reason::FaceMismatch]);
        assert_eq!(reasons(&[frame(0, 1, 0.1), frame(0, 2, 0.2)], 0), [Reason::NotLive]);
        assert_eq!(reasons(&[frame(0, 1, 0.9), frame(5, 2, 0.9)], 0), [Reason::NotOnePerson]);
        assert_eq!(reasons(&[], 0), [Reason::FaceMismatch, Reason::NotLive, Reason::NotOnePerson]);
    }

    #[test]
    fn captures_that_cannot_be_judged() {
        let limits = CaptureLimits::DEFAULT;
        let two = [frame(0, 1, 0.9), frame(0, 2, 0.9)];
        assert_eq!(check_capture(&two, limits), Err(Unusable::TooFewFrames));
        let many: Vec<_> = (1..14).map(|n| frame(0, n, 0.9)).collect();
        assert_eq!(check_capture(&many, limits), Err(Unusable::TooManyFrames));
        let copied = [frame(0, 1, 0.9), frame(0, 2, 0.9), frame(0, 1, 0.9)];
        assert_eq!(check_capture(&copied, limits), Err(Unusable::FramesIdentical));
        let swapped = [frame(0, 1, 0.9), frame(0, 2, 0.9), frame(5, 1, 0.9)];
        assert_eq!(
            reference_template(&swapped, limits, &SCALE, &Thresholds::DEFAULT).err(),
            Some(Unusable::NotOnePerson)
        );
    }

    #[test]
    fn a_blink_is_no_harm_but_eyes_shut_throughout_are() {
        let mut capture = [frame(0, 1, 0.9), frame(0, 2, 0.9), frame(0, 3, 0.9)];
        capture[0].measures.eyes_open = 0.1;
        assert_eq!(check_capture(&capture, CaptureLimits::DEFAULT), Ok(()));
        capture.iter_mut().for_each(|frame| frame.measures.eyes_open = 0.1);
        assert_eq!(check_capture(&capture, CaptureLimits::DEFAULT), Err(Unusable::EyesClosed));
    }

    #[test]
    fn a_score_that_is_not_a_number_does_not_pass() {
        let judgement = judged(&[frame(0, 1, f32::NAN)], 0);
        assert_eq!(judgement.reasons, [Reason::NotLive]);
    }

    #[test]
    fn serde_names_are_the_codes() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
        }
    }
}
