//! The checker: proves from the tables alone, in SQL of its own, that what clients were told is there once and billed once.
//!
//! It shares no code with the product, and with its rules it is the only part of the faults that names tables.

mod books;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use anyhow::Context as _;
use diesel::connection::SimpleConnection as _;
use diesel::deserialize::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection as _, PgConnection, RunQueryDsl as _, SqliteConnection, sql_query};
use wallet_core::es256::sha256;

pub(super) use self::books::{books, compare as compare_books};
use self::rules::{DOUBLES, RULES};
use super::traffic::{Acknowledged, Charge, Journal, Judged};

/// Ids in one statement.
const CHUNK: usize = 500;

/// What the checker found.
#[derive(Debug, Default, Clone)]
pub(super) struct Findings {
    /// Acknowledged, and not there as the client saw it.
    pub(super) lost: u64,
    /// Twice there, or billed twice.
    pub(super) doubled: u64,
    /// Whatever else must not be.
    pub(super) problems: Vec<String>,
}

impl Findings {
    /// Nothing was found.
    pub(super) fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.problems.is_empty()
    }
}

/// How strictly a journal is held against the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Clients are at work: what they were told must be there, and more may be.
    AtLeast,
    /// Every key has its answer, and the journal is whole: nothing else may be there.
    Exactly,
}

/// A connection that only reads, save where a fault is put in.
pub(super) enum Db {
    /// Of the server's file.
    Sqlite(SqliteConnection),
    /// Straight, past every proxy.
    Postgres(PgConnection),
}

macro_rules! on {
    ($db:expr, $conn:ident => $work:expr) => {
        match $db {
            Db::Sqlite($conn) => $work,
            Db::Postgres($conn) => $work,
        }
    };
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct HeaderRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    header: String,
}

#[derive(QueryableByName)]
struct OpenRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    rp_id: String,
}

#[derive(QueryableByName)]
struct AttemptRow {
    #[diesel(sql_type = Text)]
    redemption: String,
    #[diesel(sql_type = Text)]
    attempt: String,
    #[diesel(sql_type = Text)]
    rp_id: String,
    #[diesel(sql_type = Text)]
    outcome: String,
    #[diesel(sql_type = Text)]
    receipt: String,
    #[diesel(sql_type = Text)]
    charge: String,
    #[diesel(sql_type = Text)]
    ledger: String,
    #[diesel(sql_type = BigInt)]
    micros: i64,
}

impl Db {
    /// Opens the database of a URL as the server knows it.
    pub(super) fn open(url: &str) -> anyhow::Result<Db> {
        match url.strip_prefix("sqlite:") {
            Some(file) => {
                let mut sqlite = SqliteConnection::establish(file)?;
                sqlite.batch_execute("PRAGMA busy_timeout = 20000")?;
                Ok(Db::Sqlite(sqlite))
            }
            None => Ok(Db::Postgres(PgConnection::establish(url)?)),
        }
    }

    /// Runs statements as they are.
    pub(super) fn run(&mut self, sql: &str) -> anyhow::Result<()> {
        Ok(on!(self, conn => conn.batch_execute(sql))?)
    }

    /// The one number that a query gives as `number`.
    pub(super) fn number(&mut self, sql: &str) -> anyhow::Result<i64> {
        let found: Number =
            on!(self, conn => sql_query(sql).get_result(conn)).with_context(|| sql.to_owned())?;
        Ok(found.number)
    }

    fn rows<T>(&mut self, sql: &str) -> anyhow::Result<Vec<T>>
    where
        T: QueryableByName<diesel::sqlite::Sqlite> + QueryableByName<diesel::pg::Pg> + 'static,
    {
        on!(self, conn => sql_query(sql).load(conn)).with_context(|| sql.to_owned())
    }

