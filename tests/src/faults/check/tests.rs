//! The checker must find what it is there to find: one redemption as it must be, then each way to break it.

use super::*;
use crate::faults::client::{Ask, What};

const RECEIPT: &str = "header.claims.signature";

/// One passed redemption with everything that belongs to it, in a database that lets what is billed be changed.
const WHOLE: &str = "
    PRAGMA foreign_keys = OFF;
    DROP TRIGGER charges_stay;
    DROP TRIGGER postings_stay;
    INSERT INTO redemptions (rp_id, id, certificate_id, purpose, asked, share, nonce, deadline, state,
        unusable_attempts, opened_at, closed_at)
    VALUES ('rp_1', 'red_1', 'crt_1', 'check', 'name', 'name', x'00', 1, 'passed', 0, 1, 1);
    INSERT INTO spent_codes (certificate_id, code_id, rp_id, redemption_id, request_mac, spent_at)
    VALUES ('crt_1', x'01', 'rp_1', 'red_1', x'00', 1);
    INSERT INTO attempts (rp_id, redemption_id, id, service, outcome, charge_id, receipt, judged_at)
    VALUES ('rp_1', 'red_1', 'att_1', 'ecert.redeem', 'passed', 'chg_1', 'hash.claims.signature', 1);
    INSERT INTO jws_headers (id, header) VALUES ('hash', 'header');
    INSERT INTO ledger_transactions (book, id, kind, posted_at) VALUES ('rp_1', 'ltx_1', 'use', 1);
    INSERT INTO postings (book, transaction_id, line, account, currency, micros)
    VALUES ('rp_1', 'ltx_1', 0, 'rp:rp_1:receivable', 'CNY', 7), ('rp_1', 'ltx_1', 1, 'revenue', 'CNY', -7);
    INSERT INTO charges (rp_id, redemption_id, id, attempt_id, service, price_version, currency, micros,
        transaction_id, usage_date, charged_at)
    VALUES ('rp_1', 'red_1', 'chg_1', 'att_1', 'ecert.redeem', '1', 'CNY', 7, 'ltx_1', '2026-11-22', 1);
    INSERT INTO audit (actor, id, action, object, outcome, at)
    VALUES ('rp_1', 'aud_1', 'redemption.open', 'red_1', 'challenged', 1),
           ('rp_1', 'aud_2', 'redemption.judge', 'red_1', 'passed', 1);";

fn told() -> Journal {
    let answer = |judged| Acknowledged {
        ask: Ask { shop: 0, key: "key".to_owned(), what: What::Open { code: String::new() } },
        answer: [0; 32],
        rp: "rp_1".to_owned(),
        tries: 1,
        redemption: "red_1".to_owned(),
        judged,
    };
    let charge = Charge { id: "chg_1".to_owned(), transaction: "ltx_1".to_owned(), micros: 7 };
    let judged = Judged {
        outcome: "passed".to_owned(),
        attempt: "att_1".to_owned(),
        receipt: sha256(RECEIPT.as_bytes()),
        charge: Some(charge),
    };
    let mut journal = Journal::default();
    journal.opened.push(answer(None));
    journal.captures.push(answer(Some(judged)));
    journal
}

/// What is found after `damage`.
fn after(damage: &str) -> Findings {
    let folder = tempfile::tempdir().unwrap();
    let installation = crate::load::Installation::new(folder.path(), None).unwrap();
    // Nobody in it, but its tables.
    crate::load::Population::new(1).grow(&installation, 0, 0).unwrap();
    let mut db = Db::open(&installation.database()).unwrap();
    db.run(WHOLE).unwrap();
    db.run(damage).unwrap();
    check(&mut db, &told(), Extent::Exactly).unwrap()
}

#[test]
fn what_is_whole_is_found_whole() {
    let found = after("");
    assert!(found.is_clean(), "{found:?}");
}

#[test]
fn what_is_missing_or_other_than_told_is_lost() {
    for damage in [
        "DELETE FROM redemptions",
        "DELETE FROM attempts",
        "UPDATE attempts SET receipt = 'another'",
        "DELETE FROM jws_headers",
        "UPDATE attempts SET outcome = 'failed'",
        "DELETE FROM charges",
        "UPDATE charges SET micros = 8",
        "UPDATE charges SET transaction_id = 'ltx_2'",
        "UPDATE redemptions SET rp_id = 'rp_2'; UPDATE attempts SET rp_id = 'rp_2'",
    ] {
        let found = after(damage);
        assert!(found.lost > 0 || !found.problems.is_empty(), "{damage}: {found:?}");
        assert!(found.lost > 0 || damage.contains("rp_2"), "{damage}: {found:?}");
    }
}

#[test]
fn what_is_there_twice_is_doubled() {
    for damage in [
        "INSERT INTO attempts SELECT rp_id, redemption_id, 'att_2', service, outcome, reason, 'chg_2', receipt,
            judged_at FROM attempts",
        "INSERT INTO charges (rp_id, redemption_id, id, attempt_id, service, price_version, currency, micros,
            transaction_id, usage_date, charged_at) SELECT 'rp_2', redemption_id, 'chg_2', 'att_2', service, price_version, currency, micros,
            'ltx_2', usage_date, charged_at FROM charges",
        "INSERT INTO charges (rp_id, redemption_id, id, attempt_id, service, price_version, currency, micros,
            transaction_id, usage_date, charged_at) SELECT rp_id, 'red_2', 'chg_2', 'att_2', service, price_version, currency, micros,
            transaction_id, usage_date, charged_at FROM charges",
        "INSERT INTO spent_codes SELECT certificate_id, x'02', rp_id, redemption_id, request_mac, spent_at
            FROM spent_codes",
    ] {
        let found = after(damage);
        assert!(found.doubled > 0, "{damage}: {found:?}");
    }
}

#[test]
fn whatever_else_must_not_be_is_named() {
    for (damage, word) in [
        ("UPDATE postings SET micros = 8 WHERE line = 0", "sum"),
        ("UPDATE postings SET account = 'elsewhere' WHERE line = 0", "not posted"),
        ("DELETE FROM ledger_transactions", "without their transaction"),
        ("INSERT INTO ledger_transactions VALUES ('rp_1', 'ltx_2', 'use', NULL, 1)", "without a charge"),
        ("DELETE FROM audit WHERE action = 'redemption.open'", "for their opening"),
        ("DELETE FROM audit WHERE action = 'redemption.judge'", "for their judgement"),
        (
            "INSERT INTO audit SELECT actor, 'aud_3', action, object, outcome, at, why FROM audit WHERE id = 'aud_2'",
            "for their judgement",
        ),
        ("INSERT INTO audit VALUES ('rp_1', 'aud_3', 'redemption.judge', 'red_2', 'passed', 1, NULL)", "did not happen"),
        ("DELETE FROM spent_codes", "without the code"),
        ("UPDATE redemptions SET state = 'failed'", "says otherwise"),
        (
            "INSERT INTO redemptions (rp_id, id, certificate_id, purpose, asked, share, nonce, deadline, state,
                unusable_attempts, opened_at)
             SELECT rp_id, 'red_2', certificate_id, purpose, asked, share, nonce, deadline, 'challenged', 0,
                opened_at FROM redemptions",
            "clients were told of 1",
        ),
    ] {
        let found = after(damage);
        assert!(found.problems.iter().any(|problem| problem.contains(word)), "{damage}: {found:?}");
    }
}
