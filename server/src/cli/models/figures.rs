//! The report's figures, from what was acquired; pure. The shape of `report.json` is the shape of these types.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use wallet_core::face::comparison::Reference as _;
use wallet_core::face::{Scale, Template, Tier};

use super::acquire::Code;
use super::cards::Ocr;
use super::detection::Detection;
use super::folder::{Folder, GroupsFrom, Pair};
use super::pad::Pad;
use super::people::{self, Between, ByFmr, HeldOut, at, chosen, scores};
use super::statistics::{Count, OperatingPoint, RocPoint, TARGETS, Target};

/// More corners than this are thinned out: a plot shows no more.
const ROC_POINTS: usize = 400;

/// `report.json`. Rates are shares, 0 to 1, and `null` where there is nothing to measure; intervals are Wilson's at 95 %.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) program: Program,
    pub(super) measured_at: Timestamp,
    pub(super) data: Data,
    /// By role.
    pub(super) models: BTreeMap<String, ModelFile>,
    /// Whether faces are missed for looking at a small picture first.
    pub(super) detection: Detection,
    /// Every face that was found, whatever its quality.
    pub(super) verification: Verification,
    /// Only faces that pass the product's quality gates.
    pub(super) verification_with_gates: Verification,
    pub(super) pad: Option<Pad>,
    pub(super) ocr: Option<Ocr>,
    /// What the folder gives no figures for.
    pub(super) not_measured: Vec<String>,
}

/// Which program measured.
#[derive(Debug, Serialize)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
}

/// A model file, as the manifest has it; its hash was checked when it was loaded.
#[derive(Debug, Serialize)]
pub(super) struct ModelFile {
    pub(super) name: String,
    pub(super) sha256: String,
    pub(super) package: String,
    pub(super) licence: String,
}

/// What the folder held.
#[derive(Debug, Serialize)]
pub(super) struct Data {
    pub(super) pairs: usize,
    /// Pictures that are compared.
    pub(super) pictures: usize,
    /// Told from the pairs of one person.
    pub(super) people: usize,
    pub(super) groups_from: GroupsFrom,
    /// Lines that list a pair once more; they are counted each time.
    pub(super) repeated_pairs: usize,
    /// Pairs said to be of two people which other pairs say are one.
    pub(super) contradicting_pairs: usize,
    pub(super) live_presentations: usize,
    pub(super) attack_presentations: usize,
    pub(super) card_sides: usize,
}

/// One face against one face.
#[derive(Debug, Serialize)]
pub(super) struct Verification {
    /// `genuine + impostor + failed_to_acquire`.
    pub(super) pairs: usize,
    /// Comparisons of one person that were made.
    pub(super) genuine: usize,
    /// Comparisons of two people that were made.
    pub(super) impostor: usize,
    /// Pairs of which a picture gave no face.
    pub(super) failed_to_acquire: usize,
    pub(super) acquisition: Acquisition,
    /// Comparisons in which the quick embedder was not sure, so that both gave the score.
    pub(super) unsure: Unsure,
    pub(super) eer: Option<f64>,
    /// By FMR.
    pub(super) fnmr_at_fmr: ByFmr<f64>,
    /// The same with thresholds, counts and intervals.
    pub(super) at_fmr: ByFmr<OperatingPoint>,
    /// Why a figure of `at_fmr` is missing, or coarse.
    pub(super) notes: BTreeMap<&'static str, String>,
    /// At the threshold in the models' manifest.
    pub(super) at_threshold: OperatingPoint,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) held_out: Option<HeldOut>,
    pub(super) roc: Vec<RocPoint>,
}

/// Shares of comparisons, 0 to 1.
#[derive(Debug, Serialize)]
pub(super) struct Unsure {
    pub(super) genuine: Option<f64>,
    pub(super) impostor: Option<f64>,
}

