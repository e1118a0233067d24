//! Clients that hold connections and say nothing, or next to nothing.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Harness;
use super::stage::{Database, Setting, Stage};
use super::tally::Tally;

/// Connections that say nothing.
const IDLE: usize = 10_000;
/// Connections that say one more letter of a header every second.
const DRIBBLING: usize = 1_000;
/// Files that the harness and the server need beside these.
const SPARE: usize = 500;
/// How long good clients are measured, with and without the others, in turn.
const MEASURED: Duration = Duration::from_secs(15);
/// By how much the others may slow down good clients: their p99 at most so many times as long (issue 3).
const MOST: f64 = 2.0;
const LETTER: Duration = Duration::from_secs(1);

/// What the bad clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Idle,
    Dribbling,
}

/// Good clients beside thousands of bad ones.
pub(super) async fn crowd(harness: &Harness, manner: Manner, tally: &mut Tally) -> anyhow::Result<()> {
    let wanted = if manner == Manner::Idle { IDLE } else { DRIBBLING };
    let limit = open_files()?;
    if limit < wanted + SPARE {
        tally.skip(format!("{wanted} connections want `ulimit -n {}`; it is {limit}", wanted + SPARE));
        return Ok(());
    }
    tally.doing("setting up");
    // Fewer good clients than cores can serve: what is measured is what the others do to them, not a queue of their own.
    let setting = Setting { clients: 2, ..Setting::over(Database::Sqlite) };
    let mut stage = Stage::set(&harness.binary, &setting).await?;
    stage.traffic.go();
    stage.traffic.goes_on(50, MEASURED).await;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..tally.runs {
        tally.doing("good clients alone");
        without.append(&mut measured(&stage).await);
        let mut bad = JoinSet::new();
        let (held, holding) = tokio::sync::watch::channel(0_usize);
        for _ in 0..wanted {
            bad.spawn(be_bad(stage.server.port, manner, held.clone()));
        }
        let began = Instant::now();
        while *holding.borrow() < wanted && began.elapsed() < MEASURED {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tally.doing(&format!("beside {} others", *holding.borrow()));
        let reached = *holding.borrow();
        with.append(&mut measured(&stage).await);
        bad.shutdown().await;
        let back = stage.traffic.goes_on(1, MEASURED).await;
        let mut found = stage.check_so_far()?;
        if reached < wanted * 9 / 10 {
            found.problems.push(format!("only {reached} of {wanted} connections were held"));
        }
        tally.run(back, &found);
    }
    let (alone, beside) = (p99(&mut without), p99(&mut with));
    let times = beside.as_secs_f64() / alone.as_secs_f64().max(f64::MIN_POSITIVE);
    let words = format!(
        "p99 of good clients: {:.1} ms alone, {:.1} ms beside {wanted} others ({times:.2}×)",
        alone.as_secs_f64() * 1e3,
        beside.as_secs_f64() * 1e3
    );
    if times > MOST {
        tally.problem(format!("{words}; at most {MOST}× is allowed"));
    }
    tally.note(words);
    stage.close(tally).await
}

async fn measured(stage: &Stage) -> Vec<Duration> {
    stage.traffic.journal().latencies.clear();
    tokio::time::sleep(MEASURED).await;
    std::mem::take(&mut stage.traffic.journal().latencies)
}

/// Nearest rank.
fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    let rank = (times.len() * 99).div_ceil(100).saturating_sub(1);
    times.get(rank).copied().unwrap_or_default()
}

/// Holds a connection, and opens another when the server closes it.
async fn be_bad(port: u16, manner: Manner, held: tokio::sync::watch::Sender<usize>) {
    loop {
        let Ok(mut connection) = TcpStream::connect(("127.0.0.1", port)).await else {
            tokio::time::sleep(LETTER).await;
            continue;
        };
        held.send_modify(|count| *count += 1);
        let begun = match manner {
            Manner::Idle => Ok(()),
            Manner::Dribbling => {
                connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: ecert\r\nX-Slow: ").await
            }
        };
        if begun.is_ok() {
            hold(&mut connection, manner).await;
        }
        held.send_modify(|count| *count -= 1);
    }
}

async fn hold(connection: &mut TcpStream, manner: Manner) {
    let mut byte = [0; 256];
    loop {
        // Whatever is readable, an answer or the end, means that the server has had enough.
        let readable = tokio::time::timeout(LETTER, connection.readable()).await.is_ok();
        if readable
            && !matches!(connection.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
        {
            return;
        }
        if manner == Manner::Dribbling && connection.write_all(b"a").await.is_err() {
            return;
        }
    }
}

/// The soft limit of open files, which the server inherits.
fn open_files() -> anyhow::Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    let soft = line.split_whitespace().next().unwrap_or_default();
    Ok(if soft == "unlimited" { usize::MAX } else { soft.parse()? })
}
