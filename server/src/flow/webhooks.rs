//! Webhooks of a relying party: where it wants to be told of what happens, by which secrets it knows that it is us, and what became of each
//! delivery.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::{DeliveryId, EventId, RelyingPartyId, WebhookId};
use wallet_core::refusal::Refusal;

use super::amounts::invalid;
use super::callers::RelyingParty;
use super::limits::limit;
use super::{Context, later, random, telling};
use crate::delivery::event::Wanted;
use crate::delivery::schedule::Health;
use crate::delivery::signature::secret_text;
use crate::edge::vault::Vault;
use crate::stop::Flow;
use crate::store::deliveries::{self, Delivery, State};
use crate::store::endpoints::{self, Endpoint, EndpointId};
use crate::store::{Conn, audit};

/// Webhooks that a relying party may have.
const MOST: usize = 10;
/// How long a secret goes on to sign after another was made.
const ROTATION: SignedDuration = SignedDuration::from_hours(24);
/// Addresses that a relying party may have looked up in an hour.
const LOOK_UPS: (i64, i64) = (3600, 100);
/// Deliveries in a page.
const PAGE: i64 = 50;

/// What is sealed of an endpoint.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Target {
    /// The address.
    pub(super) address: String,
    /// The newest first; none of a contact.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) secrets: Vec<KeptSecret>,
}

/// A secret of a webhook.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeptSecret {
    /// `whsec_…`
    pub(super) text: String,
    /// When another took its place, and it signs no more.
    pub(super) ends_at: Option<Timestamp>,
}

impl KeptSecret {
    fn new() -> KeptSecret {
        KeptSecret { text: secret_text(&random()), ends_at: None }
    }

    /// Whether it signs.
    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }
}

/// What the target of an endpoint is bound to.
pub fn target_context(rp: &str, id: &str) -> String {
    format!("endpoints.target {rp} {id}")
}

impl Target {
    pub(super) fn seal(&self, vault: &Vault, rp: RelyingPartyId, id: EndpointId) -> Flow<Vec<u8>> {
        Ok(vault.seal_json(&target_context(&rp.to_string(), &id.to_string()), self)?)
    }

    pub(super) fn open(vault: &Vault, endpoint: &Endpoint) -> Flow<Target> {
        let context = target_context(&endpoint.rp.to_string(), &endpoint.id.to_string());
        Ok(vault.open_json(&context, &endpoint.sealed_target)?)
    }
}

/// A webhook that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WebhookRequest)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    url: String,
    /// Which kinds; all, also those to come, if it is left out.
    #[serde(default)]
    events: Option<Vec<String>>,
}

/// What is asked to be told of.
pub(super) fn wanted(events: Option<&[String]>) -> Result<Wanted, Refusal> {
    let Some(events) = events else { return Ok(Wanted::All) };
    let parsed = Wanted::parse(events.iter().map(String::as_str));
    parsed.map_err(|_| invalid("events", "kinds of events (docs/API.md), or [\"*\"]"))
}

/// A webhook as its relying party sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct Shown {
    id: String,
    url: String,
    events: Vec<&'static str>,
    /// `enabled` or `disabled`.
    state: &'static str,
    /// `gone`, `failing`, `backlog`.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<Timestamp>,
    /// Since when nothing was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<Timestamp>,
    /// Until when the secret before signs as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_secret_ends_at: Option<Timestamp>,
    created_at: Timestamp,
}

fn shown(ctx: &Context, endpoint: Endpoint, now: Timestamp) -> Flow<Shown> {
    let target = Target::open(&ctx.vault, &endpoint)?;
    let old = target.secrets.iter().filter(|secret| secret.is_valid(now)).find_map(|secret| secret.ends_at);
    let (disabled_at, disabled_why) = endpoint.disabled.unzip();
    Ok(Shown {
        id: endpoint.id.to_string(),
        url: target.address,
        events: endpoint.wanted.words(),
        state: if disabled_at.is_some() { "disabled" } else { "enabled" },
        disabled_why,
        disabled_at,
        failing_since: endpoint.health.failing_since,
        old_secret_ends_at: old,
        created_at: endpoint.created_at,
    })
}

