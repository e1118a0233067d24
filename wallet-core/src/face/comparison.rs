//! The one comparison score, whether one embedder gave it or two.
//!
//! The quick embedder's cosine decides alone where it is sure. In between, the main embedder is asked too, and both are fused by
//! their distance from strangers. The main embedder's cosine is the scale of all scores: strangers have the same mean on it, and at
//! the threshold the same rate of false matches, whichever way a score came about. So one threshold holds for all of them.
//!
//! The score does not fall when either cosine rises, and a sure answer lies outside everything that is fused: one curve (ROC)
//! describes it. Measured in docs/adr/0012.

use serde::{Deserialize, Serialize};

use super::matching::cosine;
use super::{Embedding, Template, Tier};

/// Where a sure match begins on the scale of scores; no fused score lies above.
const SURE_MATCH: f32 = 0.8;

/// How the two embedders' cosines become one score; from the manifest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Mean cosine of the main embedder between strangers.
    pub main_mean: f32,
    /// Its standard deviation.
    pub main_deviation: f32,
    /// The same of the quick embedder.
    pub quick_mean: f32,
    /// Its standard deviation.
    pub quick_deviation: f32,
    /// What the sum of both distances from strangers is multiplied by, so that fused scores of strangers spread as the main
    /// embedder's do. ½ if the two always agreed, 0.71 if they knew nothing of each other.
    pub gain: f32,
    /// A quick cosine below this is surely another person's.
    pub unsure_from: f32,
    /// A quick cosine of this or more is surely the same person's.
    pub unsure_to: f32,
}

impl Scale {
    /// Of SFace and this MobileFaceNet: 93,395 comparisons of 98 people's pictures with strangers, whose highest quick cosine is
    /// .620. `gain` gives FMR 1.3e-4 at 0.42 on them, as SFace's cosine does.
    pub const DEFAULT: Scale = Scale {
        main_mean: 0.040,
        main_deviation: 0.100,
        quick_mean: 0.020,
        quick_deviation: 0.153,
        gain: 0.565,
        unsure_from: 0.35,
        unsure_to: 0.70,
    };

    /// Whether the figures can be a scale at all, so that a manifest with a slip is refused when it is read.
    pub fn is_sound(&self) -> bool {
        let means = [self.main_mean, self.quick_mean].iter().all(|mean| mean.abs() < 1.0);
        let factors = [self.main_deviation, self.quick_deviation, self.gain];
        let positive = factors.iter().all(|factor| *factor > 0.0 && factor.is_finite());
        let band = -1.0 <= self.unsure_from && self.unsure_from <= self.unsure_to && self.unsure_to <= 1.0;
        means && positive && band && self.of_quick(self.unsure_from) <= SURE_MATCH
    }

    /// The score of a quick cosine that decides alone; `None` where the main embedder must be asked.
    pub fn sure(&self, quick: f32) -> Option<f32> {
        if quick < self.unsure_from {
            Some(self.of_quick(quick))
        } else if quick >= self.unsure_to {
            let beyond = (quick - self.unsure_to) / (1.0 - self.unsure_to).max(f32::EPSILON);
            Some((SURE_MATCH + beyond * (1.0 - SURE_MATCH)).min(1.0))
        } else {
            None
        }
    }

    /// The score of both cosines, where the quick one is not sure.
    pub fn fused(&self, quick: f32, main: f32) -> f32 {
        let distance =
            (main - self.main_mean) / self.main_deviation + (quick - self.quick_mean) / self.quick_deviation;
        let score = self.main_mean + self.main_deviation * self.gain * distance;
        score.clamp(self.of_quick(self.unsure_from), SURE_MATCH)
    }

    /// The main cosine that is as far from strangers as this quick one.
    pub fn of_quick(&self, quick: f32) -> f32 {
        let score = self.main_mean + self.main_deviation * (quick - self.quick_mean) / self.quick_deviation;
        score.clamp(-1.0, 1.0)
    }

