//! Processes that die without a word: the server, and the whole PostgreSQL.

use std::time::Duration;

use super::Harness;
use super::stage::{Database, Setting, Stage};
use super::tally::Tally;

/// From the restart to the first answer to a client. A cluster that fails over takes about as long.
const BACK: Duration = Duration::from_secs(30);

/// What dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    Server,
    Database,
}

/// SIGKILL at random moments while clients are at work, and a start right after.
pub(super) async fn kill(
    harness: &Harness,
    database: Database,
    victim: Victim,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    tally.doing("setting up");
    let mut stage = Stage::set(&harness.binary, &Setting::over(database)).await?;
    stage.traffic.go();
    let mut slowest = Duration::ZERO;
    for _ in 0..tally.runs {
        // Only a service at work is worth killing.
        stage.traffic.goes_on(1, BACK).await;
        tokio::time::sleep(Duration::from_millis(rand::random_range(100..1500))).await;
        match victim {
            Victim::Server => {
                stage.server.kill();
                stage.server.start().await?;
            }
            Victim::Database => {
                let postgres = stage.postgres()?;
                postgres.kill();
                postgres.start().await?;
            }
        }
        let back = stage.traffic.goes_on(1, BACK).await;
        slowest = slowest.max(back.unwrap_or(BACK));
        tally.run(back, &stage.check_so_far()?);
    }
    tally.note(format!("slowest first answer after a start: {} ms", slowest.as_millis()));
    stage.close(tally).await
}