/// A webhook that was made.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookMade)]
pub struct Made {
    #[serde(flatten)]
    webhook: Shown,
    /// Shown once.
    secret: String,
}

/// Makes a webhook, at an address that everybody reaches.
pub fn create(ctx: &Context, rp: &RelyingParty, asked: &Asked) -> Flow<Made> {
    if !rp.active {
        return Err(Refusal::RpSuspended.into());
    }
    let (now, wanted) = (ctx.now(), wanted(asked.events.as_deref())?);
    limit(ctx, &format!("webhook-look-ups/{}", rp.id), LOOK_UPS, now)?;
    let address = ctx.webhooks.check(&asked.url).map_err(|unfit| invalid("url", unfit.to_string()))?;
    let id = EndpointId::Webhook(WebhookId::new(now, &mut rand::rng()));
    let secret = KeptSecret::new();
    let target = Target { address, secrets: vec![secret.clone()] };
    let endpoint = Endpoint {
        rp: rp.id,
        id,
        wanted,
        sealed_target: target.seal(&ctx.vault, rp.id, id)?,
        created_at: now,
        confirmed_at: Some(now),
        disabled: None,
        health: Health::NEW,
    };
    ctx.rp_store.write(|conn| {
        if endpoints::list_webhooks(conn, rp.id)?.len() >= MOST {
            return Err(invalid("webhooks", format!("at most {MOST}: delete one first")).into());
        }
        telling::begin_to_listen(conn)?;
        endpoints::insert(conn, &endpoint)?;
        Ok(audit::append(conn, rp.id, "webhook.create", id, "done", now)?)
    })?;
    Ok(Made { webhook: shown(ctx, endpoint, now)?, secret: secret.text })
}

fn find(conn: &mut Conn, rp: &RelyingParty, id: WebhookId) -> Flow<Endpoint> {
    Ok(endpoints::find(conn, rp.id, EndpointId::Webhook(id))?.ok_or(Refusal::NotFound)?)
}

/// The webhooks of a relying party, the oldest first.
pub fn list(ctx: &Context, rp: &RelyingParty) -> Flow<Vec<Shown>> {
    let (now, found) = (ctx.now(), ctx.rp_store.read(|conn| Ok(endpoints::list_webhooks(conn, rp.id)?))?);
    found.into_iter().map(|endpoint| shown(ctx, endpoint, now)).collect()
}

/// One of them.
pub fn show(ctx: &Context, rp: &RelyingParty, id: WebhookId) -> Flow<Shown> {
    let found = ctx.rp_store.read(|conn| find(conn, rp, id))?;
    shown(ctx, found, ctx.now())
}

/// Removes one, with all its deliveries.
pub fn delete(ctx: &Context, rp: &RelyingParty, id: WebhookId) -> Flow<()> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| remove(conn, rp, EndpointId::Webhook(id), "webhook.delete", now))
}

/// Removes an endpoint with its deliveries, and says so in the trail.
pub(super) fn remove(
    conn: &mut Conn,
    rp: &RelyingParty,
    id: EndpointId,
    action: &'static str,
    now: Timestamp,
) -> Flow<()> {
    if !endpoints::delete(conn, rp.id, id)? {
        return Err(Refusal::NotFound.into());
    }
    deliveries::forget_all(conn, rp.id, id)?;
    Ok(audit::append(conn, rp.id, action, id, "done", now)?)
}

/// Switches one on again. What happened while it was off is not told; dead letters can be replayed.
pub fn enable(ctx: &Context, rp: &RelyingParty, id: WebhookId) -> Flow<Shown> {
    let now = ctx.now();
    let found = ctx.rp_store.write(|conn| {
        let endpoint = find(conn, rp, id)?;
        if endpoint.disabled.is_some() {
            telling::begin_to_listen(conn)?;
            endpoints::enable(conn, &endpoint)?;
            audit::append(conn, rp.id, "webhook.enable", id, "done", now)?;
        }
        find(conn, rp, id)
    })?;
    shown(ctx, found, now)
}

/// A new secret.
#[derive(Serialize, ToSchema)]
pub struct NewSecret {
    /// Shown once.
    secret: String,
    /// Until when the one before signs as well.
    old_secret_ends_at: Timestamp,
}

