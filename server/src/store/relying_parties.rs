//! Relying parties, their API keys, purposes and subscriptions.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::attributes::Attribute;
use wallet_core::ids::{ApiKeyId, RelyingPartyId};

use super::Conn;
use super::columns::{join, parse, split};
use super::schema::{api_keys, purposes, relying_parties, subscriptions};

/// A relying party, with all that decides what it may ask for.
#[derive(Debug, Clone)]
pub struct RelyingParty {
    /// Who.
    pub id: RelyingPartyId,
    /// Served, or suspended.
    pub active: bool,
    /// What it has bought.
    pub services: BTreeSet<String>,
    /// What each registered purpose covers.
    pub purposes: BTreeMap<String, BTreeSet<Attribute>>,
}

/// A relying party, and the hash of the secret of one of its keys.
pub type ByKey = (RelyingParty, Vec<u8>);

/// Adds a relying party.
pub fn insert(conn: &mut Conn, id: RelyingPartyId, name: &str, now: Timestamp) -> QueryResult<()> {
    let row = (
        relying_parties::id.eq(id.to_string()),
        relying_parties::name.eq(name),
        relying_parties::state.eq("active"),
        relying_parties::created_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(relying_parties::table).values(row).execute(conn).map(drop)
}

/// Adds an API key, known here by the hash of its secret.
pub fn insert_key(
    conn: &mut Conn,
    key: ApiKeyId,
    rp: RelyingPartyId,
    secret_hash: &[u8; 32],
    now: Timestamp,
) -> QueryResult<()> {
    let row = (
        api_keys::id.eq(key.to_string()),
        api_keys::rp_id.eq(rp.to_string()),
        api_keys::secret_hash.eq(secret_hash.as_slice()),
        api_keys::created_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(api_keys::table).values(row).execute(conn).map(drop)
}

/// Registers a purpose and what it may ask for.
pub fn insert_purpose(
    conn: &mut Conn,
    rp: RelyingPartyId,
    name: &str,
    attributes: &BTreeSet<Attribute>,
) -> QueryResult<()> {
    let row = (
        purposes::rp_id.eq(rp.to_string()),
        purposes::name.eq(name),
        purposes::attributes.eq(join(attributes.iter().map(|attribute| attribute.as_str()))),
    );
    diesel::insert_into(purposes::table).values(row).execute(conn).map(drop)
}

/// Notes that a service was bought.
pub fn subscribe(conn: &mut Conn, rp: RelyingPartyId, service: &str, now: Timestamp) -> QueryResult<()> {
    let row = (
        subscriptions::rp_id.eq(rp.to_string()),
        subscriptions::service.eq(service),
        subscriptions::since.eq(now.as_microsecond()),
    );
    diesel::insert_into(subscriptions::table).values(row).execute(conn).map(drop)
}

/// The names of relying parties, as holders see them.
pub fn names(
    conn: &mut Conn,
    ids: impl IntoIterator<Item = RelyingPartyId>,
) -> QueryResult<HashMap<RelyingPartyId, String>> {
    let ids: BTreeSet<String> = ids.into_iter().map(|id| id.to_string()).collect();
    let found = relying_parties::table
        .filter(relying_parties::id.eq_any(ids))
        .select((relying_parties::id, relying_parties::name));
    let rows = found.load::<(String, String)>(conn)?.into_iter();
    rows.map(|(id, name)| Ok((parse(&id)?, name))).collect()
}

/// Whether a relying party is served, and has bought a service.
pub fn is_served(conn: &mut Conn, id: RelyingPartyId, service: &str) -> QueryResult<(bool, bool)> {
    let state = relying_parties::table.find(id.to_string()).select(relying_parties::state);
    let bought = subscriptions::table.find((id.to_string(), service));
    let bought = diesel::dsl::select(diesel::dsl::exists(bought)).get_result(conn)?;
    Ok((state.first::<String>(conn).optional()?.as_deref() == Some("active"), bought))
}

/// Whether there is such a relying party.
pub fn exists(conn: &mut Conn, id: RelyingPartyId) -> QueryResult<bool> {
    let found = relying_parties::table.find(id.to_string());
    diesel::dsl::select(diesel::dsl::exists(found)).get_result(conn)
}

/// The relying party behind each unrevoked key, and the hash of the key's secret, in the order of `keys`. One query, with a row for
/// each pair of a purpose and a service: there are few of either.
pub fn by_keys(conn: &mut Conn, keys: &[ApiKeyId]) -> QueryResult<Vec<Option<ByKey>>> {
    type Row = (String, String, String, Vec<u8>, Option<(String, String)>, Option<String>);
    let rows = api_keys::table
        .inner_join(relying_parties::table.on(relying_parties::id.eq(api_keys::rp_id)))
        .left_join(purposes::table.on(purposes::rp_id.eq(api_keys::rp_id)))
        .left_join(subscriptions::table.on(subscriptions::rp_id.eq(api_keys::rp_id)))
        .filter(api_keys::id.eq_any(keys.iter().map(ApiKeyId::to_string)))
        .filter(api_keys::revoked_at.is_null())
        .select((
            api_keys::id,
            relying_parties::id,
            relying_parties::state,
            api_keys::secret_hash,
            (purposes::name, purposes::attributes).nullable(),
            subscriptions::service.nullable(),
        ))
        .load::<Row>(conn)?;
    let mut known: HashMap<ApiKeyId, ByKey> = HashMap::new();
    for (key, id, state, secret_hash, purpose, service) in rows {
        let (rp, _) = match known.entry(parse(&key)?) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => {
                let (services, purposes) = (BTreeSet::new(), BTreeMap::new());
                let rp = RelyingParty { id: parse(&id)?, active: state == "active", services, purposes };
                place.insert((rp, secret_hash))
            }
        };
        rp.services.extend(service);
        if let Some((name, attributes)) = purpose {
            rp.purposes.insert(name, split(&attributes)?);
        }
    }
    Ok(keys.iter().map(|key| known.get(key).cloned()).collect())
}
