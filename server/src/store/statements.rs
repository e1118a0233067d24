//! Statements: the bill of a relying party for a period, its payments, and the periods that are closed.

use std::collections::HashSet;

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{LedgerTransactionId, PackId, RelyingPartyId, StatementId};
use wallet_core::money::Micros;

use super::columns::{array, damaged, parse, time};
use super::schema::{closed_periods, settlement_payments, statement_items as items, statements};
use super::{Conn, exactly_one, rows};
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

/// The same, by the statements of periods that began at `starts_at` or before.
pub fn drawn_by(conn: &mut Conn, rp: RelyingPartyId, pack: PackId, starts_at: Timestamp) -> QueryResult<i64> {
    let same = statements::rp_id.eq(items::rp_id).and(statements::period.eq(items::period));
    let found = items::table
        .inner_join(statements::table.on(same))
        .filter(items::rp_id.eq(rp.to_string()))
        .filter(items::pack_id.eq(pack.to_string()))
        .filter(statements::starts_at.le(starts_at.as_microsecond()))
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

/// The relying parties after `after`, by their ids; and whether each is of the sandbox.
pub fn relying_parties(conn: &mut Conn, after: &str, limit: i64) -> QueryResult<Vec<(RelyingPartyId, bool)>> {
    use super::schema::relying_parties as r;
    let found = r::table.filter(r::id.gt(after)).order(r::id).limit(limit).select((r::id, r::sandbox));
    let rows = found.load::<(String, i64)>(conn)?.into_iter();
    rows.map(|(id, sandbox)| Ok((parse(&id)?, sandbox == 1))).collect()
}

/// Notes that every statement of a period is made, and what they come to; not twice.
pub fn close(conn: &mut Conn, period: &str, now: Timestamp) -> QueryResult<()> {
    use closed_periods as c;
    if is_closed(conn, period)? {
        return Ok(());
    }
    // Of all closers: of several, or after a crash, none made them all.
    let query = format!(
        "SELECT {{row(}}COUNT(*), CAST(COALESCE(SUM(micros), 0) AS BIGINT){{)row}} AS line FROM statements WHERE period = '{period}'"
    );
    let row = rows::stream(conn, &query)?.next().transpose()?.unwrap_or_default();
    let (made, micros): (i64, i64) =
        serde_json::from_value(row.into()).map_err(|_| damaged(&"a row has another form"))?;
    let row = (
        c::period.eq(period),
        c::statements.eq(made),
        c::micros.eq(micros),
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
