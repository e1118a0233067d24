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

use super::connection::{Conn, without_password};
use super::schema::schema_floor;
use super::{Store, partitions, rows};

const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// One migration.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its version: digits that sort by time.
    pub version: String,
    /// What it does; `None` when only a newer program knows.
    pub name: Option<String>,
    /// Whether the database has it.
    pub applied: bool,
}

impl Store {
    /// Where it is: neither user nor password nor parameters.
    pub fn place(&self) -> &str {
        without_password(&self.settings().url)
    }

    /// Whether both reach the same database by the same settings.
    pub fn is_same_as(&self, other: &Store) -> bool {
        self.settings().url == other.settings().url
    }

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

    /// Every migration that this program or the database knows, in order. Changes nothing.
    pub fn migration_status(&self) -> anyhow::Result<Vec<Step>> {
        self.own_connection(status)
    }

    /// For when somebody else brings the tables up to date.
    ///
    /// # Errors
    /// When they are not, or the database has been moved on past what this program can use.
    pub fn ensure_current(&self) -> anyhow::Result<()> {
        self.own_connection(|conn| {
            let steps = status(conn)?;
            let pending: Vec<&str> =
                steps.iter().filter(|step| !step.applied).filter_map(|step| step.name.as_deref()).collect();
            ensure!(
                pending.is_empty(),
                "the tables are not up to date, run `ecert db migrate`; pending: {}",
                pending.join(", ")
            );
            check_floor(conn)
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
    let names = migrations.iter().map(|migration| migration.name());
    let mut versions: Vec<_> = names.map(|name| (name.version().to_string(), name.to_string())).collect();
    versions.sort();
    Ok(versions)
}

fn status(conn: &mut Conn) -> anyhow::Result<Vec<Step>> {
    let applied = applied(conn)?;
    let known = versions::<diesel::sqlite::Sqlite>(&SQLITE)?;
    let newer = applied.iter().filter(|version| known.iter().all(|(known, _)| known != *version));
    let newer = newer.map(|version| Step { version: version.clone(), name: None, applied: true });
    let mut steps: Vec<Step> = newer.collect();
    for (version, name) in known {
        steps.push(Step { applied: applied.contains(&version), version, name: Some(name) });
    }
    steps.sort_by(|one, other| one.version.cmp(&other.version));
    Ok(steps)
}

/// What Diesel noted as run. Diesel itself would make its table first, which a standby refuses.
fn applied(conn: &mut Conn) -> anyhow::Result<Vec<String>> {
    let catalogue = match conn {
        Conn::Sqlite(_) => {
            "SELECT COUNT(*) AS n FROM sqlite_schema WHERE name = '__diesel_schema_migrations'"
        }
        Conn::Postgres(_) => "SELECT COUNT(to_regclass('__diesel_schema_migrations')) AS n",
    };
    if rows::number(conn, catalogue)? == 0 {
        return Ok(Vec::new());
    }
    let query = "SELECT {row(}version{)row} AS line FROM __diesel_schema_migrations ORDER BY version";
    let mut versions = Vec::new();
    for row in rows::stream(conn, query)? {
        versions.extend(row?.first().and_then(|version| version.as_str().map(str::to_owned)));
    }
    Ok(versions)
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
