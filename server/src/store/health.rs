//! Reading how the installation is: what waits, whose clock is right, whether the money adds up.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use jiff::Timestamp;
use wallet_core::ids::LedgerTransactionId;

use super::Conn;
use super::columns::time;
use super::schema::outbox;

/// How many effects wait in the outbox, and since when the oldest does.
pub fn outbox_backlog(conn: &mut Conn) -> QueryResult<(i64, Option<Timestamp>)> {
    let waiting = outbox::table.filter(outbox::done_at.is_null());
    let entries = waiting.count().get_result(conn)?;
    // Ids sort by time of birth, and the index of what waits is over ids.
    let oldest: Option<i64> = waiting.order(outbox::id).select(outbox::created_at).first(conn).optional()?;
    Ok((entries, oldest.map(time).transpose()?))
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// The database's own clock; nothing where it runs in this process and has none.
pub fn database_clock(conn: &mut Conn) -> QueryResult<Option<Timestamp>> {
    if matches!(conn, Conn::Sqlite(_)) {
        return Ok(None);
    }
    let micros = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS number";
    let now: Number = diesel::sql_query(micros).get_result(conn)?;
    time(now.number).map(Some)
}

/// How many ledger transactions since `since` do not sum to zero in a currency. None may.
pub fn unbalanced_transactions(conn: &mut Conn, since: LedgerTransactionId) -> QueryResult<i64> {
    let unbalanced = "SELECT COUNT(*) AS number FROM (SELECT transaction_id FROM postings WHERE transaction_id >= $1 \
                      GROUP BY book, transaction_id, currency HAVING SUM(micros) <> 0) AS unbalanced";
    let found: Number = diesel::sql_query(unbalanced).bind::<Text, _>(since.to_string()).get_result(conn)?;
    Ok(found.number)
}