    /// The score of two templates by all that both have, or `None` when they have no vector of one model.
    pub fn score(&self, a: &impl Reference, b: &Template) -> Option<f32> {
        let by = |tier: Tier| a.cosine(tier, b.get(tier)?);
        match (by(Tier::Quick), by(Tier::Main)) {
            (Some(quick), Some(main)) => Some(self.sure(quick).unwrap_or_else(|| self.fused(quick, main))),
            (Some(quick), None) => self.sure(quick),
            (None, main) => main,
        }
    }
}

/// What a face is compared with: a template, plain or protected.
pub trait Reference {
    /// The cosine of a vector with its own of the same embedder; `None` when it has none of the same model.
    fn cosine(&self, tier: Tier, probe: &Embedding) -> Option<f32>;
}

impl Reference for Template {
    fn cosine(&self, tier: Tier, probe: &Embedding) -> Option<f32> {
        cosine(self.get(tier)?, probe)
    }
}

/// How alike a capture and a reference are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// −1 to 1; as [`Scale`] describes.
    pub score: f32,
    /// A score of this or more is a match.
    pub threshold: f32,
    /// The embedders that gave the score: name and beginning of the SHA-256 of each.
    pub models: Vec<String>,
}

impl Comparison {
    /// Whether the score reaches the threshold; NaN does not.
    pub fn matches(&self) -> bool {
        self.score >= self.threshold
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Space;
    use super::*;

    const SCALE: Scale = Scale::DEFAULT;

    fn overall(quick: f32, main: f32) -> f32 {
        SCALE.sure(quick).unwrap_or_else(|| SCALE.fused(quick, main))
    }

    proptest! {
        #[test]
        fn a_score_never_falls_when_a_cosine_rises(
            quick in -1.0_f32..=1.0, main in -1.0_f32..=1.0, more in 0.0_f32..=1.0,
        ) {
            let score = overall(quick, main);
            prop_assert!((-1.0..=1.0).contains(&score));
            prop_assert!(overall((quick + more).min(1.0), main) >= score);
            prop_assert!(overall(quick, (main + more).min(1.0)) >= score);
        }
    }

    #[test]
    fn sure_answers_lie_outside_of_what_is_fused() {
        let lowest = SCALE.fused(SCALE.unsure_from, -1.0);
        let highest = SCALE.fused(SCALE.unsure_to.next_down(), 1.0);
        assert!(SCALE.sure(SCALE.unsure_from.next_down()).unwrap() <= lowest && lowest < 0.42);
        assert!(SCALE.sure(SCALE.unsure_to).unwrap() >= highest && highest > 0.42);
        assert!(SCALE.sure(SCALE.unsure_from).is_none() && SCALE.sure(f32::NAN).is_none());
        assert!(SCALE.is_sound() && !Scale { unsure_from: 0.9, ..SCALE }.is_sound());
        assert!(
            !Scale { gain: f32::NAN, ..SCALE }.is_sound()
                && !Scale { main_deviation: 0.0, ..SCALE }.is_sound()
        );
        // The mean stranger is the same on every way.
        assert!((SCALE.of_quick(SCALE.quick_mean) - SCALE.main_mean).abs() < 1e-6);
    }

    #[test]
    fn templates_are_compared_by_what_both_have() {
        let at = |axis: usize, width: usize, model| {
            let raw: Vec<f32> = (0..width).map(|i| if i == axis { 1.0 } else { 0.0 }).collect();
            Embedding::normalise(Space([model; 4]), &raw).unwrap()
        };
        let main = Template::of(Tier::Main, at(0, 128, 1));
        let quick = Template::of(Tier::Quick, at(0, 192, 2));
        let mut both = main.clone();
        both.put(Tier::Quick, at(1, 192, 2));
        assert_eq!(SCALE.score(&main, &main), Some(1.0));
        assert_eq!(SCALE.score(&main, &both), Some(1.0), "the quick model has not seen one of them");
        assert_eq!(SCALE.score(&both, &quick), SCALE.sure(0.0), "the quick model says that they differ");
        assert_eq!(SCALE.score(&main, &quick), None);
        let other = Template::of(Tier::Main, at(0, 128, 9));
        assert_eq!(SCALE.score(&main, &other), None, "another model's");
    }
}
