//! A real `ecert serve` in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};

/// The running service; it ends with this value.
pub struct Service {
    /// Where it listens.
    pub base: String,
    /// Its process.
    pub process: Child,
    folder: PathBuf,
}

/// The binary, which stands beside this one or, in tests, one folder above.
pub fn binary() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let candidates = here.ancestors().skip(1).take(2).map(|folder| folder.join("ecert"));
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .context("`ecert` is not built; use `cargo xtask demo` or `test`")
}

/// Starts `ecert`, with what `command` says besides, on a free port over the data in `folder`; where it listens.
///
/// # Errors
/// When it ends before it serves; why, it says on its error stream.
pub fn spawn(command: &mut Command, folder: &Path) -> anyhow::Result<(Child, String)> {
    let mut process = command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = process.stdout.take().context("no output of the service")?;
    let first = BufReader::new(output).lines().next().context("the service ended at once")??;
    let base = first.split_whitespace().last().context("the service does not say where it listens")?;
    Ok((process, base.to_owned()))
}

impl Service {
    /// Starts on a free port over the data in `folder`.
    pub fn start_in(folder: &Path) -> anyhow::Result<Service> {
        let (process, base) = spawn(Command::new(binary()?).args(["--log", "warn"]), folder)?;
        Ok(Service { base, process, folder: folder.to_owned() })
    }

    /// Runs another command of the binary on the same data; what it prints.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(binary()?).args(arguments).arg("--data-dir").arg(&self.folder).output()?;
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
