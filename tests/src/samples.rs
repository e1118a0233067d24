//! The sample photographs and the Chinese font that `cargo xtask setup` puts into the cache, found through its
//! manifest: 11 frames of one man ("franck"), one other person (the astronaut) and a picture without a face.
//!
//! Invariant: nothing is downloaded here and no photograph is committed; without the cache, opening fails and says so.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageReader, RgbImage};
use serde_json::Value;

/// Index of the franck frame (1829) that looks straight on, mouth closed: the one for the card and for enrolment.
pub const NEUTRAL: usize = 0;

/// Index of the frame (4117) with the mouth open.
pub const LAUGHING: usize = 10;

/// Index of the frame (3979) with the head lowered and the eyes shut.
pub const LOOKING_DOWN: usize = 7;

/// Where YuNet finds the face in the neutral franck frame, 720×576; a card can be drawn without a detector.
pub const FRANCK_FACE: FaceBox = FaceBox { x: 252, y: 111, width: 264, height: 367 };

/// The frames that the package ships; fewer means a set-up that was cut short.
const FRANCK_FRAMES: usize = 11;
/// How far, in pixels, a variant's crop may shift.
const VARIANT_SHIFT: u32 = 16;
/// As a phone camera saves it.
const VARIANT_QUALITY: u8 = 92;

/// A face in a photograph, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaceBox {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// Every sample, read into memory once (about 11 MB, most of it the font).
pub struct Samples {
    franck: Vec<Vec<u8>>,
    astronaut: Vec<u8>,
    landscape: Vec<u8>,
    font: Vec<u8>,
}

impl Samples {
    /// Reads the samples from the cache of this machine.
    pub fn open() -> Result<Self> {
        let cache = cache_dir()?;
        Self::open_in(&cache)
            .with_context(|| format!("no usable samples in {}: run `cargo xtask setup`", cache.display()))
    }

    /// Reads the samples from a given cache.
    pub fn open_in(cache: &Path) -> Result<Self> {
        let manifest: Value = serde_json::from_slice(&read(&cache.join("manifest.json"))?)
            .context("manifest.json is not JSON")?;
        let files = sample_files(&manifest)?;
        let font = manifest
            .pointer("/fonts/cjk/file")
            .and_then(Value::as_str)
            .context("manifest.json names no fonts.cjk.file")?;

        let by_number: BTreeMap<u32, &str> =
            files.values().filter_map(|file| Some((frame_number(file)?, *file))).collect();
        ensure!(
            by_number.len() == FRANCK_FRAMES,
            "{} of {FRANCK_FRAMES} franck frames in manifest.json",
            by_number.len()
        );
        let named = |name: &str| {
            files.get(name).with_context(|| format!("no sample {name} in manifest.json")).copied()
        };
        Ok(Self {
            franck: by_number.values().map(|file| read(&cache.join(file))).collect::<Result<_>>()?,
            astronaut: read(&cache.join(named("astronaut")?))?,
            landscape: read(&cache.join(named("landscape")?))?,
            font: read(&cache.join(font))?,
        })
    }

    /// The JPEG frames of the genuine person, in the order of their frame numbers.
    pub fn franck_frames(&self) -> &[Vec<u8>] {
        &self.franck
    }

    /// One frame by its place in that order, e.g. [`NEUTRAL`].
    pub fn franck(&self, index: usize) -> Result<&[u8]> {
        self.franck.get(index).map(Vec::as_slice).with_context(|| format!("no franck frame {index}"))
    }

    /// The impostor: a PNG of another person.
    pub fn astronaut(&self) -> &[u8] {
        &self.astronaut
    }

    /// A picture in which there is no face.
    pub fn landscape(&self) -> &[u8] {
        &self.landscape
    }

    /// A TrueType or OpenType font with the simplified Chinese characters.
    pub fn font(&self) -> &[u8] {
        &self.font
    }
}

/// Decodes a sample; it is ours, so without the limits that a stranger's image gets.
pub fn decode(bytes: &[u8]) -> Result<RgbImage> {
    let image = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?.decode()?;
    Ok(image.into_rgb8())
}

/// Encodes as JPEG, `quality` from 1 to 100.
pub fn jpeg(image: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image)?;
    Ok(bytes)
}

/// `n` JPEG frames of one still, each cropped a few pixels elsewhere, as a hand-held camera would: no two of the first
/// 256 are alike, yet all show the same.
pub fn variants(bytes: &[u8], n: u32) -> Result<Vec<Vec<u8>>> {
    let still = DynamicImage::ImageRgb8(decode(bytes)?);
    let (width, height) = (still.width(), still.height());
    ensure!(width.min(height) > VARIANT_SHIFT * 2, "{width}×{height} is too small to vary");
    (0..n)
        .map(|i| {
            let dx = (i * 5) % VARIANT_SHIFT;
            let dy = (i * 3 + i / VARIANT_SHIFT) % VARIANT_SHIFT;
            let crop = still.crop_imm(dx, dy, width - VARIANT_SHIFT, height - VARIANT_SHIFT);
            jpeg(&crop.into_rgb8(), VARIANT_QUALITY)
        })
        .collect()
}

/// The same rule as the server's: `ECERT_MODEL_DIR`, else `ECERT_CACHE`, else `ecert` in the user's cache folder.
pub fn cache_dir() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("ECERT_MODEL_DIR")
        .or_else(|| set("ECERT_CACHE"))
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("ecert")))
        .or_else(|| Some(set("HOME")?.join(".cache/ecert")))
        .context("none of ECERT_MODEL_DIR, XDG_CACHE_HOME and HOME is set")
}

/// Sample name → file, relative to the cache.
fn sample_files(manifest: &Value) -> Result<BTreeMap<&str, &str>> {
    manifest
        .get("samples")
        .and_then(Value::as_object)
        .context("manifest.json has no samples")?
        .iter()
        .map(|(name, entry)| {
            let file = entry.get("file").and_then(Value::as_str);
            Ok((name.as_str(), file.with_context(|| format!("sample {name} has no file"))?))
        })
        .collect()
}

/// 1829 from `samples/franck_01829.jpg`; nothing from another sample's file.
fn frame_number(file: &str) -> Option<u32> {
    let stem = Path::new(file).file_stem()?.to_str()?;
    stem.strip_prefix("franck_")?.parse().ok()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
