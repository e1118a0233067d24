//! Buying beforehand: a quote, an order at its price, its payment from the balance.

use std::num::NonZeroU64;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::{LedgerTransactionId, OrderId, RelyingPartyId};
use wallet_core::money::{Amount, Micros};
use wallet_core::refusal::Refusal;

use super::amounts::{bounded, cny, invalid};
use super::callers::RelyingParty;
use super::idempotency::{Idempotency, answered, finish};
use super::test_clocks::Hold;
use super::{Context, fulfilment, later, prices};
use crate::billing::orders::{Event, Kind, PAYABLE, State};
use crate::billing::price::Service;
use crate::billing::promotions::{Bought, Discounted, Promotion, PromotionError, discounted};
use crate::stop::{Flow, Stop};
use crate::store::offers::Offer;
use crate::store::orders::Order;
use crate::store::relying_parties::Whose;
use crate::store::{Conn, audit, offers, orders, promotions};

/// The most of an offer that are bought at once.
const MOST_QUANTITY: i64 = 10_000;
/// Unpaid orders of one relying party; keeps it from filling the table.
const MOST_PLACED: i64 = 100;
/// Orders in a page.
const PAGE: i64 = 50;
/// Orders that the job closes in one transaction.
const AT_ONCE: i64 = 500;

/// What is asked to be quoted or ordered.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OrderRequest)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The name of an offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offer: Option<String>,
    /// How many, 1 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quantity: Option<i64>,
    /// A coupon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    coupon: Option<String>,
    /// Instead of an offer, to be quoted: one use of this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
}

/// What something costs now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Quote {
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<String>,
    service: &'static str,
    /// Of the price list, for a use.
    #[serde(skip_serializing_if = "Option::is_none")]
    price_version: Option<String>,
    quantity: i64,
    /// Uses, all in all.
    units: i64,
    list: Amount,
    discount: Amount,
    total: Amount,
    /// Of the total, to the nearest micro-yuan: to be shown, never to be summed.
    per_unit: Amount,
    promotions: Vec<String>,
    /// Until when it will cost this; absent where nothing else is announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<Timestamp>,
}

/// An offer that was asked for, with its price.
struct Priced {
    offer: Offer,
    quantity: i64,
    list: Micros,
    discounted: Discounted,
    /// The promotion that the coupon stands for.
    coupon: Option<String>,
}

fn priced(conn: &mut Conn, rp: RelyingPartyId, asked: &Asked, now: Timestamp) -> Flow<Priced> {
    let name = asked.offer.as_deref().ok_or_else(|| invalid("offer", "the name of an offer"))?;
    let quantity = bounded("quantity", asked.quantity.unwrap_or(1), 1, MOST_QUANTITY)?;
    let offer = offers::in_force(conn, name, now)?;
    let offer = offer.ok_or_else(|| invalid("offer", "the name of an offer that is in force"))?;
    if offer.stock.is_some_and(|stock| stock < quantity) {
        return Err(Refusal::OfferSoldOut.into());
    }
    let list = offer.micros.times(quantity.unsigned_abs())?;
    let known = promotions::in_force(conn, now)?;
    let bought = Bought { offer: &offer.id, service: offer.service, list };
    let discounted = discounted(&bought, &known, asked.coupon.as_deref(), now).map_err(refused)?;
    let named = |promotion: &&Promotion| asked.coupon.is_some() && promotion.coupon == asked.coupon;
    let coupon = known.iter().find(named).map(|promotion| promotion.id.clone());
    if let Some(coupon) = &coupon
        && orders::has_used(conn, rp, coupon, payable_since(now))?
    {
        return Err(Refusal::CouponUnusable.into());
    }
    Ok(Priced { offer, quantity, list, discounted, coupon })
}

fn refused(error: PromotionError) -> Stop {
    match error {
        PromotionError::CouponUnusable => Refusal::CouponUnusable.into(),
        PromotionError::NotStackable => Refusal::CouponNotStackable.into(),
        PromotionError::Overflow(error) => error.into(),
    }
}

/// Orders that were placed before this have expired.
fn payable_since(now: Timestamp) -> Timestamp {
    now.saturating_sub(PAYABLE).unwrap_or(Timestamp::MIN)
}

