//! Handles, by which a QR names a certificate: known by their hashes, each with the key that its codes are signed with.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::Binary;
use wallet_core::es256::PublicKey;
use wallet_core::ids::CertificateId;

use super::Conn;
use super::columns::{damaged, parse};
use super::schema::{certificates, handles};
use super::sql::{Column, Statement};

/// A handle with a key of its own.
#[derive(Debug, Clone)]
pub struct Keyed {
    /// The hash of the handle.
    pub hash: [u8; 32],
    /// What its codes are signed with.
    pub key: PublicKey,
    /// Its place in the order of all of a certificate's handles: microseconds.
    pub issued_at: i64,
}

/// Ties the name by which a certificate is found when it shows itself (Q3) to the certificate and its device key.
pub fn insert_serial(conn: &mut Conn, hash: &[u8; 32], certificate: CertificateId) -> QueryResult<()> {
    let row = (handles::handle_hash.eq(hash.as_slice()), handles::certificate_id.eq(certificate.to_string()));
    diesel::insert_into(handles::table).values(row).execute(conn).map(drop)
}

/// Ties handles to a certificate. Those that are there already stay as they are.
pub fn insert_all(conn: &mut Conn, certificate: CertificateId, batch: &[Keyed]) -> QueryResult<()> {
    if let Conn::Postgres(postgres) = conn {
        return insert_at_once(postgres, certificate, batch);
    }
    for Keyed { hash, key, issued_at } in batch {
        let there = handles::table.find(hash.as_slice()).select(handles::issued_at);
        if there.first::<i64>(conn).optional()?.is_none() {
            let row = (
                handles::handle_hash.eq(hash.as_slice()),
                handles::certificate_id.eq(certificate.to_string()),
                handles::public_key.eq(key.to_sec1()),
                handles::issued_at.eq(issued_at),
            );
            diesel::insert_into(handles::table).values(row).execute(conn)?;
        }
    }
    Ok(())
}

const INSERT_AT_ONCE: &str = "
INSERT INTO handles (handle_hash, certificate_id, public_key, issued_at)
SELECT * FROM unnest(?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING handle_hash";

fn insert_at_once(
    postgres: &mut PgConnection,
    certificate: CertificateId,
    batch: &[Keyed],
) -> QueryResult<()> {
    let keys: Vec<Vec<u8>> = batch.iter().map(|keyed| keyed.key.to_sec1()).collect();
    let columns = vec![
        Column::Bytes(batch.iter().map(|keyed| keyed.hash.as_slice()).collect()),
        Column::Texts(vec![certificate.to_string(); batch.len()]),
        Column::Bytes(keys.iter().map(Vec::as_slice).collect()),
        Column::Ints(batch.iter().map(|keyed| keyed.issued_at).collect()),
    ];
    Statement::<Binary>::new(INSERT_AT_ONCE, columns).load::<Vec<u8>>(postgres).map(drop)
}

/// Retires the oldest handles of a certificate beyond `most`; how many are left.
pub fn retire(conn: &mut Conn, certificate: CertificateId, most: i64) -> QueryResult<i64> {
    let id = certificate.to_string();
    let keyed =
        || handles::table.filter(handles::certificate_id.eq(&id)).filter(handles::public_key.is_not_null());
    let oldest = keyed().order(handles::issued_at.desc()).offset(most).limit(i64::from(u16::MAX));
    let oldest: Vec<Vec<u8>> = oldest.select(handles::handle_hash).load(conn)?;
    if !oldest.is_empty() {
        diesel::delete(handles::table.filter(handles::handle_hash.eq_any(&oldest))).execute(conn)?;
    }
    keyed().count().get_result(conn)
}

/// The certificate that each handle names, and the key that its codes are signed with, in the order of the hashes.
pub fn with_keys(
    conn: &mut Conn,
    handle_hashes: &[[u8; 32]],
) -> QueryResult<Vec<Option<(CertificateId, PublicKey)>>> {
    let found = handles::table
        .inner_join(certificates::table.on(certificates::id.eq(handles::certificate_id)))
        .filter(handles::handle_hash.eq_any(handle_hashes.iter().map(|hash| hash.as_slice())))
        .select((handles::handle_hash, certificates::id, handles::public_key, certificates::device_key));
    let mut known = HashMap::new();
    for (hash, id, own, device) in found.load::<(Vec<u8>, String, Option<Vec<u8>>, Vec<u8>)>(conn)? {
        let key = PublicKey::from_sec1(&own.unwrap_or(device)).map_err(|error| damaged(&error))?;
        known.insert(hash, (parse(&id)?, key));
    }
    Ok(handle_hashes.iter().map(|hash| known.get(hash.as_slice()).cloned()).collect())
}

/// Forgets the handles of certificates that were issued before the one with the id `first`.
pub fn forget_before(conn: &mut Conn, first: CertificateId) -> QueryResult<usize> {
    diesel::delete(handles::table.filter(handles::certificate_id.lt(first.to_string()))).execute(conn)
}
