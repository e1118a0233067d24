//! The only place that names tables: a file per noun, functions over a connection, rows turned into domain types.
//!
//! Both databases stand behind one connection type, chosen by the URL. A use case opens one transaction with
//! [`Store::write`] and does everything in it: reads, judges, writes.

mod columns;
pub mod schema;

pub mod admins;
pub mod audit;
pub mod certificates;
pub mod charges;
pub mod codes;
pub mod devices;
pub mod enrolments;
pub mod health;
pub mod holders;
pub mod idempotency;
pub mod ledger;
pub mod outbox;
pub mod redemptions;
pub mod register;
pub mod relying_parties;
mod statistics;
pub mod status_lists;
pub mod throttles;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use diesel::connection::{
    AnsiTransactionManager, Connection as _, SimpleConnection as _, TransactionManager,
};
use diesel::pg::PgConnection;
use diesel::r2d2::{self, ManageConnection, Pool};
use diesel::result::{ConnectionError, DatabaseErrorInformation, DatabaseErrorKind, Error as QueryError};
use diesel::sqlite::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use wallet_core::refusal::Refusal;

use crate::stop::{Flow, Stop};

const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// How often a transaction that lost a race is run anew. Sixteen writers of one row needed eleven.
const TRIES: u32 = 30;
/// How long a request waits for a connection before it is refused, and for SQLite's write lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to either database.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// Embedded, the default.
    Sqlite(SqliteConnection),
    /// For more than one machine.
    Postgres(PgConnection),
}

/// A pool of connections.
#[derive(Clone)]
pub struct Store {
    pool: Pool<Manager>,
    statistics: statistics::Statistics,
}

impl Store {
    /// Connects to `sqlite:FILE` or `postgres://…` with up to `connections` connections.
    pub fn open(url: &str, connections: u32) -> anyhow::Result<Store> {
        if let Some(folder) = url.strip_prefix("sqlite:").and_then(|file| Path::new(file).parent()) {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("can't make the folder {}", folder.display()))?;
        }
        let builder = Pool::builder().max_size(connections).min_idle(Some(1)).connection_timeout(PATIENCE);
        let pool = builder.build(Manager { url: url.to_owned() });
        Ok(Store {
            pool: pool.with_context(|| format!("can't open the database {}", without_password(url)))?,
            statistics: statistics::Statistics::new()?,
        })
    }

    /// Brings the tables up to date.
    pub fn migrate(&self) -> anyhow::Result<()> {
        let mut conn = self.pool.get()?;
        let ran = match &mut *conn {
            Conn::Sqlite(sqlite) => sqlite.run_pending_migrations(SQLITE).map(|ran| ran.len()),
            Conn::Postgres(postgres) => postgres.run_pending_migrations(POSTGRES).map(|ran| ran.len()),
        };
        let ran = ran.map_err(|error| anyhow!("the database can't be brought up to date: {error}"))?;
        if ran > 0 {
            tracing::info!(migrations = ran, "database brought up to date");
        }
        Ok(())
    }

    /// Reads, outside a transaction.
    pub fn read<T>(&self, work: impl FnOnce(&mut Conn) -> Flow<T>) -> Flow<T> {
        let mut conn = self.connection()?;
        self.statistics.run(|| work(&mut conn))
    }

    /// Runs `work` in one write transaction: committed when it answers `Ok`, undone otherwise. `work` is run anew when
    /// the database says that it lost a race, so it must have no effect outside.
    pub fn write<T>(&self, mut work: impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
        let mut conn = self.connection()?;
        self.statistics.transaction(|| self.write_on(&mut conn, &mut work))
    }

    fn write_on<T>(&self, conn: &mut Conn, work: &mut impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
        let mut tries = 1;
        loop {
            match self.statistics.run(|| attempt(conn, work)) {
                Err(Stop::Broken(error)) if is_busy(&error) => return Err(busy()),
                Err(Stop::Broken(error)) if tries < TRIES && is_lost_race(&error) => {
                    self.statistics.retry();
                    tracing::debug!(tries, "transaction run anew");
                    // Unequal pauses part those that would meet again.
                    std::thread::sleep(Duration::from_millis(rand::random_range(0..=2 * u64::from(tries))));
                }
                outcome => return outcome,
            }
            tries += 1;
        }
    }

    fn connection(&self) -> Flow<r2d2::PooledConnection<Manager>> {
        self.statistics.wait(|| self.pool.get()).map_err(|error| {
            tracing::warn!(%error, "no database connection became free");
            busy()
        })
    }
}

