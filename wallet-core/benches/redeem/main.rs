//! `cargo xtask bench redeem`: what one frame of a redemption costs, ours beside OpenCV's.
//!
//! Both embed and match the same pixels with the same weights, aligned by the same points, which a model of their own finds on our
//! side. A frame of ours and a frame of theirs come in turn, so that whatever slows the machine down slows both; only ratios are
//! held against a goal, never milliseconds. OpenCV runs in a Python process of its own (`tests/peer/opencv.py`), on one thread, as
//! we do. Reading and decoding are outside what is compared: it has the frames as PNGs of our pixels, since no two JPEG decoders
//! agree to the last bit.
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
use wallet_core::face::matching::cosine;
use wallet_core::face::quality::{self, Limits};
use wallet_core::face::{Landmarks, Template};
use wallet_core::onnx::engine::the_one_face;
use wallet_core::onnx::{Engine, Models};
use wallet_core::picture::Picture;

use peer::Peer;

/// What is compared, in the order in which it is done. [`Peer`] answers under the same names, but has no `landmarks`: it aligns
/// by the detector's points. Our total bears them all the same.
const STAGES: [&str; 5] = ["detect", "landmarks", "align", "embed", "match"];
/// What a frame costs us besides, without a counterpart on the other side.
const BESIDES: [&str; 3] = ["decode", "quality", "live"];
/// The sum of [`STAGES`].
const TOTAL: &str = "total";
const OURS: &str = "ecert";
const THEIRS: &str = "opencv";

/// One of the two times of a [`Cost`].
type Time = fn(&Cost) -> Duration;
const CPU: Time = |cost| cost.cpu;
const WALL: Time = |cost| cost.wall;
const TIMES: [(&str, Time); 2] = [("cpu", CPU), ("wall", WALL)];
const PERCENTILES: [(&str, usize); 2] = [("median", 50), ("p90", 90)];

/// At most this share of OpenCV's CPU time.
const RATIO_GOAL: f64 = 0.60;
/// At least this cosine between our template and theirs: the same person to every digit that a threshold has.
const COSINE_GOAL: f64 = 0.9999;
/// Rounds over all frames before the clock counts: buffers are allocated and caches filled in the first.
const WARM_UP_ROUNDS: usize = 2;

/// What one frame of a redemption costs, beside OpenCV
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

/// One side's stages of one frame.
struct Observed {
    costs: BTreeMap<String, Cost>,
    template: Template,
    /// What the face was aligned by.
    landmarks: Landmarks,
}

/// Our side.
struct Ours {
    engine: Engine,
    /// The first frame's template, with which all are matched.
    reference: Option<Template>,
}

