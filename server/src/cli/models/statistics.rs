//! Error rates of comparisons, in the words of ISO/IEC 19795-1; pure.
//!
//! FMR: share of impostor comparisons (two people) that match. FNMR: share of genuine ones (one person) that do not. A
//! score matches when it is at least the threshold, as in `wallet_core::face::judgement`. Pictures in which no face was
//! acquired are in neither; they are counted apart (FTA).

use serde::Serialize;

/// The quantile of the normal distribution that leaves 2.5 % on either side.
const Z: f64 = 1.959_963_984_540_054;

/// An FMR at which the FNMR is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// As in the report.
    pub(super) name: &'static str,
    /// One false match in so many impostor comparisons. A whole number, so that nothing is lost to rounding.
    pub(super) one_in: usize,
    /// With fewer impostor comparisons nothing is said.
    pub(super) min_impostor: usize,
}

/// 1e-4 is told from three times as many comparisons as the FMR needs to show one false match: then none of them says, at
/// 95 %, that the FMR is at most that ("rule of three").
pub(super) const TARGETS: [Target; 3] = [
    Target { name: "1e-2", one_in: 100, min_impostor: 1 },
    Target { name: "1e-3", one_in: 1_000, min_impostor: 1 },
    Target { name: "1e-4", one_in: 10_000, min_impostor: 30_000 },
];

/// So many errors among so many cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Count {
    pub(super) errors: usize,
    pub(super) of: usize,
}

impl Count {
    /// The share of errors, 0 to 1; `None` of nothing.
    pub(super) fn rate(self) -> Option<f64> {
        (self.of > 0).then(|| self.errors as f64 / self.of as f64)
    }

    /// Wilson's 95 % interval of that share (E. B. Wilson, 1927; NIST e-Handbook 7.2.4.1); `None` of nothing. Unlike the
    /// normal approximation it says something where no error was seen.
    pub(super) fn interval(self) -> Option<[f64; 2]> {
        let (rate, n) = (self.rate()?, self.of as f64);
        let spread = Z * ((rate * (1.0 - rate) + Z * Z / (4.0 * n)) / n).sqrt();
        let (centre, scale) = (rate + Z * Z / (2.0 * n), 1.0 + Z * Z / n);
        let low = if self.errors == 0 { 0.0 } else { ((centre - spread) / scale).max(0.0) };
        let high = if self.errors == self.of { 1.0 } else { ((centre + spread) / scale).min(1.0) };
        Some([low, high])
    }
}

impl std::ops::Add for Count {
    type Output = Count;

    fn add(self, other: Count) -> Count {
        Count { errors: self.errors + other.errors, of: self.of + other.of }
    }
}

/// Both error rates, with their 95 % intervals and what was counted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Rates {
    pub(super) fmr: Option<f64>,
    pub(super) fmr_interval: Option<[f64; 2]>,
    pub(super) false_matches: usize,
    pub(super) impostor: usize,
    pub(super) fnmr: Option<f64>,
    pub(super) fnmr_interval: Option<[f64; 2]>,
    pub(super) false_non_matches: usize,
    pub(super) genuine: usize,
}

impl Rates {
    pub(super) fn of(matches: Count, non_matches: Count) -> Rates {
        Rates {
            fmr: matches.rate(),
            fmr_interval: matches.interval(),
            false_matches: matches.errors,
            impostor: matches.of,
            fnmr: non_matches.rate(),
            fnmr_interval: non_matches.interval(),
            false_non_matches: non_matches.errors,
            genuine: non_matches.of,
        }
    }

    pub(super) fn matches(&self) -> Count {
        Count { errors: self.false_matches, of: self.impostor }
    }

    pub(super) fn non_matches(&self) -> Count {
        Count { errors: self.false_non_matches, of: self.genuine }
    }
}

/// The rates at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct OperatingPoint {
    /// Cosine, −1 to 1.
    pub(super) threshold: f32,
    #[serde(flatten)]
    pub(super) rates: Rates,
}

/// A point of the ROC curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct RocPoint {
    pub(super) threshold: f32,
    pub(super) fmr: f64,
    pub(super) fnmr: f64,
}

