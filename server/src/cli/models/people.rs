//! Who is who, told from the pairs; and thresholds chosen on one half of the people and checked on the other. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::statistics::{OperatingPoint, Rates, Scores, TARGETS};

/// The person of each of `pictures` pictures: pictures that pairs of one person join, over any number of steps, are of one
/// person. People are numbered from 0 in the order of their first pictures.
pub(super) fn people(pictures: usize, of_one_person: impl Iterator<Item = (usize, usize)>) -> Vec<usize> {
    let mut links = vec![Vec::new(); pictures];
    for (a, b) in of_one_person {
        for (from, to) in [(a, b), (b, a)] {
            if let Some(links) = links.get_mut(from) {
                links.push(to);
            }
        }
    }
    let mut people: Vec<Option<usize>> = vec![None; pictures];
    let mut number = 0;
    for picture in 0..pictures {
        let mut reached = vec![picture];
        let mut grew = false;
        while let Some(next) = reached.pop() {
            if let Some(person @ None) = people.get_mut(next) {
                *person = Some(number);
                grew = true;
                reached.extend(links.get(next).into_iter().flatten());
            }
        }
        number += usize::from(grew);
    }
    people.into_iter().flatten().collect()
}

/// A comparison, and whose pictures it is between.
#[derive(Debug, Clone, Copy)]
pub(super) struct Between<'a> {
    pub(super) people: (usize, usize),
    pub(super) same: bool,
    pub(super) score: f32,
    /// Whether it took both embedders.
    pub(super) unsure: bool,
    pub(super) group: &'a str,
}

/// The scores of comparisons.
pub(super) fn scores<'a>(comparisons: impl Iterator<Item = &'a Between<'a>>) -> Scores {
    Scores::of(comparisons.map(|between| (between.same, between.score)))
}

/// By the FMR that was aimed at; `null` where there were too few comparisons to choose a threshold on.
pub(super) type ByFmr<T> = BTreeMap<&'static str, Option<T>>;

/// Thresholds chosen on one half of the people, checked on the other, and the other way round.
#[derive(Debug, Serialize)]
pub(super) struct HeldOut {
    /// Comparisons of a person of one half with one of the other, which are in neither.
    pub(super) left_out: usize,
    pub(super) halves: Vec<Half>,
    /// Both checks together.
    pub(super) pooled: ByFmr<Rates>,
    /// The same of each group, at the same thresholds.
    pub(super) groups: BTreeMap<String, ByFmr<Rates>>,
}

/// One direction.
#[derive(Debug, Serialize)]
pub(super) struct Half {
    pub(super) people: usize,
    pub(super) genuine: usize,
    pub(super) impostor: usize,
    /// At the thresholds chosen on the other half.
    pub(super) checked: ByFmr<OperatingPoint>,
}

/// The comparisons within a half of the people, and the thresholds that the other half chose.
struct Check<'a> {
    on: Vec<Between<'a>>,
    thresholds: ByFmr<f32>,
}

/// Every second person is in the first half: people stand in the order of their pictures' paths, so that each folder is
/// spread over both. `None` when a half has not both kinds of comparisons.
pub(super) fn held_out(comparisons: &[Between<'_>]) -> Option<HeldOut> {
    let half = |person: usize| person % 2;
    let within = |which: usize| -> Vec<Between<'_>> {
        let inside = |c: &&Between<'_>| half(c.people.0) == which && half(c.people.1) == which;
        comparisons.iter().filter(inside).copied().collect()
    };
    let (first, second) = (within(0), within(1));
    let left_out = comparisons.len() - first.len() - second.len();
    let (by_first, by_second) = (chosen(&scores(first.iter())), chosen(&scores(second.iter())));
    let checks = [Check { on: first, thresholds: by_second }, Check { on: second, thresholds: by_first }];
    let halves: Vec<Half> = checks.iter().map(Check::half).collect();
    if halves.iter().any(|half| half.genuine == 0 || half.impostor == 0) {
        return None;
    }
    let names: BTreeSet<&str> = comparisons.iter().map(|between| between.group).collect();
    let group = |name: &str| pooled(&checks, |between| between.group == name);
    Some(HeldOut {
        left_out,
        halves,
        pooled: pooled(&checks, |_| true),
        groups: names.into_iter().map(|name| (name.to_owned(), group(name))).collect(),
    })
}

