//! `cargo xtask bench face`: what one verification costs, from the JPEG to the score, ours beside OpenCV's and `face_recognition`'s.
//!
//! OpenCV embeds and matches the same pixels with the same weights, aligned by the same points, which a model of their own finds on our
//! side; it is the main embedder's peer. `face_recognition` does what its own documentation shows. A frame of ours and one of each of
//! theirs come in turn, so that whatever slows the machine down slows all; only ratios are held against a goal, never milliseconds.
//! They run in Python processes of their own (`tests/peer/`), on one thread, as we do. All decode the JPEG; what OpenCV embeds are our
//! pixels all the same, since no two JPEG decoders agree to the last bit.
//!
//! Two cases of ours are told: the sure one, in which the quick embedder decides alone, and the unsure one, in which both run. Which of
//! them a comparison is depends on the faces; `ecert models report` says how often.
//!
//! A bench reports: a goal that is missed is printed as such and does not make the run fail.

mod peer;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use wallet_core::face::comparison::Reference as _;
use wallet_core::face::matching::cosine;
use wallet_core::face::protection::{ProtectionKey, Stored, Unlocked};
use wallet_core::face::quality::{self, Limits};
use wallet_core::face::{AlignedFace, Embedding, Landmarks, Scale, Tier};
use wallet_core::onnx::engine::the_one_face;
use wallet_core::onnx::{Engine, Models};
use wallet_core::picture::Picture;

use peer::Peer;

/// What a sure verification of ours is made of, in the order in which it is done; without a quick embedder, `embed` instead of
/// `embed-quick`. OpenCV answers under the same names, but has no `landmarks`: it aligns by the detector's points.
const SURE: [&str; 6] = ["decode", "detect", "landmarks", "align", "embed-quick", "match"];
/// What the main embedder costs, alone or after the quick one.
const MAIN: [&str; 2] = ["embed", "match-main"];
/// What a frame of a capture costs us besides, without a counterpart on the other side.
const BESIDES: [&str; 2] = ["quality", "live"];
/// The sums: of [`SURE`], of that and [`MAIN`]; of all stages on the other side.
const TOTAL: &str = "total";
const TOTAL_BOTH: &str = "total-both";
const OURS: &str = "ecert";
const THEIRS: &str = "opencv";
const DLIB: &str = "face_recognition";

/// One of the two times of a [`Cost`].
type Time = fn(&Cost) -> Duration;
const CPU: Time = |cost| cost.cpu;
const WALL: Time = |cost| cost.wall;
const TIMES: [(&str, Time); 2] = [("cpu", CPU), ("wall", WALL)];
const PERCENTILES: [(&str, usize); 2] = [("median", 50), ("p90", 90)];

/// At most this share of OpenCV's CPU time, in the sure case.
const RATIO_GOAL: f64 = 0.40;
/// At most this share of `face_recognition`'s, in the sure case.
const DLIB_GOAL: f64 = 0.10;
/// At least this cosine between our template and theirs: the same person to every digit that a threshold has.
const COSINE_GOAL: f64 = 0.9999;
/// Rounds over all frames before the clock counts: buffers are allocated and caches filled in the first.
const WARM_UP_ROUNDS: usize = 2;

/// What one verification costs, from the JPEG to the score, beside OpenCV and face_recognition
#[derive(Parser)]
struct Arguments {
    /// Print the figures as JSON instead of the table
    #[arg(long)]
    json: bool,
    /// How many frames to time
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    frames: u32,
    /// Given by `cargo bench` to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// Time that a stage took.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    cpu: Duration,
    wall: Duration,
}

/// A sample frame as it comes from a phone, and its pixels.
struct Frame {
    jpeg: Vec<u8>,
    picture: Picture,
}

/// What stages took.
type Costs = BTreeMap<String, Cost>;

