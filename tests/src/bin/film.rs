//! What the browser's camera is to see, as files: both sides of the drawn card, the person of it in frames for an enrolment and for a later
//! visit, and somebody else. The browser tests of `mobile/` make films of them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use ecert_tests::samples::Samples;
use ecert_tests::specimen::Specimen;
use ecert_tests::{app, ended};

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
    let card = Specimen::franck().photographed(&Samples::open()?)?;
    put("front.jpg".to_owned(), &card.front)?;
    put("back.jpg".to_owned(), &card.back)?;
    let films = [
        ("enrolment", app::enrolment_frames()),
        ("later", app::later_frames()),
        ("stranger", app::stranger_frames()?),
    ];
    for (film, frames) in films {
        for (place, frame) in frames.iter().enumerate() {
            put(format!("{film}-{place:02}.jpg"), frame)?;
        }
    }
    Ok(())
}
