//! Where secrets that people choose come from: the environment, a file, or somebody at the keyboard. Never the command line,
//! which every user of the machine can read.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use zeroize::Zeroizing;

/// Where to look for one.
#[derive(Debug, Clone)]
pub struct SecretSource {
    /// The environment variable.
    pub variable: &'static str,
    /// The file, whose first line it is.
    pub file: Option<PathBuf>,
    /// The flag that names the file, for words.
    pub flag: &'static str,
    /// What it opens, for words.
    pub what: String,
}

impl SecretSource {
    /// Gets it: from the file if one is named, else from the environment, else it is asked for.
    ///
    /// # Errors
    /// When it is nowhere and there is nobody to ask.
    pub fn get(&self) -> anyhow::Result<Zeroizing<String>> {
        if let Some(secret) = self.unasked()? {
            return Ok(secret);
        }
        let Self { variable, flag, what, .. } = self;
        if !std::io::stdin().is_terminal() {
            bail!("{what} is needed: set {variable}, or give it in a file with {flag}");
        }
        let secret = Zeroizing::new(rpassword::prompt_password(format!("{what}: "))?);
        ensure!(!secret.is_empty(), "nothing was typed");
        Ok(secret)
    }

    /// The same for a new one, which is typed twice.
    ///
    /// # Errors
    /// As [`SecretSource::get`], and when both differ.
    pub fn get_new(&self) -> anyhow::Result<Zeroizing<String>> {
        let secret = self.get()?;
        if self.unasked()?.is_none() {
            let again = Zeroizing::new(rpassword::prompt_password(format!("{}, once more: ", self.what))?);
            ensure!(secret == again, "the two differ");
        }
        Ok(secret)
    }

    fn unasked(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        if let Some(file) = &self.file {
            return Ok(Some(first_line(file)?));
        }
        Ok(std::env::var(self.variable).ok().filter(|secret| !secret.is_empty()).map(Zeroizing::new))
    }
}

fn first_line(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.with_context(|| format!("can't read {}", file.display()))?;
    let line = text.lines().next().unwrap_or_default();
    ensure!(!line.is_empty(), "the first line of {} is empty", file.display());
    Ok(Zeroizing::new(line.to_owned()))
}
