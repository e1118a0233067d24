//! The bills of a day, as lines of text that two databases have in common, or have not.

use std::collections::BTreeMap;

use diesel::deserialize::QueryableByName;
use diesel::sql_types::Text;

use super::{Db, Findings};

#[derive(QueryableByName)]
struct LineRow {
    #[diesel(sql_type = Text)]
    line: String,
}

/// What closing writes, without what differs from one time to the next (ids, moments, signatures). `HEX` is a root in hexadecimal.
const LINES: [&str; 8] = [
    "SELECT 'statement ' || rp_id || ' ' || period || ': ' || uses || ' uses, ' || micros || ' micros, ' || paid_micros || ' paid, root ' || HEX AS line FROM statements",
    "SELECT 'item ' || rp_id || ' ' || period || ' ' || line || ': ' || service || ' ' || price_version || ' ' || uses || ' ' || micros AS line FROM statement_items",
    "SELECT 'closed ' || period || ': ' || statements || ' statements, ' || micros || ' micros' AS line FROM closed_periods WHERE statements > 0",
    "SELECT 'audit of ' || s.rp_id || ' ' || s.period AS line FROM audit a JOIN statements s ON s.id = a.object WHERE a.action = 'statement.close'",
    "SELECT 'transactions ' || kind || ': ' || COUNT(*) AS line FROM ledger_transactions GROUP BY kind",
    "SELECT 'account ' || book || ' ' || account || ': ' || CAST(SUM(micros) AS BIGINT) AS line FROM postings GROUP BY book, account",
    "SELECT 'balance ' || rp_id || ': ' || micros AS line FROM balances",
    "SELECT 'payment of ' || rp_id || ' ' || period || ': ' || micros AS line FROM settlement_payments",
];

/// What must be so of closed books, whatever they say: each finds no row.
const NEVER: [(&str, &str); 5] = [
    (
        "closings on record that no statement is of, or a second of one",
        "SELECT COUNT(*) AS number FROM audit a LEFT JOIN statements s ON s.id = a.object WHERE a.action = 'statement.close' AND s.id IS NULL",
    ),
    (
        "statements whose charges are not all in them",
        "SELECT COUNT(*) AS number FROM statements s WHERE (s.uses, s.micros) <> (SELECT COUNT(*), COALESCE(SUM(c.micros), 0) FROM charges c \
           WHERE c.rp_id = s.rp_id AND c.period = s.period)",
    ),
    (
        "charges of a closed period in no statement",
        "SELECT COUNT(*) AS number FROM charges c JOIN closed_periods p ON p.period = c.period \
           LEFT JOIN statements s ON s.rp_id = c.rp_id AND s.period = c.period WHERE s.id IS NULL",
    ),
    (
        "statements that were paid otherwise than their payments say",
        "SELECT COUNT(*) AS number FROM statements s WHERE s.paid_micros <> (SELECT COALESCE(SUM(p.micros), 0) FROM settlement_payments p \
           WHERE p.rp_id = s.rp_id AND p.period = s.period)",
    ),
    (
        "transactions that do not sum to zero",
        "SELECT COUNT(*) AS number FROM (SELECT transaction_id FROM postings GROUP BY transaction_id, currency HAVING SUM(micros) <> 0) q",
    ),
];

/// The bills in a database, and how often each line is there.
pub(in super::super) fn books(db: &mut Db) -> anyhow::Result<BTreeMap<String, u64>> {
    let hex = match db {
        Db::Sqlite(_) => "HEX(root)",
        Db::Postgres(_) => "UPPER(ENCODE(root, 'hex'))",
    };
    let mut lines = BTreeMap::new();
    for query in LINES {
        for row in db.rows::<LineRow>(&query.replace("HEX", hex))? {
            *lines.entry(row.line).or_insert(0) += 1;
        }
    }
    Ok(lines)
}

