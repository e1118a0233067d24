//! Templates against templates.

use super::{Observation, TEMPLATE_LEN, Template, TemplateError};

/// The comparison score: cosine of the angle between two templates, −1 to 1; the same face is near 1.
pub fn cosine(a: &Template, b: &Template) -> f32 {
    let dot: f32 = a.values().iter().zip(b.values()).map(|(x, y)| x * y).sum();
    dot.clamp(-1.0, 1.0)
}

/// The mean of a capture's templates, scaled to length one. Errors when there is none (or they cancel out).
pub fn mean_template(observations: &[Observation]) -> Result<Template, TemplateError> {
    let mut sum = [0.0_f32; TEMPLATE_LEN];
    for observation in observations {
        for (total, value) in sum.iter_mut().zip(observation.template.values()) {
            *total += value;
        }
    }
    Template::normalise(sum)
}

/// The lowest score between any two frames of a capture; 1 for a single frame, −1 for none.
///
/// Pairs, not "frame against the mean": with two frames of two strangers each is at 45° to their mean, a score
/// of 0.71 that would pass for one person, while their own score is about 0.
pub fn continuity(observations: &[Observation]) -> f32 {
    let mut lowest = if observations.is_empty() { -1.0 } else { 1.0_f32 };
    for (i, a) in observations.iter().enumerate() {
        for b in observations.iter().skip(i + 1) {
            lowest = lowest.min(cosine(&a.template, &b.template));
        }
    }
    lowest
}
