//! What was paid for a service, and when: by packs, and on account.

use diesel::QueryResult;
use jiff::Timestamp;
use wallet_core::ids::RelyingPartyId;
use wallet_core::money::Micros;

use super::columns::{damaged, time};
use super::{Conn, rows};
use crate::billing::liability::{PackFee, Settled};
use crate::billing::packs::Window;
use crate::billing::price::Service;

/// The packs of a service, with what was paid for each. What was given back was paid back.
pub fn packs(conn: &mut Conn, rp: RelyingPartyId, service: Service) -> QueryResult<Vec<PackFee>> {
    let query = format!(
        "SELECT {{row(}}p.starts_at, p.expires_at, p.paid_micros{{)row}} AS line FROM packs p \
         LEFT JOIN orders o ON o.rp_id = p.rp_id AND o.id = p.origin \
         WHERE p.rp_id = '{rp}' AND p.service = '{}' AND COALESCE(o.state, '') <> 'withdrawn'",
        service.as_str()
    );
    let fee = |row| {
        let (starts_at, expires_at, paid): (i64, i64, i64) = row;
        let window = Window { starts_at: time(starts_at)?, expires_at: time(expires_at)? };
        Ok(PackFee { service, window, paid: Micros::new(paid) })
    };
    read(conn, &query)?.into_iter().map(fee).collect()
}

/// What was paid of statements with charges of a service, until `until`: of each statement in the order of the payments.
pub fn settled(
    conn: &mut Conn,
    rp: RelyingPartyId,
    service: Service,
    until: Timestamp,
) -> QueryResult<Vec<Settled>> {
    let query = format!(
        "SELECT {{row(}}s.period, s.micros, i.micros, p.paid_at, p.micros{{)row}} AS line FROM settlement_payments p \
         JOIN statements s ON s.rp_id = p.rp_id AND s.period = p.period \
         JOIN (SELECT rp_id, period, CAST(SUM(micros) AS BIGINT) AS micros FROM statement_items \
               WHERE rp_id = '{rp}' AND service = '{}' GROUP BY rp_id, period) i ON i.rp_id = s.rp_id AND i.period = s.period \
         WHERE p.rp_id = '{rp}' AND p.paid_at <= {} ORDER BY s.starts_at, s.period, p.paid_at, p.transaction_id",
        service.as_str(),
        until.as_microsecond()
    );
    let payment = |row| {
        let (statement, amount, of_service, paid_at, paid): (String, i64, i64, i64, i64) = row;
        Ok(Settled {
            statement,
            amount: Micros::new(amount),
            of_service: Micros::new(of_service),
            paid_at: time(paid_at)?,
            paid: Micros::new(paid),
        })
    };
    read(conn, &query)?.into_iter().map(payment).collect()
}

fn read<T: serde::de::DeserializeOwned>(conn: &mut Conn, query: &str) -> QueryResult<Vec<T>> {
    let typed = |row: QueryResult<Vec<serde_json::Value>>| {
        // Not serde's own words: they might quote what stands in the row.
        serde_json::from_value(row?.into()).map_err(|_| damaged(&"a row has another form"))
    };
    rows::stream(conn, query)?.map(typed).collect()
}