    /// Makes every insert of a line into the audit trail fail, or lets them through again.
    pub(super) fn break_audit(&mut self, broken: bool) -> anyhow::Result<()> {
        let sqlite = matches!(self, Db::Sqlite(_));
        self.run(match (sqlite, broken) {
            (true, true) => {
                "CREATE TRIGGER fault BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'fault'); END"
            }
            (true, false) => "DROP TRIGGER fault",
            (false, true) => {
                "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''fault''; END';
                 CREATE TRIGGER fault BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION fault()"
            }
            (false, false) => "DROP TRIGGER fault ON audit; DROP FUNCTION fault()",
        })
    }

    /// Holds what every redemption needs, until [`Db::let_go`].
    pub(super) fn hold(&mut self) -> anyhow::Result<()> {
        match self {
            Db::Sqlite(_) => self.run("BEGIN IMMEDIATE"),
            Db::Postgres(_) => self.run("BEGIN; LOCK TABLE redemptions IN ACCESS EXCLUSIVE MODE"),
        }
    }

    /// Lets go of it.
    pub(super) fn let_go(&mut self) -> anyhow::Result<()> {
        self.run("ROLLBACK")
    }

    /// Charges that are there.
    pub(super) fn charges(&mut self) -> anyhow::Result<i64> {
        self.number("SELECT COUNT(*) AS number FROM charges")
    }
}

/// Compares the tables with a journal that was read before them.
pub(super) fn check(db: &mut Db, journal: &Journal, extent: Extent) -> anyhow::Result<Findings> {
    db.run(match db {
        Db::Sqlite(_) => "BEGIN",
        Db::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    })?;
    let found = compare(db, journal, extent);
    db.run("ROLLBACK")?;
    found
}

fn compare(db: &mut Db, journal: &Journal, extent: Extent) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    for part in journal.opened.chunks(CHUNK) {
        openings(db, part, &mut findings)?;
    }
    let headers = db.rows::<HeaderRow>("SELECT id, header FROM jws_headers")?;
    let headers = headers.into_iter().map(|row| (row.id, row.header)).collect();
    for part in journal.captures.chunks(CHUNK) {
        attempts(db, part, &headers, &mut findings)?;
    }
    broken_rules(db, &mut findings)?;
    if extent == Extent::Exactly {
        totals(db, journal, &mut findings)?;
    }
    findings.problems.extend(journal.odd.iter().map(|odd| format!("a client was told: {odd}")));
    if journal.refused.keys().any(|word| word.contains("code-already-redeemed")) {
        // Each code is fresh: somebody's opening was carried out, and asking again did not give its answer.
        findings.problems.push("a client was told that its fresh code was redeemed before".to_owned());
    }
    Ok(findings)
}

fn list<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = ids.map(|id| format!("'{}'", id.replace('\'', "''"))).collect();
    quoted.join(",")
}

fn openings(db: &mut Db, told: &[Acknowledged], findings: &mut Findings) -> anyhow::Result<()> {
    let ids = list(told.iter().map(|answer| answer.redemption.as_str()));
    let rows: Vec<OpenRow> = db.rows(&format!("SELECT id, rp_id FROM redemptions WHERE id IN ({ids})"))?;
    let mut there: HashMap<String, Vec<OpenRow>> = HashMap::new();
    for row in rows {
        there.entry(row.id.clone()).or_default().push(row);
    }
    for answer in told {
        match there.get(&answer.redemption).map_or(&[][..], Vec::as_slice) {
            [] => findings.lost += 1,
            [row] if row.rp_id == answer.rp => {}
            [_] => findings.problems.push("a redemption of another relying party".to_owned()),
            _ => findings.doubled += 1,
        }
    }
    Ok(())
}

/// A token as it was told, from one that is stored as `hash of its header.payload.signature`.
fn whole(stored: &str, headers: &HashMap<String, String>) -> String {
    let parts = stored.split_once('.').and_then(|(id, rest)| Some((headers.get(id)?, rest)));
    parts.map_or_else(|| stored.to_owned(), |(header, rest)| format!("{header}.{rest}"))
}

