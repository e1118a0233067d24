//! What must hold between rows, said as queries for the rows that break it, and the rows that the proofs above this floor
//! are made from. Everything streams, and is of one moment of each database.

mod contents;

use diesel::QueryResult;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;
use wallet_core::ids::{LedgerTransactionId, RedemptionId};

use super::columns::damaged;
use super::relying_parties::OF_THE_SANDBOX;
use super::rows::{self, Rows};
use super::{Conn, Store, backup};
pub use contents::{Attempted, Sample, Sealed, SealedRow, attempts, sealed};

/// How far back every row is still there.
#[derive(Debug, Clone, Copy)]
pub struct Since {
    /// Of what is partitioned: older days may have been detached.
    pub partitions: Timestamp,
    /// Of used codes, which are forgotten after two days.
    pub codes: Timestamp,
}

/// Something that must hold.
pub struct Check {
    /// What a finding is called.
    pub name: &'static str,
    /// Selects an id for each row that breaks it.
    query: String,
}

impl Check {
    /// The ids of the rows that break it.
    pub fn findings<'a>(&self, conn: &'a mut Conn) -> QueryResult<Rows<'a, String>> {
        Ok(Box::new(typed::<(String,)>(conn, &self.query)?.map(|row| row.map(|(id,)| id))))
    }
}

/// Opens both databases as they are now: the relying parties' first, so that what it says of the other is there already.
pub fn with_snapshots<T>(
    rps: &Store,
    holders: &Store,
    work: impl FnOnce(&mut Conn, &mut Conn) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    rps.in_snapshot(|rps| holders.in_snapshot(|holders| work(rps, holders)))
}

/// What SQLite finds wrong with its file, and with references between its rows; PostgreSQL does not allow the latter.
pub fn damages(conn: &mut Conn) -> QueryResult<Vec<String>> {
    let damages = match conn {
        Conn::Postgres(_) => return Ok(Vec::new()),
        Conn::Sqlite(sqlite) => backup::integrity(sqlite)?,
    };
    let query = "SELECT {row(}\"table\" || ' ' || rowid || ' refers to nothing in ' || parent{)row} AS line \
                 FROM pragma_foreign_key_check";
    let dangling = typed::<(String,)>(conn, query)?.map(|row| row.map(|(line,)| line));
    damages.into_iter().map(Ok).chain(dangling).collect()
}

/// The lines of the audit trail about judgements.
const AUDITED: &str = "SELECT actor, object, outcome, COUNT(*) AS lines FROM audit WHERE action = 'redemption.judge' \
                       GROUP BY actor, object, outcome";
/// A charge and an attempt are of one redemption.
const CHARGED: &str = "c.rp_id = a.rp_id AND c.redemption_id = a.redemption_id";

