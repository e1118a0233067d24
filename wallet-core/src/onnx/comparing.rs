//! Comparing with as few runs of the costly embedder as the answer needs.
//!
//! [`Engine::compare`] holds a capture against a reference, [`Engine::compare_faces`] two faces against each other; both give the one
//! score of [`crate::face::comparison`]. [`Engine::complete`] is for what is to become a reference.

use super::embedder::Embedder;
use super::engine::Engine;
use super::manifest::Role;
use super::runtime::{ModelError, Models};
use crate::face::comparison::Reference;
use crate::face::matching::{cosine, mean_embedding};
use crate::face::{AlignedFace, Comparison, Embedding, Observation, Scale, Template, Tier};

/// How far from the threshold a score by some frames must lie for the others not to matter. In eight captures of 6 to 11 frames the
/// score by a single frame lay at most 0.024 above the score by all, so that many frames give nobody many tries; and up to 0.16 below.
const CLEAR_MATCH: f32 = 0.05;
const CLEAR_MISMATCH: f32 = 0.2;

/// The embedders, and how their answers become one score.
pub(super) struct Embedders {
    main: Embedder,
    /// Absent where the manifest leaves it out.
    quick: Option<Embedder>,
    scale: Scale,
    threshold: f32,
    main_id: String,
    quick_id: String,
}

impl Embedders {
    pub(super) fn new(models: &Models) -> Result<Embedders, ModelError> {
        let quick = models.has(Role::FaceEmbedderQuick);
        let id = |tier| models.model_id(tier).unwrap_or_default();
        Ok(Embedders {
            main: Embedder::new(models, Tier::Main)?,
            quick: quick.then(|| Embedder::new(models, Tier::Quick)).transpose()?,
            scale: models.scale(),
            threshold: models.thresholds().comparison,
            main_id: id(Tier::Main),
            quick_id: id(Tier::Quick),
        })
    }

    pub(super) fn scale(&self) -> Scale {
        self.scale
    }

    pub(super) fn embed(
        &mut self,
        tier: Tier,
        aligned: &AlignedFace,
    ) -> Result<Option<Embedding>, ModelError> {
        match tier {
            Tier::Main => self.main.embed(aligned.pixels()).map(Some),
            Tier::Quick => self.quick.as_mut().map(|quick| quick.embed(aligned.pixels())).transpose(),
        }
    }

    /// By the cheaper embedder that is there.
    pub(super) fn embed_first(&mut self, aligned: &AlignedFace) -> Result<Template, ModelError> {
        Ok(match self.embed(Tier::Quick, aligned)? {
            Some(quick) => Template::of(Tier::Quick, quick),
            None => Template::of(Tier::Main, self.main.embed(aligned.pixels())?),
        })
    }

    /// By every embedder that is there.
    pub(super) fn embed_all(&mut self, aligned: &AlignedFace) -> Result<Template, ModelError> {
        let mut template = Template::of(Tier::Main, self.main.embed(aligned.pixels())?);
        if let Some(quick) = self.embed(Tier::Quick, aligned)? {
            template.put(Tier::Quick, quick);
        }
        Ok(template)
    }

    /// Lets the main embedder look at a frame that it has not seen.
    fn complete(&mut self, observation: &mut Observation) -> Result<(), ModelError> {
        if observation.template.get(Tier::Main).is_none() {
            let main = self.main.embed(observation.aligned.pixels())?;
            observation.template.put(Tier::Main, main);
        }
        Ok(())
    }

    /// Lets the main embedder look at the frames that the quick one is not sure are of one person.
    fn relate(&mut self, frames: &mut [Observation]) -> Result<(), ModelError> {
        let unsure = |a: &Observation, b: &Observation| {
            let quick = cosine(a.template.get(Tier::Quick)?, b.template.get(Tier::Quick)?)?;
            Some(self.scale.sure(quick).is_none())
        };
        let doubtful: Vec<bool> =
            frames.iter().map(|a| frames.iter().any(|b| unsure(a, b) == Some(true))).collect();
        frames
            .iter_mut()
            .zip(doubtful)
            .filter(|(_, doubtful)| *doubtful)
            .try_for_each(|(f, _)| self.complete(f))
    }

