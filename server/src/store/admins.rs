//! Admins, and what they prove themselves by the first time or, scripts, each time.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::AdminId;

use super::columns::{join, parse, split, time};
use super::schema::{admin_sessions, admins, passkeys};
use super::{Conn, exactly_one};
use crate::roles::Roles;

/// An admin: a person, or a script.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Who.
    pub id: AdminId,
    /// Who, for people.
    pub name: String,
    /// What for.
    pub roles: Roles,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when a script's token is good.
    pub token_expires_at: Option<Timestamp>,
    /// Until when the invitation is good, while nobody took it up.
    pub invitation_expires_at: Option<Timestamp>,
    /// Since when no more.
    pub ended_at: Option<Timestamp>,
}

/// By what a new admin proves themselves: the hash of a random value.
pub enum ProvenBy<'a> {
    /// A bearer token, until then.
    Token(&'a [u8; 32], Timestamp),
    /// An invitation, once, until then.
    Invitation(&'a [u8; 32], Timestamp),
}

type Row = (String, String, String, i64, Option<i64>, Option<i64>, Option<i64>);

macro_rules! columns {
    () => {
        (
            admins::id,
            admins::name,
            admins::roles,
            admins::created_at,
            admins::token_expires_at,
            admins::invitation_expires_at,
            admins::ended_at,
        )
    };
}

fn from_row((id, name, roles, created, token, invitation, ended): Row) -> QueryResult<Admin> {
    Ok(Admin {
        id: parse(&id)?,
        name,
        roles: split(&roles)?,
        created_at: time(created)?,
        token_expires_at: token.map(time).transpose()?,
        invitation_expires_at: invitation.map(time).transpose()?,
        ended_at: ended.map(time).transpose()?,
    })
}

/// Adds an admin.
pub fn insert(
    conn: &mut Conn,
    id: AdminId,
    name: &str,
    roles: &Roles,
    proven_by: &ProvenBy<'_>,
    now: Timestamp,
) -> QueryResult<()> {
    let (token, invitation) = match proven_by {
        ProvenBy::Token(hash, until) => (Some((hash, until)), None),
        ProvenBy::Invitation(hash, until) => (None, Some((hash, until))),
    };
    let row = (
        admins::id.eq(id.to_string()),
        admins::name.eq(name),
        admins::roles.eq(join(roles)),
        admins::created_at.eq(now.as_microsecond()),
        admins::token_hash.eq(token.map(|(hash, _)| hash.as_slice())),
        admins::token_expires_at.eq(token.map(|(_, until)| until.as_microsecond())),
        admins::invitation_hash.eq(invitation.map(|(hash, _)| hash.as_slice())),
        admins::invitation_expires_at.eq(invitation.map(|(_, until)| until.as_microsecond())),
    );
    diesel::insert_into(admins::table).values(row).execute(conn).map(drop)
}

/// An admin.
pub fn find(conn: &mut Conn, id: AdminId) -> QueryResult<Option<Admin>> {
    let row = admins::table.find(id.to_string()).select(columns!()).first::<Row>(conn).optional()?;
    row.map(from_row).transpose()
}

/// The admin of a token that has not ended.
pub fn by_token(conn: &mut Conn, token_hash: &[u8; 32], now: Timestamp) -> QueryResult<Option<Admin>> {
    let of = admins::table
        .filter(admins::token_hash.eq(token_hash.as_slice()))
        .filter(admins::token_expires_at.gt(now.as_microsecond()))
        .filter(admins::ended_at.is_null());
    of.select(columns!()).first::<Row>(conn).optional()?.map(from_row).transpose()
}

/// The admin whom an invitation that nobody took up, and that has not ended, is for.
pub fn by_invitation(conn: &mut Conn, hash: &[u8; 32], now: Timestamp) -> QueryResult<Option<Admin>> {
    let of = admins::table
        .filter(admins::invitation_hash.eq(hash.as_slice()))
        .filter(admins::invitation_expires_at.gt(now.as_microsecond()))
        .filter(admins::ended_at.is_null());
    of.select(columns!()).first::<Row>(conn).optional()?.map(from_row).transpose()
}

/// Uses an invitation up; whether it was still there.
pub fn take_up(conn: &mut Conn, id: AdminId) -> QueryResult<bool> {
    let invited = admins::table
        .filter(admins::id.eq(id.to_string()))
        .filter(admins::invitation_hash.is_not_null())
        .filter(admins::ended_at.is_null());
    let nothing =
        (admins::invitation_hash.eq(None::<Vec<u8>>), admins::invitation_expires_at.eq(None::<i64>));
    Ok(diesel::update(invited).set(nothing).execute(conn)? == 1)
}

/// All who are not ended, the oldest first.
pub fn active(conn: &mut Conn) -> QueryResult<Vec<Admin>> {
    let of = admins::table.filter(admins::ended_at.is_null()).order((admins::created_at, admins::id));
    of.select(columns!()).load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// Those of them who have a passkey.
pub fn with_passkeys(conn: &mut Conn) -> QueryResult<Vec<Admin>> {
    let have: Vec<String> = passkeys::table.select(passkeys::admin_id).distinct().load(conn)?;
    let mut all = active(conn)?;
    all.retain(|admin| have.contains(&admin.id.to_string()));
    Ok(all)
}

/// Ends those who were invited and have not come yet; how many there were.
pub fn end_invited(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let open = admins::table.filter(admins::invitation_hash.is_not_null()).filter(admins::ended_at.is_null());
    let ended = (admins::ended_at.eq(now.as_microsecond()), admins::invitation_hash.eq(None::<Vec<u8>>));
    diesel::update(open).set(ended).execute(conn)
}

/// Gives an admin other roles.
pub fn set_roles(conn: &mut Conn, id: AdminId, roles: &Roles) -> QueryResult<()> {
    let of = admins::table.filter(admins::id.eq(id.to_string())).filter(admins::ended_at.is_null());
    exactly_one(diesel::update(of).set(admins::roles.eq(join(roles))).execute(conn)?)
}

/// Ends an admin: token, invitation, passkeys and sessions are gone with it.
pub fn end(conn: &mut Conn, id: AdminId, now: Timestamp) -> QueryResult<()> {
    let of = admins::table.filter(admins::id.eq(id.to_string())).filter(admins::ended_at.is_null());
    let ended = (
        admins::ended_at.eq(now.as_microsecond()),
        admins::token_hash.eq(None::<Vec<u8>>),
        admins::invitation_hash.eq(None::<Vec<u8>>),
    );
    exactly_one(diesel::update(of).set(ended).execute(conn)?)?;
    diesel::delete(passkeys::table.filter(passkeys::admin_id.eq(id.to_string()))).execute(conn)?;
    let sessions = admin_sessions::table.filter(admin_sessions::admin_id.eq(id.to_string()));
    diesel::delete(sessions).execute(conn).map(drop)
}
