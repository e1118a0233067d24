//! The transparency log: what waits for its place, what each leaf commits to, the tiles, and the newest checkpoint. Acts come into
//! the queue by a trigger on `audit` (migrations), so that no way of acting can forget it.

use std::collections::HashMap;

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::log::Hash;
use wallet_core::log::entry::{Act, Commitment};
use wallet_core::log::tiles::{FULL, Tile, hashes};

use super::columns::damaged;
use super::rows::{self, Cell};
use super::schema::{
    audit, certificates, enrolments, log_entries as entries, log_heads as heads, log_queue as queue,
    log_tiles as tiles, spent_codes,
};
use super::{Conn, exactly_one, tables};

/// There is one log; its row's name.
const LOG: &str = "log";
/// The level under which entries are kept.
const ENTRIES: i64 = -1;

/// Rows in one `INSERT`: SQLite looks for each parameter among all those before it.
const ROWS: usize = 200;

/// The newest checkpoint.
#[derive(Debug, Clone, Queryable)]
pub struct Head {
    size: i64,
    /// The signed note.
    pub checkpoint: String,
}

impl Head {
    /// Leaves.
    pub fn size(&self) -> u64 {
        u64::try_from(self.size).unwrap_or(0)
    }
}

type Row = (String, String, i64, String, String, String);

fn act((action, actor, at, id, object, outcome): Row) -> Act {
    Act { action, actor, at, id, object, outcome }
}

fn number(value: u64) -> QueryResult<i64> {
    i64::try_from(value).map_err(|error| damaged(&error))
}

/// Whether any act waits for its place.
pub fn any_waits(conn: &mut Conn) -> QueryResult<bool> {
    diesel::dsl::select(diesel::dsl::exists(queue::table.select(queue::id))).get_result(conn)
}

/// The acts that wait, at most so many, those of the earliest ids first.
pub fn waiting(conn: &mut Conn, most: i64) -> QueryResult<Vec<Act>> {
    let columns = (queue::action, queue::actor, queue::at, queue::id, queue::object, queue::outcome);
    let rows: Vec<Row> = queue::table.order(queue::id).limit(most).select(columns).load(conn)?;
    Ok(rows.into_iter().map(act).collect())
}

/// Takes acts out of the queue.
pub fn take_out(conn: &mut Conn, acts: &[Act]) -> QueryResult<()> {
    let ids: Vec<&str> = acts.iter().map(|act| act.id.as_str()).collect();
    diesel::delete(queue::table.filter(queue::id.eq_any(ids))).execute(conn).map(drop)
}

/// Which of these ids wait in the queue.
pub fn of_those_waiting(conn: &mut Conn, ids: &[&str]) -> QueryResult<Vec<String>> {
    queue::table.filter(queue::id.eq_any(ids.to_vec())).select(queue::id).load(conn)
}

/// The newest checkpoint; `None` before the first.
pub fn head(conn: &mut Conn) -> QueryResult<Option<Head>> {
    heads::table.find(LOG).select((heads::size, heads::checkpoint)).first(conn).optional()
}

/// Waits until nobody else is about to append, and keeps others waiting until the end of the transaction.
pub fn lock(conn: &mut Conn) -> QueryResult<()> {
    diesel::update(heads::table.find(LOG)).set(heads::size.eq(heads::size)).execute(conn).map(drop)
}

/// Puts a new checkpoint in the place of `from`. When it is there no more, somebody else was faster, and the whole is run anew.
pub fn advance(
    conn: &mut Conn,
    from: Option<&Head>,
    size: u64,
    checkpoint: &str,
    now: Timestamp,
) -> QueryResult<()> {
    let size = number(size)?;
    let values =
        (heads::size.eq(size), heads::checkpoint.eq(checkpoint), heads::signed_at.eq(now.as_microsecond()));
    let Some(from) = from else {
        let row = (heads::name.eq(LOG), values.0, values.1, values.2);
        return diesel::insert_into(heads::table).values(row).execute(conn).map(drop);
    };
    let as_read = heads::table.find(LOG).filter(heads::size.eq(from.size));
    exactly_one(diesel::update(as_read).set(values).execute(conn)?)
}

