//! A capture: frames of a live face, bound to the server's nonce and to one another.
//!
//! The one who captures states, as JSON, which nonce the capture answers and the time, step and SHA-256 of each frame.
//! A wallet signs exactly the bytes of that statement with its device key, so frames can be neither swapped nor replayed
//! for another nonce.

use serde::{Deserialize, Serialize};

use crate::es256::{BadSignature, PublicKey, sha256};
use crate::face::challenge::STILL;
use crate::jws::{base64url, from_base64url};

/// A statement about twelve frames is about 1.5 KiB.
pub const MAX_STATEMENT_BYTES: usize = 8 * 1024;
/// More frames than this are not looked at; each costs about 25 CPU-ms (docs/BENCHMARKS.md).
pub const MAX_FRAMES: usize = 12;
/// From the first frame to the last. A challenge takes seconds; a minute is a collection, not a capture.
const MAX_SPAN_MS: u32 = 60_000;

/// What a capture says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaptureStatement))]
pub struct Statement {
    /// The server's nonce: 16 bytes, base64url.
    pub nonce: String,
    /// The frames, in order.
    pub frames: Vec<FrameStatement>,
}

/// What a capture says of one frame.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = FrameStatement))]
pub struct FrameStatement {
    /// Milliseconds since the capture began; strictly rising.
    pub at_ms: u32,
    /// The label of the challenge's step that it was taken in; `still` where nothing was asked for.
    pub step: String,
    /// SHA-256 of the frame's bytes, base64url.
    pub sha256: String,
}

/// A capture whose frames are those of its statement.
pub struct Capture {
    statement: Vec<u8>,
    nonce: [u8; 16],
    frames: Vec<StatedFrame>,
}

/// A frame, and what its statement says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedFrame {
    /// The picture.
    pub bytes: Vec<u8>,
    /// As in [`FrameStatement`].
    pub step: String,
    /// As in [`FrameStatement`].
    pub at_ms: u32,
}

/// The statement and the frames do not belong together, or have another form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CaptureInvalid(pub &'static str);

impl Statement {
    /// The statement about `frames` taken `every_ms` apart, in none of which anything was asked for.
    pub fn about(nonce: &[u8; 16], frames: &[Vec<u8>], every_ms: u32) -> Statement {
        let times = (0..).step_by(every_ms.max(1) as usize);
        let frames = times.zip(frames).map(|(at_ms, frame)| FrameStatement::about(frame, STILL, at_ms));
        Statement { nonce: base64url(nonce), frames: frames.collect() }
    }
}

impl FrameStatement {
    /// The statement about one frame.
    pub fn about(frame: &[u8], step: &str, at_ms: u32) -> FrameStatement {
        FrameStatement { at_ms, step: step.to_owned(), sha256: base64url(&sha256(frame)) }
    }
}

impl Capture {
    /// Checks that the statement is about these frames.
    pub fn bind(statement: Vec<u8>, frames: Vec<Vec<u8>>) -> Result<Capture, CaptureInvalid> {
        if statement.len() > MAX_STATEMENT_BYTES {
            return Err(CaptureInvalid("the statement is too long"));
        }
        let stated: Statement = serde_json::from_slice(&statement).map_err(|_| {
            CaptureInvalid("expected {\"nonce\", \"frames\": [{\"at_ms\", \"step\", \"sha256\"}]}")
        })?;
        let nonce = from_base64url(&stated.nonce).ok().and_then(|nonce| nonce.try_into().ok());
        let nonce = nonce.ok_or(CaptureInvalid("`nonce` is 16 bytes in base64url"))?;
        if stated.frames.is_empty() || stated.frames.len() > MAX_FRAMES {
            return Err(CaptureInvalid("a capture has 1 to 12 frames"));
        }
        if stated.frames.len() != frames.len() {
            return Err(CaptureInvalid("there are not as many frames as the statement names"));
        }
        if !stated.frames.is_sorted_by(|a, b| a.at_ms < b.at_ms) {
            return Err(CaptureInvalid("`at_ms` must rise from frame to frame"));
        }
        let span = stated.frames.last().map_or(0, |last| last.at_ms);
        if span.saturating_sub(stated.frames.first().map_or(0, |first| first.at_ms)) > MAX_SPAN_MS {
            return Err(CaptureInvalid("a capture lasts at most a minute"));
        }
        let is_stated =
            |(stated, frame): (&FrameStatement, &Vec<u8>)| stated.sha256 == base64url(&sha256(frame));
        if !stated.frames.iter().zip(&frames).all(is_stated) {
            return Err(CaptureInvalid("a frame is not the one that the statement names"));
        }
        let frames = stated.frames.into_iter().zip(frames);
        let frames =
            frames.map(|(FrameStatement { step, at_ms, .. }, bytes)| StatedFrame { bytes, step, at_ms });
        Ok(Capture { statement, nonce, frames: frames.collect() })
    }

    /// The nonce that the capture answers.
    pub fn nonce(&self) -> &[u8; 16] {
        &self.nonce
    }

    /// Checks the device's signature (`r ‖ s`) over the statement.
    pub fn verify(&self, device: &PublicKey, signature: &[u8]) -> Result<(), BadSignature> {
        device.verify(&self.statement, signature)
    }

    /// SHA-256 of the statement, which in turn covers every frame.
    pub fn fingerprint(&self) -> [u8; 32] {
        sha256(&self.statement)
    }

    /// The frames, in order.
    pub fn into_frames(self) -> Vec<StatedFrame> {
        self.frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(change: impl FnOnce(&mut Statement, &mut Vec<Vec<u8>>)) -> Result<Capture, CaptureInvalid> {
        let mut frames = vec![b"one".to_vec(), b"two".to_vec()];
        let mut statement = Statement::about(&[3; 16], &frames, 200);
        change(&mut statement, &mut frames);
        Capture::bind(serde_json::to_vec(&statement).unwrap(), frames)
    }

    #[test]
    fn binds_its_own_frames_in_their_order_only() {
        assert_eq!(bound(|_, _| {}).unwrap().nonce(), &[3; 16]);
        assert!(bound(|_, frames| frames.swap(0, 1)).is_err());
        assert!(bound(|_, frames| frames[1].push(0)).is_err());
        assert!(bound(|_, frames| drop(frames.pop())).is_err());
        assert!(bound(|statement, _| statement.frames[1].at_ms = 0).is_err());
        assert!(bound(|statement, _| statement.frames[1].at_ms = 60_001).is_err());
        assert!(bound(|statement, _| statement.nonce.push('A')).is_err());
    }
}
