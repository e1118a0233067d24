//! Suspending and ending certificates. Every change is a compare-and-set on the standing; when and why stands beside it.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use jiff::Timestamp;
use wallet_core::ids::{AuditId, CertificateId, HolderId, NoticeId, RelyingPartyId, SponsorshipId};
use wallet_core::revocation::RevocationReason;

use super::certificates::{OPEN, Standing};
use super::columns::{damaged, parse, present, time};
use super::schema::{certificates, sponsorships};
use super::sql::{Column, Statement};
use super::{Conn, audit, exactly_one, notices};

/// Why, as it is kept: a word, and what was said beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The word.
    pub reason: RevocationReason,
    /// For the record; names no person.
    pub note: Option<String>,
}

/// The ways in which a certificate ends before its time.
#[derive(Debug, Clone)]
pub enum Ended {
    /// By an admin, the holder, a sponsor, or paper.
    Revoked(Why),
    /// The holder got another one.
    Superseded {
        /// Which.
        by: CertificateId,
    },
}

/// How a certificate stands, since when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// As issued, or reactivated.
    Active,
    /// May come back.
    Suspended {
        /// Since when.
        since: Timestamp,
        /// Why.
        why: Why,
    },
    /// Ended.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why.
        why: Why,
    },
    /// Ended, and another one is in its place.
    Superseded {
        /// When.
        at: Timestamp,
        /// By which; a program before this one did not note it apart.
        by: Option<CertificateId>,
    },
}

