//! Our detection and embedding beside OpenCV's, on the same weights and every sample photograph.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use ecert_tests::app::samples;
use ecert_tests::samples::decode;
use serde::Deserialize;
use wallet_core::face::{Embedding, Landmarks, Observation, Space, Tier, matching::cosine};
use wallet_core::onnx::Models;
use wallet_core::onnx::engine::SIDES;
use wallet_core::picture::Picture;

/// What OpenCV says to a picture.
#[derive(Deserialize)]
struct Theirs {
    /// x, y, width and height in pixels.
    r#box: [f32; 4],
    feature: Vec<f32>,
}

#[test]
fn boxes_and_embeddings_equal_those_of_opencv() -> anyhow::Result<()> {
    let Some(python) = std::env::var_os("ECERT_OPENCV_PYTHON") else {
        eprintln!("left out: no ECERT_OPENCV_PYTHON; `cargo xtask test` sets it");
        return Ok(());
    };
    let cache = PathBuf::from(std::env::var_os("ECERT_MODEL_DIR").context("`cargo xtask test` sets it")?);
    let mut files = samples().franck_frames().to_vec();
    files.push(samples().astronaut().to_vec());
    let pictures = files.iter().map(|bytes| {
        let rgb = decode(bytes)?;
        Picture::from_rgb(rgb.width(), rgb.height(), rgb.into_raw()).context("a picture")
    });
    let pictures: Vec<Picture> = pictures.collect::<anyhow::Result<_>>()?;

    let mut engine = Models::load(&cache)?.engine()?;
    let observe =
        |picture| engine.observe(picture)?.map_err(|unusable| anyhow::anyhow!("{}", unusable.code()));
    let mut ours: Vec<Observation> = pictures.iter().map(observe).collect::<anyhow::Result<_>>()?;
    engine.complete(&mut ours)?;
    let points: Vec<Landmarks> = ours.iter().map(|observation| observation.landmarks).collect();
    let theirs = ask_opencv(&python, &cache, &pictures, &points)?;
    assert_eq!(theirs.len(), pictures.len());

    for ((ours, theirs), picture) in ours.iter().zip(theirs).zip(&pictures) {
        // At the size that they look at; the product looks at a smaller one first.
        let faces = engine.detect_at(picture, SIDES[1])?;
        let b = faces.first().context("a face")?.face_box;
        let sides = [b.x, b.y, b.width, b.height].into_iter().zip(theirs.r#box);
        // Of the face's height, since the detector looks at a smaller picture. Where two cells tie the box jumps a little.
        let apart = sides.map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max) / b.height;
        assert!(apart < 0.02, "boxes {apart} of the height apart");
        let theirs = Embedding::normalise(Space::UNKNOWN, &theirs.feature)?;
        let ours = ours.template.get(Tier::Main).context("the main embedder has looked at all")?;
        let score = cosine(ours, &theirs).context("as many numbers")?;
        assert!(score >= 0.9999, "cosine {score}");
    }
    Ok(())
}

/// What OpenCV finds in the pictures, and how it embeds them when aligned by these points.
fn ask_opencv(
    python: &OsStr,
    cache: &Path,
    pictures: &[Picture],
    points: &[Landmarks],
) -> anyhow::Result<Vec<Theirs>> {
    let folder = tempfile::tempdir()?;
    let questions = folder.path().join("points.json");
    std::fs::write(
        &questions,
        serde_json::to_vec(&points.iter().map(Landmarks::points).collect::<Vec<_>>())?,
    )?;
    let mut peer = Command::new(python);
    peer.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peer/opencv.py")).arg("embed").arg(cache.join("peer"));
    for (index, picture) in pictures.iter().enumerate() {
        // Lossless, so that both sides see the same pixels whatever their JPEG decoders do.
        let file = folder.path().join(format!("{index}.png"));
        let (width, height) = (picture.width(), picture.height());
        image::save_buffer(&file, picture.rgb(), width, height, image::ColorType::Rgb8)?;
        peer.arg(file);
    }
    let output = peer.stdin(Stdio::from(std::fs::File::open(&questions)?)).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
