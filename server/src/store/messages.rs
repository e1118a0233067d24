//! What relying parties are told of on their pages.

use diesel::prelude::*;
use jiff::Timestamp;
use serde_json::Value;
use wallet_core::ids::{MessageId, RelyingPartyId};

use super::Conn;
use super::columns::{damaged, parse, time};
use super::schema::messages as m;

/// Something to be told of.
#[derive(Debug, Clone)]
pub struct Message {
    /// Which.
    pub id: MessageId,
    /// What it is about, in a word.
    pub kind: String,
    /// The figures.
    pub body: Value,
    /// When.
    pub at: Timestamp,
}

/// Adds a message, after all that there are: two may be of one moment, and whoever has read the first must find the second after it. Which it is.
pub fn insert(
    conn: &mut Conn,
    rp: RelyingPartyId,
    kind: &str,
    body: &Value,
    now: Timestamp,
) -> QueryResult<MessageId> {
    let last = m::table.filter(m::rp_id.eq(rp.to_string())).select(diesel::dsl::max(m::id));
    let last = last.first::<Option<String>>(conn)?.map(|last| parse::<MessageId>(&last)).transpose()?;
    let after = |last: MessageId| u128::from_be_bytes(last.to_bytes()).wrapping_add(1);
    let least = last.map(|last| MessageId::from_bytes(after(last).to_be_bytes()));
    let fresh = MessageId::new(now, &mut rand::rng());
    let id = least.map_or(fresh, |least| least.max(fresh));
    let row = (
        m::rp_id.eq(rp.to_string()),
        m::id.eq(id.to_string()),
        m::kind.eq(kind),
        m::body.eq(body.to_string()),
        m::at.eq(now.as_microsecond()),
    );
    diesel::insert_into(m::table).values(row).execute(conn).map(|_| id)
}

/// The messages after `after`, the oldest first.
pub fn list(conn: &mut Conn, rp: RelyingPartyId, after: &str, limit: i64) -> QueryResult<Vec<Message>> {
    let found = m::table
        .filter(m::rp_id.eq(rp.to_string()))
        .filter(m::id.gt(after))
        .order(m::id)
        .limit(limit)
        .select((m::id, m::kind, m::body, m::at));
    let rows = found.load::<(String, String, String, i64)>(conn)?.into_iter();
    rows.map(|(id, kind, body, at)| {
        let body = serde_json::from_str(&body).map_err(|_| damaged(&"messages.body"))?;
        Ok(Message { id: parse(&id)?, kind, body, at: time(at)? })
    })
    .collect()
}
