//! `/v1/redemptions`: a relying party redeems a code.

use std::collections::BTreeSet;

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::rt::time::Instant;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::attributes::Attribute;
use wallet_core::code::Code;
use wallet_core::face::Mode;
use wallet_core::ids::RedemptionId;
use wallet_core::log::entry::Evidence;
use wallet_core::money::{Amount, Micros};
use wallet_core::redemption::Device;
use wallet_core::refusal::Refusal;

use super::callers::{By, Till};
use super::even_time::on_the_beat;
use super::idempotency::{idempotency, key};
use super::problem::Problem;
use super::run;
use super::uploads::{self, Uploads};
use crate::edge::metrics::Stage;
use crate::flow::Context;
use crate::flow::answers::{Answer, Judged};
use crate::flow::callers::RelyingParty;
use crate::flow::log;
use crate::flow::redemptions::{self, Opened, Opening, Shown};

/// The body that opens a redemption.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = RedemptionRequest)]
#[serde(deny_unknown_fields)]
pub struct OpenRequest {
    code: String,
    purpose: String,
    #[serde(default)]
    attributes: Option<BTreeSet<Attribute>>,
    /// Left out where it is not given, so that the fingerprint of a request is the same as before there were modes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    liveness: Option<Mode>,
    /// Left out likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capture: Option<CaptureOn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    terminal: Option<String>,
}

/// On whose device the face is captured.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CaptureOn {
    Rp,
    Holder,
}

/// A terminal's name, in letters of ASCII.
const MAX_TERMINAL: usize = 64;

impl OpenRequest {
    fn check(&self) -> Result<(), Refusal> {
        let invalid =
            |field, expected: &str| Refusal::RequestInvalid { field, expected: expected.to_owned() };
        if self.purpose.chars().any(char::is_control) {
            return Err(invalid("purpose", "the name of a registered purpose"));
        }
        if self.amount.is_some_and(|amount| amount.micros < Micros::ZERO) {
            return Err(invalid("amount", "an amount that is not below zero"));
        }
        let is_name = |terminal: &String| {
            (1..=MAX_TERMINAL).contains(&terminal.len())
                && terminal.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !self.terminal.as_ref().is_none_or(is_name) {
            return Err(invalid("terminal", "1 to 64 visible characters of ASCII"));
        }
        Ok(())
    }
}

/// What a terminal opens bears its id; an API key may name any.
fn by_terminal(body: &mut OpenRequest, rp: &RelyingParty) -> Result<(), Refusal> {
    if let Some(id) = rp.terminal {
        if body.terminal.is_some() {
            let expected = "nothing: a terminal is known by its token".to_owned();
            return Err(Refusal::RequestInvalid { field: "terminal", expected });
        }
        body.terminal = Some(id.to_string());
    }
    Ok(())
}

/// Stands in fingerprints, so that no terminal is given the answer to another one's request.
fn terminal(rp: &RelyingParty) -> String {
    rp.terminal.map(|id| id.to_string()).unwrap_or_default()
}

/// `POST /v1/redemptions`
pub async fn open(
    By(rp, body): By<Till, Json<OpenRequest>>,
    request: HttpRequest,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let began = Instant::now();
    let mut body = body.into_inner();
    by_terminal(&mut body, &rp.0)?;
    let asked = serde_json::to_vec(&body).map_err(Problem::internal)?;
    let idempotency = idempotency(&ctx, &request, key(&request)?, &asked);
    body.check()?;
    let code: Code = body.code.parse().map_err(|_| Refusal::CodeMalformed)?;
    let liveness = body.liveness.unwrap_or_default();
    let capture = match body.capture {
        None | Some(CaptureOn::Rp) => Device::RelyingParty,
        Some(CaptureOn::Holder) => Device::Holder,
    };
    let OpenRequest { purpose, attributes, amount, terminal, .. } = body;
    let opening = Opening { code, purpose, attributes, liveness, capture, amount, terminal };
    let opened = run(ctx, move |ctx| {
        let open = || redemptions::open(ctx, &rp.0, &idempotency, &opening);
        ctx.metrics.stage(Stage::RedemptionOpen, open)
    });
    // Whether a code is unknown, another's, or too old must not show in the time either.
    let opened = on_the_beat(began, Refusal::CodeUnknown.code(), opened.await).await?;
    #[cfg(feature = "bench-without-face")]
    crate::failpoint::after_commit();
    Ok(HttpResponse::build(StatusCode::CREATED).json(opened))
}

/// `POST /v1/redemptions/{id}/captures`
pub async fn submit_capture(
    By(rp, (id, body)): By<Till, (Path<RedemptionId>, Multipart)>,
    request: HttpRequest,
    uploads: Data<Uploads>,
    ctx: Data<Context>,
) -> Result<Json<Judged>, Problem> {
    let key = key(&request)?;
    let uploads::SignedCapture { capture, place, .. } = ctx
        .metrics
        .stage_async(Stage::RedemptionUpload, uploads::capture(&uploads, request.headers(), body))
        .await?;
    let fingerprint = [&capture.fingerprint()[..], terminal(&rp.0).as_bytes()].concat();
    let idempotency = idempotency(&ctx, &request, key, &fingerprint);
    let answer = run(ctx, move |ctx| {
        let _until_judged = place;
        redemptions::judge(ctx, &rp.0, *id, &idempotency, capture)
    });
    let answer = answer.await?;
    #[cfg(feature = "bench-without-face")]
    crate::failpoint::after_commit();
    match answer {
        Answer::Judged(judged) => Ok(Json(*judged)),
        Answer::Unusable(unusable) => {
            Err(Problem::unusable(unusable.reason, unusable.hint).with_receipt(unusable.receipt))
        }
    }
}

/// `GET /v1/redemptions/{id}`
pub async fn show(
    By(rp, id): By<Till, Path<RedemptionId>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    match run(ctx, move |ctx| redemptions::show(ctx, &rp.0, *id)).await? {
        Shown::Open(opened) => Ok(HttpResponse::Ok().json(opened)),
        Shown::Judged(judged) => Ok(HttpResponse::Ok().json(judged)),
    }
}

/// `POST /v1/redemptions/{id}:cancel`
pub async fn cancel(
    By(rp, id): By<Till, Path<RedemptionId>>,
    ctx: Data<Context>,
) -> Result<Json<Opened>, Problem> {
    run(ctx, move |ctx| redemptions::cancel(ctx, &rp.0, *id)).await.map(Json)
}

/// The receipts of a redemption, and the proofs that what was done in it is in the transparency log.
#[derive(Serialize, ToSchema)]
pub struct Receipts {
    receipts: Vec<String>,
    log: Vec<Evidence>,
}

/// `GET /v1/redemptions/{id}/receipt`
pub async fn receipts(
    By(rp, id): By<Till, Path<RedemptionId>>,
    ctx: Data<Context>,
) -> Result<Json<Receipts>, Problem> {
    let receipts = run(ctx, move |ctx| {
        let receipts = redemptions::receipts(ctx, &rp.0, *id)?;
        // Evidence is for anybody, and does not say that nobody was there.
        let log = match rp.0.sandbox {
            true => Vec::new(),
            false => log::evidence_about(ctx, &id.to_string(), &rp.0.id.to_string())?,
        };
        Ok(Receipts { receipts, log })
    });
    receipts.await.map(Json)
}
