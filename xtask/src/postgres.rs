//! The PostgreSQL that the stories run on a second time, thrown away afterwards.

use anyhow::Result;

use crate::progress::Progress;
use crate::tools::{self, Tool};

// The tests start servers of their own in the same way; they are no dependency, which would have to be built first.
#[allow(dead_code, unreachable_pub, reason = "a module of another crate")]
#[path = "../../tests/src/postgres.rs"]
mod cluster;

pub(crate) use cluster::Cluster;

/// Starts one, after installing Debian's packages where that is allowed. PgBouncer is for one story, which says so when it
/// is missing.
///
/// # Errors
/// When PostgreSQL is missing and can't be installed, or does not start; the message says what to do.
pub(crate) fn start(progress: &Progress) -> Result<Cluster> {
    if cluster::programs().is_err() {
        tools::ensure(Tool::Postgres, progress)?;
    }
    if let Err(error) = tools::ensure(Tool::Pgbouncer, progress) {
        progress.say(&format!("{error:#}"));
    }
    Cluster::start(&[], &[])
}
