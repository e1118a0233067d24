//! The report in words: `report.md`, and the short table of the terminal.

use std::fmt::Write as _;

use super::cards::Ocr;
use super::detection::Detection;
use super::figures::{Group, Report, Unsure, Verification};
use super::folder::GroupsFrom;
use super::pad::Pad;
use super::people::{ByFmr, HeldOut};
use super::statistics::{OperatingPoint, Rates, TARGETS};

/// What no figure in here says.
const NOT_SAID: &str = "\
These are figures of one picture against one, of the people and pictures that somebody chose for this folder; they say nothing \
certain about other people, cameras or light. Comparisons share people and pictures, so the true uncertainty is wider than the \
intervals, and a group with few comparisons says little beside another. The service judges captures of several frames \
against a reference, with liveness beside the comparison, so its own rates differ. Passive detection is shown single pictures of \
the attacks that lie here and of no other kind. This is a measurement by the operator, not a certification.";

/// `report.md`.
pub(super) fn markdown(report: &Report) -> String {
    let mut text = format!(
        "# Accuracy of the models\n\nMeasured by {} {} on {}. Rates in per cent, with what was counted and Wilson's 95 % \
         interval. ISO/IEC 19795-1: FMR, false match rate; FNMR, false non-match rate; FTA, failure to acquire. ISO/IEC 30107-3: \
         APCER, attacks taken for live; BPCER, live taken for attacks.\n\n",
        report.program.name,
        report.program.version,
        report.measured_at.strftime("%F"),
    );
    text += &measured(report);
    text += &detection(&report.detection);
    text += "## Verification\n\nEvery face that was found, whatever its quality.\n\n";
    text += &verification(&report.verification, report.data.groups_from);
    text += "![ROC curve](roc.svg)\n\n";
    text += &report.verification.held_out.as_ref().map(held_out).unwrap_or_default();
    text += "## Verification with the product's quality gates\n\nPictures that a gate refuses count as failed to acquire.\n\n";
    text += &verification(&report.verification_with_gates, report.data.groups_from);
    text += &report.pad.as_ref().map(pad).unwrap_or_default();
    text += &report.ocr.as_ref().map(ocr).unwrap_or_default();
    if !report.not_measured.is_empty() {
        text += "## Not measured\n\n";
        report.not_measured.iter().for_each(|line| text += &format!("- {line}\n"));
        text.push('\n');
    }
    text + "## What these figures do not say\n\n" + NOT_SAID + "\n"
}

