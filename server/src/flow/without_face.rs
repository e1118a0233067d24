//! Only in builds with the feature `bench-without-face`, which measure and torture everything but the models: the outcome of
//! a capture is the first byte of its first frame. A build of a release does not have this file.

use wallet_core::capture::Capture;
use wallet_core::face::{Judgement, judgement};
use wallet_core::refusal::Reason;

use super::settlement::Verdict;

/// `F` fails, `U` is unusable, anything else passes.
pub(super) fn verdict(capture: Capture) -> Verdict {
    let frames = capture.into_frames();
    match frames.first().and_then(|frame| frame.bytes.first()) {
        Some(b'U') => Verdict::Unusable(Reason { code: "no-face", field: None, hint: ("", "").into() }),
        Some(b'F') => judged(vec![judgement::Reason::FaceMismatch]),
        _ => judged(Vec::new()),
    }
}

fn judged(reasons: Vec<judgement::Reason>) -> Verdict {
    let passed = reasons.is_empty();
    let comparison_score = if passed { 0.9 } else { 0.1 };
    Verdict::Judged(Judgement {
        passed,
        reasons,
        comparison_score,
        comparison_threshold: 0.5,
        comparison_models: vec!["none".to_owned()],
        continuity: 0.9,
        liveness: 0.9,
        challenge: None,
    })
}
