//! What a replay of the books reads. What grows with use is streamed; the rest is as much as a relying party has periods, packs and payments.

use diesel::QueryResult;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde::Deserialize;
use wallet_core::ids::{RedemptionId, RelyingPartyId, UseId};

use super::consistency::typed;
use super::rows::Rows;
use super::{Conn, Store};

/// Runs `work` over the database as it is now, however long it takes.
///
/// # Errors
/// When it can't be read, and those of `work`.
pub fn with_snapshot<T>(
    store: &Store,
    work: impl FnOnce(&mut Conn) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    store.in_snapshot(work)
}

/// Periods that begin on these days; `None` is without end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Days {
    /// The first.
    pub from: Option<Date>,
    /// The last.
    pub to: Option<Date>,
}

/// From a use to its judgement and charge it takes minutes at most.
const SLACK: SignedDuration = SignedDuration::from_hours(1);

impl Days {
    /// Whether a period of this name begins on one of them.
    pub fn have(self, period: &str) -> bool {
        let first: Option<Date> = match period.len() {
            7 => format!("{period}-01").parse().ok(),
            _ => period.get(..10).and_then(|day| day.parse().ok()),
        };
        // What has no date is looked at.
        first.is_none_or(|first| {
            self.from.is_none_or(|from| from <= first) && self.to.is_none_or(|to| first <= to)
        })
    }

    /// A condition that every charge of them meets (others may), so that the index is used.
    fn condition(self, zone: &TimeZone) -> String {
        let start = |day: Date| day.to_zoned(zone.clone()).map(|start| start.timestamp()).ok();
        let from = self.from.and_then(start).and_then(|from| from.checked_sub(SLACK).ok());
        // A month begins on its first day.
        let last = self.to.and_then(|to| to.checked_add(Span::new().days(33)).ok());
        let to = last.and_then(start).unwrap_or(Timestamp::MAX);
        let Some(from) = from else {
            return match self.to {
                None => "1 = 1".to_owned(),
                Some(_) => between(Timestamp::UNIX_EPOCH, to),
            };
        };
        between(from, to)
    }
}

