//! `ecert models`: what whoever answers for the thresholds types.
//!
//! Reading order: [`folder`] (the pictures) → [`acquire`] (the product's pipeline) → [`statistics`], [`people`] (error rates) →
//! [`figures`], [`detection`], [`pad`], [`cards`] (the report) → [`page`], [`plot`] (how it looks). Only `folder`, `acquire` and this file do I/O.

mod acquire;
mod cards;
mod detection;
mod figures;
mod folder;
mod pad;
mod page;
mod people;
mod plot;
mod statistics;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use jiff::Timestamp;
use wallet_core::face::Template;
use wallet_core::onnx::Models;
use wallet_core::onnx::manifest::{Entry, Manifest};

use self::acquire::{Code, Face, Workers};
use self::cards::Ocr;
use self::detection::Detection;
use self::figures::{Acquired, Data, ModelFile, Program, Report, Verification};
use self::folder::Folder;
use self::pad::Pad;
use crate::config::Config;
use crate::progress::Progress;

#[derive(Subcommand)]
pub(super) enum ModelsAction {
    /// Measure FMR, FNMR, APCER and BPCER, and how cards are read, on a folder of pictures; changes nothing
    #[command(after_help = "\
Example:
  ecert models report --data ./pictures --out ./accuracy
  ecert models report --data ./pictures --json | jq .verification.fnmr_at_fmr

The folder holds:
  pairs.csv                            path_a,path_b,same,group   (same: 1 one person, 0 two; group may be left out)
  pad/live/, pad/attack/SPECIES/       pictures, for passive presentation-attack detection; may be left out
  cards.csv                            path,field,expected   for identity cards; may be left out

docs/OPERATIONS.md says how to read the report.")]
    Report {
        /// The folder with pairs.csv
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Where to write report.md, report.json and roc.svg
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Print report.json
        #[arg(long)]
        json: bool,
        /// Threads that run models [default: as --model-workers]
        #[arg(long)]
        workers: Option<NonZeroUsize>,
    },
}

pub(super) fn run(config: &Config, action: ModelsAction) -> anyhow::Result<()> {
    let ModelsAction::Report { data, out, json, workers } = action;
    let folder = Folder::open(&data)?;
    let models = config.model_dir()?;
    let workers = workers.map_or_else(|| config.model_workers(), NonZeroUsize::get);
    // Before minutes of work, not after them.
    if let Some(out) = &out {
        fs::create_dir_all(out).with_context(|| format!("can't make {}", out.display()))?;
    }
    let report = measure(&folder, &models, workers.min(folder.size()))?;
    let as_json = serde_json::to_string_pretty(&report)? + "\n";
    if let Some(out) = &out {
        let plot = plot::roc(&report.verification, &report.verification_with_gates);
        for (name, text) in
            [("report.json", &as_json), ("report.md", &page::markdown(&report)), ("roc.svg", &plot)]
        {
            let path = out.join(name);
            fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
        }
    }
    if json {
        print!("{as_json}");
    } else {
        print!("{}", page::summary(&report));
        if let Some(out) = out {
            println!("\n  report.md, report.json and roc.svg are in {}", out.display());
        }
    }
    Ok(())
}

