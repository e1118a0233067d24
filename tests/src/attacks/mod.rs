//! `cargo xtask bench attacks`: how many attacks of each kind pass each way of showing liveness, and how many people of good will
//! do not.
//!
//! The product's own code judges: `flow::captures::look`, then the decision over it. Attacks and actors are drawn from real
//! pictures, by warps that look made; what is measured is the checks against *these*, and nothing is claimed beyond that. Words are
//! those of ISO/IEC 30107-3: APCER of a kind of attack, BPCER of the living; "unusable" are non-responses, which neither pass nor
//! cost anything.

mod sources;
mod species;
mod tally;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use ecert_server::flow::captures::look;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use wallet_core::face::challenge::{Asked, Challenge, Mode};
use wallet_core::face::judgement::judge;
use wallet_core::face::{Reason, Template, Thresholds};
use wallet_core::onnx::{Engine, Models};

use crate::motion::capture::{Taken, genuine};
use crate::samples::cache_dir;
use sources::Sources;
use species::{Attack, Species};
use tally::{Outcome, Tally};

/// Attacks on liveness, and people of good will: APCER and BPCER of each mode, with counts
#[derive(Debug, Parser)]
#[command(
    name = "bench-attacks",
    after_help = "Example: cargo xtask bench attacks\n         cargo xtask bench attacks --json -- --quick\n         \
                  cargo xtask bench attacks -- --data ./faces"
)]
pub struct Arguments {
    /// Print the figures as JSON instead of the table
    #[arg(long)]
    json: bool,
    /// The sample photographs only, one challenge each: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// A folder with `pad/live`, `pad/attack/KIND` and `td_real`; without it, and without ../shared/data/faces, only the samples
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Challenges that each attack and each person meets, in each mode.
const CHALLENGES: [(Mode, u8); 4] =
    [(Mode::Silent, 1), (Mode::Actions, 2), (Mode::Flash, 2), (Mode::Digits, 1)];

struct Bench {
    engine: Engine,
    thresholds: Thresholds,
    tally: Tally,
    bar: ProgressBar,
    quick: bool,
}

/// Runs the bench with the command line's arguments.
pub fn run() -> Result<()> {
    let arguments = Arguments::parse();
    let models = Models::load(&cache_dir()?)?;
    let mut engine = models.engine()?;
    let data = if arguments.quick { None } else { arguments.data.or_else(sources::shared) };
    let sources = Sources::open(&mut engine, data.as_deref())?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} captures, {eta} left {msg}")?);
    let (thresholds, tally, quick) = (models.thresholds(), Tally::default(), arguments.quick);
    let mut bench = Bench { engine, thresholds, tally, bar, quick };
    let rounds = |mode| bench_rounds(quick, mode);
    let captures: usize = Mode::ALL
        .into_iter()
        .map(|mode| {
            let attacks = Species::ALL.len() * sources.victims.len() + sources.attacks.len();
            (sources.live.len() + attacks) * rounds(mode) + sources.sequences.len() * rounds(mode)
        })
        .sum();
    bench.bar.set_length(u64::try_from(captures)?);
    for mode in Mode::ALL {
        bench.bar.set_message(mode.code());
        bench.living(&sources, mode)?;
        bench.attackers(&sources, mode)?;
    }
    bench.bar.finish_and_clear();
    bench.tally.save()?;
    if arguments.json {
        println!("{}", bench.tally.json()?)
    } else {
        println!("{}", bench.tally.table())
    }
    Ok(())
}

fn bench_rounds(quick: bool, mode: Mode) -> usize {
    let (_, rounds) = CHALLENGES.into_iter().find(|(of, _)| *of == mode).unwrap_or((mode, 1));
    if quick { 1 } else { usize::from(rounds) }
}

/// The nonces that person number `index` meets.
fn nonces(quick: bool, mode: Mode, index: usize) -> impl Iterator<Item = [u8; 16]> {
    let index = u128::try_from(index).unwrap_or(0);
    (0..bench_rounds(quick, mode))
        .zip(0_u128..)
        .map(move |(_, round)| (index * 1000 + round + 1).to_le_bytes())
}

impl Bench {
    fn living(&mut self, sources: &Sources, mode: Mode) -> Result<()> {
        for (index, person) in sources.live.iter().enumerate() {
            if !person.is_at_rest {
                self.bar.inc(u64::try_from(bench_rounds(self.quick, mode))?);
                continue;
            }
            for nonce in nonces(self.quick, mode, index) {
                let taken = Taken::of(&Challenge::new(mode, &nonce), genuine(&person.face))?;
                let outcome = self.judge(mode, nonce, taken, &person.template)?;
                self.tally.living(mode, person.kind, outcome);
            }
        }
        for (index, sequence) in sources.sequences.iter().enumerate() {
            for nonce in nonces(self.quick, mode, 500 + index) {
                let taken = Taken::of(&Challenge::new(mode, &nonce), sequence.actor())?;
                let outcome = self.judge(mode, nonce, taken, &sequence.rest.template)?;
                self.tally.living(mode, "real turns and nods", outcome);
            }
        }
        Ok(())
    }

    fn attackers(&mut self, sources: &Sources, mode: Mode) -> Result<()> {
        for (index, victim) in sources.victims.iter().enumerate() {
            let other = &sources.victims[(index + 1) % sources.victims.len()];
            for species in Species::ALL {
                for nonce in nonces(self.quick, mode, 1000 + index) {
                    let attack = Attack { victim: &victim.face, other: &other.face, mode, nonce };
                    let outcome = self.judge(mode, nonce, attack.capture(species)?, &victim.template)?;
                    self.tally.attack(mode, species.name(), outcome);
                }
            }
        }
        for (index, (kind, picture)) in sources.attacks.iter().enumerate() {
            for nonce in nonces(self.quick, mode, 2000 + index) {
                let taken = Taken::of(&Challenge::new(mode, &nonce), |_| picture.face.image.clone())?;
                let outcome = self.judge(mode, nonce, taken, &picture.template)?;
                self.tally.attack(mode, kind, outcome);
            }
        }
        Ok(())
    }

    /// As the service judges a capture that came in time.
    fn judge(&mut self, mode: Mode, nonce: [u8; 16], taken: Taken, reference: &Template) -> Result<Outcome> {
        self.bar.inc(1);
        let asked = Asked::now(mode, nonce, Timestamp::UNIX_EPOCH);
        let age_ms = u64::from(taken.span_ms()) + 500;
        let seen = look(&mut self.engine, &asked, age_ms, &taken.0)?;
        let mut seen = match seen {
            Ok(seen) => seen,
            Err(refusal) => return Ok(Outcome::Unusable(refusal.reason().unwrap_or(refusal.code()))),
        };
        let comparison = self.engine.compare(seen.well_shown(), reference)?;
        let judgement = judge(&seen.observations, &comparison, &self.engine.scale(), &self.thresholds);
        let judgement = judgement.with(seen.examined, &self.thresholds);
        let missed = judgement.challenge.iter().flat_map(|challenge| &challenge.steps);
        let missed = missed.filter(|step| step.score < 1.0).map(|step| step.step.as_str()).next();
        Ok(match (judgement.reasons.first(), missed) {
            (None, _) => Outcome::Passed,
            (Some(reason @ Reason::ActionMissing), Some(step)) => {
                Outcome::Failed(format!("{} ({step})", reason.code()))
            }
            (Some(reason), _) => Outcome::Failed(reason.code().to_owned()),
        })
    }
}