/// What must hold among the tables of relying parties.
pub fn of_rps(since: Since) -> Vec<Check> {
    let red = RedemptionId::first_at(since.partitions);
    let judged = format!("r.state <> 'challenged' AND r.id >= '{red}'");
    let of_redemption = |alias: &str| format!("{alias}.rp_id = r.rp_id AND {alias}.redemption_id = r.id");
    let (its_charge, its_attempt) = (of_redemption("c"), of_redemption("a"));
    let list = [
        ("judged-not-charged", format!(
            "r.id{{)row}} AS line FROM redemptions r WHERE {judged} AND NOT EXISTS (SELECT 1 FROM charges c WHERE {its_charge})")),
        ("charged-not-judged", format!(
            "c.id{{)row}} AS line FROM charges c WHERE substr(c.redemption_id, 1, 4) = 'red_' AND NOT EXISTS \
             (SELECT 1 FROM redemptions r WHERE {its_charge} AND r.state <> 'challenged')")),
        ("judged-without-one-attempt", format!(
            "r.id{{)row}} AS line FROM redemptions r WHERE {judged} AND 1 <> \
             (SELECT COUNT(*) FROM attempts a WHERE {its_attempt} AND a.outcome <> 'unusable')")),
        ("attempt-judged-otherwise", format!(
            "a.id{{)row}} AS line FROM attempts a JOIN redemptions r ON {its_attempt} \
             WHERE a.outcome <> 'unusable' AND a.outcome <> r.state")),
        ("unusable-attempts-miscounted", format!(
            "r.id{{)row}} AS line FROM redemptions r WHERE r.id >= '{red}' AND r.unusable_attempts <> \
             (SELECT COUNT(*) FROM attempts a WHERE {its_attempt} AND a.outcome = 'unusable')")),
        ("cancelled-and-judged",
            "id{)row} AS line FROM redemptions WHERE phase IS NOT NULL AND phase <> 'holder' AND state <> 'challenged'".to_owned()),
        ("captured-by-a-holder-nobody-asked",
            "r.id{)row} AS line FROM redemptions r LEFT JOIN approvals p ON p.rp_id = r.rp_id AND p.redemption_id = r.id \
             WHERE r.phase IN ('awaiting_holder', 'holder') AND p.redemption_id IS NULL".to_owned()),
        ("opened-by-no-terminal",
            "r.id{)row} AS line FROM redemptions r LEFT JOIN terminals t ON t.rp_id = r.rp_id AND t.id = r.terminal_id \
             WHERE r.terminal_id IS NOT NULL AND t.activated_at IS NULL".to_owned()),
        ("charge-without-its-attempt", format!(
            "c.id{{)row}} AS line FROM charges c WHERE NOT EXISTS (SELECT 1 FROM attempts a WHERE {CHARGED} \
             AND a.id = c.attempt_id AND a.charge_id = c.id AND a.service = c.service)")),
        ("attempt-without-its-charge", format!(
            "a.id{{)row}} AS line FROM attempts a WHERE a.charge_id IS NOT NULL AND NOT EXISTS \
             (SELECT 1 FROM charges c WHERE {CHARGED} AND c.id = a.charge_id)")),
        ("redemption-id-twice", grouped("id", "redemptions", "id", "COUNT(*) > 1")),
        ("attempt-id-twice", grouped("id", "attempts", "id", "COUNT(*) > 1")),
        ("charge-id-twice", grouped("id", "charges", "id", "COUNT(*) > 1")),
        ("judged-without-one-audit-line", format!(
            "r.id{{)row}} AS line FROM redemptions r LEFT JOIN ({AUDITED}) a \
             ON a.object = r.id AND a.actor = r.rp_id AND a.outcome = r.state WHERE {judged} AND COALESCE(a.lines, 0) <> 1")),
        // Whatever is no redemption is one call of a service: one attempt, one line.
        ("use-without-one-audit-line",
            "a.id{)row} AS line FROM attempts a LEFT JOIN (SELECT actor, action, object, outcome, COUNT(*) AS lines FROM audit \
               WHERE substr(object, 1, 4) = 'use_' GROUP BY actor, action, object, outcome) l \
             ON l.object = a.redemption_id AND l.actor = a.rp_id AND l.action = a.service AND l.outcome = a.outcome \
             WHERE substr(a.redemption_id, 1, 4) = 'use_' AND COALESCE(l.lines, 0) <> 1".to_owned()),
        ("use-with-two-attempts",
            grouped("redemption_id", "attempts WHERE substr(redemption_id, 1, 4) = 'use_'", "rp_id, redemption_id", "COUNT(*) > 1")),
        ("face-group-miscounted",
            "g.id{)row} AS line FROM face_groups g WHERE g.faces <> (SELECT COUNT(*) FROM group_faces f \
             WHERE f.rp_id = g.rp_id AND f.group_id = g.id AND f.sealed_template IS NOT NULL)".to_owned()),
    ];
    list.into_iter().chain(of_books(since)).chain(of_the_sandbox()).map(check).collect()
}