/// Where books differ from those that nobody disturbed: what they lack is lost, what they have beyond them is doubled.
pub(in super::super) fn compare(
    undisturbed: &BTreeMap<String, u64>,
    db: &mut Db,
) -> anyhow::Result<Findings> {
    let (found, mut findings) = (books(db)?, Findings::default());
    for (line, count) in undisturbed {
        let there = found.get(line).copied().unwrap_or(0);
        if there < *count {
            findings.lost += count - there;
            findings.problems.push(format!("lost: {line}"));
        }
    }
    for (line, count) in &found {
        let expected = undisturbed.get(line).copied().unwrap_or(0);
        if *count > expected {
            findings.doubled += count - expected;
            findings.problems.push(format!("beyond what should be: {line}"));
        }
    }
    for (what, query) in NEVER {
        let rows = db.number(query)?;
        if rows > 0 {
            findings.problems.push(format!("{what}: {rows}"));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed() -> Db {
        let mut db = Db::open("sqlite::memory:").unwrap();
        db.run(
            "CREATE TABLE statements (id, rp_id, period, uses, micros, paid_micros, root); \
             CREATE TABLE statement_items (rp_id, period, line, service, price_version, uses, micros); \
             CREATE TABLE closed_periods (period, statements, micros); CREATE TABLE audit (action, object); \
             CREATE TABLE ledger_transactions (kind); CREATE TABLE postings (book, transaction_id, account, currency, micros); \
             CREATE TABLE balances (rp_id, micros); CREATE TABLE settlement_payments (rp_id, period, micros); \
             CREATE TABLE charges (rp_id, period, micros); \
             INSERT INTO charges VALUES ('rp', 'day', 3), ('rp', 'day', 4); \
             INSERT INTO statements VALUES ('sta', 'rp', 'day', 2, 7, 5, x'00ff'); \
             INSERT INTO statement_items VALUES ('rp', 'day', 0, 'face.compare', 'list-1', 2, 7); \
             INSERT INTO closed_periods VALUES ('day', 1, 7); INSERT INTO audit VALUES ('statement.close', 'sta'); \
             INSERT INTO ledger_transactions VALUES ('settlement'); \
             INSERT INTO postings VALUES ('rp', 't', 'a', 'CNY', 5), ('rp', 't', 'b', 'CNY', -5); \
             INSERT INTO balances VALUES ('rp', 0); INSERT INTO settlement_payments VALUES ('rp', 'day', 5)",
        )
        .unwrap();
        db
    }

    #[test]
    fn the_same_books_are_the_same_and_each_kind_of_damage_is_found() {
        let undisturbed = books(&mut closed()).unwrap();
        assert_eq!(undisturbed.len(), 9);
        assert!(compare(&undisturbed, &mut closed()).unwrap().is_clean());
        for (damage, lost, doubled) in [
            ("DELETE FROM statements", true, false),
            ("UPDATE statements SET root = x'00fe'", true, true),
            ("UPDATE statements SET paid_micros = 10", true, true),
            ("INSERT INTO statement_items SELECT * FROM statement_items", false, true),
            ("DELETE FROM closed_periods", true, false),
            ("INSERT INTO audit SELECT * FROM audit", false, true),
            ("INSERT INTO settlement_payments SELECT * FROM settlement_payments", false, true),
            ("INSERT INTO ledger_transactions VALUES ('settlement')", true, true),
            ("UPDATE balances SET micros = 5", true, true),
            ("INSERT INTO charges VALUES ('rp', 'day', 1)", false, false),
            ("INSERT INTO charges VALUES ('other', 'day', 1)", false, false),
            ("INSERT INTO audit VALUES ('statement.close', 'another')", false, false),
            (
                "INSERT INTO postings VALUES ('rp', 't', 'c', 'CNY', 0), ('rp', 'u', 'a', 'CNY', 1)",
                true,
                true,
            ),
        ] {
            let mut db = closed();
            db.run(damage).unwrap();
            let found = compare(&undisturbed, &mut db).unwrap();
            assert_eq!((found.lost > 0, found.doubled > 0), (lost, doubled), "{damage}: {found:?}");
            assert!(!found.is_clean(), "{damage}");
        }
    }
}
