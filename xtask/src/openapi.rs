//! The description of the API as files: `docs/openapi.json`, and the TypeScript types that the apps take from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cache::Cache;
use crate::commands;
use crate::mobile;
use crate::progress::Progress;

const DOCUMENT: &str = "docs/openapi.json";
const TYPES: &str = "mobile/src/lib/api/schema.ts";

/// Builds the service, and writes the files anew; with `check` it only compares.
///
/// # Errors
/// When something can't be built, read or written; with `check` also when a file is not as it would be written.
pub(crate) fn run(check: bool) -> Result<()> {
    commands::build(&Cache::of_user()?, &["ecert"])?;
    files(check)
}

/// Compares the files with what the service says that was built just now. Without Node that goes for the document alone.
///
/// # Errors
/// When one is not as it should be.
pub(crate) fn check() -> Result<()> {
    files(true)
}

fn files(check: bool) -> Result<()> {
    let workspace = commands::workspace().unwrap_or_else(|| PathBuf::from("."));
    let said = printed(Command::new(commands::target_folder()?.join("debug/ecert")).arg("openapi"))?;
    keep(&workspace.join(DOCUMENT), &said, check)?;
    let folder = match mobile::ready(&Progress::new()) {
        Ok(folder) => folder,
        Err(error) => {
            eprintln!("MISSING: Node or its packages, so {TYPES} is left as it is\n{error:#}\n");
            return Ok(());
        }
    };
    // From what was said, not from the file, which a check leaves as it is.
    let spoken = tempfile::NamedTempFile::with_suffix(".json").context("cannot make a file")?;
    fs::write(spoken.path(), &said)?;
    let mut made = Command::new("npm");
    made.args(["exec", "--no", "--", "openapi-typescript"]).arg(spoken.path()).current_dir(folder);
    keep(&workspace.join(TYPES), &printed(&mut made)?, check)
}

fn keep(file: &Path, said: &str, check: bool) -> Result<()> {
    let is_so = fs::read_to_string(file).is_ok_and(|found| found == said);
    if is_so {
        return Ok(());
    }
    if check {
        bail!("{} is not what the code says; run `cargo xtask openapi` and commit it", file.display());
    }
    fs::write(file, said).with_context(|| format!("cannot write {}", file.display()))?;
    eprintln!("written: {}", file.display());
    Ok(())
}

/// What a program prints.
fn printed(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed:\n{}", command.get_program().display(), errors.trim_end());
    String::from_utf8(output.stdout).context("not text")
}
