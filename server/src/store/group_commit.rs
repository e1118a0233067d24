//! SQLite has one writer at a time. Those who want to write queue for it here, and who finds others waiting behind does
//! not commit: the last of the queue commits for all, with one flush to the disk. Nobody is answered before that.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::anyhow;
use diesel::connection::{AnsiTransactionManager, TransactionManager as _};

use super::connection::{Conn, Settings};
use crate::stop::{Flow, Stop};

/// Transactions in one commit at most: it bounds how long the first of them waits.
const MOST: usize = 64;

/// The one writer, shared by all threads.
pub(super) struct GroupCommit {
    settings: Settings,
    writer: Mutex<Writer>,
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
        *lock(&self.outcome) = Some(outcome);
        self.ended.notify_all();
    }

    fn wait(&self) -> Flow<()> {
        let mut outcome = lock(&self.outcome);
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one: `work` is caught.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl GroupCommit {
    pub(super) fn new(settings: Settings) -> Self {
        let writer = Writer { conn: None, batch: None, members: 0 };
        Self { settings, writer: Mutex::new(writer), queue: AtomicUsize::new(0) }
    }

    /// Runs `work`; its writes are on the disk when this answers `Ok`, and undone otherwise.
    pub(super) fn write<T>(&self, work: impl FnOnce(&mut Conn) -> Flow<T>) -> Flow<T> {
        self.queue.fetch_add(1, Ordering::SeqCst);
        let mut writer = lock(&self.writer);
        let is_last = self.queue.fetch_sub(1, Ordering::SeqCst) == 1;
        let (batch, outcome) = match writer.join(&self.settings) {
            Ok(batch) => (Some(batch), catch_unwind(AssertUnwindSafe(|| writer.run(work)))),
            Err(stop) => (None, Ok(Err(stop))),
        };
        // Whatever became of this one: the others wait.
        if is_last || writer.members >= MOST {
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
        if let Err(error) = self
            .transaction(|sqlite| AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE"))
        {
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
