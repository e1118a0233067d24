//! Both databases have the same tables: SQLite's own words for its tables, put to PostgreSQL, must give what PostgreSQL's
//! migrations give. So PostgreSQL itself puts types, conditions and names into one form.

use std::collections::BTreeSet;
use std::path::PathBuf;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::{PgConnection, SqliteConnection};
use diesel_migrations::{FileBasedMigrations, MigrationHarness as _};
use ecert_server::store::tables::{self, Kind, OF_THE_SCHEMA};
use ecert_tests::app::OwnDatabase;

use crate::database::{Test, server};

/// Tables that only PostgreSQL partitions.
const PARTITIONED: [&str; 3] = ["attempts", "audit", "charges"];
/// Indexes over times that grow with the table: a BRIN says of each block what it spans, and costs next to nothing.
const BY_BLOCK: [&str; 3] = ["idempotency_keys_created_at", "redemptions_opened_at", "spent_codes_spent_at"];
/// Columns that PostgreSQL is told to compare byte by byte, as SQLite does anyhow.
const BYTEWISE: [&str; 118] = [
    "admin_actions.id",
    "announcements.id",
    "announcements.told_up_to",
    "api_keys.rp_id",
    "approvals.api_key_id",
    "approvals.redemption_id",
    "approvals.rp_id",
    "attempts.charge_id",
    "attempts.id",
    "attempts.redemption_id",
    "attempts.rp_id",
    "audit.actor",
    "audit.id",
    "balances.rp_id",
    "balances.transaction_id",
    "blocks.holder_id",
    "blocks.rp_id",
    "cap_days.cap_id",
    "cap_days.rp_id",
    "certificates.holder_id",
    "certificates.id",
    "certificates.sponsorship_id",
    "chargebacks.rp_id",
    "chargebacks.transaction_id",
    "charges.attempt_id",
    "charges.id",
    "charges.pack_id",
    "charges.period",
    "charges.redemption_id",
    "charges.rp_id",
    "charges.transaction_id",
    "closed_periods.period",
    "deliveries.endpoint_id",
    "deliveries.event_id",
    "deliveries.id",
    "deliveries.rp_id",
    "endpoints.id",
    "endpoints.rp_id",
    "enrolments.sponsorship_id",
    "erasures.holder_id",
    "face_groups.id",
    "face_groups.rp_id",
    "group_faces.group_id",
    "group_faces.id",
    "group_faces.rp_id",
    "handles.certificate_id",
    "holders.id",
    "idempotency_keys.key",
    "idempotency_keys.rp_id",
    "ledger_transactions.book",
    "ledger_transactions.id",
    "ledger_transactions.reverses",
    "liveness_sessions.id",
    "liveness_sessions.rp_id",
    "log_entries.id",
    "log_entries.object",
    "log_queue.id",
    "messages.id",
    "messages.rp_id",
    "notices.holder_id",
    "notices.id",
    "numeric_codes.certificate_id",
    "offers.id",
    "orders.id",
    "orders.offer_id",
    "orders.rp_id",
    "orders.transaction_id",
    "outbox.id",
    "over_askings.certificate_id",
    "over_askings.rp_id",
    "pack_alerts.rp_id",
    "packs.id",
    "packs.origin",
    "packs.rp_id",
    "past_uses.certificate_id",
    "past_uses.redemption_id",
    "past_uses.rp_id",
    "payments.id",
    "payments.order_id",
    "payments.rp_id",
    "payments.transaction_id",
    "postings.book",
    "postings.transaction_id",
    "promotions.id",
    "purposes.rp_id",
    "redemptions.certificate_id",
    "redemptions.id",
    "redemptions.rp_id",
    "redemptions.terminal_id",
    "refunds.id",
    "refunds.payment_id",
    "refunds.rp_id",
    "refunds.transaction_id",
    "relying_parties.id",
    "settlement_payments.period",
    "settlement_payments.rp_id",
    "settlement_payments.transaction_id",
    "spent_codes.certificate_id",
    "spent_codes.redemption_id",
    "spent_codes.rp_id",
    "sponsorships.id",
    "sponsorships.rp_id",
    "standing_numbers.holder_id",
    "statement_items.pack_id",
    "statement_items.period",
    "statement_items.rp_id",
    "statements.id",
    "statements.period",
    "statements.rp_id",
    "subscriptions.rp_id",
    "terminals.id",
    "terminals.rp_id",
    "test_clocks.rp_id",
    "withdrawal_notices.id",
    "withdrawal_notices.rp_id",
    "withdrawals.holder_id",
    "withdrawals.id",
    "withdrawals.rp_id",
];

