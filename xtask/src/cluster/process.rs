//! Processes that outlive this one: started, recognised again, ended.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

/// What of a log is quoted when its process failed.
const QUOTED_LINES: usize = 12;
const QUOTED_BYTES: u64 = 8192;

/// A process that was started. The number alone may belong to another process by now, so its start is kept with it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Running {
    pub(crate) pid: i32,
    /// Clock ticks from the start of the machine to the start of the process (proc(5), field 22 of `stat`).
    pub(crate) started: u64,
}

impl Running {
    /// The process that has the number `pid` now; None where there is none, or it has ended and was not yet buried.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is a name in brackets that may hold anything; the last bracket ends it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        (state != "Z" && state != "X").then_some(Self { pid, started })
    }

    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends `signal`, unless the process has ended.
    pub(crate) fn signal(self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.is_alive()) {
            // Fails only when it ended in this very moment.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits until the process has ended; false when it has not within `patience`.
    pub(crate) fn ends_within(self, patience: Duration) -> bool {
        let start = Instant::now();
        while self.is_alive() {
            if start.elapsed() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }

    /// Ends the process: with `signal`, and after `patience` by force.
    pub(crate) fn stop(self, signal: Signal, patience: Duration) {
        self.signal(signal);
        if !self.ends_within(patience) {
            self.signal(Signal::KILL);
            self.ends_within(Duration::from_secs(5));
        }
    }

    /// The processes that this one started and that are still there.
    pub(crate) fn children(self) -> Vec<Self> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let pids = fs::read_to_string(path).unwrap_or_default();
        pids.split_whitespace().filter_map(|pid| Self::of(pid.parse().ok()?)).collect()
    }
}

/// The user and group that a process runs as, where they are not ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Starts `command` so that it lives on after us: in a process group of its own, which Ctrl-C at the terminal does not
/// reach, with its words appended to `log`.
pub(crate) fn spawn(command: &mut Command, account: Option<Account>, log: &Path) -> Result<Running> {
    let said = File::options().create(true).append(true).open(log);
    let said = said.with_context(|| format!("cannot write {}", log.display()))?;
    command.process_group(0).stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    let pid = i32::try_from(child.id())?;
    Running::of(pid).with_context(|| format!("{program} ended at once; it said:\n{}", tail(log)))
}

/// The last lines of a log, indented.
pub(crate) fn tail(log: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(QUOTED_BYTES)))?;
        file.take(QUOTED_BYTES).read_to_end(&mut bytes)
    });
    if read.is_err() {
        return format!("    (no {})", log.display());
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let quoted = lines.iter().skip(lines.len().saturating_sub(QUOTED_LINES));
    let quoted: Vec<String> = quoted.map(|line| format!("    {line}")).collect();
    format!("    … {}\n{}", log.display(), quoted.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_recognised_by_its_start_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo here >&2; while :; do sleep 1; done"]);
        let log = folder.path().join("log");
        let running = spawn(&mut command, None, &log).unwrap();
        assert!(running.is_alive());
        let other = Running { started: running.started + 1, ..running };
        assert!(!other.is_alive(), "the same number with another start is another process");

        while !tail(&log).contains("here") {
            std::thread::sleep(Duration::from_millis(10));
        }
        running.stop(Signal::TERM, Duration::from_millis(200));
        assert!(!running.is_alive(), "what ignores SIGTERM is killed");
    }

    #[test]
    fn the_end_of_a_log_is_quoted_and_a_missing_one_named() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        assert!(tail(&log).contains("no "));
        let lines: String = (0..2000).map(|line| format!("line {line}\n")).collect();
        fs::write(&log, lines).unwrap();
        let quoted = tail(&log);
        assert!(quoted.ends_with("    line 1999") && quoted.lines().count() == QUOTED_LINES + 1, "{quoted}");
    }
}