/// The sandbox and real people have nothing to do with one another.
fn of_the_sandbox() -> Vec<(&'static str, String)> {
    // The id of a test person's certificate is of the first second of 1970.
    let tested = "substr(r.certificate_id, 1, 12) = 'crt_00000000'";
    vec![
        ("sandbox-redeemed-a-person", format!(
            "r.id{{)row}} AS line FROM redemptions r WHERE NOT {tested} AND r.rp_id IN {OF_THE_SANDBOX}")),
        ("test-person-redeemed-live", format!(
            "r.id{{)row}} AS line FROM redemptions r WHERE {tested} AND r.rp_id NOT IN {OF_THE_SANDBOX}")),
        ("sandbox-without-clock",
            "r.id{)row} AS line FROM relying_parties r WHERE r.sandbox <> (SELECT COUNT(*) FROM test_clocks t WHERE t.rp_id = r.id)".to_owned()),
        ("money-of-the-sandbox-elsewhere", format!(
            "p.id{{)row}} AS line FROM payments p WHERE (p.provider = 'sandbox') <> (p.rp_id IN {OF_THE_SANDBOX})")),
    ]
}

/// What must hold among charges, packs, statements and the ledger.
fn of_books(since: Since) -> Vec<(&'static str, String)> {
    // A redemption is judged minutes after it was opened, and its day is that of the opening.
    let hour_later =
        since.partitions.saturating_add(SignedDuration::from_hours(1)).unwrap_or(since.partitions);
    let ltx = LedgerTransactionId::first_at(hour_later);
    let its_postings = "p.book = c.rp_id AND p.transaction_id = c.transaction_id AND p.currency = c.currency";
    vec![
        ("charge-not-of-a-price-list",
            "c.id{)row} AS line FROM charges c WHERE NOT EXISTS (SELECT 1 FROM prices p WHERE p.service = c.service \
             AND p.version = c.price_version AND p.currency = c.currency AND CASE WHEN c.pack_id IS NULL THEN p.micros ELSE 0 END = c.micros)".to_owned()),
        ("charge-and-ledger-differ", format!(
            "c.id{{)row}} AS line FROM charges c WHERE NOT EXISTS (SELECT 1 FROM ledger_transactions t \
               WHERE t.book = c.rp_id AND t.id = c.transaction_id AND t.kind = 'use') \
             OR c.micros <> (SELECT COALESCE(SUM(p.micros), 0) FROM postings p WHERE {its_postings} AND p.micros > 0)")),
        ("charge-of-no-pack",
            "c.id{)row} AS line FROM charges c LEFT JOIN packs p ON p.rp_id = c.rp_id AND p.id = c.pack_id \
             WHERE c.pack_id IS NOT NULL AND (p.id IS NULL OR p.service <> c.service OR c.submitted_at < p.starts_at \
             OR c.submitted_at >= p.expires_at)".to_owned()),
        ("balance-and-ledger-differ",
            "b.rp_id{)row} AS line FROM balances b WHERE b.micros <> (SELECT -COALESCE(SUM(p.micros), 0) FROM postings p \
             WHERE p.book = b.rp_id AND p.account = 'rp:' || b.rp_id || ':balance')".to_owned()),
        ("statement-and-items-differ",
            "s.id{)row} AS line FROM statements s LEFT JOIN (SELECT rp_id, period, SUM(uses) AS uses, SUM(micros) AS micros \
             FROM statement_items GROUP BY rp_id, period) i ON i.rp_id = s.rp_id AND i.period = s.period \
             WHERE COALESCE(i.uses, 0) <> s.uses OR COALESCE(i.micros, 0) <> s.micros".to_owned()),
        // As sets, and below by counting first: joined row by row, a relying party with all the rows would take for ever.
        ("use-not-charged", format!(
            "id{{)row}} AS line FROM (SELECT book, id FROM ledger_transactions WHERE kind = 'use' AND id >= '{ltx}' \
             EXCEPT SELECT rp_id, transaction_id FROM charges) q")),
        ("transaction-without-postings",
            "t.id{)row} AS line FROM ledger_transactions t WHERE NOT EXISTS \
             (SELECT 1 FROM postings p WHERE p.book = t.book AND p.transaction_id = t.id)".to_owned()),
        ("transaction-charged-twice", grouped("transaction_id", "charges", "rp_id, transaction_id", "COUNT(*) > 1")),
        ("transaction-not-balanced",
            grouped("transaction_id", "postings", "book, transaction_id, currency", "SUM(micros) <> 0")),
        ("book-not-balanced", grouped("book", "postings", "book, currency", "SUM(micros) <> 0")),
        ("ledger-not-balanced", grouped("currency", "postings", "currency", "SUM(micros) <> 0")),
    ]
}

