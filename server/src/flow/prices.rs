//! Price lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use wallet_core::ids::AdminId;
use wallet_core::money::{Amount, Currency, Micros};
use wallet_core::refusal::Refusal;

use super::admin_actions::{self, Asked, Decided, Kind};
use super::amounts::{MOST_PRICE, bounded, cny, invalid, name};
use super::callers::RelyingParty;
use super::{Context, cycles, later, offers};
use crate::billing::price::{Price, Service, first_list, price_at};
use crate::delivery::event;
use crate::stop::Flow;
use crate::store::{Conn, announcements, audit, charges};

/// A price is announced for later than any replica may still know the one before.
const NOTICE: SignedDuration = SignedDuration::from_mins(1);
/// What was free is announced ten days before it costs something (A2.5).
const NOTICE_OF_FREE: SignedDuration = SignedDuration::from_hours(10 * 24);

/// Gives an empty installation its first price list.
pub fn install_first_list(ctx: &Context) -> Flow<()> {
    ctx.rp_store.write(|conn| {
        if charges::any_price(conn)? {
            return Ok(());
        }
        for price in first_list() {
            insert(conn, "cli", &price, ctx.now())?;
        }
        Ok(())
    })
}

/// The price of a use submitted at `submitted_at`; what is announced for later may be seen a second late.
pub(super) fn in_force(ctx: &Context, service: Service, submitted_at: Timestamp) -> Flow<Price> {
    let prices = match ctx.caches.prices.get(&service) {
        Some(prices) => prices,
        None => {
            let prices = Arc::new(of(ctx, service)?);
            ctx.caches.prices.insert(service, Arc::clone(&prices));
            prices
        }
    };
    let price = price_at(&prices, submitted_at).cloned();
    Ok(price.ok_or_else(|| anyhow::anyhow!("no price of {} is in force", service.as_str()))?)
}

/// Whether price lists can be read.
pub fn readable(ctx: &Context) -> Flow<()> {
    of(ctx, Service::EcertRedeem).map(drop)
}

/// Every price of a service, past and announced.
fn of(ctx: &Context, service: Service) -> Flow<Vec<Price>> {
    ctx.rp_store.read(|conn| Ok(charges::prices_of(conn, service)?))
}

/// Writes a price, and on record that it was.
fn insert(conn: &mut Conn, actor: impl ToString, price: &Price, now: Timestamp) -> Flow<()> {
    charges::insert_price(conn, price)?;
    let object = format!("{}/{}", price.version, price.service.as_str());
    let outcome = format!("{} {} micros from {}", price.micros.get(), Currency::Cny.code(), price.valid_from);
    Ok(audit::append(conn, actor.to_string(), "price.change", object, &outcome, now)?)
}

/// What a use costs from a moment on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Price)]
pub struct Listed {
    service: &'static str,
    version: String,
    valid_from: Timestamp,
    price: Amount,
}

impl From<&Price> for Listed {
    fn from(price: &Price) -> Self {
        let Price { version, service, valid_from, micros } = price;
        let (version, price) = (version.clone(), cny(*micros));
        Listed { service: service.as_str(), version, valid_from: *valid_from, price }
    }
}

/// What things cost.
#[derive(Debug, Serialize, ToSchema)]
pub struct PriceList {
    /// A use of each service, now.
    in_force: Vec<Listed>,
    /// The same, from later on.
    announced: Vec<Listed>,
    /// What is sold beforehand.
    offers: Vec<offers::Shown>,
    /// How often each service is billed.
    cycles: cycles::Cycles,
}

/// What is in force and what is announced, by the relying party's own clock.
pub fn list(ctx: &Context, rp: &RelyingParty) -> Flow<PriceList> {
    list_at(ctx, ctx.moment_of(rp)?.at)
}

/// The same at a moment.
pub fn list_at(ctx: &Context, now: Timestamp) -> Flow<PriceList> {
    let (in_force, announced, offers) = ctx.rp_store.read(|conn| {
        let (mut in_force, mut announced) = (Vec::new(), Vec::new());
        for service in Service::ALL {
            let mut prices = charges::prices_of(conn, service)?;
            prices.sort_by_key(|price| price.valid_from);
            in_force.extend(price_at(&prices, now).map(Listed::from));
            announced.extend(prices.iter().filter(|price| price.valid_from > now).map(Listed::from));
        }
        Ok((in_force, announced, offers::shown(conn, now)?))
    })?;
    Ok(PriceList { in_force, announced, offers, cycles: cycles::list(ctx, now)? })
}

