//! Faults: what may go wrong around the service is made to go wrong under load, and an independent checker proves that
//! nothing that clients were told is lost, and nothing is billed twice.
//!
//! Reading order: [`FAULTS`] (what is done), [`stage`] (what it is done to), [`client`] and [`traffic`] (who is told
//! what), [`check`] (what the tables say to that), [`tally`] (what came of it). docs/FAULTS.md says the same for people.

mod answers;
mod check;
mod client;
mod clock;
mod closing;
mod crowds;
mod disk;
mod kills;
mod patroni;
mod postgres;
mod probes;
mod proxy;
mod rolling;
mod server;
mod shortages;
mod stage;
mod tally;
mod traffic;

use std::path::PathBuf;

use anyhow::bail;
use crowds::Manner;
use kills::Victim;
use stage::Database::{Postgres, Sqlite};
pub use tally::Row;
use tally::Tally;

/// What a run of the faults needs.
pub struct Harness {
    /// `ecert`, built with the feature `bench-without-face`.
    pub binary: PathBuf,
    /// `xtask`, which knows how to start a cluster; without it the faults of a cluster are left out.
    pub xtask: Option<PathBuf>,
    /// Where logs of servers that did not do well are kept.
    pub logs: PathBuf,
}

/// A fault.
pub struct Fault {
    /// Its word on the command line.
    pub name: &'static str,
    /// What is done.
    pub about: &'static str,
    /// How often, unless told otherwise.
    pub runs: u64,
    /// How often in a quick pass.
    pub quick: u64,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Kill(stage::Database, Victim),
    PatroniPrimary,
    LostAnswer(stage::Database),
    Abort(stage::Database),
    DiskFull(stage::Database),
    ClockJump(stage::Database),
    Closing(stage::Database),
    RollingRestart,
    SlowDatabase,
    PoolExhausted(stage::Database),
    Crowd(Manner),
    AuditUnwritable(stage::Database),
    OneCode(stage::Database),
    OneKey(stage::Database),
}

const fn fault(name: &'static str, runs: u64, quick: u64, kind: Kind, about: &'static str) -> Fault {
    Fault { name, about, runs, quick, kind }
}

/// Every fault, in the order in which they are put in.
pub const FAULTS: [Fault; 24] = [
    fault(
        "kill-sqlite",
        100,
        5,
        Kind::Kill(Sqlite, Victim::Server),
        "kill -9 of the server under load, SQLite",
    ),
    fault(
        "kill-postgres-server",
        100,
        5,
        Kind::Kill(Postgres, Victim::Server),
        "kill -9 of the server under load, PostgreSQL",
    ),
    fault(
        "kill-database",
        50,
        3,
        Kind::Kill(Postgres, Victim::Database),
        "kill -9 of the whole PostgreSQL under load, started again by the harness",
    ),
    fault(
        "rolling-restart",
        20,
        2,
        Kind::RollingRestart,
        "two replicas restarted in turn under load, as an upgrade does it",
    ),
    fault(
        "patroni-primary",
        10,
        1,
        Kind::PatroniPrimary,
        "kill -9 of the leading node of a cluster of three under load; wants root",
    ),
    fault(
        "lost-answer-sqlite",
        200,
        30,
        Kind::LostAnswer(Sqlite),
        "the network drops answers; asking again gives them",
    ),
    fault("lost-answer-postgres", 200, 30, Kind::LostAnswer(Postgres), "the same over PostgreSQL"),
    fault(
        "abort-after-commit-sqlite",
        30,
        4,
        Kind::Abort(Sqlite),
        "the server aborts between commit and answer (failpoint)",
    ),
    fault("abort-after-commit-postgres", 30, 4, Kind::Abort(Postgres), "the same over PostgreSQL"),
    fault(
        "disk-full-sqlite",
        5,
        1,
        Kind::DiskFull(Sqlite),
        "the disk under the database is full; wants root",
    ),
    fault("disk-full-postgres", 5, 1, Kind::DiskFull(Postgres), "the same under PostgreSQL; wants root"),
    fault("clock-jump-sqlite", 16, 4, Kind::ClockJump(Sqlite), "the clock jumps by hours; wants libfaketime"),
    fault("clock-jump-postgres", 16, 4, Kind::ClockJump(Postgres), "the same over PostgreSQL"),
    fault(
        "kill-closing-sqlite",
        60,
        6,
        Kind::Closing(Sqlite),
        "kill -9 of whoever closes a day, again and again, and two closers at once; wants libfaketime",
    ),
    fault("kill-closing-postgres", 60, 6, Kind::Closing(Postgres), "the same over PostgreSQL"),
    fault("slow-database", 3, 1, Kind::SlowDatabase, "ten seconds between server and PostgreSQL"),
    fault(
        "pool-exhausted-sqlite",
        3,
        1,
        Kind::PoolExhausted(Sqlite),
        "somebody else holds SQLite's write lock, so that every connection waits",
    ),
    fault(
        "pool-exhausted-postgres",
        3,
        1,
        Kind::PoolExhausted(Postgres),
        "a lock holds every connection, PostgreSQL",
    ),
    fault(
        "slow-loris",
        3,
        1,
        Kind::Crowd(Manner::Dribbling),
        "1,000 clients send a letter of a header a second",
    ),
    fault("idle-connections", 3, 1, Kind::Crowd(Manner::Idle), "10,000 connections that say nothing"),
    fault(
        "audit-unwritable-sqlite",
        5,
        1,
        Kind::AuditUnwritable(Sqlite),
        "the audit trail takes no lines; nobody is served or charged",
    ),
    fault("audit-unwritable-postgres", 5, 1, Kind::AuditUnwritable(Postgres), "the same over PostgreSQL"),
    fault("one-code", 20, 3, Kind::OneCode(Postgres), "64 clients at once with one code"),
    fault("one-key", 20, 3, Kind::OneKey(Postgres), "64 clients at once under one Idempotency-Key"),
];