impl Unsure {
    fn of(made: &[Between<'_>]) -> Unsure {
        let share = |same: bool| {
            let some = || made.iter().filter(|between| between.same == same);
            Count { errors: some().filter(|between| between.unsure).count(), of: some().count() }.rate()
        };
        Unsure { genuine: share(true), impostor: share(false) }
    }
}

/// Pictures, and those that gave no face.
#[derive(Debug, Serialize)]
pub(super) struct Acquisition {
    pub(super) pictures: usize,
    pub(super) failed: usize,
    pub(super) fta: Option<f64>,
    pub(super) fta_interval: Option<[f64; 2]>,
    pub(super) reasons: BTreeMap<Code, usize>,
}

/// The pairs of one group, at the thresholds of the whole.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    pub(super) pairs: usize,
    pub(super) genuine: usize,
    pub(super) impostor: usize,
    pub(super) failed_to_acquire: usize,
    pub(super) eer: Option<f64>,
    pub(super) fnmr_at_fmr: ByFmr<f64>,
    pub(super) at_fmr: ByFmr<OperatingPoint>,
    pub(super) at_threshold: OperatingPoint,
}

/// What a folder's pictures gave: a template, or why not.
pub(super) type Acquired<'a> = Vec<Result<&'a Template, Code>>;

impl Data {
    pub(super) fn of(folder: &Folder, people: &[usize]) -> Data {
        let person = |picture: usize| people.get(picture);
        let mut known = BTreeSet::new();
        let repeated =
            folder.pairs.iter().filter(|pair| !known.insert((pair.a.min(pair.b), pair.a.max(pair.b))));
        let contradicting = folder.pairs.iter().filter(|pair| !pair.same && person(pair.a) == person(pair.b));
        let pad = folder.pad.as_ref();
        Data {
            pairs: folder.pairs.len(),
            pictures: folder.pictures.len(),
            people: people.iter().max().map_or(0, |last| last + 1),
            groups_from: folder.groups_from,
            repeated_pairs: repeated.count(),
            contradicting_pairs: contradicting.count(),
            live_presentations: pad.map_or(0, |pad| pad.live.len()),
            attack_presentations: pad.map_or(0, |pad| pad.attacks.values().map(Vec::len).sum()),
            card_sides: folder.cards.as_ref().map_or(0, Vec::len),
        }
    }
}

impl Verification {
    /// Compares every pair whose pictures both gave a face; `threshold` is the product's own.
    pub(super) fn of(
        folder: &Folder,
        people: &[usize],
        acquired: &Acquired<'_>,
        scale: &Scale,
        threshold: f32,
    ) -> Verification {
        let made = compare(folder, people, acquired, scale);
        let whole = scores(made.iter());
        let thresholds = chosen(&whole);
        let at_fmr = at(&whole, &thresholds);
        let group = |name: &str| {
            let pairs = folder.pairs.iter().filter(|pair| pair.group == name).count();
            let scores = scores(made.iter().filter(|between| between.group == name));
            let at_fmr = at(&scores, &thresholds);
            Group {
                pairs,
                genuine: scores.genuine(),
                impostor: scores.impostor(),
                failed_to_acquire: pairs - scores.genuine() - scores.impostor(),
                eer: scores.eer(),
                fnmr_at_fmr: fnmr(&at_fmr),
                at_fmr,
                at_threshold: scores.at(threshold),
            }
        };
        let names: BTreeSet<&str> = folder.pairs.iter().map(|pair| pair.group.as_str()).collect();
        Verification {
            pairs: folder.pairs.len(),
            genuine: whole.genuine(),
            impostor: whole.impostor(),
            failed_to_acquire: folder.pairs.len() - made.len(),
            acquisition: Acquisition::of(acquired),
            unsure: Unsure::of(&made),
            eer: whole.eer(),
            fnmr_at_fmr: fnmr(&at_fmr),
            at_fmr,
            notes: notes(whole.impostor()),
            at_threshold: whole.at(threshold),
            groups: names.into_iter().map(|name| (name.to_owned(), group(name))).collect(),
            held_out: people::held_out(&made),
            roc: thinned(&whole.roc()),
        }
    }
}

