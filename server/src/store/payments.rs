//! Money that came in.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{LedgerTransactionId, OrderId, PaymentId, RelyingPartyId};
use wallet_core::money::Micros;

use super::columns::{parse, time};
use super::schema::payments;
use super::{Conn, exactly_one};
use crate::billing::account::Provider;

/// Written down, and nobody else has looked at it.
pub const RECORDED: &str = "recorded";
/// In the balance, or an order's.
pub const CREDITED: &str = "credited";
/// It is not what was written down.
pub const REJECTED: &str = "rejected";

/// A payment.
#[derive(Debug, Clone)]
pub struct Payment {
    /// Whose.
    pub rp: RelyingPartyId,
    /// Which.
    pub id: PaymentId,
    /// By which way it came.
    pub provider: Provider,
    /// What it is called there.
    pub reference: String,
    /// How much: micro-yuan.
    pub micros: Micros,
    /// For which order.
    pub order: Option<OrderId>,
    /// `recorded`, `credited` or `rejected`.
    pub state: String,
    /// When it came in.
    pub received_at: Timestamp,
    /// When it was written down.
    pub recorded_at: Timestamp,
    /// By whom: an admin, or the provider itself.
    pub recorded_by: String,
    /// By whom it was decided.
    pub decided_by: Option<String>,
    /// What became of it.
    pub outcome: Option<String>,
}

/// Adds one that is recorded.
pub fn insert(conn: &mut Conn, payment: &Payment) -> QueryResult<()> {
    let row = (
        payments::rp_id.eq(payment.rp.to_string()),
        payments::id.eq(payment.id.to_string()),
        payments::provider.eq(payment.provider.as_str()),
        payments::reference.eq(&payment.reference),
        payments::micros.eq(payment.micros.get()),
        payments::order_id.eq(payment.order.map(|id| id.to_string())),
        payments::state.eq(RECORDED),
        payments::received_at.eq(payment.received_at.as_microsecond()),
        payments::recorded_at.eq(payment.recorded_at.as_microsecond()),
        payments::recorded_by.eq(&payment.recorded_by),
    );
    diesel::insert_into(payments::table).values(row).execute(conn).map(drop)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = payments)]
struct Row {
    rp_id: String,
    id: String,
    provider: String,
    reference: String,
    micros: i64,
    order_id: Option<String>,
    state: String,
    received_at: i64,
    recorded_at: i64,
    recorded_by: String,
    decided_by: Option<String>,
    outcome: Option<String>,
}

fn payment(row: Row) -> QueryResult<Payment> {
    Ok(Payment {
        rp: parse(&row.rp_id)?,
        id: parse(&row.id)?,
        provider: provider(&row.provider)?,
        reference: row.reference,
        micros: Micros::new(row.micros),
        order: row.order_id.map(|id| parse(&id)).transpose()?,
        state: row.state,
        received_at: time(row.received_at)?,
        recorded_at: time(row.recorded_at)?,
        recorded_by: row.recorded_by,
        decided_by: row.decided_by,
        outcome: row.outcome,
    })
}

pub(super) fn provider(name: &str) -> QueryResult<Provider> {
    super::columns::present(Provider::parse(name), "a provider's name")
}

/// The payment with this id.
pub fn find(conn: &mut Conn, id: PaymentId) -> QueryResult<Option<Payment>> {
    let found = payments::table.filter(payments::id.eq(id.to_string())).select(Row::as_select());
    found.first(conn).optional()?.map(payment).transpose()
}

/// The payment that a provider calls so, unless it was rejected.
pub fn by_reference(conn: &mut Conn, provider: &Provider, reference: &str) -> QueryResult<Option<Payment>> {
    let found = payments::table
        .filter(payments::provider.eq(provider.as_str()))
        .filter(payments::reference.eq(reference))
        .filter(payments::state.ne(REJECTED))
        .select(Row::as_select());
    found.first(conn).optional()?.map(payment).transpose()
}

/// Those that wait for a second person, the oldest first.
pub fn recorded(conn: &mut Conn, most: i64) -> QueryResult<Vec<Payment>> {
    let waiting = payments::table.filter(payments::state.eq(RECORDED)).order(payments::id).limit(most);
    waiting.select(Row::as_select()).load(conn)?.into_iter().map(payment).collect()
}

/// What was decided.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// `credited` or `rejected`.
    pub state: &'static str,
    /// By whom.
    pub by: &'a str,
    /// The transaction that credited it.
    pub transaction: Option<LedgerTransactionId>,
    /// What became of it.
    pub outcome: Option<&'static str>,
}

/// Decides a payment that was recorded.
pub fn decide(conn: &mut Conn, payment: &Payment, decided: Decided<'_>, now: Timestamp) -> QueryResult<()> {
    let open = payments::table
        .find((payment.rp.to_string(), payment.id.to_string()))
        .filter(payments::state.eq(RECORDED));
    let values = (
        payments::state.eq(decided.state),
        payments::decided_at.eq(now.as_microsecond()),
        payments::decided_by.eq(decided.by),
        payments::transaction_id.eq(decided.transaction.map(|id| id.to_string())),
        payments::outcome.eq(decided.outcome),
    );
    exactly_one(diesel::update(open).set(values).execute(conn)?)
}