/// What there is to know of a certificate, without the person.
#[derive(Debug, Clone)]
pub struct Record {
    /// Which.
    pub id: CertificateId,
    /// Whose.
    pub holder: HolderId,
    /// Its list, and its place in it.
    pub status: (i64, i64),
    /// How it stands.
    pub state: State,
    /// Who vouched for the person.
    pub sponsorship: Option<SponsorshipId>,
    /// From when.
    pub issued_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

type StateRow = (String, Option<String>, Option<String>, Option<i64>, Option<i64>, Option<String>);
type RecordRow = (String, (i64, i64), StateRow, Option<String>, i64, i64);

fn state((word, reason, note, suspended_at, ended_at, by): StateRow) -> QueryResult<State> {
    let at = |at: Option<i64>| time(present(at, "certificates.ended_at or suspended_at")?);
    let why = || -> QueryResult<Why> {
        let reason = present(reason, "certificates.reason")?;
        // A program before this one wrote what was said in place of the word.
        Ok(match reason.parse() {
            Ok(reason) => Why { reason, note },
            Err(_) => Why { reason: RevocationReason::Other, note: Some(reason) },
        })
    };
    Ok(match Standing::read(&word)? {
        Standing::Active => State::Active,
        Standing::Suspended => State::Suspended { since: at(suspended_at)?, why: why()? },
        Standing::Revoked => State::Revoked { at: at(ended_at)?, why: why()? },
        Standing::Superseded => {
            State::Superseded { at: at(ended_at)?, by: by.map(|by| parse(&by)).transpose()? }
        }
    })
}

/// What there is to know of a certificate.
pub fn record(conn: &mut Conn, id: CertificateId) -> QueryResult<Option<Record>> {
    use certificates as c;
    let columns = (
        c::holder_id,
        (c::status_list, c::status_index),
        (c::state, c::reason, c::note, c::suspended_at, c::ended_at, c::superseded_by),
        c::sponsorship_id,
        c::issued_at,
        c::expires_at,
    );
    let found = c::table.filter(c::id.eq(id.to_string())).select(columns);
    let Some((holder, status, row, sponsorship, issued_at, expires_at)) =
        found.first::<RecordRow>(conn).optional()?
    else {
        return Ok(None);
    };
    Ok(Some(Record {
        id,
        holder: parse(&holder)?,
        status,
        state: state(row)?,
        sponsorship: sponsorship.map(|id| parse(&id)).transpose()?,
        issued_at: time(issued_at)?,
        expires_at: time(expires_at)?,
    }))
}

/// A certificate that may be ended, as far as ending it takes.
#[derive(Debug, Clone, Copy)]
pub struct Open {
    /// Which.
    pub id: CertificateId,
    /// Whose.
    pub holder: HolderId,
    /// The list that it stands in.
    pub list: i64,
}

fn open(rows: Vec<(String, String, i64)>) -> QueryResult<Vec<Open>> {
    let row = |(id, holder, list): (String, String, i64)| {
        Ok(Open { id: parse(&id)?, holder: parse(&holder)?, list })
    };
    rows.into_iter().map(row).collect()
}

/// The certificates of a holder that have not ended.
pub fn open_of_holder(conn: &mut Conn, holder: HolderId) -> QueryResult<Vec<Open>> {
    use certificates as c;
    let found = c::table.filter(c::holder_id.eq(holder.to_string())).filter(c::state.eq_any(OPEN));
    open(found.select((c::id, c::holder_id, c::status_list)).load(conn)?)
}

/// The certificates that are bound to a device and have not ended.
pub fn open_of_device(conn: &mut Conn, jkt: &str) -> QueryResult<Vec<Open>> {
    use certificates as c;
    let found = c::table.filter(c::device_jkt.eq(jkt)).filter(c::state.eq_any(OPEN));
    open(found.select((c::id, c::holder_id, c::status_list)).load(conn)?)
}

/// The certificate that was issued under a sponsorship, if it has not ended.
pub fn open_of_sponsorship(conn: &mut Conn, id: SponsorshipId) -> QueryResult<Vec<Open>> {
    use certificates as c;
    let found = c::table.filter(c::sponsorship_id.eq(id.to_string())).filter(c::state.eq_any(OPEN));
    open(found.select((c::id, c::holder_id, c::status_list)).load(conn)?)
}

/// The certificates that were issued under the sponsorships of a relying party and have not ended; `most` of them.
pub fn open_of_sponsor(conn: &mut Conn, rp: RelyingPartyId, most: i64) -> QueryResult<Vec<Open>> {
    use certificates as c;
    let found = c::table
        .inner_join(sponsorships::table.on(c::sponsorship_id.eq(sponsorships::id.nullable())))
        .filter(sponsorships::rp_id.eq(rp.to_string()))
        .filter(c::state.eq_any(OPEN));
    open(found.select((c::id, c::holder_id, c::status_list)).limit(most).load(conn)?)
}

/// Whether there is such a holder.
pub fn holder_exists(conn: &mut Conn, holder: HolderId) -> QueryResult<bool> {
    use super::schema::holders;
    let found = holders::table.find(holder.to_string());
    diesel::dsl::select(diesel::dsl::exists(found)).get_result(conn)
}

/// Ends a certificate that has not ended, and erases its template and its portrait: nobody is compared with them any more.
pub fn end(conn: &mut Conn, id: CertificateId, ended: &Ended, now: Timestamp) -> QueryResult<()> {
    use certificates as c;
    let row = c::table.filter(c::id.eq(id.to_string())).filter(c::state.eq_any(OPEN));
    let (standing, reason, note, by) = match ended {
        Ended::Revoked(why) => (Standing::Revoked, why.reason.as_str(), why.note.as_deref(), None),
        Ended::Superseded { by } => (Standing::Superseded, "superseded", None, Some(by.to_string())),
    };
    let values = (
        c::state.eq(standing.as_str()),
        c::reason.eq(reason),
        c::note.eq(note),
        c::superseded_by.eq(by),
        c::ended_at.eq(now.as_microsecond()),
        c::suspended_at.eq(None::<i64>),
        c::sealed_template.eq([].as_slice()),
        c::sealed_portrait.eq(None::<Vec<u8>>),
    );
    exactly_one(diesel::update(row).set(values).execute(conn)?)
}

/// Suspends an active certificate; `false` when it is not active.
pub fn suspend(conn: &mut Conn, id: CertificateId, why: &Why, now: Timestamp) -> QueryResult<bool> {
    use certificates as c;
    let row = c::table.filter(c::id.eq(id.to_string())).filter(c::state.eq("active"));
    let values = (
        c::state.eq(Standing::Suspended.as_str()),
        c::reason.eq(why.reason.as_str()),
        c::note.eq(why.note.as_deref()),
        c::suspended_at.eq(now.as_microsecond()),
    );
    Ok(diesel::update(row).set(values).execute(conn)? == 1)
}

/// Brings a suspended certificate back; `false` when it is not suspended.
pub fn reactivate(conn: &mut Conn, id: CertificateId) -> QueryResult<bool> {
    use certificates as c;
    let row = c::table.filter(c::id.eq(id.to_string())).filter(c::state.eq("suspended"));
    let none = None::<&str>;
    let values = (
        c::state.eq(Standing::Active.as_str()),
        c::reason.eq(none),
        c::note.eq(none),
        c::suspended_at.eq(None::<i64>),
    );
    Ok(diesel::update(row).set(values).execute(conn)? == 1)
}

/// One of many certificates to revoke.
#[derive(Debug, Clone)]
pub struct Revocation {
    /// Which.
    pub certificate: CertificateId,
    /// Why.
    pub why: Why,
}

/// What became of many.
#[derive(Debug, Default)]
pub struct Batch {
    /// The lists in which somebody was revoked.
    pub lists: BTreeSet<i64>,
    /// Revoked now.
    pub revoked: BTreeSet<CertificateId>,
    /// Ended before; the others there are not.
    pub already_ended: BTreeSet<CertificateId>,
}

/// Revokes many at once, each with a line of the audit trail and a notice to its holder; those that ended before stay as they are.
pub fn revoke_all(
    conn: &mut Conn,
    revocations: &[Revocation],
    actor: &str,
    now: Timestamp,
) -> QueryResult<Batch> {
    let revoked = match conn {
        Conn::Postgres(postgres) => revoke_at_once(postgres, revocations, actor, now)?,
        Conn::Sqlite(_) => one_by_one(conn, revocations, actor, now)?,
    };
    let mut batch = Batch::default();
    for (id, list) in revoked {
        batch.revoked.insert(parse(&id)?);
        batch.lists.insert(list);
    }
    let others = revocations.iter().map(|revocation| revocation.certificate);
    let others = others.filter(|id| !batch.revoked.contains(id)).map(|id| id.to_string());
    let found = certificates::table.filter(certificates::id.eq_any(others)).select(certificates::id);
    for id in found.load::<String>(conn)? {
        batch.already_ended.insert(parse(&id)?);
    }
    Ok(batch)
}

const ACTION: &str = "certificate.revoke";

const AT_ONCE: &str = "
WITH given AS (
    SELECT * FROM unnest(?, ?, ?, ?, ?, ?, ?) AS g (certificate_id, reason, note, at, audit_id, actor, notice_id)
), ended AS (
    UPDATE certificates c SET state = 'revoked', reason = g.reason, note = g.note, ended_at = g.at,
        suspended_at = NULL, sealed_template = '', sealed_portrait = NULL
    FROM given g WHERE c.id = g.certificate_id AND c.state IN ('active', 'suspended')
    RETURNING c.id, c.holder_id, c.status_list
), noted AS (
    INSERT INTO audit (actor, id, action, object, outcome, at)
    SELECT g.actor, g.audit_id, 'certificate.revoke', g.certificate_id, 'done', g.at
    FROM given g JOIN ended ON ended.id = g.certificate_id
), told AS (
    INSERT INTO notices (holder_id, id, kind, at)
    SELECT ended.holder_id, g.notice_id, 'revoked', g.at FROM given g JOIN ended ON ended.id = g.certificate_id
)
SELECT id, status_list FROM ended";

fn revoke_at_once(
    postgres: &mut PgConnection,
    revocations: &[Revocation],
    actor: &str,
    now: Timestamp,
) -> QueryResult<Vec<(String, i64)>> {
    let of = || revocations.iter();
    let columns = vec![
        Column::Texts(of().map(|revocation| revocation.certificate.to_string()).collect()),
        Column::Strs(of().map(|revocation| revocation.why.reason.as_str()).collect()),
        Column::MaybeStrs(of().map(|revocation| revocation.why.note.as_deref()).collect()),
        Column::Ints(vec![now.as_microsecond(); revocations.len()]),
        Column::Texts(of().map(|_| AuditId::new(now, &mut rand::rng()).to_string()).collect()),
        Column::Strs(vec![actor; revocations.len()]),
        Column::Texts(of().map(|_| NoticeId::new(now, &mut rand::rng()).to_string()).collect()),
    ];
    Statement::<(Text, BigInt)>::new(AT_ONCE, columns).load(postgres)
}

/// SQLite runs in our own process: a statement for each costs microseconds.
fn one_by_one(
    conn: &mut Conn,
    revocations: &[Revocation],
    actor: &str,
    now: Timestamp,
) -> QueryResult<Vec<(String, i64)>> {
    use certificates as c;
    let ids = revocations.iter().map(|revocation| revocation.certificate.to_string());
    let found = c::table.filter(c::id.eq_any(ids)).filter(c::state.eq_any(OPEN)).select((
        c::id,
        c::holder_id,
        c::status_list,
    ));
    let found = open(found.load(conn)?)?;
    let found: HashMap<CertificateId, Open> = found.into_iter().map(|open| (open.id, open)).collect();
    let mut revoked = Vec::new();
    for Revocation { certificate, why } in revocations {
        let Some(open) = found.get(certificate) else { continue };
        end(conn, *certificate, &Ended::Revoked(why.clone()), now)?;
        audit::append(conn, actor, ACTION, certificate, "done", now)?;
        notices::append(conn, open.holder, "revoked", now)?;
        revoked.push((certificate.to_string(), open.list));
    }
    Ok(revoked)
}

/// A certificate, and what is stored of its paper code.
pub fn paper_of(conn: &mut Conn, id: CertificateId) -> QueryResult<Option<[u8; 32]>> {
    use certificates as c;
    let found = c::table.filter(c::id.eq(id.to_string())).select(c::revocation_code_hash);
    let hash = found.first::<Vec<u8>>(conn).optional()?;
    hash.map(|hash| hash.as_slice().try_into().map_err(|_| damaged(&"revocation_code_hash"))).transpose()
}