/// Our stages of one frame.
struct Observed {
    costs: Costs,
    /// By the main embedder.
    embedding: Embedding,
    /// What the face was aligned by.
    landmarks: Landmarks,
    /// Whether the quick embedder alone would have decided.
    sure: bool,
}

/// Our side.
struct Ours {
    engine: Engine,
    scale: Scale,
    key: ProtectionKey,
    /// The first frame's template as it would be stored, with which all are matched.
    reference: Option<Unlocked>,
}

/// All that was measured, by side and stage, frame after frame.
#[derive(Default)]
struct Measured {
    costs: BTreeMap<(&'static str, String), Vec<Cost>>,
    /// Between our main embedding and theirs.
    cosines: Vec<f64>,
    sure: usize,
}

/// One figure of the report.
#[derive(Serialize)]
struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Option<String>,
    ok: Option<bool>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let cache = PathBuf::from(variable("ECERT_MODEL_DIR")?);
    let frames = sample_frames(&cache)?;
    let models = Models::load(&cache)?;
    let key = ProtectionKey::new([7; 32]);
    let mut ours = Ours { engine: models.engine()?, scale: models.scale(), key, reference: None };
    let mut opencv = Peer::opencv(&cache, &frames)?;
    let mut dlib = Peer::face_recognition(&frames)?;
    let count = usize::try_from(arguments.frames)?;
    let measured = measure(&mut ours, &mut opencv, dlib.as_mut(), &frames, count)?;
    let versions = [Some(opencv.stop()?), dlib.map(Peer::stop).transpose()?];

    let rows = report(&measured)?;
    let json = serde_json::to_string_pretty(&rows)?;
    let file = results_file()?;
    fs::write(&file, format!("{json}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    if arguments.json {
        println!("{json}");
    } else {
        let [opencv, dlib] = versions.map(|version| version.unwrap_or_else(|| "MISSING".to_owned()));
        println!(
            "{} frames in turn, one thread each: ours, OpenCV {opencv}, face_recognition {dlib}\n",
            measured.cosines.len()
        );
        print_table(&measured)?;
        print_goals(&rows);
        println!("\nall figures: {}", file.display());
    }
    Ok(())
}

/// Times `count` frames after the warm-up, each on our side and then on theirs.
fn measure(
    ours: &mut Ours,
    opencv: &mut Peer,
    mut dlib: Option<&mut Peer>,
    frames: &[Frame],
    count: usize,
) -> Result<Measured> {
    let warm_up = WARM_UP_ROUNDS * frames.len();
    // Hidden where the error stream is no terminal. It never ticks by itself: a thread would cost CPU time.
    let bar = ProgressBar::new(u64::try_from(warm_up + count)?);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} frames {msg}")?);
    let mut measured = Measured::default();
    for (turn, (index, frame)) in frames.iter().enumerate().cycle().take(warm_up + count).enumerate() {
        let mine = ours.observe(frame)?;
        let (theirs, embedding) = opencv.embed(index, &mine.landmarks)?;
        let dlib_costs = dlib.as_mut().map(|dlib| dlib.verify(index)).transpose()?;
        bar.inc(1);
        if turn < warm_up {
            bar.set_message("(warm-up)");
            continue;
        }
        bar.set_message("");
        let score = cosine(&mine.embedding, &embedding).context("embeddings of other models")?;
        measured.cosines.push(f64::from(score));
        measured.sure += usize::from(mine.sure);
        measured.add(OURS, mine.costs);
        let total = theirs.values().fold(Cost::default(), Cost::and);
        measured.add(THEIRS, theirs);
        measured.add(THEIRS, [(TOTAL.to_owned(), total)]);
        measured.add(DLIB, dlib_costs.unwrap_or_default());
    }
    bar.finish_and_clear();
    Ok(measured)
}

