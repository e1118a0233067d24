//! The store: reading, and writing in transactions that are run anew where that is right and safe.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use diesel::connection::{AnsiTransactionManager, TransactionManager as _};
use diesel::r2d2::{Pool, PooledConnection};
use wallet_core::refusal::Refusal;

use super::connection::{Conn, Manager, Pooler, Settings, without_password};
use super::group_commit::GroupCommit;
use super::patience;
use super::statistics::Statistics;
use super::trouble::{Trouble, trouble};
use crate::stop::{Flow, Stop};

/// How often a transaction that lost a race is run anew. Sixteen writers of one row needed eleven.
const TRIES: u32 = 30;
/// Requests that may wait for a connection, for each connection; more are refused at once. A request takes milliseconds,
/// so whoever is further behind would wait in vain when the database is slow.
const WAITING_PER_CONNECTION: usize = 16;
/// When whoever was refused may come again, in seconds.
const COME_AGAIN: u32 = 1;

/// A database.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    settings: Settings,
    pool: Pool<Manager>,
    /// SQLite's writer; PostgreSQL has as many as the pool has connections.
    writer: Option<GroupCommit>,
    waiting: AtomicUsize,
    statistics: Statistics,
}

/// How far a transaction sees, and what it promises.
#[derive(Debug, Clone, Copy)]
enum Mode {
    /// As if it ran alone.
    Serializable,
    /// Constraints and compare-and-set decide, so each statement may see what others committed before it.
    ReadCommitted,
    /// The same; and after a crash of the database it may never have been.
    Volatile,
    /// Writes nothing.
    ReadOnly,
}

impl Mode {
    fn begin(self, settings: &Settings) -> String {
        match self {
            Mode::Serializable => settings.begin("ISOLATION LEVEL SERIALIZABLE"),
            Mode::ReadCommitted => settings.begin("ISOLATION LEVEL READ COMMITTED"),
            Mode::Volatile => {
                format!(
                    "{}; SET LOCAL synchronous_commit = off",
                    settings.begin("ISOLATION LEVEL READ COMMITTED")
                )
            }
            Mode::ReadOnly => settings.begin("READ ONLY"),
        }
    }
}

type Pooled = PooledConnection<Manager>;

impl Store {
    /// Connects.
    ///
    /// # Errors
    /// When the database can't be reached, or is on another machine and the URL says nothing of TLS.
    pub fn open(settings: Settings) -> anyhow::Result<Store> {
        settings.check()?;
        let builder = Pool::builder()
            .max_size(settings.connections)
            .min_idle(Some(1))
            // Asking before every use would cost a round trip; a dead connection is found by using it.
            .test_on_check_out(false)
            .connection_timeout(settings.patience);
        let pool = builder
            .build(Manager(settings.clone()))
            .with_context(|| format!("can't open the database {}", without_password(&settings.url)))?;
        let statistics = Statistics::new()?;
        let writer = settings.sqlite_file().map(|_| GroupCommit::new(settings.clone()));
        Ok(Store(Arc::new(Shared { settings, pool, writer, waiting: AtomicUsize::new(0), statistics })))
    }

    pub(super) fn pool(&self) -> &Pool<Manager> {
        &self.0.pool
    }

    pub(super) fn statistics(&self) -> &Statistics {
        &self.0.statistics
    }

    /// Where it is, and under which rules.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Reads. What it reads in several statements may be of several moments.
    pub fn read<T>(&self, mut work: impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
        match self.0.settings.pooler {
            Pooler::None => self.on_a_connection(|conn| work(conn)),
            // Outside a transaction, PgBouncer might give each half of a statement to another server connection.
            Pooler::Transaction => self.transaction(Mode::ReadOnly, &mut work),
        }
    }

    /// Runs `work` in one write transaction, as if it ran alone: committed when it answers `Ok`, undone otherwise.
    /// `work` is run anew when the database says that it lost a race, so it must have no effect outside.
    pub fn write<T>(&self, work: impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
        self.write_in(Mode::Serializable, work)
    }

    /// The same for work whose every judgement is a constraint or a compare-and-set: it does not have to run as if alone.
    pub fn write_guarded<T>(&self, work: impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
        self.write_in(Mode::ReadCommitted, work)
    }

    /// The same for what may be forgotten in a crash: nobody waits for the disk.
    pub fn write_volatile<T>(&self, work: impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
        self.write_in(Mode::Volatile, work)
    }

    /// A write in one statement, without the round trips of a transaction around it. On SQLite, and behind PgBouncer, it is an
    /// ordinary transaction.
    ///
    /// `work` must find what it did before when it is run anew: a connection may be lost after the statement was done.
    pub fn write_statement<T>(&self, mut work: impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
        self.statistics().transaction(|| self.again_after_lost_races(|| self.once(&mut work)))
    }

    /// The same, and a lost race is the caller's to deal with.
    pub fn write_once<T>(&self, mut work: impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
        self.statistics().transaction(|| self.once(&mut work))
    }

    fn once<T>(&self, work: &mut impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
        match (&self.0.writer, self.0.settings.pooler) {
            (None, Pooler::None) => self.on_a_connection(work),
            (None, Pooler::Transaction) => {
                let begin = Mode::ReadCommitted.begin(&self.0.settings);
                self.on_a_connection(|conn| attempt(conn, &begin, work))
            }
            (Some(writer), _) => writer.write(work).map_err(clear),
        }
    }

