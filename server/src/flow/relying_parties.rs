//! Relying parties: taken in by an admin, with what they may ask for and what they have bought.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wallet_core::attributes::Attribute;
use wallet_core::es256::sha256;
use wallet_core::ids::{AdminId, ApiKeyId, RelyingPartyId};
use wallet_core::jws::base64url;
use wallet_core::refusal::Refusal;

use super::callers::key_prefix;
use super::{Context, random};
use crate::billing::price::Service;
use crate::stop::Flow;
use crate::store::{audit, relying_parties, test_clocks};

/// More than anybody registers; keeps one request from filling the table.
const MAX_PURPOSES: usize = 50;

/// A relying party to take in.
#[derive(Debug, Deserialize)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// That of people and money.
    #[default]
    Live,
    /// That of test people and test clocks.
    Sandbox,
}

/// A registered purpose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// A short name, sent with each redemption.
    pub name: String,
    /// What it may ask for.
    pub attributes: BTreeSet<Attribute>,
}

/// A relying party with the API key that is shown once.
#[derive(Serialize)]
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
    let key = ApiKeyId::new(now, &mut rand::rng());
    let secret = base64url(&random::<32>());
    ctx.rp_store.write(|conn| {
        relying_parties::insert(conn, id, &application.name, sandbox, now)?;
        if sandbox {
            test_clocks::insert(conn, id, now)?;
        }
        relying_parties::insert_key(conn, key, id, &sha256(secret.as_bytes()), now)?;
        for purpose in &application.purposes {
            relying_parties::insert_purpose(conn, id, &purpose.name, &purpose.attributes)?;
        }
        for service in &services {
            relying_parties::subscribe(conn, id, service.as_str(), now)?;
        }
        let outcome = if sandbox { "sandbox" } else { "done" };
        Ok(audit::append(conn, admin, "relying_party.admit", id, outcome, now)?)
    })?;
    let key = key.to_string();
    let public = key.strip_prefix("key_").unwrap_or(&key);
    Ok(Admitted { id, api_key: format!("{}{public}_{secret}", key_prefix(sandbox)) })
}

fn check(application: &Application) -> Result<Vec<Service>, Refusal> {
    let invalid = |field, expected: &str| Refusal::RequestInvalid { field, expected: expected.to_owned() };
    let is_name = |name: &str| {
        !name.trim().is_empty() && name.chars().count() <= 80 && !name.chars().any(char::is_control)
    };
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
