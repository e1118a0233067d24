//! SFace: an aligned face → a template. RGB, raw 0–255, `[1, 3, 112, 112]` → `[1, 128]`; the normalisation of the
//! input is in the graph.

use ort::session::Session;

use super::manifest::Role;
use super::runtime::{ModelError, Models, run};
use crate::face::geometry::ALIGNED_SIDE;
use crate::face::quality::ALIGNED_LEN;
use crate::face::{TEMPLATE_LEN, Template};

/// An SFace session and its input buffer.
pub struct Embedder {
    session: Session,
    input: Vec<f32>,
}

impl Embedder {
    pub(super) fn new(models: &Models) -> Result<Embedder, ModelError> {
        Ok(Embedder { session: models.session(Role::FaceEmbedder)?, input: vec![0.0; ALIGNED_LEN] })
    }

    /// The template of an aligned face.
    pub fn embed(&mut self, aligned: &[u8; ALIGNED_LEN]) -> Result<Template, ModelError> {
        let plane = ALIGNED_SIDE * ALIGNED_SIDE;
        for (channel, values) in self.input.chunks_exact_mut(plane).enumerate() {
            for (value, byte) in values.iter_mut().zip(aligned.iter().skip(channel).step_by(3)) {
                *value = f32::from(*byte);
            }
        }
        let outputs = run(&mut self.session, [1, 3, ALIGNED_SIDE, ALIGNED_SIDE], &self.input)?;
        let unexpected = || ModelError::UnexpectedOutput("face-embedder");
        let output = outputs.values().next().ok_or_else(unexpected)?;
        let raw: [f32; TEMPLATE_LEN] =
            output.try_extract_tensor::<f32>()?.1.try_into().map_err(|_| unexpected())?;
        Template::normalise(raw).map_err(|_| unexpected())
    }
}
