//! Whether a capture shows what its challenge asked for: the one decision over what was measured in its frames.
//!
//! What ends as unusable and what as failed follows the rule of [`super::judgement`]:
//!
//! | | why |
//! |---|---|
//! | `steps-incomplete`, `out-of-time` → unusable | the app stopped early or the person was slow: there is nothing to judge yet |
//! | `frames-identical` → unusable | as in the silent mode, here also when a frame was only encoded anew |
//! | `turned-away` → unusable | the frames at rest, which the others are measured against, are no front view |
//! | `flash-too-weak` → unusable | in sunlight nobody's face reflects a screen; a darker place mends it |
//! | `action-missing`, `action-order` → failed | every step has frames good enough to judge, and they show something else: a print or a recording looks just so, and a free try more is what tunes it |
//! | `flat` → failed | a turn without the depth of a head |
//! | `flash-mismatch` → failed | the light on the face changed clearly, and by another sequence |
//! | `mouth-mismatch`, `digits-mismatch` → failed | the mouth did not open with the digits; the voice said others |
//! | `not-one-person` → failed | the face jumped from one place to another between two frames |
//! | `stale` → failed | the frames span more time than has gone by since the challenge: some are older than it |
//!
//! Invariant: no clock, no chance; the same frames give the same scores.

mod actions;
mod digits;
mod flash;

use serde::{Deserialize, Serialize};

use super::challenge::{Challenge, Mode, STILL, STILLS};
use super::{FaceBox, Observation, Reason, Scale, Unusable};

/// Milliseconds from the first frame of a challenge of actions to the last.
const ACTIONS_SPAN_MS: u32 = 30_000;
/// Milliseconds by which a frame may miss its window: what a camera takes from light to picture.
const LATENCY_MS: u32 = 200;
/// Milliseconds of a capture that the way to the server may seem to swallow, clocks being what they are.
const CLOCK_MS: u64 = 1000;
/// Two frames in which the points moved less than this (of the distance of the eyes) are one picture: see
/// [`super::measures::Measures::moved_since`].
const SAME_PICTURE: f32 = 0.006;
/// The least that the face's boxes in neighbouring frames overlap (intersection over union). Between a front view and a turn by
/// 50°, held in the hand, 0.22 was the least seen.
const OVERLAP: f32 = 0.1;
/// Degrees of yaw up to which the frames at rest are a front view.
const FRONT: f32 = 25.0;

/// A frame with what its statement says of it.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    pub seen: &'a Observation,
    /// The step's label.
    pub step: &'a str,
    /// Milliseconds since the capture began.
    pub at_ms: u32,
}

/// What is known of the voice that read the digits. The port for a recogniser of speech; none is built in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Voice {
    /// Nobody listened: anybody, or nobody, may have spoken.
    #[default]
    NotVerified,
    /// A recogniser heard these digits.
    Heard(Vec<u8>),
}

/// How a step was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StepScore {
    /// Its label.
    pub step: String,
    /// How clearly its frames show it, in parts of what is needed: done from 1 on.
    pub score: f32,
}

/// How the light on the face followed the screen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlashScore {
    /// Correlation of the face's change of hue with the colours shown, −1 to 1.
    pub correlation: f32,
    /// Root mean square of the face's change of hue from colour to colour: 0.01 is one per cent of its light.
    pub strength: f32,
    /// Whether the change of what is behind the head was taken off. A print reflects as its background does; a head stands before
    /// it.
    pub against_background: bool,
}

/// All scores of a challenge. What it must reach stands in the constants of this module and in docs/API.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ChallengeScores))]
pub struct Liveness {
    pub mode: Mode,
    /// The steps in the order of the challenge; of flashes, see `flash`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepScore>,
    /// Median movement of the face from frame to frame, in distances of the eyes.
    pub movement: f32,
    /// Least overlap of the face's boxes in two neighbouring frames, 0 to 1.
    pub overlap: f32,
    /// Of the turns that were done, the least depth: see [`super::measures::Measures::depth_since`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flash: Option<FlashScore>,
    /// `not-verified`, or the digits that were heard. Only in the mode `digits`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
}

