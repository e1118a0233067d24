//! The catalogue of what is sold beforehand: packs, monthly packs, licences.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::AdminId;
use wallet_core::money::{Amount, Micros, SentAmount};
use wallet_core::refusal::Refusal;

use super::Context;
use super::amounts::{MOST_PRICE, bounded, cny, invalid, name, yuan};
use crate::billing::orders::Kind;
use crate::billing::packs::MOST_MONTHS;
use crate::billing::price::Service;
use crate::stop::Flow;
use crate::store::offers::Offer;
use crate::store::{Conn, audit, offers};

/// The most units that an offer has, and the most of an offer that are kept for sale.
const MOST_UNITS: i64 = 1_000_000_000;

/// The catalogue that an empty installation begins with: name, service, kind, units, months, yuan. The more units, the cheaper each is
/// (P1); an offline device costs 399 CNY a year.
const FIRST: [(&str, Service, Kind, i64, u32, i64); 18] = [
    ("redeem-1k", Service::EcertRedeem, Kind::Pack, 1_000, 12, 950),
    ("redeem-10k", Service::EcertRedeem, Kind::Pack, 10_000, 12, 9_000),
    ("redeem-100k", Service::EcertRedeem, Kind::Pack, 100_000, 12, 80_000),
    ("redeem-monthly-1k", Service::EcertRedeem, Kind::Monthly, 1_000, 12, 10_200),
    ("verify-1k", Service::PersonVerify, Kind::Pack, 1_000, 12, 950),
    ("verify-10k", Service::PersonVerify, Kind::Pack, 10_000, 12, 9_000),
    ("verify-100k", Service::PersonVerify, Kind::Pack, 100_000, 12, 80_000),
    ("verify-monthly-1k", Service::PersonVerify, Kind::Monthly, 1_000, 12, 10_200),
    ("liveness-10k", Service::FaceLiveness, Kind::Pack, 10_000, 12, 1_720),
    ("liveness-100k", Service::FaceLiveness, Kind::Pack, 100_000, 12, 15_500),
    ("liveness-monthly-10k", Service::FaceLiveness, Kind::Monthly, 10_000, 12, 19_200),
    ("compare-100k", Service::FaceCompare, Kind::Pack, 100_000, 12, 550),
    ("compare-1m", Service::FaceCompare, Kind::Pack, 1_000_000, 12, 5_000),
    ("attributes-100k", Service::FaceAttributes, Kind::Pack, 100_000, 12, 550),
    ("attributes-1m", Service::FaceAttributes, Kind::Pack, 1_000_000, 12, 5_000),
    ("search-100k", Service::FaceSearch, Kind::Pack, 100_000, 12, 550),
    ("search-1m", Service::FaceSearch, Kind::Pack, 1_000_000, 12, 5_000),
    ("device-1y", Service::SdkDevice, Kind::Licence, 1, 12, 399),
];

/// Gives an empty installation its first catalogue.
pub fn install_first(ctx: &Context) -> Flow<()> {
    ctx.rp_store.write(|conn| {
        if offers::any(conn, &FIRST.map(|(id, ..)| id))? {
            return Ok(());
        }
        for (id, service, kind, units, months, yuan) in FIRST {
            let (valid_from, micros) = (Timestamp::UNIX_EPOCH, Micros::new(yuan).times(1_000_000)?);
            let id = id.to_owned();
            let offer = Offer { id, valid_from, service, kind, units, months, micros, stock: None };
            insert(conn, "cli", &offer, ctx.now())?;
        }
        Ok(())
    })
}

fn insert(conn: &mut Conn, actor: impl ToString, offer: &Offer, now: Timestamp) -> Flow<()> {
    offers::insert(conn, offer)?;
    let outcome = format!("{} CNY micros from {}", offer.micros.get(), offer.valid_from);
    Ok(audit::append(conn, actor.to_string(), "offer.add", &offer.id, &outcome, now)?)
}

/// An offer as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Offer)]
pub struct Shown {
    id: String,
    valid_from: Timestamp,
    service: &'static str,
    kind: &'static str,
    units: i64,
    months: u32,
    price: Amount,
    /// How many are left; absent where there are always more.
    #[serde(skip_serializing_if = "Option::is_none")]
    stock: Option<i64>,
}

impl From<Offer> for Shown {
    fn from(offer: Offer) -> Self {
        let Offer { id, valid_from, service, kind, units, months, micros, stock } = offer;
        let (service, kind, price) = (service.as_str(), kind.as_str(), cny(micros));
        Shown { id, valid_from, service, kind, units, months, price, stock }
    }
}

/// What is in force, and what is announced.
pub(super) fn shown(conn: &mut Conn, now: Timestamp) -> Flow<Vec<Shown>> {
    let all = offers::all(conn)?;
    let is_past = |offer: &Offer| {
        let takes_its_place = |other: &Offer| {
            other.id == offer.id && other.valid_from > offer.valid_from && other.valid_from <= now
        };
        all.iter().any(takes_its_place)
    };
    Ok(all.iter().filter(|offer| !is_past(offer)).cloned().map(Shown::from).collect())
}

/// An offer to add.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewOffer)]
#[serde(deny_unknown_fields)]
pub struct New {
    id: String,
    /// Without it, from now on.
    valid_from: Option<Timestamp>,
    service: String,
    kind: String,
    units: i64,
    months: u32,
    price: SentAmount,
    stock: Option<i64>,
}

impl New {
    fn check(&self, now: Timestamp) -> Result<Offer, Refusal> {
        name("id", &self.id)?;
        let valid_from = self.valid_from.unwrap_or(now);
        if valid_from < now {
            return Err(invalid("valid_from", "now or later"));
        }
        bounded("months", self.months.into(), 1, MOST_MONTHS.into())?;
        let stock = self.stock.map(|stock| bounded("stock", stock, 0, MOST_UNITS)).transpose()?;
        Ok(Offer {
            id: self.id.clone(),
            valid_from,
            service: Service::parse(&self.service).ok_or_else(|| invalid("service", "a known service"))?,
            kind: Kind::parse(&self.kind).ok_or_else(|| invalid("kind", "pack, monthly or licence"))?,
            units: bounded("units", self.units, 1, MOST_UNITS)?,
            months: self.months,
            micros: yuan("price", &self.price, 0, MOST_PRICE)?,
            stock,
        })
    }
}

/// Adds an offer, or another that takes the place of one of the same name: with a stock of 0 it ends it. Orders keep the offer and the price
/// that they were placed at.
pub fn add(ctx: &Context, admin: AdminId, new: &New) -> Flow<Shown> {
    let now = ctx.now();
    let offer = new.check(now)?;
    ctx.rp_store.write(|conn| {
        if offers::find(conn, &offer.id, offer.valid_from)?.is_some() {
            return Err(invalid("valid_from", "another moment: an offer of this name begins then").into());
        }
        if let Some(before) = offers::in_force(conn, &offer.id, offer.valid_from)? {
            let is_same = before.service == offer.service && before.kind == offer.kind;
            if !is_same {
                return Err(invalid("id", "another name: the service and kind of an offer stay").into());
            }
        }
        insert(conn, admin, &offer, now)
    })?;
    Ok(offer.into())
}