/// What must hold among the tables of holders.
pub fn of_holders(since: Since) -> Vec<Check> {
    let codes = since.codes.as_microsecond();
    let its_spending = "s.certificate_id = n.certificate_id AND s.code_id = n.code_mac";
    let list = [
        ("two-active-certificates",
            "holder_id{)row} AS line FROM certificates WHERE state IN ('active', 'suspended') GROUP BY holder_id HAVING COUNT(*) > 1".to_owned()),
        ("certificate-without-handles",
            // They end with the certificate, a while after it.
            format!("c.id{{)row}} AS line FROM certificates c WHERE c.expires_at > {codes} AND NOT EXISTS \
             (SELECT 1 FROM handles h WHERE h.certificate_id = c.id)")),
        ("sponsored-by-nobody",
            "c.id{)row} AS line FROM certificates c LEFT JOIN sponsorships s ON s.id = c.sponsorship_id \
             WHERE c.sponsorship_id IS NOT NULL AND s.used_at IS NULL".to_owned()),
        ("approved-without-certificate",
            "e.id{)row} AS line FROM enrolments e LEFT JOIN certificates c ON c.id = e.certificate_id \
             WHERE e.state = 'approved' AND c.id IS NULL".to_owned()),
        ("enrolled-without-consent",
            "e.id{)row} AS line FROM enrolments e LEFT JOIN consents c ON c.enrolment_id = e.id WHERE c.id IS NULL".to_owned()),
        ("erased-and-not-empty",
            "h.id{)row} AS line FROM holders h WHERE h.erased_at IS NOT NULL AND (h.wrapped_key IS NOT NULL OR EXISTS (SELECT 1 FROM certificates c \
             WHERE c.holder_id = h.id AND (c.state IN ('active', 'suspended') OR LENGTH(c.sealed_attributes) > 0 OR LENGTH(c.sealed_template) > 0 \
             OR c.sealed_portrait IS NOT NULL)))".to_owned()),
        ("two-codes-for-one-redemption", grouped("redemption_id", "spent_codes", "redemption_id", "COUNT(*) > 1")),
        ("digits-spent-by-nobody", format!(
            "n.certificate_id{{)row}} AS line FROM numeric_codes n WHERE n.spent = 1 AND n.expires_at > {codes} AND NOT EXISTS \
             (SELECT 1 FROM spent_codes s WHERE {its_spending})")),
        ("digits-spent-and-live", format!(
            "n.certificate_id{{)row}} AS line FROM numeric_codes n JOIN spent_codes s ON {its_spending} WHERE n.spent = 0")),
    ];
    list.into_iter().map(check).collect()
}

fn grouped(id: &str, table: &str, by: &str, having: &str) -> String {
    format!("{id}{{)row}} AS line FROM {table} GROUP BY {by} HAVING {having}")
}

fn check((name, rest): (&'static str, String)) -> Check {
    Check { name, query: format!("SELECT {{row(}}{rest}") }
}

pub(super) fn typed<'a, T: DeserializeOwned + 'a>(
    conn: &'a mut Conn,
    query: &str,
) -> QueryResult<Rows<'a, T>> {
    let read = |values: QueryResult<Vec<Value>>| {
        // Not serde's own words: they might quote what stands in the row.
        serde_json::from_value(Value::Array(values?)).map_err(|_| damaged(&"a row has another form"))
    };
    Ok(Box::new(rows::stream(conn, query)?.map(read)))
}

/// A disagreement between the two databases, or what is merely worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Across {
    /// A redemption, and no code that it used up.
    WithoutCode(String),
    /// A redemption and the code that names it are of different certificates or relying parties.
    CodeOfAnother(String),
    /// A redemption of a certificate that nobody has.
    UnknownCertificate(String),
    /// A code used up for a redemption that never came to be: allowed, a request was not repeated after a crash.
    NotOpened(String),
}

