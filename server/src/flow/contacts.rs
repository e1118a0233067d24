//! Contacts of a relying party: mail addresses that are told of what happens, once somebody there has shown that they want to be.

use base16ct::lower;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;
use wallet_core::ids::{ContactId, EventId};
use wallet_core::pairwise::keyed;
use wallet_core::refusal::Refusal;

use super::amounts::invalid;
use super::callers::RelyingParty;
use super::limits::limit;
use super::webhooks::{Target, remove, wanted};
use super::{Context, later};
use crate::delivery::event::{Kind, payload};
use crate::delivery::schedule::Health;
use crate::edge::mail;
use crate::stop::Flow;
use crate::store::deliveries::{self, Event};
use crate::store::endpoints::{self, Endpoint, EndpointId};
use crate::store::{Conn, audit};

/// Contacts that a relying party may have.
const MOST: usize = 20;
/// How long a contact may take to answer. As long as its mail is tried: one that arrives can be answered.
pub(super) const ANSWER_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// Confirmations in a day: that a relying party may ask for, and that an address is sent, whoever asks.
const OF_ONE: (i64, i64) = (86_400, 20);
const TO_ONE: (i64, i64) = (86_400, 3);
/// Bytes of a token.
const TOKEN_BYTES: usize = 16;

/// A contact that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ContactRequest)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    address: String,
    /// Which kinds; all that go by mail, also those to come, if it is left out.
    #[serde(default)]
    events: Option<Vec<String>>,
}

/// A contact as its relying party sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Contact)]
pub struct Shown {
    id: String,
    address: String,
    events: Vec<&'static str>,
    /// `unconfirmed`, `confirmed` or `disabled`.
    state: &'static str,
    /// Until when the token is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm_by: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_why: Option<String>,
    created_at: Timestamp,
}

fn shown(ctx: &Context, endpoint: Endpoint) -> Flow<Shown> {
    let target = Target::open(&ctx.vault, &endpoint)?;
    let state = match (&endpoint.disabled, endpoint.confirmed_at) {
        (Some(_), _) => "disabled",
        (None, Some(_)) => "confirmed",
        (None, None) => "unconfirmed",
    };
    Ok(Shown {
        id: endpoint.id.to_string(),
        address: target.address,
        events: endpoint.wanted.words(),
        state,
        confirm_by: endpoint.confirmed_at.is_none().then(|| later(endpoint.created_at, ANSWER_WITHIN)),
        disabled_why: endpoint.disabled.map(|(_, why)| why),
        created_at: endpoint.created_at,
    })
}

/// What a contact is sent to show that it wants to be told. Derived, so that it is stored nowhere.
pub(super) fn token(ctx: &Context, id: EndpointId) -> String {
    let bytes = keyed(&ctx.secrets.contact, &[b"token", id.to_string().as_bytes()]);
    lower::encode_string(bytes.split_at(TOKEN_BYTES).0)
}

/// Adds a contact, and asks it. Until it answers it is sent nothing else.
pub fn create(ctx: &Context, rp: &RelyingParty, asked: &Asked) -> Flow<Shown> {
    if !rp.active {
        return Err(Refusal::RpSuspended.into());
    }
    if ctx.mailer.is_none() {
        return Err(Refusal::MailNotOffered.into());
    }
    let (now, wanted) = (ctx.now(), wanted(asked.events.as_deref())?);
    let address =
        mail::address(&asked.address).ok_or_else(|| invalid("address", "a mail address (ASCII)"))?;
    let id = EndpointId::Contact(ContactId::new(now, &mut rand::rng()));
    let target = Target { address, secrets: Vec::new() };
    ctx.rp_store.read(|conn| check(ctx, conn, rp, &target.address))?;
    limit(ctx, &format!("contacts/{}", rp.id), OF_ONE, now)?;
    // Counted by what can't be read back: the counters are no list of addresses.
    let counted = keyed(&ctx.secrets.contact, &[b"address", target.address.to_ascii_lowercase().as_bytes()]);
    limit(ctx, &format!("contact-mails/{}", lower::encode_string(&counted)), TO_ONE, now)?;
    let endpoint = Endpoint {
        rp: rp.id,
        id,
        wanted,
        sealed_target: target.seal(&ctx.vault, rp.id, id)?,
        created_at: now,
        confirmed_at: None,
        disabled: None,
        health: Health::NEW,
    };
    let kind = Kind::ContactConfirmation;
    let event = Event { id: EventId::new(now, &mut rand::rng()), kind, body: payload(kind, now, &json!({})) };
    ctx.rp_store.write(|conn| {
        check(ctx, conn, rp, &target.address)?;
        endpoints::insert(conn, &endpoint)?;
        deliveries::insert(conn, &[(&endpoint, &event)], now)?;
        Ok(audit::append(conn, rp.id, "contact.create", id, "done", now)?)
    })?;
    shown(ctx, endpoint)
}

fn check(ctx: &Context, conn: &mut Conn, rp: &RelyingParty, address: &str) -> Flow<()> {
    let known = endpoints::list_contacts(conn, rp.id)?;
    if known.len() >= MOST {
        return Err(invalid("contacts", format!("at most {MOST}: delete one first")).into());
    }
    for endpoint in &known {
        if Target::open(&ctx.vault, endpoint)?.address == address {
            return Err(invalid("address", "one that is not there yet").into());
        }
    }
    Ok(())
}

/// The contacts of a relying party, the oldest first.
pub fn list(ctx: &Context, rp: &RelyingParty) -> Flow<Vec<Shown>> {
    let found = ctx.rp_store.read(|conn| Ok(endpoints::list_contacts(conn, rp.id)?))?;
    found.into_iter().map(|endpoint| shown(ctx, endpoint)).collect()
}

/// What shows that the mail was read.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ContactConfirmation)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    token: String,
}

/// Takes the token that was mailed. Taken twice, it is taken once.
pub fn confirm(ctx: &Context, rp: &RelyingParty, id: ContactId, answer: &Answer) -> Flow<Shown> {
    let (now, id) = (ctx.now(), EndpointId::Contact(id));
    let found = ctx.rp_store.write(|conn| {
        let endpoint = endpoints::find(conn, rp.id, id)?.ok_or(Refusal::NotFound)?;
        let is_right: bool = answer.token.trim().as_bytes().ct_eq(token(ctx, id).as_bytes()).into();
        let in_time = endpoint.confirmed_at.is_some() || now < later(endpoint.created_at, ANSWER_WITHIN);
        if !is_right || !in_time {
            return Err(invalid("token", "the token that was mailed to the contact within 24 hours").into());
        }
        if endpoint.confirmed_at.is_none() {
            endpoints::confirm(conn, &endpoint, now)?;
            audit::append(conn, rp.id, "contact.confirm", id, "done", now)?;
        }
        Ok(endpoints::find(conn, rp.id, id)?.ok_or(Refusal::NotFound)?)
    })?;
    shown(ctx, found)
}

/// Removes one.
pub fn delete(ctx: &Context, rp: &RelyingParty, id: ContactId) -> Flow<()> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| remove(conn, rp, EndpointId::Contact(id), "contact.delete", now))
}
