//! The trail of who did what. A line is written in the transaction of the act itself, or the act does not happen.

use std::fmt::Display;

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::AuditId;

use super::Conn;
use super::schema::audit;

/// Writes one line, of ids only and never of personal data. `actor`: `rp_…`, `adm_…`, a device's thumbprint, `paper`, or
/// `cli`. `action`: `noun.verb`. `object`: an id, the name of a thing of which there is one, or `-`.
pub fn append(
    conn: &mut Conn,
    actor: impl Display,
    action: &'static str,
    object: impl Display,
    outcome: &str,
    now: Timestamp,
) -> QueryResult<()> {
    append_why(conn, actor, action, object, (outcome, None), now)
}

/// The same, with the outcome and why somebody who works here did it, in their words.
pub fn append_why(
    conn: &mut Conn,
    actor: impl Display,
    action: &'static str,
    object: impl Display,
    (outcome, why): (&str, Option<&str>),
    now: Timestamp,
) -> QueryResult<()> {
    let row = (
        audit::id.eq(AuditId::new(now, &mut rand::rng()).to_string()),
        audit::actor.eq(actor.to_string()),
        audit::action.eq(action),
        audit::object.eq(object.to_string()),
        audit::outcome.eq(outcome),
        audit::at.eq(now.as_microsecond()),
        audit::why.eq(why),
    );
    diesel::insert_into(audit::table).values(row).execute(conn).map(drop)
}
