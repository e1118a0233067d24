//! `cargo xtask bench documents`: how right documents are read from drawn photographs that are made worse on purpose, and at what cost.
//!
//! Every document is of an invented person and says SPECIMEN. A field is right when it was read exactly so, refused when the
//! reader said that it can't tell, and wrong when it was read as something else: that must not happen. A bench reports: a goal
//! that is missed is printed as such and does not make it fail.

mod cards;
mod conditions;

use std::path::PathBuf;
use std::time::Duration;

use ab_glyph::{Font as _, FontRef};
use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use image::RgbImage;
use indicatif::{ProgressBar, ProgressStyle};
use wallet_core::onnx::{Engine, Models};

use crate::figures::Figures;
use crate::load::cpu;
use crate::samples::{self, Samples};
use crate::specimen;

/// Fonts beside the cache's own: file, place in its collection, name in the table.
const FONTS: [(&str, u32, &str); 3] = [
    ("/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc", 2, "Noto Serif"),
    ("/usr/share/fonts/truetype/lxgw-wenkai/LXGWWenKai-Regular.ttf", 0, "WenKai"),
    ("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", 0, "Zen Hei"),
];

/// How right documents are read from drawn photographs, and at what cost
#[derive(Debug, Parser)]
#[command(
    name = "bench-documents",
    after_help = "Example: cargo xtask bench documents\n         cargo xtask bench documents -- --cards 40\n         \
                  cargo xtask bench documents -- --keep ./photographs"
)]
struct Arguments {
    /// Print the figures as JSON instead of the table
    #[arg(long)]
    json: bool,
    /// How many identity cards, both sides each
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(8..))]
    cards: u32,
    /// Measure only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Keep every photograph that was not read in full here, to look at
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Fields of identity cards, class by class
    Cards,
    /// Glare, and cards shown on a screen
    Conditions,
    /// Machine-readable zones
    Zones,
}

/// A font, and the name it has in the table.
struct Face {
    bytes: Vec<u8>,
    index: u32,
    name: &'static str,
}

impl Face {
    fn font(&self) -> Result<FontRef<'_>> {
        FontRef::try_from_slice_and_index(&self.bytes, self.index)
            .with_context(|| format!("{} is not a font", self.name))
    }
}

/// What every part needs.
struct Bench {
    engine: Engine,
    faces: Vec<Face>,
    portrait: RgbImage,
    arguments: Arguments,
    figures: Figures,
}

impl Bench {
    fn new(arguments: Arguments) -> Result<Bench> {
        let models =
            PathBuf::from(std::env::var_os("ECERT_MODEL_DIR").context("ECERT_MODEL_DIR is not set")?);
        let samples = Samples::open_in(&models)?;
        let mut faces = vec![Face { bytes: samples.font().to_vec(), index: 0, name: "Noto Sans" }];
        for (file, index, name) in FONTS {
            let bytes = std::fs::read(file)
                .with_context(|| format!("can't read {file}; `cargo xtask bench documents` installs it"))?;
            faces.push(Face { bytes, index, name });
        }
        let portrait = specimen::portrait_from(samples.franck(samples::NEUTRAL)?, samples::FRANCK_FACE)?;
        if let Some(folder) = &arguments.keep {
            std::fs::create_dir_all(folder)?;
        }
        let engine = Models::load(&models)?.engine()?;
        Ok(Bench { engine, faces, portrait, arguments, figures: Figures::default() })
    }

    fn wants(&self, part: Part) -> bool {
        self.arguments.only.is_empty() || self.arguments.only.contains(&part)
    }

    /// The CPU time of some work of this process.
    fn timed<T>(&mut self, work: impl FnOnce(&mut Engine) -> Result<T>) -> Result<(T, Duration)> {
        let before = cpu::own()?;
        let done = work(&mut self.engine)?;
        Ok((done, cpu::own()?.saturating_sub(before)))
    }

    fn keep(&self, name: &str, jpeg: &[u8]) -> Result<()> {
        let Some(folder) = &self.arguments.keep else { return Ok(()) };
        Ok(std::fs::write(folder.join(format!("{name}.jpg")), jpeg)?)
    }
}

/// Hidden where the error stream is no terminal.
fn bar(what: &'static str, steps: u32) -> Result<ProgressBar> {
    let bar = ProgressBar::new(steps.into()).with_prefix(what);
    bar.set_style(ProgressStyle::with_template("{prefix:<12} {bar:40} {pos}/{len} {msg}")?);
    Ok(bar)
}

/// Whether a font has every character.
fn has(font: &FontRef<'_>, text: &str) -> bool {
    text.chars().all(|c| font.glyph_id(c).0 != 0)
}

/// Measures, prints, and keeps the figures in `target/bench/documents.json`.
///
/// # Errors
/// When something can't be measured: a model or a font is missing.
pub fn run() -> Result<()> {
    let mut bench = Bench::new(Arguments::parse())?;
    if bench.wants(Part::Cards) {
        bench.cards()?;
    }
    if bench.wants(Part::Conditions) {
        bench.conditions()?;
    }
    if bench.wants(Part::Zones) {
        bench.zones()?;
    }
    bench.figures.save("documents")?;
    if bench.arguments.json {
        println!("{}", bench.figures.json()?);
    } else {
        println!("{}", bench.figures.table());
    }
    Ok(())
}
