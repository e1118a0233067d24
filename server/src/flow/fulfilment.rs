//! An order that is paid: its packs are granted in the transaction that takes the money. And one that is given back.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use wallet_core::ids::{LedgerTransactionId, PackId, RelyingPartyId};
use wallet_core::money::Micros;
use wallet_core::refusal::Refusal;

use super::amounts::cny;
use super::{Context, alerts, earning, later, telling};
use crate::billing::alerts::Recurrence;
use crate::billing::orders::{Event, GiftUsed, Kind, Part, State, parts, withdrawal};
use crate::billing::packs::{Pack, Window, first_purchase_grants};
use crate::billing::posting::{Balanced, PostingError, Purse};
use crate::billing::price::{Service, price_at};
use crate::delivery::event::Kind as Told;
use crate::stop::{Flow, Stop};
use crate::store::offers::Offer;
use crate::store::orders::Order;
use crate::store::packs::{FIRST_PURCHASE, Grant};
use crate::store::{Conn, audit, balances, charges, ledger, offers, orders, packs, relying_parties};

/// The kind of ledger transaction that pays an order.
const PURCHASE: &str = "purchase";
/// The kind that grants what comes with the first purchase.
const GIFT: &str = "gift";
/// The kind that gives an order back.
const WITHDRAWAL: &str = "withdrawal";

fn broken(error: impl Into<anyhow::Error>) -> Stop {
    Stop::Broken(error.into())
}

/// The offer that an order is for.
pub(super) fn offer_of(conn: &mut Conn, order: &Order) -> Flow<Offer> {
    let found = offers::find(conn, &order.offer, order.offer_from)?;
    Ok(found.ok_or_else(|| anyhow::anyhow!("the offer of {} is missing", order.id))?)
}

/// Pays an order from the balance, with money that came at `paid_at`, and grants its packs.
///
/// # Errors
/// Refused when it can't be paid any more, less is left than was ordered, or the balance does not reach.
pub(super) fn pay(
    ctx: &Context,
    conn: &mut Conn,
    order: &Order,
    by: &str,
    (paid_at, now): (Timestamp, Timestamp),
) -> Flow<()> {
    let paid = order.state.after(Event::Paid, order.placed_at, paid_at);
    let next = paid.map_err(|state| Refusal::OrderClosed { state: state.as_str() })?;
    let offer = offer_of(conn, order)?;
    let sandbox = relying_parties::is_sandbox(conn, order.rp)? == Some(true);
    // What is bought in the sandbox is there for everybody else still.
    let is_there = match sandbox {
        true => offer.stock.is_none_or(|stock| stock >= order.quantity),
        false => offers::take(conn, &offer, order.quantity)?,
    };
    if !is_there {
        return Err(Refusal::OfferSoldOut.into());
    }
    orders::advance(conn, order, next, now)?;
    let transaction = LedgerTransactionId::new(now, &mut rand::rng());
    if order.total > Micros::ZERO && !balances::take(conn, order.rp, order.total, transaction)? {
        return Err(Refusal::BalanceTooLow.into());
    }
    grant(ctx, conn, order, &offer, transaction, now)?;
    let gift = give_first(ctx, conn, order.rp, now)?;
    alerts::grown(conn, order.rp, offer.service, recurrence(offer.kind), ctx.moments(now))?;
    relying_parties::subscribe_once(conn, order.rp, offer.service.as_str(), now)?;
    orders::note_paid(conn, order, transaction, gift)?;
    audit::append(conn, by, "order.pay", order.id, next.as_str(), ctx.now())?;
    let data = json!({ "order": order.id, "offer": order.offer, "total": cny(order.total) });
    telling::message(conn, order.rp, Told::OrderPaid, &data, ctx.moments(now))?;
    if sandbox { Ok(()) } else { lapse_hopeless(conn, &offer, now) }
}

fn recurrence(kind: Kind) -> Recurrence {
    if kind == Kind::Monthly { Recurrence::Monthly } else { Recurrence::Once }
}