/// Says what an offer, or a use of a service, costs now. It costs nothing, and promises nothing until it is ordered.
pub fn quote(ctx: &Context, rp: &RelyingParty, asked: &Asked) -> Flow<Quote> {
    let now = ctx.moment_of(rp)?.at;
    ctx.rp_store.read(|conn| match (&asked.offer, &asked.service) {
        (Some(_), None) => quote_offer(conn, rp.id, asked, now),
        (None, Some(service)) if asked.quantity.is_none() && asked.coupon.is_none() => {
            let service = Service::parse(service).ok_or_else(|| invalid("service", "a known service"))?;
            let (price, valid_until) = prices::of_a_use(conn, service, now)?;
            let once = cny(price.micros);
            Ok(Quote {
                offer: None,
                service: service.as_str(),
                price_version: Some(price.version),
                quantity: 1,
                units: 1,
                list: once,
                discount: cny(Micros::ZERO),
                total: once,
                per_unit: once,
                promotions: Vec::new(),
                valid_until,
            })
        }
        _ => Err(invalid("offer", "either this, or `service` alone").into()),
    })
}

fn quote_offer(conn: &mut Conn, rp: RelyingPartyId, asked: &Asked, now: Timestamp) -> Flow<Quote> {
    let Priced { offer, quantity, list, discounted, .. } = priced(conn, rp, asked, now)?;
    let next = offers::next(conn, &offer.id, now)?;
    let months = if offer.kind == Kind::Monthly { i64::from(offer.months) } else { 1 };
    let units = offer.units.saturating_mul(quantity).saturating_mul(months);
    let each = NonZeroU64::new(units.unsigned_abs()).unwrap_or(NonZeroU64::MIN);
    Ok(Quote {
        service: offer.service.as_str(),
        offer: Some(offer.id),
        price_version: None,
        quantity,
        units,
        list: cny(list),
        discount: cny(list.minus(discounted.total)?),
        total: cny(discounted.total),
        per_unit: cny(discounted.total.portion(1, each)?.micros),
        promotions: discounted.applied,
        valid_until: [next, discounted.until].into_iter().flatten().min(),
    })
}

/// An order as its relying party sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Order)]
pub struct Shown {
    id: OrderId,
    offer: String,
    service: String,
    kind: String,
    quantity: i64,
    units: i64,
    list: Amount,
    total: Amount,
    promotions: Vec<String>,
    /// `placed`, `fulfilled`, `expired`, `sold_out`, `cancelled` or `withdrawn`.
    state: String,
    placed_at: Timestamp,
    /// Until then, and then still, it can be paid.
    payable_until: Timestamp,
    /// Whether the free packs of a first purchase came with it.
    with_gift: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transaction: Option<LedgerTransactionId>,
    /// Why money that was sent for it is in the balance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payment_note: Option<String>,
}

fn shown(conn: &mut Conn, order: Order, now: Timestamp) -> Flow<Shown> {
    let offer = fulfilment::offer_of(conn, &order)?;
    Ok(Shown {
        id: order.id,
        service: offer.service.as_str().to_owned(),
        kind: offer.kind.as_str().to_owned(),
        units: offer.units.saturating_mul(order.quantity),
        state: order.state.at(order.placed_at, now).as_str().to_owned(),
        payable_until: later(order.placed_at, PAYABLE),
        offer: order.offer,
        quantity: order.quantity,
        list: cny(order.list),
        total: cny(order.total),
        promotions: order.promotions,
        placed_at: order.placed_at,
        with_gift: order.gift,
        closed_at: order.closed_at,
        transaction: order.transaction,
        payment_note: order.payment_note,
    })
}

/// Places an order at the price of this moment, which is then agreed.
pub fn place(ctx: &Context, rp: &RelyingParty, idempotency: &Idempotency, asked: &Asked) -> Flow<Shown> {
    if asked.service.is_some() {
        return Err(invalid("service", "nothing: a use is not ordered").into());
    }
    once(ctx, rp, idempotency, |conn, now| {
        if orders::count_placed(conn, rp.id, payable_since(now))? >= MOST_PLACED {
            return Err(Refusal::RateLimited { retry_after: 3600 }.into());
        }
        let Priced { offer, quantity, list, discounted, coupon } = priced(conn, rp.id, asked, now)?;
        let order = Order {
            rp: rp.id,
            id: OrderId::new(now, &mut rand::rng()),
            offer: offer.id,
            offer_from: offer.valid_from,
            quantity,
            list,
            total: discounted.total,
            promotions: discounted.applied,
            coupon,
            gift: false,
            state: State::Placed,
            placed_at: now,
            closed_at: None,
            transaction: None,
            payment_note: None,
        };
        orders::insert(conn, &order)?;
        audit::append(conn, rp.id, "order.place", order.id, "placed", ctx.now())?;
        shown(conn, order, now)
    })
}

