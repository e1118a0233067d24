//! From the frames of a capture to observations of one face, and whether they show what the challenge asked for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::capture::{Capture, StatedFrame};
use wallet_core::face::challenge::{self, Ask, Asked};
use wallet_core::face::judgement::check_capture;
use wallet_core::face::liveness::{Examined, Frame, Voice, examine};
use wallet_core::face::{self, CaptureLimits, Mode, Observation, Scale};
use wallet_core::jws::base64url;
use wallet_core::onnx::{Engine, ModelError};
use wallet_core::refusal::{HolderMessage, Reason, Refusal};

use super::{Context, pictures};
use crate::edge::metrics::Stage;
use crate::edge::models::Lane;
use crate::stop::Flow;

/// How many frames a capture needs. Two show that it is no single still; more cost the person time.
pub const LIMITS: CaptureLimits =
    CaptureLimits { min_frames: 2, max_frames: wallet_core::capture::MAX_FRAMES };

/// A challenge on the wire.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Challenge {
    /// 16 bytes, base64url.
    nonce: String,
    mode: Mode,
    /// At least and at most so many frames.
    frames: [usize; 2],
    /// None in the silent mode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Step>,
    /// Until when.
    deadline: Timestamp,
}

/// A step on the wire.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ChallengeStep)]
struct Step {
    /// The label of its frames.
    step: String,
    /// What the person is told.
    say: HolderMessage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    colour: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digit: Option<u8>,
    /// When it is shown, in milliseconds since the capture began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_ms: Option<u32>,
}

impl From<challenge::Step> for Step {
    fn from(step: challenge::Step) -> Step {
        Step {
            say: step.words(),
            colour: if let Ask::Show(colour) = step.ask { Some(colour.hex()) } else { None },
            digit: if let Ask::Read(digit) = step.ask { Some(digit) } else { None },
            from_ms: step.window.map(|window| window.from_ms),
            until_ms: step.window.map(|window| window.until_ms),
            step: step.name,
        }
    }
}

impl From<&Asked> for Challenge {
    fn from(asked: &Asked) -> Challenge {
        Challenge {
            nonce: base64url(&asked.nonce),
            mode: asked.mode,
            frames: [asked.mode.min_frames(), LIMITS.max_frames],
            steps: asked.challenge().steps.into_iter().map(Step::from).collect(),
            deadline: asked.deadline,
        }
    }
}

/// What the models see in a capture.
#[derive(Debug)]
pub struct Seen {
    /// One a frame.
    pub observations: Vec<Observation>,
    /// How the challenge was done; `None` in the silent mode.
    pub examined: Option<Examined>,
}

impl Seen {
    /// What a template to keep is made of: the frames at rest, where the others move.
    pub fn to_keep(&self) -> &[Observation] {
        self.observations.get(..self.rest()).unwrap_or(&self.observations)
    }

    /// The same, to be looked at more closely. They come first and may change places.
    pub fn well_shown(&mut self) -> &mut [Observation] {
        let rest = self.rest();
        self.observations.get_mut(..rest).unwrap_or_default()
    }

    fn rest(&self) -> usize {
        let all = self.observations.len();
        self.examined.as_ref().and_then(|examined| examined.rest).map_or(all, |rest| rest.min(all))
    }
}

/// The capture answers another challenge.
pub(super) fn nonce_mismatch() -> Refusal {
    Refusal::CaptureUnusable(Reason {
        code: "nonce-mismatch",
        field: None,
        hint: ("采集已过期，请重新拍摄", "The capture belongs to another challenge; please take it again")
            .into(),
    })
}

/// What the models see in a capture that came at `now`, and what `compare` makes of the frames that show the face well, on the same
/// worker; the inner refusal is about the capture, not about the service. That it answers this challenge's nonce and came in time is
/// for the caller to check first.
pub(super) fn observe<T: Send + 'static>(
    ctx: &Context,
    lane: Lane,
    asked: Asked,
    capture: Capture,
    now: Timestamp,
    compare: impl FnOnce(&mut Engine, &mut [Observation]) -> Result<T, ModelError> + Send + 'static,
) -> Flow<Result<(Seen, T), Refusal>> {
    let frames = capture.into_frames();
    let age_ms = asked.age_ms(now);
    let stage = match lane {
        Lane::Enrolment => Stage::EnrolmentModels,
        Lane::Redemption => Stage::RedemptionModels,
        Lane::Use => Stage::UseModels,
    };
    let observe = move |engine: &mut Engine| {
        Ok::<_, ModelError>(match look(engine, &asked, age_ms, &frames)? {
            Ok(mut seen) => {
                let compared = compare(engine, seen.well_shown())?;
                Ok((seen, compared))
            }
            Err(refusal) => Err(refusal),
        })
    };
    let seen = ctx.metrics.stage(stage, || ctx.models.run(lane, observe))??;
    if let Ok((Seen { examined: Some(examined), .. }, _)) = &seen
        && !examined.liveness.is_finite()
    {
        // A broken model is our fault: nobody is judged, or billed, by it.
        return Err(anyhow::anyhow!("a model gave a measure that is no number").into());
    }
    Ok(seen)
}

/// What an engine sees in frames that came `age_ms` after their challenge; the inner refusal is about the capture.
pub fn look(
    engine: &mut Engine,
    asked: &Asked,
    age_ms: u64,
    frames: &[StatedFrame],
) -> Result<Result<Seen, Refusal>, ModelError> {
    let mut observations = Vec::with_capacity(frames.len());
    for frame in frames {
        let picture = match pictures::decode(&frame.bytes) {
            Ok(picture) => picture,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match engine.observe(&picture)? {
            Ok(observation) => observations.push(observation),
            Err(unusable) => return Ok(Err(unusable.into())),
        }
    }
    if asked.mode == Mode::Actions {
        // Of turned heads only the main embedder says whose they are.
        engine.complete(&mut observations)?;
    }
    let limits = CaptureLimits { min_frames: asked.mode.min_frames(), ..LIMITS };
    let checked = check_capture(&observations, limits);
    let scale = engine.scale();
    let examined = checked.and_then(|()| examine_frames(asked, age_ms, frames, &observations, &scale));
    Ok(examined.map(|examined| Seen { observations, examined }).map_err(Refusal::from))
}

/// Nobody listens to a voice here, and the judgement says so.
fn examine_frames(
    asked: &Asked,
    age_ms: u64,
    frames: &[StatedFrame],
    observations: &[Observation],
    scale: &Scale,
) -> Result<Option<Examined>, face::Unusable> {
    let stated = frames.iter().zip(observations);
    let frames: Vec<Frame> =
        stated.map(|(frame, seen)| Frame { seen, step: &frame.step, at_ms: frame.at_ms }).collect();
    examine(&asked.challenge(), &frames, age_ms, &Voice::NotVerified, scale)
}
