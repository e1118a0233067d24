//! A real `ecert serve` in a process of its own, over a folder that is gone afterwards.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

/// The running service; it ends with this value.
pub(super) struct Service {
    /// Where it listens.
    pub(super) base: String,
    binary: PathBuf,
    folder: TempDir,
    process: Child,
}

impl Service {
    /// Starts the binary beside this one on a free port.
    pub(super) fn start() -> anyhow::Result<Service> {
        let binary = std::env::current_exe()?.with_file_name("ecert");
        ensure!(binary.exists(), "{} is not built; run `cargo xtask demo`", binary.display());
        let folder = tempfile::tempdir()?;
        let mut process = Command::new(&binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data-dir"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("can't start {}", binary.display()))?;
        let output = process.stdout.take().context("no output of the service")?;
        let first = BufReader::new(output).lines().next().context("the service ended at once")??;
        let base = first.split_whitespace().last().context("the service does not say where it listens")?;
        Ok(Service { base: base.to_owned(), binary, folder, process })
    }

    /// Runs another command of the binary on the same data; what it prints.
    pub(super) fn command(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output =
            Command::new(&self.binary).args(arguments).arg("--data-dir").arg(self.folder.path()).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Already gone is as good as ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
