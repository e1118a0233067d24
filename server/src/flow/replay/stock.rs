//! Packs: bought by an order or given, drawn, earned, void.

use jiff::Timestamp;
use wallet_core::ids::RelyingPartyId;
use wallet_core::money::Micros;

use super::bills::Drawn;
use super::ledger::{cause, told};
use super::{Desk, shown};
use crate::billing::account::Account;
use crate::billing::orders::{GiftUsed, Kind, parts, withdrawal};
use crate::billing::packs::{FREE_SERVICES, FREE_UNITS, earned};
use crate::billing::posting::{Balanced, Purse};
use crate::billing::price::{Service, price_at};
use crate::billing::replay::{DrawOrder, PassedOver, Stock, Use};
use crate::store::Conn;
use crate::store::packs::FIRST_PURCHASE;
use crate::store::replay::{self as rows, Order, Pack};

/// What a relying party has bought.
pub(super) struct Book {
    pub(super) packs: Vec<Pack>,
    orders: Vec<Order>,
}

impl Book {
    pub(super) fn read(conn: &mut Conn, rp: RelyingPartyId) -> anyhow::Result<Book> {
        Ok(Book { packs: rows::packs(conn, rp)?, orders: rows::orders(conn, rp)? })
    }

    fn of<'a>(&'a self, origin: &'a str) -> impl Iterator<Item = &'a Pack> {
        self.packs.iter().filter(move |pack| pack.origin == origin)
    }

    /// When the order that a pack came with was given back, if it went with it.
    fn withdrawn_at(&self, pack: &Pack) -> Option<i64> {
        let order = self.orders.iter().find(|order| order.id == pack.origin && order.state == "withdrawn");
        order.and_then(|order| order.closed_at).filter(|at| pack.voided_at == Some(*at))
    }
}

fn at(micros: i64) -> anyhow::Result<Timestamp> {
    Ok(Timestamp::from_microsecond(micros)?)
}

/// Looks at packs and orders, and says what they should have left in the ledger.
pub(super) fn look(conn: &mut Conn, desk: &mut Desk<'_>, book: &Book, drawn: &Drawn) -> anyhow::Result<()> {
    for pack in &book.packs {
        desk.report.packs += 1;
        counted(desk, pack);
        earning(desk, book, pack, drawn.get(&pack.id).map(Vec::as_slice).unwrap_or_default())?;
        origin(desk, book, pack)?;
    }
    for order in &book.orders {
        bought(desk, book, order)?;
    }
    in_order(conn, desk, book)
}

/// What is left is what was there, less what was drawn and is void.
fn counted(desk: &mut Desk<'_>, pack: &Pack) {
    if pack.drawn > pack.units {
        desk.find("pack-remaining", &pack.id, format!("at most {} drawn", pack.units), pack.drawn);
    }
    let left = if pack.voided_at.is_some() { 0 } else { pack.units.saturating_sub(pack.drawn).max(0) };
    desk.compare("pack-remaining", &pack.id, left, pack.remaining);
}

/// What it has earned: its share with each statement, the rest when it became void.
fn earning(desk: &mut Desk<'_>, book: &Book, pack: &Pack, stated: &[(i64, i64)]) -> anyhow::Result<()> {
    let Some(service) = Service::parse(&pack.service) else {
        desk.find("pack-order", &pack.id, "a service", &pack.service);
        return Ok(());
    };
    let (paid, mut so_far, mut units) = (Micros::new(pack.paid), Micros::ZERO, 0_i64);
    for (made_at, more) in stated {
        units = units.saturating_add(*more);
        if pack.voided_at.is_some_and(|voided| voided <= *made_at) {
            continue;
        }
        let Ok(by_now) = earned(paid, pack.units, units) else { continue };
        let postings = Balanced::pack_earned(service, by_now.minus(so_far)?)?;
        if by_now > so_far {
            desk.causes.tell(told(&pack.id, "pack_earned", *made_at, &postings));
        }
        so_far = by_now;
    }
    if let Some(voided) = pack.voided_at.filter(|_| book.withdrawn_at(pack).is_none()) {
        let left = pack.units.saturating_sub(pack.drawn);
        if left > 0 {
            let postings = Balanced::units_voided(desk.rp, service, left)?;
            desk.causes.tell(told(&pack.id, "pack_void", voided, &postings));
        }
        if paid > so_far {
            let postings = Balanced::pack_earned(service, paid.minus(so_far)?)?;
            desk.causes.tell(told(&pack.id, "pack_earned", voided, &postings));
            so_far = paid;
        }
    }
    desk.compare("pack-earned", &pack.id, so_far.get(), pack.earned);
    Ok(())
}