impl Liveness {
    /// Whether all scores are numbers. If not, a model is broken and nobody is judged by it.
    pub fn is_finite(&self) -> bool {
        let flash = self.flash.into_iter().flat_map(|flash| [flash.correlation, flash.strength]);
        let steps = self.steps.iter().map(|step| step.score);
        steps.chain(flash).chain(self.depth).chain([self.movement, self.overlap]).all(f32::is_finite)
    }
}

/// What examining a capture came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Examined {
    pub liveness: Liveness,
    /// Lowest score between a frame at rest and any other, where faces turn: two frames turned to opposite sides say little of one
    /// another, but each must be the person at rest.
    pub continuity: Option<f32>,
    /// How many frames at rest the capture begins with, where the others move: a template to keep is made of these.
    pub rest: Option<usize>,
    /// Why it fails; none where it does not.
    pub reasons: Vec<Reason>,
}

/// Examines the frames of a capture against its challenge, `since_challenge_ms` after that was given. `None` in the silent mode,
/// which asks for nothing. The frames have passed [`super::judgement::check_capture`].
///
/// # Errors
/// When the frames can't be judged: see the table above.
pub fn examine(
    challenge: &Challenge,
    frames: &[Frame],
    since_challenge_ms: u64,
    voice: &Voice,
    scale: &Scale,
) -> Result<Option<Examined>, Unusable> {
    if challenge.mode == Mode::Silent {
        return Ok(None);
    }
    let capture = Capture::sort(challenge, frames)?;
    capture.check_windows()?;
    let movement = movement(frames);
    if !reached(movement, SAME_PICTURE) {
        return Err(Unusable::FramesIdentical);
    }
    let mut examined = match challenge.mode {
        Mode::Silent | Mode::Actions => actions::examine(&capture, scale)?,
        Mode::Flash => flash::examine(&capture)?,
        Mode::Digits => digits::examine(&capture, voice)?,
    };
    examined.liveness.movement = movement;
    examined.liveness.overlap = overlap(frames);
    if !reached(examined.liveness.overlap, OVERLAP) {
        examined.reasons.push(Reason::NotOnePerson);
    }
    let span = frames.last().map_or(0, |frame| frame.at_ms) - frames.first().map_or(0, |frame| frame.at_ms);
    if u64::from(span) > since_challenge_ms.saturating_add(CLOCK_MS) {
        examined.reasons.push(Reason::Stale);
    }
    Ok(Some(examined))
}

/// A capture's frames by the steps that their labels name.
struct Capture<'a> {
    challenge: &'a Challenge,
    /// All, in order; the step that each belongs to, or none at rest.
    frames: Vec<(Option<usize>, Frame<'a>)>,
}

