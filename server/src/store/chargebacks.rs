//! Money that a gateway took back by itself. It may be told of before the payment that it is about.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{LedgerTransactionId, RelyingPartyId};
use wallet_core::money::{Micros, MoneyOverflow};

use super::columns::damaged;
use super::schema::chargebacks;
use super::{Conn, exactly_one};
use crate::billing::account::Provider;

/// Money that was taken back.
#[derive(Debug, Clone)]
pub struct Chargeback {
    /// By whom.
    pub provider: Provider,
    /// What it is called there.
    pub reference: String,
    /// What the payment is called there.
    pub payment: String,
    /// How much: micro-yuan.
    pub micros: Micros,
}

/// Writes one down; it waits for its payment.
pub fn insert(conn: &mut Conn, chargeback: &Chargeback, now: Timestamp) -> QueryResult<()> {
    let row = (
        chargebacks::provider.eq(chargeback.provider.as_str()),
        chargebacks::reference.eq(&chargeback.reference),
        chargebacks::payment_reference.eq(&chargeback.payment),
        chargebacks::micros.eq(chargeback.micros.get()),
        chargebacks::noted_at.eq(now.as_microsecond()),
        chargebacks::short_micros.eq(0),
    );
    diesel::insert_into(chargebacks::table).values(row).execute(conn).map(drop)
}

/// What was told under this name before: of which payment, and how much.
pub fn find(conn: &mut Conn, provider: &Provider, reference: &str) -> QueryResult<Option<(String, Micros)>> {
    let found = chargebacks::table
        .find((provider.as_str(), reference))
        .select((chargebacks::payment_reference, chargebacks::micros));
    let found = found.first::<(String, i64)>(conn).optional()?;
    Ok(found.map(|(payment, micros)| (payment, Micros::new(micros))))
}

/// All of a payment that were told of.
pub fn of_payment(conn: &mut Conn, provider: &Provider, payment: &str) -> QueryResult<Vec<Chargeback>> {
    let found = chargebacks::table
        .filter(chargebacks::provider.eq(provider.as_str()))
        .filter(chargebacks::payment_reference.eq(payment))
        .order(chargebacks::reference)
        .select((chargebacks::reference, chargebacks::micros));
    let rows = found.load::<(String, i64)>(conn)?;
    let chargeback = |(reference, micros)| Chargeback {
        provider: provider.clone(),
        reference,
        payment: payment.to_owned(),
        micros: Micros::new(micros),
    };
    Ok(rows.into_iter().map(chargeback).collect())
}

/// The sum of several.
///
/// # Errors
/// A sum out of range, which no payment is.
pub fn sum(chargebacks: &[Chargeback]) -> Result<Micros, MoneyOverflow> {
    chargebacks.iter().try_fold(Micros::ZERO, |sum, chargeback| sum.plus(chargeback.micros))
}

/// Notes that one was taken from a relying party, and what its balance did not cover.
pub fn apply(
    conn: &mut Conn,
    chargeback: &Chargeback,
    rp: RelyingPartyId,
    short: Micros,
    transaction: LedgerTransactionId,
) -> QueryResult<()> {
    let waiting = chargebacks::table
        .find((chargeback.provider.as_str(), &chargeback.reference))
        .filter(chargebacks::rp_id.is_null());
    let values = (
        chargebacks::rp_id.eq(rp.to_string()),
        chargebacks::transaction_id.eq(transaction.to_string()),
        chargebacks::short_micros.eq(short.get()),
    );
    exactly_one(diesel::update(waiting).set(values).execute(conn)?)
}

/// What a relying party owes for such, each with the names of what it is for.
pub fn short(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<Vec<(String, String, Micros)>> {
    let owed = chargebacks::table
        .filter(chargebacks::rp_id.eq(rp.to_string()))
        .filter(chargebacks::short_micros.gt(0))
        .order((chargebacks::noted_at, chargebacks::reference))
        .select((chargebacks::provider, chargebacks::reference, chargebacks::short_micros));
    let rows = owed.load::<(String, String, i64)>(conn)?;
    Ok(rows.into_iter().map(|(provider, name, short)| (provider, name, Micros::new(short))).collect())
}

/// Covers a part of what is owed for one.
pub fn cover(
    conn: &mut Conn,
    (provider, reference, short): &(String, String, Micros),
    by: Micros,
) -> QueryResult<()> {
    let left = short.minus(by).map_err(|error| damaged(&error))?;
    let owed =
        chargebacks::table.find((provider, reference)).filter(chargebacks::short_micros.eq(short.get()));
    exactly_one(diesel::update(owed).set(chargebacks::short_micros.eq(left.get())).execute(conn)?)
}
