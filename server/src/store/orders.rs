//! Orders of relying parties.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use jiff::Timestamp;
use wallet_core::ids::{LedgerTransactionId, OrderId, RelyingPartyId};
use wallet_core::money::Micros;

use super::columns::{join, parse, present, split, time};
use super::relying_parties::Whose;
use super::schema::{orders, payments};
use super::{Conn, exactly_one};
use crate::billing::orders::State;

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Whose.
    pub rp: RelyingPartyId,
    /// Which.
    pub id: OrderId,
    /// The offer's name.
    pub offer: String,
    /// Which offer of that name: the one from that moment on.
    pub offer_from: Timestamp,
    /// How many.
    pub quantity: i64,
    /// What they cost without promotions: micro-yuan.
    pub list: Micros,
    /// The agreed price: micro-yuan.
    pub total: Micros,
    /// The promotions that made it, in the order in which they were applied.
    pub promotions: Vec<String>,
    /// The one of them that a coupon stood for.
    pub coupon: Option<String>,
    /// Whether it was the first purchase, with which free packs came.
    pub gift: bool,
    /// Where it is, but for the time that went by.
    pub state: State,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When it left that state.
    pub closed_at: Option<Timestamp>,
    /// The transaction that paid it.
    pub transaction: Option<LedgerTransactionId>,
    /// Why money that was sent for it went to the balance.
    pub payment_note: Option<String>,
}

/// Adds one that is placed.
pub fn insert(conn: &mut Conn, order: &Order) -> QueryResult<()> {
    let row = (
        orders::rp_id.eq(order.rp.to_string()),
        orders::id.eq(order.id.to_string()),
        orders::offer_id.eq(&order.offer),
        orders::offer_from.eq(order.offer_from.as_microsecond()),
        orders::quantity.eq(order.quantity),
        orders::list_micros.eq(order.list.get()),
        orders::micros.eq(order.total.get()),
        orders::promotions.eq(join(&order.promotions)),
        orders::coupon_id.eq(&order.coupon),
        orders::gift.eq(i64::from(order.gift)),
        orders::state.eq(order.state.as_str()),
        orders::placed_at.eq(order.placed_at.as_microsecond()),
    );
    diesel::insert_into(orders::table).values(row).execute(conn).map(drop)
}

#[derive(Queryable)]
struct Row {
    rp: String,
    id: String,
    offer: String,
    offer_from: i64,
    quantity: i64,
    list: i64,
    total: i64,
    promotions: String,
    coupon: Option<String>,
    gift: i64,
    state: String,
    placed_at: i64,
    closed_at: Option<i64>,
    transaction: Option<String>,
    payment_note: Option<String>,
}

fn order(row: Row) -> QueryResult<Order> {
    Ok(Order {
        rp: parse(&row.rp)?,
        id: parse(&row.id)?,
        offer: row.offer,
        offer_from: time(row.offer_from)?,
        quantity: row.quantity,
        list: Micros::new(row.list),
        total: Micros::new(row.total),
        promotions: split::<String, _>(&row.promotions)?,
        coupon: row.coupon,
        gift: row.gift == 1,
        state: present(State::parse(&row.state), "orders.state")?,
        placed_at: time(row.placed_at)?,
        closed_at: row.closed_at.map(time).transpose()?,
        transaction: row.transaction.map(|id| parse(&id)).transpose()?,
        payment_note: row.payment_note,
    })
}

/// An order of a relying party.
pub fn find(conn: &mut Conn, rp: RelyingPartyId, id: OrderId) -> QueryResult<Option<Order>> {
    let found = orders::table.find((rp.to_string(), id.to_string()));
    found.first::<Row>(conn).optional()?.map(order).transpose()
}

/// The orders of a relying party, the newest first, from before `before` on.
pub fn page(
    conn: &mut Conn,
    rp: RelyingPartyId,
    before: Option<OrderId>,
    most: i64,
) -> QueryResult<Vec<Order>> {
    let mut older = orders::table.filter(orders::rp_id.eq(rp.to_string())).into_boxed();
    if let Some(before) = before {
        older = older.filter(orders::id.lt(before.to_string()));
    }
    older.order(orders::id.desc()).limit(most).load::<Row>(conn)?.into_iter().map(order).collect()
}