fn between(from: Timestamp, to: Timestamp) -> String {
    let range = |from: &dyn std::fmt::Display, to: &dyn std::fmt::Display| {
        format!("(c.redemption_id >= '{from}' AND c.redemption_id < '{to}')")
    };
    let redemptions = range(&RedemptionId::first_at(from), &RedemptionId::first_at(to));
    let uses = range(&UseId::first_at(from), &UseId::first_at(to));
    format!("({redemptions} OR {uses})")
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Line {
    /// Which account.
    pub account: String,
    /// What it counts.
    pub currency: String,
    /// How much.
    pub micros: i64,
}

/// A charge with its attempt and its ledger transaction, as far as there are any.
#[derive(Debug, Deserialize)]
pub struct Charge {
    pub id: String,
    pub occasion: String,
    pub attempt: String,
    pub service: String,
    pub price_version: String,
    pub currency: String,
    pub micros: i64,
    pub transaction: String,
    pub usage_date: String,
    pub charged_at: i64,
    pub pack: Option<String>,
    pub period: Option<String>,
    pub submitted_at: Option<i64>,
    pub attempt_service: Option<String>,
    pub attempt_outcome: Option<String>,
    pub attempt_charge: Option<String>,
    pub receipt: Option<String>,
    pub kind: Option<String>,
    pub posted_at: Option<i64>,
    pub lines: i64,
    pub first: (Option<String>, Option<String>, Option<i64>),
    pub second: (Option<String>, Option<String>, Option<i64>),
}

impl Charge {
    /// The period that it is stated in.
    pub fn stated_in(&self) -> &str {
        self.period.as_deref().unwrap_or(&self.usage_date)
    }

    /// Its postings, as far as there are two.
    pub fn postings(&self) -> Vec<Line> {
        let line = |line: &(Option<String>, Option<String>, Option<i64>)| match line {
            (Some(account), Some(currency), Some(micros)) => {
                Some(Line { account: account.clone(), currency: currency.clone(), micros: *micros })
            }
            _ => None,
        };
        [&self.first, &self.second].into_iter().filter_map(line).collect()
    }
}

/// The charges of a relying party, period by period, in each by their ids.
pub fn charges<'a>(
    conn: &'a mut Conn,
    rp: RelyingPartyId,
    days: Days,
    zone: &TimeZone,
) -> QueryResult<Rows<'a, Charge>> {
    let its = |alias: &str| format!("{alias}.book = c.rp_id AND {alias}.transaction_id = c.transaction_id");
    let (first, second, any) = (its("d"), its("k"), its("p"));
    let within = days.condition(zone);
    let query = format!(
        "SELECT {{row(}}c.id, c.redemption_id, c.attempt_id, c.service, c.price_version, c.currency, c.micros, c.transaction_id, \
           c.usage_date, c.charged_at, c.pack_id, c.period, c.submitted_at, a.service, a.outcome, a.charge_id, a.receipt, t.kind, \
           t.posted_at, (SELECT COUNT(*) FROM postings p WHERE {any}), {{row(}}d.account, d.currency, d.micros), \
           {{row(}}k.account, k.currency, k.micros){{)row}} AS line \
         FROM charges c \
         LEFT JOIN attempts a ON a.rp_id = c.rp_id AND a.redemption_id = c.redemption_id AND a.id = c.attempt_id \
         LEFT JOIN ledger_transactions t ON t.book = c.rp_id AND t.id = c.transaction_id \
         LEFT JOIN postings d ON {first} AND d.line = 0 LEFT JOIN postings k ON {second} AND k.line = 1 \
         WHERE c.rp_id = '{rp}' AND {within} ORDER BY COALESCE(c.period, c.usage_date), c.id"
    );
    typed(conn, &query)
}

/// A use, for the order in which packs are drawn.
#[derive(Debug, Clone, Deserialize)]
pub struct Drawn {
    pub id: String,
    pub service: String,
    pub pack: Option<String>,
    pub charged_at: i64,
    pub submitted_at: i64,
}

/// Every use of the services that a relying party has packs of, in the order in which they were written.
pub fn drawn(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<Rows<'_, Drawn>> {
    typed(
        conn,
        &format!(
            "SELECT {{row(}}c.id, c.service, c.pack_id, c.charged_at, COALESCE(c.submitted_at, c.charged_at){{)row}} AS line \
             FROM charges c WHERE c.rp_id = '{rp}' AND c.service IN (SELECT service FROM packs WHERE rp_id = '{rp}') \
             ORDER BY c.charged_at, c.id"
        ),
    )
}

/// An attempt that was not charged, or that no charge is found of.
#[derive(Debug, Deserialize)]
pub struct Uncharged {
    pub id: String,
    pub charge: Option<String>,
    pub receipt: String,
    pub judged_at: i64,
}

/// Attempts without a charge.
pub fn uncharged(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<Rows<'_, Uncharged>> {
    typed(
        conn,
        &format!(
            "SELECT {{row(}}a.id, a.charge_id, a.receipt, a.judged_at{{)row}} AS line FROM attempts a \
             WHERE a.rp_id = '{rp}' AND NOT EXISTS (SELECT 1 FROM charges c WHERE c.rp_id = a.rp_id \
             AND c.redemption_id = a.redemption_id AND c.attempt_id = a.id) ORDER BY a.id"
        ),
    )
}

/// A statement with its signed token.
#[derive(Debug, Deserialize)]
pub struct Statement {
    pub period: String,
    pub id: String,
    pub starts_at: i64,
    pub ends_at: i64,
    pub uses: i64,
    pub micros: i64,
    pub root: String,
    pub token: String,
    pub closed_at: i64,
    pub paid: i64,
    pub late_fee: i64,
    pub settled_at: Option<i64>,
    pub late_fee_paid_at: Option<i64>,
}