/// The packs of an order with their part of its price, in one transaction.
fn grant(
    ctx: &Context,
    conn: &mut Conn,
    order: &Order,
    offer: &Offer,
    transaction: LedgerTransactionId,
    now: Timestamp,
) -> Flow<()> {
    let units = offer.units.checked_mul(order.quantity).ok_or_else(|| anyhow::anyhow!("too many units"))?;
    let parts = parts(offer.kind, offer.months, order.total, now, &ctx.zone).map_err(broken)?;
    let mut postings: Option<Balanced> = None;
    if order.total > Micros::ZERO {
        postings = Some(Balanced::pack_bought(order.rp, Purse::Balance, order.total).map_err(broken)?);
    }
    for Part { window, paid } in parts {
        let granted = Balanced::units_granted(order.rp, offer.service, units).map_err(broken)?;
        postings = Some(match postings {
            Some(postings) => postings.and(granted),
            None => granted,
        });
        let monthly = recurrence(offer.kind) == Recurrence::Monthly;
        // Gifts are drawn first, where they end together with it: of two packs the one with the older id is.
        let after_gifts = later(now, SignedDuration::from_millis(1));
        let (pack, origin) = (fresh(offer.service, units, window, after_gifts), order.id.to_string());
        packs::insert(conn, &Grant { pack, rp: order.rp, origin, paid, monthly }, now)?;
    }
    match postings {
        Some(postings) => Ok(ledger::post(conn, order.rp, transaction, PURCHASE, &postings, now)?),
        None => Err(anyhow::anyhow!("an order without packs").into()),
    }
}

fn fresh(service: Service, units: i64, window: Window, id_of: Timestamp) -> Pack {
    let (id, Window { starts_at, expires_at }) = (PackId::new(id_of, &mut rand::rng()), window);
    Pack { id, service, units, remaining: units, starts_at, expires_at }
}

/// What comes with the first purchase of a relying party's life (P1); whether this was it.
fn give_first(ctx: &Context, conn: &mut Conn, rp: RelyingPartyId, now: Timestamp) -> Flow<bool> {
    let had: Vec<Service> =
        packs::of_origin(conn, rp, FIRST_PURCHASE)?.into_iter().map(|(pack, _)| pack.service).collect();
    let grants = first_purchase_grants(&had, now, &ctx.zone).map_err(broken)?;
    for gift in &grants {
        let pack = fresh(gift.service, gift.units, gift.window, now);
        let (origin, paid, monthly) = (FIRST_PURCHASE.to_owned(), Micros::ZERO, false);
        packs::insert(conn, &Grant { pack, rp, origin, paid, monthly }, now)?;
        let postings = Balanced::units_granted(rp, gift.service, gift.units).map_err(broken)?;
        ledger::post(conn, rp, LedgerTransactionId::new(now, &mut rand::rng()), GIFT, &postings, now)?;
        relying_parties::subscribe_once(conn, rp, gift.service.as_str(), now)?;
        alerts::grown(conn, rp, gift.service, Recurrence::Once, ctx.moments(now))?;
    }
    Ok(!grants.is_empty())
}

/// Orders for more than is left can't be paid any more, and their prices lapse (A2.3.1).
fn lapse_hopeless(conn: &mut Conn, offer: &Offer, now: Timestamp) -> Flow<()> {
    let left = offers::find(conn, &offer.id, offer.valid_from)?.and_then(|offer| offer.stock);
    let Some(left) = left else { return Ok(()) };
    for order in orders::beyond_stock(conn, &offer.id, offer.valid_from, left)? {
        // Those that are too old are left to the job that looks for such.
        if let Ok(next) = order.state.after(Event::StockGone, order.placed_at, now) {
            orders::advance(conn, &order, next, now)?;
            audit::append(conn, "service", "order.lapse", order.id, next.as_str(), now)?;
        }
    }
    Ok(())
}