impl Acquisition {
    fn of(acquired: &Acquired<'_>) -> Acquisition {
        let mut reasons = BTreeMap::new();
        for code in acquired.iter().filter_map(|face| face.err()) {
            *reasons.entry(code).or_default() += 1;
        }
        let failed = Count { errors: reasons.values().sum(), of: acquired.len() };
        let (fta, fta_interval) = (failed.rate(), failed.interval());
        Acquisition { pictures: failed.of, failed: failed.errors, fta, fta_interval, reasons }
    }
}

fn compare<'a>(
    folder: &'a Folder,
    people: &[usize],
    acquired: &Acquired<'_>,
    scale: &Scale,
) -> Vec<Between<'a>> {
    let face = |picture: usize| acquired.get(picture).copied().and_then(Result::ok);
    let compared = |pair: &'a Pair| {
        let (a, b) = (face(pair.a)?, face(pair.b)?);
        let people = (*people.get(pair.a)?, *people.get(pair.b)?);
        let quick = b.get(Tier::Quick).and_then(|probe| a.cosine(Tier::Quick, probe));
        let unsure = quick.is_some_and(|quick| scale.sure(quick).is_none());
        let score = scale.score(a, b)?;
        Some(Between { people, same: pair.same, score, unsure, group: &pair.group })
    };
    folder.pairs.iter().filter_map(compared).collect()
}

fn fnmr(at: &ByFmr<OperatingPoint>) -> ByFmr<f64> {
    at.iter().map(|(name, point)| (*name, point.and_then(|point| point.rates.fnmr))).collect()
}

/// Where `impostor` comparisons say nothing about an FMR, or little.
fn notes(impostor: usize) -> BTreeMap<&'static str, String> {
    let note = |target: Target| {
        if impostor < target.min_impostor {
            let least = target.min_impostor;
            Some(format!("not told from fewer than {least} impostor comparisons; there are {impostor}"))
        } else if impostor < target.one_in {
            let high = Count { errors: 0, of: impostor }.interval().map_or(1.0, |[_, high]| high);
            Some(format!(
                "with {impostor} impostor comparisons none may match: the threshold is just above the highest score, and the \
                 true FMR there may be up to {:.2} %",
                high * 100.0
            ))
        } else {
            None
        }
    };
    TARGETS.into_iter().filter_map(|target| Some((target.name, note(target)?))).collect()
}

/// The corners of the curve, whose steps are level or upright; of very many every so many, and the last.
fn thinned(roc: &[RocPoint]) -> Vec<RocPoint> {
    let between = |a: &RocPoint, b: &RocPoint, c: &RocPoint| {
        (a.fmr == b.fmr && b.fmr == c.fmr) || (a.fnmr == b.fnmr && b.fnmr == c.fnmr)
    };
    let is_corner = |i: usize| {
        let before = i.checked_sub(1).and_then(|before| roc.get(before));
        let around = before.zip(roc.get(i)).zip(roc.get(i + 1));
        around.is_none_or(|((a, b), c)| !between(a, b, c))
    };
    let corners: Vec<RocPoint> =
        roc.iter().enumerate().filter(|(i, _)| is_corner(*i)).map(|(_, point)| *point).collect();
    let step = corners.len().div_ceil(ROC_POINTS).max(1);
    let last = corners.len().saturating_sub(1);
    corners.into_iter().enumerate().filter(|(i, _)| i % step == 0 || *i == last).map(|(_, p)| p).collect()
}

#[cfg(test)]
mod tests {
    use wallet_core::face::{Embedding, Space};

    use super::*;

    fn template(axis: usize, other: usize, share: f32) -> Template {
        let mut raw = [0.0; 128];
        raw[axis] = 1.0;
        raw[other] += share;
        Template::of(Tier::Main, Embedding::normalise(Space::UNKNOWN, &raw).unwrap())
    }

