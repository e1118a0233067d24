//! Promotions and coupons.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::money::Micros;

use super::Conn;
use super::columns::{damaged, present, time};
use super::schema::promotions;
use crate::billing::price::Service;
use crate::billing::promotions::{Off, Promotion};

const PERCENTAGE: &str = "percentage";
const AMOUNT: &str = "amount";

/// Adds one.
pub fn insert(conn: &mut Conn, promotion: &Promotion) -> QueryResult<()> {
    let (kind, value) = match promotion.off {
        Off::Percentage(parts) => (PERCENTAGE, i64::from(parts)),
        Off::Amount(micros) => (AMOUNT, micros.get()),
    };
    let row = (
        promotions::id.eq(&promotion.id),
        promotions::kind.eq(kind),
        promotions::value.eq(value),
        promotions::service.eq(promotion.service.map(Service::as_str)),
        promotions::offer_id.eq(&promotion.offer),
        promotions::coupon.eq(&promotion.coupon),
        promotions::stackable.eq(i64::from(promotion.stackable)),
        promotions::valid_from.eq(promotion.valid_from.as_microsecond()),
        promotions::valid_until.eq(promotion.valid_until.as_microsecond()),
    );
    diesel::insert_into(promotions::table).values(row).execute(conn).map(drop)
}

type Row = (String, String, i64, Option<String>, Option<String>, Option<String>, i64, i64, i64);

fn promotion(row: Row) -> QueryResult<Promotion> {
    let (id, kind, value, service, offer, coupon, stackable, valid_from, valid_until) = row;
    let off = match kind.as_str() {
        PERCENTAGE => Off::Percentage(u32::try_from(value).map_err(|error| damaged(&error))?),
        AMOUNT => Off::Amount(Micros::new(value)),
        _ => return Err(damaged(&"promotions.kind")),
    };
    let service = service.map(|name| present(Service::parse(&name), "promotions.service")).transpose()?;
    Ok(Promotion {
        id,
        off,
        service,
        offer,
        coupon,
        stackable: stackable == 1,
        valid_from: time(valid_from)?,
        valid_until: time(valid_until)?,
    })
}

/// Every promotion there ever was.
pub fn all(conn: &mut Conn) -> QueryResult<Vec<Promotion>> {
    promotions::table.order(promotions::id).load::<Row>(conn)?.into_iter().map(promotion).collect()
}

/// Those in force at `now`, with or without a coupon.
pub fn in_force(conn: &mut Conn, now: Timestamp) -> QueryResult<Vec<Promotion>> {
    let now = now.as_microsecond();
    let valid = promotions::table
        .filter(promotions::valid_from.le(now))
        .filter(promotions::valid_until.gt(now))
        .order(promotions::id);
    valid.load::<Row>(conn)?.into_iter().map(promotion).collect()
}

/// Whether a name, or a coupon, is taken.
pub fn is_taken(conn: &mut Conn, id: &str, coupon: Option<&str>) -> QueryResult<bool> {
    let named = promotions::table.find(id);
    if diesel::dsl::select(diesel::dsl::exists(named)).get_result(conn)? {
        return Ok(true);
    }
    let Some(coupon) = coupon else { return Ok(false) };
    let known = promotions::table.filter(promotions::coupon.eq(coupon));
    diesel::dsl::select(diesel::dsl::exists(known)).get_result(conn)
}
