//! An upgrade: two replicas are restarted in turn while clients are at work.

use std::time::Duration;

use super::Harness;
use super::stage::{Database, Setting, Stage};
use super::tally::Tally;

/// A client that finds nobody at one replica asks the other at once or within its pause.
const BACK: Duration = Duration::from_secs(10);
/// Nobody may be without an answer for longer than this while one replica is there.
const MOST: Duration = Duration::from_secs(3);

/// SIGTERM to one, which finishes what it has begun; a start; the same with the other.
pub(super) async fn restart(harness: &Harness, tally: &mut Tally) -> anyhow::Result<()> {
    tally.doing("setting up two replicas");
    let mut stage = Stage::set(&harness.binary, &Setting::over(Database::Postgres)).await?;
    let mut second = stage.replica()?;
    second.start().await?;
    stage.reach_also(&second.base, Setting::over(Database::Postgres).clients)?;
    stage.traffic.go();
    let mut slowest = Duration::ZERO;
    for _ in 0..tally.runs {
        for server in [&mut stage.server, &mut second] {
            stage.traffic.goes_on(20, BACK).await;
            slowest = slowest.max(server.terminate().await?);
            server.start().await?;
        }
        let back = stage.traffic.goes_on(20, BACK).await;
        tally.run(back, &stage.check_so_far()?);
    }
    tally.note(format!("the slowest end after SIGTERM took {} ms", slowest.as_millis()));
    if stage.traffic.longest_gap() > MOST {
        tally.problem(format!("nobody had an answer for more than {MOST:?}"));
    }
    for panic in second.panics() {
        tally.problem(format!("the second replica: {panic}"));
    }
    stage.close(tally).await
}
