//! How often what is kept in memory was changed. Triggers count, whoever makes the change.

use diesel::prelude::*;

use super::Conn;
use super::schema::changes;

/// Changes of relying parties, their keys, purposes and subscriptions so far.
pub fn of_relying_parties(conn: &mut Conn) -> QueryResult<i64> {
    changes::table.find("relying_parties").select(changes::count).first(conn)
}
