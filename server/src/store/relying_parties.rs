//! Relying parties, their API keys, purposes and subscriptions.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wallet_core::attributes::Attribute;
use wallet_core::ids::{ApiKeyId, CapId, RelyingPartyId, TerminalId};
use wallet_core::money::Micros;

use super::columns::{damaged, join, parse, split, time};
use super::schema::{api_keys, purposes, relying_parties, subscriptions};
use super::{Conn, exactly_one};
use crate::billing::arrears::Standing;
use crate::billing::caps::{Cap, Kind, Scope};

/// A relying party, with all that decides what it may ask for.
#[derive(Debug, Clone)]
pub struct RelyingParty {
    /// Who.
    pub id: RelyingPartyId,
    /// The API key that it came with, if it came with one.
    pub key: Option<ApiKeyId>,
    /// The terminal that it came by, if it came by one.
    pub terminal: Option<TerminalId>,
    /// Whether it is of the sandbox: for ever, since it was taken in.
    pub sandbox: bool,
    /// Served, or suspended.
    pub active: bool,
    /// What it owes, and since when.
    pub standing: Standing,
    /// What it must not, or wants to be told if it does, spend a day.
    pub caps: Vec<Cap>,
    /// What it has bought.
    pub services: BTreeSet<String>,
    /// What each registered purpose covers.
    pub purposes: BTreeMap<String, BTreeSet<Attribute>>,
}

impl RelyingParty {
    /// Whether a redemption that this terminal of its own opened (or an API key: `None`) is the caller's to see. A terminal sees its own.
    pub fn opened(&self, by: Option<TerminalId>) -> bool {
        self.terminal.is_none() || self.terminal == by
    }
}

/// A relying party as it is found by one of its keys.
#[derive(Debug, Clone)]
pub struct ByKey {
    /// Whose key it is.
    pub rp: RelyingParty,
    /// Of the key's secret.
    pub secret_hash: Vec<u8>,
    /// Until when the key is good, if not for ever.
    pub expires_at: Option<Timestamp>,
}

