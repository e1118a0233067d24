//! `run`, `demo`, `test` and `bench`: set up, then hand over to cargo. And what other commands need of cargo.
//!
//! Where the system allows it, cargo takes this process's place, so that Ctrl-C and the exit code go straight through.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cache::Cache;
use crate::mobile;
use crate::openapi;
use crate::packages::Source;
use crate::peer::{self, Peer};
use crate::postgres;
use crate::progress::Progress;
use crate::setup;
use crate::tools::{self, Tool};

/// The benches: the word on the command line, and the arguments by which `cargo bench` finds it.
const BENCHES: [(&str, &[&str]); 1] =
    [("face", &["--package", "wallet-core", "--features", "onnx", "--bench", "face"])];

/// The benches of the charged redemption without the face, which measure a service in a process of its own.
const WITHOUT_FACE: [&str; 2] = ["db", "billing"];
/// The bench of the apps, which Node runs.
const WEB: &str = "web";
/// What a bench needs beside itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// The models; it counts.
    Models,
    /// The models, and fonts to draw documents with.
    Fonts,
    /// `ecert` with its models.
    Service,
    /// A service in its own process, that judges no faces.
    WithoutFace,
}

/// Benches that are programs of `ecert-tests`.
const PROGRAMS: [(&str, Needs); 7] = [
    ("log", Needs::Nothing),
    ("search", Needs::Nothing),
    ("pictures", Needs::Nothing),
    ("attacks", Needs::Models),
    ("documents", Needs::Fonts),
    ("serving", Needs::Service),
    ("codes", Needs::WithoutFace),
];
/// Without it cargo passes the benches over: see `tests/Cargo.toml`.
const WITH_BENCHES: [&str; 4] = ["--package", "ecert-tests", "--features", "ecert-tests/benches"];
/// Benches that count work on pixels: these want the optimiser, the rest of the tests would only build longer.
const DRAW_FAST: [&str; 2] = ["--config", "profile.dev.package.ecert-tests.opt-level=2"];
/// Where the stories find a PostgreSQL; each makes a database of its own there.
const TEST_POSTGRES: &str = "ECERT_TEST_POSTGRES";

/// Sets up, then builds and runs `ecert serve` with `arguments`.
pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    let cache = ready_cache()?;
    mobile::build(&cache, &Progress::new());
    let mut serve = with_models(&cache, build(&cache, &["ecert"])?.join("ecert"));
    serve.arg("serve").args(arguments);
    hand_over(serve)
}

/// Sets up, then builds and runs the demo.
pub(crate) fn demo(arguments: &[OsString]) -> Result<()> {
    let cache = ready_cache()?;
    mobile::build(&cache, &Progress::new());
    let built = build(&cache, &["ecert", "ecert-demo"])?;
    let mut demo = with_models(&cache, built.join("ecert-demo"));
    demo.args(arguments);
    hand_over(demo)
}

/// Sets up, then runs all tests, and the end-to-end stories once more on PostgreSQL. Those that compare with OpenCV and with
/// python-cwt, and the second run, only where what they need can be had.
pub(crate) fn test(arguments: &[OsString]) -> Result<()> {
    let cache = ready_cache()?;
    mobile::build(&cache, &Progress::new());
    build(&cache, &["ecert"])?;
    openapi::check()?;
    let mut suite = cargo(&cache);
    match peer::python(&cache, Peer::OpenCv, &Progress::new()) {
        Ok(python) => drop(suite.env("ECERT_OPENCV_PYTHON", python)),
        Err(error) => eprintln!("MISSING: OpenCV, so the comparisons with it are left out\n{error:#}\n"),
    }
    if let Err(error) = tools::ensure(Tool::SoftHsm, &Progress::new()) {
        eprintln!("MISSING: SoftHSM2, so NO TEST WAS RUN ON A PKCS#11 TOKEN\n{error:#}\n");
    }
    // Somebody else's verifier of certificates and revocation lists.
    if let Err(error) = tools::ensure(Tool::Openssl, &Progress::new()) {
        eprintln!("MISSING: openssl, so stories that verify with it fail\n{error:#}\n");
    }
    // With --workspace cargo would not look at --package.
    let chosen = arguments.iter().any(|argument| {
        let argument = argument.to_string_lossy();
        argument.starts_with("-p") || argument.starts_with("--package")
    });
    match peer::python(&cache, Peer::Cose, &Progress::new()) {
        Ok(python) => drop(suite.env("ECERT_COSE_PYTHON", python)),
        Err(error) => eprintln!("MISSING: python-cwt, so nobody else reads our vectors\n{error:#}\n"),
    }
    match peer::python(&cache, Peer::Webhooks, &Progress::new()) {
        Ok(python) => drop(suite.env("ECERT_WEBHOOKS_PYTHON", python)),
        Err(error) => {
            eprintln!("MISSING: standardwebhooks, so nobody else verifies our webhooks\n{error:#}\n")
        }
    }
    match peer::python(&cache, Peer::Pdf, &Progress::new()) {
        Ok(python) => drop(suite.env("ECERT_PDF_PYTHON", python)),
        Err(error) => eprintln!("MISSING: pypdf, so nobody else reads our statements on paper\n{error:#}\n"),
    }
    match peer::python(&cache, Peer::OpenApi, &Progress::new()) {
        Ok(python) => drop(suite.env("ECERT_OPENAPI_PYTHON", python)),
        Err(error) => {
            eprintln!("MISSING: schemathesis, so nobody tries the API by its description\n{error:#}\n")
        }
    }
    suite.arg("test").args((!chosen).then_some("--workspace")).args(arguments);
    if chosen {
        return hand_over(suite);
    }
    ensure!(suite.status().context("cannot start cargo")?.success(), "tests failed");
    mobile::test(&cache)?;
    if std::env::var_os(TEST_POSTGRES).is_some() {
        return Ok(());
    }
    let postgres = match postgres::start(&Progress::new()) {
        Ok(postgres) => postgres,
        Err(error) => {
            eprintln!("\nMISSING: PostgreSQL, so NO STORY WAS RUN ON IT\n{error:#}\n");
            return Ok(());
        }
    };
    eprintln!("\nthe stories once more, on PostgreSQL at {}\n", postgres.url());
    let mut stories = cargo(&cache);
    stories.env(TEST_POSTGRES, postgres.url());
    // As the whole workspace, so that cargo takes what it has just built.
    stories.args(["test", "--workspace", "--test", "e2e"]).args(arguments);
    let passed = stories.status().context("cannot start cargo")?.success();
    // Before anything else ends this process, so that none is left behind.
    drop(postgres);
    ensure!(passed, "stories failed on PostgreSQL");
    Ok(())
}