/// Makes another secret. The one before goes on to sign for a day, or ends at once; one before that ends now.
pub fn rotate(ctx: &Context, rp: &RelyingParty, id: WebhookId, at_once: bool) -> Flow<NewSecret> {
    let (now, made) = (ctx.now(), KeptSecret::new());
    let end = if at_once { now } else { later(now, ROTATION) };
    change_secrets(ctx, rp, id, "webhook.rotate", |secrets| {
        let before = secrets.first().map(|old| KeptSecret { ends_at: Some(end), ..old.clone() });
        std::iter::once(made.clone()).chain(before.filter(|old| old.is_valid(now))).collect()
    })?;
    Ok(NewSecret { secret: made.text, old_secret_ends_at: end })
}

/// Ends all secrets but the newest.
pub fn end_old_secrets(ctx: &Context, rp: &RelyingParty, id: WebhookId) -> Flow<()> {
    change_secrets(ctx, rp, id, "webhook.end_old_secret", |secrets| secrets.iter().take(1).cloned().collect())
}

fn change_secrets(
    ctx: &Context,
    rp: &RelyingParty,
    id: WebhookId,
    action: &'static str,
    change: impl Fn(&[KeptSecret]) -> Vec<KeptSecret>,
) -> Flow<()> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        let endpoint = find(conn, rp, id)?;
        let mut target = Target::open(&ctx.vault, &endpoint)?;
        target.secrets = change(&target.secrets);
        endpoints::set_target(conn, &endpoint, &target.seal(&ctx.vault, rp.id, endpoint.id)?)?;
        Ok(audit::append(conn, rp.id, action, id, "done", now)?)
    })
}

/// A delivery as its relying party sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct ShownDelivery {
    id: DeliveryId,
    /// What receivers get as `webhook-id`.
    event: EventId,
    r#type: &'static str,
    /// `waiting`, `delivered` or `dead`.
    state: &'static str,
    tries: i64,
    /// What came of the last try: the HTTP status, or why there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    created_at: Timestamp,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_at: Option<Timestamp>,
}

impl From<Delivery> for ShownDelivery {
    fn from(delivery: Delivery) -> ShownDelivery {
        let due_at = (delivery.state == State::Waiting).then_some(delivery.due_at);
        ShownDelivery {
            id: delivery.id,
            event: delivery.event.id,
            r#type: delivery.event.kind.as_str(),
            state: delivery.state.as_str(),
            tries: delivery.tries,
            outcome: delivery.outcome,
            created_at: delivery.created_at,
            due_at,
            done_at: delivery.done_at,
        }
    }
}

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryPage)]
pub struct Page {
    deliveries: Vec<ShownDelivery>,
    /// Where to go on, with `before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<DeliveryId>,
}

/// The deliveries of a webhook, the newest first.
pub fn deliveries(ctx: &Context, rp: &RelyingParty, id: WebhookId, before: Option<DeliveryId>) -> Flow<Page> {
    ctx.rp_store.read(|conn| {
        let endpoint = find(conn, rp, id)?;
        let found = deliveries::page(conn, rp.id, endpoint.id, before, PAGE)?;
        let is_full = i64::try_from(found.len()).is_ok_and(|found| found == PAGE);
        let next = found.last().map(|last| last.id).filter(|_| is_full);
        Ok(Page { deliveries: found.into_iter().map(ShownDelivery::from).collect(), next })
    })
}

/// Begins a delivery anew, whatever became of it.
pub fn replay(ctx: &Context, rp: &RelyingParty, id: WebhookId, delivery: DeliveryId) -> Flow<ShownDelivery> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        let endpoint = find(conn, rp, id)?;
        let found = deliveries::find(conn, rp.id, endpoint.id, delivery)?.ok_or(Refusal::NotFound)?;
        if endpoint.disabled.is_some() {
            return Err(Refusal::WebhookDisabled.into());
        }
        deliveries::begin_anew(conn, &found, now)?;
        audit::append(conn, rp.id, "webhook.replay", delivery, "done", now)?;
        let again = deliveries::find(conn, rp.id, endpoint.id, delivery)?.ok_or(Refusal::NotFound)?;
        Ok(again.into())
    })
}
