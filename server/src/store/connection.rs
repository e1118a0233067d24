//! Connections to either database, and the rules under which one is made.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use diesel::connection::{CacheSize, Connection as _, SimpleConnection as _};
use diesel::pg::PgConnection;
use diesel::r2d2::{self, ManageConnection};
use diesel::result::ConnectionError;
use diesel::sqlite::SqliteConnection;

/// A connection to either database.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// Embedded, the default.
    Sqlite(SqliteConnection),
    /// For more than one machine.
    Postgres(PgConnection),
}

/// What stands between us and PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pooler {
    /// Nothing, or a proxy that gives each connection a session of its own.
    None,
    /// PgBouncer in transaction mode: nothing may outlast a transaction, neither settings nor prepared statements.
    Transaction,
}

/// Where the database is, and how long it may keep us waiting.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `sqlite:FILE` or `postgres://…`.
    pub url: String,
    /// Connections at most.
    pub connections: u32,
    /// How long a request waits for a connection, or for SQLite's write lock, before it is refused with 503.
    pub patience: Duration,
    /// How long one statement may take; PostgreSQL ends it then.
    pub statement_timeout: Duration,
    /// How long a statement may wait for a lock; PostgreSQL ends it then.
    pub lock_timeout: Duration,
    /// What stands in between.
    pub pooler: Pooler,
}

impl Settings {
    /// Where the SQLite file is; `None` for PostgreSQL.
    pub fn sqlite_file(&self) -> Option<&str> {
        self.url.strip_prefix("sqlite:")
    }

    /// Makes the folder of a SQLite file, and refuses to send personal data over a network in clear by oversight.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if let Some(folder) = self.sqlite_file().and_then(|file| Path::new(file).parent()) {
            return std::fs::create_dir_all(folder)
                .with_context(|| format!("can't make the folder {}", folder.display()));
        }
        if !self.url.contains("sslmode=") && !hosts(&self.url).all(is_this_machine) {
            bail!(
                "the database is on another machine and the URL says nothing of TLS: add \
                 `?sslmode=verify-full&sslrootcert=FILE`, or `?sslmode=disable` if the network between is trusted"
            );
        }
        Ok(())
    }

    /// A connection, ready to be used.
    pub(super) fn connect(&self) -> Result<Conn, r2d2::Error> {
        match self.url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => self.connect_postgres().map(Conn::Postgres),
            Some(("sqlite", file)) => self.connect_sqlite(file).map(Conn::Sqlite),
            _ => Err(r2d2::Error::ConnectionError(ConnectionError::InvalidConnectionUrl(
                "a database is sqlite:FILE or postgres://…".to_owned(),
            ))),
        }
    }

    fn connect_postgres(&self) -> Result<PgConnection, r2d2::Error> {
        let url = with_defaults(&self.url);
        let mut postgres = PgConnection::establish(&url).map_err(r2d2::Error::ConnectionError)?;
        match self.pooler {
            // Whatever is set here lasts as long as the connection. Each of our prepared statements looks rows up by their keys,
            // whatever the values: planning it once is enough.
            Pooler::None => {
                let settings = format!("{} SET plan_cache_mode = force_generic_plan", self.limits(""));
                postgres.batch_execute(&settings).map_err(r2d2::Error::QueryError)?;
            }
            Pooler::Transaction => postgres.set_prepared_statement_cache_size(CacheSize::Disabled),
        }
        Ok(postgres)
    }

    fn connect_sqlite(&self, file: &str) -> Result<SqliteConnection, r2d2::Error> {
        let mut sqlite = SqliteConnection::establish(file).map_err(r2d2::Error::ConnectionError)?;
        // FULL: a charge that was answered survives a power cut. 16 MiB of pages a connection, and as much of log between two
        // checkpoints: SQLite's defaults are for telephones. What is deleted is overwritten where its page is written anyhow.
        let pragmas = format!(
            "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA foreign_keys = ON; PRAGMA secure_delete = FAST; PRAGMA cache_size = -16384; \
             PRAGMA wal_autocheckpoint = 4096;",
            self.patience.as_millis()
        );
        sqlite.batch_execute(&pragmas).map_err(r2d2::Error::QueryError)?;
        Ok(sqlite)
    }

    /// The statements that bound what PostgreSQL may take; `scope` is `LOCAL` for one transaction.
    fn limits(&self, scope: &str) -> String {
        let (statement, lock) = (self.statement_timeout.as_millis(), self.lock_timeout.as_millis());
        format!(
            "SET {scope} statement_timeout = {statement}; SET {scope} lock_timeout = {lock}; \
             SET {scope} idle_in_transaction_session_timeout = {};",
            2 * statement
        )
    }

    /// What begins a transaction on PostgreSQL.
    pub(super) fn begin(&self, mode: &str) -> String {
        match self.pooler {
            Pooler::None => format!("BEGIN {mode}"),
            Pooler::Transaction => format!("BEGIN {mode}; {}", self.limits("LOCAL")),
        }
    }
}