fn attempts(
    db: &mut Db,
    told: &[Acknowledged],
    headers: &HashMap<String, String>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let ids = list(told.iter().map(|answer| answer.redemption.as_str()));
    let rows: Vec<AttemptRow> = db.rows(&format!(
        "SELECT a.redemption_id AS redemption, a.id AS attempt, a.rp_id, a.outcome, a.receipt,
                COALESCE(a.charge_id, '') AS charge, COALESCE(c.transaction_id, '') AS ledger,
                COALESCE(c.micros, -1) AS micros
         FROM attempts a
         LEFT JOIN charges c ON c.id = a.charge_id AND c.attempt_id = a.id
              AND c.redemption_id = a.redemption_id AND c.rp_id = a.rp_id
         WHERE a.redemption_id IN ({ids})"
    ))?;
    let mut there: HashMap<String, Vec<AttemptRow>> = HashMap::new();
    for mut row in rows {
        row.receipt = whole(&row.receipt, headers);
        there.entry(row.redemption.clone()).or_default().push(row);
    }
    for answer in told {
        let Some(judged) = &answer.judged else { continue };
        let rows = there.get(&answer.redemption).map_or(&[][..], Vec::as_slice);
        match rows.iter().filter(|row| row.attempt == judged.attempt).collect::<Vec<_>>().as_slice() {
            [] => findings.lost += 1,
            [row] if row.rp_id == answer.rp && is_as_told(row, judged) => {}
            [row] => {
                findings.lost += 1;
                findings.problems.push(format!("{} is not as the client was told", row.attempt));
            }
            _ => findings.doubled += 1,
        }
        if judged.charge.is_some() && rows.iter().filter(|row| row.outcome != "unusable").count() > 1 {
            findings.doubled += 1;
        }
    }
    Ok(())
}

fn is_as_told(row: &AttemptRow, told: &Judged) -> bool {
    let charge = (!row.charge.is_empty()).then(|| Charge {
        id: row.charge.clone(),
        transaction: row.ledger.clone(),
        micros: row.micros,
    });
    row.outcome == told.outcome && sha256(row.receipt.as_bytes()) == told.receipt && charge == told.charge
}

fn broken_rules(db: &mut Db, findings: &mut Findings) -> anyhow::Result<()> {
    let mut broken = |sql: &str| db.number(&format!("SELECT COUNT(*) AS number FROM ({sql}) AS broken"));
    for sql in DOUBLES {
        findings.doubled += u64::try_from(broken(sql)?)?;
    }
    for (words, sql) in RULES {
        let times = broken(sql)?;
        if times > 0 {
            findings.problems.push(format!("{times} {words}"));
        }
    }
    let sum = db.number("SELECT CAST(COALESCE(SUM(micros), 0) AS BIGINT) AS number FROM postings")?;
    if sum != 0 {
        findings.problems.push(format!("the ledger sums to {sum}"));
    }
    Ok(())
}

/// Acknowledged = rows = charges = receipts with a charge = uses in the ledger.
fn totals(db: &mut Db, journal: &Journal, findings: &mut Findings) -> anyhow::Result<()> {
    let charged =
        |answer: &&Acknowledged| answer.judged.as_ref().is_some_and(|judged| judged.charge.is_some());
    let judged = journal.captures.iter().filter(charged).count();
    let unusable = journal.captures.len() - judged;
    let expected = [
        (journal.opened.len(), "redemptions"),
        (judged, "redemptions WHERE state IN ('passed', 'failed')"),
        (judged, "attempts WHERE outcome <> 'unusable' AND charge_id IS NOT NULL AND receipt <> ''"),
        (unusable, "attempts WHERE outcome = 'unusable'"),
        (judged, "charges"),
        (judged, "ledger_transactions WHERE kind = 'use'"),
    ];
    for (told, rows) in expected {
        let there = db.number(&format!("SELECT COUNT(*) AS number FROM {rows}"))?;
        if u64::try_from(there)? != told as u64 {
            findings.problems.push(format!("clients were told of {told}, and there are {there} {rows}"));
        }
    }
    Ok(())
}