/// What PostgreSQL's catalogues say, one fact a line. Partitions and their copies of everything are left out.
const FACTS: [&str; 3] = [
    "SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || \
       CASE WHEN a.attnotnull THEN ' not null' ELSE '' END || ' at ' || a.attnum || \
       COALESCE(' default ' || pg_get_expr(d.adbin, d.adrelid), '') AS line \
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
     LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace",
    "SELECT 'constraint ' || c.relname || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid) AS line \
     FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid \
     WHERE NOT c.relispartition AND c.relnamespace = 'public'::regnamespace",
    "SELECT 'index ' || replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') AS line \
     FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid \
     WHERE NOT c.relispartition AND c.relnamespace = 'public'::regnamespace",
];

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines<C>(conn: &mut C, query: &str) -> anyhow::Result<BTreeSet<String>>
where
    diesel::query_builder::SqlQuery: diesel::query_dsl::LoadQuery<'static, C, Line>,
{
    let lines: Vec<Line> = diesel::sql_query(query).load(conn)?;
    Ok(lines.into_iter().map(|line| line.line).collect())
}

fn facts(conn: &mut PgConnection) -> anyhow::Result<BTreeSet<String>> {
    let mut facts = BTreeSet::new();
    for query in FACTS {
        facts.extend(lines(conn, query)?);
    }
    Ok(facts)
}

fn folder(database: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(database)
}

fn migrations(database: &str) -> anyhow::Result<FileBasedMigrations> {
    Ok(FileBasedMigrations::from_path(folder(database))?)
}

/// Diesel's boxed errors are none that `?` takes.
fn said(error: Box<dyn std::error::Error + Send + Sync>) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

fn migrated_postgres(url: &str) -> anyhow::Result<PgConnection> {
    let mut postgres = PgConnection::establish(url)?;
    postgres.run_pending_migrations(migrations("postgres")?).map_err(said)?;
    Ok(postgres)
}

fn migrated_sqlite() -> anyhow::Result<SqliteConnection> {
    let mut sqlite = SqliteConnection::establish(":memory:")?;
    sqlite.run_pending_migrations(migrations("sqlite")?).map_err(said)?;
    Ok(sqlite)
}

/// SQLite's statements in PostgreSQL's words: the three types, and that tables are strict anyhow.
fn translated(statement: &str) -> String {
    let statement = statement.replace("INTEGER", "BIGINT").replace("BLOB", "BYTEA");
    statement.strip_suffix(" STRICT").map_or(statement.clone(), str::to_owned)
}

const DIESELS: &str = "__diesel_schema_migrations";

#[test]
fn both_folders_have_migrations_of_the_same_names() -> Test {
    let names = |database| -> anyhow::Result<BTreeSet<_>> {
        Ok(std::fs::read_dir(folder(database))?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<_, _>>()?)
    };
    assert_eq!(names("sqlite")?, names("postgres")?);
    assert!(!names("sqlite")?.is_empty());
    Ok(())
}

#[test]
fn sqlites_tables_put_to_postgresql_are_postgresqls_tables() -> Test {
    let Some(server) = server() else { return Ok(()) };
    let (ours, theirs) = (OwnDatabase::on(&server)?, OwnDatabase::on(&server)?);
    let mut migrated = migrated_postgres(&ours.url())?;

    let mut sqlite = migrated_sqlite()?;
    #[derive(QueryableByName)]
    struct Made {
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        sql: String,
    }
    let made: Vec<Made> = diesel::sql_query(
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND type <> 'trigger' ORDER BY rowid",
    )
    .load(&mut sqlite)?;
    let mut put = PgConnection::establish(&theirs.url())?;
    for Made { sql, .. } in made.iter().filter(|made| made.name != DIESELS) {
        put.batch_execute(&translated(sql))?;
    }

    let is_ours = |fact: &String| !fact.contains(DIESELS);
    let expected: Vec<String> = facts(&mut put)?.into_iter().filter(is_ours).collect();
    let found: Vec<String> = facts(&mut migrated)?.into_iter().filter(is_ours).collect();
    assert!(found.len() > 250, "{found:#?}");
    let by_block = |fact: &&String| fact.contains("USING brin");
    let blocks: Vec<&str> = found.iter().filter(by_block).filter_map(|fact| fact.split(' ').nth(3)).collect();
    assert_eq!(blocks, BY_BLOCK);
    let found: Vec<String> = found.iter().map(|fact| fact.replace("USING brin", "USING btree")).collect();
    let missing = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|fact| !those.contains(fact)).cloned().collect()
    };
    assert_eq!((missing(&expected, &found), missing(&found, &expected)), (Vec::new(), Vec::new()));

    let partitioned = "SELECT relname::text AS line FROM pg_class WHERE relkind = 'p'";
    assert_eq!(lines(&mut migrated, partitioned)?, PARTITIONED.map(str::to_owned).into());
    let bytewise = "SELECT c.relname || '.' || a.attname AS line FROM pg_class c \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 JOIN pg_collation k ON k.oid = a.attcollation \
         WHERE k.collname = 'C' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace";
    assert_eq!(lines(&mut migrated, bytewise)?, BYTEWISE.map(str::to_owned).into());
    let watched = "SELECT c.relname::text AS line FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid \
         WHERE NOT tgisinternal AND NOT c.relispartition";
    let watched_there = "SELECT tbl_name AS line FROM sqlite_schema WHERE type = 'trigger'";
    assert_eq!(lines(&mut migrated, watched)?, lines(&mut sqlite, watched_there)?);
    let lax = "SELECT name AS line FROM pragma_table_list WHERE schema = 'main' AND NOT strict AND name NOT LIKE 'sqlite_%'";
    assert_eq!(lines(&mut sqlite, lax)?, [DIESELS.to_owned()].into());
    Ok(())
}

