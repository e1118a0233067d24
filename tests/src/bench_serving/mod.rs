//! `cargo xtask bench serving`: redemptions with real faces over HTTP, beside what the models alone cost.
//!
//! The pipeline is measured bare, in this process, in turns with the service: from encoded frames to a judged score, on one thread. What
//! the cores could do of that in a second is the peer. Then the service is offered 80 % of what it gave, and ten times as much.

mod visits;

use std::time::{Duration, Instant};

use clap::Parser;
use wallet_core::face::Observation;
use wallet_core::face::judgement::{CaptureLimits, judge, reference_template};
use wallet_core::face::protection::{ProtectionKey, Stored, Unlocked};
use wallet_core::onnx::{Engine, Models};
use wallet_core::picture::Picture;

use crate::figures::{Figures, Goal, median};
use crate::load::cpu;
use crate::samples::{Samples, cache_dir};
use visits::{Came, Guests};

/// Redemptions with real faces over HTTP
#[derive(Debug, Parser)]
#[command(name = "bench-serving", after_help = "Example: cargo xtask bench serving -- --quick")]
struct Arguments {
    /// Print the figures as JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Short turns, 300 redemptions for the memory: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// Rounds of turns [default: 5; quick: 2]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of a turn [default: 15; quick: 5]
    #[arg(long)]
    seconds: Option<u64>,
    /// Redemptions over which memory must stay flat [default: 10000; quick: 300]
    #[arg(long)]
    redemptions: Option<u64>,
}

impl Arguments {
    fn or_quick<T>(&self, given: Option<T>, usual: T, quick: T) -> T {
        given.unwrap_or(if self.quick { quick } else { usual })
    }
}

/// Frames of a capture: as few as a careful client sends.
const FRAMES: usize = 3;
/// Captures of one turn of the bare pipeline.
const BARE: usize = 20;
/// Before the clock counts.
const WARM_UP: u64 = 20;
const PARTIAL: f64 = 0.8;
const OVERLOAD: f64 = 10.0;

/// Measures, prints, and keeps the figures in `target/bench/serving.json`.
///
/// # Errors
/// When the service can't be started, or does not answer as it must.
pub async fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let samples = Samples::open()?;
    let mut bare = Bare::new(&samples)?;
    let cores = std::thread::available_parallelism()?.get();
    // As many wait as can: each core has one at work and one that waits, and the models never stand still.
    let guests = Guests::enrolled(&samples, FRAMES, cores * 3).await?;
    let mut figures = Figures::default();
    guests.so_many(WARM_UP).await?;
    let peak = throughput(&arguments, &mut bare, &guests, cores, &mut figures).await?;
    partial(&arguments, &guests, peak, &mut figures).await?;
    overload(&arguments, &guests, peak, &mut figures).await?;
    memory(&arguments, &guests, &mut figures).await?;
    figures.save("serving")?;
    if arguments.json {
        println!("{}", figures.json()?);
    } else {
        println!("{}", figures.table());
    }
    Ok(())
}

/// The pipeline without a service.
struct Bare {
    engine: Engine,
    frames: Vec<Vec<u8>>,
    reference: Unlocked,
    models: Models,
}

impl Bare {
    fn new(samples: &Samples) -> anyhow::Result<Bare> {
        let models = Models::load(&cache_dir()?)?;
        let mut engine = models.engine()?;
        let limits = CaptureLimits { min_frames: 2, max_frames: 12 };
        let mut enrolment = observe(&mut engine, samples.franck_frames().get(..6).unwrap_or_default())?;
        engine.complete(&mut enrolment)?;
        let reference = reference_template(&enrolment, limits, &models.scale(), &models.thresholds());
        let reference = reference.map_err(|unusable| anyhow::anyhow!("the samples are {unusable:?}"))?;
        let key = ProtectionKey::new([7; 32]);
        let reference = Stored::protect(&reference, &key, [7; 16]).unlock(&key);
        let frames = samples.franck_frames().iter().skip(6).take(FRAMES).cloned().collect();
        Ok(Bare { engine, frames, reference, models })
    }

    /// CPU time of one capture.
    fn turn(&mut self) -> anyhow::Result<Duration> {
        let before = cpu::own()?;
        for _ in 0..BARE {
            let mut seen = observe(&mut self.engine, &self.frames)?;
            let comparison = self.engine.compare(&mut seen, &self.reference)?;
            let judgement = judge(&seen, &comparison, &self.models.scale(), &self.models.thresholds());
            anyhow::ensure!(judgement.passed, "the samples do not pass");
        }
        Ok((cpu::own()? - before) / u32::try_from(BARE)?)
    }
}