/// What is there of a tile: 256 hashes, fewer at the edge, none beyond it.
pub fn tile(conn: &mut Conn, level: u8, index: u64) -> QueryResult<Vec<Hash>> {
    stored(conn, level.into(), index)
}

/// What is there of a bundle of entries.
pub fn bundle(conn: &mut Conn, index: u64) -> QueryResult<Vec<Commitment>> {
    stored(conn, ENTRIES, index)
}

fn stored(conn: &mut Conn, level: i64, index: u64) -> QueryResult<Vec<Hash>> {
    let Ok(index) = i64::try_from(index) else { return Ok(Vec::new()) };
    let bytes: Option<Vec<u8>> =
        tiles::table.find((level, index)).select(tiles::hashes).first(conn).optional()?;
    hashes(&bytes.unwrap_or_default()).ok_or_else(|| damaged(&"log_tiles.hashes"))
}

/// Writes a tile of the tree.
pub fn put_tile(conn: &mut Conn, tile: &Tile) -> QueryResult<()> {
    put(conn, tile.level.into(), tile.index, &tile.hashes)
}

fn put(conn: &mut Conn, level: i64, index: u64, hashes: &[Hash]) -> QueryResult<()> {
    let (index, bytes) = (number(index)?, hashes.as_flattened());
    let row = tiles::table.find((level, index));
    if diesel::update(row).set(tiles::hashes.eq(bytes)).execute(conn)? == 1 {
        return Ok(());
    }
    let row = (tiles::level.eq(level), tiles::tile_index.eq(index), tiles::hashes.eq(bytes));
    diesel::insert_into(tiles::table).values(row).execute(conn).map(drop)
}

/// Adds acts with their commitments behind the first `size` leaves.
pub fn append(conn: &mut Conn, size: u64, acts: &[(Commitment, Act)]) -> QueryResult<()> {
    let all = tables::all().into_iter().find(|table| table.name == "log_entries");
    let table = all.ok_or_else(|| damaged(&"log_entries is not listed"))?;
    let row = |(index, (_, act)): (u64, &(Commitment, Act))| -> QueryResult<Vec<Cell>> {
        let text = |text: &String| Cell::Text(text.clone());
        let (id, actor, action) = (text(&act.id), text(&act.actor), text(&act.action));
        let rest = [text(&act.object), text(&act.outcome), Cell::Integer(act.at)];
        Ok([Cell::Integer(number(index)?), id, actor, action].into_iter().chain(rest).collect())
    };
    let added: QueryResult<Vec<_>> = (size..).zip(acts).map(row).collect();
    added?.chunks(ROWS).try_for_each(|rows| rows::insert(conn, &table, rows))?;

    let mut rest: Vec<Commitment> = acts.iter().map(|(commitment, _)| *commitment).collect();
    let mut index = size / FULL as u64;
    let mut bundle = bundle(conn, index)?;
    if bundle.len() as u64 != size % FULL as u64 {
        return Err(damaged(&"the last entries of the log do not fit its size"));
    }
    while !rest.is_empty() {
        let room = (FULL - bundle.len()).min(rest.len());
        bundle.extend(rest.drain(..room));
        put(conn, ENTRIES, index, &bundle)?;
        bundle.clear();
        index += 1;
    }
    Ok(())
}

fn leaf((index, row): (i64, Row)) -> QueryResult<(u64, Act)> {
    Ok((u64::try_from(index).map_err(|error| damaged(&error))?, act(row)))
}

macro_rules! columns {
    () => {
        (
            entries::log_index,
            (entries::action, entries::actor, entries::at, entries::id, entries::object, entries::outcome),
        )
    };
}

