//! Sponsorships: a relying party's word for a person who is to enrol. They lie among the holders' tables, since an enrolment names one
//! by its random id.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{RelyingPartyId, SponsorshipId};

use super::Conn;
use super::columns::{parse, time};
use super::schema::sponsorships;

/// A sponsorship.
#[derive(Debug, Clone)]
pub struct Sponsorship {
    /// Which.
    pub id: SponsorshipId,
    /// Whose word it is.
    pub rp: RelyingPartyId,
    /// When it was given.
    pub created_at: Timestamp,
    /// Until when somebody may enrol under it.
    pub expires_at: Timestamp,
    /// When a certificate was issued under it.
    pub used_at: Option<Timestamp>,
    /// When the sponsor, or an admin, took it back.
    pub revoked_at: Option<Timestamp>,
}

/// Adds one, unused.
pub fn insert(conn: &mut Conn, sponsorship: &Sponsorship) -> QueryResult<()> {
    use sponsorships as s;
    let row = (
        s::id.eq(sponsorship.id.to_string()),
        s::rp_id.eq(sponsorship.rp.to_string()),
        s::created_at.eq(sponsorship.created_at.as_microsecond()),
        s::expires_at.eq(sponsorship.expires_at.as_microsecond()),
    );
    diesel::insert_into(s::table).values(row).execute(conn).map(drop)
}

/// The sponsorship with this id.
pub fn find(conn: &mut Conn, id: SponsorshipId) -> QueryResult<Option<Sponsorship>> {
    use sponsorships as s;
    type Row = (String, i64, i64, Option<i64>, Option<i64>);
    let columns = (s::rp_id, s::created_at, s::expires_at, s::used_at, s::revoked_at);
    let found = s::table.find(id.to_string()).select(columns).first::<Row>(conn).optional()?;
    let Some((rp, created_at, expires_at, used_at, revoked_at)) = found else { return Ok(None) };
    Ok(Some(Sponsorship {
        id,
        rp: parse(&rp)?,
        created_at: time(created_at)?,
        expires_at: time(expires_at)?,
        used_at: used_at.map(time).transpose()?,
        revoked_at: revoked_at.map(time).transpose()?,
    }))
}

/// How many of a relying party can still be used.
pub fn count_open(conn: &mut Conn, rp: RelyingPartyId, now: Timestamp) -> QueryResult<i64> {
    use sponsorships as s;
    let open = s::table
        .filter(s::rp_id.eq(rp.to_string()))
        .filter(s::expires_at.gt(now.as_microsecond()))
        .filter(s::used_at.is_null())
        .filter(s::revoked_at.is_null());
    open.count().get_result(conn)
}

/// Uses one up; `false` when it was used, taken back, or is past its time.
pub fn use_up(conn: &mut Conn, id: SponsorshipId, now: Timestamp) -> QueryResult<bool> {
    use sponsorships as s;
    let now = now.as_microsecond();
    let open = s::table
        .find(id.to_string())
        .filter(s::expires_at.gt(now))
        .filter(s::used_at.is_null())
        .filter(s::revoked_at.is_null());
    Ok(diesel::update(open).set(s::used_at.eq(now)).execute(conn)? == 1)
}

/// Takes one back; nothing happens when it was before.
pub fn revoke(conn: &mut Conn, id: SponsorshipId, now: Timestamp) -> QueryResult<()> {
    use sponsorships as s;
    let given = s::table.find(id.to_string()).filter(s::revoked_at.is_null());
    diesel::update(given).set(s::revoked_at.eq(now.as_microsecond())).execute(conn).map(drop)
}

/// Takes all of a relying party back; how many were not before.
pub fn revoke_all(conn: &mut Conn, rp: RelyingPartyId, now: Timestamp) -> QueryResult<usize> {
    use sponsorships as s;
    let given = s::table.filter(s::rp_id.eq(rp.to_string())).filter(s::revoked_at.is_null());
    diesel::update(given).set(s::revoked_at.eq(now.as_microsecond())).execute(conn)
}
