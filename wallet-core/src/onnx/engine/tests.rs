//! On the real models and the sample photographs that `cargo xtask setup` fetches.

use std::path::PathBuf;

use jiff::civil::date;

use super::*;
use crate::document::DocumentProblem;
use crate::face::judgement::{self, CaptureLimits};
use crate::face::matching::cosine;

const FRANCK: [&str; 3] = ["franck_01829", "franck_02045", "franck_04000"];

/// `$ECERT_MODEL_DIR`, else the cache folder.
fn model_dir() -> PathBuf {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = || var("XDG_CACHE_HOME").or_else(|| var("HOME").map(|home| home.join(".cache")));
    let dir = var("ECERT_MODEL_DIR").or_else(|| cache().map(|cache| cache.join("ecert")));
    let dir = dir.filter(|dir| dir.join("manifest.json").is_file());
    dir.expect("no models found: run cargo xtask setup, or set ECERT_MODEL_DIR")
}

fn models() -> Models {
    Models::load(&model_dir()).unwrap()
}

fn sample(file: &str) -> Picture {
    Picture::decode(&std::fs::read(model_dir().join("samples").join(file)).unwrap()).unwrap()
}

fn franck(engine: &mut Engine) -> Vec<Observation> {
    FRANCK.iter().map(|name| engine.observe(&sample(&format!("{name}.jpg"))).unwrap().unwrap()).collect()
}

#[test]
fn frames_of_one_person_pass_and_another_person_fails() {
    let models = models();
    let mut engine = models.engine().unwrap();
    let thresholds = models.thresholds();
    let frames = franck(&mut engine);
    assert_eq!(judgement::check_capture(&frames, CaptureLimits::DEFAULT), Ok(()));
    let judgement = judgement::judge(&frames[1..], &frames[0].template, &thresholds);
    assert!(judgement.passed, "{judgement:?}");

    let astronaut = engine.observe(&sample("astronaut.png")).unwrap().unwrap();
    assert!(cosine(&astronaut.template, &frames[0].template) < 0.2);
    let judgement = judgement::judge(&frames, &astronaut.template, &thresholds);
    assert_eq!(judgement.reasons, [judgement::Reason::FaceMismatch]);
}

#[test]
fn the_pipeline_is_deterministic_so_copies_are_found() {
    let mut engine = models().engine().unwrap();
    let mut frames = franck(&mut engine);
    frames.extend(franck(&mut engine));
    let limits = CaptureLimits { max_frames: 6, ..CaptureLimits::DEFAULT };
    assert_eq!(judgement::check_capture(&frames, limits), Err(Unusable::FramesIdentical));
}

#[test]
fn frames_that_cannot_be_judged_say_why() {
    let mut engine = models().engine().unwrap();
    let mut unusable = |picture: &Picture| engine.observe(picture).unwrap().err();
    assert_eq!(unusable(&sample("landscape.jpg")), Some(Unusable::NoFace));
    assert_eq!(unusable(&Picture::from_rgb(3, 1, vec![0; 9]).unwrap()), Some(Unusable::NoFace));

    let frame = sample("franck_02045.jpg");
    let (width, height) = (frame.width(), frame.height());
    let dark = frame.rgb().iter().map(|v| v / 6).collect();
    assert_eq!(unusable(&Picture::from_rgb(width, height, dark).unwrap()), Some(Unusable::Dark));
    let image = image::RgbImage::from_raw(width, height, frame.rgb().to_vec()).unwrap();
    let blurred = image::imageops::blur(&image, 10.0).into_raw();
    assert_eq!(unusable(&Picture::from_rgb(width, height, blurred).unwrap()), Some(Unusable::Blurred));
    let small = image::imageops::thumbnail(&image, 90, 72).into_raw();
    assert_eq!(unusable(&Picture::from_rgb(90, 72, small).unwrap()), Some(Unusable::FaceTooSmall));
    let row = |y: u32| frame.rgb()[(y * width * 3) as usize..((y + 1) * width * 3) as usize].repeat(2);
    let twins = (0..height).flat_map(row).collect();
    assert_eq!(unusable(&Picture::from_rgb(width * 2, height, twins).unwrap()), Some(Unusable::SeveralFaces));
}

#[test]
fn a_photograph_without_a_card_is_no_document() {
    let mut engine = models().engine().unwrap();
    let landscape = sample("landscape.jpg");
    let read = engine.read_id_card(&landscape, &landscape, date(2026, 11, 22)).unwrap();
    assert_eq!(read.err(), Some(DocumentProblem::NotADocument));
}

#[test]
fn a_changed_or_missing_file_is_refused() {
    let empty = tempfile::tempdir().unwrap();
    let error = Models::load(empty.path()).err().unwrap().to_string();
    assert!(error.contains("cargo xtask setup"), "{error}");

    let manifest = std::fs::read_to_string(model_dir().join("manifest.json")).unwrap();
    std::fs::write(empty.path().join("manifest.json"), manifest).unwrap();
    std::fs::create_dir(empty.path().join("runtime")).unwrap();
    std::fs::write(empty.path().join("runtime/libonnxruntime.so"), b"something else").unwrap();
    let error = Models::load(empty.path()).err().unwrap();
    assert!(matches!(error, ModelError::WrongHash { .. }), "{error}");
}
