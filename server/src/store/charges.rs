//! Prices and charges.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{AttemptId, ChargeId, LedgerTransactionId, RelyingPartyId};
use wallet_core::money::{Currency, Micros};
use wallet_core::receipt::Occasion;

use super::Conn;
use super::columns::{damaged, time};
use super::schema::{charges, prices};
use crate::billing::price::{Price, Service};

/// Adds a price.
pub fn insert_price(conn: &mut Conn, price: &Price) -> QueryResult<()> {
    let row = (
        prices::version.eq(&price.version),
        prices::service.eq(price.service.as_str()),
        prices::valid_from.eq(price.valid_from.as_microsecond()),
        prices::currency.eq(Currency::Cny.code()),
        prices::micros.eq(price.micros.get()),
    );
    diesel::insert_into(prices::table).values(row).execute(conn).map(drop)
}

/// Whether there is any price yet.
pub fn any_price(conn: &mut Conn) -> QueryResult<bool> {
    diesel::dsl::select(diesel::dsl::exists(prices::table.select(prices::version))).get_result(conn)
}

/// All prices of a service, past and announced.
pub fn prices_of(conn: &mut Conn, service: Service) -> QueryResult<Vec<Price>> {
    let columns = (prices::version, prices::valid_from, prices::micros);
    let rows = prices::table.filter(prices::service.eq(service.as_str())).select(columns);
    let price = |(version, valid_from, micros): (String, i64, i64)| {
        if micros < 0 {
            return Err(damaged(&"prices.micros"));
        }
        Ok(Price { version, service, valid_from: time(valid_from)?, micros: Micros::new(micros) })
    };
    rows.load(conn)?.into_iter().map(price).collect()
}

/// One charge: one judged attempt, for ever.
#[derive(Debug)]
pub struct Charge {
    /// Which.
    pub id: ChargeId,
    /// Who pays.
    pub rp: RelyingPartyId,
    /// For which attempt.
    pub attempt: AttemptId,
    /// In which redemption or use.
    pub occasion: Occasion,
    /// How much, and by which list.
    pub price: Price,
    /// Where it stands in the ledger.
    pub transaction: LedgerTransactionId,
    /// The natural day of the use in the product's zone.
    pub usage_date: jiff::civil::Date,
}

/// Adds a charge. The table allows one per attempt and one per occasion.
pub fn insert(conn: &mut Conn, charge: &Charge, now: Timestamp) -> QueryResult<()> {
    use charges as c;
    let row = (
        c::id.eq(charge.id.to_string()),
        c::rp_id.eq(charge.rp.to_string()),
        c::attempt_id.eq(charge.attempt.to_string()),
        c::redemption_id.eq(charge.occasion.to_string()),
        c::service.eq(charge.price.service.as_str()),
        c::price_version.eq(&charge.price.version),
        c::currency.eq(Currency::Cny.code()),
        c::micros.eq(charge.price.micros.get()),
        c::transaction_id.eq(charge.transaction.to_string()),
        c::usage_date.eq(charge.usage_date.to_string()),
        c::charged_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(c::table).values(row).execute(conn).map(drop)
}
