//! Prices and charges.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{AttemptId, ChargeId, LedgerTransactionId, PackId, RelyingPartyId};
use wallet_core::money::{Currency, Micros};
use wallet_core::receipt::Occasion;

use super::columns::{damaged, time};
use super::schema::{charges, prices};
use super::{Conn, exactly_one, ledger, packs, statements};
use crate::billing::posting::Balanced;
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

/// Whether there is a price list of this name.
pub fn is_version(conn: &mut Conn, version: &str) -> QueryResult<bool> {
    let named = prices::table.filter(prices::version.eq(version));
    diesel::dsl::select(diesel::dsl::exists(named)).get_result(conn)
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
    /// The pack that it was drawn from; without one it is on account.
    pub pack: Option<PackId>,
    /// When the use was submitted.
    pub submitted_at: Timestamp,
    /// The natural day of the use in the product's zone.
    pub usage_date: jiff::civil::Date,
    /// The billing period that it is stated in.
    pub period: String,
}

impl Charge {
    /// What it adds to what is owed: nothing when a pack pays.
    pub fn micros(&self) -> Micros {
        if self.pack.is_some() { Micros::ZERO } else { self.price.micros }
    }
}

/// The kind of ledger transaction that a charge is.
pub const USE: &str = "use";

/// Writes a charge with its postings, and draws its unit; `false`, and nothing is written, when it would not be paid from where it must be
/// (another pack is first by now, or none is left), or its period is closed.
pub fn book(conn: &mut Conn, charge: &Charge, postings: &Balanced, now: Timestamp) -> QueryResult<bool> {
    if !is_payable(conn, charge)? {
        return Ok(false);
    }
    write(conn, charge, postings, now).map(|()| true)
}

/// Whether a charge is paid from where it must be, in a period that is open.
pub(super) fn is_payable(conn: &mut Conn, charge: &Charge) -> QueryResult<bool> {
    let first = packs::first(conn, charge.rp, charge.price.service, charge.submitted_at)?;
    Ok(first == charge.pack && !statements::exists(conn, charge.rp, &charge.period)?)
}

/// Writes a charge that [`is_payable`].
pub(super) fn write(
    conn: &mut Conn,
    charge: &Charge,
    postings: &Balanced,
    now: Timestamp,
) -> QueryResult<()> {
    if let Some(pack) = charge.pack {
        exactly_one(usize::from(packs::draw(conn, charge.rp, pack)?))?;
    }
    ledger::post(conn, charge.rp, charge.transaction, USE, postings, now)?;
    insert(conn, charge, now)
}

/// Adds a charge. The table allows one per attempt and one per occasion.
fn insert(conn: &mut Conn, charge: &Charge, now: Timestamp) -> QueryResult<()> {
    use charges as c;
    let row = (
        c::id.eq(charge.id.to_string()),
        c::rp_id.eq(charge.rp.to_string()),
        c::attempt_id.eq(charge.attempt.to_string()),
        c::redemption_id.eq(charge.occasion.to_string()),
        c::service.eq(charge.price.service.as_str()),
        c::price_version.eq(&charge.price.version),
        c::currency.eq(Currency::Cny.code()),
        c::micros.eq(charge.micros().get()),
        c::pack_id.eq(charge.pack.map(|pack| pack.to_string())),
        c::submitted_at.eq(charge.submitted_at.as_microsecond()),
        c::period.eq(&charge.period),
        c::transaction_id.eq(charge.transaction.to_string()),
        c::usage_date.eq(charge.usage_date.to_string()),
        c::charged_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(c::table).values(row).execute(conn).map(drop)
}
