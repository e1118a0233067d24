//! Statements: the bill of a relying party for a period, and the charges that it is made from.

use std::collections::HashSet;

use diesel::prelude::*;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use wallet_core::ids::{
    ChargeId, LedgerTransactionId, PackId, RedemptionId, RelyingPartyId, StatementId, UseId,
};
use wallet_core::money::Micros;

use super::columns::{array, damaged, parse, time};
use super::schema::{
    billing_cycles, closed_periods, settlement_payments, statement_items as items, statements,
};
use super::{Conn, exactly_one, rows};
use crate::billing::periods::Cycle;
use crate::billing::price::Service;
use crate::billing::statement::{ItemKey, Sums};

/// A bill.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Which.
    pub id: StatementId,
    /// Whose.
    pub rp: RelyingPartyId,
    /// For which period, by its name.
    pub period: String,
    /// From when until when that was.
    pub bounds: (Timestamp, Timestamp),
    /// Charges in it.
    pub uses: i64,
    /// Their sum.
    pub micros: Micros,
    /// The root of the tree over its receipts.
    pub root: [u8; 32],
    /// The statement, signed.
    pub token: String,
    /// When it was made.
    pub closed_at: Timestamp,
    /// What of it is paid.
    pub paid: Micros,
    /// The late fee, once the last of it is paid.
    pub late_fee: Micros,
    /// When it was paid in full.
    pub settled_at: Option<Timestamp>,
    /// When the late fee was, too; at once where there is none.
    pub late_fee_paid_at: Option<Timestamp>,
}

type Row = (String, String, (i64, i64), i64, i64, Vec<u8>, String, i64, i64, i64, Option<i64>, Option<i64>);

macro_rules! columns {
    () => {
        (
            statements::id,
            statements::period,
            (statements::starts_at, statements::ends_at),
            statements::uses,
            statements::micros,
            statements::root,
            statements::token,
            statements::closed_at,
            statements::paid_micros,
            statements::late_fee_micros,
            statements::settled_at,
            statements::late_fee_paid_at,
        )
    };
}

fn from_row(rp: RelyingPartyId, row: Row) -> QueryResult<Statement> {
    let (
        id,
        period,
        bounds,
        uses,
        micros,
        root,
        token,
        closed_at,
        paid,
        late_fee,
        settled_at,
        late_fee_paid_at,
    ) = row;
    Ok(Statement {
        id: parse(&id)?,
        rp,
        period,
        bounds: (time(bounds.0)?, time(bounds.1)?),
        uses,
        micros: Micros::new(micros),
        root: array(&root)?,
        token,
        closed_at: time(closed_at)?,
        paid: Micros::new(paid),
        late_fee: Micros::new(late_fee),
        settled_at: settled_at.map(time).transpose()?,
        late_fee_paid_at: late_fee_paid_at.map(time).transpose()?,
    })
}

/// Whether a period of a relying party is closed.
pub fn exists(conn: &mut Conn, rp: RelyingPartyId, period: &str) -> QueryResult<bool> {
    let found = statements::table.find((rp.to_string(), period));
    diesel::dsl::select(diesel::dsl::exists(found)).get_result(conn)
}