fn measure(folder: &Folder, model_dir: &Path, workers: usize) -> anyhow::Result<Report> {
    let models = Models::load(model_dir).context("the models can't be used; run `cargo xtask setup`")?;
    let thresholds = models.thresholds();
    let mut workers = Workers::start(&models, workers)?;
    let progress = Progress::shown();
    let paths: Vec<PathBuf> = folder.pictures.iter().map(|picture| folder.root.join(picture)).collect();
    let faces = workers.run(&progress, "faces", &paths, |engine, path| acquire::face(engine, path))?;
    let looks = workers.run(&progress, "detection", &paths, |engine, path| acquire::look(engine, path))?;
    let pad = presentations(folder, &mut workers, &progress, thresholds.live)?;
    let ocr = cards(folder, &mut workers, &progress)?;

    let same = folder.pairs.iter().filter(|pair| pair.same).map(|pair| (pair.a, pair.b));
    let people = people::people(folder.pictures.len(), same);
    let scale = models.scale();
    let verification =
        |acquired: &Acquired<'_>| Verification::of(folder, &people, acquired, &scale, thresholds.comparison);
    let whole = verification(&faces.iter().map(template).collect());
    Ok(Report {
        program: Program { name: "ecert", version: env!("CARGO_PKG_VERSION") },
        measured_at: Timestamp::now(),
        data: Data::of(folder, &people),
        models: model_files(model_dir)?,
        not_measured: not_measured(&whole, pad.as_ref(), ocr.as_ref()),
        detection: Detection::of(&looks),
        verification: whole,
        verification_with_gates: verification(&faces.iter().map(template_past_gates).collect()),
        pad,
        ocr,
    })
}

fn template(face: &Result<Face, Code>) -> Result<&Template, Code> {
    face.as_ref().map(|face| &face.template).map_err(|code| *code)
}

fn template_past_gates(face: &Result<Face, Code>) -> Result<&Template, Code> {
    let refused = face.as_ref().ok().and_then(|face| face.gate);
    refused.map_or_else(|| template(face), |gate| Err(gate.code()))
}

fn presentations(
    folder: &Folder,
    workers: &mut Workers,
    progress: &Progress,
    threshold: f32,
) -> anyhow::Result<Option<Pad>> {
    let Some(pictures) = &folder.pad else { return Ok(None) };
    let mut look = |what: &str, paths: &[PathBuf]| {
        workers.run(progress, what, paths, |engine, path| acquire::presentation(engine, path))
    };
    let attacks =
        pictures.attacks.iter().map(|(species, paths)| Ok((species.clone(), look(species, paths)?)));
    let attacks: BTreeMap<_, _> = attacks.collect::<anyhow::Result<_>>()?;
    let live = look("live", &pictures.live)?;
    Ok(Some(Pad::of(&attacks, &live, threshold)))
}

fn cards(folder: &Folder, workers: &mut Workers, progress: &Progress) -> anyhow::Result<Option<Ocr>> {
    let Some(cards) = &folder.cards else { return Ok(None) };
    let reads = workers.run(progress, "cards", cards, acquire::card)?;
    Ok(Some(Ocr::of(cards, &reads)))
}

/// From the manifest, whose hashes were checked when the models were loaded.
fn model_files(model_dir: &Path) -> anyhow::Result<BTreeMap<String, ModelFile>> {
    let manifest: Manifest = serde_json::from_slice(&fs::read(model_dir.join("manifest.json"))?)?;
    let file = |entry: Entry| ModelFile {
        name: entry.name,
        sha256: entry.sha256,
        package: entry.package,
        licence: entry.licence,
    };
    Ok(manifest.models.into_iter().map(|(role, entry)| (role, file(entry))).collect())
}

fn not_measured(verification: &Verification, pad: Option<&Pad>, ocr: Option<&Ocr>) -> Vec<String> {
    let missing = [
        (verification.genuine == 0, "FNMR: no pair of one person could be compared"),
        (verification.impostor == 0, "FMR: no pair of two people could be compared"),
        (
            verification.held_out.is_none(),
            "held out: both halves of the people need pairs of one person and of two",
        ),
        (pad.is_none_or(|pad| pad.species.is_empty()), "APCER: there are no pictures in pad/attack/SPECIES/"),
        (pad.is_none_or(|pad| pad.live.n == 0), "BPCER: no picture in pad/live/ was judged"),
        (ocr.is_none(), "identity cards: there is no cards.csv"),
    ];
    missing.into_iter().filter(|(missing, _)| *missing).map(|(_, words)| words.to_owned()).collect()
}