    fn folder(pairs: &[(usize, usize, bool, &str)]) -> Folder {
        let pair = |(a, b, same, group): &(usize, usize, bool, &str)| Pair {
            a: *a,
            b: *b,
            same: *same,
            group: (*group).to_owned(),
        };
        Folder {
            root: "nowhere".into(),
            pictures: (0..5).map(|picture| format!("{picture}.jpg")).collect(),
            pairs: pairs.iter().map(pair).collect(),
            groups_from: GroupsFrom::Column,
            pad: None,
            cards: None,
        }
    }

    #[test]
    fn pairs_are_compared_or_failed_and_groups_stand_at_the_whole_s_thresholds() {
        let folder = folder(&[
            (0, 1, true, "easy"),
            (0, 2, false, "easy"),
            (2, 3, true, "hard"),
            (1, 3, false, "hard"),
            (0, 4, true, "hard"),
            (4, 0, true, "hard"),
            (1, 0, false, "easy"),
        ]);
        let faces = [template(0, 1, 0.1), template(0, 2, 0.1), template(5, 6, 0.1), template(5, 7, 3.0)];
        let mut acquired: Acquired<'_> = faces.iter().map(Ok).collect();
        acquired.push(Err("no-face"));
        let same = folder.pairs.iter().filter(|pair| pair.same).map(|pair| (pair.a, pair.b));
        let people = people::people(5, same);
        let data = Data::of(&folder, &people);
        assert_eq!((data.people, data.repeated_pairs, data.contradicting_pairs), (2, 2, 1));

        let whole = Verification::of(&folder, &people, &acquired, &Scale::DEFAULT, 0.42);
        assert_eq!((whole.pairs, whole.genuine, whole.impostor, whole.failed_to_acquire), (7, 2, 3, 2));
        assert_eq!(
            (whole.acquisition.fta, &whole.acquisition.reasons),
            (Some(0.2), &[("no-face", 1)].into())
        );
        let hard = &whole.groups["hard"];
        assert_eq!((hard.pairs, hard.genuine, hard.impostor, hard.failed_to_acquire), (4, 1, 1, 2));
        assert_eq!(hard.at_threshold.rates.fnmr, Some(1.0));
        assert_eq!(whole.groups["easy"].at_threshold.rates.fnmr, Some(0.0));
        // The contradicting pair scores highest of all impostors, so that the whole's threshold lies above it.
        let at = |group: &Group| group.at_fmr["1e-2"].unwrap().threshold;
        assert_eq!(
            (at(hard), at(&whole.groups["easy"])),
            (whole.at_fmr["1e-2"].unwrap().threshold, at(hard))
        );
        assert_eq!((whole.fnmr_at_fmr["1e-3"], whole.fnmr_at_fmr["1e-4"]), (Some(1.0), None));
        assert!(whole.notes["1e-3"].contains("3 impostor") && whole.notes["1e-4"].contains("30000"));
    }

    #[test]
    fn a_curve_keeps_its_corners_and_a_very_long_one_its_ends() {
        let point = |fmr: u16, fnmr: u16| RocPoint {
            threshold: f32::from(fnmr),
            fmr: f64::from(fmr),
            fnmr: f64::from(fnmr),
        };
        let steps =
            [(4, 0), (3, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2), (0, 3)].map(|(a, b)| point(a, b));
        let corners = [(4, 0), (2, 0), (2, 2), (0, 2), (0, 3)].map(|(a, b)| point(a, b));
        assert_eq!(thinned(&steps), corners);
        let slope: Vec<RocPoint> = (0..1001).map(|i| point(1000 - i, i)).collect();
        let thin = thinned(&slope);
        assert!(thin.len() <= ROC_POINTS + 1);
        assert_eq!((thin[0], thin[thin.len() - 1]), (slope[0], slope[1000]));
        assert!(thinned(&[]).is_empty());
    }
}
