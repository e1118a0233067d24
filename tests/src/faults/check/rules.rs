//! What must be found nowhere, in SQL that both databases understand.

/// What is there twice, or billed twice: each must find no row.
pub(super) const DOUBLES: [&str; 8] = [
    "SELECT redemption_id FROM charges GROUP BY redemption_id HAVING COUNT(*) > 1",
    "SELECT attempt_id FROM charges GROUP BY attempt_id HAVING COUNT(*) > 1",
    "SELECT transaction_id FROM charges GROUP BY transaction_id HAVING COUNT(*) > 1",
    "SELECT id FROM charges GROUP BY id HAVING COUNT(*) > 1",
    "SELECT redemption_id FROM attempts WHERE outcome <> 'unusable' GROUP BY redemption_id HAVING COUNT(*) > 1",
    "SELECT code_id FROM spent_codes GROUP BY certificate_id, code_id HAVING COUNT(*) > 1",
    "SELECT redemption_id FROM spent_codes GROUP BY redemption_id HAVING COUNT(*) > 1",
    "SELECT rp_id FROM idempotency_keys GROUP BY rp_id, key HAVING COUNT(*) > 1",
];

/// A word for each other rule, and what must find no row.
pub(super) const RULES: [(&str, &str); 12] = [
    (
        "redemptions without the code that was spent on them",
        "SELECT r.id FROM redemptions r LEFT JOIN spent_codes s ON s.redemption_id = r.id
             AND s.rp_id = r.rp_id AND s.certificate_id = r.certificate_id WHERE s.code_id IS NULL",
    ),
    (
        "charges without the attempt they are for",
        "SELECT c.id FROM charges c LEFT JOIN attempts a ON a.charge_id = c.id AND a.id = c.attempt_id
             AND a.rp_id = c.rp_id AND a.redemption_id = c.redemption_id AND a.outcome <> 'unusable' WHERE a.id IS NULL",
    ),
    (
        "judged attempts without a charge",
        "SELECT a.id FROM attempts a LEFT JOIN charges c ON c.id = a.charge_id
         WHERE a.outcome <> 'unusable' AND c.id IS NULL",
    ),
    (
        "judged attempts whose redemption says otherwise",
        "SELECT a.id FROM attempts a LEFT JOIN redemptions r ON r.rp_id = a.rp_id AND r.id = a.redemption_id AND r.state = a.outcome
         WHERE a.outcome <> 'unusable' AND r.id IS NULL",
    ),
    (
        "closed redemptions without a judged attempt",
        "SELECT r.id FROM redemptions r LEFT JOIN attempts a ON a.rp_id = r.rp_id AND a.redemption_id = r.id AND a.outcome = r.state
         WHERE r.state IN ('passed', 'failed') AND a.id IS NULL",
    ),
    (
        "charges without their transaction in the ledger",
        "SELECT c.id FROM charges c LEFT JOIN ledger_transactions t ON t.id = c.transaction_id
         WHERE t.id IS NULL",
    ),
    (
        "uses in the ledger without a charge",
        "SELECT t.id FROM ledger_transactions t LEFT JOIN charges c ON c.transaction_id = t.id
         WHERE t.kind = 'use' AND c.id IS NULL",
    ),
    (
        "transactions that do not sum to zero",
        "SELECT transaction_id FROM postings GROUP BY transaction_id, currency HAVING SUM(micros) <> 0",
    ),
    (
        "charges that were not posted to their relying party at their price",
        "SELECT c.id FROM charges c WHERE 1 <> (SELECT COUNT(*) FROM postings p WHERE p.book = c.rp_id
             AND p.transaction_id = c.transaction_id AND p.account = 'rp:' || c.rp_id || ':receivable' AND p.micros = c.micros)",
    ),
    (
        "redemptions without exactly one line of audit for their opening",
        "SELECT r.id FROM redemptions r LEFT JOIN (SELECT actor, object, COUNT(*) AS many FROM audit
             WHERE action = 'redemption.open' AND outcome = 'challenged' GROUP BY object, actor) l
             ON l.object = r.id AND l.actor = r.rp_id
         WHERE COALESCE(l.many, 0) <> 1",
    ),
    (
        "attempts without exactly one line of audit for their judgement",
        "SELECT a.redemption_id FROM (SELECT redemption_id, outcome, COUNT(*) AS many FROM attempts
             GROUP BY redemption_id, outcome) a
         LEFT JOIN (SELECT object, outcome, COUNT(*) AS many FROM audit WHERE action = 'redemption.judge'
             GROUP BY object, outcome) l ON l.object = a.redemption_id AND l.outcome = a.outcome
         WHERE COALESCE(l.many, 0) <> a.many",
    ),
    (
        "lines of audit about what did not happen",
        "SELECT l.id FROM audit l LEFT JOIN redemptions r ON r.rp_id = l.actor AND r.id = l.object
             LEFT JOIN attempts a ON a.rp_id = l.actor AND a.redemption_id = l.object AND a.outcome = l.outcome
         WHERE (l.action = 'redemption.open' AND l.outcome = 'challenged' AND r.id IS NULL)
            OR (l.action = 'redemption.judge' AND a.id IS NULL)",
    ),
];