/// Sets up, then builds and runs the bench `name`.
pub(crate) fn bench(name: &str, json: bool, arguments: &[OsString]) -> Result<()> {
    if WITHOUT_FACE.contains(&name) {
        return bench_without_face(name, json, arguments);
    }
    if let Some((name, needs)) = PROGRAMS.iter().find(|(known, _)| *known == name) {
        return bench_program(name, *needs, json, arguments);
    }
    if name == WEB {
        return mobile::bench(&ready_cache()?, json, arguments);
    }
    let Some((_, place)) = BENCHES.iter().find(|(known, _)| *known == name) else {
        let benches = BENCHES.iter().map(|(known, _)| *known).chain(WITHOUT_FACE).chain([WEB]);
        let known: Vec<&str> = benches.chain(PROGRAMS.iter().map(|(known, _)| *known)).collect();
        bail!("there is no bench {name:?}; known: {}", known.join(", "));
    };
    let cache = ready_cache()?;
    let python = peer::python(&cache, Peer::OpenCv, &Progress::new())?;
    let mut cargo = cargo(&cache);
    cargo.env("ECERT_OPENCV_PYTHON", python);
    match peer::python(&cache, Peer::FaceRecognition, &Progress::new()) {
        Ok(python) => drop(cargo.env("ECERT_DLIB_PYTHON", python)),
        Err(error) => eprintln!("MISSING: face_recognition, so it is not compared with\n{error:#}\n"),
    }
    cargo.arg("bench").args(*place).arg("--");
    cargo.args(json.then_some("--json")).args(arguments);
    hand_over(cargo)
}

/// Builds `ecert` as only faults and benches may, and runs the harness of the faults with it. No model is needed.
#[cfg(unix)]
pub(crate) fn faults(arguments: &[OsString]) -> Result<()> {
    let cache = Cache::of_user()?;
    let target = target_folder()?;
    // In a folder of its own, so that nobody runs this binary by mistake.
    let apart = target.join("without-face");
    let mut build = cargo(&cache);
    build.args(["build", "--package", "ecert-server", "--bin", "ecert", "--features", "bench-without-face"]);
    let status = build.arg("--target-dir").arg(&apart).status();
    if !status.context("cannot start cargo")?.success() {
        bail!("the service could not be built");
    }
    let mut cargo = cargo(&cache);
    cargo.args(["run", "--quiet"]).args(WITH_BENCHES).args(["--bin", "ecert-faults", "--"]);
    cargo.arg("--binary").arg(apart.join("debug/ecert"));
    // For the fault that wants a cluster.
    cargo.arg("--xtask").arg(std::env::current_exe()?);
    cargo.arg("--out").arg(target.join("bench/faults.json")).args(arguments);
    hand_over(cargo)
}