/// The database has more to do than it can: nothing was done, and it makes sense to come again.
fn busy() -> Stop {
    Refusal::Overloaded { retry_after: 2 }.into()
}

fn attempt<T>(conn: &mut Conn, work: &mut impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
    // SQLite: a transaction that begins by reading and then writes can lose to another; IMMEDIATE takes the lock first.
    match conn {
        Conn::Sqlite(sqlite) => AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")?,
        Conn::Postgres(postgres) => {
            AnsiTransactionManager::begin_transaction_sql(postgres, "BEGIN ISOLATION LEVEL SERIALIZABLE")?;
        }
    }
    let outcome = work(conn);
    let ended = match (conn, outcome.is_ok()) {
        (Conn::Sqlite(sqlite), true) => AnsiTransactionManager::commit_transaction(sqlite),
        (Conn::Postgres(postgres), true) => AnsiTransactionManager::commit_transaction(postgres),
        (Conn::Sqlite(sqlite), false) => AnsiTransactionManager::rollback_transaction(sqlite),
        (Conn::Postgres(postgres), false) => AnsiTransactionManager::rollback_transaction(postgres),
    };
    // What `work` said comes first: the error of a roll-back is a consequence of it.
    match outcome {
        Ok(value) => ended.map(|()| value).map_err(Stop::from),
        Err(stop) => Err(stop),
    }
}

/// Two transactions met. A unique violation counts: under SERIALIZABLE it is how the loser of an insert learns of it,
/// and the next run reads the winner's row. Diesel has no kind for a deadlock (SQLSTATE 40P01), only its text.
fn is_lost_race(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<QueryError>() {
        Some(QueryError::DatabaseError(kind, message)) => {
            matches!(kind, DatabaseErrorKind::SerializationFailure | DatabaseErrorKind::UniqueViolation)
                || message.message().contains("deadlock detected")
        }
        _ => false,
    }
}

/// SQLite's write lock was not to be had within [`PATIENCE`].
fn is_busy(error: &anyhow::Error) -> bool {
    let text = |message: &dyn DatabaseErrorInformation| message.message().contains("database is locked");
    matches!(error.downcast_ref(), Some(QueryError::DatabaseError(_, message)) if text(message.as_ref()))
}

/// What a compare-and-set must say: exactly one row, or somebody else was faster and the whole is run anew.
pub fn exactly_one(rows: usize) -> diesel::QueryResult<()> {
    match rows {
        1 => Ok(()),
        _ => Err(QueryError::DatabaseError(
            DatabaseErrorKind::SerializationFailure,
            Box::new("a compare-and-set did not hit exactly one row".to_owned()),
        )),
    }
}

/// What may be shown of a URL: neither user and password nor parameters.
fn without_password(url: &str) -> &str {
    let host = url.rsplit_once('@').map_or(url, |(_, host)| host);
    host.split_once('?').map_or(host, |(host, _)| host)
}

/// Makes connections for the pool.
struct Manager {
    url: String,
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = r2d2::Error;

    fn connect(&self) -> Result<Conn, r2d2::Error> {
        match self.url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => {
                PgConnection::establish(&self.url).map(Conn::Postgres).map_err(r2d2::Error::ConnectionError)
            }
            Some(("sqlite", file)) => {
                let mut sqlite = SqliteConnection::establish(file).map_err(r2d2::Error::ConnectionError)?;
                // FULL: a charge that was answered survives a power cut.
                let pragmas = format!(
                    "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                     PRAGMA foreign_keys = ON;",
                    PATIENCE.as_millis()
                );
                sqlite.batch_execute(&pragmas).map_err(r2d2::Error::QueryError)?;
                Ok(Conn::Sqlite(sqlite))
            }
            _ => Err(r2d2::Error::ConnectionError(ConnectionError::InvalidConnectionUrl(
                "a database is sqlite:FILE or postgres://…".to_owned(),
            ))),
        }
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), r2d2::Error> {
        conn.batch_execute("SELECT 1").map_err(r2d2::Error::QueryError)
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        std::thread::panicking()
            || match conn {
                Conn::Sqlite(sqlite) => AnsiTransactionManager::is_broken_transaction_manager(sqlite),
                Conn::Postgres(postgres) => AnsiTransactionManager::is_broken_transaction_manager(postgres),
            }
    }
}
