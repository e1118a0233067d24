//! SQLite has one writer at a time. Those who want to write queue for it here, and who finds others waiting behind does
//! not commit: the last of the queue commits for all, with one flush to the disk. Nobody is answered before that.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};

use super::connection::{Conn, Settings};
use super::patience;
use crate::stop::{Flow, Stop};

/// Transactions in one commit at most: it bounds how long the first of them waits.
const MOST: usize = 64;

/// From looking at the queue to letting go of the writer, on a machine that is short of time.
const HANDING_OVER: Duration = Duration::from_millis(500);

/// The one writer, shared by all threads.
pub(super) struct GroupCommit {
    settings: Settings,
    writer: parking_lot::Mutex<Writer>,
    /// Threads that wait for `writer`.
    queue: AtomicUsize,
}

struct Writer {
    /// None after a failure: the next one connects anew.
    conn: Option<Conn>,
    batch: Option<Arc<Batch>>,
    members: usize,
}

/// Transactions that are committed together.
#[derive(Default)]
struct Batch {
    outcome: Mutex<Option<Result<(), String>>>,
    ended: Condvar,
}

impl Batch {
    fn end(&self, outcome: Result<(), String>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.ended.notify_all();
    }

    fn wait(&self) -> Flow<()> {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match outcome.as_ref() {
                Some(Ok(())) => return Ok(()),
                Some(Err(text)) => return Err(failed(text)),
                None => outcome = self.ended.wait(outcome).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// The database's own error belongs to the one who committed; the others of the batch get its text in the same form.
fn failed(text: &str) -> Stop {
    diesel::result::Error::DatabaseError(
        diesel::result::DatabaseErrorKind::Unknown,
        Box::new(text.to_owned()),
    )
    .into()
}

impl GroupCommit {
    pub(super) fn new(settings: Settings) -> Self {
        let writer = Writer { conn: None, batch: None, members: 0 };
        Self { settings, writer: parking_lot::Mutex::new(writer), queue: AtomicUsize::new(0) }
    }

    /// Runs `work`; its writes are on the disk when this answers `Ok`, and undone otherwise.
    pub(super) fn write<T>(&self, work: impl FnOnce(&mut Conn) -> Flow<T>) -> Flow<T> {
        self.queue.fetch_add(1, Ordering::SeqCst);
        let left = patience::left(self.settings.patience);
        let writer = patience::waiting(|| self.writer.try_lock_for(left));
        self.queue.fetch_sub(1, Ordering::SeqCst);
        let Some(mut writer) = writer else { return Err(self.give_up()) };
        let (batch, outcome) = match writer.join(&self.settings) {
            Ok(batch) => (Some(batch), catch_unwind(AssertUnwindSafe(|| writer.run(work)))),
            Err(stop) => (None, Ok(Err(stop))),
        };
        // Whatever became of this one: the others wait. Who is about to queue may do so first.
        if self.queue.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        if self.queue.load(Ordering::SeqCst) == 0 || writer.members >= MOST {
            writer.commit();
        }
        drop(writer);
        match (outcome, batch) {
            (Ok(Ok(value)), Some(batch)) => batch.wait().map(|()| value),
            (Ok(Ok(_)), None) => Err(anyhow!("a transaction ran in no batch").into()),
            (Ok(Err(stop)), _) => Err(stop),
            (Err(panic), _) => resume_unwind(panic),
        }
    }

    /// Leaves the queue. Somebody may just have left a batch open for us to commit, and then nobody else would.
    fn give_up(&self) -> Stop {
        if self.queue.load(Ordering::SeqCst) == 0
            && let Some(mut writer) = self.writer.try_lock_for(HANDING_OVER)
        {
            writer.commit();
        }
        failed("database is locked: the queue of writers was too long")
    }
}

impl Writer {
    /// Begins a batch where there is none.
    fn join(&mut self, settings: &Settings) -> Flow<Arc<Batch>> {
        self.members += 1;
        if let Some(batch) = &self.batch {
            return Ok(Arc::clone(batch));
        }
        if self.conn.is_none() {
            self.conn = Some(settings.connect().map_err(|error| failed(&error.to_string()))?);
        }
        // A transaction that begins by reading and then writes can lose to another process; IMMEDIATE takes the lock first.
        let left = patience::left(settings.patience).as_millis();
        let begun = patience::waiting(|| {
            self.transaction(|sqlite| {
                sqlite.batch_execute(&format!("PRAGMA busy_timeout = {left}"))?;
                AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")
            })
        });
        if let Err(error) = begun {
            self.conn = None;
            return Err(error);
        }
        Ok(Arc::clone(self.batch.insert(Arc::default())))
    }

    /// One transaction of the batch, as a savepoint: undone by itself when it fails.
    fn run<T>(&mut self, work: impl FnOnce(&mut Conn) -> Flow<T>) -> Flow<T> {
        self.transaction(AnsiTransactionManager::begin_transaction)?;
        let conn = self.conn.as_mut().ok_or_else(|| anyhow!("no connection"))?;
        let outcome = catch_unwind(AssertUnwindSafe(|| work(conn)));
        if matches!(outcome, Ok(Ok(_))) {
            self.transaction(AnsiTransactionManager::commit_transaction)?;
        } else if let Err(Stop::Broken(error)) =
            self.transaction(AnsiTransactionManager::rollback_transaction)
        {
            // The whole batch can't be trusted any more: its commit will say so.
            tracing::error!(error = format!("{error:#}"), "a savepoint could not be undone");
            self.abandon(&format!("{error:#}"));
        }
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn commit(&mut self) {
        self.members = 0;
        let Some(batch) = self.batch.take() else { return };
        match self.transaction(AnsiTransactionManager::commit_transaction) {
            Ok(()) => batch.end(Ok(())),
            Err(stop) => {
                // A connection that failed to commit is not used again: closing it undoes what is open.
                self.conn = None;
                batch.end(Err(format!("{:#}", anyhow::Error::from(stop))));
            }
        }
    }

    fn abandon(&mut self, why: &str) {
        self.conn = None;
        if let Some(batch) = self.batch.take() {
            batch.end(Err(why.to_owned()));
        }
    }

    fn transaction(
        &mut self,
        step: impl FnOnce(&mut diesel::sqlite::SqliteConnection) -> diesel::QueryResult<()>,
    ) -> Flow<()> {
        match &mut self.conn {
            Some(Conn::Sqlite(sqlite)) => Ok(step(sqlite)?),
            _ => Err(anyhow!("no connection to SQLite").into()),
        }
    }
}

#[cfg(test)]
mod tests;