    /// Frames are looked at by the main embedder one after the other, the sharpest first, until the score is clear.
    fn compare(
        &mut self,
        frames: &mut [Observation],
        reference: &impl Reference,
    ) -> Result<Comparison, ModelError> {
        let mean = |frames: &[Observation], tier| {
            mean_embedding(frames, tier).map_err(|_| ModelError::Input("face-embedder"))
        };
        let quick = match mean_embedding(frames, Tier::Quick) {
            Ok(quick) => reference.cosine(Tier::Quick, &quick),
            Err(_) => None,
        };
        if let Some(score) = quick.and_then(|quick| self.scale.sure(quick)) {
            return Ok(self.comparison(score, &[Tier::Quick]));
        }
        frames.sort_by(|a, b| b.quality.sharpness.total_cmp(&a.quality.sharpness));
        let mut score = f32::NAN;
        for seen in 1..=frames.len() {
            let (looked_at, _) = frames.split_at_mut(seen);
            looked_at.last_mut().map_or(Ok(()), |frame| self.complete(frame))?;
            let main = reference.cosine(Tier::Main, &mean(looked_at, Tier::Main)?);
            let main = main.ok_or(ModelError::OtherModel)?;
            score = quick.map_or(main, |quick| self.scale.fused(quick, main));
            let beyond = score - self.threshold;
            if beyond >= CLEAR_MATCH || beyond <= -CLEAR_MISMATCH {
                break;
            }
        }
        let both = [Tier::Quick, Tier::Main];
        Ok(self.comparison(score, if quick.is_some() { &both } else { &both[1..] }))
    }

    fn compare_faces(&mut self, a: &AlignedFace, b: &AlignedFace) -> Result<Comparison, ModelError> {
        let quick = match (self.embed(Tier::Quick, a)?, self.embed(Tier::Quick, b)?) {
            (Some(a), Some(b)) => cosine(&a, &b),
            _ => None,
        };
        if let Some(score) = quick.and_then(|quick| self.scale.sure(quick)) {
            return Ok(self.comparison(score, &[Tier::Quick]));
        }
        let (a, b) = (self.main.embed(a.pixels())?, self.main.embed(b.pixels())?);
        let main = cosine(&a, &b).ok_or(ModelError::OtherModel)?;
        Ok(match quick {
            Some(quick) => self.comparison(self.scale.fused(quick, main), &Tier::ALL),
            None => self.comparison(main, &[Tier::Main]),
        })
    }

    fn comparison(&self, score: f32, by: &[Tier]) -> Comparison {
        let id = |tier: &Tier| match tier {
            Tier::Quick => self.quick_id.clone(),
            Tier::Main => self.main_id.clone(),
        };
        Comparison { score, threshold: self.threshold, models: by.iter().map(id).collect() }
    }
}

impl Engine {
    /// How alike a capture's frames and a reference are. The mean over the frames is compared: by the quick embedder, and where that
    /// is not sure also by the main one, on as many frames as make the score clear. `frames` may come back in another order, with
    /// what was computed, and with what [`crate::face::matching::continuity`] needs. Errors when there is no frame, and with
    /// [`ModelError::OtherModel`] when the reference has no vector of these models.
    pub fn compare(
        &mut self,
        frames: &mut [Observation],
        reference: &impl Reference,
    ) -> Result<Comparison, ModelError> {
        self.embedders().relate(frames)?;
        self.embedders().compare(frames, reference)
    }

    /// How alike two aligned faces are.
    pub fn compare_faces(&mut self, a: &AlignedFace, b: &AlignedFace) -> Result<Comparison, ModelError> {
        self.embedders().compare_faces(a, b)
    }

    /// Lets every embedder look at every frame, for a template that is to be kept.
    pub fn complete(&mut self, frames: &mut [Observation]) -> Result<(), ModelError> {
        frames.iter_mut().try_for_each(|frame| self.embedders().complete(frame))
    }
}
