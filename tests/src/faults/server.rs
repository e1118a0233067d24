//! The server as a process of its own, that is killed and started again at one address.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

/// A start brings the database up to date and signs a status list; a machine that is busy needs a while.
const START: Duration = Duration::from_secs(60);

/// The server. It ends with this value, by SIGKILL.
pub(super) struct Server {
    /// Where it listens.
    pub(super) base: String,
    /// Its port on loopback.
    pub(super) port: u16,
    binary: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    process: Option<Child>,
}

/// A free port below those that the system gives to outgoing connections: one of these could take it while the server is
/// down.
pub(super) fn free_port() -> anyhow::Result<u16> {
    let found = (0..100)
        .map(|_| rand::random_range(20_000..32_000))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    found.context("no free port between 20000 and 32000")
}

impl Server {
    /// Not yet started: `binary serve` over `database`, keys and log in `folder`.
    pub(super) fn new(
        binary: &Path,
        folder: &Path,
        database: &str,
        flags: &[&str],
    ) -> anyhow::Result<Server> {
        let port = free_port()?;
        let listen = format!("127.0.0.1:{port}");
        let data = folder.join("data").display().to_string();
        let fixed =
            ["serve", "--listen", &listen, "--data-dir", &data, "--database", database, "--log", "warn"];
        Ok(Server {
            base: format!("http://{listen}"),
            port,
            binary: binary.to_owned(),
            arguments: fixed.iter().chain(flags).map(|&word| word.to_owned()).collect(),
            environment: Vec::new(),
            log: folder.join("server.log"),
            process: None,
        })
    }

    /// Sets a variable for the starts to come.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.into()));
    }

    /// Starts, and waits until it answers.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let process = Command::new(&self.binary)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // A Ctrl-C at the terminal is for the harness, which then ends its processes in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("can't start {}", self.binary.display()))?;
        self.process = Some(process);
        let began = Instant::now();
        while !self.answers().await {
            if !self.lives() {
                bail!("the server ended at its start:\n{}", self.log_tail());
            }
            if began.elapsed() > START {
                bail!("the server did not answer within {START:?}:\n{}", self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn answers(&self) -> bool {
        let ask = reqwest::get(format!("{}/healthz", self.base));
        tokio::time::timeout(Duration::from_secs(1), ask)
            .await
            .is_ok_and(|answer| answer.is_ok_and(|answer| answer.status().is_success()))
    }

    /// Whether the process is there.
    pub(super) fn lives(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(None)))
    }

    /// SIGKILL, and waits for the end.
    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Already gone is as good as killed.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// SIGTERM, and waits for the end; how long it took.
    pub(super) async fn terminate(&mut self) -> anyhow::Result<Duration> {
        let process = self.process.as_ref().context("it does not run")?;
        let told = Command::new("kill").args(["-TERM", &process.id().to_string()]).status()?;
        ensure!(told.success(), "SIGTERM could not be sent");
        let began = Instant::now();
        while self.lives() {
            ensure!(began.elapsed() < START, "the server did not end within {START:?} of SIGTERM");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.process = None;
        Ok(began.elapsed())
    }

    /// Lines of the log that tell of a panic.
    pub(super) fn panics(&self) -> Vec<String> {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.lines().filter(|line| line.contains("panicked at")).map(str::to_owned).collect()
    }

    /// The end of the log, for people.
    pub(super) fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n")
    }

    /// Copies the log to where it outlives the stage.
    pub(super) fn keep_log(&self, at: &Path) -> anyhow::Result<()> {
        let mut from = File::open(&self.log)?;
        std::io::copy(&mut from, &mut File::create(at)?)?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
