//! CPU time of processes, from `/proc` (Linux).

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// `/proc` counts in hundredths of a second on every Linux (`USER_HZ`), whatever the kernel's own tick is.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of these processes, of all their descendants that run, and of those that ended and were
/// waited for. Processes that are gone count nothing.
///
/// # Errors
/// Where there is no `/proc`.
pub fn time_of(roots: &[u32]) -> anyhow::Result<Duration> {
    let entries = fs::read_dir("/proc").context("CPU time is read from /proc, which only Linux has")?;
    let mut processes = HashMap::new();
    for entry in entries.flatten() {
        let id = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        // A process may end while we look at it.
        let Some(stat) = id.and_then(|id| Stat::read(id).map(|stat| (id, stat))) else { continue };
        processes.insert(stat.0, stat.1);
    }
    let belongs = |id: u32| {
        let chain = std::iter::successors(Some(id), |id| processes.get(id).map(|stat| stat.parent));
        chain.take(64).any(|id| roots.contains(&id))
    };
    let ticks = processes.iter().filter(|(id, _)| belongs(**id)).map(|(_, stat)| stat.ticks).sum();
    Ok(TICK.saturating_mul(ticks))
}

/// Bytes that a process has in memory.
///
/// # Errors
/// Where there is no `/proc`, or no such process.
pub fn resident(process: u32) -> anyhow::Result<f64> {
    memory(process, "VmRSS:")
}

/// Bytes that a process had in memory at most.
///
/// # Errors
/// As [`resident`].
pub fn most_resident(process: u32) -> anyhow::Result<f64> {
    memory(process, "VmHWM:")
}

fn memory(process: u32, what: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.context("/proc says nothing of memory")?.parse::<f64>()? * 1024.0)
}

/// User and system time of this process alone.
///
/// # Errors
/// Where there is no `/proc`.
pub fn own() -> anyhow::Result<Duration> {
    let stat = Stat::read(std::process::id()).context("CPU time is read from /proc, which only Linux has")?;
    Ok(TICK.saturating_mul(stat.own))
}

/// CPU time that the machine has given so far to anybody, and what it could have given: all cores, idle or not. What
/// a hypervisor took away counts as given to others.
///
/// # Errors
/// Where there is no `/proc`.
pub fn machine() -> anyhow::Result<(Duration, Duration)> {
    let text =
        fs::read_to_string("/proc/stat").context("CPU time is read from /proc, which only Linux has")?;
    // proc(5): user, nice, system, idle, iowait, irq, softirq, steal; what follows is counted in user already.
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
    let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    let all: u64 = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    let time = |ticks: u64| Duration::from_millis(ticks.saturating_mul(10));
    Ok((time(all - idle), time(all)))
}

struct Stat {
    parent: u32,
    /// Its own.
    own: u32,
    /// With that of its children that ended.
    ticks: u32,
}

impl Stat {
    fn read(id: u32) -> Option<Stat> {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name, in parentheses, may hold spaces; what follows it does not. proc(5): ppid is the 4th field, utime,
        // stime, cutime, cstime are the 14th to 17th.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let sum = |fields: &[&str]| fields.iter().filter_map(|field| field.parse::<u32>().ok()).sum();
        let (own, ticks) = (sum(fields.get(11..13)?), sum(fields.get(11..15)?));
        Some(Stat { parent: fields.get(1)?.parse().ok()?, own, ticks })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn counts_what_this_process_burns() {
        let (before, started) = (time_of(&[std::process::id()]).unwrap(), Instant::now());
        while started.elapsed() < Duration::from_millis(200) {
            std::hint::black_box(0);
        }
        let burnt = time_of(&[std::process::id()]).unwrap().saturating_sub(before);
        assert!(burnt >= Duration::from_millis(20), "{burnt:?}");
    }
}
