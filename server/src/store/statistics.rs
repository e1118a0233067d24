//! How the database is doing, for /metrics: waiting for connections, transactions, errors.

use std::fmt::Display;

use anyhow::Error;
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, PullingGauge, Registry};

use super::Store;
use crate::stop::{Flow, Stop};

/// Seconds: a connection that is free costs microseconds, and the setting `database_patience` is the most.
const BUCKETS: [f64; 15] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// What the store counts. Clones count together.
#[derive(Clone)]
pub(super) struct Statistics {
    waits: Histogram,
    timeouts: IntCounter,
    transactions: IntCounterVec,
    durations: Histogram,
    retries: IntCounter,
    errors: IntCounterVec,
}

impl Statistics {
    /// All at zero.
    pub(super) fn new() -> prometheus::Result<Statistics> {
        let histogram =
            |name, help| Histogram::with_opts(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()));
        let statistics = Statistics {
            waits: histogram("ecert_database_connection_wait_seconds", "Time until a connection was free")?,
            timeouts: IntCounter::new(
                "ecert_database_connection_timeouts_total",
                "Times that no connection became free in time",
            )?,
            transactions: IntCounterVec::new(
                Opts::new("ecert_database_transactions_total", "Write transactions, by outcome"),
                &["outcome"],
            )?,
            durations: histogram(
                "ecert_database_transaction_duration_seconds",
                "Time of write transactions, with all their runs",
            )?,
            retries: IntCounter::new(
                "ecert_database_transaction_retries_total",
                "Transactions run anew since they lost a race or their connection",
            )?,
            errors: IntCounterVec::new(
                Opts::new("ecert_database_errors_total", "Errors of the database, by kind; most are retried"),
                &["kind"],
            )?,
        };
        for outcome in ["committed", "refused", "failed"] {
            statistics.transactions.with_label_values(&[outcome]);
        }
        for kind in ["serialization_failure", "deadlock", "busy", "timeout", "connection", "other"] {
            statistics.errors.with_label_values(&[kind]);
        }
        Ok(statistics)
    }

    /// Times the waiting for a connection.
    pub(super) fn wait<T, E: Display>(&self, get: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let _timer = self.waits.start_timer();
        get().inspect_err(|_| self.timeouts.inc())
    }

    /// Times a write transaction with all its runs, and counts how it ended.
    pub(super) fn transaction<T>(&self, run: impl FnOnce() -> Flow<T>) -> Flow<T> {
        let timer = self.durations.start_timer();
        let outcome = run();
        timer.observe_duration();
        let word = match &outcome {
            Ok(_) => "committed",
            Err(Stop::Refused(_)) => "refused",
            Err(Stop::Broken(_)) => "failed",
        };
        self.transactions.with_label_values(&[word]).inc();
        outcome
    }

    /// Counts the error of one run, if there was one and it was the database's.
    pub(super) fn run<T>(&self, run: impl FnOnce() -> Flow<T>) -> Flow<T> {
        run().inspect_err(|stop| {
            if let Stop::Broken(error) = stop
                && let Some(kind) = kind(error)
            {
                self.errors.with_label_values(&[kind]).inc();
            }
        })
    }

    /// A transaction is run anew.
    pub(super) fn retry(&self) {
        self.retries.inc();
    }
}

impl Store {
    /// Makes the store's metrics known to a registry, with the state of its pool.
    pub fn register_metrics(&self, registry: &Registry) -> prometheus::Result<()> {
        let gauge = |name: &str, help: &str, read: fn(&Store) -> u32| {
            let store = self.clone();
            PullingGauge::new(name, help, Box::new(move || f64::from(read(&store))))
        };
        let in_use = |store: &Store| {
            let state = store.pool().state();
            state.connections.saturating_sub(state.idle_connections)
        };
        let statistics = self.statistics();
        let all: [Box<dyn Collector>; 9] = [
            Box::new(statistics.waits.clone()),
            Box::new(statistics.timeouts.clone()),
            Box::new(statistics.transactions.clone()),
            Box::new(statistics.durations.clone()),
            Box::new(statistics.retries.clone()),
            Box::new(statistics.errors.clone()),
            Box::new(gauge("ecert_database_connections_in_use", "Connections that work", in_use)?),
            Box::new(gauge("ecert_database_connections_idle", "Connections that wait for work", |store| {
                store.pool().state().idle_connections
            })?),
            Box::new(gauge("ecert_database_connections_max", "Connections that there may be", |store| {
                store.pool().max_size()
            })?),
        ];
        all.into_iter().try_for_each(|collector| registry.register(collector))
    }
}

/// A word for the database's error; nothing for an error of another origin. Neither driver gives a kind for all of
/// these, so some are known by their text.
fn kind(error: &Error) -> Option<&'static str> {
    let (kind, message) = match error.downcast_ref::<QueryError>()? {
        QueryError::DatabaseError(kind, message) => (kind, message.message()),
        QueryError::BrokenTransactionManager => return Some("connection"),
        QueryError::DeserializationError(_) => return Some("damaged_row"),
        _ => return Some("other"),
    };
    Some(match kind {
        _ if message.contains("deadlock detected") => "deadlock",
        _ if message.contains("database is locked") => "busy",
        _ if message.contains("canceling statement due to") => "timeout",
        DatabaseErrorKind::SerializationFailure => "serialization_failure",
        DatabaseErrorKind::UniqueViolation => "unique_violation",
        DatabaseErrorKind::ForeignKeyViolation
        | DatabaseErrorKind::NotNullViolation
        | DatabaseErrorKind::CheckViolation => "constraint_violation",
        DatabaseErrorKind::ReadOnlyTransaction => "read_only",
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => "connection",
        _ => "other",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind_of_diesel: DatabaseErrorKind, message: &str) -> Option<&'static str> {
        kind(&QueryError::DatabaseError(kind_of_diesel, Box::new(message.to_owned())).into())
    }

    #[test]
    fn errors_have_the_word_that_the_runbook_knows() {
        assert_eq!(of(DatabaseErrorKind::SerializationFailure, "…"), Some("serialization_failure"));
        assert_eq!(of(DatabaseErrorKind::Unknown, "deadlock detected"), Some("deadlock"));
        assert_eq!(of(DatabaseErrorKind::Unknown, "database is locked"), Some("busy"));
        assert_eq!(of(DatabaseErrorKind::ClosedConnection, "…"), Some("connection"));
        assert_eq!(of(DatabaseErrorKind::Unknown, "disk I/O error"), Some("other"));
        assert_eq!(kind(&anyhow::anyhow!("a malfunction of another kind")), None);
    }
}
