//! What relying parties have paid beforehand. A balance is the sum of the postings to `rp:…:balance`, kept in a row so that it can't be
//! spent twice; no use of a service touches it.

use diesel::prelude::*;
use wallet_core::ids::{LedgerTransactionId, RelyingPartyId};
use wallet_core::money::Micros;

use super::Conn;
use super::schema::balances;

/// What there is.
pub fn of(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<Micros> {
    let found = balances::table.find(rp.to_string()).select(balances::micros);
    Ok(Micros::new(found.first(conn).optional()?.unwrap_or(0)))
}

/// Adds to it.
pub fn add(
    conn: &mut Conn,
    rp: RelyingPartyId,
    micros: Micros,
    with: LedgerTransactionId,
) -> QueryResult<()> {
    let row = (
        balances::rp_id.eq(rp.to_string()),
        balances::micros.eq(micros.get()),
        balances::transaction_id.eq(with.to_string()),
    );
    let more =
        (balances::micros.eq(balances::micros + micros.get()), balances::transaction_id.eq(with.to_string()));
    // Diesel has no upsert that both databases know.
    let found = balances::table.find(rp.to_string());
    if diesel::update(found).set(more).execute(conn)? == 0 {
        diesel::insert_into(balances::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// Takes from it; `false` when there is not as much, and then nothing is taken.
pub fn take(
    conn: &mut Conn,
    rp: RelyingPartyId,
    micros: Micros,
    with: LedgerTransactionId,
) -> QueryResult<bool> {
    let enough = balances::table.find(rp.to_string()).filter(balances::micros.ge(micros.get()));
    let less =
        (balances::micros.eq(balances::micros - micros.get()), balances::transaction_id.eq(with.to_string()));
    Ok(diesel::update(enough).set(less).execute(conn)? == 1)
}
