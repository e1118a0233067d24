//! On the real models and the sample photographs that `cargo xtask setup` fetches.

use std::path::PathBuf;

use jiff::civil::date;

use super::*;
use crate::document::DocumentProblem;
use crate::face::judgement::{self, CaptureLimits};
use crate::face::matching::{cosine, mean_template};
use crate::face::protection::{ProtectionKey, Stored};
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

fn one(engine: &mut Engine, file: &str) -> Observation {
    engine.observe(&sample(file)).unwrap().unwrap()
}

/// A reference as it is kept: by every embedder.
fn kept(engine: &mut Engine, mut frames: Vec<Observation>) -> Template {
    engine.complete(&mut frames).unwrap();
    mean_template(&frames).unwrap()
}

#[test]
fn frames_of_one_person_pass_and_another_person_fails() {
    let models = models();
    let (scale, thresholds) = (models.scale(), models.thresholds());
    let mut engine = models.engine().unwrap();
    let mut frames = franck(&mut engine);
    assert_eq!(judgement::check_capture(&frames, CaptureLimits::DEFAULT), Ok(()));
    let first = frames.remove(0);
    let reference = kept(&mut engine, vec![first]);
    let comparison = engine.compare(&mut frames, &reference).unwrap();
    assert_eq!(comparison.models, [models.model_id(Tier::Quick).unwrap()], "a sure case needs one model");
    let judgement = judgement::judge(&frames, &comparison, &scale, &thresholds);
    assert!(judgement.passed, "{judgement:?}");
    let key = ProtectionKey::new([3; 32]);
    let stored = Stored::protect(&reference, &key, [4; 16]).unlock(&key);
    let protected = engine.compare(&mut frames, &stored).unwrap();
    assert!((protected.score - comparison.score).abs() < 1e-5);

    let astronaut = one(&mut engine, "astronaut.png");
    let reference = kept(&mut engine, vec![astronaut]);
    let comparison = engine.compare(&mut frames, &reference).unwrap();
    assert!(comparison.score < 0.2 && comparison.threshold == thresholds.comparison, "{comparison:?}");
    let judgement = judgement::judge(&frames, &comparison, &scale, &thresholds);
    assert_eq!(judgement.reasons, [judgement::Reason::FaceMismatch]);
}

/// A manifest whose quick embedder is never sure has both looked at; one without it has the main one alone.
#[test]
fn unsure_cases_need_both_embedders_and_a_manifest_without_the_quick_one_needs_none() {
    let both = with_manifest(|manifest| {
        let thresholds = &mut manifest["models"]["face-embedder-quick"]["thresholds"];
        thresholds["unsure-from"] = (-1.0).into();
        thresholds["unsure-to"] = 1.0.into();
    });
    let without = with_manifest(|manifest| {
        manifest["models"].as_object_mut().unwrap().remove("face-embedder-quick");
    });
    for (models, used) in [(both.unwrap(), 2), (without.unwrap(), 1)] {
        let mut engine = models.engine().unwrap();
        let mut frames = franck(&mut engine);
        let first = frames.remove(0);
        let reference = kept(&mut engine, vec![first.clone()]);
        let comparison = engine.compare(&mut frames, &reference).unwrap();
        let judgement = judgement::judge(&frames, &comparison, &models.scale(), &models.thresholds());
        assert!(judgement.passed && comparison.models.len() == used, "{judgement:?}");
        assert_eq!(comparison.models.last(), models.model_id(Tier::Main).as_ref());
        let looked_at = frames.iter().filter(|frame| frame.template.get(Tier::Main).is_some()).count();
        assert_eq!(looked_at, 2, "whether they are of one person is unsure too");
        let alone = Template::of(Tier::Main, reference.get(Tier::Main).unwrap().clone());
        let by_main = engine.compare(&mut frames, &alone).unwrap();
        assert_eq!(by_main.models.len(), 1, "a reference of the main embedder alone");
        assert!(by_main.matches());
        let two = engine.compare_faces(&first.aligned, &frames[0].aligned).unwrap();
        assert!(two.matches() && two.models.len() == used);
        let other =
            Embedding::normalise(crate::face::Space([9; 4]), reference.get(Tier::Main).unwrap().values());
        let other = Template::of(Tier::Main, other.unwrap());
        assert!(matches!(engine.compare(&mut frames, &other), Err(ModelError::OtherModel)));
    }
    let upside_down = with_manifest(|manifest| {
        manifest["models"]["face-embedder-quick"]["thresholds"]["unsure-to"] = 0.1.into();
    });
    assert!(upside_down.is_err_and(|error| error.to_string().contains("no scale of scores")));
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
        let mut upright = one(&mut engine, file);
        for degrees in [-30.0, -15.0, 15.0, 30.0] {
            let turned = engine.observe(&tilted(&sample(file), degrees)).unwrap().unwrap();
            let mut pair = [upright, turned];
            engine.complete(&mut pair).unwrap();
            let main = |i: usize| pair[i].template.get(Tier::Main).unwrap();
            let score = cosine(main(1), main(0)).unwrap();
            let [still, turned] = pair;
            upright = still;
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

/// The models of a folder that `change` has changed.
fn changed(change: impl FnOnce(&std::path::Path, &mut serde_json::Value)) -> Result<Models, ModelError> {
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
    Models::load(folder.path())
}

fn with_manifest(change: impl FnOnce(&mut serde_json::Value)) -> Result<Models, ModelError> {
    changed(|_, manifest| change(manifest))
}

/// What is said of a folder that `change` has broken.
fn refusal(change: impl FnOnce(&std::path::Path, &mut serde_json::Value)) -> String {
    changed(change).err().expect("a broken folder was accepted").to_string()
}

#[test]
fn every_model_is_required_and_checked() {
    for (role, is_optional) in Role::ALL.map(|role| (role.key(), role.is_optional())) {
        let file = format!("models/{role}.onnx");
        let absent = with_manifest(|manifest| drop(manifest["models"].as_object_mut().unwrap().remove(role)));
        let absent = absent.err().map(|error| error.to_string());
        let required = format!("manifest.json: no model {role}: run cargo xtask setup");
        assert_eq!(absent, (!is_optional).then_some(required));
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
