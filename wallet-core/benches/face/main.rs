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
mod report;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use wallet_core::face::comparison::Reference as _;
use wallet_core::face::matching::cosine;
use wallet_core::face::protection::{ProtectionKey, Stored, Unlocked};
use wallet_core::face::quality::{self, Limits};
use wallet_core::face::{AlignedFace, Embedding, Landmarks, Scale, Tier};
use wallet_core::onnx::engine::the_one_face;
use wallet_core::onnx::{Engine, Models};
use wallet_core::picture::Picture;

use peer::Peer;
use report::{percentile, print_goals, print_table, report};

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