/// Adds a relying party.
pub fn insert(
    conn: &mut Conn,
    id: RelyingPartyId,
    name: &str,
    sandbox: bool,
    now: Timestamp,
) -> QueryResult<()> {
    let row = (
        relying_parties::sandbox.eq(i64::from(sandbox)),
        relying_parties::id.eq(id.to_string()),
        relying_parties::name.eq(name),
        relying_parties::state.eq("active"),
        relying_parties::created_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(relying_parties::table).values(row).execute(conn).map(drop)
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

/// Notes that a service was bought, if it was not before.
pub fn subscribe_once(conn: &mut Conn, rp: RelyingPartyId, service: &str, now: Timestamp) -> QueryResult<()> {
    let bought = subscriptions::table.find((rp.to_string(), service));
    if diesel::dsl::select(diesel::dsl::exists(bought)).get_result(conn)? {
        return Ok(());
    }
    subscribe(conn, rp, service, now)
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

/// A relying party as an admin sees it.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Who.
    pub id: RelyingPartyId,
    /// Its name, as holders see it.
    pub name: String,
    /// Served, or suspended.
    pub active: bool,
    /// Why it is suspended.
    pub suspended_why: Option<String>,
    /// Whether it is of the sandbox.
    pub sandbox: bool,
    /// When it was taken in.
    pub created_at: Timestamp,
}

/// The relying parties after `after`, by their ids, which is by the time when they were taken in.
pub fn page(conn: &mut Conn, after: &str, limit: i64) -> QueryResult<Vec<Summary>> {
    let found = relying_parties::table.filter(relying_parties::id.gt(after));
    let page = found.order(relying_parties::id).limit(limit).select(SummaryRow::as_select());
    page.load(conn)?.into_iter().map(Summary::try_from).collect()
}

/// One of them.
pub fn summary(conn: &mut Conn, id: RelyingPartyId) -> QueryResult<Option<Summary>> {
    let found = relying_parties::table.find(id.to_string()).select(SummaryRow::as_select());
    found.first(conn).optional()?.map(Summary::try_from).transpose()
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = relying_parties)]
struct SummaryRow {
    id: String,
    name: String,
    state: String,
    suspended_why: Option<String>,
    sandbox: i64,
    created_at: i64,
}

impl TryFrom<SummaryRow> for Summary {
    type Error = diesel::result::Error;

    fn try_from(row: SummaryRow) -> QueryResult<Summary> {
        Ok(Summary {
            id: parse(&row.id)?,
            name: row.name,
            active: row.state == "active",
            suspended_why: row.suspended_why,
            sandbox: row.sandbox == 1,
            created_at: time(row.created_at)?,
        })
    }
}

/// Suspends a relying party for a reason, or has it served again without one. Compare-and-set: whether that changed anything.
pub fn suspend(conn: &mut Conn, id: RelyingPartyId, why: Option<&str>) -> QueryResult<bool> {
    let (from, to) = if why.is_some() { ("active", "suspended") } else { ("suspended", "active") };
    let found = relying_parties::table.find(id.to_string()).filter(relying_parties::state.eq(from));
    let set = (relying_parties::state.eq(to), relying_parties::suspended_why.eq(why));
    Ok(diesel::update(found).set(set).execute(conn)? == 1)
}

/// A relying party, whoever asks.
pub fn find(conn: &mut Conn, id: RelyingPartyId) -> QueryResult<Option<RelyingParty>> {
    let found = relying_parties::table.find(id.to_string()).select(columns!());
    let Some(row) = found.first::<Row>(conn).optional()? else { return Ok(None) };
    let mut rp = from_row(row)?;
    let services = subscriptions::table.filter(subscriptions::rp_id.eq(id.to_string()));
    rp.services = services.select(subscriptions::service).load::<String>(conn)?.into_iter().collect();
    let covered = purposes::table.filter(purposes::rp_id.eq(id.to_string()));
    for (name, attributes) in
        covered.select((purposes::name, purposes::attributes)).load::<(String, String)>(conn)?
    {
        rp.purposes.insert(name, split(&attributes)?);
    }
    Ok(Some(rp))
}

type Row = (String, String, i64, Option<i64>, Option<String>);

macro_rules! columns {
    () => {
        (
            relying_parties::id,
            relying_parties::state,
            relying_parties::sandbox,
            relying_parties::arrears_since,
            relying_parties::caps,
        )
    };
}
use columns;

fn from_row((id, state, sandbox, arrears_since, caps): Row) -> QueryResult<RelyingParty> {
    let caps = caps.map_or(Ok(Vec::new()), |caps| caps_of(&caps));
    Ok(RelyingParty {
        id: parse(&id)?,
        key: None,
        terminal: None,
        sandbox: sandbox == 1,
        active: state == "active",
        standing: standing_since(arrears_since)?,
        caps: caps?,
        services: BTreeSet::new(),
        purposes: BTreeMap::new(),
    })
}

/// A cap as it stands in the column `caps`.
#[derive(Serialize, Deserialize)]
struct CapRow {
    id: CapId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<ApiKeyId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    hard: bool,
    micros: Micros,
}

impl CapRow {
    fn of(cap: &Cap) -> CapRow {
        let (key, purpose) = match cap.scope() {
            Scope::RelyingParty => (None, None),
            Scope::ApiKey(key) => (Some(*key), None),
            Scope::Purpose(purpose) => (None, Some(purpose.clone())),
        };
        CapRow { id: cap.id(), key, purpose, hard: cap.kind() == Kind::Hard, micros: cap.micros() }
    }
}

fn caps_of(text: &str) -> QueryResult<Vec<Cap>> {
    let damaged = || damaged(&"relying_parties.caps");
    let rows: Vec<CapRow> = serde_json::from_str(text).map_err(|_| damaged())?;
    let cap = |row: CapRow| {
        let scope = match (row.key, row.purpose) {
            (None, None) => Scope::RelyingParty,
            (Some(key), _) => Scope::ApiKey(key),
            (None, Some(purpose)) => Scope::Purpose(purpose),
        };
        let kind = if row.hard { Kind::Hard } else { Kind::Soft };
        Cap::new(row.id, scope, kind, row.micros).map_err(|_| damaged())
    };
    rows.into_iter().map(cap).collect()
}

/// Notes since when something is owed, or that nothing is; how it stood before.
pub fn set_standing(conn: &mut Conn, id: RelyingPartyId, standing: Standing) -> QueryResult<Standing> {
    let since = match standing {
        Standing::Clear => None,
        Standing::InArrears { since } => Some(since.as_microsecond()),
    };
    // Only a change is written: it makes every replica read its relying parties anew.
    let known = relying_parties::table.find(id.to_string());
    let before: Option<i64> = known.clone().select(relying_parties::arrears_since).first(conn)?;
    if before != since {
        diesel::update(known).set(relying_parties::arrears_since.eq(since)).execute(conn)?;
    }
    standing_since(before)
}

fn standing_since(arrears_since: Option<i64>) -> QueryResult<Standing> {
    let since = arrears_since.map(time).transpose()?;
    Ok(since.map_or(Standing::Clear, |since| Standing::InArrears { since }))
}

/// Puts the caps of a relying party in place of those that it had.
pub fn set_caps(conn: &mut Conn, id: RelyingPartyId, caps: &[Cap]) -> QueryResult<()> {
    let rows: Vec<CapRow> = caps.iter().map(CapRow::of).collect();
    let text = serde_json::to_string(&rows).map_err(|error| damaged(&error))?;
    let found = relying_parties::table.find(id.to_string());
    exactly_one(diesel::update(found).set(relying_parties::caps.eq(text)).execute(conn)?)
}

/// Whether there is such a relying party, which is not of the sandbox.
pub fn is_live(conn: &mut Conn, id: RelyingPartyId) -> QueryResult<bool> {
    Ok(is_sandbox(conn, id)? == Some(false))
}

/// Whether a relying party is of the sandbox; `None` when there is none.
pub fn is_sandbox(conn: &mut Conn, id: RelyingPartyId) -> QueryResult<Option<bool>> {
    let found = relying_parties::table.find(id.to_string()).select(relying_parties::sandbox);
    Ok(found.first::<i64>(conn).optional()?.map(|sandbox| sandbox == 1))
}

/// Whose rows a job looks at.
#[derive(Debug, Clone, Copy)]
pub enum Whose {
    /// All whose time is the real one: all but those of the sandbox with a clock that stands.
    Real,
    /// One relying party's.
    One(RelyingPartyId),
}

impl Whose {
    /// A condition on a column that names a relying party.
    pub(super) fn condition(self, column: &str) -> String {
        match self {
            Whose::Real => format!("{column} NOT IN (SELECT rp_id FROM test_clocks WHERE at IS NOT NULL)"),
            Whose::One(rp) => format!("{column} = '{rp}'"),
        }
    }
}

/// The relying parties of the sandbox.
pub(super) const OF_THE_SANDBOX: &str = "(SELECT id FROM relying_parties WHERE sandbox = 1)";

/// The relying party behind each unrevoked key, in the order of `keys`. One query, with a row for
/// each pair of a purpose and a service: there are few of either.
pub fn by_keys(conn: &mut Conn, keys: &[ApiKeyId]) -> QueryResult<Vec<Option<ByKey>>> {
    type Key = (String, Vec<u8>, Option<i64>);
    type Joined = (Key, Row, Option<(String, String)>, Option<String>);
    let rows = api_keys::table
        .inner_join(relying_parties::table.on(relying_parties::id.eq(api_keys::rp_id)))
        .left_join(purposes::table.on(purposes::rp_id.eq(api_keys::rp_id)))
        .left_join(subscriptions::table.on(subscriptions::rp_id.eq(api_keys::rp_id)))
        .filter(api_keys::id.eq_any(keys.iter().map(ApiKeyId::to_string)))
        .filter(api_keys::revoked_at.is_null())
        .select((
            (api_keys::id, api_keys::secret_hash, api_keys::expires_at),
            columns!(),
            (purposes::name, purposes::attributes).nullable(),
            subscriptions::service.nullable(),
        ))
        .load::<Joined>(conn)?;
    let mut known: HashMap<ApiKeyId, ByKey> = HashMap::new();
    for ((key, secret_hash, expires_at), row, purpose, service) in rows {
        let key = parse(&key)?;
        let ByKey { rp, .. } = match known.entry(key) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => place.insert(ByKey {
                rp: RelyingParty { key: Some(key), ..from_row(row)? },
                secret_hash,
                expires_at: expires_at.map(time).transpose()?,
            }),
        };
        rp.services.extend(service);
        if let Some((name, attributes)) = purpose {
            rp.purposes.insert(name, split(&attributes)?);
        }
    }
    Ok(keys.iter().map(|key| known.get(key).cloned()).collect())
}
