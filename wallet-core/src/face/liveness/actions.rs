//! Movements, each measured against the same person at rest.

use super::{Capture, Examined, FRONT, Frame, mean, reached};
use crate::face::challenge::{Action, Ask};
use crate::face::matching::{between_frames, cosine};
use crate::face::{Observation, Reason, Scale, Tier, Unusable};

/// Degrees that a head turns, from five points. People who were asked to turn turned by 40 to 55; a print that is turned by hand
/// seems to turn by 16 at most.
const TURN: f32 = 20.0;
/// Degrees of the pitch that five points give, which is larger than the head's. A print tilted by 50° seems to nod by 17.
const NOD: f32 = 20.0;
/// By how much the lips part, in distances of the eyes. In a laugh by 0.24.
const MOUTH: f32 = 0.08;
/// The part of the eyes' opening that is gone. Measured: 0.5 with eyes shut, but also 0.35 in a broad smile and 0.19 on a print tilted by
/// 40°. The points are no finer, and people caught halfway are not to be refused for it: a blink alone proves little, which
/// is why every challenge has a turn.
const BLINK: f32 = 0.2;
/// The least depth of a turn: see [`crate::face::measures::Measures::depth_since`].
const DEPTH: f32 = 0.075;
/// Milliseconds from one movement to the next, at least.
const APART_MS: u32 = 250;

/// A person at rest.
struct Rest {
    yaw: f32,
    pitch: f32,
    eyes_open: f32,
    mouth_open: f32,
}

impl Rest {
    fn of(capture: &Capture) -> Rest {
        let over = |value: fn(&Frame) -> f32| mean(capture.baseline().map(value));
        Rest {
            yaw: over(|frame| frame.seen.quality.yaw),
            pitch: over(|frame| frame.seen.quality.pitch),
            eyes_open: over(|frame| frame.seen.measures.eyes_open),
            mouth_open: over(|frame| frame.seen.measures.mouth_open),
        }
    }

    /// How far a frame shows an action, in parts of what is needed.
    fn extent(&self, action: Action, frame: &Frame) -> f32 {
        let (quality, measures) = (&frame.seen.quality, &frame.seen.measures);
        // The nose of one who turns to their left points to the right of the picture.
        let turned = quality.yaw - self.yaw;
        match action {
            Action::TurnLeft => turned / TURN,
            Action::TurnRight => -turned / TURN,
            Action::Nod => (quality.pitch - self.pitch) / NOD,
            Action::OpenMouth => (measures.mouth_open - self.mouth_open) / MOUTH,
            // Seen from the side, the eyes' openings are no measure.
            Action::Blink if turned.abs() > TURN => 0.0,
            Action::Blink => (1.0 - measures.eyes_open / self.eyes_open.max(1e-3)) / BLINK,
        }
    }
}

/// The frame that shows a step best.
struct Best<'a> {
    action: Action,
    frame: &'a Frame<'a>,
    extent: f32,
}

pub(super) fn examine(capture: &Capture, scale: &Scale) -> Result<Examined, Unusable> {
    let rest = Rest::of(capture);
    if rest.yaw.abs() > FRONT {
        return Err(Unusable::TurnedAway);
    }
    let best: Vec<Best> = capture
        .challenge
        .steps
        .iter()
        .enumerate()
        .filter_map(|(place, step)| {
            let Ask::Act(action) = step.ask else { return None };
            let frames =
                capture.of(place).map(|frame| Best { action, frame, extent: rest.extent(action, frame) });
            frames.max_by(|a, b| a.extent.total_cmp(&b.extent))
        })
        .collect();
    let too_close =
        |pair: &[Best]| matches!(pair, [a, b] if b.frame.at_ms.saturating_sub(a.frame.at_ms) < APART_MS);
    if capture.is_in_order() && best.windows(2).any(too_close) {
        return Err(Unusable::OutOfTime);
    }
    let mut liveness = capture.scores();
    liveness.steps = capture.step_scores(best.iter().map(|best| best.extent));
    liveness.depth = depth(capture, &best);
    let mut reasons = Vec::new();
    let missing: Vec<Action> =
        best.iter().filter(|best| !reached(best.extent, 1.0)).map(|best| best.action).collect();
    // An action that is there, but in another step's frames, was done at another time.
    let elsewhere = |action: &Action| {
        capture.frames.iter().any(|(of, frame)| of.is_some() && rest.extent(*action, frame) >= 1.0)
    };
    if !capture.is_in_order() || (!missing.is_empty() && missing.iter().all(elsewhere)) {
        reasons.push(Reason::ActionOrder);
    } else if !missing.is_empty() {
        reasons.push(Reason::ActionMissing);
    }
    if liveness.depth.is_some_and(|depth| !reached(depth, DEPTH)) {
        reasons.push(Reason::Flat);
    }
    let (continuity, rest) = (Some(continuity(capture, scale)), Some(capture.baseline().count()));
    Ok(Examined { liveness, continuity, rest, reasons })
}

/// The lowest score of a frame at rest and another, by the main embedder where it has seen both: the quick one takes a face turned
/// by 40° for somebody else's.
fn continuity(capture: &Capture, scale: &Scale) -> f32 {
    let main =
        |a: &Observation, b: &Observation| cosine(a.template.get(Tier::Main)?, b.template.get(Tier::Main)?);
    let score = |a, b| main(a, b).or_else(|| between_frames(a, b, scale)).unwrap_or(-1.0);
    let all = || capture.frames.iter().map(|(_, frame)| frame.seen);
    let pairs = capture.baseline().flat_map(|rest| all().map(move |other| score(rest.seen, other)));
    pairs.fold(1.0, f32::min)
}

/// The least depth over the turns that were done.
fn depth(capture: &Capture, best: &[Best]) -> Option<f32> {
    let front = capture.baseline().last()?;
    let turns = best.iter().filter(|best| best.action.is_turn() && best.extent >= 1.0);
    turns.map(|turn| turn.frame.seen.measures.depth_since(&front.seen.measures)).min_by(f32::total_cmp)
}