/// A pack comes with an order, or is a gift of the first purchase.
fn origin(desk: &mut Desk<'_>, book: &Book, pack: &Pack) -> anyhow::Result<()> {
    if pack.origin != FIRST_PURCHASE {
        if !book.orders.iter().any(|order| order.id == pack.origin) {
            desk.find("pack-order", &pack.id, "a paid order", &pack.origin);
        }
        return Ok(());
    }
    let service = Service::parse(&pack.service).filter(|service| FREE_SERVICES.contains(service));
    let first = book.of(FIRST_PURCHASE).find(|other| other.service == pack.service);
    let is_only = first.is_some_and(|first| first.id == pack.id);
    let Some(service) = service.filter(|_| (pack.units, pack.paid) == (FREE_UNITS, 0) && is_only) else {
        let found = format!("{} of {} for {} micros", pack.units, pack.service, pack.paid);
        desk.find("pack-order", &pack.id, format!("{FREE_UNITS} free units, once a service"), found);
        return Ok(());
    };
    let postings = Balanced::units_granted(desk.rp, service, pack.units)?;
    desk.causes.tell(told(&pack.id, "gift", pack.granted_at, &postings));
    Ok(())
}

/// The packs of an order are what its offer promised, each with its part of the price.
fn bought(desk: &mut Desk<'_>, book: &Book, order: &Order) -> anyhow::Result<()> {
    let kind = order.kind.as_deref().and_then(Kind::parse);
    let (Some(kind), Some(service), Some(units), Some(price)) =
        (kind, order.service.as_deref().and_then(Service::parse), order.units, order.price)
    else {
        desk.find("order", &order.id, "an offer", "none");
        return Ok(());
    };
    let list = price.saturating_mul(order.quantity);
    desk.compare("order", &order.id, list, order.list);
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

/// Which pack each use was drawn from, by expiry.
fn in_order(conn: &mut Conn, desk: &mut Desk<'_>, book: &Book) -> anyhow::Result<()> {
    let stock = |pack: &Pack| {
        Ok(Stock {
            id: pack.id.clone(),
            service: pack.service.clone(),
            units: pack.units,
            granted_at: at(pack.granted_at)?,
            window: (at(pack.starts_at)?, at(pack.expires_at)?),
            voided_at: pack.voided_at.map(at).transpose()?,
        })
    };
    if book.packs.is_empty() {
        return Ok(());
    }
    let mut order = DrawOrder::new(book.packs.iter().map(stock).collect::<anyhow::Result<_>>()?);
    for drawn in rows::drawn(conn, desk.rp)? {
        let drawn = drawn?;
        let passed = order.add(Use {
            charge: drawn.id,
            service: drawn.service,
            pack: drawn.pack,
            submitted_at: at(drawn.submitted_at)?,
            charged_at: at(drawn.charged_at)?,
        });
        passed.iter().for_each(|passed| passed_over(desk, passed));
    }
    order.finish().iter().for_each(|passed| passed_over(desk, passed));
    Ok(())
}

fn passed_over(desk: &mut Desk<'_>, passed: &PassedOver) {
    desk.find("pack-draw-order", &passed.charge, &passed.pack, shown(passed.instead.as_ref()));
}