/// Gives an unused order back: its packs are void, its price goes to the balance, and gifts that came with it are taken back; what was
/// used of these costs what the list said on the day of the purchase.
pub(super) fn withdraw(ctx: &Context, conn: &mut Conn, order: &Order, by: &str, now: Timestamp) -> Flow<()> {
    let given_back = order.state.after(Event::Withdrawn, order.placed_at, now);
    let next = given_back.map_err(|state| Refusal::OrderClosed { state: state.as_str() })?;
    let bought = packs::of_origin(conn, order.rp, &order.id.to_string())?;
    let is_unused =
        |(pack, void): &(Pack, bool)| !void && pack.remaining == pack.units && now < pack.expires_at;
    if bought.is_empty() || !bought.iter().all(is_unused) {
        return Err(Refusal::OrderUsed.into());
    }
    let gifts = if order.gift { take_gifts_back(conn, order, now)? } else { Vec::new() };
    let used: Vec<GiftUsed> = gifts.iter().map(|(_, used)| *used).collect();
    let withdrawal = withdrawal(order.total, &used)?;
    let transaction = LedgerTransactionId::new(now, &mut rand::rng());
    let services = gifts.iter().map(|(service, _)| *service);
    let clawed = services.zip(withdrawal.clawed_back);
    let postings = given_back_postings(order.rp, &bought, withdrawal.refund, clawed).map_err(broken)?;
    for (pack, _) in &bought {
        packs::void(conn, order.rp, pack.id, pack.remaining, now)?;
    }
    ledger::post(conn, order.rp, transaction, WITHDRAWAL, &postings, now)?;
    if withdrawal.refund > Micros::ZERO {
        balances::add(conn, order.rp, withdrawal.refund, transaction)?;
    }
    orders::advance(conn, order, next, now)?;
    Ok(audit::append(conn, by, "order.withdraw", order.id, next.as_str(), ctx.now())?)
}

fn given_back_postings(
    rp: RelyingPartyId,
    bought: &[(Pack, bool)],
    refund: Micros,
    clawed: impl Iterator<Item = (Service, Micros)>,
) -> Result<Balanced, PostingError> {
    let mut units = bought.iter().map(|(pack, _)| (pack.service, pack.remaining));
    let (service, remaining) = units.next().ok_or(PostingError::Unbalanced)?;
    let mut postings = match refund {
        Micros::ZERO => Balanced::units_voided(rp, service, remaining)?,
        refund => Balanced::pack_returned(rp, service, remaining, Purse::Balance, refund)?,
    };
    for (service, remaining) in units {
        postings = postings.and(Balanced::units_voided(rp, service, remaining)?);
    }
    for (service, clawed) in clawed.filter(|(_, clawed)| *clawed > Micros::ZERO) {
        postings = postings.and(Balanced::pack_earned(service, clawed)?);
    }
    Ok(postings)
}

/// Voids what is left of the gifts, and says what was used of each.
fn take_gifts_back(conn: &mut Conn, order: &Order, now: Timestamp) -> Flow<Vec<(Service, GiftUsed)>> {
    let bought_at = order.closed_at.unwrap_or(order.placed_at);
    let mut gifts = Vec::new();
    for (pack, void) in packs::of_origin(conn, order.rp, FIRST_PURCHASE)? {
        // Of one that has ended nobody knows any more what was used.
        if void {
            continue;
        }
        let paid = packs::paid(conn, order.rp, pack.id)?;
        earning::void(conn, order.rp, pack.id, &paid, now)?;
        let prices = charges::prices_of(conn, pack.service)?;
        let price = price_at(&prices, bought_at).map_or(Micros::ZERO, |price| price.micros);
        let units = u64::try_from(pack.units - pack.remaining).map_err(broken)?;
        gifts.push((pack.service, GiftUsed { units, price }));
    }
    Ok(gifts)
}

/// Closes orders that have expired; they counted as that before.
pub(super) fn expire(ctx: &Context, conn: &mut Conn, order: &Order, now: Timestamp) -> Flow<()> {
    let is_over = order.state == State::Placed && order.state.at(order.placed_at, now) == State::Expired;
    if !is_over {
        return Ok(());
    }
    orders::advance(conn, order, State::Expired, now)?;
    Ok(audit::append(conn, "service", "order.lapse", order.id, State::Expired.as_str(), ctx.now())?)
}