/// A few lines for a terminal.
pub(super) fn summary(report: &Report) -> String {
    let whole = &report.verification;
    let mut text = format!(
        "{} pairs of {} people: {} genuine, {} impostor, {} not compared ({} of {} pictures gave no face)\n\n",
        whole.pairs,
        report.data.people,
        whole.genuine,
        whole.impostor,
        whole.failed_to_acquire,
        whole.acquisition.failed,
        whole.acquisition.pictures,
    );
    let own = whole.at_threshold.threshold;
    // Writing to a String does not fail.
    let _ = writeln!(
        text,
        "  {:<20} {:>8} {:>8} {:>8} {:>11} {:>11} {:>11} {:>12}",
        "",
        "genuine",
        "impostor",
        "EER",
        "FNMR @ 1e-2",
        "FNMR @ 1e-3",
        format!("FMR @ {own}"),
        format!("FNMR @ {own}")
    );
    let mut line = |name: &str, row: &Row<'_>| {
        let [hundredth, thousandth, _] = row.fnmr();
        let own = row.at_threshold.rates;
        let _ = writeln!(
            text,
            "  {name:<20} {:>8} {:>8} {:>8} {hundredth:>11} {thousandth:>11} {:>11} {:>12}",
            own.genuine,
            own.impostor,
            percent(row.eer),
            percent(own.fmr),
            percent(own.fnmr)
        );
    };
    line("whole", &Row::whole(whole));
    line("with quality gates", &Row::whole(&report.verification_with_gates));
    whole.groups.iter().for_each(|(name, group)| line(name, &Row::group(group)));
    let Detection { faces, lost, lost_share, .. } = &report.detection;
    let _ = writeln!(
        text,
        "\n  largest faces lost by looking small first: {lost} of {faces} ({} %)",
        percent(*lost_share)
    );
    let Unsure { genuine, impostor } = &whole.unsure;
    let both = [percent(*genuine), percent(*impostor)];
    let _ = writeln!(
        text,
        "  comparisons that took both embedders: {} % of genuine, {} % of impostor",
        both[0], both[1]
    );
    if let Some(pad) = &report.pad {
        let _ = writeln!(text, "\n  passive PAD at {}", pad.threshold);
        for (name, attacks) in &pad.species {
            let _ = writeln!(text, "  {name:<20} APCER {} of {}", percent(attacks.apcer), attacks.n);
        }
        let _ = writeln!(text, "  {:<20} BPCER {} of {}", "live", percent(pad.live.bpcer), pad.live.n);
    }
    if let Some(ocr) = &report.ocr {
        let _ = writeln!(
            text,
            "\n  cards: {} of {} fields exact, {} of {} faulty sides accepted",
            ocr.exact, ocr.n, ocr.faulty.accepted, ocr.faulty.n
        );
    }
    report.not_measured.iter().for_each(|line| text += &format!("\n  not measured: {line}"));
    text + "\n"
}

fn measured(report: &Report) -> String {
    let data = &report.data;
    let mut text = format!(
        "## What was measured\n\n{} pairs between {} pictures of {} people (told from the pairs of one person), {} live and {} \
         attack presentations, {} sides of cards.\n\n",
        data.pairs,
        data.pictures,
        data.people,
        data.live_presentations,
        data.attack_presentations,
        data.card_sides,
    );
    if data.repeated_pairs > 0 {
        text += &format!("{} lines list a pair once more and are counted again.\n\n", data.repeated_pairs);
    }
    if data.contradicting_pairs > 0 {
        text += &format!(
            "**{} pairs are said to be of two people whom other pairs make one:** look at the labels first.\n\n",
            data.contradicting_pairs
        );
    }
    text += "| model | file's sha256 | from |\n|---|---|---|\n";
    for (role, model) in &report.models {
        text += &format!("| {role}: {} | `{}` | {} |\n", model.name, model.sha256, model.package);
    }
    text + "\n"
}

fn detection(detection: &Detection) -> String {
    let Detection { sides, full_side, faces, lost, lost_share, lost_interval, all_faces, all_lost } =
        detection;
    let [first, second, third] = sides;
    format!(
        "## Detection\n\nFaces are looked for with the long side at {first} pixels, then at {second} and {third} while none is large \
         enough. Of {faces} pictures with a face at {full_side} pixels (not enlarged) {lost} lose the largest one by that: {} %. Of \
         {all_faces} faces of any size {all_lost} are lost.\n\n",
        with_interval(*lost_share, *lost_interval)
    )
}

/// A line of the table: the whole or a group.
struct Row<'a> {
    failed_to_acquire: usize,
    eer: Option<f64>,
    at_fmr: &'a ByFmr<OperatingPoint>,
    at_threshold: &'a OperatingPoint,
}