/// All that was measured, by side and stage, frame after frame.
#[derive(Default)]
struct Measured {
    costs: BTreeMap<(&'static str, String), Vec<Cost>>,
    /// Between our template and theirs.
    cosines: Vec<f64>,
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
    let mut ours = Ours { engine: Models::load(&cache)?.engine()?, reference: None };
    let mut peer = Peer::start(&cache, &frames)?;
    let measured = measure(&mut ours, &mut peer, &frames, usize::try_from(arguments.frames)?)?;
    let version = peer.stop()?;

    let rows = report(&measured)?;
    let json = serde_json::to_string_pretty(&rows)?;
    let file = results_file()?;
    fs::write(&file, format!("{json}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    if arguments.json {
        println!("{json}");
    } else {
        println!("{} frames, ours and OpenCV {version}'s in turn, one thread each\n", measured.cosines.len());
        print_table(&measured)?;
        print_goals(&rows);
        println!("\nall figures: {}", file.display());
    }
    Ok(())
}

/// Times `count` frames after the warm-up, each on our side and then on theirs.
fn measure(ours: &mut Ours, peer: &mut Peer, frames: &[Frame], count: usize) -> Result<Measured> {
    let warm_up = WARM_UP_ROUNDS * frames.len();
    // Hidden where the error stream is no terminal. It never ticks by itself: a thread would cost CPU time.
    let bar = ProgressBar::new(u64::try_from(warm_up + count)?);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} frames {msg}")?);
    let mut measured = Measured::default();
    for (turn, (index, frame)) in frames.iter().enumerate().cycle().take(warm_up + count).enumerate() {
        let mine = ours.observe(frame)?;
        let theirs = peer.observe(index, &mine.landmarks)?;
        bar.inc(1);
        if turn < warm_up {
            bar.set_message("(warm-up)");
            continue;
        }
        bar.set_message("");
        measured.cosines.push(f64::from(cosine(&mine.template, &theirs.template)));
        for (side, costs) in [(OURS, mine.costs), (THEIRS, theirs.costs)] {
            let total = STAGES.iter().filter_map(|stage| costs.get(*stage)).fold(Cost::default(), Cost::and);
            for (stage, cost) in costs.into_iter().chain([(TOTAL.to_owned(), total)]) {
                measured.costs.entry((side, stage)).or_default().push(cost);
            }
        }
    }
    bar.finish_and_clear();
    Ok(measured)
}

impl Ours {
    /// One frame through the engine. What is compared comes first and runs on the pixels that have lain in memory
    /// since the start, as on the other side.
    fn observe(&mut self, frame: &Frame) -> Result<Observed> {
        let (engine, picture) = (&mut self.engine, &frame.picture);
        let (face, detect) = timed(|| engine.detect(picture).map(|faces| the_one_face(&faces)))?;
        let face = face?.map_err(|unusable| anyhow!("a sample frame: {}", unusable.code()))?;
        let (points, found) = timed(|| engine.landmarks(picture, &face.face_box))?;
        let landmarks = points?.five();
        let (aligned, align) = timed(|| engine.align(picture, &landmarks))?;
        let aligned = aligned.context("a sample frame's points coincide")?;
        let (template, embed) = timed(|| engine.embed(&aligned))?;
        let template = template?;
        let reference = self.reference.get_or_insert_with(|| template.clone());
        // Its answer is kept from the optimiser, which would leave out work that nobody looks at.
        let (_, matched) = timed(|| std::hint::black_box(cosine(&template, reference)))?;

        let (live, liveness) = timed(|| engine.live(picture, &face.face_box))?;
        live?;
        let (gate, quality) = timed(|| {
            let quality = quality::measure(&aligned, &face.face_box, &landmarks);
            quality::gate(&quality, &Limits::DEFAULT)
        })?;
        gate.map_err(|unusable| anyhow!("a sample frame: {}", unusable.code()))?;
        let (decoded, decode) = timed(|| Picture::decode(&frame.jpeg))?;
        ensure!(decoded? == *picture, "the same JPEG was decoded to other pixels");

        let costs = [detect, found, align, embed, matched, decode, quality, liveness];
        let costs = STAGES.into_iter().chain(BESIDES).map(str::to_owned).zip(costs).collect();
        Ok(Observed { costs, template, landmarks })
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
    fn of(&self, side: &'static str, stage: &str) -> Result<&[Cost]> {
        let costs = self.costs.get(&(side, stage.to_owned()));
        costs.map(Vec::as_slice).with_context(|| format!("{side} has no {stage}"))
    }

    /// Milliseconds of CPU or wall time, whichever `time` takes, frame after frame.
    fn milliseconds(&self, side: &'static str, stage: &str, time: Time) -> Result<Vec<f64>> {
        Ok(self.of(side, stage)?.iter().map(|cost| time(cost).as_secs_f64() * 1e3).collect())
    }

    /// Ours over theirs, frame by frame: each pair was measured within a moment.
    fn ratios(&self, stage: &str, time: Time) -> Result<Vec<f64>> {
        let (ours, theirs) = (self.milliseconds(OURS, stage, time)?, self.milliseconds(THEIRS, stage, time)?);
        Ok(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
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
        let value = percentile(measured.ratios(TOTAL, time)?, percent)?;
        rows.push(Row::plain(format!("ratio total {name}"), value, "1"));
    }
    // The one that counts: the median of the CPU times' ratios.
    let ratio = percentile(measured.ratios(TOTAL, CPU)?, 50)?;
    let goal = Some(format!("<= {RATIO_GOAL:.2}"));
    rows.push(Row {
        goal,
        ok: Some(ratio <= RATIO_GOAL),
        ..Row::plain("ratio total".to_owned(), ratio, "1")
    });
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
}

fn print_table(measured: &Measured) -> Result<()> {
    let times = TIMES.map(|(kind, _)| format!("{:>32}", format!("{kind} ms"))).concat();
    println!("{:<10}{times}{:>10}", "", "cpu ratio");
    println!("{:<10}{}", "", format!("{OURS:>16}{THEIRS:>16}").repeat(2));
    println!("{:<10}{}{:>10}", "stage", format!("{:>8}{:>8}", "median", "p90").repeat(4), "median");
    for stage in STAGES.into_iter().chain([TOTAL]).chain(BESIDES) {
        let compared = measured.of(THEIRS, stage).is_ok();
        let mut line = format!("{stage:<10}");
        for (_, time) in TIMES {
            for side in [OURS, THEIRS] {
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
            line += &format!("{:>10.2}", percentile(measured.ratios(stage, CPU)?, 50)?);
        }
        println!("{line}");
    }
    Ok(())
}

fn print_goals(rows: &[Row]) {
    println!();
    for Row { name, value, goal, ok, .. } in rows {
        if let (Some(goal), Some(ok)) = (goal, ok) {
            // Rounded down, so that a cosine just under its goal is not shown as met.
            let value = (value * 1e6).floor() / 1e6;
            println!("{name:<24}{value:>10.6}  goal {goal:<10}{}", if *ok { "met" } else { "MISSED" });
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

/// `target/bench/redeem.json` in the workspace, wherever cargo's own target folder is.
fn results_file() -> Result<PathBuf> {
    let folder = workspace()?.join("target/bench");
    fs::create_dir_all(&folder)?;
    Ok(folder.join("redeem.json"))
}

fn workspace() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("wallet-core is not in a workspace")
}

fn variable(name: &str) -> Result<std::ffi::OsString> {
    std::env::var_os(name).with_context(|| format!("no {name}; `cargo xtask bench redeem` sets it"))
}