/// The URL with our defaults for what it leaves open: a dead server is noticed within seconds, and of several hosts the one
/// that takes writes is meant.
fn with_defaults(url: &str) -> String {
    let mut url = url.to_owned();
    let mut defaults = vec![
        ("application_name", "ecert"),
        ("connect_timeout", "3"),
        ("keepalives_idle", "5"),
        ("keepalives_interval", "2"),
        ("keepalives_count", "3"),
        ("tcp_user_timeout", "10000"),
    ];
    if hosts(&url).count() > 1 {
        defaults.push(("target_session_attrs", "read-write"));
    }
    for (key, value) in defaults {
        if !url.contains(&format!("{key}=")) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{key}={value}"));
        }
    }
    url
}

/// The hosts of a PostgreSQL URL, in the authority or as the parameter `host`.
fn hosts(url: &str) -> impl Iterator<Item = &str> {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let parameter = parameters.split('&').find_map(|pair| pair.strip_prefix("host="));
    parameter.unwrap_or(authority).split(',')
}

/// A Unix socket or the loopback address.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.is_empty()
        || name.starts_with('/')
        || name.to_ascii_lowercase().starts_with("%2f")
        || name == "localhost"
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What may be shown of a URL: neither user and password nor parameters.
pub(super) fn without_password(url: &str) -> &str {
    let host = url.rsplit_once('@').map_or(url, |(_, host)| host);
    host.split_once('?').map_or(host, |(host, _)| host)
}

/// A connection in the pool, and whether it is known to be of no more use.
pub(super) struct Pooled {
    pub(super) conn: Conn,
    pub(super) broken: bool,
}

/// Makes connections for the pool.
pub(super) struct Manager(pub(super) Settings);

impl ManageConnection for Manager {
    type Connection = Pooled;
    type Error = r2d2::Error;

    fn connect(&self) -> Result<Pooled, r2d2::Error> {
        Ok(Pooled { conn: self.0.connect()?, broken: false })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), r2d2::Error> {
        pooled.conn.batch_execute("SELECT 1").map_err(r2d2::Error::QueryError)
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        std::thread::panicking() || pooled.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> anyhow::Result<()> {
        let seconds = Duration::from_secs(1);
        let settings = Settings {
            url: url.to_owned(),
            connections: 1,
            patience: seconds,
            statement_timeout: seconds,
            lock_timeout: seconds,
            pooler: Pooler::None,
        };
        settings.check()
    }

    #[test]
    fn another_machine_wants_a_word_about_tls() {
        for url in [
            "postgres://localhost/ecert",
            "postgres://u:p@127.0.0.1:5432/ecert",
            "postgres://[::1]:5432/ecert",
            "postgres:///ecert",
            "postgres:///ecert?host=/run/postgresql",
            "postgres://%2Frun%2Fpostgresql/ecert",
            "postgres://db.example.org/ecert?sslmode=verify-full",
            "postgres://db.example.org/ecert?sslmode=disable",
        ] {
            assert!(at(url).is_ok(), "{url}");
        }
        for url in [
            "postgres://db.example.org/ecert",
            "postgres://u:p@10.0.0.5/ecert",
            "postgres://localhost,db2.example.org/ecert",
            "postgres:///ecert?host=db.example.org",
        ] {
            assert!(at(url).is_err(), "{url}");
        }
    }

    #[test]
    fn of_several_hosts_the_writable_one_is_meant() {
        assert!(with_defaults("postgres://a,b/x").contains("target_session_attrs=read-write"));
        assert!(!with_defaults("postgres://a/x").contains("target_session_attrs"));
        assert!(
            with_defaults("postgres://a/x?connect_timeout=9").contains("?connect_timeout=9&application_name")
        );
    }

    #[test]
    fn what_is_shown_of_a_url_holds_no_password() {
        assert_eq!(without_password("postgres://u:p@h/db?password=x"), "h/db");
        assert_eq!(without_password("sqlite:data/ecert.db"), "sqlite:data/ecert.db");
    }
}
