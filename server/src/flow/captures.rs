//! From the frames of a capture to observations of one face.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wallet_core::capture::Capture;
use wallet_core::face::judgement::check_capture;
use wallet_core::face::{CaptureLimits, Observation};
use wallet_core::jws::base64url;
use wallet_core::onnx::{Engine, ModelError};
use wallet_core::refusal::{Reason, Refusal};

use super::{Context, pictures};
use crate::edge::metrics::Stage;
use crate::edge::models::Lane;
use crate::stop::Flow;

/// How many frames a capture needs. Two show that it is no single still; more cost the person time.
pub const LIMITS: CaptureLimits =
    CaptureLimits { min_frames: 2, max_frames: wallet_core::capture::MAX_FRAMES };

/// What a capture must show.
#[derive(Debug, Serialize, Deserialize)]
pub struct Challenge {
    /// 16 bytes, base64url.
    nonce: String,
    /// The kind of liveness check.
    mode: String,
    /// At least and at most so many frames.
    frames: [usize; 2],
    /// Until when.
    deadline: Timestamp,
}

impl Challenge {
    /// The challenge of a nonce that asks for nothing but to be looked at.
    pub(super) fn silent(nonce: &[u8; 16], deadline: Timestamp) -> Challenge {
        let frames = [LIMITS.min_frames, LIMITS.max_frames];
        Challenge { nonce: base64url(nonce), mode: "silent".to_owned(), frames, deadline }
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

/// What the models see in a capture, and what `compare` makes of it on the same worker; the inner refusal is about the capture,
/// not about the service.
pub(super) fn observe<T: Send + 'static>(
    ctx: &Context,
    lane: Lane,
    capture: Capture,
    compare: impl FnOnce(&mut Engine, &mut [Observation]) -> Result<T, ModelError> + Send + 'static,
) -> Flow<Result<(Vec<Observation>, T), Refusal>> {
    let frames = capture.into_frames();
    let stage = match lane {
        Lane::Enrolment => Stage::EnrolmentModels,
        Lane::Redemption => Stage::RedemptionModels,
        Lane::Use => Stage::UseModels,
    };
    let observe = move |engine: &mut Engine| {
        Ok::<_, ModelError>(match observe_frames(engine, &frames)? {
            Ok(mut observations) => {
                let compared = compare(engine, &mut observations)?;
                Ok((observations, compared))
            }
            Err(refusal) => Err(refusal),
        })
    };
    Ok(ctx.metrics.stage(stage, || ctx.models.run(lane, observe))??)
}

fn observe_frames(
    engine: &mut Engine,
    frames: &[Vec<u8>],
) -> Result<Result<Vec<Observation>, Refusal>, ModelError> {
    let mut observations = Vec::with_capacity(frames.len());
    for frame in frames {
        let picture = match pictures::decode(frame) {
            Ok(picture) => picture,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match engine.observe(&picture)? {
            Ok(observation) => observations.push(observation),
            Err(unusable) => return Ok(Err(unusable.into())),
        }
    }
    Ok(check_capture(&observations, LIMITS).map(|()| observations).map_err(Refusal::from))
}
