//! Paper: a statement as PDF, for people who file it. PDF/A-3a and PDF/UA-1 (ISO 19005-3, ISO 14289-1), the same bytes for the same bill.
//!
//! The one font lies where the models do, under `fonts.cjk` of their manifest. Without it nothing is printed, and all else works. Why so:
//! docs/adr/0025.

mod bill;
mod compose;
mod draw;
mod face;
mod pages;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

pub use bill::{Bill, BilledPack};
pub use words::Language;

use face::Face;

/// The key of the font in the manifest.
const FONT: &str = "cjk";

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
pub enum NotPrinted {
    /// The font is not there, or another than the manifest says.
    #[error("there is no font to print with: {0:#}; `cargo xtask setup` fetches it")]
    NoFont(anyhow::Error),
    /// What was drawn does not keep to the standards.
    #[error("a PDF was not made: {0}")]
    Refused(String),
}

/// What prints.
pub struct Press {
    folder: Option<PathBuf>,
    face: OnceLock<Face>,
}

/// What is read of the manifest here.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    fonts: BTreeMap<String, FontFile>,
}

#[derive(Deserialize)]
struct FontFile {
    file: String,
    sha256: String,
}

impl Press {
    /// With the font of the manifest in this folder, which is read when something is printed first.
    pub fn in_folder(folder: Option<PathBuf>) -> Press {
        Press { folder, face: OnceLock::new() }
    }

    /// A bill as PDF.
    ///
    /// # Errors
    /// [`NotPrinted`].
    pub fn print(&self, bill: &Bill, language: Language) -> Result<Vec<u8>, NotPrinted> {
        let face = self.face().map_err(NotPrinted::NoFont)?;
        let composed = pages::compose(bill, language, &face.typesetter().map_err(NotPrinted::NoFont)?);
        draw::pdf(composed, face).map_err(NotPrinted::Refused)
    }

    fn face(&self) -> anyhow::Result<&Face> {
        if let Some(face) = self.face.get() {
            return Ok(face);
        }
        // Not remembered where it fails: the font may be put there while the service runs.
        let face = read(self.folder.as_deref().context("no folder of models is set")?)?;
        Ok(self.face.get_or_init(|| face))
    }
}

fn read(folder: &Path) -> anyhow::Result<Face> {
    let manifest = folder.join("manifest.json");
    let text = std::fs::read(&manifest).with_context(|| format!("can't read {}", manifest.display()))?;
    let manifest: Manifest = serde_json::from_slice(&text).context("manifest.json is not one of ours")?;
    let font = manifest.fonts.get(FONT).context("manifest.json names no font `cjk`")?;
    let file = folder.join(&font.file);
    let bytes = std::fs::read(&file).with_context(|| format!("can't read {}", file.display()))?;
    let sha256 = base16ct::lower::encode_string(&Sha256::digest(&bytes));
    ensure!(sha256 == font.sha256, "{} is not the file of the manifest", file.display());
    Face::new(bytes).with_context(|| format!("{} is not a font that can be used", file.display()))
}
