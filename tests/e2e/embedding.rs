//! Our embedding beside OpenCV's, on the same weights and every sample photograph.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};
use ecert_tests::app::samples;
use ecert_tests::samples::decode;
use wallet_core::face::{TEMPLATE_LEN, Template, matching::cosine};
use wallet_core::onnx::Models;
use wallet_core::picture::Picture;

#[test]
fn embeddings_equal_those_of_opencv() -> anyhow::Result<()> {
    let Some(python) = std::env::var_os("ECERT_OPENCV_PYTHON") else {
        eprintln!("left out: no ECERT_OPENCV_PYTHON; `cargo xtask test` sets it");
        return Ok(());
    };
    let cache = PathBuf::from(std::env::var_os("ECERT_MODEL_DIR").context("`cargo xtask test` sets it")?);
    let folder = tempfile::tempdir()?;
    let mut pictures = samples().franck_frames().to_vec();
    pictures.push(samples().astronaut().to_vec());
    let mut peer = Command::new(python);
    peer.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peer/opencv.py")).arg("embed").arg(cache.join("peer"));
    for (index, bytes) in pictures.iter().enumerate() {
        // Lossless, so that both sides see the same pixels whatever their JPEG decoders do.
        let file = folder.path().join(format!("{index}.png"));
        decode(bytes)?.save(&file)?;
        peer.arg(file);
    }
    let output = peer.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<Vec<f32>> = serde_json::from_slice(&output.stdout)?;
    assert_eq!(theirs.len(), pictures.len());

    let mut engine = Models::load(&cache)?.engine()?;
    for (bytes, theirs) in pictures.iter().zip(theirs) {
        let rgb = decode(bytes)?;
        let picture = Picture::from_rgb(rgb.width(), rgb.height(), rgb.into_raw()).context("a picture")?;
        let ours = engine.observe(&picture)?.map_err(|unusable| anyhow::anyhow!("{}", unusable.code()))?;
        let theirs: [f32; TEMPLATE_LEN] = theirs.try_into().ok().context("128 numbers")?;
        let score = cosine(&ours.template, &Template::normalise(theirs)?);
        assert!(score >= 0.9999, "cosine {score}");
    }
    Ok(())
}