/// The thresholds at the targets.
pub(super) fn chosen(scores: &Scores) -> ByFmr<f32> {
    TARGETS.map(|target| (target.name, scores.threshold_at(target))).into()
}

/// What happens at thresholds.
pub(super) fn at(scores: &Scores, thresholds: &ByFmr<f32>) -> ByFmr<OperatingPoint> {
    let point = |threshold: &Option<f32>| threshold.map(|threshold| scores.at(threshold));
    thresholds.iter().map(|(name, threshold)| (*name, point(threshold))).collect()
}

impl Check<'_> {
    fn half(&self) -> Half {
        let scores = scores(self.on.iter());
        let people: BTreeSet<usize> = self.on.iter().flat_map(|c| [c.people.0, c.people.1]).collect();
        let checked = at(&scores, &self.thresholds);
        Half { people: people.len(), genuine: scores.genuine(), impostor: scores.impostor(), checked }
    }
}

/// The checks' counts together, of some of the comparisons.
fn pooled(checks: &[Check<'_>; 2], of: impl Fn(&Between<'_>) -> bool) -> ByFmr<Rates> {
    let [first, second] = checks.each_ref().map(|check| {
        let some = scores(check.on.iter().filter(|between| of(between)));
        at(&some, &check.thresholds)
    });
    let sum = |name: &str| {
        let [a, b] = [&first, &second].map(|points| points.get(name).copied().flatten());
        let (a, b) = (a?.rates, b?.rates);
        Some(Rates::of(a.matches() + b.matches(), a.non_matches() + b.non_matches()))
    };
    TARGETS.map(|target| (target.name, sum(target.name))).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pictures_are_joined_over_steps() {
        assert_eq!(people(6, [(4, 2), (0, 4), (1, 5)].into_iter()), [0, 1, 0, 2, 0, 1]);
        assert_eq!(people(0, std::iter::empty()), Vec::<usize>::new());
    }

    proptest! {
        #[test]
        fn whoever_is_paired_is_one_person(pairs in prop::collection::vec((0_usize..40, 0_usize..40), 0..60)) {
            let people = people(40, pairs.iter().copied());
            prop_assert_eq!(people.len(), 40);
            prop_assert!(pairs.iter().all(|(a, b)| people[*a] == people[*b]));
            let count = people.iter().max().map_or(0, |last| last + 1);
            prop_assert!(count + pairs.len() >= 40, "each pair joins two people at most");
        }
    }

    fn between(a: usize, b: usize, score: f32) -> Between<'static> {
        let group = if a.max(b) < 2 { "low" } else { "high" };
        Between { people: (a, b), same: a == b, score, unsure: false, group }
    }

    #[test]
    fn a_threshold_is_checked_on_people_that_it_has_not_seen() {
        // The even people's impostors reach 0.5, the odd people's only 0.2; across, 0.9 must not count.
        let set = [
            between(0, 0, 0.6),
            between(2, 2, 0.4),
            between(0, 2, 0.5),
            between(1, 1, 0.6),
            between(3, 3, 0.4),
            between(1, 3, 0.2),
            between(0, 1, 0.9),
        ];
        let held = held_out(&set).unwrap();
        assert_eq!((held.left_out, held.halves[0].people, held.halves[1].people), (1, 2, 2));
        let at = |half: usize| held.halves[half].checked["1e-2"].unwrap();
        assert_eq!(
            (at(0).threshold, at(0).rates.fmr, at(0).rates.fnmr),
            (0.2_f32.next_up(), Some(1.0), Some(0.0))
        );
        assert_eq!(
            (at(1).threshold, at(1).rates.fmr, at(1).rates.fnmr),
            (0.5_f32.next_up(), Some(0.0), Some(0.5))
        );
        let pooled = held.pooled["1e-2"].unwrap();
        assert_eq!((pooled.fmr, pooled.fnmr, pooled.genuine), (Some(0.5), Some(0.25), 4));
        assert_eq!(held.pooled["1e-4"], None);
        let low = held.groups["low"]["1e-2"].unwrap();
        assert_eq!((low.fmr, low.fnmr, low.genuine), (None, Some(0.0), 2));
        assert_eq!(held.groups["high"]["1e-2"].unwrap().fnmr, Some(0.5));
        assert!(held_out(&set[..3]).is_none());
    }
}
