//! Money that goes back because we say so.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{LedgerTransactionId, PaymentId, RelyingPartyId};
use wallet_core::money::Micros;

use super::columns::{damaged, parse, time};
use super::schema::refunds;
use super::{Conn, exactly_one};

/// Asked for, and nobody else has looked at it.
pub const REQUESTED: &str = "requested";
/// Out of the balance, and on its way.
pub const APPROVED: &str = "approved";
/// It does not go.
pub const REJECTED: &str = "rejected";

/// A refund.
#[derive(Debug, Clone)]
pub struct Refund {
    /// Whose.
    pub rp: RelyingPartyId,
    /// Which.
    pub id: PaymentId,
    /// Of which payment.
    pub payment: PaymentId,
    /// How much: micro-yuan.
    pub micros: Micros,
    /// `requested`, `approved` or `rejected`.
    pub state: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// By which admin.
    pub requested_by: String,
    /// By which other it was decided.
    pub decided_by: Option<String>,
    /// When the provider said that it went.
    pub confirmed_at: Option<Timestamp>,
}

/// Adds one that is asked for.
pub fn insert(conn: &mut Conn, refund: &Refund) -> QueryResult<()> {
    let row = (
        refunds::rp_id.eq(refund.rp.to_string()),
        refunds::id.eq(refund.id.to_string()),
        refunds::payment_id.eq(refund.payment.to_string()),
        refunds::micros.eq(refund.micros.get()),
        refunds::state.eq(REQUESTED),
        refunds::requested_at.eq(refund.requested_at.as_microsecond()),
        refunds::requested_by.eq(&refund.requested_by),
    );
    diesel::insert_into(refunds::table).values(row).execute(conn).map(drop)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = refunds)]
struct Row {
    rp_id: String,
    id: String,
    payment_id: String,
    micros: i64,
    state: String,
    requested_at: i64,
    requested_by: String,
    decided_by: Option<String>,
    confirmed_at: Option<i64>,
}

fn refund(row: Row) -> QueryResult<Refund> {
    Ok(Refund {
        rp: parse(&row.rp_id)?,
        id: parse(&row.id)?,
        payment: parse(&row.payment_id)?,
        micros: Micros::new(row.micros),
        state: row.state,
        requested_at: time(row.requested_at)?,
        requested_by: row.requested_by,
        decided_by: row.decided_by,
        confirmed_at: row.confirmed_at.map(time).transpose()?,
    })
}

/// The refund with this id.
pub fn find(conn: &mut Conn, id: PaymentId) -> QueryResult<Option<Refund>> {
    let found = refunds::table.filter(refunds::id.eq(id.to_string())).select(Row::as_select());
    found.first(conn).optional()?.map(refund).transpose()
}

/// Those that wait for a second person, the oldest first.
pub fn requested(conn: &mut Conn, most: i64) -> QueryResult<Vec<Refund>> {
    let waiting = refunds::table.filter(refunds::state.eq(REQUESTED)).order(refunds::id).limit(most);
    waiting.select(Row::as_select()).load(conn)?.into_iter().map(refund).collect()
}

/// What of a payment went back, or was asked to.
pub fn of_payment(conn: &mut Conn, payment: PaymentId) -> QueryResult<Micros> {
    let standing = refunds::table
        .filter(refunds::payment_id.eq(payment.to_string()))
        .filter(refunds::state.ne(REJECTED))
        .select(refunds::micros);
    let sum = standing
        .load::<i64>(conn)?
        .into_iter()
        .try_fold(Micros::ZERO, |sum, micros| sum.plus(Micros::new(micros)));
    sum.map_err(|error| damaged(&error))
}

/// Decides a refund that was asked for.
pub fn decide(
    conn: &mut Conn,
    refund: &Refund,
    state: &'static str,
    by: &str,
    transaction: Option<LedgerTransactionId>,
    now: Timestamp,
) -> QueryResult<()> {
    let open = refunds::table
        .find((refund.rp.to_string(), refund.id.to_string()))
        .filter(refunds::state.eq(REQUESTED));
    let values = (
        refunds::state.eq(state),
        refunds::decided_at.eq(now.as_microsecond()),
        refunds::decided_by.eq(by),
        refunds::transaction_id.eq(transaction.map(|id| id.to_string())),
    );
    exactly_one(diesel::update(open).set(values).execute(conn)?)
}

/// Notes that the provider said that an approved refund went; nothing happens when it had said so before.
pub fn confirm(conn: &mut Conn, refund: &Refund, now: Timestamp) -> QueryResult<()> {
    let sent = refunds::table
        .find((refund.rp.to_string(), refund.id.to_string()))
        .filter(refunds::state.eq(APPROVED))
        .filter(refunds::confirmed_at.is_null());
    diesel::update(sent).set(refunds::confirmed_at.eq(now.as_microsecond())).execute(conn).map(drop)
}