/// Adds a statement with its items.
pub fn insert(conn: &mut Conn, statement: &Statement, lines: &[(ItemKey, Sums)]) -> QueryResult<()> {
    let row = (
        statements::rp_id.eq(statement.rp.to_string()),
        statements::period.eq(&statement.period),
        statements::id.eq(statement.id.to_string()),
        statements::uses.eq(statement.uses),
        statements::micros.eq(statement.micros.get()),
        statements::root.eq(statement.root.as_slice()),
        statements::token.eq(&statement.token),
        statements::closed_at.eq(statement.closed_at.as_microsecond()),
        statements::starts_at.eq(statement.bounds.0.as_microsecond()),
        statements::ends_at.eq(statement.bounds.1.as_microsecond()),
        statements::paid_micros.eq(statement.paid.get()),
        statements::late_fee_micros.eq(0),
    );
    diesel::insert_into(statements::table).values(row).execute(conn)?;
    for (line, (key, sums)) in (0_i64..).zip(lines) {
        let row = (
            items::rp_id.eq(statement.rp.to_string()),
            items::period.eq(&statement.period),
            items::line.eq(line),
            items::service.eq(key.service.as_str()),
            items::price_version.eq(&key.price_version),
            items::pack_id.eq(key.pack.map(|pack| pack.to_string())),
            items::uses.eq(i64::try_from(sums.uses).unwrap_or(i64::MAX)),
            items::micros.eq(sums.micros.get()),
        );
        diesel::insert_into(items::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// The statement of a period.
pub fn find(conn: &mut Conn, rp: RelyingPartyId, period: &str) -> QueryResult<Option<Statement>> {
    let found = statements::table.find((rp.to_string(), period)).select(columns!());
    found.first::<Row>(conn).optional()?.map(|row| from_row(rp, row)).transpose()
}

/// Statements of periods after `after`, the earliest first.
pub fn list(conn: &mut Conn, rp: RelyingPartyId, after: &str, limit: i64) -> QueryResult<Vec<Statement>> {
    let found = statements::table
        .filter(statements::rp_id.eq(rp.to_string()))
        .filter(statements::period.gt(after))
        .order(statements::period)
        .limit(limit)
        .select(columns!());
    found.load::<Row>(conn)?.into_iter().map(|row| from_row(rp, row)).collect()
}

/// Those of which something, be it the late fee alone, is not paid; the oldest first.
pub fn owed(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<Vec<Statement>> {
    let found = statements::table
        .filter(statements::rp_id.eq(rp.to_string()))
        .filter(statements::late_fee_paid_at.is_null())
        .order((statements::closed_at, statements::period))
        .select(columns!());
    found.load::<Row>(conn)?.into_iter().map(|row| from_row(rp, row)).collect()
}

/// The items of a statement, in their order.
pub fn items(conn: &mut Conn, rp: RelyingPartyId, period: &str) -> QueryResult<Vec<(ItemKey, Sums)>> {
    let found = items::table
        .filter(items::rp_id.eq(rp.to_string()))
        .filter(items::period.eq(period))
        .order(items::line)
        .select((items::service, items::price_version, items::pack_id, items::uses, items::micros));
    let rows = found.load::<(String, String, Option<String>, i64, i64)>(conn)?.into_iter();
    rows.map(|(service, price_version, pack, uses, micros)| {
        let service = Service::parse(&service).ok_or_else(|| damaged(&"statement_items.service"))?;
        let pack = pack.as_deref().map(parse).transpose()?;
        let uses = u64::try_from(uses).map_err(|error| damaged(&error))?;
        let units = if pack.is_some() { uses } else { 0 };
        Ok((ItemKey { service, price_version, pack }, Sums { uses, units, micros: Micros::new(micros) }))
    })
    .collect()
}

/// How many units the statements so far say were drawn from a pack.
pub fn drawn(conn: &mut Conn, rp: RelyingPartyId, pack: PackId) -> QueryResult<i64> {
    let found = items::table
        .filter(items::rp_id.eq(rp.to_string()))
        .filter(items::pack_id.eq(pack.to_string()))
        .select(items::uses);
    Ok(found.load::<i64>(conn)?.into_iter().sum())
}

/// Notes what was paid of a statement, up to all of it; with the last of it the late fee is fixed.
pub fn pay(
    conn: &mut Conn,
    statement: &Statement,
    micros: Micros,
    late_fee: Option<Micros>,
    (transaction, now): (LedgerTransactionId, Timestamp),
) -> QueryResult<()> {
    let as_read = statements::table
        .find((statement.rp.to_string(), &statement.period))
        .filter(statements::settled_at.is_null())
        .filter(statements::paid_micros.eq(statement.paid.get()));
    let values = (
        statements::paid_micros.eq(statements::paid_micros + micros.get()),
        statements::late_fee_micros.eq(late_fee.unwrap_or(Micros::ZERO).get()),
        statements::settled_at.eq(late_fee.map(|_| now.as_microsecond())),
        statements::late_fee_paid_at
            .eq(late_fee.filter(|fee| *fee == Micros::ZERO).map(|_| now.as_microsecond())),
    );
    exactly_one(diesel::update(as_read).set(values).execute(conn)?)?;
    if micros == Micros::ZERO {
        return Ok(());
    }
    use settlement_payments as p;
    let row = (
        p::rp_id.eq(statement.rp.to_string()),
        p::period.eq(&statement.period),
        p::transaction_id.eq(transaction.to_string()),
        p::micros.eq(micros.get()),
        p::paid_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(p::table).values(row).execute(conn).map(drop)
}

/// Notes that the late fee of a statement is paid.
pub fn pay_late_fee(conn: &mut Conn, rp: RelyingPartyId, period: &str, now: Timestamp) -> QueryResult<()> {
    let unpaid = statements::table
        .find((rp.to_string(), period))
        .filter(statements::settled_at.is_not_null())
        .filter(statements::late_fee_paid_at.is_null());
    let values = statements::late_fee_paid_at.eq(now.as_microsecond());
    exactly_one(diesel::update(unpaid).set(values).execute(conn)?)
}

/// What was paid of a statement, and when, the earliest first.
pub fn payments(conn: &mut Conn, rp: RelyingPartyId, period: &str) -> QueryResult<Vec<(Timestamp, Micros)>> {
    use settlement_payments as p;
    let found = p::table
        .filter(p::rp_id.eq(rp.to_string()))
        .filter(p::period.eq(period))
        .order((p::paid_at, p::transaction_id))
        .select((p::paid_at, p::micros));
    let rows = found.load::<(i64, i64)>(conn)?.into_iter();
    rows.map(|(at, micros)| Ok((time(at)?, Micros::new(micros)))).collect()
}

/// A charge, as a statement is made from it.
#[derive(Debug)]
pub struct Line {
    /// Which.
    pub charge: ChargeId,
    /// The redemption or use.
    pub occasion: String,
    /// What was used.
    pub service: Service,
    /// The price list.
    pub price_version: String,
    /// The pack that it was drawn from.
    pub pack: Option<PackId>,
    /// What it added to what is owed.
    pub micros: Micros,
    /// The receipt, shortened.
    pub receipt: String,
}

/// Between the bounds of a period and the moment that an id of a redemption is of lie minutes at most.
const SLACK: SignedDuration = SignedDuration::from_hours(1);

/// The occasions that charges of a period may have, as conditions on the primary key: a range of redemptions, and one of other uses.
fn occasions((from, to): (Timestamp, Timestamp)) -> [String; 2] {
    let from = from.saturating_sub(SLACK).unwrap_or(Timestamp::MIN);
    let to = to.saturating_add(SLACK).unwrap_or(Timestamp::MAX);
    let range = |from: &dyn std::fmt::Display, to: &dyn std::fmt::Display| {
        format!("c.redemption_id >= '{from}' AND c.redemption_id < '{to}'")
    };
    [
        range(&RedemptionId::first_at(from), &RedemptionId::first_at(to)),
        range(&UseId::first_at(from), &UseId::first_at(to)),
    ]
}

/// Charges of before there were periods are of a day.
const PERIOD: &str = "COALESCE(c.period, c.usage_date)";

/// How many charges of a relying party a period has, and their sum.
pub fn totals(
    conn: &mut Conn,
    rp: RelyingPartyId,
    period: &str,
    bounds: (Timestamp, Timestamp),
) -> QueryResult<(i64, i64)> {
    let mut totals = (0, 0);
    for range in occasions(bounds) {
        let query = format!(
            "SELECT {{row(}}COUNT(*), CAST(COALESCE(SUM(c.micros), 0) AS BIGINT){{)row}} AS line FROM charges c \
             WHERE c.rp_id = '{rp}' AND {range} AND {PERIOD} = '{period}'"
        );
        for row in rows::stream(conn, &query)? {
            let (uses, micros): (i64, i64) = of_json(row?)?;
            totals = (totals.0 + uses, totals.1 + micros);
        }
    }
    Ok(totals)
}

/// The charges of a relying party in a period, one after another, in the order of their ids.
///
/// # Errors
/// Those of the database, and of `each`.
pub fn lines<E: From<diesel::result::Error>>(
    conn: &mut Conn,
    rp: RelyingPartyId,
    period: &str,
    bounds: (Timestamp, Timestamp),
    mut each: impl FnMut(Line) -> Result<(), E>,
) -> Result<(), E> {
    type Columns = (String, String, String, String, Option<String>, i64, String);
    let [redemptions, uses] = occasions(bounds);
    let query = format!(
        "SELECT {{row(}}c.id, c.redemption_id, c.service, c.price_version, c.pack_id, c.micros, a.receipt{{)row}} AS line \
             FROM charges c JOIN attempts a ON a.rp_id = c.rp_id AND a.redemption_id = c.redemption_id AND a.id = c.attempt_id \
             WHERE c.rp_id = '{rp}' AND (({redemptions}) OR ({uses})) AND {PERIOD} = '{period}' ORDER BY c.id"
    );
    for row in rows::stream(conn, &query)? {
        let (charge, occasion, service, price_version, pack, micros, receipt): Columns = of_json(row?)?;
        let service = Service::parse(&service).ok_or_else(|| damaged(&"charges.service"))?;
        let pack = pack.as_deref().map(parse).transpose()?;
        let micros = Micros::new(micros);
        each(Line { charge: parse(&charge)?, occasion, service, price_version, pack, micros, receipt })?;
    }
    Ok(())
}

fn of_json<T: serde::de::DeserializeOwned>(row: Vec<serde_json::Value>) -> QueryResult<T> {
    // Not serde's own words: they might quote what stands in the row.
    serde_json::from_value(serde_json::Value::Array(row)).map_err(|_| damaged(&"a row has another form"))
}

/// The relying parties after `after` (all that have charges of a period are among them), by their ids.
pub fn relying_parties(conn: &mut Conn, after: &str, limit: i64) -> QueryResult<Vec<RelyingPartyId>> {
    use super::schema::relying_parties as r;
    let found = r::table.filter(r::id.gt(after)).order(r::id).limit(limit).select(r::id);
    found.load::<String>(conn)?.iter().map(|id| parse(id)).collect()
}

/// Notes that every statement of a period is made; not twice.
pub fn close(conn: &mut Conn, period: &str, made: (i64, Micros), now: Timestamp) -> QueryResult<()> {
    use closed_periods as c;
    if is_closed(conn, period)? {
        return Ok(());
    }
    let row = (
        c::period.eq(period),
        c::statements.eq(made.0),
        c::micros.eq(made.1.get()),
        c::closed_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(c::table).values(row).execute(conn).map(drop)
}

/// Whether every statement of a period is made.
pub fn is_closed(conn: &mut Conn, period: &str) -> QueryResult<bool> {
    diesel::dsl::select(diesel::dsl::exists(closed_periods::table.find(period))).get_result(conn)
}

/// The periods that are closed.
pub fn closed(conn: &mut Conn) -> QueryResult<HashSet<String>> {
    Ok(closed_periods::table.select(closed_periods::period).load(conn)?.into_iter().collect())
}

/// Cycles other than the usual, and since when they are in use.
pub fn cycles(conn: &mut Conn) -> QueryResult<Vec<(Cycle, Timestamp)>> {
    let found = billing_cycles::table
        .order(billing_cycles::since)
        .select((billing_cycles::cycle, billing_cycles::since));
    let rows = found.load::<(String, i64)>(conn)?.into_iter();
    rows.map(|(cycle, since)| Ok((cycle_of_word(&cycle)?, time(since)?))).collect()
}

/// How often a service is billed.
pub fn cycle_of(conn: &mut Conn, service: Service) -> QueryResult<Cycle> {
    let found = billing_cycles::table.find(service.as_str()).select(billing_cycles::cycle);
    found.first::<String>(conn).optional()?.map_or(Ok(Cycle::Daily), |cycle| cycle_of_word(&cycle))
}

fn cycle_of_word(word: &str) -> QueryResult<Cycle> {
    Cycle::parse(word).ok_or_else(|| damaged(&"billing_cycles.cycle"))
}

/// The moment before which nothing can have been used: nobody was admitted.
pub fn first_use_after(conn: &mut Conn) -> QueryResult<Option<Timestamp>> {
    use super::schema::relying_parties as r;
    let first: Option<i64> = r::table.select(diesel::dsl::min(r::created_at)).first(conn)?;
    first.map(time).transpose()
}

/// How many relying parties there are.
pub fn relying_party_count(conn: &mut Conn) -> QueryResult<i64> {
    super::schema::relying_parties::table.count().get_result(conn)
}

/// What was used in a period.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Usage {
    /// Its name.
    pub period: String,
    /// Of what.
    pub service: String,
    /// How often.
    pub uses: i64,
    /// How many of these were drawn from packs.
    pub from_packs: i64,
    /// What is owed for the others, in micro-yuan.
    pub micros: i64,
    /// Whether the period is closed, and this is for ever.
    pub stated: bool,
}

/// What was used in the periods that begin between two moments, in their order.
pub fn usage(
    conn: &mut Conn,
    rp: RelyingPartyId,
    (from, to): (Timestamp, Timestamp),
) -> QueryResult<Vec<Usage>> {
    let stated = format!(
        "SELECT {{row(}}s.period, i.service, CAST(SUM(i.uses) AS BIGINT), \
         CAST(SUM(CASE WHEN i.pack_id IS NULL THEN 0 ELSE i.uses END) AS BIGINT), CAST(SUM(i.micros) AS BIGINT){{)row}} AS line \
         FROM statements s JOIN statement_items i ON i.rp_id = s.rp_id AND i.period = s.period \
         WHERE s.rp_id = '{rp}' AND s.starts_at >= {} AND s.starts_at < {} GROUP BY s.period, i.service",
        from.as_microsecond(),
        to.as_microsecond(),
    );
    let mut usage = grouped(conn, &stated, true)?;
    let last = statements::table
        .filter(statements::rp_id.eq(rp.to_string()))
        .select(diesel::dsl::max(statements::starts_at));
    let last: Option<i64> = last.first(conn)?;
    // What is not stated can't have begun before what is, but for a month or a day that is longer than the one that was closed last.
    let month = SignedDuration::from_hours(31 * 24);
    let since = last.map(time).transpose()?.map_or(from, |last| last.saturating_sub(month).unwrap_or(from));
    for range in occasions((from.max(since), to)) {
        let open = format!(
            "SELECT {{row(}}{PERIOD}, c.service, COUNT(*), CAST(SUM(CASE WHEN c.pack_id IS NULL THEN 0 ELSE 1 END) AS BIGINT), \
             CAST(SUM(c.micros) AS BIGINT){{)row}} AS line FROM charges c WHERE c.rp_id = '{rp}' AND {range} \
             AND COALESCE(c.submitted_at, c.charged_at) >= {} AND COALESCE(c.submitted_at, c.charged_at) < {} \
             AND NOT EXISTS (SELECT 1 FROM statements s WHERE s.rp_id = c.rp_id AND s.period = {PERIOD}) \
             GROUP BY {PERIOD}, c.service",
            from.as_microsecond(),
            to.as_microsecond(),
        );
        usage.extend(grouped(conn, &open, false)?);
    }
    usage.sort();
    Ok(usage)
}

fn grouped(conn: &mut Conn, query: &str, stated: bool) -> QueryResult<Vec<Usage>> {
    let usage = |row: QueryResult<_>| {
        let (period, service, uses, from_packs, micros) = of_json(row?)?;
        Ok(Usage { period, service, uses, from_packs, micros, stated })
    };
    rows::stream(conn, query)?.map(usage).collect()
}
