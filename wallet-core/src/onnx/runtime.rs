//! Model files, checked and loaded, and the one ONNX Runtime of the process.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::TensorRef;
use sha2::{Digest, Sha256};

use super::manifest::{Entry, Manifest, Role, VERSION};
use crate::face::{Scale, Space, Thresholds, Tier};

/// Why the models cannot be loaded or run. A malfunction, never a verdict on a person.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("{} is missing or cannot be read ({reason}): run cargo xtask setup", path.display())]
    Missing { path: PathBuf, reason: std::io::Error },
    #[error("manifest.json: {0}")]
    Manifest(String),
    #[error("{file} has sha256 {found}, the manifest says {expected}: run cargo xtask setup")]
    WrongHash { file: String, expected: String, found: String },
    #[error("ONNX Runtime: {0}")]
    Runtime(String),
    #[error("the model {0} does not answer in the shape that is expected of it")]
    UnexpectedOutput(&'static str),
    #[error("a picture could not be prepared for the model {0}")]
    Input(&'static str),
    #[error("the reference was made by another model than the embedders in the manifest: enrol again")]
    OtherModel,
}

impl From<ort::Error> for ModelError {
    fn from(error: ort::Error) -> ModelError {
        ModelError::Runtime(error.to_string())
    }
}

/// What the manifest says of a file, and its verified bytes.
type File = (Entry, Vec<u8>);

/// Verified model files in memory, ready to make engines from. Cheap to clone, shared by all workers.
#[derive(Clone)]
pub struct Models {
    environment: Environment,
    /// In the order of [`Role::ALL`]; `None` where the manifest leaves an optional role out.
    files: Arc<[Option<File>]>,
    thresholds: Thresholds,
    scale: Scale,
}

impl Models {
    /// Reads `dir/manifest.json` and every file it names for a role, refuses any whose sha256 differs, and loads the
    /// runtime. The sessions are later made from the bytes that were hashed, not from the disk again.
    pub fn load(dir: &Path) -> Result<Models, ModelError> {
        let manifest: Manifest = serde_json::from_slice(&read(&dir.join("manifest.json"))?)
            .map_err(|error| ModelError::Manifest(error.to_string()))?;
        if manifest.version != VERSION {
            return Err(ModelError::Manifest(format!("version {} is not {VERSION}", manifest.version)));
        }
        verified(dir, &manifest.runtime)?;
        let mut files = Vec::new();
        for role in Role::ALL {
            files.push(match manifest.models.get(role.key()) {
                Some(entry) => Some((entry.clone(), verified(dir, entry)?)),
                None if role.is_optional() => None,
                None => return Err(no_model(role)),
            });
        }
        let of = |role: Role| manifest.models.get(role.key());
        let threshold = |role: Role, name: &str, default: f32| {
            of(role).map_or(default, |entry| entry.threshold(name, default))
        };
        let default = Thresholds::DEFAULT;
        let scale = scale(threshold);
        if !scale.is_sound() {
            let words = "the thresholds of face-embedder and face-embedder-quick are no scale of scores";
            return Err(ModelError::Manifest(words.to_owned()));
        }
        Ok(Models {
            environment: environment(&dir.join(&manifest.runtime.file))?,
            files: files.into(),
            thresholds: Thresholds {
                comparison: threshold(Role::FaceEmbedder, "comparison", default.comparison),
                continuity: threshold(Role::FaceEmbedder, "continuity", default.continuity),
                search: threshold(Role::FaceEmbedder, "search", default.search),
                live: threshold(Role::Liveness, "live", default.live),
            },
            scale,
        })
    }

    /// The thresholds in the manifest.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// How the embedders' cosines become one score, from the manifest.
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// Names an embedder beside every score that it gave, since templates of different models cannot be compared:
    /// `sface-2021dec:` and the first 12 hex digits of the file's sha256. `None` for one that the manifest leaves out.
    pub fn model_id(&self, tier: Tier) -> Option<String> {
        self.entry(role(tier)).ok().map(model_id)
    }

    /// What an embedder's vectors are marked with.
    pub(super) fn space(&self, tier: Tier) -> Result<Space, ModelError> {
        self.entry(role(tier)).map(space)
    }

    /// Whether the manifest names a model for a role.
    pub(super) fn has(&self, role: Role) -> bool {
        self.file(role).is_ok()
    }

    /// The manifest's entry for a role.
    pub(super) fn entry(&self, role: Role) -> Result<&Entry, ModelError> {
        self.file(role).map(|(entry, _)| entry)
    }

    /// A session with one thread of its own, that of its caller; workers are parallel, not models. A spinning pool
    /// would only take CPU from the other workers.
    pub(super) fn session(&self, role: Role) -> Result<Session, ModelError> {
        let (_, bytes) = self.file(role)?;
        let builder = Session::builder(&self.environment)?;
        let builder = builder.with_intra_threads(1).map_err(refused)?;
        let builder = builder.with_inter_threads(1).map_err(refused)?;
        let mut builder =
            builder.with_config_entry("session.intra_op.allow_spinning", "0").map_err(refused)?;
        Ok(builder.commit_from_memory(bytes)?)
    }

    fn file(&self, role: Role) -> Result<&File, ModelError> {
        let index = Role::ALL.iter().position(|r| *r == role);
        let file = index.and_then(|i| self.files.get(i)).and_then(Option::as_ref);
        file.ok_or_else(|| no_model(role))
    }
}

/// The role of an embedder.
pub(super) fn role(tier: Tier) -> Role {
    match tier {
        Tier::Quick => Role::FaceEmbedderQuick,
        Tier::Main => Role::FaceEmbedder,
    }
}

/// The scale of scores, of whatever thresholds the manifest names.
fn scale(threshold: impl Fn(Role, &str, f32) -> f32) -> Scale {
    let default = Scale::DEFAULT;
    let main = |name, default| threshold(Role::FaceEmbedder, name, default);
    let quick = |name, default| threshold(Role::FaceEmbedderQuick, name, default);
    Scale {
        main_mean: main("impostor-mean", default.main_mean),
        main_deviation: main("impostor-deviation", default.main_deviation),
        quick_mean: quick("impostor-mean", default.quick_mean),
        quick_deviation: quick("impostor-deviation", default.quick_deviation),
        gain: quick("fused-gain", default.gain),
        unsure_from: quick("unsure-from", default.unsure_from),
        unsure_to: quick("unsure-to", default.unsure_to),
    }
}

/// Runs a session of one `f32` input of shape `[1, channels, height, width]`.
pub(super) fn run<'s>(
    session: &'s mut Session,
    shape: [usize; 4],
    input: &[f32],
) -> Result<SessionOutputs<'s>, ModelError> {
    let tensor = TensorRef::from_array_view((shape, input))?;
    Ok(session.run([SessionInputValue::from(tensor)])?)
}

