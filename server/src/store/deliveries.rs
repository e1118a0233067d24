//! What is on its way to an endpoint, or arrived, or was given up. A row is written in the transaction of what it tells of.

use diesel::dsl::{exists, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use jiff::Timestamp;
use wallet_core::ids::{DeliveryId, EventId, RelyingPartyId};

use super::columns::{damaged, parse, time};
use super::endpoints::{Endpoint, EndpointId};
use super::rows::{self, Cell};
use super::schema::{deliveries as d, event_cursors as cursors};
use super::{Conn, exactly_one, tables};
use crate::delivery::event::Kind;

/// Rows in one `INSERT`: SQLite looks for each parameter among all those before it.
const ROWS: usize = 100;

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// To be tried, again.
    Waiting,
    /// It was taken.
    Delivered,
    /// It was given up; it can be replayed.
    Dead,
}

impl State {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Delivered => "delivered",
            State::Dead => "dead",
        }
    }

    fn parse(text: &str) -> QueryResult<State> {
        let all = [State::Waiting, State::Delivered, State::Dead];
        all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| damaged(&"deliveries.state"))
    }
}

/// An event.
#[derive(Debug, Clone)]
pub struct Event {
    /// The same to whomever it is told, and however often.
    pub id: EventId,
    /// What happened.
    pub kind: Kind,
    /// The figures, as JSON: the whole body of a webhook.
    pub body: String,
}

/// An event on its way to an endpoint.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Whose.
    pub rp: RelyingPartyId,
    /// Where to.
    pub endpoint: EndpointId,
    /// Which.
    pub id: DeliveryId,
    /// What is told.
    pub event: Event,
    /// How it stands.
    pub state: State,
    /// How often it was tried, since it was last begun.
    pub tries: i64,
    /// When it came to be.
    pub created_at: Timestamp,
    /// From when on it is tried.
    pub begun_at: Timestamp,
    /// When it is tried next.
    pub due_at: Timestamp,
    /// When it was taken or given up.
    pub done_at: Option<Timestamp>,
    /// What came of the last try, in a word.
    pub outcome: Option<String>,
}

/// Puts events on their way, each to an endpoint.
pub fn insert(conn: &mut Conn, events: &[(&Endpoint, &Event)], now: Timestamp) -> QueryResult<()> {
    if events.is_empty() {
        return Ok(());
    }
    let all = tables::all().into_iter().find(|table| table.name == "deliveries");
    let table = all.ok_or_else(|| damaged(&"deliveries is not listed"))?;
    let text = |text: &dyn std::fmt::Display| Cell::Text(text.to_string());
    let at = Cell::Integer(now.as_microsecond());
    let row = |(endpoint, event): &(&Endpoint, &Event)| {
        let ids = [text(&endpoint.rp), text(&endpoint.id), text(&DeliveryId::new(now, &mut rand::rng()))];
        let said = [text(&event.id), text(&event.kind.as_str()), text(&event.body)];
        let state = [text(&State::Waiting.as_str()), Cell::Integer(0), at.clone(), at.clone(), at.clone()];
        ids.into_iter().chain(said).chain(state).chain([Cell::Null, Cell::Null]).collect()
    };
    let rows: Vec<Vec<Cell>> = events.iter().map(row).collect();
    rows.chunks(ROWS).try_for_each(|rows| rows::insert(conn, &table, rows))
}

type Ids = (String, String, String, String);
type Row = (Ids, String, String, String, i64, (i64, i64, i64, Option<i64>), Option<String>);

macro_rules! columns {
    () => {
        (
            (d::rp_id, d::endpoint_id, d::id, d::event_id),
            d::kind,
            d::body,
            d::state,
            d::tries,
            (d::created_at, d::begun_at, d::due_at, d::done_at),
            d::outcome,
        )
    };
}

fn from_row(row: Row) -> QueryResult<Delivery> {
    let ((rp, endpoint, id, event), kind, body, state, tries, times, outcome) = row;
    let (created_at, begun_at, due_at, done_at) = times;
    Ok(Delivery {
        rp: parse(&rp)?,
        endpoint: parse(&endpoint)?,
        id: parse(&id)?,
        event: Event { id: parse(&event)?, kind: parse(&kind)?, body },
        state: State::parse(&state)?,
        tries,
        created_at: time(created_at)?,
        begun_at: time(begun_at)?,
        due_at: time(due_at)?,
        done_at: done_at.map(time).transpose()?,
        outcome,
    })
}

/// Whether anything waits that is due. One query, of an index.
pub fn any_due(conn: &mut Conn, now: Timestamp) -> QueryResult<bool> {
    // Spelt out, so that the index over what waits serves in every plan.
    let due = d::table.filter(sql::<Bool>("state = 'waiting'")).filter(d::due_at.le(now.as_microsecond()));
    diesel::dsl::select(exists(due.select(d::id))).get_result(conn)
}

