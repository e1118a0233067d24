//! Bringing the tables up to date, and knowing whether they are.
//!
//! Replicas are replaced one by one, so a migration must leave the program before it working: first expand (new tables,
//! new columns that may be absent), then move the data, and only a release later contract. A contracting migration raises
//! `schema_floor`, the newest migration that a program must know, and an older program then refuses to start.

use anyhow::{Context as _, anyhow, ensure};
use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::migration::{Migration as _, MigrationSource};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use serde::Serialize;

use super::connection::Conn;
use super::schema::schema_floor;
use super::{Store, partitions};

const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// One migration.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Its version: digits that sort by time.
    pub version: String,
    /// What it does; `None` when only a newer program knows.
    pub name: Option<String>,
    /// Whether the database has it.
    pub applied: bool,
}

impl Store {
    /// Brings the tables up to date; how many migrations were run. Replicas that start at once wait for one another.
    ///
    /// # Errors
    /// When a migration fails (it is then undone), or the database has been moved on past what this program can use.
    pub fn migrate(&self) -> anyhow::Result<usize> {
        self.own_connection(|conn| {
            let ran = match conn {
                Conn::Sqlite(sqlite) => run(sqlite, SQLITE),
                Conn::Postgres(postgres) => postgres.transaction(|postgres| {
                    // Building an index may take longer than a statement otherwise may. The lock ends with the
                    // transaction, so it holds behind PgBouncer too.
                    postgres.batch_execute(
                        "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'; \
                         SELECT pg_advisory_xact_lock(hashtext('ecert migrations'))",
                    )?;
                    let ran = run(postgres, POSTGRES)?;
                    partitions::create_ahead(postgres, jiff::Timestamp::now())?;
                    Ok(ran)
                }),
            }?;
            check_floor(conn)?;
            Ok(ran)
        })
    }

    /// Every migration that this program or the database knows, in order.
    pub fn migration_status(&self) -> anyhow::Result<Vec<Step>> {
        self.own_connection(|conn| match conn {
            Conn::Sqlite(sqlite) => status(sqlite, SQLITE),
            Conn::Postgres(postgres) => status(postgres, POSTGRES),
        })
    }

    /// A connection outside the pool, for what takes longer than a request may.
    pub(super) fn own_connection<T>(
        &self,
        work: impl FnOnce(&mut Conn) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        work(&mut self.settings().connect().context("can't connect to the database")?)
    }
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> anyhow::Error {
    anyhow!("the database can't be brought up to date: {error}")
}

fn run<C, DB>(conn: &mut C, source: EmbeddedMigrations) -> anyhow::Result<usize>
where
    C: MigrationHarness<DB>,
    DB: diesel::backend::Backend,
{
    let known: Vec<String> = versions::<DB>(&source)?.into_iter().map(|(version, _)| version).collect();
    let applied = conn.applied_migrations().map_err(failed)?;
    let first = known.first().context("there are no migrations")?;
    ensure!(
        applied.iter().all(|version| version.to_string() >= *first),
        "this database was made before the first release and can't be taken over; move it away and start anew"
    );
    Ok(conn.run_pending_migrations(source).map_err(failed)?.len())
}

fn versions<DB: diesel::backend::Backend>(
    source: &EmbeddedMigrations,
) -> anyhow::Result<Vec<(String, String)>> {
    let migrations = MigrationSource::<DB>::migrations(source).map_err(failed)?;
    let mut versions: Vec<_> = migrations
        .iter()
        .map(|migration| (migration.name().version().to_string(), migration.name().to_string()))
        .collect();
    versions.sort();
    Ok(versions)
}

fn status<C, DB>(conn: &mut C, source: EmbeddedMigrations) -> anyhow::Result<Vec<Step>>
where
    C: MigrationHarness<DB>,
    DB: diesel::backend::Backend,
{
    let applied: Vec<String> =
        conn.applied_migrations().map_err(failed)?.iter().map(ToString::to_string).collect();
    let known = versions::<DB>(&source)?;
    let newer = applied.iter().filter(|version| known.iter().all(|(known, _)| known != *version));
    let newer = newer.map(|version| Step { version: version.clone(), name: None, applied: true });
    let mut steps: Vec<Step> = newer.collect();
    for (version, name) in known {
        steps.push(Step { applied: applied.contains(&version), version, name: Some(name) });
    }
    steps.sort_by(|one, other| one.version.cmp(&other.version));
    Ok(steps)
}

fn check_floor(conn: &mut Conn) -> anyhow::Result<()> {
    let floor: String = schema_floor::table.select(schema_floor::version).first(conn)?;
    let known = versions::<diesel::sqlite::Sqlite>(&SQLITE)?;
    ensure!(
        known.iter().any(|(version, _)| *version >= floor),
        "the database has been moved on past this program: install one that knows the migration {floor}"
    );
    Ok(())
}
