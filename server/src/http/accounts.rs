//! `/v1/balance`, `/v1/liability`, `/v1/packs`, `/v1/usage`, `/v1/messages`, `/v1/alerts` and `/v1/caps`: what a relying party has, owes and used, is told
//! of, and allows itself.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Query};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use wallet_core::ids::MessageId;
use wallet_core::refusal::Refusal;

use super::callers::{By, RelyingParty};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::accounts::{self, Account, Pack};
use crate::flow::liability::{self, Liability};
use crate::flow::{alerts, caps};
use crate::store::usage::Usage;

/// The query of a request, in the form that is documented and no other.
pub(super) fn query<T: DeserializeOwned>(request: &HttpRequest, expected: &str) -> Result<T, Refusal> {
    let query = Query::<T>::from_query(request.query_string());
    let invalid = |_| Refusal::RequestInvalid { field: "query", expected: expected.to_owned() };
    query.map(Query::into_inner).map_err(invalid)
}

/// `GET /v1/balance`
pub async fn balance(By(rp, ()): By<RelyingParty, ()>, ctx: Data<Context>) -> Result<Json<Account>, Problem> {
    run(ctx, move |ctx| accounts::show(ctx, &rp.0)).await.map(Json)
}

/// The packs of a relying party, the first to expire first.
#[derive(Serialize, ToSchema)]
pub struct Packs {
    packs: Vec<Pack>,
}

/// `GET /v1/packs`
pub async fn packs(By(rp, ()): By<RelyingParty, ()>, ctx: Data<Context>) -> Result<Json<Packs>, Problem> {
    let packs = run(ctx, move |ctx| accounts::packs(ctx, &rp.0)).await?;
    Ok(Json(Packs { packs }))
}

/// Which fault.
#[derive(Deserialize, ToSchema)]
#[schema(as = LiabilityQuery)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    service: String,
    fault_at: Timestamp,
}

/// `GET /v1/liability`
pub async fn liability(
    By(rp, request): By<RelyingParty, HttpRequest>,
    ctx: Data<Context>,
) -> Result<Json<Liability>, Problem> {
    let expected = "`service`, and `fault_at` as a time like 2026-11-22T09:30:00Z";
    let Fault { service, fault_at } = query(&request, expected)?;
    run(ctx, move |ctx| liability::show(ctx, &rp.0, &service, fault_at)).await.map(Json)
}

/// Which days.
#[derive(Deserialize, ToSchema)]
#[schema(as = UsageQuery)]
#[serde(deny_unknown_fields)]
pub struct Days {
    from: Date,
    to: Date,
}

/// What was used, by period and service.
#[derive(Serialize, ToSchema)]
pub struct UsageList {
    usage: Vec<Usage>,
}

/// `GET /v1/usage`
pub async fn usage(
    By(rp, request): By<RelyingParty, HttpRequest>,
    ctx: Data<Context>,
) -> Result<Json<UsageList>, Problem> {
    let Days { from, to } = query(&request, "`from` and `to` as days like 2026-11-22")?;
    let usage = run(ctx, move |ctx| accounts::usage(ctx, &rp.0, from, to)).await?;
    Ok(Json(UsageList { usage }))
}

/// Where a list goes on.
#[derive(Deserialize, ToSchema)]
#[schema(as = AfterQuery)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// The last that was seen.
    #[serde(default)]
    pub(super) after: String,
}

/// Of a list, at once.
pub(super) const PAGE: i64 = 100;

/// What a relying party was told, the oldest first.
#[derive(Serialize, ToSchema)]
pub struct MessageList {
    messages: Vec<ShownMessage>,
}

/// A message.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
struct ShownMessage {
    id: MessageId,
    /// The kind of event.
    kind: String,
    /// What it says; its form follows from the kind.
    body: Value,
    at: Timestamp,
}

/// `GET /v1/messages`
pub async fn messages(
    By(rp, request): By<RelyingParty, HttpRequest>,
    ctx: Data<Context>,
) -> Result<Json<MessageList>, Problem> {
    let After { after } = query(&request, "`after` as the id of a message")?;
    let messages = run(ctx, move |ctx| accounts::messages(ctx, &rp.0, &after, PAGE)).await?;
    let shown = messages.into_iter().map(|message| ShownMessage {
        id: message.id,
        kind: message.kind,
        body: message.body,
        at: message.at,
    });
    Ok(Json(MessageList { messages: shown.collect() }))
}

/// The caps of a relying party.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    caps: Vec<caps::Wanted>,
}

/// `GET /v1/caps`
pub async fn caps(By(rp, ()): By<RelyingParty, ()>, ctx: Data<Context>) -> Result<Json<Caps>, Problem> {
    let caps = run(ctx, move |ctx| caps::list(ctx, &rp.0)).await?;
    Ok(Json(Caps { caps }))
}

/// `PUT /v1/caps`
pub async fn replace_caps(
    By(rp, body): By<RelyingParty, Json<Caps>>,
    ctx: Data<Context>,
) -> Result<Json<Caps>, Problem> {
    let caps = run(ctx, move |ctx| caps::replace(ctx, &rp.0, &body.caps)).await?;
    Ok(Json(Caps { caps }))
}

/// The alerts of a relying party.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    alerts: Vec<alerts::Wanted>,
}

/// `GET /v1/alerts`
pub async fn alerts(By(rp, ()): By<RelyingParty, ()>, ctx: Data<Context>) -> Result<Json<Alerts>, Problem> {
    let alerts = run(ctx, move |ctx| alerts::list(ctx, &rp.0)).await?;
    Ok(Json(Alerts { alerts }))
}

/// `PUT /v1/alerts`
pub async fn set_alerts(
    By(rp, body): By<RelyingParty, Json<Alerts>>,
    ctx: Data<Context>,
) -> Result<Json<Alerts>, Problem> {
    let alerts = run(ctx, move |ctx| alerts::set(ctx, &rp.0, &body.alerts)).await?;
    Ok(Json(Alerts { alerts }))
}