/// A cache of a version before the role came to be, as a rule.
fn no_model(role: Role) -> ModelError {
    ModelError::Manifest(format!("no model {}: run cargo xtask setup", role.key()))
}

fn refused(error: impl std::fmt::Display) -> ModelError {
    ModelError::Runtime(error.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    fs::read(path).map_err(|reason| ModelError::Missing { path: path.to_owned(), reason })
}

fn verified(dir: &Path, entry: &Entry) -> Result<Vec<u8>, ModelError> {
    let bytes = read(&dir.join(&entry.file))?;
    let found = base16ct::lower::encode_string(&Sha256::digest(&bytes));
    if found == entry.sha256 {
        Ok(bytes)
    } else {
        Err(ModelError::WrongHash { file: entry.file.clone(), expected: entry.sha256.clone(), found })
    }
}

/// "SFace 2021dec" → `sface-2021dec:85f41b32e2b3`.
fn model_id(entry: &Entry) -> String {
    let name = if entry.name.is_empty() { "face-embedder" } else { &entry.name };
    let hash = entry.sha256.get(..12).unwrap_or_default();
    format!("{}:{hash}", name.to_ascii_lowercase().replace(' ', "-"))
}

/// The beginning of the published file's hash, or of the file's own where the manifest does not name that.
fn space(entry: &Entry) -> Space {
    let hash = if entry.sha256_source.is_empty() { &entry.sha256 } else { &entry.sha256_source };
    let bytes = hash.get(..8).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    Space(bytes.unwrap_or_default().to_be_bytes())
}

/// The process's runtime, loaded by whoever comes first: a library cannot be loaded twice. Telemetry is off.
fn environment(library: &Path) -> Result<Environment, ModelError> {
    static LOADED: Mutex<Option<Environment>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*loaded {
        return Ok(environment.clone());
    }
    let builder = ort::init_from(library).map_err(refused)?;
    let environment = builder.with_name("ecert").with_telemetry(false).build()?;
    Ok(loaded.insert(environment).clone())
}
