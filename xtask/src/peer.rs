//! The Python environments against which the tests and the benches compare: OpenCV, `face_recognition`, python-cwt, which reads our
//! certificates and codes and brings what the transparency log is read with, standardwebhooks, which verifies our webhooks, pypdf,
//! which reads our statements on paper, and schemathesis, which tries the API by its description.
//!
//! They are no part of the product: only `cargo xtask test` and `cargo xtask bench` make them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::cache::{Cache, remove_folder};
use crate::progress::Progress;
use crate::tools::{self, Tool};

/// Whom we are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    OpenCv,
    FaceRecognition,
    Cose,
    Webhooks,
    Pdf,
    OpenApi,
}

/// schemathesis and openapi-spec-validator with all that they need.
const OPENAPI: [&str; 50] = [
    "annotated-types==0.8.0",
    "anyio==4.16.0",
    "attrs==26.1.0",
    "certifi==2026.10.18",
    "cffi==2.1.1",
    "charset-normalizer==3.5.2",
    "click==8.5.1",
    "cryptography==50.0.2",
    "graphql-core==3.3.2",
    "harfile==0.6.0",
    "hypothesis-graphql==0.13.5",
    "hypothesis==6.170.15",
    "idna==3.20",
    "iniconfig==2.3.1",
    "jsonschema-path==0.5.0",
    "jsonschema-specifications==2025.9.1",
    "jsonschema==4.26.0",
    "jsonschema_rs==0.60.3",
    "lazy-object-proxy==1.13.0",
    "markdown-it-py==4.3.0",
    "MarkupSafe==3.0.4",
    "mdurl==0.1.2",
    "openapi-schema-validator==0.9.0",
    "openapi-spec-validator==0.9.0",
    "packaging==26.3",
    "pathable==0.6.0",
    "pluggy==1.7.0",
    "pycparser==3.12",
    "pydantic-settings==2.16.3",
    "pydantic==2.14.3",
    "pydantic_core==2.50.4",
    "Pygments==2.21.0",
    "pyrate-limiter==4.5.1",
    "pytest==9.2.0",
    "python-dotenv==1.2.4",
    "PyYAML==6.0.3",
    "referencing==0.37.0",
    "requests==2.34.2",
    "rfc3339-validator==0.1.4",
    "rich==15.0.0",
    "rpds-py==2026.9.1",
    "schemathesis==4.32.5",
    "six==1.17.0",
    "sortedcontainers==2.4.0",
    "typing-inspection==0.4.5",
    "typing_extensions==4.16.0",
    "urllib3==2.8.0",
    "Werkzeug==3.1.9",
    // Within Python itself from 3.11 on.
    "exceptiongroup==1.3.0; python_version < '3.11'",
    "tomli==2.2.1; python_version < '3.11'",
];

/// Written last, so that an environment without it is one that was interrupted.
const MARKER: &str = "ecert-ready";