/// The statements of a relying party, in the order in which they became due.
pub fn statements(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<Rows<'_, Statement>> {
    typed(
        conn,
        &format!(
            "SELECT {{row(}}period, id, starts_at, ends_at, uses, micros, {{hex(}}root{{)hex}}, token, closed_at, paid_micros, \
             late_fee_micros, settled_at, late_fee_paid_at{{)row}} AS line FROM statements WHERE rp_id = '{rp}' \
             ORDER BY closed_at, id"
        ),
    )
}

/// A transaction of the ledger that is not a use, line by line; one without lines comes once.
#[derive(Debug, Deserialize)]
pub struct Posted {
    pub id: String,
    pub kind: String,
    pub posted_at: i64,
    pub account: Option<String>,
    pub currency: Option<String>,
    pub micros: Option<i64>,
}

/// Transactions that are not uses, with their postings.
pub fn transactions(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<Rows<'_, Posted>> {
    typed(
        conn,
        &format!(
            "SELECT {{row(}}t.id, t.kind, t.posted_at, p.account, p.currency, p.micros{{)row}} AS line FROM ledger_transactions t \
             LEFT JOIN postings p ON p.book = t.book AND p.transaction_id = t.id \
             WHERE t.book = '{rp}' AND t.kind <> 'use' ORDER BY t.id, p.line"
        ),
    )
}