impl<'a> Row<'a> {
    fn whole(set: &'a Verification) -> Row<'a> {
        let Verification { failed_to_acquire, eer, at_fmr, at_threshold, .. } = set;
        Row { failed_to_acquire: *failed_to_acquire, eer: *eer, at_fmr, at_threshold }
    }

    fn group(group: &'a Group) -> Row<'a> {
        let Group { failed_to_acquire, eer, at_fmr, at_threshold, .. } = group;
        Row { failed_to_acquire: *failed_to_acquire, eer: *eer, at_fmr, at_threshold }
    }

    fn fnmr(&self) -> [String; 3] {
        TARGETS.map(|target| {
            let point = self.at_fmr.get(target.name).copied().flatten();
            percent(point.and_then(|point| point.rates.fnmr))
        })
    }

    fn line(&self, name: &str) -> String {
        let fnmr = TARGETS.map(|target| {
            let point = self.at_fmr.get(target.name).copied().flatten();
            point.map_or("–".to_owned(), |point| non_matches(&point.rates))
        });
        let own = &self.at_threshold.rates;
        format!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} |\n",
            own.genuine,
            own.impostor,
            self.failed_to_acquire,
            percent(self.eer),
            fnmr.join(" | "),
            matches(own),
            non_matches(own)
        )
    }
}

fn verification(set: &Verification, groups_from: GroupsFrom) -> String {
    let acquisition = &set.acquisition;
    let reasons: Vec<String> = acquisition.reasons.iter().map(|(code, n)| format!("{n} {code}")).collect();
    let mut text = format!(
        "FTA: {} of {} pictures ({}){}{}; {} pairs could not be compared.\n\n",
        acquisition.failed,
        acquisition.pictures,
        with_interval(acquisition.fta, acquisition.fta_interval),
        if reasons.is_empty() { "" } else { ": " },
        reasons.join(", "),
        set.failed_to_acquire
    );
    text += &format!(
        "Of the comparisons {} % of genuine and {} % of impostor ones took both embedders.\n\n",
        percent(set.unsure.genuine),
        percent(set.unsure.impostor)
    );
    text += "| FMR aimed at | threshold | FMR | FNMR |\n|---|---|---|---|\n";
    for target in TARGETS {
        let point = set.at_fmr.get(target.name).copied().flatten();
        let cells = point.map(|point| {
            format!("{:.4} | {} | {}", point.threshold, matches(&point.rates), non_matches(&point.rates))
        });
        let cells = cells.unwrap_or_else(|| "– | – | –".to_owned());
        text += &format!("| {} | {cells} |\n", target.name);
    }
    let own = &set.at_threshold;
    text += &format!(
        "| the product's own | {} | {} | {} |\n\n",
        own.threshold,
        matches(&own.rates),
        non_matches(&own.rates)
    );
    for (target, note) in &set.notes {
        text += &format!("FMR {target}: {note}.\n\n");
    }
    text += match groups_from {
        GroupsFrom::Column => "Groups are those of the column `group`",
        GroupsFrom::FirstFolder => "Groups are the first folders of the paths (`mixed` where they differ)",
    };
    text += "; they stand at the thresholds of the whole.\n\n";
    text += &format!(
        "| group | genuine | impostor | not compared | EER | FNMR @ 1e-2 | FNMR @ 1e-3 | FNMR @ 1e-4 | FMR @ {0} | FNMR @ {0} |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        own.threshold
    );
    text += &Row::whole(set).line("**whole**");
    set.groups.iter().for_each(|(name, group)| text += &Row::group(group).line(&cell_text(name)));
    text + "\n"
}

fn held_out(held: &HeldOut) -> String {
    let mut text = "### Thresholds chosen on half of the people, checked on the other half\n\n\
                    | FMR aimed at | checked on | threshold | FMR | FNMR |\n|---|---|---|---|---|\n"
        .to_owned();
    for target in TARGETS {
        for (half, name) in held.halves.iter().zip(["first", "second"]) {
            if let Some(point) = half.checked.get(target.name).copied().flatten() {
                let (fm, fnm) = (matches(&point.rates), non_matches(&point.rates));
                text += &format!(
                    "| {} | {name} half, {} people | {:.4} | {fm} | {fnm} |\n",
                    target.name, half.people, point.threshold
                );
            }
        }
        if let Some(rates) = held.pooled.get(target.name).copied().flatten() {
            text += &format!(
                "| {} | **both** | | {} | {} |\n",
                target.name,
                matches(&rates),
                non_matches(&rates)
            );
        }
    }
    text += &format!("\n{} impostor comparisons between the halves are left out.\n\n", held.left_out);
    text += "Both halves together, by group:\n\n| group | FNMR @ 1e-2 | FNMR @ 1e-3 | FNMR @ 1e-4 |\n|---|---|---|---|\n";
    let line = |name: &str, by_fmr: &ByFmr<Rates>| {
        let cell = |rates: Option<Rates>| rates.map_or("–".to_owned(), |rates| non_matches(&rates));
        let cells = TARGETS.map(|target| cell(by_fmr.get(target.name).copied().flatten()));
        format!("| {} | {} |\n", cell_text(name), cells.join(" | "))
    };
    text += &line("**whole**", &held.pooled);
    held.groups.iter().for_each(|(name, group)| text += &line(name, group));
    text + "\n"
}