impl Peer {
    /// The environment's folder; another set of versions is another folder.
    fn folder(self) -> &'static str {
        match self {
            Self::OpenCv => "opencv-4.14.0.94",
            Self::FaceRecognition => "face_recognition-1.3.0",
            Self::Cose => "cwt-3.3.0",
            Self::Webhooks => "standardwebhooks-1.1.0",
            Self::Pdf => "pypdf-7.1.0",
            Self::OpenApi => "schemathesis-4.32.5",
        }
    }

    fn size(self) -> &'static str {
        match self {
            Self::OpenCv => "80 MB",
            Self::FaceRecognition => "150 MB",
            Self::Cose => "10 MB",
            Self::Webhooks => "10 KB",
            Self::Pdf => "2 MB",
            Self::OpenApi => "30 MB",
        }
    }

    /// Built packages only. No one version of `NumPy` has wheels for every Python in use.
    fn wheels(self) -> &'static [&'static str] {
        match self {
            // The newest 4.x; its face detector and recogniser run the block-quantised originals of our models.
            Self::OpenCv => &[
                "opencv-python-headless==4.14.0.94",
                "numpy==2.2.6; python_version < '3.11'",
                "numpy==2.4.6; python_version >= '3.11'",
            ],
            // The last setuptools that the package of models can be imported with.
            Self::FaceRecognition => &[
                "face_recognition==1.3.0",
                "dlib-bin==20.0.1.post1",
                "pillow==12.0.0",
                "click==8.3.1",
                "setuptools==80.9.0",
                "numpy==2.2.6; python_version < '3.11'",
                "numpy==2.4.6; python_version >= '3.11'",
            ],
            // pycose has seen no release since 2023; this one is kept.
            Self::Cose => &[
                "cwt==3.3.0",
                "cbor2==5.9.0",
                "cryptography==50.0.2",
                "cffi==2.1.1",
                "pycparser==3.12",
                "pyhpke==0.6.5",
            ],
            Self::Webhooks => &["standardwebhooks==1.1.0"],
            Self::Pdf => &["pypdf==7.1.0"],
            Self::OpenApi => &OPENAPI,
        }
    }

    /// Packages that are published as sources only. They hold data, but their set-up script runs.
    fn sources(self) -> &'static [&'static str] {
        match self {
            Self::OpenCv | Self::Cose | Self::Webhooks | Self::Pdf | Self::OpenApi => &[],
            Self::FaceRecognition => &["face_recognition_models==0.3.0"],
        }
    }

    fn check(self) -> &'static str {
        match self {
            Self::OpenCv => "import cv2; cv2.FaceDetectorYN, cv2.FaceRecognizerSF",
            Self::FaceRecognition => "import face_recognition; face_recognition.face_encodings",
            Self::Webhooks => "import standardwebhooks; standardwebhooks.Webhook",
            Self::Pdf => "import pypdf; pypdf.PdfReader",
            Self::OpenApi => "import schemathesis, openapi_spec_validator, cryptography",
            Self::Cose => "import cbor2, cwt, cryptography.x509; cwt.COSE, cwt.COSEKey",
        }
    }
}

/// The Python program of the peer's environment, which is made if it is not there.
///
/// # Errors
/// When Python or its virtual environments are missing, or a package cannot be installed.
pub(crate) fn python(cache: &Cache, peer: Peer, progress: &Progress) -> Result<PathBuf> {
    let folder = cache.path("peer").join(peer.folder());
    let python = folder.join("bin").join("python");
    if is_ready(&folder, &python, peer) {
        return Ok(python);
    }
    let _lock = cache.lock(|| progress.say("another setup is running; waiting for it"))?;
    if is_ready(&folder, &python, peer) {
        return Ok(python);
    }
    tools::ensure(Tool::Venv, progress)?;
    progress.say(&format!("making the comparison environment {} (about {})", peer.folder(), peer.size()));
    remove_folder(&folder)?;
    quietly(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let pip = || {
        let mut install = Command::new(&python);
        install.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--no-deps",
        ]);
        install
    };
    quietly(pip().arg("--only-binary=:all:").args(peer.wheels()))?;
    if !peer.sources().is_empty() {
        quietly(pip().arg("--no-build-isolation").args(peer.sources()))?;
    }
    quietly(Command::new(&python).args(["-c", peer.check()]))?;
    fs::write(folder.join(MARKER), marker(peer)).context("cannot finish the comparison environment")?;
    Ok(python)
}

/// What the marker of a ready environment says.
fn marker(peer: Peer) -> String {
    match peer {
        // As it always was, so that environments of earlier versions are taken.
        Peer::OpenCv => "4.14.0.94".to_owned(),
        Peer::FaceRecognition | Peer::Cose | Peer::Webhooks | Peer::Pdf | Peer::OpenApi => {
            [peer.wheels(), peer.sources()].concat().join("\n")
        }
    }
}

/// The Python itself may have been removed or replaced by the system since.
fn is_ready(folder: &Path, python: &Path, peer: Peer) -> bool {
    let found = fs::read_to_string(folder.join(MARKER));
    found.is_ok_and(|found| found == marker(peer)) && python.exists()
}

/// Runs a step; what it prints is shown only when it fails.
fn quietly(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.context("cannot start Python for the comparison environment")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "a step of making the comparison environment failed:\n{}{}",
        said.trim_end(),
        errors.trim_end()
    );
    Ok(())
}
