//! A capture of an actor: what a phone would take while a challenge is shown.

use anyhow::Result;
use image::{DynamicImage, RgbImage};
use wallet_core::capture::{FrameStatement, StatedFrame, Statement};
use wallet_core::face::challenge::{Action, Ask, Challenge, Mode, STILL, Step};
use wallet_core::jws::base64url;

use super::pixels::{each, noise};
use super::{Face, blinking, lit, mouth_open, nodding, turned};
use crate::samples::{LAUGHING, LOOKING_DOWN, Samples, decode, jpeg};

/// Pixels by which a hand moves the camera, at most.
const SHAKE: u32 = 12;
/// Grey levels by which a sensor's pixel is off.
const NOISE: f32 = 0.7;
/// As a phone's browser encodes a frame.
const QUALITY: u8 = 90;
/// How far a person turns and nods who is asked to, in degrees.
const TURN: f32 = 30.0;
const NOD: f32 = 23.0;
/// How far the lips part, in distances of the eyes: when asked to, and for a digit.
const WIDE: f32 = 0.45;
pub const SPOKEN: f32 = 0.22;
/// How much of its light a face takes from a screen an arm's length away, indoors. An assumption.
const REFLECTED: f32 = 0.06;

/// What a frame is taken of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment<'a> {
    /// Its place among the frames.
    pub number: u32,
    /// Milliseconds since the capture began.
    pub at_ms: u32,
    /// What is asked for, if anything is.
    pub step: Option<&'a Step>,
}

/// The frames of a capture with their statements.
#[derive(Debug, Clone, Default)]
pub struct Taken(pub Vec<StatedFrame>);

impl Taken {
    /// Takes a picture of `actor` at every moment of a challenge, with a camera held in the hand.
    pub fn of(challenge: &Challenge, mut actor: impl FnMut(Moment) -> RgbImage) -> Result<Taken> {
        let take = |moment: Moment| {
            let step = moment.step.map_or(STILL, |step| step.name.as_str()).to_owned();
            let bytes = jpeg(&held(&actor(moment), moment.number), QUALITY)?;
            Ok(StatedFrame { bytes, step, at_ms: moment.at_ms })
        };
        moments(challenge).into_iter().map(take).collect::<Result<_>>().map(Taken)
    }

    /// The pictures.
    pub fn pictures(&self) -> Vec<Vec<u8>> {
        self.0.iter().map(|frame| frame.bytes.clone()).collect()
    }

    /// What the app states of them.
    pub fn statement(&self, nonce: &[u8; 16]) -> Statement {
        let about = |frame: &StatedFrame| FrameStatement::about(&frame.bytes, &frame.step, frame.at_ms);
        Statement { nonce: base64url(nonce), frames: self.0.iter().map(about).collect() }
    }

    /// Milliseconds from the first to the last.
    pub fn span_ms(&self) -> u32 {
        let at = |frame: Option<&StatedFrame>| frame.map_or(0, |frame| frame.at_ms);
        at(self.0.last()) - at(self.0.first())
    }
}

/// When an app takes frames.
fn moments(challenge: &Challenge) -> Vec<Moment<'_>> {
    let still = |at_ms| (at_ms, None);
    let middle = |step: &Step| step.window.map_or(0, |window| u32::midpoint(window.from_ms, window.until_ms));
    let mut moments = match challenge.mode {
        Mode::Silent => vec![still(0), still(300), still(600)],
        Mode::Flash => vec![still(300)],
        Mode::Actions | Mode::Digits => vec![still(0), still(400)],
    };
    for (place, step) in (1..).zip(&challenge.steps) {
        match step.ask {
            Ask::Act(_) => moments.push((400 + place * 1500, Some(step))),
            Ask::Show(_) => moments.push((middle(step), Some(step))),
            // In the pause after a digit the mouth is at rest again.
            Ask::Read(_) => moments.extend([(middle(step), Some(step)), still(middle(step) + 750)]),
        }
    }
    (0..).zip(moments).map(|(number, (at_ms, step))| Moment { number, at_ms, step }).collect()
}

/// A frame as a camera in a hand takes it: a little aside, with the sensor's noise.
pub fn held(image: &RgbImage, number: u32) -> RgbImage {
    let (width, height) = (image.width().saturating_sub(SHAKE), image.height().saturating_sub(SHAKE));
    let crop = DynamicImage::ImageRgb8(image.clone())
        .crop_imm(number * 5 % SHAKE, number * 7 % SHAKE, width.max(1), height.max(1))
        .into_rgb8();
    noisy(&crop, number)
}

/// The sensor's noise.
fn noisy(image: &RgbImage, number: u32) -> RgbImage {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places in a picture")]
    each(image, |x, y, colour| {
        let off = noise(x as u32, y as u32, number) * NOISE;
        colour.map(|value| value + off)
    })
}

/// One picture that does not move: sent again and again, encoded anew.
pub fn frozen(challenge: &Challenge, face: &Face) -> Result<Taken> {
    let take = |moment: Moment| {
        let step = moment.step.map_or(STILL, |step| step.name.as_str()).to_owned();
        Ok(StatedFrame {
            bytes: jpeg(&noisy(&face.image, moment.number), QUALITY)?,
            step,
            at_ms: moment.at_ms,
        })
    };
    moments(challenge).into_iter().map(take).collect::<Result<_>>().map(Taken)
}

/// A person of good will, made from one picture.
pub fn genuine(face: &Face) -> impl FnMut(Moment) -> RgbImage + '_ {
    |moment| match moment.step.map(|step| step.ask) {
        None => face.image.clone(),
        Some(Ask::Act(action)) => acting(face, action),
        Some(Ask::Show(colour)) => lit(face, colour, REFLECTED),
        Some(Ask::Read(_)) => mouth_open(face, SPOKEN),
    }
}

/// The person of the sample frames: mouth open, eyes shut and head lowered are real, turns are made from `at_rest`.
pub fn sample_person<'a>(at_rest: &'a Face, samples: &'a Samples) -> impl FnMut(Moment) -> RgbImage + 'a {
    let mut made = genuine(at_rest);
    move |moment| {
        let real = match moment.step.map(|step| step.ask) {
            Some(Ask::Act(Action::OpenMouth)) => Some(LAUGHING),
            Some(Ask::Act(Action::Blink | Action::Nod)) => Some(LOOKING_DOWN),
            _ => None,
        };
        let real = real.and_then(|index| samples.franck(index).ok()).and_then(|frame| decode(frame).ok());
        real.unwrap_or_else(|| made(moment))
    }
}

/// A person in the middle of an action.
pub fn acting(face: &Face, action: Action) -> RgbImage {
    match action {
        Action::TurnLeft => turned(face, TURN),
        Action::TurnRight => turned(face, -TURN),
        Action::Nod => nodding(face, NOD),
        Action::OpenMouth => mouth_open(face, WIDE),
        Action::Blink => blinking(face, 1.0),
    }
}
