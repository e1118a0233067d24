//! Templates against templates.

use super::{Embedding, Observation, Scale, Template, TemplateError, Tier};

/// Cosine of the angle between two feature vectors, −1 to 1; the same face is near 1. `None` when they are of different models.
pub fn cosine(a: &Embedding, b: &Embedding) -> Option<f32> {
    let comparable = a.space().fits(b.space()) && a.values().len() == b.values().len();
    comparable.then(|| {
        let dot: f32 = a.values().iter().zip(b.values()).map(|(x, y)| x * y).sum();
        dot.clamp(-1.0, 1.0)
    })
}

/// The mean of what an embedder made of a capture's frames, scaled to length one; of those frames that it has seen. Errors when it
/// has seen none (or they cancel out).
pub fn mean_embedding(observations: &[Observation], tier: Tier) -> Result<Embedding, TemplateError> {
    let mut seen = observations.iter().filter_map(|observation| observation.template.get(tier));
    let first = seen.next().ok_or(TemplateError::Width(0))?;
    let mut sum = first.values().to_vec();
    for embedding in seen {
        for (total, value) in sum.iter_mut().zip(embedding.values()) {
            *total += value;
        }
    }
    Embedding::normalise(first.space(), &sum)
}

/// The mean of a capture's templates: of every embedder that has seen all frames. Errors when none has.
pub fn mean_template(observations: &[Observation]) -> Result<Template, TemplateError> {
    let mut mean = Template::default();
    for tier in Tier::ALL {
        if observations.iter().all(|observation| observation.template.get(tier).is_some()) {
            mean.put(tier, mean_embedding(observations, tier)?);
        }
    }
    if mean == Template::default() { Err(TemplateError::Width(0)) } else { Ok(mean) }
}

/// The lowest score between any two frames of a capture; 1 for a single frame, −1 for none. Where the quick embedder is not sure of two
/// frames and the main one has not seen both, its distance from strangers has to do.
///
/// Pairs, not "frame against the mean": with two frames of two strangers each is at 45° to their mean, a score
/// of 0.71 that would pass for one person, while their own score is about 0.
pub fn continuity(observations: &[Observation], scale: &Scale) -> f32 {
    let mut lowest = if observations.is_empty() { -1.0 } else { 1.0_f32 };
    for (i, a) in observations.iter().enumerate() {
        for b in observations.iter().skip(i + 1) {
            lowest = lowest.min(between_frames(a, b, scale).unwrap_or(-1.0));
        }
    }
    lowest
}

/// The score between two frames of a capture, by all that has seen both; where the quick embedder alone has, by it, though unsure.
pub(super) fn between_frames(a: &Observation, b: &Observation, scale: &Scale) -> Option<f32> {
    scale.score(&a.template, &b.template).or_else(|| {
        let quick = cosine(a.template.get(Tier::Quick)?, b.template.get(Tier::Quick)?)?;
        Some(scale.of_quick(quick))
    })
}