impl Ours {
    /// One frame through the engine: a verification, then what the main embedder would add, then what a capture needs besides.
    fn observe(&mut self, frame: &Frame) -> Result<Observed> {
        let engine = &mut self.engine;
        let (decoded, decode) = timed(|| Picture::decode(&frame.jpeg))?;
        let picture = decoded?;
        ensure!(picture == frame.picture, "the same JPEG was decoded to other pixels");
        let (face, detect) = timed(|| engine.detect(&picture).map(|faces| the_one_face(&faces)))?;
        let face = face?.map_err(|unusable| anyhow!("a sample frame: {}", unusable.code()))?;
        let (points, found) = timed(|| engine.landmarks(&picture, &face.face_box))?;
        let landmarks = points?.five();
        let (aligned, align) = timed(|| engine.align(&picture, &landmarks))?;
        let aligned = AlignedFace::new(aligned.context("a sample frame's points coincide")?);
        let (quick, embed_quick) = timed(|| engine.embed(Tier::Quick, &aligned))?;
        let quick = quick?.context("the models have no quick embedder: run cargo xtask setup")?;
        let reference = match &self.reference {
            Some(reference) => reference,
            None => {
                let template = engine.embed_all(&aligned)?;
                let stored = Stored::protect(&template, &self.key, [1; 16]);
                self.reference.insert(stored.unlock(&self.key))
            }
        };
        let (score, matched) = timed(|| reference.cosine(Tier::Quick, &quick))?;
        let sure = self.scale.sure(score.context("templates of other models")?).is_some();
        let (main, embed) = timed(|| engine.embed(Tier::Main, &aligned))?;
        let main = main?.context("the models have no embedder")?;
        // Its answer is kept from the optimiser, which would leave out work that nobody looks at.
        let (_, matched_main) = timed(|| std::hint::black_box(reference.cosine(Tier::Main, &main)))?;

        let (live, liveness) = timed(|| engine.live(&picture, &face.face_box))?;
        live?;
        let (gate, quality) = timed(|| {
            let quality = quality::measure(aligned.pixels(), &face.face_box, &landmarks);
            quality::gate(&quality, &Limits::DEFAULT)
        })?;
        gate.map_err(|unusable| anyhow!("a sample frame: {}", unusable.code()))?;

        let sure_costs = [decode, detect, found, align, embed_quick, matched];
        let total = sure_costs.iter().fold(Cost::default(), Cost::and);
        let all = sure_costs.into_iter().chain([embed, matched_main, quality, liveness]);
        let mut costs: Costs =
            SURE.into_iter().chain(MAIN).chain(BESIDES).map(str::to_owned).zip(all).collect();
        costs.insert(TOTAL.to_owned(), total);
        costs.insert(TOTAL_BOTH.to_owned(), total.and(&embed).and(&matched_main));
        Ok(Observed { costs, embedding: main, landmarks, sure })
    }
}

/// What the work returns, and what it took. The CPU time is the whole process's, as on the other side, so that a
/// runtime with threads behind our back could not hide them.
fn timed<T>(work: impl FnOnce() -> T) -> Result<(T, Cost)> {
    let cpu_clock = || Duration::try_from(clock_gettime(ClockId::ProcessCPUTime));
    let (cpu, wall) = (cpu_clock()?, Instant::now());
    let result = work();
    let (wall, cpu_end) = (wall.elapsed(), cpu_clock()?);
    Ok((result, Cost { cpu: cpu_end.saturating_sub(cpu), wall }))
}

impl Cost {
    fn and(self, other: &Cost) -> Cost {
        Cost { cpu: self.cpu + other.cpu, wall: self.wall + other.wall }
    }
}

impl Measured {
    fn add(&mut self, side: &'static str, costs: impl IntoIterator<Item = (String, Cost)>) {
        for (stage, cost) in costs {
            self.costs.entry((side, stage)).or_default().push(cost);
        }
    }

    fn of(&self, side: &'static str, stage: &str) -> Result<&[Cost]> {
        let costs = self.costs.get(&(side, stage.to_owned()));
        costs.map(Vec::as_slice).with_context(|| format!("{side} has no {stage}"))
    }

