//! What was spent on a day of what caps count. Only for caps that there are, so most uses write nothing here.

use std::collections::HashMap;

use diesel::prelude::*;
use jiff::Timestamp;
use jiff::civil::Date;
use wallet_core::ids::{CapId, RelyingPartyId};
use wallet_core::money::Micros;

use super::Conn;
use super::columns::parse;
use super::schema::cap_days as c;

/// A day of a cap.
#[derive(Debug, Clone, Copy)]
pub struct Day {
    /// Whose.
    pub rp: RelyingPartyId,
    /// Which.
    pub cap: CapId,
    /// When, in the product's zone.
    pub day: Date,
}

impl Day {
    fn key(self) -> (String, String, String) {
        (self.rp.to_string(), self.cap.to_string(), self.day.to_string())
    }
}

/// What was spent on a day, by cap, and whether its owner was told that it is reached.
pub fn spent(conn: &mut Conn, rp: RelyingPartyId, day: Date) -> QueryResult<HashMap<CapId, (Micros, bool)>> {
    let found = c::table
        .filter(c::rp_id.eq(rp.to_string()))
        .filter(c::usage_date.eq(day.to_string()))
        .select((c::cap_id, c::micros, c::told_at));
    let rows = found.load::<(String, i64, Option<i64>)>(conn)?.into_iter();
    rows.map(|(cap, micros, told)| Ok((parse(&cap)?, (Micros::new(micros), told.is_some())))).collect()
}

/// Adds what is spent, as long as it stays within `most`; `false` when it does not, and nothing is added.
pub fn add(conn: &mut Conn, day: Day, micros: Micros, most: Option<Micros>) -> QueryResult<bool> {
    let most = most.map_or(i64::MAX, Micros::get);
    let key = day.key();
    let room = c::table.find(key.clone()).filter(c::micros.le(most.saturating_sub(micros.get())));
    if diesel::update(room).set(c::micros.eq(c::micros + micros.get())).execute(conn)? == 1 {
        return Ok(true);
    }
    let is_there = diesel::dsl::select(diesel::dsl::exists(c::table.find(key.clone())));
    if micros.get() > most || is_there.get_result(conn)? {
        return Ok(false);
    }
    let (rp, cap, day) = key;
    let row = (c::rp_id.eq(rp), c::cap_id.eq(cap), c::usage_date.eq(day), c::micros.eq(micros.get()));
    diesel::insert_into(c::table).values(row).execute(conn)?;
    Ok(true)
}

/// Notes that the owner was told that a cap is reached; `false` when it was before.
pub fn tell(conn: &mut Conn, day: Day, now: Timestamp) -> QueryResult<bool> {
    let untold = c::table.find(day.key()).filter(c::told_at.is_null());
    Ok(diesel::update(untold).set(c::told_at.eq(now.as_microsecond())).execute(conn)? == 1)
}
