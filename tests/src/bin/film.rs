//! What the browser's camera is to see, as files: both sides of the drawn card, the page of their passport, the person of it in frames for an enrolment, for a later
//! visit and doing whatever can be asked for, and somebody else. The browser tests of `mobile/` make films of them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use ecert_tests::motion::Face;
use ecert_tests::motion::capture::{acting, held};
use ecert_tests::samples::{LAUGHING, LOOKING_DOWN, NEUTRAL, Samples, cache_dir, decode, jpeg};
use ecert_tests::specimen::{Specimen, page};
use ecert_tests::{app, ended};
use image::RgbImage;
use wallet_core::face::challenge::Action;
use wallet_core::onnx::Models;

/// Writes pictures for a camera that is played by a file.
#[derive(Parser)]
#[command(name = "ecert-film", after_help = "Example: ecert-film pictures")]
struct Arguments {
    /// Where the pictures go; made if it is not there
    folder: PathBuf,
}

fn main() -> ExitCode {
    ended(write(&Arguments::parse().folder))
}

fn write(folder: &std::path::Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let put = |name: String, bytes: &[u8]| {
        std::fs::write(folder.join(&name), bytes).with_context(|| format!("can't write {name}"))
    };
    let samples = Samples::open()?;
    let card = Specimen::franck().photographed(&samples)?;
    put("front.jpg".to_owned(), &card.front)?;
    put("back.jpg".to_owned(), &card.back)?;
    put("passport.jpg".to_owned(), &page::photographed(&page::FRANCK, &samples)?)?;
    let films = [
        ("enrolment", app::enrolment_frames()),
        ("later", app::later_frames()),
        ("stranger", app::stranger_frames()?),
        ("moves", moves(&samples)?),
    ];
    for (film, frames) in films {
        for (place, frame) in frames.iter().enumerate() {
            put(format!("{film}-{place:02}.jpg"), frame)?;
        }
    }
    Ok(())
}

/// As a phone's camera encodes a frame.
const QUALITY: u8 = 92;

/// The person at rest, then in each pose that can be asked for, twice, and at rest again. Turns are made from the frame at rest, the mouth
/// and the lowered head, whose eyes are nearly shut, are real.
fn moves(samples: &Samples) -> anyhow::Result<Vec<Vec<u8>>> {
    let real = |index| decode(samples.franck(index)?);
    let mut engine = Models::load(&cache_dir()?)?.engine()?;
    let rest = Face::find(&mut engine, real(NEUTRAL)?)?;
    let poses: [RgbImage; 4] = [
        acting(&rest, Action::TurnLeft),
        acting(&rest, Action::TurnRight),
        real(LAUGHING)?,
        real(LOOKING_DOWN)?,
    ];
    let frames = poses.iter().flat_map(|pose| [&rest.image, pose, pose]);
    (0..).zip(frames).map(|(number, frame)| jpeg(&held(frame, number), QUALITY)).collect()
}