/// The leaves of acts with these ids, as far as they have one.
pub fn by_ids(conn: &mut Conn, ids: &[&str]) -> QueryResult<HashMap<String, (u64, Act)>> {
    let found = entries::table.filter(entries::id.eq_any(ids.to_vec())).select(columns!());
    let rows = found.load::<(i64, Row)>(conn)?.into_iter();
    rows.map(|row| leaf(row).map(|leaf| (leaf.1.id.clone(), leaf))).collect()
}

/// The leaves about any of these objects from `first` on, at most so many, oldest first.
pub fn about(conn: &mut Conn, objects: &[String], first: u64, most: i64) -> QueryResult<Vec<(u64, Act)>> {
    let found = entries::table
        .filter(entries::object.eq_any(objects.to_vec()))
        .filter(entries::log_index.ge(i64::try_from(first).unwrap_or(i64::MAX)))
        .order(entries::log_index)
        .limit(most)
        .select(columns!());
    found.load::<(i64, Row)>(conn)?.into_iter().map(leaf).collect()
}

/// Leaves from `first` up to `end`, at most so many.
pub fn between(conn: &mut Conn, first: u64, end: u64, most: i64) -> QueryResult<Vec<(u64, Act)>> {
    let found = entries::table
        .filter(entries::log_index.ge(number(first)?))
        .filter(entries::log_index.lt(i64::try_from(end).unwrap_or(i64::MAX)))
        .order(entries::log_index)
        .limit(most)
        .select(columns!());
    found.load::<(i64, Row)>(conn)?.into_iter().map(leaf).collect()
}

macro_rules! audit_columns {
    () => {
        (audit::action, audit::actor, audit::at, audit::id, audit::object, audit::outcome)
    };
}

/// Acts of the audit trail that belong into the log, in the order of actor and id, from behind `after` on.
pub fn acts_after(conn: &mut Conn, after: (&str, &str), most: i64) -> QueryResult<Vec<Act>> {
    let found = audit::table
        .filter(audit::actor.gt(after.0).or(audit::actor.eq(after.0).and(audit::id.gt(after.1))))
        .filter(audit::action.ne("redemption.open").or(audit::outcome.ne("challenged")))
        .order((audit::actor, audit::id))
        .limit(most)
        .select(audit_columns!());
    Ok(found.load::<Row>(conn)?.into_iter().map(act).collect())
}

/// Those of the acts that are in the audit trail of this database, as it has them.
pub fn acts_again(conn: &mut Conn, acts: &[Act]) -> QueryResult<HashMap<String, Act>> {
    let found = audit::table
        .filter(audit::actor.eq_any(acts.iter().map(|act| act.actor.clone())))
        .filter(audit::id.eq_any(acts.iter().map(|act| act.id.clone())))
        .select(audit_columns!());
    Ok(found.load::<Row>(conn)?.into_iter().map(|row| (row.3.clone(), act(row))).collect())
}

/// What the holder of a device may see the log of: their certificates, what these were used in (as long as used codes are kept), and
/// the device's enrolments. A device whose certificate has ended, a lost phone say, sees its own certificates only.
pub fn objects_of_holder(conn: &mut Conn, jkt: &str) -> QueryResult<Vec<String>> {
    use certificates as c;
    let own: Vec<(String, String, String)> =
        c::table.filter(c::device_jkt.eq(jkt)).select((c::id, c::holder_id, c::state)).load(conn)?;
    let in_force = own.iter().find(|(_, _, state)| state == "active").map(|(_, holder, _)| holder.clone());
    let mut objects: Vec<String> = match in_force {
        Some(holder) => c::table.filter(c::holder_id.eq(holder)).select(c::id).load(conn)?,
        None => own.into_iter().map(|(id, ..)| id).collect(),
    };
    let used = spent_codes::table.filter(spent_codes::certificate_id.eq_any(objects.clone()));
    let used: Vec<String> = used.select(spent_codes::redemption_id).load(conn)?;
    objects.extend(used);
    let enrolled = enrolments::table.filter(enrolments::device_jkt.eq(jkt)).select(enrolments::id);
    objects.extend(enrolled.load::<String>(conn)?);
    Ok(objects)
}