/// The scores of a set of comparisons, each kind in rising order.
#[derive(Debug, Clone, Default)]
pub(super) struct Scores {
    genuine: Vec<f32>,
    impostor: Vec<f32>,
}

impl Scores {
    /// From comparisons: whether they are of one person, and their score.
    pub(super) fn of(comparisons: impl Iterator<Item = (bool, f32)>) -> Scores {
        let mut scores = Scores::default();
        for (same, score) in comparisons {
            let kind = if same { &mut scores.genuine } else { &mut scores.impostor };
            kind.push(score);
        }
        scores.genuine.sort_by(f32::total_cmp);
        scores.impostor.sort_by(f32::total_cmp);
        scores
    }

    pub(super) fn genuine(&self) -> usize {
        self.genuine.len()
    }

    pub(super) fn impostor(&self) -> usize {
        self.impostor.len()
    }

    /// What happens at a threshold.
    pub(super) fn at(&self, threshold: f32) -> OperatingPoint {
        let (genuine, impostor) = (self.genuine.len(), self.impostor.len());
        let matches = impostor - below(&self.impostor, threshold);
        let rates = Rates::of(
            Count { errors: matches, of: impostor },
            Count { errors: below(&self.genuine, threshold), of: genuine },
        );
        OperatingPoint { threshold, rates }
    }

    /// The lowest threshold whose FMR is at most the target. `None` with fewer impostor comparisons than it wants.
    ///
    /// With fewer than `one_in` impostor comparisons none may match, and the threshold lies just above the highest score.
    pub(super) fn threshold_at(&self, target: Target) -> Option<f32> {
        let n = self.impostor.len();
        if n < target.min_impostor.max(1) {
            return None;
        }
        // The highest score that must not match any more: `n / one_in` above it may.
        let highest_refused = self.impostor.iter().rev().nth(n / target.one_in)?;
        Some(highest_refused.next_up())
    }

    /// The curve, from the lowest threshold to the first at which nothing matches; empty without both kinds.
    pub(super) fn roc(&self) -> Vec<RocPoint> {
        let mut thresholds: Vec<f32> = self.genuine.iter().chain(&self.impostor).copied().collect();
        thresholds.sort_by(f32::total_cmp);
        thresholds.dedup();
        thresholds.extend(thresholds.last().map(|highest| highest.next_up()));
        let point = |threshold| {
            let rates = self.at(threshold).rates;
            Some(RocPoint { threshold, fmr: rates.fmr?, fnmr: rates.fnmr? })
        };
        thresholds.into_iter().filter_map(point).collect()
    }

    /// The equal error rate: the mean of FMR and FNMR at the threshold at which they are nearest, the lower of two that are
    /// equally near; `None` without both kinds of comparisons.
    pub(super) fn eer(&self) -> Option<f64> {
        let gap_and_mean = |point: RocPoint| ((point.fmr - point.fnmr).abs(), (point.fmr + point.fnmr) / 2.0);
        let points = self.roc().into_iter().map(gap_and_mean);
        let nearest = points.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        nearest.map(|(_, mean)| mean)
    }
}