/// A price list to be announced.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = PriceAnnouncement)]
#[serde(deny_unknown_fields)]
pub struct Announcement {
    version: String,
    valid_from: Timestamp,
    #[serde(default = "cny_code")]
    currency: String,
    prices: Vec<Announced>,
    /// For the second person, and the record: 1 to 200 characters.
    #[serde(default, skip_serializing)]
    why: Option<String>,
}

/// What a use of a service will cost.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = AnnouncedPrice)]
#[serde(deny_unknown_fields)]
pub struct Announced {
    service: String,
    micros: i64,
}

fn cny_code() -> String {
    Currency::Cny.code().to_owned()
}

impl Announcement {
    fn check(&self) -> Result<Vec<Price>, Refusal> {
        name("version", &self.version)?;
        if self.currency != Currency::Cny.code() {
            return Err(invalid("currency", "CNY"));
        }
        let mut services = BTreeSet::new();
        let price = |announced: &Announced| {
            let service =
                Service::parse(&announced.service).ok_or_else(|| invalid("service", "a known service"))?;
            let micros = Micros::new(bounded("micros", announced.micros, 0, MOST_PRICE)?);
            if !services.insert(service) {
                return Err(invalid("prices", "one price for each service"));
            }
            Ok(Price { version: self.version.clone(), service, valid_from: self.valid_from, micros })
        };
        let prices: Vec<Price> = self.prices.iter().map(price).collect::<Result<_, _>>()?;
        if prices.is_empty() { Err(invalid("prices", "at least one price")) } else { Ok(prices) }
    }
}

/// Asks for a price list to be announced: for later, and in time. A second person agrees, and until then nobody is told.
pub fn ask(ctx: &Context, admin: AdminId, announcement: &Announcement) -> Flow<Decided> {
    let (prices, now) = (announcement.check()?, ctx.now());
    ctx.rp_store.read(|conn| check_all(conn, announcement, &prices, now))?;
    let asked = Asked {
        kind: Kind::AnnouncePrices,
        subject: announcement.version.clone(),
        parameters: serde_json::to_value(announcement)?,
        why: announcement.why.as_deref(),
        file: None,
    };
    admin_actions::ask(ctx, admin, &asked).map(Decided::of)
}

fn check_all(conn: &mut Conn, announcement: &Announcement, prices: &[Price], now: Timestamp) -> Flow<()> {
    if charges::is_version(conn, &announcement.version)? {
        return Err(invalid("version", "the name of no earlier price list").into());
    }
    for price in prices {
        check_time(&charges::prices_of(conn, price.service)?, price, now)?;
    }
    Ok(())
}

/// Announces what was asked for and agreed to. What was announced stays. The services that it is about.
pub(super) fn carry_out(
    conn: &mut Conn,
    admin: AdminId,
    parameters: &str,
    now: Timestamp,
) -> Flow<Vec<Service>> {
    let announcement: Announcement = serde_json::from_str(parameters)?;
    let prices = announcement.check()?;
    check_all(conn, &announcement, &prices, now)?;
    for price in &prices {
        insert(conn, admin, price, now)?;
    }
    let services: Vec<Service> = prices.iter().map(|price| price.service).collect();
    let told: Vec<Listed> = prices.iter().map(Listed::from).collect();
    announcements::insert(conn, event::Kind::PriceAnnounced, &services, &json!({ "prices": told }), now)?;
    Ok(services)
}

/// What this replica remembers of the prices of these services is read again.
pub(super) fn forget_known(ctx: &Context, services: &[Service]) {
    for service in services {
        ctx.caches.prices.invalidate(service);
    }
}

fn check_time(known: &[Price], price: &Price, now: Timestamp) -> Result<(), Refusal> {
    let valid_from = price.valid_from;
    if known.iter().any(|known| known.valid_from == valid_from) {
        return Err(invalid("valid_from", "another moment: a price of the service begins then"));
    }
    if valid_from < later(now, NOTICE) {
        return Err(invalid("valid_from", "at least a minute from now"));
    }
    let is_free = price_at(known, valid_from).is_some_and(|before| before.micros == Micros::ZERO);
    if is_free && price.micros > Micros::ZERO && valid_from < later(now, NOTICE_OF_FREE) {
        return Err(invalid("valid_from", "at least ten days from now: until then the service is free"));
    }
    Ok(())
}

/// The price of a use at `now`, and until when nothing else is announced.
pub(super) fn of_a_use(
    conn: &mut Conn,
    service: Service,
    now: Timestamp,
) -> Flow<(Price, Option<Timestamp>)> {
    let prices = charges::prices_of(conn, service)?;
    let price = price_at(&prices, now).cloned();
    let price = price.ok_or_else(|| anyhow::anyhow!("no price of {} is in force", service.as_str()))?;
    let next = prices.iter().map(|price| price.valid_from).filter(|from| *from > now).min();
    Ok((price, next))
}
