//! Packs: bought by an order or given, drawn, earned, void. What orders cost and brought is `orders.rs`.

use jiff::Timestamp;
use wallet_core::ids::RelyingPartyId;
use wallet_core::money::Micros;

use super::bills::Drawn;
use super::ledger::told;
use super::{Desk, orders, shown};
use crate::billing::packs::{FREE_SERVICES, FREE_UNITS, earned};
use crate::billing::posting::Balanced;
use crate::billing::price::Service;
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

    pub(super) fn of<'a>(&'a self, origin: &'a str) -> impl Iterator<Item = &'a Pack> {
        self.packs.iter().filter(move |pack| pack.origin == origin)
    }

    /// When the order that a pack came with was given back, if it went with it.
    fn withdrawn_at(&self, pack: &Pack) -> Option<i64> {
        let order = self.orders.iter().find(|order| order.id == pack.origin && order.state == "withdrawn");
        order.and_then(|order| order.closed_at).filter(|at| pack.voided_at == Some(*at))
    }
}

pub(super) fn at(micros: i64) -> anyhow::Result<Timestamp> {
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
        orders::bought(desk, book, order)?;
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
