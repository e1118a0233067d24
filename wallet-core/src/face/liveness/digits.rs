//! A mouth that opens with each digit and closes between them.
//!
//! **The voice is not verified.** A mouth that moves in time shows that somebody reacts to the screen now, not what is said and
//! not by whom. [`Voice::Heard`] is where a recogniser of speech would come in.

use super::{Capture, Examined, Frame, Voice, mean, reached};
use crate::face::{Reason, Unusable};

/// By how much the lips part for a digit beside the pauses around it, in distances of the eyes. Chosen, not measured on speech.
const SPOKEN: f32 = 0.03;
/// Digits that may be read with lips nearly closed, as 一 can be.
const MISSED: usize = 1;

pub(super) fn examine(capture: &Capture, voice: &Voice) -> Result<Examined, Unusable> {
    let digits = capture.challenge.steps.len();
    let scores = (0..digits).map(|place| opening(capture, place).map(|opening| opening / SPOKEN));
    let scores = scores.collect::<Option<Vec<f32>>>().ok_or(Unusable::StepsIncomplete)?;
    let silent = scores.iter().filter(|score| !reached(**score, 1.0)).count();
    let mut liveness = capture.scores();
    liveness.steps = capture.step_scores(scores.into_iter());
    let mut reasons = Vec::new();
    if silent > MISSED {
        reasons.push(Reason::MouthMismatch);
    }
    liveness.voice = Some(match voice {
        Voice::NotVerified => "not-verified".to_owned(),
        Voice::Heard(heard) => {
            if *heard != capture.challenge.digits() {
                reasons.push(Reason::DigitsMismatch);
            }
            heard.iter().map(u8::to_string).collect()
        }
    });
    Ok(Examined { liveness, continuity: None, rest: Some(capture.baseline().count()), reasons })
}

/// How much wider the lips are apart in a step than in the frames at rest before and after it; `None` when no frame at rest
/// parts it from the step before. Their mean, so that a mouth that stays open scores nothing.
fn opening(capture: &Capture, step: usize) -> Option<f32> {
    let lips = |frame: &Frame| frame.seen.measures.mouth_open;
    let widest = capture.of(step).map(lips).max_by(f32::total_cmp)?;
    let first = capture.frames.iter().position(|(of, _)| *of == Some(step))?;
    let last = capture.frames.iter().rposition(|(of, _)| *of == Some(step))?;
    let at_rest = |(of, frame): &(Option<usize>, Frame)| of.is_none().then(|| lips(frame));
    let before = first.checked_sub(1).and_then(|place| capture.frames.get(place)).and_then(at_rest)?;
    let after = capture.frames.get(last + 1).and_then(at_rest);
    Some(widest - mean([Some(before), after].into_iter().flatten()))
}
