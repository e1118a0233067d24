//! The apps in `mobile/`: built with Node before the service that holds them, and tried in a browser.
//!
//! Without Node everything else goes on: the service then says at `/wallet/` what is missing.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use base16ct::lower;
use sha2::{Digest as _, Sha256};

use crate::cache::{Cache, hash};
use crate::commands;
use crate::progress::Progress;
use crate::tools::{self, Tool};

/// The oldest Node that Vite runs on.
const NODE: (u32, u32) = (20, 19);
/// What finds a face for the guidance (`pins.rs`); `mobile/build/face_model.ts` takes it from the cache.
const FACE_MODEL: &str = "apps/face_landmarker.task";
/// What is not read when it is asked whether anything changed: what is fetched, and what is made.
const MADE: [&str; 4] = ["node_modules", "dist", "screenshots", ".svelte-kit"];

/// Builds the apps, unless nothing changed since they were built. Where Node is missing, or a package can't be fetched, that is said.
pub(crate) fn build(cache: &Cache, progress: &Progress) {
    if let Err(error) = try_build(cache, progress) {
        eprintln!("MISSING: the apps for phones, so /wallet/ only says what to do\n{error:#}\n");
    }
}

fn try_build(cache: &Cache, progress: &Progress) -> Result<()> {
    let folder = folder()?;
    // With or without the model of the guidance they are other apps.
    let guided = cache.path(FACE_MODEL).is_file();
    let stamp = format!("{} guided: {guided}", stamp(&folder)?);
    let stamp_file = folder.join("dist/stamp");
    let is_there = folder.join("dist/web/wallet/index.html").is_file();
    if is_there && fs::read_to_string(&stamp_file).is_ok_and(|built| built == stamp) {
        return Ok(());
    }
    ensure_node()?;
    install(&folder, progress)?;
    progress.say("building the apps (mobile/)");
    let mut build = command(&folder, &["run", "--silent", "build"]);
    build.env("ECERT_MODEL_DIR", cache.root());
    succeed(build, "npm run build")?;
    fs::write(&stamp_file, stamp).with_context(|| format!("can't write {}", stamp_file.display()))
}

/// The packages that the lock names, unless they are there.
fn install(folder: &Path, progress: &Progress) -> Result<()> {
    let lock = hash(&fs::read(folder.join("package-lock.json"))?);
    let installed = folder.join("node_modules/.installed");
    if fs::read_to_string(&installed).is_ok_and(|of| of == lock) {
        return Ok(());
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    progress.say(&format!("fetching the packages of {name}/ (npm ci)"));
    npm(folder, &["ci", "--no-audit", "--no-fund"])?;
    fs::write(&installed, lock).with_context(|| format!("can't write {}", installed.display()))
}

/// The folder of the apps, with the packages that their lock names.
///
/// # Errors
/// When Node is missing, or a package can't be fetched.
pub(crate) fn ready(progress: &Progress) -> Result<PathBuf> {
    let folder = folder()?;
    ensure_node()?;
    install(&folder, progress)?;
    Ok(folder)
}

/// Types, unit tests, and the stories in a real browser against a real service.
///
/// # Errors
/// When one fails. What can't be tried here is said instead.
pub(crate) fn test(cache: &Cache) -> Result<()> {
    let progress = Progress::new();
    let folder = folder()?;
    if let Err(error) = ensure_node().and_then(|()| install(&folder, &progress)) {
        eprintln!("MISSING: Node or its packages, so NOTHING OF mobile/ WAS TESTED\n{error:#}\n");
        return Ok(());
    }
    progress.say("testing the apps (mobile/)");
    npm(&folder, &["run", "--silent", "check"])?;
    npm(&folder, &["run", "--silent", "test"])?;
    if let Err(error) = tools::ensure_all(&[Tool::Chromium, Tool::Ffmpeg], &progress) {
        eprintln!("MISSING: a browser and its camera, so NO STORY WAS RUN IN A BROWSER\n{error:#}\n");
        return Ok(());
    }
    let built = commands::build(cache, &["ecert", "ecert-film"])?;
    let (service, film) = (built.join("ecert"), built.join("ecert-film"));
    let mut stories = command(&folder, &["run", "--silent", "test:browser"]);
    stories.env("ECERT_BINARY", service).env("ECERT_FILM", film).env("ECERT_MODEL_DIR", cache.root());
    succeed(stories, "the stories in the browser")
}

/// Measures the apps in a browser. Lighthouse is fetched for it. The service is the one of the stories: what is measured is the page, and a
/// release would only be quicker.
///
/// # Errors
/// When something that is needed can't be had, or the bench fails.
pub(crate) fn bench(cache: &Cache, json: bool, arguments: &[OsString]) -> Result<()> {
    let progress = Progress::new();
    let folder = folder()?;
    try_build(cache, &progress)?;
    install(&folder, &progress)?;
    install(&folder.join("bench"), &progress)?;
    tools::ensure_all(&[Tool::Chromium, Tool::Ffmpeg], &progress)?;
    let built = commands::build(cache, &["ecert", "ecert-film"])?;
    let (service, film) = (built.join("ecert"), built.join("ecert-film"));
    // Not by npm, which would write to what is read from here.
    let mut bench = Command::new("node");
    bench.arg("bench/run.mjs").args(json.then_some("--json")).args(arguments).current_dir(&folder);
    bench.env("ECERT_BINARY", service).env("ECERT_FILM", film).env("ECERT_MODEL_DIR", cache.root());
    succeed(bench, "the bench in the browser")
}

fn folder() -> Result<PathBuf> {
    let workspace = commands::workspace().unwrap_or_else(|| PathBuf::from("."));
    let folder = workspace.join("mobile");
    ensure!(folder.join("package.json").is_file(), "there is no {}", folder.join("package.json").display());
    Ok(folder)
}

fn ensure_node() -> Result<()> {
    let (major, minor) = NODE;
    let wanted = format!("Node {major}.{minor} or later with npm (Debian 12's is older; see the README)");
    let said = Command::new("node").arg("--version").stderr(Stdio::null()).output();
    let said = said.with_context(|| format!("{wanted} is missing"))?.stdout;
    let said = String::from_utf8_lossy(&said);
    let mut parts =
        said.trim().trim_start_matches('v').split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    ensure!(found >= NODE, "{wanted} is needed; here is {}", said.trim());
    ensure!(tools::succeeds("npm", &["--version"]), "npm is missing beside Node");
    Ok(())
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<()> {
    succeed(command(folder, arguments), &format!("npm {}", arguments.join(" ")))
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(std::io::stderr());
    command
}

fn succeed(mut command: Command, what: &str) -> Result<()> {
    let status = command.status().with_context(|| format!("can't start {what}"))?;
    ensure!(status.success(), "failed: {what}");
    Ok(())
}

/// A hash of everything that the apps are made of.
fn stamp(folder: &Path) -> Result<String> {
    let mut files = Vec::new();
    walk(folder, &mut files)?;
    files.sort();
    let mut all = Sha256::new();
    for file in files {
        let name = file.strip_prefix(folder).unwrap_or(&file).to_string_lossy();
        all.update(hash(name.as_bytes()));
        all.update(hash(&fs::read(&file)?));
    }
    Ok(lower::encode_string(&all.finalize()))
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let made = MADE.iter().any(|name| entry.file_name() == OsStr::new(name));
        match entry.file_type()? {
            _ if made => {}
            kind if kind.is_dir() => walk(&entry.path(), files)?,
            kind if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    Ok(())
}