    /// Whether several tables can be written in one statement here.
    pub fn is_postgres(&self) -> bool {
        self.0.writer.is_none()
    }

    fn write_in<T>(&self, mode: Mode, mut work: impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
        self.statistics().transaction(|| match &self.0.writer {
            Some(writer) => self.again_after_lost_races(|| writer.write(&mut work)).map_err(clear),
            None => self.transaction(mode, &mut work),
        })
    }

    /// A transaction on PostgreSQL.
    fn transaction<T>(&self, mode: Mode, work: &mut impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
        let begin = mode.begin(&self.0.settings);
        self.on_a_connection(|conn| self.again_after_lost_races(|| attempt(conn, &begin, work)))
    }

    /// Takes a connection, and another one as long as what was tried failed for want of a connection alone.
    fn on_a_connection<T>(&self, mut work: impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
        loop {
            let mut pooled = patience::waiting(|| self.connection())?;
            let began = Instant::now();
            match self.statistics().run(|| work(&mut pooled.conn)) {
                Err(Stop::Broken(error)) if trouble(&error) == Trouble::Disconnected => {
                    pooled.broken = true;
                    drop(pooled);
                    tracing::warn!(error = format!("{error:#}"), "a connection to the database was lost");
                    let may_be_done = error.is::<Unknown>();
                    // A try that came to nothing was waiting too.
                    patience::lose(began.elapsed());
                    if may_be_done || patience::left(self.0.settings.patience).is_zero() {
                        return Err(overloaded());
                    }
                    patience::waiting(|| pause(100));
                }
                outcome => return outcome.map_err(clear),
            }
        }
    }

    fn again_after_lost_races<T>(&self, mut work: impl FnMut() -> Flow<T>) -> Flow<T> {
        let mut tries = 1;
        loop {
            match work() {
                Err(Stop::Broken(error)) if tries < TRIES && trouble(&error) == Trouble::LostRace => {
                    self.statistics().retry();
                    tracing::debug!(tries, "transaction run anew");
                    pause(2 * u64::from(tries));
                }
                outcome => return outcome,
            }
            tries += 1;
        }
    }

    fn connection(&self) -> Flow<Pooled> {
        if let Some(pooled) = self.0.pool.try_get() {
            return Ok(pooled);
        }
        let most =
            WAITING_PER_CONNECTION * usize::try_from(self.0.settings.connections).unwrap_or(usize::MAX);
        let _place = Place::take(&self.0.waiting, most).ok_or_else(overloaded)?;
        let left = patience::left(self.0.settings.patience);
        self.statistics().wait(|| self.0.pool.get_timeout(left)).map_err(|error| {
            tracing::warn!(%error, "no database connection became free");
            overloaded()
        })
    }
}

/// A place among those who wait for a connection.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let place = Place(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The database has more to do than it can, or is not to be reached: it makes sense to come again.
pub(super) fn overloaded() -> Stop {
    Refusal::Overloaded { retry_after: COME_AGAIN }.into()
}

/// What is left when nothing can be tried any more: trouble that passes is a 503, a defect stays one.
fn clear(stop: Stop) -> Stop {
    match stop {
        Stop::Broken(error) => match trouble(&error) {
            Trouble::Overloaded | Trouble::Disconnected => {
                tracing::warn!(error = format!("{error:#}"), "the database could not do it");
                overloaded()
            }
            Trouble::LostRace | Trouble::Defect => Stop::Broken(error),
        },
        refused => refused,
    }
}

/// Unequal pauses part those that would meet again.
fn pause(most_ms: u64) {
    std::thread::sleep(Duration::from_millis(rand::random_range(0..=most_ms)));
}

/// The connection was lost while a commit was under way: it may have been done. Never run anew here; whoever asked comes
/// again with the same Idempotency-Key, or looks.
#[derive(Debug)]
struct Unknown;

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection was lost during a commit")
    }
}

fn attempt<T>(conn: &mut Conn, begin: &str, work: &mut impl FnMut(&mut Conn) -> Flow<T>) -> Flow<T> {
    postgres(conn, |postgres| AnsiTransactionManager::begin_transaction_sql(postgres, begin))?;
    match work(conn) {
        Ok(value) => match postgres(conn, AnsiTransactionManager::commit_transaction) {
            Ok(()) => Ok(value),
            Err(Stop::Broken(error)) if trouble(&error) == Trouble::Disconnected => {
                Err(Stop::Broken(error.context(Unknown)))
            }
            Err(stop) => Err(stop),
        },
        Err(stop) => {
            // What `work` said comes first: an error of the roll-back is a consequence of it.
            let _ = postgres(conn, AnsiTransactionManager::rollback_transaction);
            Err(stop)
        }
    }
}

fn postgres(
    conn: &mut Conn,
    step: impl FnOnce(&mut diesel::PgConnection) -> diesel::QueryResult<()>,
) -> Flow<()> {
    match conn {
        Conn::Postgres(postgres) => Ok(step(postgres)?),
        // Reading from SQLite needs no transaction, and it is written to by its one writer.
        Conn::Sqlite(_) => Err(anyhow!("not a connection to PostgreSQL").into()),
    }
}