/// Builds a service that judges no faces, in a place of its own so that nobody takes it for the real one, and runs a bench
/// beside it. No model is needed.
fn bench_without_face(name: &str, json: bool, arguments: &[OsString]) -> Result<()> {
    let progress = Progress::new();
    tools::ensure(Tool::Postgres, &progress)?;
    tools::ensure(Tool::PythonSqlite, &progress)?;
    let cache = Cache::of_user()?;
    let measured = ["--profile", "measure", "--features", "ecert-server/bench-without-face"];
    let mut build = cargo(&cache);
    let bench = format!("bench-{name}");
    build.arg("build").args(measured).args(["--package", "ecert-server"]).args(WITH_BENCHES);
    build.args(["--bin", "ecert", "--bin", &bench]);
    if !build.status().context("cannot start cargo")?.success() {
        bail!("the service could not be built");
    }
    let mut run = cargo(&cache);
    run.args(["run", "--quiet"]).args(measured).args(WITH_BENCHES).args(["--bin", &bench, "--"]);
    run.args(json.then_some("--json")).args(arguments);
    hand_over(run)
}

/// Sets up what a bench of `ecert-tests` needs, then builds and runs it. Times are taken of what is built as a release is.
fn bench_program(name: &str, needs: Needs, json: bool, arguments: &[OsString]) -> Result<()> {
    if needs == Needs::Fonts {
        tools::ensure_all(&[Tool::NotoCjk, Tool::Wenkai, Tool::Zenhei, Tool::OcrB], &Progress::new())?;
    }
    let mut run = match needs {
        Needs::Nothing | Needs::WithoutFace => plain_cargo(),
        Needs::Models | Needs::Fonts | Needs::Service => cargo(&ready_cache()?),
    };
    let measured = ["--profile", "measure"];
    if needs == Needs::Service {
        let mut build = plain_cargo();
        build.arg("build").args(measured).args(["--package", "ecert-server", "--bin", "ecert"]);
        ensure!(build.status().context("cannot start cargo")?.success(), "the service could not be built");
    }
    let counts = matches!(needs, Needs::Models | Needs::Fonts);
    run.args(["run", "--quiet"]).args(if counts { DRAW_FAST } else { measured });
    if needs == Needs::WithoutFace {
        run.args(["--features", "ecert-server/bench-without-face"]);
    }
    run.args(WITH_BENCHES).args(["--bin", &format!("bench-{name}"), "--"]);
    run.args(json.then_some("--json")).args(arguments);
    hand_over(run)
}

/// Builds these programs; the folder where they are. As members of the whole workspace, so that every program and test has the same
/// features of what they depend on, and nothing is built twice.
pub(crate) fn build(cache: &Cache, programs: &[&str]) -> Result<PathBuf> {
    let mut build = cargo(cache);
    build.args(["build", "--workspace"]).args(programs.iter().flat_map(|program| ["--bin", program]));
    ensure!(
        build.status().context("cannot start cargo")?.success(),
        "{} could not be built",
        programs.join(", ")
    );
    Ok(target_folder()?.join("debug"))
}

/// The cache of models, made whole.
///
/// # Errors
/// As [`setup::run`].
pub(crate) fn ready_cache() -> Result<Cache> {
    let cache = Cache::of_user()?;
    setup::run(&cache, &Source::Client, &Progress::new())?;
    Ok(cache)
}

fn cargo(cache: &Cache) -> Command {
    with_models(cache, cargo_itself())
}

/// A program in the folder of the workspace, told the place of the models.
fn with_models(cache: &Cache, program: impl AsRef<OsStr>) -> Command {
    let mut command = here(program);
    command.env("ECERT_MODEL_DIR", cache.root());
    command
}

fn plain_cargo() -> Command {
    here(cargo_itself())
}

fn cargo_itself() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn here(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    if let Some(workspace) = workspace() {
        command.current_dir(workspace);
    }
    command
}

/// Where cargo puts what it builds.
///
/// # Errors
/// When cargo cannot say.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let mut command = plain_cargo();
    command.args(["metadata", "--no-deps", "--format-version", "1"]).stderr(Stdio::inherit());
    let output = command.output().context("cannot start cargo")?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let folder = metadata.get("target_directory").and_then(serde_json::Value::as_str);
    folder.map(PathBuf::from).context("cargo does not say where it puts what it builds")
}

/// The folder above this crate's, which cargo names when it runs us; without cargo, the current folder has to do.
pub(crate) fn workspace() -> Option<PathBuf> {
    let crate_folder = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    crate_folder.parent().map(PathBuf::from)
}

#[cfg(unix)]
fn hand_over(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    // Returns only when cargo cannot be started.
    Err(command.exec()).with_context(|| format!("cannot start {}", command.get_program().display()))
}

#[cfg(not(unix))]
fn hand_over(mut command: Command) -> Result<()> {
    let status = command.status().context("cannot start cargo")?;
    std::process::exit(status.code().unwrap_or(1))
}
