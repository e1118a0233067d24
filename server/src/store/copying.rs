//! Moving an installation from one database to another, of whichever kinds.

use anyhow::{Context as _, bail, ensure};
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use jiff::Timestamp;
use serde::Serialize;

use super::connection::without_password;
use super::rows::{self, Checksum};
use super::tables::{self, Table};
use super::{Conn, Store, partitions};
use crate::progress::Progress;

/// Rows in one `INSERT`: a table has at most 15 columns, and PostgreSQL takes 65,535 parameters, SQLite 32,766.
const BATCH: usize = 500;
const DAY_MICROS: i64 = 86_400_000_000;

/// A table that was copied.
#[derive(Debug, Clone, Serialize)]
pub struct Copied {
    /// Which.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
    /// Sha256 over all rows by their keys: the same in the source and, read back, in the target.
    pub sha256: String,
}

/// Copies all tables as they were at one moment. The target gets all of it, or is left as it was (its tables may have been
/// made). Each table is read back and compared before anything is committed.
///
/// # Errors
/// When the source is not up to date, the target is not empty or not the same afterwards, or either fails.
pub fn copy(source: &Store, target: &Store, progress: &Progress) -> anyhow::Result<Vec<Copied>> {
    source.ensure_current().context("the source")?;
    target.migrate().context("the target")?;
    source.in_snapshot(|source| {
        target.own_connection(|conn| {
            begin_writing(conn)?;
            let copied = copy_all(source, conn, progress);
            let end = if copied.is_ok() { "COMMIT" } else { "ROLLBACK" };
            let ended = conn.batch_execute(end).with_context(|| format!("{end} in the target"));
            let copied = copied?;
            ended.map(|()| copied)
        })
    })
}

impl Store {
    /// Runs `work` in one read-only transaction that sees the database as it was at its beginning, however long it takes.
    pub(super) fn in_snapshot<T>(
        &self,
        work: impl FnOnce(&mut Conn) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.own_connection(|conn| {
            let begin = match conn {
                // A transaction sees what was there when it first read.
                Conn::Sqlite(_) => "BEGIN; SELECT 1 FROM schema_floor",
                Conn::Postgres(_) => {
                    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; \
                     SET LOCAL idle_in_transaction_session_timeout = 0"
                }
            };
            conn.batch_execute(begin).context("can't begin to read")?;
            let outcome = work(conn);
            // It wrote nothing, and the connection is closed after this.
            let _ = conn.batch_execute("ROLLBACK");
            outcome
        })
    }
}

fn begin_writing(conn: &mut Conn) -> anyhow::Result<()> {
    let begin = match conn {
        Conn::Sqlite(_) => "BEGIN IMMEDIATE",
        Conn::Postgres(_) => {
            "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
        }
    };
    conn.batch_execute(begin).context("can't begin to write to the target")
}

fn copy_all(source: &mut Conn, target: &mut Conn, progress: &Progress) -> anyhow::Result<Vec<Copied>> {
    let tables = tables::all();
    refuse_if_used(target, &tables)?;
    if let Conn::Postgres(postgres) = target {
        make_partitions(source, postgres)?;
    }
    let mut copied = Vec::new();
    for table in &tables {
        copied.push(copy_table(source, target, table, progress)?);
    }
    for (table, copied) in tables.iter().zip(&copied) {
        read_back(target, table, copied, progress)?;
    }
    Ok(copied)
}

/// Refuses a target in which any table has a row.
fn refuse_if_used(conn: &mut Conn, tables: &[Table]) -> anyhow::Result<()> {
    for table in tables {
        if rows::number(conn, &format!("SELECT COUNT(*) AS n FROM (SELECT 1 FROM {} LIMIT 1) q", table.name))?
            > 0
        {
            bail!(
                "the target is not empty: `{}` has rows. Name a database that nothing was ever written to; even one \
                 start of `ecert serve` writes",
                table.name
            );
        }
    }
    Ok(())
}

/// Days that are over have partitions only where somebody makes them: for each day that has rows.
fn make_partitions(source: &mut Conn, target: &mut PgConnection) -> anyhow::Result<()> {
    let mut days = Vec::new();
    for (column, table) in [("opened_at", "redemptions"), ("at", "audit")] {
        let query = format!("SELECT DISTINCT {{row(}}{column} / {DAY_MICROS}{{)row}} AS line FROM {table}");
        for row in rows::stream(source, &query)? {
            days.extend(row?.first().and_then(serde_json::Value::as_i64));
        }
    }
    days.sort_unstable();
    days.dedup();
    for day in days {
        let day =
            Timestamp::from_microsecond(day.saturating_mul(DAY_MICROS)).context("a day out of range")?;
        partitions::create_day(target, day)?;
    }
    Ok(())
}

fn copy_table(
    source: &mut Conn,
    target: &mut Conn,
    table: &Table,
    progress: &Progress,
) -> anyhow::Result<Copied> {
    let total = rows::count(source, table)?;
    let piece = progress.begin(table.name, Some(total));
    // Tables were empty, so what is in this one was put there by triggers on those before it.
    target.batch_execute(&format!("DELETE FROM {}", table.name))?;
    let (mut checksum, mut batch, mut copied) = (Checksum::default(), Vec::with_capacity(BATCH), 0_u64);
    for row in rows::rows(source, table)? {
        let row = row.with_context(|| format!("can't read {}", table.name))?;
        checksum.add(&row);
        batch.push(row);
        copied += 1;
        if batch.len() == BATCH {
            write(target, table, &mut batch)?;
            piece.steps(BATCH as u64);
        }
    }
    write(target, table, &mut batch)?;
    ensure!(copied == total, "{} of {total} rows of {} were read", copied, table.name);
    let sha256 = checksum.end();
    piece.end(&format!("{copied} rows, sha256 {sha256}"));
    Ok(Copied { table: table.name, rows: copied, sha256 })
}

fn write(target: &mut Conn, table: &Table, batch: &mut Vec<Vec<rows::Cell>>) -> anyhow::Result<()> {
    rows::insert(target, table, batch)
        .with_context(|| format!("can't write {} to the target", table.name))?;
    batch.clear();
    Ok(())
}

fn read_back(target: &mut Conn, table: &Table, copied: &Copied, progress: &Progress) -> anyhow::Result<()> {
    let piece = progress.begin(&format!("{} read back", table.name), Some(copied.rows));
    let mut checksum = Checksum::default();
    for row in rows::rows(target, table)? {
        checksum.add(&row?);
        piece.step();
    }
    let sha256 = checksum.end();
    ensure!(
        sha256 == copied.sha256,
        "{} reads back differently: sha256 {sha256} in the target, {} in the source; nothing was kept",
        table.name,
        copied.sha256
    );
    piece.end("the same");
    Ok(())
}

/// Refuses to copy a database onto itself.
pub fn ensure_apart(from: &str, to: &str) -> anyhow::Result<()> {
    ensure!(without_password(from) != without_password(to), "source and target are the same database");
    Ok(())
}
