//! Terminals: tills and tablets of a relying party, each with a key of its own that redeems and does nothing else. An API key never
//! has to be where a customer can reach it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::attributes::Attribute;
use wallet_core::es256::sha256;
use wallet_core::ids::{RelyingPartyId, TerminalId};
use wallet_core::jws::base64url;
use wallet_core::money::Amount;
use wallet_core::refusal::Refusal;

use super::amounts::{cny, invalid, is_line};
use super::callers::{Device, RelyingParty, Terminal as Caller};
use super::proofing::{TOKEN, fresh_token};
use super::{Context, later, prices, random, settlement};
use crate::stop::Flow;
use crate::store::terminals::{self, Terminal};
use crate::store::{audit, relying_parties};

/// How long an activation link is good for: as long as it takes to carry a tablet to the console.
const ACTIVATION: SignedDuration = SignedDuration::from_mins(10);
/// Terminals of a relying party that are not switched off. More than a large shop has; keeps a stolen key from filling the table.
const MOST: i64 = 500;
/// So many are listed.
const LISTED: i64 = 1_000;
/// Characters of a name.
const MAX_NAME: usize = 80;

/// A terminal to add.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TerminalRequest)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// What the relying party calls it.
    name: String,
    /// The purposes that it may ask for; without them, all that are registered.
    #[serde(default)]
    purposes: Option<BTreeSet<String>>,
}

/// A terminal on the wire, as its relying party sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Terminal)]
pub struct Shown {
    id: TerminalId,
    name: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    purposes: Option<BTreeSet<String>>,
    created_at: Timestamp,
    /// While it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    activation_expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    activated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
}

impl Shown {
    fn of(terminal: Terminal, now: Timestamp) -> Shown {
        let waits = terminal.activated.is_none() && now < terminal.activation_expires_at;
        let state = match (&terminal.revoked_at, &terminal.activated) {
            (Some(_), _) => "revoked",
            (None, Some(_)) => "active",
            (None, None) if waits => "pending",
            (None, None) => "expired",
        };
        Shown {
            id: terminal.id,
            name: terminal.name,
            state,
            purposes: terminal.purposes,
            created_at: terminal.created_at,
            activation_expires_at: (state == "pending").then_some(terminal.activation_expires_at),
            activated_at: terminal.activated.map(|(at, _)| at),
            token_expires_at: terminal.token_expires_at,
            revoked_at: terminal.revoked_at,
        }
    }
}

/// A terminal that was added, and how it is activated. Both are shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = NewTerminal)]
pub struct Created {
    #[serde(flatten)]
    terminal: Shown,
    /// The secret by itself.
    activation: String,
    /// Where the scanner opens with it: the text of a QR. The secret stands behind `#`, so no server and no log ever sees it there.
    activation_link: String,
}

/// Adds a terminal, which waits for ten minutes to be activated.
pub fn create(ctx: &Context, rp: &RelyingParty, wanted: &Wanted) -> Flow<Created> {
    let (now, name) = (ctx.now(), wanted.name.trim());
    if !is_line(name, 1..=MAX_NAME) {
        return Err(invalid("name", "1 to 80 characters").into());
    }
    let is_ours = |purposes: &BTreeSet<String>| {
        !purposes.is_empty() && purposes.iter().all(|purpose| rp.purposes.contains_key(purpose))
    };
    if !wanted.purposes.as_ref().is_none_or(is_ours) {
        return Err(invalid("purposes", "at least one, each of them registered").into());
    }
    let terminal = Terminal {
        id: TerminalId::new(now, &mut rand::rng()),
        rp: rp.id,
        name: name.to_owned(),
        purposes: wanted.purposes.clone(),
        created_at: now,
        activation_expires_at: later(now, ACTIVATION),
        activated: None,
        token_expires_at: None,
        revoked_at: None,
    };
    let activation = format!("ta_{}", base64url(&random::<32>()));
    ctx.rp_store.write(|conn| {
        terminals::forget_expired(conn, rp.id, now)?;
        if terminals::count(conn, rp.id)? >= MOST {
            return Err(invalid("name", "at most 500 terminals: switch off those that are not used").into());
        }
        terminals::insert(conn, &terminal, &sha256(activation.as_bytes()))?;
        Ok(audit::append(conn, rp.id, "terminal.create", terminal.id, "done", now)?)
    })?;
    let activation_link = format!("{}/scanner/#{activation}", ctx.public_url);
    Ok(Created { terminal: Shown::of(terminal, now), activation, activation_link })
}

