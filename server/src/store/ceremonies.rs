//! What authenticators were asked: challenges on their way, for every replica to take up, each once.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::CeremonyId;

use super::Conn;
use super::schema::ceremonies as c;

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To make a passkey; the subject is the admin.
    Registration,
    /// To begin a session; nobody is known yet.
    SignIn,
    /// To show a passkey again; the subject is the session.
    StepUp,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Registration => "registration",
            Kind::SignIn => "sign-in",
            Kind::StepUp => "step-up",
        }
    }
}

/// One of them.
#[derive(Debug)]
pub struct Ceremony {
    /// Whom it is about.
    pub subject: Option<String>,
    /// What the WebAuthn library keeps of it. Nothing in it is secret: the browser has the challenge too.
    pub state: String,
}

/// Remembers what was asked.
pub fn insert(
    conn: &mut Conn,
    id: CeremonyId,
    kind: Kind,
    ceremony: &Ceremony,
    until: Timestamp,
) -> QueryResult<()> {
    let row = (
        c::id.eq(id.to_string()),
        c::kind.eq(kind.word()),
        c::subject.eq(&ceremony.subject),
        c::state.eq(&ceremony.state),
        c::expires_at.eq(until.as_microsecond()),
    );
    diesel::insert_into(c::table).values(row).execute(conn).map(drop)
}

/// Uses one up; `None` where there is none of the kind, or it was used, or is too old.
pub fn take(conn: &mut Conn, id: CeremonyId, kind: Kind, now: Timestamp) -> QueryResult<Option<Ceremony>> {
    let open = c::table
        .filter(c::id.eq(id.to_string()))
        .filter(c::kind.eq(kind.word()))
        .filter(c::used_at.is_null())
        .filter(c::expires_at.gt(now.as_microsecond()));
    if diesel::update(open).set(c::used_at.eq(now.as_microsecond())).execute(conn)? == 0 {
        return Ok(None);
    }
    let taken = c::table.find(id.to_string()).select((c::subject, c::state));
    let (subject, state) = taken.first(conn)?;
    Ok(Some(Ceremony { subject, state }))
}

/// Drops those that are past their time.
pub fn forget(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
    diesel::delete(c::table.filter(c::expires_at.lt(before.as_microsecond()))).execute(conn)
}
