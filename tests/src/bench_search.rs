//! `cargo xtask bench search`: one face among a million, by the index that face groups are searched by.
//!
//! The templates are made up: unit vectors in clusters, as those of real faces are (people alike in age, sex and origin score
//! higher with one another), and probes that score with their own template as two pictures of one person do. A search is what the
//! product does after its models: candidates from the index, compared exactly. What it adds, reading the candidates from the
//! database, is not in the time.

use std::time::{Duration, Instant};

use clap::Parser;
use ecert_server::edge::face_index::{FaceIndex, FaceIndexes};
use ecert_server::edge::vault::Vault;
use ecert_server::flow::face_groups::CANDIDATES;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use wallet_core::face::{Embedding, Space, matching};
use wallet_core::ids::FaceGroupId;

use crate::figures::{Figures, Goal};
use crate::load::cpu;

/// One face among a million
#[derive(Debug, Parser)]
#[command(name = "bench-search", after_help = "Example: cargo xtask bench search -- --templates 100000")]
struct Arguments {
    /// Print the figures as JSON instead of the table
    #[arg(long)]
    json: bool,
    /// To see that it works, not to quote: 20,000 templates, 500 probes
    #[arg(long)]
    quick: bool,
    /// Templates in the group [default: 1000000]
    #[arg(long)]
    templates: Option<u64>,
    /// Searches [default: 5000]
    #[arg(long)]
    probes: Option<u64>,
}

/// People alike in one cluster, and how much of a template is its cluster's: two of one cluster score 0.2 on average, two of
/// different ones 0, which is what SFace does on pictures of many origins.
const CLUSTER: u64 = 500;
const SHARED: f32 = 0.2;
/// The score of two pictures of one person: mean and deviation of SFace's on captures of one session and of years apart together.
const GENUINE: (f32, f32) = (0.68, 0.10);
/// Below this the product would say "nobody" whatever the index did.
const THRESHOLD: f32 = 0.53;
const SEED: u64 = 7;
/// Numbers of a vector, as SFace has.
const WIDTH: usize = 128;

/// Measures, prints, and keeps the figures in `target/bench/search.json`.
///
/// # Errors
/// When there is no memory for the index, or no room on the disk.
pub fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let count = arguments.templates.unwrap_or(if arguments.quick { 20_000 } else { 1_000_000 });
    let probes = arguments.probes.unwrap_or(if arguments.quick { 500 } else { 5_000 });
    let templates = made_up(count)?;
    let mut figures = Figures::default();
    let index = build(&templates, &mut figures)?;
    let index = reload(index, &mut figures)?;
    search(&index, &templates, probes, &mut figures)?;
    figures.save("search")?;
    if arguments.json {
        println!("{}", figures.json()?);
    } else {
        println!("{}", figures.table());
    }
    Ok(())
}

