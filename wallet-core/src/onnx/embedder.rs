//! An aligned face → a feature vector: SFace, and MobileFaceNet before it. RGB, `[1, 3, 112, 112]` → `[1, n]`.

use ort::session::Session;

use super::runtime::{ModelError, Models, role, run};
use crate::face::geometry::ALIGNED_SIDE;
use crate::face::quality::ALIGNED_LEN;
use crate::face::{Embedding, Space, Tier};

/// An embedder's session and its input buffer.
pub struct Embedder {
    session: Session,
    input: Vec<f32>,
    space: Space,
    role: &'static str,
}

impl Embedder {
    pub(super) fn new(models: &Models, tier: Tier) -> Result<Embedder, ModelError> {
        let session = models.session(role(tier))?;
        Ok(Embedder {
            session,
            input: vec![0.0; ALIGNED_LEN],
            space: models.space(tier)?,
            role: role(tier).key(),
        })
    }

    /// The vector of an aligned face. Colours go in as they are, 0 to 255: each model's own scaling is in its graph.
    pub fn embed(&mut self, aligned: &[u8; ALIGNED_LEN]) -> Result<Embedding, ModelError> {
        let plane = ALIGNED_SIDE * ALIGNED_SIDE;
        for (channel, values) in self.input.chunks_exact_mut(plane).enumerate() {
            for (value, byte) in values.iter_mut().zip(aligned.iter().skip(channel).step_by(3)) {
                *value = f32::from(*byte);
            }
        }
        let outputs = run(&mut self.session, [1, 3, ALIGNED_SIDE, ALIGNED_SIDE], &self.input)?;
        let unexpected = || ModelError::UnexpectedOutput(self.role);
        let output = outputs.values().next().ok_or_else(unexpected)?;
        let raw = output.try_extract_tensor::<f32>()?.1;
        Embedding::normalise(self.space, raw).map_err(|_| unexpected())
    }
}
