//! Passive presentation-attack detection on single frames, in the words of ISO/IEC 30107-3; pure.
//!
//! APCER: share of attack presentations of one species that are taken for live. BPCER: share of live ones that are taken
//! for attacks. Presentations without a face to judge are in neither, and are counted as non-responses.

use std::collections::BTreeMap;

use serde::Serialize;

use super::acquire::{Code, Presentation};
use super::statistics::Count;

/// What came of presentations.
pub(super) type Presented = Vec<Result<Presentation, Code>>;

/// The report's part.
#[derive(Debug, Serialize)]
pub(super) struct Pad {
    /// A face is live from this probability, as in the models' manifest.
    pub(super) threshold: f32,
    pub(super) species: BTreeMap<String, Attacks>,
    /// Of the species that fares best against the detector: the figure that ISO/IEC 30107-3 wants beside BPCER.
    pub(super) worst_apcer: Option<f64>,
    pub(super) live: Live,
}

/// Attack presentations of one species.
#[derive(Debug, Serialize)]
pub(super) struct Attacks {
    /// Presentations that were judged.
    pub(super) n: usize,
    pub(super) accepted: usize,
    pub(super) apcer: Option<f64>,
    pub(super) apcer_interval: Option<[f64; 2]>,
    /// Presentations without a face to judge.
    pub(super) non_response: usize,
    /// Accepted by the quality gates as well.
    pub(super) accepted_with_gates: usize,
}

/// Live presentations.
#[derive(Debug, Serialize)]
pub(super) struct Live {
    /// Presentations that were judged.
    pub(super) n: usize,
    pub(super) refused: usize,
    pub(super) bpcer: Option<f64>,
    pub(super) bpcer_interval: Option<[f64; 2]>,
    /// Presentations without a face to judge.
    pub(super) non_response: usize,
    /// Refused here or by the quality gates before.
    pub(super) refused_with_gates: usize,
}

impl Pad {
    pub(super) fn of(attacks: &BTreeMap<String, Presented>, live: &Presented, threshold: f32) -> Pad {
        let passes = |presentation: &Presentation| presentation.live >= threshold;
        let attacks_of = |presented: &Presented| {
            let judged = || presented.iter().flatten();
            let accepted = || judged().filter(|presentation| passes(presentation));
            let count = Count { errors: accepted().count(), of: judged().count() };
            Attacks {
                n: count.of,
                accepted: count.errors,
                apcer: count.rate(),
                apcer_interval: count.interval(),
                non_response: presented.len() - count.of,
                accepted_with_gates: accepted().filter(|presentation| presentation.gate.is_none()).count(),
            }
        };
        let species: BTreeMap<String, Attacks> =
            attacks.iter().map(|(name, presented)| (name.clone(), attacks_of(presented))).collect();
        let judged = || live.iter().flatten();
        let refused = judged().filter(|presentation| !passes(presentation)).count();
        let count = Count { errors: refused, of: judged().count() };
        let with_gates = |presentation: &&Presentation| !passes(presentation) || presentation.gate.is_some();
        Pad {
            threshold,
            worst_apcer: species.values().filter_map(|attacks| attacks.apcer).max_by(f64::total_cmp),
            species,
            live: Live {
                n: count.of,
                refused,
                bpcer: count.rate(),
                bpcer_interval: count.interval(),
                non_response: live.len() - count.of,
                refused_with_gates: judged().filter(with_gates).count(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use wallet_core::face::Unusable;

    use super::*;

    #[test]
    fn each_species_is_counted_apart() {
        let shown = |live: f32, gate: Option<Unusable>| Ok(Presentation { live, gate });
        let print =
            vec![shown(0.1, None), shown(0.3, Some(Unusable::Blurred)), Err("no-face"), shown(0.9, None)];
        let attacks = [("print".to_owned(), print), ("replay".to_owned(), vec![shown(0.2, None)])].into();
        let live =
            vec![shown(0.29, None), shown(0.3, None), shown(0.8, Some(Unusable::Dark)), Err("no-face")];
        let pad = Pad::of(&attacks, &live, 0.3);
        let print = &pad.species["print"];
        assert_eq!((print.n, print.accepted, print.non_response, print.accepted_with_gates), (3, 2, 1, 1));
        assert_eq!((pad.species["replay"].apcer, pad.worst_apcer), (Some(0.0), Some(2.0 / 3.0)));
        assert_eq!((pad.live.n, pad.live.refused, pad.live.non_response), (3, 1, 1));
        assert_eq!((pad.live.refused_with_gates, pad.live.bpcer), (2, Some(1.0 / 3.0)));
        assert_eq!(Pad::of(&BTreeMap::new(), &Vec::new(), 0.3).live.bpcer, None);
    }
}