/// The newest thousand terminals of the relying party.
pub fn list(ctx: &Context, rp: &RelyingParty) -> Flow<Vec<Shown>> {
    let found = ctx.rp_store.read(|conn| Ok(terminals::of_relying_party(conn, rp.id, LISTED)?))?;
    Ok(found.into_iter().map(|terminal| Shown::of(terminal, ctx.now())).collect())
}

/// Switches a terminal off, for ever: its next request is refused, wherever it goes. Twice is once.
pub fn revoke(ctx: &Context, rp: &RelyingParty, id: TerminalId) -> Flow<()> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        let changed = terminals::revoke(conn, rp.id, id, now)?.ok_or(Refusal::NotFound)?;
        if changed {
            audit::append(conn, rp.id, "terminal.revoke", id, "done", now)?;
        }
        Ok(())
    })
}

/// An access token of a terminal, shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = TerminalToken)]
pub struct Token {
    id: TerminalId,
    access_token: String,
    token_type: &'static str,
    token_expires_at: Timestamp,
}

impl Token {
    fn fresh(id: TerminalId, now: Timestamp) -> Token {
        let token_expires_at = later(now, TOKEN);
        Token { id, access_token: fresh_token(), token_type: "DPoP", token_expires_at }
    }

    fn hash(&self) -> [u8; 32] {
        sha256(self.access_token.as_bytes())
    }
}

/// Binds a terminal to the key that proved itself. A secret that is unknown, too old or used up by another key is one and the same 404; the
/// key that used it may ask again while it is good, since an answer may be lost on the way.
pub fn activate(ctx: &Context, device: &Device, activation: &str) -> Flow<Token> {
    let now = ctx.now();
    let hash = sha256(activation.as_bytes());
    ctx.rp_store.write(|conn| {
        let found = terminals::by_activation(conn, &hash)?.filter(|terminal| {
            let is_free = terminal.activated.as_ref().is_none_or(|(_, jkt)| *jkt == device.jkt);
            is_free && terminal.revoked_at.is_none() && now < terminal.activation_expires_at
        });
        let terminal = found.ok_or(Refusal::NotFound)?;
        let token = Token::fresh(terminal.id, now);
        terminals::activate(conn, &terminal, device, &token.hash(), token.token_expires_at, now)?;
        audit::append(conn, terminal.rp, "terminal.activate", terminal.id, "done", now)?;
        Ok(token)
    })
}

/// Gives a terminal a token for another 90 days. The present one ends when the new one is first used, so that an answer which is lost
/// locks nobody out.
pub fn renew_token(ctx: &Context, Caller { terminal, .. }: &Caller) -> Flow<Token> {
    let now = ctx.now();
    let token = Token::fresh(terminal.id, now);
    ctx.rp_store.write(|conn| {
        terminals::offer_token(conn, terminal, &token.hash(), token.token_expires_at)?;
        Ok(audit::append(conn, terminal.rp, "terminal.token.renew", terminal.id, "done", now)?)
    })?;
    Ok(token)
}

/// What a terminal learns of itself.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnTerminal)]
pub struct Own {
    id: TerminalId,
    name: String,
    relying_party: Whose,
    purposes: BTreeMap<String, BTreeSet<Attribute>>,
    /// Of one redemption, now.
    price: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_expires_at: Option<Timestamp>,
}

/// Whose terminal it is.
#[derive(Serialize, ToSchema)]
#[schema(as = TerminalOwner)]
struct Whose {
    id: RelyingPartyId,
    name: String,
    sandbox: bool,
}

/// Who the terminal is, whose, and what it may ask for at which price.
pub fn show(ctx: &Context, Caller { terminal, rp, .. }: &Caller) -> Flow<Own> {
    let price = prices::in_force(ctx, settlement::SERVICE, ctx.moment_of(rp)?.at)?;
    let name = ctx.rp_store.read(|conn| Ok(relying_parties::names(conn, [rp.id])?.remove(&rp.id)))?;
    let name = name.ok_or_else(|| anyhow::anyhow!("a relying party that has a terminal is missing"))?;
    Ok(Own {
        id: terminal.id,
        name: terminal.name.clone(),
        relying_party: Whose { id: rp.id, name, sandbox: rp.sandbox },
        purposes: rp.purposes.clone(),
        price: cny(price.micros),
        token_expires_at: terminal.token_expires_at,
    })
}
