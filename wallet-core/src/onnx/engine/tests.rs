//! On the real models and the sample photographs that `cargo xtask setup` fetches.

use std::path::PathBuf;

use jiff::civil::date;

use super::*;
use crate::document::DocumentProblem;
use crate::face::judgement::{self, CaptureLimits};
use crate::face::matching::cosine;
use crate::onnx::manifest::Role;

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

/// The picture turned about its centre and made smaller by a quarter, so that nothing is cut off.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "colours, 0 to 255")]
fn tilted(picture: &Picture, degrees: f32) -> Picture {
    let (width, height) = (picture.width(), picture.height());
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (middle_x, middle_y) = (width as f32 / 2.0, height as f32 / 2.0);
    let pixels =
        (0..height).flat_map(|y| (0..width).map(move |x| (x as f32, y as f32))).flat_map(|(x, y)| {
            let (dx, dy) = ((x - middle_x) / 0.75, (y - middle_y) / 0.75);
            let (x, y) = (middle_x + dx * cos + dy * sin, middle_y - dx * sin + dy * cos);
            raster::sample_clamped(picture, x, y).map(|v| v as u8)
        });
    Picture::from_rgb(width, height, pixels.collect()).unwrap()
}

/// The detector's own points stay nearly level when the head does not: by them the score of this would be 0.4 to 0.8.
#[test]
fn a_tilted_head_is_the_same_face() {
    let mut engine = models().engine().unwrap();
    for file in ["franck_01829.jpg", "astronaut.png"] {
        let upright = engine.observe(&sample(file)).unwrap().unwrap();
        for degrees in [-30.0, -15.0, 15.0, 30.0] {
            let turned = engine.observe(&tilted(&sample(file), degrees)).unwrap().unwrap();
            let score = cosine(&turned.template, &upright.template);
            assert!(score > 0.9, "{file} at {degrees}: {score}");
            let roll = turned.quality.roll - upright.quality.roll;
            assert!((roll - degrees).abs() < 6.0, "{file} at {degrees}: {roll}");
        }
    }
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

/// What `change` has made of the model folder, in words.
fn refusal(change: impl FnOnce(&std::path::Path, &mut serde_json::Value)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(model_dir().join("manifest.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    for sub in ["runtime", "models"] {
        std::fs::create_dir(folder.path().join(sub)).unwrap();
        for file in std::fs::read_dir(model_dir().join(sub)).unwrap() {
            let file = file.unwrap();
            std::os::unix::fs::symlink(file.path(), folder.path().join(sub).join(file.file_name())).unwrap();
        }
    }
    change(folder.path(), &mut manifest);
    std::fs::write(folder.path().join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
    Models::load(folder.path()).err().expect("a broken folder was accepted").to_string()
}

#[test]
fn every_model_is_required_and_checked() {
    for role in Role::ALL.map(Role::key) {
        let file = format!("models/{role}.onnx");
        let absent = refusal(|_, manifest| drop(manifest["models"].as_object_mut().unwrap().remove(role)));
        assert_eq!(absent, format!("manifest.json: no model {role}: run cargo xtask setup"));
        let missing = refusal(|folder, _| std::fs::remove_file(folder.join(&file)).unwrap());
        assert!(missing.contains(&file) && missing.contains("is missing"), "{missing}");
        let changed = refusal(|folder, _| {
            std::fs::remove_file(folder.join(&file)).unwrap();
            std::fs::write(folder.join(&file), b"something else").unwrap();
        });
        assert!(changed.starts_with(&format!("{file} has sha256")), "{changed}");
        assert!(missing.contains("cargo xtask setup") && changed.contains("cargo xtask setup"));
    }
}
