//! How often services are billed, from when on.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::Conn;
use super::columns::{present, time};
use super::schema::billing_cycles as b;
use crate::billing::cycles::Change;
use crate::billing::periods::Cycle;
use crate::billing::price::Service;

/// The changes of each service that has any, in their order.
pub fn all(conn: &mut Conn) -> QueryResult<BTreeMap<Service, Vec<Change>>> {
    let rows = b::table.order((b::service, b::since)).select((b::service, b::since, b::cycle));
    let mut all = BTreeMap::<Service, Vec<Change>>::new();
    for (service, since, cycle) in rows.load::<(String, i64, String)>(conn)? {
        let service = present(Service::parse(&service), "billing_cycles.service")?;
        let cycle = present(Cycle::parse(&cycle), "billing_cycles.cycle")?;
        all.entry(service).or_default().push(Change { since: time(since)?, cycle });
    }
    Ok(all)
}

/// The changes of a service, in their order.
pub fn of(conn: &mut Conn, service: Service) -> QueryResult<Vec<Change>> {
    Ok(all(conn)?.remove(&service).unwrap_or_default())
}

/// Adds a change.
pub fn insert(conn: &mut Conn, service: Service, change: Change) -> QueryResult<()> {
    let row = (
        b::service.eq(service.as_str()),
        b::since.eq(change.since.as_microsecond()),
        b::cycle.eq(change.cycle.as_str()),
    );
    diesel::insert_into(b::table).values(row).execute(conn).map(drop)
}