fn bar(what: &'static str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:<22} {wide_bar} {pos}/{len} {eta}");
    let bar = ProgressBar::new(length).with_message(what);
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

/// A direction, evenly spread over all.
fn direction(rng: &mut StdRng) -> anyhow::Result<Embedding> {
    // The sum of twelve even numbers is close enough to a normal one.
    let normal = |rng: &mut StdRng| (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
    Ok(Embedding::normalise(Space::UNKNOWN, &std::array::from_fn::<f32, WIDTH, _>(|_| normal(rng)))?)
}

/// The unit vector between two, nearer to `a` the larger its share: its cosine with `a` is `cosine` where both are at right angles.
fn blend(a: &Embedding, b: &Embedding, cosine: f32) -> anyhow::Result<Embedding> {
    let rest = (1.0 - cosine * cosine).max(0.0).sqrt();
    let mut raw = [0.0; WIDTH];
    for ((value, a), b) in raw.iter_mut().zip(a.values()).zip(b.values()) {
        *value = cosine * a + rest * b;
    }
    Ok(Embedding::normalise(Space::UNKNOWN, &raw)?)
}

fn made_up(count: u64) -> anyhow::Result<Vec<Embedding>> {
    let bar = bar("making up templates", count);
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut templates = Vec::new();
    while (templates.len() as u64) < count {
        let centre = direction(&mut rng)?;
        for _ in 0..CLUSTER.min(count - templates.len() as u64) {
            templates.push(blend(&centre, &direction(&mut rng)?, SHARED.sqrt())?);
        }
        bar.set_position(templates.len() as u64);
    }
    bar.finish_and_clear();
    Ok(templates)
}

fn build(templates: &[Embedding], figures: &mut Figures) -> anyhow::Result<FaceIndex> {
    let bar = bar("building", templates.len() as u64);
    let (began, before) = (Instant::now(), cpu::resident(std::process::id())?);
    let mut index = FaceIndex::empty(WIDTH);
    for (number, template) in (0_u32..).zip(templates) {
        index.change(number.into(), Some(template), number.into())?;
        bar.set_position(number.into());
    }
    bar.finish_and_clear();
    figures.note("templates", templates.len() as f64, "");
    figures.note("build: time, one thread", began.elapsed().as_secs_f64(), "s");
    figures.note("memory of the index, resident", (cpu::resident(std::process::id())? - before) / 1e6, "MB");
    Ok(index)
}

/// Through the sealed file and back, as a service that starts again.
fn reload(index: FaceIndex, figures: &mut Figures) -> anyhow::Result<FaceIndex> {
    let folder = tempfile::tempdir()?;
    let indexes = FaceIndexes::in_folder(folder.path().to_owned());
    let (vault, group) = (Vault::new(&[7; 32]), FaceGroupId::first_at(Timestamp::UNIX_EPOCH));
    let began = Instant::now();
    indexes.keep(&vault, group, &index)?;
    figures.note("seal and write", began.elapsed().as_secs_f64(), "s");
    let file = folder.path().join(format!("{group}.index"));
    figures.note("sealed file", std::fs::metadata(file)?.len() as f64 / 1e6, "MB");
    drop(index);
    let began = Instant::now();
    let loaded = indexes.load(&vault, group, WIDTH);
    figures.note("load: time", began.elapsed().as_secs_f64(), "s");
    Ok(loaded)
}

fn search(
    index: &FaceIndex,
    templates: &[Embedding],
    probes: u64,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let bar = bar("searching", probes);
    let mut rng = StdRng::seed_from_u64(SEED + 1);
    let (mut times, mut found, mut own) = (Vec::new(), 0_u32, 0_u32);
    for _ in 0..probes {
        let person = rng.random_range(0..templates.len());
        let Some(template) = templates.get(person) else { continue };
        let wander: f32 = (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        let cosine = (GENUINE.0 + GENUINE.1 * wander).clamp(THRESHOLD, 0.95);
        let probe = blend(template, &direction(&mut rng)?, cosine)?;
        let began = Instant::now();
        let best = best_of(index, templates, &probe)?;
        times.push(began.elapsed());
        own += u32::from(best == Some(person));
        found += u32::from(best == exactly(templates, &probe));
        bar.inc(1);
    }
    bar.finish_and_clear();
    times.sort_unstable();
    let at = |share: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
        let place = (share * (times.len() as f64 - 1.0)) as usize;
        times.get(place).copied().unwrap_or(Duration::MAX).as_secs_f64() * 1e3
    };
    let share = |hits: u32| f64::from(hits) / probes as f64;
    figures.note("searches", probes as f64, "");
    figures.note("search: p50", at(0.5), "ms");
    figures.hold("search: p99", at(0.99), "ms", Goal::AtMost(5.0));
    figures.hold("recall@1: the exact nearest is found", share(found), "", Goal::AtLeast(0.99));
    figures.note("the person searched for is found", share(own), "");
    Ok(())
}

/// What the product does: candidates from the index, compared exactly.
fn best_of(index: &FaceIndex, templates: &[Embedding], probe: &Embedding) -> anyhow::Result<Option<usize>> {
    let candidates = index.nearest(probe, CANDIDATES)?;
    let places = candidates.into_iter().filter_map(|number| usize::try_from(number).ok());
    let scored = places.filter_map(|place| Some((place, matching::cosine(probe, templates.get(place)?)?)));
    Ok(scored.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(place, _)| place))
}

/// The nearest of all, by looking at each.
fn exactly(templates: &[Embedding], probe: &Embedding) -> Option<usize> {
    let scored = templates
        .iter()
        .enumerate()
        .map(|(place, template)| (place, matching::cosine(probe, template).unwrap_or(-1.0)));
    scored.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(place, _)| place)
}
