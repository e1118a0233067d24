//! `/v1/recoveries`: the E-cert on a new phone, by the face that was enrolled.

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;
use wallet_core::ids::EnrolmentId;
use wallet_core::risk::DeviceSignals;

use super::callers::{By, Holder, NewDevice};
use super::devices::coarse_network;
use super::problem::Problem;
use super::run;
use super::uploads::{self, Uploads};
use crate::edge::metrics::Stage;
use crate::flow::Context;
use crate::flow::attestations::Evidence;
use crate::flow::devices::Introduction;
use crate::flow::proofing::{self, Consent, Enrolled, Kind, Shown};
use crate::flow::recoveries;

/// The body that begins a recovery.
#[derive(Deserialize, ToSchema)]
#[schema(as = RecoveryRequest)]
#[serde(deny_unknown_fields)]
pub struct StartRequest {
    consent: Consent,
    document_number: String,
    device: Option<DeviceSignals>,
    attestation: Option<Evidence>,
}

/// `POST /v1/recoveries`
pub async fn start(
    By(device, body): By<NewDevice, Json<StartRequest>>,
    request: HttpRequest,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let StartRequest { consent, document_number, device: signals, attestation: evidence } = body.into_inner();
    let introduced = Introduction { signals, network: coarse_network(&request), evidence };
    let started =
        run(ctx, move |ctx| recoveries::start(ctx, &device.0, &consent, &document_number, &introduced));
    let started = started.await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(started))
}

/// `GET /v1/recoveries/{id}`
pub async fn show(
    By(holder, id): By<Holder, Path<EnrolmentId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| proofing::show(ctx, &holder.0, *id, Kind::Recovery)).await.map(Json)
}

/// `POST /v1/recoveries/{id}/captures`
pub async fn submit_capture(
    By(holder, (id, body)): By<Holder, (Path<EnrolmentId>, Multipart)>,
    request: HttpRequest,
    uploads: Data<Uploads>,
    ctx: Data<Context>,
) -> Result<Json<Enrolled>, Problem> {
    let signed = uploads::capture(&uploads, request.headers(), body);
    let mut signed = ctx.metrics.stage_async(Stage::EnrolmentUpload, signed).await?;
    let signature = signed.by_wallet()?;
    let recovered = run(ctx, move |ctx| {
        let _until_judged = signed.place;
        recoveries::submit_capture(ctx, &holder.0, *id, signed.capture, &signature)
    });
    recovered.await.map(Json)
}