    /// Milliseconds of CPU or wall time, whichever `time` takes, frame after frame.
    fn milliseconds(&self, side: &'static str, stage: &str, time: Time) -> Result<Vec<f64>> {
        Ok(self.of(side, stage)?.iter().map(|cost| time(cost).as_secs_f64() * 1e3).collect())
    }

    /// Ours over theirs, frame by frame: each pair was measured within a moment.
    fn ratios(&self, stage: &str, (side, their_stage): (&'static str, &str), time: Time) -> Result<Vec<f64>> {
        let ours = self.milliseconds(OURS, stage, time)?;
        let theirs = self.milliseconds(side, their_stage, time)?;
        Ok(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
    }

    /// The median of the CPU times' ratios.
    fn ratio(&self, stage: &str, theirs: (&'static str, &str)) -> Result<f64> {
        percentile(self.ratios(stage, theirs, CPU)?, 50)
    }
}

/// The value that `percent` of the values do not exceed (nearest rank).
fn percentile(mut values: Vec<f64>, percent: usize) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(rank).copied().context("nothing was measured")
}

/// Every figure: the times of every stage on both sides, the ratios, and how far the templates agree.
fn report(measured: &Measured) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (side, stage) in measured.costs.keys() {
        for (kind, time) in TIMES {
            for (word, percent) in PERCENTILES {
                let value = percentile(measured.milliseconds(side, stage, time)?, percent)?;
                rows.push(Row::plain(format!("{side}/{stage} {kind} {word}"), value, "ms"));
            }
        }
    }
    for (name, time, percent) in [("cpu p90", CPU, 90), ("wall median", WALL, 50), ("wall p90", WALL, 90)] {
        let value = percentile(measured.ratios(TOTAL, (THEIRS, TOTAL), time)?, percent)?;
        rows.push(Row::plain(format!("ratio total {name}"), value, "1"));
    }
    let ratio = measured.ratio(TOTAL, (THEIRS, TOTAL))?;
    rows.push(Row::at_most("ratio total", ratio, RATIO_GOAL));
    let both = measured.ratio(TOTAL_BOTH, (THEIRS, TOTAL))?;
    rows.push(Row::plain("ratio total-both".to_owned(), both, "1"));
    if measured.of(DLIB, TOTAL).is_ok() {
        let ratio = measured.ratio(TOTAL, (DLIB, TOTAL))?;
        rows.push(Row::at_most("ratio to face_recognition", ratio, DLIB_GOAL));
        let both = measured.ratio(TOTAL_BOTH, (DLIB, TOTAL))?;
        rows.push(Row::plain("ratio to face_recognition, total-both".to_owned(), both, "1"));
    }
    let unsure = measured.cosines.len() - measured.sure;
    let share = f64::from(u32::try_from(unsure)?) / f64::from(u32::try_from(measured.cosines.len())?);
    rows.push(Row::plain("share that takes both embedders".to_owned(), share, "1"));
    let lowest = measured.cosines.iter().copied().fold(1.0, f64::min);
    let goal = Some(format!(">= {COSINE_GOAL}"));
    rows.push(Row {
        goal,
        ok: Some(lowest >= COSINE_GOAL),
        ..Row::plain("min cosine".to_owned(), lowest, "1")
    });
    Ok(rows)
}

impl Row {
    /// A figure without a goal.
    fn plain(name: String, value: f64, unit: &'static str) -> Row {
        Row { name, value, unit, goal: None, ok: None }
    }

