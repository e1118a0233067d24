//! Holders' data keys, wrapped, and the values that are sealed under them.

use diesel::prelude::*;
use wallet_core::ids::{CertificateId, EnrolmentId, HolderId};

use super::columns::{damaged, parse};
use super::schema::{certificates, devices, enrolments, holders};
use super::{Conn, exactly_one};

/// A data key as it is kept: wrapped under a key of the key store, which it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The key that wraps it.
    pub kek: String,
    /// What it is, wrapped.
    pub bytes: Vec<u8>,
}

/// The two columns of a wrapped key.
pub(super) type KeyRow = (Option<String>, Option<Vec<u8>>);

pub(super) fn from_row(row: KeyRow) -> QueryResult<Option<WrappedKey>> {
    match row {
        (Some(kek), Some(bytes)) => Ok(Some(WrappedKey { kek, bytes })),
        (None, None) => Ok(None),
        _ => Err(damaged(&"holders.wrapped_key")),
    }
}

/// The data key of a holder; one from before there were any, or who was erased, has none.
pub fn find(conn: &mut Conn, holder: HolderId) -> QueryResult<Option<WrappedKey>> {
    let row = holders::table.find(holder.to_string()).select((holders::kek, holders::wrapped_key));
    from_row(row.first::<KeyRow>(conn).optional()?.unwrap_or_default())
}

/// Gives a holder who has none a data key.
pub fn give(conn: &mut Conn, holder: HolderId, key: &WrappedKey) -> QueryResult<()> {
    let row = holders::table
        .find(holder.to_string())
        .filter(holders::wrapped_key.is_null())
        .filter(holders::erased_at.is_null());
    let values = (holders::kek.eq(&key.kek), holders::wrapped_key.eq(&key.bytes));
    exactly_one(diesel::update(row).set(values).execute(conn)?)
}

/// Holders who have no data key yet.
pub fn without(conn: &mut Conn, limit: i64) -> QueryResult<Vec<HolderId>> {
    let found = holders::table
        .filter(holders::wrapped_key.is_null())
        .filter(holders::erased_at.is_null())
        .order(holders::id)
        .limit(limit)
        .select(holders::id);
    found.load::<String>(conn)?.iter().map(|id| parse(id)).collect()
}

/// Data keys that this key of the key store wraps.
pub fn under(conn: &mut Conn, kek: &str, limit: i64) -> QueryResult<Vec<(HolderId, WrappedKey)>> {
    let found = holders::table.filter(holders::kek.eq(kek)).limit(limit);
    let rows = found.select((holders::id, (holders::kek, holders::wrapped_key)));
    let keyed = |(id, key): (String, KeyRow)| {
        Ok((parse(&id)?, from_row(key)?.ok_or_else(|| damaged(&"holders.wrapped_key"))?))
    };
    rows.load::<(String, KeyRow)>(conn)?.into_iter().map(keyed).collect()
}

/// How many data keys each key of the key store wraps, and how many holders have none yet.
pub fn counts(conn: &mut Conn) -> QueryResult<(Vec<(String, i64)>, i64)> {
    let wrapped = holders::table.filter(holders::kek.is_not_null()).group_by(holders::kek);
    let wrapped: Vec<(Option<String>, i64)> =
        wrapped.select((holders::kek, diesel::dsl::count_star())).load(conn)?;
    let without = holders::table.filter(holders::wrapped_key.is_null()).filter(holders::erased_at.is_null());
    let without = without.count().get_result(conn)?;
    Ok((wrapped.into_iter().filter_map(|(kek, count)| Some((kek?, count))).collect(), without))
}

/// Puts the same data key, wrapped anew, in the place of what it was; false when that is there no more.
pub fn rewrap(conn: &mut Conn, holder: HolderId, old: &WrappedKey, new: &WrappedKey) -> QueryResult<bool> {
    let row = holders::table.find(holder.to_string()).filter(holders::wrapped_key.eq(&old.bytes));
    let values = (holders::kek.eq(&new.kek), holders::wrapped_key.eq(&new.bytes));
    Ok(diesel::update(row).set(values).execute(conn)? == 1)
}

/// A value that is sealed under a holder's data key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// `certificates.sealed_attributes`
    Attributes(CertificateId),
    /// `certificates.sealed_template`
    Template(CertificateId),
    /// `certificates.sealed_portrait`
    Portrait(CertificateId),
    /// `enrolments.sealed_answer`
    Issued(EnrolmentId),
    /// `devices.sealed_signals`, of the device with this key
    Signals(String),
}

/// All sealed values of a holder.
pub fn values(conn: &mut Conn, holder: HolderId) -> QueryResult<Vec<(Held, Vec<u8>)>> {
    use {certificates as c, enrolments as e};
    let holder = holder.to_string();
    let of_certificates = c::table.filter(c::holder_id.eq(&holder));
    type Row = (String, Vec<u8>, Vec<u8>, Option<Vec<u8>>);
    let rows: Vec<Row> = of_certificates
        .select((c::id, c::sealed_attributes, c::sealed_template, c::sealed_portrait))
        .load(conn)?;
    let ids: Vec<String> = rows.iter().map(|(id, ..)| id.clone()).collect();
    let mut found = Vec::new();
    for (id, attributes, template, portrait) in rows {
        let id = parse(&id)?;
        found.extend([(Held::Attributes(id), attributes), (Held::Template(id), template)]);
        found.extend(portrait.map(|portrait| (Held::Portrait(id), portrait)));
    }
    let issued = e::table.filter(e::certificate_id.eq_any(ids)).filter(e::sealed_answer.is_not_null());
    for (id, answer) in issued.select((e::id, e::sealed_answer)).load::<(String, Option<Vec<u8>>)>(conn)? {
        let id = parse(&id)?;
        found.extend(answer.map(|answer| (Held::Issued(id), answer)));
    }
    let signals = devices::table.filter(devices::holder_id.eq(&holder));
    for (jkt, signals) in
        signals.select((devices::jkt, devices::sealed_signals)).load::<(String, Option<Vec<u8>>)>(conn)?
    {
        found.extend(signals.map(|signals| (Held::Signals(jkt), signals)));
    }
    // What was erased is empty.
    found.retain(|(_, sealed)| !sealed.is_empty());
    Ok(found)
}

/// Puts a sealed value in the place of another.
pub fn replace(conn: &mut Conn, held: &Held, old: &[u8], new: &[u8]) -> QueryResult<()> {
    use {certificates as c, devices as d, enrolments as e};
    let row = |id: &CertificateId| c::table.filter(c::id.eq(id.to_string()));
    let done = match held {
        Held::Attributes(id) => diesel::update(row(id).filter(c::sealed_attributes.eq(old)))
            .set(c::sealed_attributes.eq(new))
            .execute(conn),
        Held::Template(id) => diesel::update(row(id).filter(c::sealed_template.eq(old)))
            .set(c::sealed_template.eq(new))
            .execute(conn),
        Held::Portrait(id) => diesel::update(row(id).filter(c::sealed_portrait.eq(old)))
            .set(c::sealed_portrait.eq(new))
            .execute(conn),
        Held::Issued(id) => diesel::update(e::table.find(id.to_string()).filter(e::sealed_answer.eq(old)))
            .set(e::sealed_answer.eq(new))
            .execute(conn),
        Held::Signals(jkt) => diesel::update(d::table.find(jkt).filter(d::sealed_signals.eq(old)))
            .set(d::sealed_signals.eq(new))
            .execute(conn),
    };
    exactly_one(done?)
}