/// `table.column kind null key-position`, of every table that holds data.
fn listed(names: [&str; 3]) -> BTreeSet<String> {
    let mut listed = BTreeSet::new();
    for table in tables::all() {
        for column in &table.columns {
            let [integer, text, bytes] = names;
            let kind = match column.kind {
                Kind::Integer => integer,
                Kind::Text => text,
                Kind::Bytes => bytes,
            };
            let place = table.key.iter().position(|name| *name == column.name).map_or(0, |place| place + 1);
            let null = i32::from(!column.nullable);
            listed.insert(format!("{}.{} {kind} {null} {place}", table.name, column.name));
        }
    }
    listed
}

fn without_the_schemas_own(lines: BTreeSet<String>) -> BTreeSet<String> {
    let is_data = |line: &String| OF_THE_SCHEMA.iter().all(|table| !line.starts_with(&format!("{table}.")));
    lines.into_iter().filter(is_data).collect()
}

#[test]
fn sqlite_has_the_tables_that_the_program_knows_and_no_others() -> Test {
    let columns = "SELECT t.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk AS line \
         FROM pragma_table_list t JOIN pragma_table_info(t.name) c \
         WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%'";
    let found = without_the_schemas_own(lines(&mut migrated_sqlite()?, columns)?);
    assert_eq!(found, listed(["INTEGER", "TEXT", "BLOB"]));
    Ok(())
}

#[test]
fn postgresql_has_the_tables_that_the_program_knows_and_no_others() -> Test {
    let Some(server) = server() else { return Ok(()) };
    let database = OwnDatabase::on(&server)?;
    let columns = "SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || \
           a.attnotnull::int || ' ' || COALESCE(array_position(k.conkey, a.attnum), 0) AS line \
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p' \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace";
    let found = without_the_schemas_own(lines(&mut migrated_postgres(&database.url())?, columns)?);
    assert_eq!(found, listed(["bigint", "text", "bytea"]));
    Ok(())
}

#[test]
fn every_migration_of_sqlite_can_be_undone_and_run_again() -> Test {
    let mut sqlite = migrated_sqlite()?;
    let tables = "SELECT name || COALESCE(sql, '') AS line FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'";
    let before = lines(&mut sqlite, tables)?;
    sqlite.revert_all_migrations(migrations("sqlite")?).map_err(said)?;
    let left = lines(&mut sqlite, "SELECT name AS line FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")?;
    assert_eq!(left, [DIESELS.to_owned()].into());
    sqlite.run_pending_migrations(migrations("sqlite")?).map_err(said)?;
    assert_eq!(lines(&mut sqlite, tables)?, before);
    Ok(())
}

#[test]
fn every_migration_of_postgresql_can_be_undone_and_run_again() -> Test {
    let Some(server) = server() else { return Ok(()) };
    let database = OwnDatabase::on(&server)?;
    let mut postgres = migrated_postgres(&database.url())?;
    let before = facts(&mut postgres)?;
    postgres.revert_all_migrations(migrations("postgres")?).map_err(said)?;
    let tables = "SELECT relname::text AS line FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace";
    assert_eq!(lines(&mut postgres, tables)?, [DIESELS.to_owned()].into());
    postgres.run_pending_migrations(migrations("postgres")?).map_err(said)?;
    assert_eq!(facts(&mut postgres)?, before);
    Ok(())
}