/// Does what is asked under an Idempotency-Key, once: the work is all in the database, so one transaction finds or leaves the answer.
fn once(
    ctx: &Context,
    rp: &RelyingParty,
    idempotency: &Idempotency,
    work: impl Fn(&mut Conn, Timestamp) -> Flow<Shown>,
) -> Flow<Shown> {
    if !rp.active {
        return Err(Refusal::RpSuspended.into());
    }
    let (now, moment) = (ctx.now(), ctx.moment_of(rp)?);
    let lease = idempotency.lease(rp.id, now);
    ctx.rp_store.write(|conn| {
        if let Some(kept) = answered(ctx, conn, &lease)? {
            return Ok(kept);
        }
        moment.hold(conn)?;
        let shown = work(conn, moment.at)?;
        finish(ctx, conn, &lease, &shown, now)?;
        Ok(shown)
    })
}

fn find(conn: &mut Conn, rp: RelyingPartyId, id: OrderId) -> Flow<Order> {
    Ok(orders::find(conn, rp, id)?.ok_or(Refusal::NotFound)?)
}

/// An order of the relying party.
pub fn show(ctx: &Context, rp: &RelyingParty, id: OrderId) -> Flow<Shown> {
    let now = ctx.moment_of(rp)?.at;
    ctx.rp_store.read(|conn| {
        let order = find(conn, rp.id, id)?;
        shown(conn, order, now)
    })
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderPage)]
pub struct Page {
    orders: Vec<Shown>,
    /// Where to go on, with `before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<OrderId>,
}

/// The orders of the relying party, the newest first.
pub fn list(ctx: &Context, rp: &RelyingParty, before: Option<OrderId>) -> Flow<Page> {
    let now = ctx.moment_of(rp)?.at;
    ctx.rp_store.read(|conn| {
        let found = orders::page(conn, rp.id, before, PAGE)?;
        let is_full = i64::try_from(found.len()).is_ok_and(|found| found == PAGE);
        let next = found.last().map(|last| last.id).filter(|_| is_full);
        let orders = found.into_iter().map(|order| shown(conn, order, now)).collect::<Flow<_>>()?;
        Ok(Page { orders, next })
    })
}

/// Pays an order from the balance.
pub fn pay(ctx: &Context, rp: &RelyingParty, idempotency: &Idempotency, id: OrderId) -> Flow<Shown> {
    once(ctx, rp, idempotency, |conn, now| {
        let order = find(conn, rp.id, id)?;
        fulfilment::pay(ctx, conn, &order, &rp.id.to_string(), (now, now))?;
        let order = find(conn, rp.id, id)?;
        shown(conn, order, now)
    })
}

/// Gives an order up that is not paid; nothing happens to one that was given up before.
pub fn cancel(ctx: &Context, rp: &RelyingParty, id: OrderId) -> Flow<Shown> {
    let moment = ctx.moment_of(rp)?;
    let now = moment.at;
    ctx.rp_store.write(|conn| {
        moment.hold(conn)?;
        let order = find(conn, rp.id, id)?;
        if order.state != State::Cancelled {
            let next = order.state.after(Event::Cancelled, order.placed_at, now);
            let next = next.map_err(|state| Refusal::OrderClosed { state: state.as_str() })?;
            orders::advance(conn, &order, next, now)?;
            audit::append(conn, rp.id, "order.cancel", id, next.as_str(), ctx.now())?;
        }
        let order = find(conn, rp.id, id)?;
        shown(conn, order, now)
    })
}

/// Gives a paid order back that was not used; nothing happens to one that was given back before.
pub fn withdraw(ctx: &Context, rp: &RelyingParty, id: OrderId) -> Flow<Shown> {
    let moment = ctx.moment_of(rp)?;
    let now = moment.at;
    ctx.rp_store.write(|conn| {
        moment.hold(conn)?;
        let order = find(conn, rp.id, id)?;
        if order.state != State::Withdrawn {
            fulfilment::withdraw(ctx, conn, &order, &rp.id.to_string(), now)?;
            super::payments::settle(ctx, conn, rp.id, now)?;
        }
        let order = find(conn, rp.id, id)?;
        shown(conn, order, now)
    })
}

/// Closes orders that have expired.
pub fn expire(ctx: &Context) -> Flow<()> {
    expire_those(ctx, Whose::Real, ctx.now(), &|_| Ok(()))
}

/// The same of somebody's, as of a moment of theirs.
pub(super) fn expire_those(ctx: &Context, whose: Whose, now: Timestamp, hold: Hold<'_>) -> Flow<()> {
    loop {
        let done = ctx.rp_store.write(|conn| {
            hold(conn)?;
            let old = orders::placed_before(conn, whose, payable_since(now), AT_ONCE)?;
            for order in &old {
                fulfilment::expire(ctx, conn, order, now)?;
            }
            Ok(old.len())
        })?;
        if done == 0 {
            return Ok(());
        }
    }
}
