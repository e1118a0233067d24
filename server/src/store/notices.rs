//! Notices: what a holder is told of.

use diesel::prelude::*;
use jiff::Timestamp;
use serde::Serialize;
use wallet_core::ids::{HolderId, NoticeId};

use super::Conn;
use super::columns::{parse, time};
use super::schema::notices;

/// The most that are shown at a time.
const SHOWN: i64 = 100;

/// Something that happened to a holder.
#[derive(Debug, Serialize)]
pub struct Notice {
    /// Which.
    pub id: NoticeId,
    /// What, in a word of the API.
    pub kind: String,
    /// When.
    pub at: Timestamp,
}

/// Tells a holder.
pub fn append(conn: &mut Conn, holder: HolderId, kind: &'static str, now: Timestamp) -> QueryResult<()> {
    let row = (
        notices::holder_id.eq(holder.to_string()),
        notices::id.eq(NoticeId::new(now, &mut rand::rng()).to_string()),
        notices::kind.eq(kind),
        notices::at.eq(now.as_microsecond()),
    );
    diesel::insert_into(notices::table).values(row).execute(conn).map(drop)
}

/// What a holder was told, the newest first.
pub fn of_holder(conn: &mut Conn, holder: HolderId) -> QueryResult<Vec<Notice>> {
    let found = notices::table
        .filter(notices::holder_id.eq(holder.to_string()))
        .order(notices::id.desc())
        .limit(SHOWN)
        .select((notices::id, notices::kind, notices::at));
    let rows = found.load::<(String, String, i64)>(conn)?.into_iter();
    rows.map(|(id, kind, at)| Ok(Notice { id: parse(&id)?, kind, at: time(at)? })).collect()
}