/// The faults of these names; a name without its database stands for both. All of them when there is no name.
///
/// # Errors
/// When there is no such fault.
pub fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Fault>> {
    for name in names {
        if !FAULTS.iter().any(|fault| fault.is_called(name)) {
            bail!("there is no fault {name:?}; `--list` shows them all");
        }
    }
    let wanted = |fault: &&Fault| names.is_empty() || names.iter().any(|name| fault.is_called(name));
    Ok(FAULTS.iter().filter(wanted).collect())
}

impl Fault {
    fn is_called(&self, name: &str) -> bool {
        let database = self.name.strip_prefix(name);
        database.is_some_and(|database| matches!(database, "" | "-sqlite" | "-postgres"))
    }

    /// Puts it in `runs` times. What goes wrong with the harness itself is a problem of the row, so that the other faults
    /// have their turn.
    pub async fn run(&self, harness: &Harness, runs: u64) -> Row {
        let mut tally = Tally::new(self.name, runs, &harness.logs);
        let done = match self.kind {
            Kind::Kill(database, victim) => kills::kill(harness, database, victim, &mut tally).await,
            Kind::PatroniPrimary => patroni::kill_primary(harness, &mut tally).await,
            Kind::Closing(database) => closing::close(harness, database, &mut tally).await,
            Kind::RollingRestart => rolling::restart(harness, &mut tally).await,
            Kind::LostAnswer(database) => answers::lost(harness, database, &mut tally).await,
            Kind::Abort(database) => answers::abort(harness, database, &mut tally).await,
            Kind::DiskFull(database) => shortages::disk_full(harness, database, &mut tally).await,
            Kind::ClockJump(database) => clock::jump(harness, database, &mut tally).await,
            Kind::SlowDatabase => shortages::slow_database(harness, &mut tally).await,
            Kind::PoolExhausted(database) => shortages::pool_exhausted(harness, database, &mut tally).await,
            Kind::Crowd(manner) => crowds::crowd(harness, manner, &mut tally).await,
            Kind::AuditUnwritable(database) => {
                shortages::audit_unwritable(harness, database, &mut tally).await
            }
            Kind::OneCode(database) => answers::one_code(harness, database, &mut tally).await,
            Kind::OneKey(database) => answers::one_key(harness, database, &mut tally).await,
        };
        if let Err(error) = done {
            tally.problem(format!("not finished: {error:#}"));
        }
        tally.finish()
    }
}
