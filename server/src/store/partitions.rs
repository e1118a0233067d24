//! Days of the tables that grow for ever, on PostgreSQL: `attempts` and `charges` by the day their redemption was opened or the
//! service used, `audit` by the day of the line. SQLite has one table each, and none of this.
//!
//! The ids are ULIDs behind a prefix and so sort by time: a day is a range of ids. That keeps "one charge per redemption"
//! a plain primary key, which PostgreSQL could not enforce over partitions by any other column.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use wallet_core::ids::{AuditId, RedemptionId, UseId};

use super::{Conn, Store};
use crate::stop::Flow;

/// Days made in advance: the job that makes them may fail for a week before rows go into the default partition.
const AHEAD_DAYS: i64 = 7;

/// A partitioned table, and the lower bound of a day in it.
struct Partitioned {
    table: &'static str,
    /// What the names of its partitions begin with.
    prefix: &'static str,
    bound: fn(Timestamp) -> String,
}

const fn of(table: &'static str, prefix: &'static str, bound: fn(Timestamp) -> String) -> Partitioned {
    Partitioned { table, prefix, bound }
}

const TABLES: [Partitioned; 5] = [
    of("attempts", "attempts", |day| RedemptionId::first_at(day).to_string()),
    of("attempts", "attempts_of_uses", |day| UseId::first_at(day).to_string()),
    of("charges", "charges", |day| RedemptionId::first_at(day).to_string()),
    of("charges", "charges_of_uses", |day| UseId::first_at(day).to_string()),
    of("audit", "audit", |day| AuditId::first_at(day).to_string()),
];

impl Store {
    /// Makes the partitions of today and the days to come, and detaches those of days more than `keep_days` ago; the names of
    /// the detached. A detached partition is a table of its own, to be archived and dropped by whoever runs the database.
    pub fn roll_partitions(&self, now: Timestamp, keep_days: Option<u32>) -> Flow<Vec<String>> {
        self.write_guarded(|conn| match conn {
            Conn::Sqlite(_) => Ok(Vec::new()),
            Conn::Postgres(postgres) => {
                create_ahead(postgres, now)?;
                match keep_days {
                    Some(days) => Ok(detach_before(postgres, day_of(now, -i64::from(days)))?),
                    None => Ok(Vec::new()),
                }
            }
        })
    }
}

/// Makes the partitions of today and the days to come, where they are missing.
pub(super) fn create_ahead(postgres: &mut PgConnection, now: Timestamp) -> QueryResult<()> {
    (0..=AHEAD_DAYS).try_for_each(|offset| create(postgres, day_of(now, offset)))
}

/// Makes the partitions of the day that `moment` lies in, where they are missing.
pub(super) fn create_day(postgres: &mut PgConnection, moment: Timestamp) -> QueryResult<()> {
    create(postgres, day_of(moment, 0))
}

fn create(postgres: &mut PgConnection, day: Date) -> QueryResult<()> {
    for Partitioned { table, prefix, bound } in TABLES {
        let name = format!("{prefix}_{}", day.strftime("%Y%m%d"));
        if exists(postgres, &name)? {
            continue;
        }
        let (from, to) = (bound(start(day)), bound(start(day.saturating_add(1.day()))));
        // Made apart and then attached: attaching does not stop those who read or write the table. Identifiers and
        // bounds are ours, made of digits and letters.
        postgres.batch_execute(&format!(
            "CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS); \
             ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{from}') TO ('{to}')"
        ))?;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

fn exists(postgres: &mut PgConnection, name: &str) -> QueryResult<bool> {
    let found = diesel::sql_query(
        "SELECT relname::text AS name FROM pg_class WHERE relname = $1 AND pg_table_is_visible(oid)",
    );
    Ok(!found.bind::<Text, _>(name).load::<Name>(postgres)?.is_empty())
}

fn detach_before(postgres: &mut PgConnection, day: Date) -> QueryResult<Vec<String>> {
    let mut detached = Vec::new();
    for Partitioned { table, prefix, .. } in TABLES {
        let first_kept = format!("{prefix}_{}", day.strftime("%Y%m%d"));
        let old = diesel::sql_query(
            "SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
             WHERE i.inhparent = $1::regclass AND c.relname < $2 AND c.relname ~ $3 ORDER BY 1",
        );
        let days = format!("^{prefix}_[0-9]{{8}}$");
        let old = old.bind::<Text, _>(table).bind::<Text, _>(&first_kept).bind::<Text, _>(days);
        for Name { name } in old.load::<Name>(postgres)? {
            postgres.batch_execute(&format!("ALTER TABLE {table} DETACH PARTITION {name}"))?;
            detached.push(name);
        }
    }
    Ok(detached)
}

/// The day so many days from now, in UTC.
fn day_of(now: Timestamp, offset: i64) -> Date {
    let then = now.saturating_add(SignedDuration::from_hours(24 * offset)).unwrap_or(now);
    TimeZone::UTC.to_datetime(then).date()
}

fn start(day: Date) -> Timestamp {
    TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX)
}