/// Compares both databases by merging two sorted streams, twice; tells `found` what it finds.
pub fn across(
    rps: &mut Conn,
    holders: &mut Conn,
    since: Since,
    mut found: impl FnMut(Across),
) -> QueryResult<()> {
    let from = RedemptionId::first_at(since.codes);
    let opened = format!(
        "SELECT {{row(}}id, rp_id, certificate_id{{)row}} AS line FROM redemptions WHERE id >= '{from}' \
         AND rp_id NOT IN {OF_THE_SANDBOX} ORDER BY id"
    );
    let spent = format!(
        "SELECT {{row(}}redemption_id, rp_id, certificate_id{{)row}} AS line FROM spent_codes \
         WHERE redemption_id >= '{from}' ORDER BY redemption_id"
    );
    type Use = (String, String, String);
    merge(
        typed::<Use>(rps, &opened)?,
        typed::<Use>(holders, &spent)?,
        |one| &one.0,
        |pair| match pair {
            (Some(opened), None) => found(Across::WithoutCode(opened.0)),
            (Some(opened), Some(spent)) if opened != spent => found(Across::CodeOfAnother(opened.0)),
            (None, Some(spent)) => found(Across::NotOpened(spent.0)),
            _ => {}
        },
    )?;
    let used = format!(
        "SELECT {{row(}}certificate_id{{)row}} AS line FROM redemptions WHERE rp_id NOT IN {OF_THE_SANDBOX} \
         GROUP BY certificate_id ORDER BY certificate_id"
    );
    let known = "SELECT {row(}id{)row} AS line FROM certificates ORDER BY id";
    type Id = (String,);
    merge(
        typed::<Id>(rps, &used)?,
        typed::<Id>(holders, known)?,
        |one| &one.0,
        |pair| {
            if let (Some(used), None) = pair {
                found(Across::UnknownCertificate(used.0));
            }
        },
    )
}

/// Walks two streams that are sorted by a key, and tells `pair` for each key who has it.
fn merge<T>(
    mut left: impl Iterator<Item = QueryResult<T>>,
    mut right: impl Iterator<Item = QueryResult<T>>,
    key: impl Fn(&T) -> &String,
    mut pair: impl FnMut((Option<T>, Option<T>)),
) -> QueryResult<()> {
    let (mut one, mut other) = (left.next().transpose()?, right.next().transpose()?);
    loop {
        let order = match (&one, &other) {
            (None, None) => return Ok(()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(one), Some(other)) => key(one).cmp(key(other)),
        };
        let takes_left = order.is_le();
        let takes_right = order.is_ge();
        pair((one.take_if(|_| takes_left), other.take_if(|_| takes_right)));
        if takes_left {
            one = left.next().transpose()?;
        }
        if takes_right {
            other = right.next().transpose()?;
        }
    }
}

/// Used codes are forgotten after 48 h; an hour less keeps the job from running between.
pub const CODES_ARE_KEPT: SignedDuration = SignedDuration::from_hours(47);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_tells_for_every_key_who_has_it() {
        let stream =
            |keys: &str| keys.chars().map(|key| Ok((key.to_string(),))).collect::<Vec<_>>().into_iter();
        let mut pairs = Vec::new();
        let note = |(one, other): (Option<(String,)>, Option<(String,)>)| {
            pairs.push((one.map(|one| one.0), other.map(|other| other.0)));
        };
        merge(stream("abd"), stream("bc"), |one| &one.0, note).unwrap();
        let pair = |one: &str, other: &str| {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            (some(one), some(other))
        };
        assert_eq!(pairs, [pair("a", ""), pair("b", "b"), pair("", "c"), pair("d", "")]);
    }

    #[test]
    fn a_sample_is_a_part_of_many_and_all_of_few() {
        assert_eq!(Sample::About(10).condition(1000), "{chance} < 10000");
        assert_eq!(Sample::About(10).condition(10), "1 = 1");
        assert_eq!(Sample::All.condition(1000), "1 = 1");
    }
}
