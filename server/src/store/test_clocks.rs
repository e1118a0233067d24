//! The clocks of the sandbox: each of its relying parties has one, which stands, moves, or goes with the real time.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::RelyingPartyId;

use super::columns::{parse, time};
use super::schema::test_clocks as t;
use super::{Conn, exactly_one};

/// The clock of a relying party of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestClock {
    /// Whose.
    pub rp: RelyingPartyId,
    /// Where it stands, or has come to; without it, it goes with the real time.
    pub at: Option<Timestamp>,
    /// Where it is on its way to.
    pub target: Option<Timestamp>,
    /// Until when all has happened that happens by itself.
    pub through: Timestamp,
    /// Counts the changes between standing, moving and going.
    pub epoch: i64,
}

type Row = (String, Option<i64>, Option<i64>, i64, i64);

fn from_row((rp, at, target, through, epoch): Row) -> QueryResult<TestClock> {
    let (at, target) = (at.map(time).transpose()?, target.map(time).transpose()?);
    Ok(TestClock { rp: parse(&rp)?, at, target, through: time(through)?, epoch })
}

/// Gives a relying party its clock, which goes with the real time.
pub fn insert(conn: &mut Conn, rp: RelyingPartyId, now: Timestamp) -> QueryResult<()> {
    let row = (t::rp_id.eq(rp.to_string()), t::through.eq(now.as_microsecond()), t::epoch.eq(0));
    diesel::insert_into(t::table).values(row).execute(conn).map(drop)
}

/// The clock of a relying party; none of one that is not of the sandbox.
pub fn find(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<Option<TestClock>> {
    t::table.find(rp.to_string()).first::<Row>(conn).optional()?.map(from_row).transpose()
}

/// Clocks that are on their way.
pub fn advancing(conn: &mut Conn, most: i64) -> QueryResult<Vec<TestClock>> {
    let found = t::table.filter(t::target.is_not_null()).order(t::rp_id).limit(most);
    found.load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// Clocks that go with the real time, of relying parties after `after`.
pub fn going(conn: &mut Conn, after: &str, most: i64) -> QueryResult<Vec<TestClock>> {
    let found = t::table.filter(t::at.is_null()).filter(t::rp_id.gt(after)).order(t::rp_id).limit(most);
    found.load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// Holds a clock until the end of the transaction: `true` if it stands or goes as it did when it was read, and nobody can change that before
/// what is written beside it is there.
pub fn hold(conn: &mut Conn, rp: RelyingPartyId, epoch: i64) -> QueryResult<bool> {
    let same = t::table.find(rp.to_string()).filter(t::epoch.eq(epoch)).filter(t::target.is_null());
    Ok(diesel::update(same).set(t::epoch.eq(epoch)).execute(conn)? == 1)
}

/// The same for whoever moves it on: `true` if nobody else did since it was read.
pub fn hold_moving(conn: &mut Conn, clock: &TestClock) -> QueryResult<bool> {
    let same = t::table
        .find(clock.rp.to_string())
        .filter(t::epoch.eq(clock.epoch))
        .filter(t::through.eq(clock.through.as_microsecond()));
    Ok(diesel::update(same).set(t::epoch.eq(clock.epoch)).execute(conn)? == 1)
}

/// Puts a clock that was read in the place of what it was.
pub fn replace(conn: &mut Conn, before: &TestClock, after: &TestClock) -> QueryResult<bool> {
    if !hold_moving(conn, before)? {
        return Ok(false);
    }
    let micros = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
    let values = (
        t::at.eq(micros(after.at)),
        t::target.eq(micros(after.target)),
        t::through.eq(after.through.as_microsecond()),
        t::epoch.eq(after.epoch),
    );
    exactly_one(diesel::update(t::table.find(before.rp.to_string())).set(values).execute(conn)?)?;
    Ok(true)
}