fn pad(pad: &Pad) -> String {
    let mut text = format!(
        "## Passive presentation-attack detection\n\nOne picture at a time, at a threshold of {}. Without a face to judge: non-response, \
         in no rate.\n\n| presentations | judged | non-response | rate | past the quality gates too |\n|---|---|---|---|---|\n",
        pad.threshold
    );
    for (name, attacks) in &pad.species {
        text += &format!(
            "| {} | {} | {} | APCER {} ({}) | {} accepted |\n",
            cell_text(name),
            attacks.n,
            attacks.non_response,
            with_interval(attacks.apcer, attacks.apcer_interval),
            attacks.accepted,
            attacks.accepted_with_gates
        );
    }
    let live = &pad.live;
    text + &format!(
        "| live | {} | {} | BPCER {} ({}) | {} refused by either |\n\nWorst APCER of a species: {}.\n\n",
        live.n,
        live.non_response,
        with_interval(live.bpcer, live.bpcer_interval),
        live.refused,
        live.refused_with_gates,
        percent(pad.worst_apcer)
    )
}

fn ocr(ocr: &Ocr) -> String {
    let mut text = format!(
        "## Identity cards\n\n{} of {} fields exactly right ({}). The product answers a whole side or nothing: a refused side has \
         none of its fields. Of {} faulty sides {} were accepted.\n\n| field | n | exact | wrong | refused |\n|---|---|---|---|---|\n",
        ocr.exact,
        ocr.n,
        percent(ocr.accuracy),
        ocr.faulty.n,
        ocr.faulty.accepted
    );
    for (code, field) in &ocr.fields {
        text +=
            &format!("| {code} | {} | {} | {} | {} |\n", field.n, field.exact, field.wrong, field.refused);
    }
    text.push('\n');
    for (side, counts) in &ocr.sides {
        let refused: Vec<String> = counts.refused.iter().map(|(code, n)| format!("{n} {code}")).collect();
        let refused = if refused.is_empty() { "none".to_owned() } else { refused.join(", ") };
        text += &format!("{side}: {} of {} read; refused: {refused}.\n\n", counts.read, counts.n);
    }
    text
}

/// A name from the folder, inside a table.
fn cell_text(name: &str) -> String {
    name.replace('|', "\\|")
}

fn matches(rates: &Rates) -> String {
    let rate = with_interval(rates.fmr, rates.fmr_interval);
    format!("{rate} ({} of {})", rates.false_matches, rates.impostor)
}

fn non_matches(rates: &Rates) -> String {
    let rate = with_interval(rates.fnmr, rates.fnmr_interval);
    format!("{rate} ({} of {})", rates.false_non_matches, rates.genuine)
}

fn percent(rate: Option<f64>) -> String {
    rate.map_or("–".to_owned(), |rate| format!("{:.2}", rate * 100.0))
}

fn with_interval(rate: Option<f64>, interval: Option<[f64; 2]>) -> String {
    let interval = interval.map(|[low, high]| format!(" [{:.2}, {:.2}]", low * 100.0, high * 100.0));
    percent(rate) + &interval.unwrap_or_default()
}
