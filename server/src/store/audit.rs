//! The trail of who did what. A line is written in the transaction of the act itself, or the act does not happen.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::AuditId;

use super::Conn;
use super::schema::audit;

/// One act. It names ids only, never personal data.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Who: `rp_…`, `adm_…`, a device's thumbprint, `paper`, or `cli`.
    pub actor: &'a str,
    /// What, as `noun.verb`.
    pub action: &'static str,
    /// To what: an id, the name of a thing of which there is one, or `-`.
    pub object: &'a str,
    /// With which outcome.
    pub outcome: &'a str,
}

/// Writes one line.
pub fn append(conn: &mut Conn, entry: &Entry<'_>, now: Timestamp) -> QueryResult<()> {
    let row = (
        audit::id.eq(AuditId::new(now, &mut rand::rng()).to_string()),
        audit::actor.eq(entry.actor),
        audit::action.eq(entry.action),
        audit::object.eq(entry.object),
        audit::outcome.eq(entry.outcome),
        audit::at.eq(now.as_microsecond()),
    );
    diesel::insert_into(audit::table).values(row).execute(conn).map(drop)
}
