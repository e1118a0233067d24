//! Passkeys of admins: the public halves, as the WebAuthn library keeps them.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{AdminId, PasskeyId};

use super::columns::{parse, time};
use super::schema::passkeys as p;
use super::{Conn, exactly_one};

/// A passkey.
#[derive(Debug, Clone)]
pub struct Passkey {
    /// Which.
    pub id: PasskeyId,
    /// Whose.
    pub admin: AdminId,
    /// What it is called.
    pub name: String,
    /// What the authenticator calls it.
    pub credential_id: Vec<u8>,
    /// Its public half, and what is known of it.
    pub credential: String,
    /// How often it has signed, as it says itself; 0 where it does not count.
    pub sign_count: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last shown.
    pub last_used_at: Option<Timestamp>,
}

type Row = (String, String, String, Vec<u8>, String, i64, i64, Option<i64>);

macro_rules! columns {
    () => {
        (
            p::id,
            p::admin_id,
            p::name,
            p::credential_id,
            p::credential,
            p::sign_count,
            p::created_at,
            p::last_used_at,
        )
    };
}

fn from_row(row: Row) -> QueryResult<Passkey> {
    let (id, admin, name, credential_id, credential, count, created, used) = row;
    Ok(Passkey {
        id: parse(&id)?,
        admin: parse(&admin)?,
        name,
        credential_id,
        credential,
        sign_count: u32::try_from(count).map_err(|error| super::columns::damaged(&error))?,
        created_at: time(created)?,
        last_used_at: used.map(time).transpose()?,
    })
}

/// Adds a passkey.
pub fn insert(conn: &mut Conn, passkey: &Passkey) -> QueryResult<()> {
    let row = (
        p::id.eq(passkey.id.to_string()),
        p::admin_id.eq(passkey.admin.to_string()),
        p::name.eq(&passkey.name),
        p::credential_id.eq(&passkey.credential_id),
        p::credential.eq(&passkey.credential),
        p::sign_count.eq(i64::from(passkey.sign_count)),
        p::created_at.eq(passkey.created_at.as_microsecond()),
    );
    diesel::insert_into(p::table).values(row).execute(conn).map(drop)
}

/// The passkey that an authenticator names.
pub fn by_credential(conn: &mut Conn, credential_id: &[u8]) -> QueryResult<Option<Passkey>> {
    let of = p::table.filter(p::credential_id.eq(credential_id));
    of.select(columns!()).first::<Row>(conn).optional()?.map(from_row).transpose()
}

/// The passkeys of an admin, the oldest first.
pub fn of_admin(conn: &mut Conn, admin: AdminId) -> QueryResult<Vec<Passkey>> {
    let of = p::table.filter(p::admin_id.eq(admin.to_string())).order((p::created_at, p::id));
    of.select(columns!()).load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// Keeps what a passkey said when it was shown. Of two who show it at once with one count, one loses.
pub fn used(
    conn: &mut Conn,
    before: &Passkey,
    credential: &str,
    count: u32,
    now: Timestamp,
) -> QueryResult<()> {
    let as_read = p::table.find(before.id.to_string()).filter(p::sign_count.eq(i64::from(before.sign_count)));
    let values = (
        p::credential.eq(credential),
        p::sign_count.eq(i64::from(count)),
        p::last_used_at.eq(now.as_microsecond()),
    );
    exactly_one(diesel::update(as_read).set(values).execute(conn)?)
}
