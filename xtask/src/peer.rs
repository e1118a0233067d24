//! The Python environment with OpenCV, against which the tests and the benches compare.
//!
//! It is no part of the product: only `cargo xtask test` and `cargo xtask bench` make it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::cache::{Cache, remove_folder};
use crate::progress::Progress;
use crate::tools::{self, Tool};

/// The newest 4.x; its face detector and recogniser run the block-quantised originals of our models.
const OPENCV: &str = "4.14.0.94";
/// No one version of `NumPy` has wheels for every Python in use.
const PACKAGES: [&str; 3] = [
    "opencv-python-headless==4.14.0.94",
    "numpy==2.2.6; python_version < '3.11'",
    "numpy==2.4.6; python_version >= '3.11'",
];
/// Written last, so that an environment without it is one that was interrupted.
const MARKER: &str = "ecert-ready";

/// The Python program of the environment, which is made if it is not there.
///
/// # Errors
/// When Python or its virtual environments are missing, or a package cannot be installed.
pub(crate) fn python(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let folder = cache.path("peer").join(format!("opencv-{OPENCV}"));
    let python = folder.join("bin").join("python");
    if is_ready(&folder, &python) {
        return Ok(python);
    }
    let _lock = cache.lock(|| progress.say("another setup is running; waiting for it"))?;
    if is_ready(&folder, &python) {
        return Ok(python);
    }
    tools::ensure(Tool::Venv, progress)?;
    progress.say(&format!("making the comparison environment with OpenCV {OPENCV} (about 80 MB)"));
    remove_folder(&folder)?;
    quietly(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    quietly(install.args(["--no-deps", "--only-binary=:all:"]).args(PACKAGES))?;
    quietly(Command::new(&python).args(["-c", "import cv2; cv2.FaceDetectorYN, cv2.FaceRecognizerSF"]))?;
    fs::write(folder.join(MARKER), OPENCV).context("cannot finish the comparison environment")?;
    Ok(python)
}

/// The Python itself may have been removed or replaced by the system since.
fn is_ready(folder: &Path, python: &Path) -> bool {
    let marker = fs::read_to_string(folder.join(MARKER));
    marker.is_ok_and(|version| version == OPENCV) && python.exists()
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