fn observe(engine: &mut Engine, frames: &[Vec<u8>]) -> anyhow::Result<Vec<Observation>> {
    let one = |frame: &Vec<u8>| {
        let seen = engine.observe(&Picture::decode(frame)?)?;
        seen.map_err(|unusable| anyhow::anyhow!("a sample is {unusable:?}"))
    };
    frames.iter().map(one).collect()
}

async fn throughput(
    arguments: &Arguments,
    bare: &mut Bare,
    guests: &Guests,
    cores: usize,
    figures: &mut Figures,
) -> anyhow::Result<f64> {
    let time = Duration::from_secs(arguments.or_quick(arguments.seconds, 15, 5));
    let (mut rates, mut ratios, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=arguments.or_quick(arguments.rounds, 5, 2) {
        let cost = bare.turn()?.as_secs_f64();
        let (before, began) = (guests.cpu()?, Instant::now());
        let came = guests.for_so_long(time).await?;
        let rate = came.judged() as f64 / began.elapsed().as_secs_f64();
        let cpu = (guests.cpu()? - before).as_secs_f64() / came.judged().max(1) as f64;
        eprintln!("  round {round}: {rate:.1}/s, {:.1} CPU-ms; bare {:.1} CPU-ms", cpu * 1e3, cost * 1e3);
        ratios.push(rate * cost / cores as f64);
        rates.push(rate);
        costs.push((cost * 1e3, cpu * 1e3));
    }
    let rate = median(rates);
    figures.note("redemptions, all cores", rate, "1/s");
    figures.note("CPU of the bare pipeline, 3 frames", median(costs.iter().map(|c| c.0)), "ms");
    figures.note("CPU of the service, a redemption", median(costs.iter().map(|c| c.1)), "ms");
    figures.hold("redemptions ÷ (cores ÷ bare CPU time)", median(ratios), "×", Goal::AtLeast(0.9));
    Ok(rate)
}

async fn partial(
    arguments: &Arguments,
    guests: &Guests,
    peak: f64,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let time = Duration::from_secs(arguments.or_quick(arguments.seconds, 15, 5) * 2);
    let came = guests.at_rate(peak * PARTIAL, time).await?;
    let (p50, p99) = (came.took(0.5), came.took(0.99));
    eprintln!("  at {:.1}/s: p50 {p50:?}, p99 {p99:?}, {} busy", peak * PARTIAL, came.busy());
    figures.note("at 80 %: a capture, p50", p50.as_secs_f64() * 1e3, "ms");
    figures.note("at 80 %: a capture, p99", p99.as_secs_f64() * 1e3, "ms");
    let ratio = p99.as_secs_f64() / p50.as_secs_f64();
    figures.hold("at 80 %: p99 ÷ p50", ratio, "×", Goal::AtMost(4.0));
    Ok(())
}

async fn overload(
    arguments: &Arguments,
    guests: &Guests,
    peak: f64,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let time = Duration::from_secs(arguments.or_quick(arguments.seconds, 15, 5));
    let began = Instant::now();
    let came = guests.at_rate(peak * OVERLOAD, time).await?;
    let goodput = came.judged() as f64 / began.elapsed().as_secs_f64();
    let refused = came.refused_took(0.99);
    eprintln!(
        "  at {:.0}/s: {goodput:.1}/s judged, {} busy within {refused:?}, {} otherwise",
        peak * OVERLOAD,
        came.busy(),
        came.otherwise()
    );
    figures.hold("at 10×: goodput ÷ peak", goodput / peak, "×", Goal::AtLeast(0.9));
    figures.hold("at 10×: a 503, p99", refused.as_secs_f64() * 1e3, "ms", Goal::AtMost(100.0));
    figures.hold("at 10×: answers that are neither", came.otherwise() as f64, "", Goal::AtMost(0.0));
    Ok(())
}

async fn memory(arguments: &Arguments, guests: &Guests, figures: &mut Figures) -> anyhow::Result<()> {
    let total = arguments.or_quick(arguments.redemptions, 10_000, 300);
    // What is warmed up by the first tenth is not growth.
    let first = total / 10;
    guests.so_many(first).await?;
    let before = guests.resident()?;
    let Came { .. } = guests.so_many(total - first).await?;
    let after = guests.resident()?;
    figures.note("memory of the service", after / 1e6, "MB");
    let name = format!("memory after {total} redemptions ÷ after {first}");
    figures.hold(name, after / before, "×", Goal::AtMost(1.05));
    Ok(())
}