impl<'a> Capture<'a> {
    /// Errors when a label is no step of the challenge, when a step has no frame, or too few frames at rest begin.
    fn sort(challenge: &'a Challenge, frames: &[Frame<'a>]) -> Result<Capture<'a>, Unusable> {
        let place = |frame: &Frame<'a>| match frame.step {
            STILL => Ok((None, *frame)),
            label => {
                challenge.step_of(label).map(|step| (Some(step), *frame)).ok_or(Unusable::StepsIncomplete)
            }
        };
        let frames: Vec<_> = frames.iter().map(place).collect::<Result<_, _>>()?;
        let capture = Capture { challenge, frames };
        let stills = if challenge.mode == Mode::Flash { 0 } else { STILLS };
        let all = (0..challenge.steps.len()).all(|step| capture.of(step).next().is_some());
        if all && capture.baseline().count() >= stills { Ok(capture) } else { Err(Unusable::StepsIncomplete) }
    }

    /// The frames of a step.
    fn of(&self, step: usize) -> impl Iterator<Item = &Frame<'a>> {
        self.frames.iter().filter(move |(of, _)| *of == Some(step)).map(|(_, frame)| frame)
    }

    /// The frames at rest before the first step.
    fn baseline(&self) -> impl Iterator<Item = &Frame<'a>> {
        self.frames.iter().take_while(|(of, _)| of.is_none()).map(|(_, frame)| frame)
    }

    /// Whether the frames' labels come in the challenge's order.
    fn is_in_order(&self) -> bool {
        self.frames.iter().filter_map(|(of, _)| *of).is_sorted()
    }

    /// Errors when a frame was not taken while its step was shown, or all took too long.
    fn check_windows(&self) -> Result<(), Unusable> {
        let in_window = |(of, frame): &(Option<usize>, Frame)| {
            let window = of.and_then(|step| self.challenge.steps.get(step)).and_then(|step| step.window);
            window.is_none_or(|window| {
                (window.from_ms..=window.until_ms.saturating_add(LATENCY_MS)).contains(&frame.at_ms)
            })
        };
        let first = self.frames.first().map_or(0, |(_, frame)| frame.at_ms);
        let last = self.frames.last().map_or(0, |(_, frame)| frame.at_ms);
        let in_time = self.challenge.mode != Mode::Actions || last - first <= ACTIONS_SPAN_MS;
        if in_time && self.frames.iter().all(in_window) { Ok(()) } else { Err(Unusable::OutOfTime) }
    }

    /// An examination so far without findings.
    fn scores(&self) -> Liveness {
        Liveness {
            mode: self.challenge.mode,
            steps: Vec::new(),
            movement: 0.0,
            overlap: 0.0,
            depth: None,
            flash: None,
            voice: None,
        }
    }

    /// Names the scores of the steps, in their order.
    fn step_scores(&self, scores: impl Iterator<Item = f32>) -> Vec<StepScore> {
        let steps = self.challenge.steps.iter().zip(scores);
        steps.map(|(step, score)| StepScore { step: step.name.clone(), score }).collect()
    }
}

/// "At least", which no NaN is.
fn reached(score: f32, least: f32) -> bool {
    score >= least
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0_f32, 0.0_f32), |(sum, count), value| (sum + value, count + 1.0));
    sum / count.max(1.0)
}

/// The median movement between neighbouring frames.
fn movement(frames: &[Frame]) -> f32 {
    let pairs = frames.iter().zip(frames.iter().skip(1));
    let mut moved: Vec<f32> = pairs.map(|(a, b)| b.seen.measures.moved_since(&a.seen.measures)).collect();
    moved.sort_by(f32::total_cmp);
    moved.get(moved.len() / 2).copied().unwrap_or(0.0)
}

/// The least overlap of the faces in neighbouring frames, as shares of their pictures.
fn overlap(frames: &[Frame]) -> f32 {
    let boxes = frames.iter().map(|frame| {
        let (width, height) = (frame.seen.width.max(1), frame.seen.height.max(1));
        #[allow(clippy::cast_precision_loss, reason = "sides of a picture are below 2^24")]
        let (width, height) = (width as f32, height as f32);
        let FaceBox { x, y, width: across, height: down } = frame.seen.face_box;
        FaceBox { x: x / width, y: y / height, width: across / width, height: down / height }
    });
    let boxes: Vec<FaceBox> = boxes.collect();
    boxes.iter().zip(boxes.iter().skip(1)).map(|(a, b)| shared(a, b)).fold(1.0, f32::min)
}

/// Intersection over union.
fn shared(a: &FaceBox, b: &FaceBox) -> f32 {
    let along =
        |a: f32, b: f32, a_length: f32, b_length: f32| ((a + a_length).min(b + b_length) - a.max(b)).max(0.0);
    let both = along(a.x, b.x, a.width, b.width) * along(a.y, b.y, a.height, b.height);
    both / (a.width * a.height + b.width * b.height - both).max(1e-9)
}

#[cfg(test)]
mod tests;