/// How many orders of a relying party wait to be paid, of those placed from `since` on.
pub fn count_placed(conn: &mut Conn, rp: RelyingPartyId, since: Timestamp) -> QueryResult<i64> {
    let placed = orders::table
        .filter(orders::rp_id.eq(rp.to_string()))
        .filter(orders::state.eq(State::Placed.as_str()))
        .filter(orders::placed_at.ge(since.as_microsecond()));
    placed.count().get_result(conn)
}

/// Whether a relying party used a coupon up: in an order that was paid, or that was placed from `since` on and may be.
pub fn has_used(conn: &mut Conn, rp: RelyingPartyId, promotion: &str, since: Timestamp) -> QueryResult<bool> {
    let paid = [State::Fulfilled, State::Withdrawn].map(State::as_str);
    let alive = orders::state
        .eq_any(paid)
        .or(orders::state.eq(State::Placed.as_str()).and(orders::placed_at.ge(since.as_microsecond())));
    let used = orders::table
        .filter(orders::rp_id.eq(rp.to_string()))
        .filter(orders::coupon_id.eq(promotion))
        .filter(alive);
    diesel::dsl::select(diesel::dsl::exists(used)).get_result(conn)
}

/// Takes an order on from the state that was read, in which nobody else may have changed it.
pub fn advance(conn: &mut Conn, order: &Order, next: State, now: Timestamp) -> QueryResult<()> {
    let current = orders::table
        .find((order.rp.to_string(), order.id.to_string()))
        .filter(orders::state.eq(order.state.as_str()));
    let values = (orders::state.eq(next.as_str()), orders::closed_at.eq(now.as_microsecond()));
    exactly_one(diesel::update(current).set(values).execute(conn)?)
}

/// Notes of an order that was just paid by which transaction, and whether it brought free packs.
pub fn note_paid(
    conn: &mut Conn,
    order: &Order,
    transaction: LedgerTransactionId,
    gift: bool,
) -> QueryResult<()> {
    let paid = orders::table.find((order.rp.to_string(), order.id.to_string()));
    let values = (orders::transaction_id.eq(transaction.to_string()), orders::gift.eq(i64::from(gift)));
    exactly_one(diesel::update(paid).set(values).execute(conn)?)
}

/// Notes why money that was sent for an order went to the balance.
pub fn note_payment(conn: &mut Conn, order: &Order, note: &str) -> QueryResult<()> {
    let found = orders::table.find((order.rp.to_string(), order.id.to_string()));
    exactly_one(diesel::update(found).set(orders::payment_note.eq(note)).execute(conn)?)
}

/// Of the orders of one offer that wait to be paid, those for more than is left.
pub fn beyond_stock(
    conn: &mut Conn,
    offer: &str,
    offer_from: Timestamp,
    left: i64,
) -> QueryResult<Vec<Order>> {
    let hopeless = orders::table
        .filter(orders::state.eq(State::Placed.as_str()))
        .filter(orders::offer_id.eq(offer))
        .filter(orders::offer_from.eq(offer_from.as_microsecond()))
        .filter(orders::quantity.gt(left));
    hopeless.load::<Row>(conn)?.into_iter().map(order).collect()
}

/// Orders that wait to be paid and were placed before `time`; not those of which a payment is recorded that may have come in time.
pub fn placed_before(conn: &mut Conn, whose: Whose, time: Timestamp, most: i64) -> QueryResult<Vec<Order>> {
    let its_payment = payments::table
        .filter(payments::order_id.eq(orders::id.nullable()))
        .filter(payments::state.eq(super::payments::RECORDED));
    let old = orders::table
        .filter(sql::<Bool>(&whose.condition("orders.rp_id")))
        .filter(orders::state.eq(State::Placed.as_str()))
        .filter(orders::placed_at.lt(time.as_microsecond()))
        .filter(diesel::dsl::not(diesel::dsl::exists(its_payment)))
        .order(orders::placed_at)
        .limit(most);
    old.load::<Row>(conn)?.into_iter().map(order).collect()
}
