//! Liveness sessions: a challenge that a relying party was given, until it is judged.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::face::challenge::Asked;
use wallet_core::ids::{LivenessSessionId, RelyingPartyId};

use super::columns::{array, damaged, time};
use super::redemptions::{liveness, mode_of};
use super::schema::liveness_sessions as sessions;
use super::{Conn, exactly_one};

/// A challenge and how it stands.
#[derive(Debug, Clone)]
pub struct LivenessSession {
    /// Which.
    pub id: LivenessSessionId,
    /// Whose.
    pub rp: RelyingPartyId,
    /// What the capture must show, and until when.
    pub challenge: Asked,
    /// How many captures could not be judged.
    pub unusable_attempts: i64,
    /// `None` until it is judged; then whether it passed.
    pub passed: Option<bool>,
}

const CHALLENGED: &str = "challenged";

fn judged(passed: bool) -> &'static str {
    if passed { "passed" } else { "failed" }
}

/// Adds a session that waits for a capture.
pub fn insert(conn: &mut Conn, session: &LivenessSession, now: Timestamp) -> QueryResult<()> {
    let row = (
        sessions::rp_id.eq(session.rp.to_string()),
        sessions::id.eq(session.id.to_string()),
        sessions::liveness.eq(liveness(session.challenge.mode)),
        sessions::nonce.eq(session.challenge.nonce.as_slice()),
        sessions::deadline.eq(session.challenge.deadline.as_microsecond()),
        sessions::state.eq(CHALLENGED),
        sessions::unusable_attempts.eq(0),
        sessions::opened_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(sessions::table).values(row).execute(conn).map(drop)
}

/// A session of this relying party.
pub fn find(
    conn: &mut Conn,
    id: LivenessSessionId,
    rp: RelyingPartyId,
) -> QueryResult<Option<LivenessSession>> {
    let challenge = (sessions::liveness, sessions::nonce, sessions::deadline);
    let columns = (challenge, sessions::unusable_attempts, sessions::state);
    let row = sessions::table.find((rp.to_string(), id.to_string())).select(columns);
    type Challenge = (Option<String>, Vec<u8>, i64);
    let row: Option<(Challenge, i64, String)> = row.first(conn).optional()?;
    row.map(|((mode, nonce, deadline), unusable_attempts, state)| {
        let passed = match state.as_str() {
            CHALLENGED => None,
            "passed" => Some(true),
            "failed" => Some(false),
            _ => return Err(damaged(&"liveness_sessions.state")),
        };
        let challenge = Asked { mode: mode_of(mode)?, nonce: array(&nonce)?, deadline: time(deadline)? };
        Ok(LivenessSession { id, rp, challenge, unusable_attempts, passed })
    })
    .transpose()
}

/// Closes a session; `false` when it was closed before.
pub fn close(conn: &mut Conn, id: LivenessSessionId, rp: RelyingPartyId, passed: bool) -> QueryResult<bool> {
    let open = sessions::table.find((rp.to_string(), id.to_string())).filter(sessions::state.eq(CHALLENGED));
    Ok(diesel::update(open).set(sessions::state.eq(judged(passed))).execute(conn)? == 1)
}

/// Counts a capture that could not be judged.
pub fn count_unusable(conn: &mut Conn, id: LivenessSessionId, rp: RelyingPartyId) -> QueryResult<()> {
    let row = sessions::table.find((rp.to_string(), id.to_string()));
    let counted = sessions::unusable_attempts.eq(sessions::unusable_attempts + 1);
    exactly_one(diesel::update(row).set(counted).execute(conn)?)
}

/// Forgets sessions opened before `time`; what was charged in them stays charged.
pub fn forget(conn: &mut Conn, time: Timestamp) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::opened_at.lt(time.as_microsecond()))).execute(conn)
}
