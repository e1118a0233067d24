//! `/v1/liveness-sessions`: whether a live person is before a relying party's camera.

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;
use wallet_core::face::Mode;
use wallet_core::ids::LivenessSessionId;

use super::callers::{By, RelyingParty};
use super::idempotency::{idempotency, key};
use super::problem::Problem;
use super::run;
use super::uploads::{self, SignedCapture, Uploads};
use super::uses::answer;
use crate::edge::metrics::Stage;
use crate::flow::Context;
use crate::flow::liveness_sessions::{self, Session};

/// The body that opens a session.
#[derive(Deserialize, ToSchema)]
#[schema(as = LivenessSessionRequest)]
#[serde(deny_unknown_fields)]
pub struct OpenRequest {
    #[serde(default)]
    liveness: Option<Mode>,
}

/// `POST /v1/liveness-sessions`
pub async fn open(
    By(rp, body): By<RelyingParty, Json<OpenRequest>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let mode = body.liveness.unwrap_or_default();
    let opened = run(ctx, move |ctx| liveness_sessions::open(ctx, &rp.0, mode)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(opened))
}

/// `GET /v1/liveness-sessions/{id}`
pub async fn show(
    By(rp, id): By<RelyingParty, Path<LivenessSessionId>>,
    ctx: Data<Context>,
) -> Result<Json<Session>, Problem> {
    run(ctx, move |ctx| liveness_sessions::show(ctx, &rp.0, *id)).await.map(Json)
}

/// `POST /v1/liveness-sessions/{id}/captures`
pub async fn submit_capture(
    By(rp, (id, body)): By<RelyingParty, (Path<LivenessSessionId>, Multipart)>,
    request: HttpRequest,
    uploads: Data<Uploads>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let key = key(&request)?;
    let upload = uploads::capture(&uploads, request.headers(), body);
    let SignedCapture { capture, place, .. } = ctx.metrics.stage_async(Stage::UseUpload, upload).await?;
    let idempotency = idempotency(&ctx, &request, key, &capture.fingerprint());
    let judged = run(ctx, move |ctx| {
        let _until_judged = place;
        liveness_sessions::judge(ctx, &rp.0, *id, &idempotency, capture)
    });
    answer(judged.await?)
}