/// How many of the rising scores do not reach the threshold.
fn below(scores: &[f32], threshold: f32) -> usize {
    scores.partition_point(|score| *score < threshold)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scores(genuine: &[f32], impostor: &[f32]) -> Scores {
        let genuine = genuine.iter().map(|score| (true, *score));
        Scores::of(genuine.chain(impostor.iter().map(|score| (false, *score))))
    }

    #[test]
    fn intervals_are_those_of_the_literature() {
        // Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (the score method without correction).
        for (errors, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
            (29, 29, 0.8830, 1.0),
        ] {
            let [l, h] = Count { errors, of }.interval().unwrap();
            assert!((l - low).abs() < 6e-5 && (h - high).abs() < 6e-5, "{errors} of {of}: {l} to {h}");
        }
        assert_eq!((Count::default().rate(), Count::default().interval()), (None, None));
    }

    #[test]
    fn a_small_set_by_hand() {
        let set = scores(&[0.9, 0.8, 0.3, 0.7], &[0.1, 0.4, 0.2, 0.0]);
        let point = set.at(0.35).rates;
        assert_eq!((point.fmr, point.fnmr), (Some(0.25), Some(0.25)));
        assert_eq!(set.eer(), Some(0.25));
        assert_eq!(set.at(0.4).rates.false_matches, 1, "a score at the threshold matches");
        let strict = set.threshold_at(TARGETS[0]).unwrap();
        assert_eq!((strict, set.at(strict).rates.false_non_matches), (0.4_f32.next_up(), 1));
    }

    #[test]
    fn sets_that_are_apart_or_alike() {
        assert_eq!(scores(&[0.8, 0.9], &[0.1, 0.2]).eer(), Some(0.0));
        let alike: Vec<f32> = (0..100_u8).map(f32::from).collect();
        assert_eq!(scores(&alike, &alike).eer(), Some(0.5));
        assert_eq!(scores(&[], &alike).eer(), None);
        assert_eq!(scores(&alike, &[]).threshold_at(TARGETS[0]), None);
    }

    #[test]
    fn one_in_ten_thousand_wants_thirty_thousand_comparisons() {
        let many: Vec<f32> = (0..30_000_u16).map(f32::from).collect();
        let whole = scores(&[], &many);
        let point = whole.at(whole.threshold_at(TARGETS[2]).unwrap());
        assert_eq!(point.rates.false_matches, 3);
        assert_eq!(scores(&[], &many[1..]).threshold_at(TARGETS[2]), None);
    }

    /// Coarse on purpose, so that scores tie.
    fn some_scores() -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec((-20_i8..=20).prop_map(|tenths| f32::from(tenths) / 20.0), 1..300)
    }

    proptest! {
        #[test]
        fn a_chosen_threshold_is_the_lowest_that_keeps_to_its_fmr(g in some_scores(), i in some_scores()) {
            let set = scores(&g, &i);
            for target in [TARGETS[0], TARGETS[1]] {
                let threshold = set.threshold_at(target).unwrap();
                prop_assert!(set.at(threshold).rates.false_matches * target.one_in <= i.len());
                prop_assert!(set.at(threshold.next_down()).rates.false_matches * target.one_in > i.len());
            }
        }

        #[test]
        fn rates_are_what_counting_gives(g in some_scores(), i in some_scores(), t in -1.0_f32..1.0) {
            let rates = scores(&g, &i).at(t).rates;
            prop_assert_eq!(rates.false_matches, i.iter().filter(|score| **score >= t).count());
            prop_assert_eq!(rates.false_non_matches, g.iter().filter(|score| **score < t).count());
        }

        #[test]
        fn the_curve_falls_from_all_to_nothing(g in some_scores(), i in some_scores()) {
            let set = scores(&g, &i);
            let roc = set.roc();
            prop_assert!(roc.is_sorted_by(|a, b| a.threshold < b.threshold && a.fmr >= b.fmr && a.fnmr <= b.fnmr));
            prop_assert_eq!(roc.first().map(|point| (point.fmr, point.fnmr)), Some((1.0, 0.0)));
            prop_assert_eq!(roc.last().map(|point| (point.fmr, point.fnmr)), Some((0.0, 1.0)));
            // Mirrored and swapped, the errors change their names only.
            let mirrored = |scores: &[f32]| scores.iter().map(|score| -score).collect::<Vec<_>>();
            prop_assert_eq!(set.eer(), scores(&mirrored(&i), &mirrored(&g)).eer());
        }

        #[test]
        fn an_interval_holds_its_rate(errors in 0_usize..500, more in 1_usize..500) {
            let count = Count { errors, of: errors + more };
            let ([low, high], rate) = (count.interval().unwrap(), count.rate().unwrap());
            prop_assert!(0.0 <= low && low <= rate && rate < high && high <= 1.0);
            let [wide_low, wide_high] = count.interval().unwrap();
            let [low, high] = (count + count).interval().unwrap();
            prop_assert!(high - low < wide_high - wide_low, "more cases tell more");
        }
    }
}