/// What is due of an endpoint, the first due first.
pub fn due(conn: &mut Conn, endpoint: EndpointId, now: Timestamp, most: i64) -> QueryResult<Vec<Delivery>> {
    let due = d::table
        .filter(d::endpoint_id.eq(endpoint.to_string()))
        .filter(sql::<Bool>("state = 'waiting'"))
        .filter(d::due_at.le(now.as_microsecond()))
        .order((d::due_at, d::id))
        .limit(most)
        .select(columns!());
    due.load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// What waits for an endpoint, counted up to `most`.
pub fn count_waiting(conn: &mut Conn, endpoint: EndpointId, most: i64) -> QueryResult<i64> {
    let waiting = d::table
        .filter(d::endpoint_id.eq(endpoint.to_string()))
        .filter(sql::<Bool>("state = 'waiting'"))
        .limit(most)
        .select(d::id);
    Ok(i64::try_from(waiting.load::<String>(conn)?.len()).unwrap_or(most))
}

/// One of an endpoint.
pub fn find(
    conn: &mut Conn,
    rp: RelyingPartyId,
    endpoint: EndpointId,
    id: DeliveryId,
) -> QueryResult<Option<Delivery>> {
    let found = d::table.find((rp.to_string(), endpoint.to_string(), id.to_string())).select(columns!());
    found.first::<Row>(conn).optional()?.map(from_row).transpose()
}

/// The deliveries of an endpoint before `before`, the newest first.
pub fn page(
    conn: &mut Conn,
    rp: RelyingPartyId,
    endpoint: EndpointId,
    before: Option<DeliveryId>,
    page: i64,
) -> QueryResult<Vec<Delivery>> {
    // Behind every id.
    let before = before.map_or_else(|| "dlv_~".to_owned(), |before| before.to_string());
    let found = d::table
        .filter(d::rp_id.eq(rp.to_string()))
        .filter(d::endpoint_id.eq(endpoint.to_string()))
        .filter(d::id.lt(before))
        .order(d::id.desc())
        .limit(page)
        .select(columns!());
    found.load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// Notes what came of a try: when the next is, or that there is none. Whoever was overtaken changes nothing.
pub fn tried(
    conn: &mut Conn,
    delivery: &Delivery,
    (state, outcome): (State, &str),
    due_at: Timestamp,
    now: Timestamp,
) -> QueryResult<bool> {
    let ids = (delivery.rp.to_string(), delivery.endpoint.to_string(), delivery.id.to_string());
    let as_read = d::table
        .find(ids)
        .filter(d::state.eq(State::Waiting.as_str()))
        .filter(d::tries.eq(delivery.tries))
        .filter(d::begun_at.eq(delivery.begun_at.as_microsecond()));
    let done_at = (state != State::Waiting).then_some(now.as_microsecond());
    let values = (
        d::state.eq(state.as_str()),
        d::tries.eq(delivery.tries + 1),
        d::due_at.eq(due_at.as_microsecond()),
        d::done_at.eq(done_at),
        d::outcome.eq(outcome),
    );
    Ok(diesel::update(as_read).set(values).execute(conn)? == 1)
}

/// Begins one anew, whatever came of it.
pub fn begin_anew(conn: &mut Conn, delivery: &Delivery, now: Timestamp) -> QueryResult<()> {
    let ids = (delivery.rp.to_string(), delivery.endpoint.to_string(), delivery.id.to_string());
    let now = now.as_microsecond();
    let values = (
        d::state.eq(State::Waiting.as_str()),
        d::tries.eq(0),
        d::begun_at.eq(now),
        d::due_at.eq(now),
        d::done_at.eq(None::<i64>),
    );
    exactly_one(diesel::update(d::table.find(ids)).set(values).execute(conn)?)
}

/// Gives up whatever waits for an endpoint.
pub fn give_up(conn: &mut Conn, endpoint: EndpointId, outcome: &str, now: Timestamp) -> QueryResult<()> {
    let waiting =
        d::table.filter(d::endpoint_id.eq(endpoint.to_string())).filter(d::state.eq(State::Waiting.as_str()));
    let values =
        (d::state.eq(State::Dead.as_str()), d::done_at.eq(now.as_microsecond()), d::outcome.eq(outcome));
    diesel::update(waiting).set(values).execute(conn).map(drop)
}

/// Forgets all of an endpoint.
pub fn forget_all(conn: &mut Conn, rp: RelyingPartyId, endpoint: EndpointId) -> QueryResult<()> {
    let all = d::table.filter(d::rp_id.eq(rp.to_string())).filter(d::endpoint_id.eq(endpoint.to_string()));
    diesel::delete(all).execute(conn).map(drop)
}

/// Forgets what was done before `time`.
pub fn forget_done(conn: &mut Conn, time: Timestamp) -> QueryResult<usize> {
    // Spelt out, so that the index over what is done serves in every plan.
    let done =
        d::table.filter(sql::<Bool>("state <> 'waiting'")).filter(d::done_at.lt(time.as_microsecond()));
    diesel::delete(done).execute(conn)
}

/// How far the log was read, for a purpose; `None` when it never was.
pub fn cursor(conn: &mut Conn, name: &str) -> QueryResult<Option<u64>> {
    let found = cursors::table.find(name).select(cursors::position).first::<i64>(conn).optional()?;
    found.map(|position| u64::try_from(position).map_err(|error| damaged(&error))).transpose()
}

/// Moves on from where the log was read up to. When somebody else did, the whole is undone.
pub fn move_cursor(conn: &mut Conn, name: &str, from: Option<u64>, to: u64) -> QueryResult<()> {
    let number = |position: u64| i64::try_from(position).map_err(|error| damaged(&error));
    let to = cursors::position.eq(number(to)?);
    let Some(from) = from else {
        return diesel::insert_into(cursors::table)
            .values((cursors::name.eq(name), to))
            .execute(conn)
            .map(drop);
    };
    let as_read = cursors::table.find(name).filter(cursors::position.eq(number(from)?));
    exactly_one(diesel::update(as_read).set(to).execute(conn)?)
}
