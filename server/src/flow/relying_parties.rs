//! Relying parties: taken in by an admin, with what they may ask for and what they have bought.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use wallet_core::attributes::Attribute;
use wallet_core::ids::{AdminId, ApiKeyId, RelyingPartyId};
use wallet_core::refusal::Refusal;

use super::amounts::{invalid, is_line};
use super::{Context, api_keys, telling};
use crate::billing::price::Service;
use crate::delivery::event::Kind;
use crate::stop::Flow;
use crate::store::api_keys::ApiKey;
use crate::store::relying_parties::Summary;
use crate::store::{audit, relying_parties, test_clocks};

/// More than anybody registers; keeps one request from filling the table.
const MAX_PURPOSES: usize = 50;
/// Characters of a reason.
const MAX_WHY: usize = 200;
/// Relying parties in a page.
const PAGE: i64 = 100;
/// What the key that it is taken in with is called.
const FIRST_KEY: &str = "first";

/// A relying party to take in.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RelyingPartyApplication)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Its name, as holders see it.
    pub name: String,
    /// What it asks for, and why.
    pub purposes: Vec<Purpose>,
    /// What it has bought.
    pub services: BTreeSet<String>,
    /// `live`, or `sandbox`: one whose keys begin with `ek_test_`, and which meets test people only. It stays what it is.
    #[serde(default)]
    pub mode: Mode,
}

/// In which of two worlds a relying party is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(as = RelyingPartyMode)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// That of people and money.
    #[default]
    Live,
    /// That of test people and test clocks.
    Sandbox,
}

/// A registered purpose.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// A short name, sent with each redemption.
    pub name: String,
    /// What it may ask for.
    pub attributes: BTreeSet<Attribute>,
}

/// A relying party with the API key that is shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = RelyingPartyAdmitted)]
pub struct Admitted {
    /// Who.
    pub id: RelyingPartyId,
    /// The bearer token.
    pub api_key: String,
}

/// Takes in a relying party.
pub fn admit(ctx: &Context, admin: AdminId, application: &Application) -> Flow<Admitted> {
    let (services, sandbox) = (check(application)?, application.mode == Mode::Sandbox);
    let now = ctx.now();
    let id = RelyingPartyId::new(now, &mut rand::rng());
    let (name, expires_at) = (FIRST_KEY.to_owned(), None);
    let key = ApiKey { id: ApiKeyId::new(now, &mut rand::rng()), name, created_at: now, expires_at };
    let api_key = ctx.rp_store.write(|conn| {
        relying_parties::insert(conn, id, &application.name, sandbox, now)?;
        if sandbox {
            test_clocks::insert(conn, id, now)?;
        }
        for purpose in &application.purposes {
            relying_parties::insert_purpose(conn, id, &purpose.name, &purpose.attributes)?;
        }
        for service in &services {
            relying_parties::subscribe(conn, id, service.as_str(), now)?;
        }
        let outcome = if sandbox { "sandbox" } else { "done" };
        audit::append(conn, admin, "relying_party.admit", id, outcome, now)?;
        api_keys::mint(conn, id, sandbox, &key)
    })?;
    Ok(Admitted { id, api_key })
}

/// A relying party as an admin sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = RelyingParty)]
pub struct Shown {
    id: RelyingPartyId,
    name: String,
    /// `active` or `suspended`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_why: Option<String>,
    /// `live` or `sandbox`.
    mode: &'static str,
    created_at: Timestamp,
}

impl From<Summary> for Shown {
    fn from(rp: Summary) -> Shown {
        Shown {
            id: rp.id,
            name: rp.name,
            state: if rp.active { "active" } else { "suspended" },
            suspended_why: rp.suspended_why,
            mode: if rp.sandbox { "sandbox" } else { "live" },
            created_at: rp.created_at,
        }
    }
}

/// A page of relying parties after `after`, in the order in which they were taken in.
pub fn list(ctx: &Context, after: &str) -> Flow<Vec<Shown>> {
    if !after.is_empty() && after.parse::<RelyingPartyId>().is_err() {
        return Err(invalid("after", "the id of a relying party").into());
    }
    let page = ctx.rp_store.read(|conn| Ok(relying_parties::page(conn, after, PAGE)?))?;
    Ok(page.into_iter().map(Shown::from).collect())
}

/// One of them.
pub fn show(ctx: &Context, id: RelyingPartyId) -> Flow<Shown> {
    let found = ctx.rp_store.read(|conn| Ok(relying_parties::summary(conn, id)?))?;
    Ok(found.ok_or(Refusal::NotFound)?.into())
}

/// An admin suspends a relying party: nothing is served to it, and what it has stays its own. Within a second on every replica.
pub fn suspend(ctx: &Context, admin: AdminId, id: RelyingPartyId, why: &str) -> Flow<()> {
    let why = why.trim();
    if !is_line(why, 1..=MAX_WHY) {
        let expected = format!("1 to {MAX_WHY} characters in one line, which the relying party will read");
        return Err(invalid("why", expected).into());
    }
    change(ctx, admin, id, Some(why), ("relying_party.suspend", Kind::Suspended))
}

/// An admin has a relying party served again.
pub fn resume(ctx: &Context, admin: AdminId, id: RelyingPartyId) -> Flow<()> {
    change(ctx, admin, id, None, ("relying_party.resume", Kind::Resumed))
}

/// What is so already stays so, and nobody is told twice.
fn change(
    ctx: &Context,
    admin: AdminId,
    id: RelyingPartyId,
    why: Option<&str>,
    (action, kind): (&'static str, Kind),
) -> Flow<()> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        let changed = relying_parties::suspend(conn, id, why)?;
        if changed {
            telling::message(conn, id, kind, &json!({ "why": why }), now.into())?;
        } else if relying_parties::is_sandbox(conn, id)?.is_none() {
            return Err(Refusal::NotFound.into());
        }
        let outcome = if changed { "done" } else { "already-so" };
        Ok(audit::append(conn, admin, action, id, outcome, now)?)
    })
}

fn check(application: &Application) -> Result<Vec<Service>, Refusal> {
    let is_name = |name: &str| !name.trim().is_empty() && is_line(name, 1..=80);
    if !is_name(&application.name) {
        return Err(invalid("name", "1 to 80 characters"));
    }
    let names: BTreeSet<&str> = application.purposes.iter().map(|purpose| purpose.name.as_str()).collect();
    if names.len() != application.purposes.len()
        || names.len() > MAX_PURPOSES
        || !names.iter().all(|n| is_name(n))
    {
        return Err(invalid("purposes", "at most 50, each with a name of its own of 1 to 80 characters"));
    }
    let service = |name: &String| Service::parse(name).ok_or_else(|| invalid("services", "unknown service"));
    application.services.iter().map(service).collect()
}
