//! `manifest.json` in the model folder: which file plays which role, and the hash it must have.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The version of the manifest's shape that this crate reads.
pub const VERSION: u32 = 1;

/// The whole manifest. Fields that are not needed to run (samples, sources) are not read here.
#[derive(Debug, Clone, Deserialize)]
pub struct Manifest {
    pub version: u32,
    pub runtime: Entry,
    pub models: BTreeMap<String, Entry>,
}

/// One file.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    /// Its path below the model folder.
    pub file: String,
    /// Lower-case hex.
    pub sha256: String,
    /// Of the file as published, before it was prepared; the same model prepared otherwise keeps it.
    #[serde(default)]
    pub sha256_source: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub licence: String,
    #[serde(default)]
    pub package: String,
    #[serde(default)]
    pub thresholds: BTreeMap<String, f32>,
}

/// The part a model plays; another model can be put in its place by manifest alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    FaceDetector,
    FaceLandmarks,
    FaceEmbedder,
    /// Asked before the embedder, which it spares where it is sure. A manifest may leave it out.
    FaceEmbedderQuick,
    Liveness,
    FaceAge,
    FaceGender,
    TextDetector,
    TextReader,
}

impl Role {
    /// All roles; a manifest must name a model for each that is not [`Role::is_optional`].
    pub const ALL: [Role; 9] = [
        Role::FaceDetector,
        Role::FaceLandmarks,
        Role::FaceEmbedder,
        Role::FaceEmbedderQuick,
        Role::Liveness,
        Role::FaceAge,
        Role::FaceGender,
        Role::TextDetector,
        Role::TextReader,
    ];

    /// Its key under `models`.
    pub fn key(self) -> &'static str {
        match self {
            Role::FaceDetector => "face-detector",
            Role::FaceLandmarks => "face-landmarks",
            Role::FaceEmbedder => "face-embedder",
            Role::FaceEmbedderQuick => "face-embedder-quick",
            Role::Liveness => "liveness",
            Role::FaceAge => "face-age",
            Role::FaceGender => "face-gender",
            Role::TextDetector => "text-detector",
            Role::TextReader => "text-reader",
        }
    }

    /// Whether everything works without it.
    pub fn is_optional(self) -> bool {
        self == Role::FaceEmbedderQuick
    }
}

impl Entry {
    /// A threshold of this model, or `default` where the manifest names none.
    pub fn threshold(&self, name: &str, default: f32) -> f32 {
        self.thresholds.get(name).copied().unwrap_or(default)
    }
}