    fn at_most(name: &str, value: f64, goal: f64) -> Row {
        let ok = Some(value <= goal);
        Row { goal: Some(format!("<= {goal:.2}")), ok, ..Row::plain(name.to_owned(), value, "1") }
    }
}

fn print_table(measured: &Measured) -> Result<()> {
    let times = TIMES.map(|(kind, _)| format!("{:>32}", format!("{kind} ms"))).concat();
    println!("{:<12}{times}{:>10}", "", "cpu ratio");
    println!("{:<12}{}", "", format!("{OURS:>16}{THEIRS:>16}").repeat(2));
    println!("{:<12}{}{:>10}", "stage", format!("{:>8}{:>8}", "median", "p90").repeat(4), "median");
    let stages = SURE.into_iter().chain([TOTAL]).chain(MAIN).chain([TOTAL_BOTH]).chain(BESIDES);
    for stage in stages {
        // The sure case is held against all that OpenCV does, and so is the unsure one.
        let their_stage = if stage == TOTAL_BOTH { TOTAL } else { stage };
        let compared = measured.of(THEIRS, their_stage).is_ok();
        let mut line = format!("{stage:<12}");
        for (_, time) in TIMES {
            for (side, stage) in [(OURS, stage), (THEIRS, their_stage)] {
                for (_, percent) in PERCENTILES {
                    line += &if compared || side == OURS {
                        format!("{:>8.3}", percentile(measured.milliseconds(side, stage, time)?, percent)?)
                    } else {
                        format!("{:>8}", "–")
                    };
                }
            }
        }
        if compared {
            line += &format!("{:>10.2}", measured.ratio(stage, (THEIRS, their_stage))?);
        }
        println!("{line}");
    }
    if measured.of(DLIB, TOTAL).is_ok() {
        let value = |time, percent| percentile(measured.milliseconds(DLIB, TOTAL, time)?, percent);
        println!(
            "\nface_recognition: CPU ms {:.1} (p90 {:.1}), wall ms {:.1} (p90 {:.1})",
            value(CPU, 50)?,
            value(CPU, 90)?,
            value(WALL, 50)?,
            value(WALL, 90)?
        );
    }
    Ok(())
}

fn print_goals(rows: &[Row]) {
    println!();
    for Row { name, value, goal, ok, .. } in rows {
        if let (Some(goal), Some(ok)) = (goal, ok) {
            // Rounded down, so that a cosine just under its goal is not shown as met.
            let value = (value * 1e6).floor() / 1e6;
            println!("{name:<28}{value:>10.6}  goal {goal:<10}{}", if *ok { "met" } else { "MISSED" });
        }
    }
}

/// The frames of one man among the samples, in the order of their numbers.
fn sample_frames(cache: &Path) -> Result<Vec<Frame>> {
    #[derive(Deserialize)]
    struct Manifest {
        samples: BTreeMap<String, Sample>,
    }
    #[derive(Deserialize)]
    struct Sample {
        file: String,
    }
    let manifest = cache.join("manifest.json");
    let manifest = fs::read(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let manifest: Manifest = serde_json::from_slice(&manifest).context("manifest.json")?;
    let files = manifest.samples.iter().filter(|(name, _)| name.starts_with("franck_"));
    let frames: Vec<Frame> = files
        .map(|(_, sample)| {
            let jpeg = fs::read(cache.join(&sample.file)).with_context(|| sample.file.clone())?;
            let picture = Picture::decode(&jpeg).with_context(|| sample.file.clone())?;
            Ok(Frame { jpeg, picture })
        })
        .collect::<Result<_>>()?;
    ensure!(!frames.is_empty(), "manifest.json names no franck frames: run cargo xtask setup");
    Ok(frames)
}

/// `target/bench/face.json` in the workspace, wherever cargo's own target folder is.
fn results_file() -> Result<PathBuf> {
    let folder = workspace()?.join("target/bench");
    fs::create_dir_all(&folder)?;
    Ok(folder.join("face.json"))
}

fn workspace() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("wallet-core is not in a workspace")
}

fn variable(name: &str) -> Result<std::ffi::OsString> {
    std::env::var_os(name).with_context(|| format!("no {name}; `cargo xtask bench face` sets it"))
}
