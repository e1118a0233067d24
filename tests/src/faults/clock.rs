//! The machine's clock jumps by hours.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::Harness;
use super::stage::{Database, Setting, Stage};
use super::tally::Tally;

/// Hours, there and back: each jump is from the one before it.
const HOURS: [i64; 8] = [3, 0, -3, 0, 23, -2, 1, 0];
const BACK: Duration = Duration::from_secs(30);
/// Answers that must come under each clock.
const ANSWERS: usize = 20;

/// Debian's libfaketime, which stands between a program and the clock.
pub(super) fn faketime() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/local/lib"];
    let file = |folder: &&str| Path::new(folder).join("faketime/libfaketimeMT.so.1");
    folders.iter().map(file).find(|file| file.is_file())
}

/// The server's wall clock jumps while clients are at work, and the phones' clocks with it; time that is measured goes on.
pub(super) async fn jump(harness: &Harness, database: Database, tally: &mut Tally) -> anyhow::Result<()> {
    let Some(library) = faketime() else {
        tally.skip("libfaketime is missing; install Debian's `libfaketime`");
        return Ok(());
    };
    tally.doing("setting up");
    let mut clock = None;
    let mut stage = Stage::set_with(&harness.binary, &Setting::over(database), |server, folder| {
        let file = folder.join("clock");
        std::fs::write(&file, "+0")?;
        server.set("LD_PRELOAD", library.display().to_string());
        server.set("FAKETIME_TIMESTAMP_FILE", file.display().to_string());
        server.set("FAKETIME_NO_CACHE", "1");
        server.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        clock = Some(file);
        Ok(())
    })
    .await?;
    let clock = clock.context("the clock's file was not made")?;
    stage.traffic.go();
    for hours in HOURS.iter().cycle().take(usize::try_from(tally.runs)?) {
        stage.traffic.goes_on(ANSWERS, BACK).await;
        let seconds = hours * 3600;
        // In one step for the server: a file that is half written would be another time.
        let next = clock.with_extension("next");
        std::fs::write(&next, format!("{seconds:+}"))?;
        std::fs::rename(&next, &clock)?;
        stage.site.set_clock(seconds);
        tally.doing(&format!("{hours:+} hours"));
        let back = stage.traffic.goes_on(ANSWERS, BACK).await;
        tally.run(back, &stage.check_so_far()?);
    }
    stage.close(tally).await
}