/// A list of rows that is short.
macro_rules! list {
    ($(#[$about:meta])* $name:ident: $row:ident { $($field:ident: $type:ty),+ $(,)? } $query:literal) => {
        #[doc = "A row, by the columns of docs/DATABASE.md."]
        #[derive(Debug, Clone, Deserialize)]
        pub struct $row { $(pub $field: $type),+ }

        $(#[$about])*
        pub fn $name(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<Vec<$row>> {
            let query = $query.replace("RP", &format!("'{rp}'"));
            typed(conn, &query)?.collect()
        }
    };
}

list! {
    /// The packs of a relying party, with the number of charges that name each.
    packs: Pack {
        id: String, service: String, origin: String, paid: i64, earned: i64, units: i64, remaining: i64, granted_at: i64,
        starts_at: i64, expires_at: i64, voided_at: Option<i64>, drawn: i64,
    }
    "SELECT {row(}p.id, p.service, p.origin, p.paid_micros, p.earned_micros, p.units, p.remaining, p.granted_at, p.starts_at, \
       p.expires_at, p.voided_at, COALESCE(d.drawn, 0){)row} AS line FROM packs p \
     LEFT JOIN (SELECT pack_id, COUNT(*) AS drawn FROM charges WHERE rp_id = RP AND pack_id IS NOT NULL GROUP BY pack_id) d \
       ON d.pack_id = p.id WHERE p.rp_id = RP ORDER BY p.expires_at, p.id"
}

list! {
    /// The orders of a relying party that were paid, with their offers.
    orders: Order {
        id: String, quantity: i64, list: i64, micros: i64, gift: i64, state: String, closed_at: Option<i64>,
        transaction: Option<String>, service: Option<String>, kind: Option<String>, units: Option<i64>, months: Option<i64>,
        price: Option<i64>, offer: String, promotions: String, coupon: Option<String>, placed_at: i64,
    }
    "SELECT {row(}o.id, o.quantity, o.list_micros, o.micros, o.gift, o.state, o.closed_at, o.transaction_id, f.service, f.kind, \
       f.units, f.months, f.micros, o.offer_id, o.promotions, o.coupon_id, o.placed_at{)row} AS line FROM orders o LEFT JOIN offers f ON f.id = o.offer_id AND f.valid_from = o.offer_from \
     WHERE o.rp_id = RP AND o.state IN ('fulfilled', 'withdrawn') ORDER BY o.id"
}

list! {
    /// Money that came in, and was credited.
    payments: Payment { id: String, provider: String, micros: i64, decided_at: Option<i64>, transaction: Option<String> }
    "SELECT {row(}id, provider, micros, decided_at, transaction_id{)row} AS line FROM payments \
     WHERE rp_id = RP AND state = 'credited' ORDER BY id"
}

list! {
    /// Money that was sent back.
    refunds: Refund { id: String, provider: Option<String>, micros: i64, decided_at: Option<i64>, transaction: Option<String> }
    "SELECT {row(}r.id, p.provider, r.micros, r.decided_at, r.transaction_id{)row} AS line FROM refunds r \
     LEFT JOIN payments p ON p.id = r.payment_id WHERE r.rp_id = RP AND r.state = 'approved' ORDER BY r.id"
}

list! {
    /// Money that a gateway took back.
    chargebacks: Chargeback { provider: String, reference: String, micros: i64, short: i64, transaction: Option<String> }
    "SELECT {row(}provider, reference, micros, short_micros, transaction_id{)row} AS line FROM chargebacks \
     WHERE rp_id = RP ORDER BY provider, reference"
}

list! {
    /// The items of its statements.
    items: Item {
        period: String, service: String, price_version: String, pack: Option<String>, uses: i64, micros: i64,
    }
    "SELECT {row(}period, service, price_version, pack_id, uses, micros{)row} AS line FROM statement_items \
     WHERE rp_id = RP ORDER BY period, line"
}

list! {
    /// What was paid of its statements, the earliest first.
    settlements: Paid { period: String, transaction: String, micros: i64, paid_at: i64 }
    "SELECT {row(}period, transaction_id, micros, paid_at{)row} AS line FROM settlement_payments WHERE rp_id = RP \
     ORDER BY paid_at, transaction_id"
}

list! {
    /// What its postings sum to, by account.
    accounts: Sum { account: String, currency: String, micros: i64 }
    "SELECT {row(}account, currency, CAST(SUM(micros) AS BIGINT){)row} AS line FROM postings WHERE book = RP \
     GROUP BY account, currency"
}

list! {
    /// Its balance, as it is kept.
    balance: Balance { micros: i64 }
    "SELECT {row(}micros{)row} AS line FROM balances WHERE rp_id = RP"
}

list! {
    /// Uses in the ledger that no charge, or more than one, names.
    uses_without_charge: Named { id: String }
    "SELECT {row(}id{)row} AS line FROM (SELECT id FROM ledger_transactions WHERE book = RP AND kind = 'use' EXCEPT \
       SELECT transaction_id FROM charges WHERE rp_id = RP) q \
     UNION ALL SELECT {row(}transaction_id{)row} FROM charges WHERE rp_id = RP GROUP BY transaction_id HAVING COUNT(*) > 1"
}

list! {
    /// Postings of no transaction.
    stray_postings: Stray { id: String }
    "SELECT {row(}transaction_id{)row} AS line FROM (SELECT transaction_id FROM postings WHERE book = RP EXCEPT \
       SELECT id FROM ledger_transactions WHERE book = RP) q"
}

/// Books of relying parties that there are not.
pub fn unknown_books(conn: &mut Conn) -> QueryResult<Vec<(String,)>> {
    let query = "SELECT {row(}book{)row} AS line FROM (SELECT book FROM ledger_transactions UNION SELECT book FROM postings \
                 UNION SELECT rp_id FROM charges UNION SELECT rp_id FROM statements UNION SELECT rp_id FROM balances \
                 EXCEPT SELECT id FROM relying_parties) q";
    typed(conn, query)?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_of_the_day_on_which_it_begins() {
        let day = |text: &str| Some(text.parse().unwrap());
        let days = Days { from: day("2026-11-02"), to: day("2026-12-01") };
        for inside in ["2026-11-02", "2026-12-01T23+08", "2026-12", "not a day"] {
            assert!(days.have(inside), "{inside}");
        }
        for outside in ["2026-11-01", "2026-11", "2026-12-02T00+08"] {
            assert!(!days.have(outside), "{outside}");
        }
        assert!(Days::default().have("2026-11"));
    }
}
