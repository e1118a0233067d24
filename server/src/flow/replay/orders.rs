//! Orders that were paid: what they cost, with which promotions, what they brought, and what came back of them.

use jiff::{SignedDuration, Timestamp};
use wallet_core::money::Micros;

use super::ledger::{cause, told};
use super::stock::{Book, at};
use super::{Desk, shown};
use crate::billing::account::Account;
use crate::billing::orders::{GiftUsed, Kind, parts, withdrawal};
use crate::billing::posting::{Balanced, Purse};
use crate::billing::price::{Service, price_at};
use crate::billing::promotions::{Bought, Promotion, discounted};
use crate::store::packs::FIRST_PURCHASE;
use crate::store::replay::{Order, Pack};

/// A promotion that began so shortly before an order may have been too new for the replica that placed it.
const NEW: SignedDuration = SignedDuration::from_mins(1);

/// The packs of an order are what its offer promised, each with its part of the price.
pub(super) fn bought(desk: &mut Desk<'_>, book: &Book, order: &Order) -> anyhow::Result<()> {
    let kind = order.kind.as_deref().and_then(Kind::parse);
    let (Some(kind), Some(service), Some(units), Some(price)) =
        (kind, order.service.as_deref().and_then(Service::parse), order.units, order.price)
    else {
        desk.find("order", &order.id, "an offer", "none");
        return Ok(());
    };
    let list = price.saturating_mul(order.quantity);
    desk.compare("order", &order.id, list, order.list);
    discount(desk, order, service)?;
    let Some(granted_at) = book.of(&order.id).map(|pack| pack.granted_at).min() else {
        desk.find("order", &order.id, "packs", "none");
        return Ok(());
    };
    let units = units.saturating_mul(order.quantity);
    let months = u32::try_from(order.months.unwrap_or(0))?;
    let parts = parts(kind, months, Micros::new(order.micros), at(granted_at)?, desk.audit.zone)?;
    let (mut expected, mut postings) = (Vec::new(), None::<Balanced>);
    if order.micros > 0 {
        postings = Some(Balanced::pack_bought(desk.rp, Purse::Balance, Micros::new(order.micros))?);
    }
    for part in parts {
        let (from, to) = (part.window.starts_at, part.window.expires_at);
        expected.push(pack_words(service.as_str(), units, from, to, part.paid.get()));
        let granted = Balanced::units_granted(desk.rp, service, units)?;
        postings = Some(match postings {
            Some(postings) => postings.and(granted),
            None => granted,
        });
    }
    let words = |pack: &Pack| {
        let (from, to) = (at(pack.starts_at)?, at(pack.expires_at)?);
        Ok(pack_words(&pack.service, pack.units, from, to, pack.paid))
    };
    let mut found = book.of(&order.id).map(words).collect::<anyhow::Result<Vec<_>>>()?;
    expected.sort();
    found.sort();
    desk.compare("order", &order.id, expected.join("; "), found.join("; "));
    match (postings, &order.transaction) {
        (Some(postings), Some(transaction)) => {
            desk.causes.name(transaction, cause(&order.id, "purchase", Some(granted_at), &postings));
        }
        _ => desk.find("order", &order.id, "the transaction that paid it", "none"),
    }
    if order.state == "withdrawn" { given_back(desk, book, order, granted_at) } else { Ok(()) }
}

/// What is taken off an order is what the promotions of its moment take off, and these are named in it.
fn discount(desk: &mut Desk<'_>, order: &Order, service: Service) -> anyhow::Result<()> {
    let placed_at = at(order.placed_at)?;
    let settled = placed_at.saturating_sub(NEW).unwrap_or(placed_at);
    let all = &desk.rules.promotions;
    let old: Vec<Promotion> = all.iter().filter(|known| known.valid_from <= settled).cloned().collect();
    let found = words(order.micros, &order.promotions);
    let expected = [recomputed(all, order, service, placed_at), recomputed(&old, order, service, placed_at)];
    if !expected.contains(&found) {
        let [expected, _] = expected;
        desk.find("order-discount", &order.id, expected, found);
    }
    Ok(())
}

fn recomputed(known: &[Promotion], order: &Order, service: Service, placed_at: Timestamp) -> String {
    let bought = Bought { offer: &order.offer, service, list: Micros::new(order.list) };
    let coupon = match &order.coupon {
        None => None,
        Some(id) => match known.iter().find(|promotion| promotion.id == *id) {
            Some(Promotion { coupon: Some(coupon), .. }) => Some(coupon.as_str()),
            _ => return format!("the coupon of {id}"),
        },
    };
    match discounted(&bought, known, coupon, placed_at) {
        Ok(discounted) => words(discounted.total.get(), &discounted.applied.join(" ")),
        Err(error) => error.to_string(),
    }
}

fn words(micros: i64, promotions: &str) -> String {
    format!("{micros} micros by [{promotions}]")
}

fn pack_words(service: &str, units: i64, from: Timestamp, to: Timestamp, paid: i64) -> String {
    format!("{units} of {service} from {from} to {to} for {paid} micros")
}

/// An order that was given back: its packs unused and void, its price in the balance but for what was used of its gifts.
fn given_back(desk: &mut Desk<'_>, book: &Book, order: &Order, bought_at: i64) -> anyhow::Result<()> {
    let Some(closed_at) = order.closed_at else {
        desk.find("order", &order.id, "when it was given back", "nothing");
        return Ok(());
    };
    for pack in book.of(&order.id) {
        let found = (pack.voided_at, pack.drawn);
        if found != (Some(closed_at), 0) {
            let found = format!("{} drawn, void since {}", found.1, shown(found.0));
            desk.find("order", &order.id, format!("0 drawn, void since {closed_at}"), found);
        }
    }
    let mut gifts = Vec::new();
    for gift in book.of(FIRST_PURCHASE).filter(|gift| order.gift == 1 && gift.voided_at == Some(closed_at)) {
        let Some(service) = Service::parse(&gift.service) else { continue };
        let prices = desk.rules.prices.get(&service).map(Vec::as_slice).unwrap_or_default();
        let price = price_at(prices, at(bought_at)?).map_or(Micros::ZERO, |price| price.micros);
        gifts.push((service, GiftUsed { units: u64::try_from(gift.drawn)?, price }));
    }
    let used: Vec<GiftUsed> = gifts.iter().map(|(_, used)| *used).collect();
    let withdrawal = withdrawal(Micros::new(order.micros), &used)?;
    let mut postings: Vec<Balanced> = Vec::new();
    for pack in book.of(&order.id) {
        let Some(service) = Service::parse(&pack.service) else { continue };
        postings.push(Balanced::units_voided(desk.rp, service, pack.units)?);
    }
    if withdrawal.refund > Micros::ZERO {
        let (deferred, balance) = (Account::DeferredPacks, Account::Balance(desk.rp));
        postings.push(Balanced::transfer(deferred, balance, withdrawal.refund)?);
    }
    for ((service, _), clawed) in gifts.iter().zip(withdrawal.clawed_back) {
        if clawed > Micros::ZERO {
            postings.push(Balanced::pack_earned(*service, clawed)?);
        }
    }
    if let Some(postings) = postings.into_iter().reduce(Balanced::and) {
        desk.causes.tell(told(&order.id, "withdrawal", closed_at, &postings));
    }
    Ok(())
}
