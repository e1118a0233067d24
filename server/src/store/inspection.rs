//! What a database is, and how it fares: for whoever runs it. Changes nothing, so it may be asked of a standby.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use jiff::Timestamp;
use serde::Serialize;

use super::migrations::Step;
use super::schema::jobs;
use super::{Conn, Pooler, Store, rows};

/// A database as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// Where it is, without user and password.
    pub place: String,
    /// What serves it: `SQLite 3.51.1`, `PostgreSQL 15.18`.
    pub server: String,
    /// Bytes of all of it.
    pub bytes: i64,
    /// The migrations that it has or lacks.
    pub migrations: Vec<Step>,
    /// What only PostgreSQL has.
    pub postgres: Option<Postgres>,
    /// The rest is absent while the tables are not up to date.
    pub contents: Option<Contents>,
}

/// What only PostgreSQL has.
#[derive(Debug, Clone, Serialize)]
pub struct Postgres {
    /// Whether it follows another one, and takes no writes.
    pub in_recovery: bool,
    /// Whether a transaction may only read unless it says otherwise.
    pub read_only: bool,
    /// Version and cipher of TLS on this connection; `None` when it is in clear.
    pub tls: Option<String>,
    /// Connections to the database, ours among them.
    pub connections: i64,
    /// What the settings say stands between.
    pub pooler: &'static str,
    /// Whether two statements of one connection met the same server session. When not, something pools, and the setting
    /// `database_pooler` must be `transaction`.
    pub keeps_session: bool,
    /// The days of the tables that have partitions.
    pub partitions: BTreeMap<String, Partitions>,
}

/// Partitions of a table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Partitions {
    /// How many days are attached.
    pub days: usize,
    /// The oldest one's name.
    pub oldest: Option<String>,
    /// The newest one's name: when it is in the past, the job `partitions` does not run.
    pub newest: Option<String>,
    /// Detached ones, to be archived and dropped.
    pub detached: Vec<String>,
    /// Whether rows lie in none of the days.
    pub rows_outside: bool,
}

/// What the tables say.
#[derive(Debug, Clone, Serialize)]
pub struct Contents {
    /// The jobs that were ever run.
    pub jobs: Vec<Job>,
    /// Effects in the outbox that wait.
    pub outbox_waiting: i64,
}

/// A job that replicas share.
#[derive(Debug, Clone, Serialize)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// When it last ended well.
    pub succeeded_at: Option<Timestamp>,
    /// When it is due next.
    pub due_at: Option<Timestamp>,
    /// The replica that runs it now, or died over it.
    pub leased_by: Option<String>,
}

impl Store {
    /// Looks at the database.
    ///
    /// # Errors
    /// When it can't be reached.
    pub fn inspect(&self, now: Timestamp) -> anyhow::Result<Inspection> {
        let migrations = self.migration_status()?;
        let is_current = migrations.iter().all(|step| step.applied);
        let place = self.place().to_owned();
        let pooler = self.settings().pooler;
        self.own_connection(|conn| {
            let contents = if is_current { Some(contents(conn, now)?) } else { None };
            let (server, bytes, postgres) = match conn {
                Conn::Sqlite(_) => {
                    let pages = rows::number(conn, "SELECT page_count AS n FROM pragma_page_count")?;
                    let page = rows::number(conn, "SELECT page_size AS n FROM pragma_page_size")?;
                    (format!("SQLite {}", text(conn, "sqlite_version()")?), pages.saturating_mul(page), None)
                }
                Conn::Postgres(_) => {
                    let version = text(conn, "current_setting('server_version')")?;
                    let bytes = rows::number(conn, "SELECT pg_database_size(current_database()) AS n")?;
                    (format!("PostgreSQL {version}"), bytes, Some(postgres(conn, pooler)?))
                }
            };
            Ok(Inspection { place, server, bytes, migrations, postgres, contents })
        })
    }
}

fn text(conn: &mut Conn, expression: &str) -> QueryResult<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        t: String,
    }
    Ok(diesel::sql_query(format!("SELECT {expression} AS t")).get_result::<Row>(conn)?.t)
}

fn postgres(conn: &mut Conn, pooler: Pooler) -> QueryResult<Postgres> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        in_recovery: bool,
        #[diesel(sql_type = Bool)]
        read_only: bool,
        #[diesel(sql_type = Nullable<Text>)]
        tls: Option<String>,
        #[diesel(sql_type = BigInt)]
        connections: i64,
    }
    let row = diesel::sql_query(
        "SELECT pg_is_in_recovery() AS in_recovery, current_setting('default_transaction_read_only')::bool AS read_only, \
           (SELECT version || ' ' || cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS tls, \
           (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections",
    )
    .get_result::<Row>(conn)?;
    let session = "SELECT pg_backend_pid()::bigint AS n";
    let keeps_session = rows::number(conn, session)? == rows::number(conn, session)?;
    Ok(Postgres {
        in_recovery: row.in_recovery,
        read_only: row.read_only,
        tls: row.tls,
        connections: row.connections,
        pooler: match pooler {
            Pooler::None => "none",
            Pooler::Transaction => "transaction",
        },
        keeps_session,
        partitions: partitions(conn)?,
    })
}

fn partitions(conn: &mut Conn) -> QueryResult<BTreeMap<String, Partitions>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        parent: String,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Bool)]
        attached: bool,
    }
    // A detached day is known by its name alone.
    let days: Vec<Row> = diesel::sql_query(
        "SELECT p.relname::text AS parent, c.relname::text AS name, i.inhparent IS NOT NULL AS attached \
         FROM pg_class p JOIN pg_class c ON c.relname ~ ('^' || p.relname || '_[0-9]{8}$') AND c.relkind = 'r' \
           AND c.relnamespace = p.relnamespace \
         LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = p.oid \
         WHERE p.relkind = 'p' AND pg_table_is_visible(p.oid) ORDER BY 1, 2",
    )
    .load(conn)?;
    let mut tables: BTreeMap<String, Partitions> = BTreeMap::new();
    for Row { parent, name, attached } in days {
        let table = tables.entry(parent).or_default();
        if attached {
            table.days += 1;
            table.oldest.get_or_insert_with(|| name.clone());
            table.newest = Some(name);
        } else {
            table.detached.push(name);
        }
    }
    for (table, partitions) in &mut tables {
        let outside = format!("SELECT COUNT(*) AS n FROM (SELECT 1 FROM {table}_default LIMIT 1) q");
        partitions.rows_outside = rows::number(conn, &outside)? > 0;
    }
    Ok(tables)
}

fn contents(conn: &mut Conn, now: Timestamp) -> QueryResult<Contents> {
    type Row = (String, Option<i64>, i64, String, i64);
    let columns = (jobs::name, jobs::succeeded_at, jobs::due_at, jobs::leased_by, jobs::leased_until);
    let rows: Vec<Row> = jobs::table.select(columns).order(jobs::name).load(conn)?;
    let moment = |micros: i64| Timestamp::from_microsecond(micros).ok();
    let job = |(name, succeeded_at, due_at, leased_by, leased_until): Row| Job {
        name,
        succeeded_at: succeeded_at.and_then(moment),
        due_at: moment(due_at),
        leased_by: (leased_until > now.as_microsecond()).then_some(leased_by),
    };
    let waiting = "SELECT COUNT(*) AS n FROM outbox WHERE done_at IS NULL";
    Ok(Contents { jobs: rows.into_iter().map(job).collect(), outbox_waiting: rows::number(conn, waiting)? })
}
