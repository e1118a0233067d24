//! `/v1/enrolments`: a person proves once who they are.

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;
use wallet_core::ids::{EnrolmentId, SponsorshipId};
use wallet_core::risk::DeviceSignals;

use super::callers::{By, Holder, NewDevice};
use super::devices::coarse_network;
use super::problem::Problem;
use super::run;
use super::uploads::{self, Uploads};
use crate::edge::metrics::Stage;
use crate::flow::Context;
use crate::flow::attestations::Evidence;
use crate::flow::captures::Challenge;
use crate::flow::devices::Introduction;
use crate::flow::enrolments::{self, DocumentRead};
use crate::flow::proofing::{self, Consent, Enrolled, Kind, Shown};

/// The body that begins an enrolment.
#[derive(Deserialize, ToSchema)]
#[schema(as = EnrolmentRequest)]
#[serde(deny_unknown_fields)]
pub struct StartRequest {
    consent: Consent,
    device: Option<DeviceSignals>,
    attestation: Option<Evidence>,
    /// Of a relying party that vouches for the person.
    #[serde(default)]
    sponsorship: Option<SponsorshipId>,
}

/// `POST /v1/enrolments`
pub async fn start(
    By(device, body): By<NewDevice, Json<StartRequest>>,
    request: HttpRequest,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let StartRequest { consent, device: signals, attestation: evidence, sponsorship } = body.into_inner();
    let introduced = Introduction { signals, network: coarse_network(&request), evidence };
    let started = run(ctx, move |ctx| {
        let start = || enrolments::start(ctx, &device.0, &consent, sponsorship, &introduced);
        ctx.metrics.stage(Stage::EnrolmentStart, start)
    });
    let started = started.await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(started))
}

/// `POST /v1/enrolments/{id}/document`
pub async fn submit_document(
    By(holder, (id, body)): By<Holder, (Path<EnrolmentId>, Multipart)>,
    request: HttpRequest,
    uploads: Data<Uploads>,
    ctx: Data<Context>,
) -> Result<Json<DocumentRead>, Problem> {
    let document = uploads::document(&uploads, request.headers(), body);
    let document = ctx.metrics.stage_async(Stage::EnrolmentUpload, document).await?;
    let read = run(ctx, move |ctx| {
        let _until_read = document.place;
        enrolments::submit_document(ctx, &holder.0, *id, document.photographs)
    });
    read.await.map(Json)
}

/// `POST /v1/enrolments/{id}/confirmation`
pub async fn confirm(
    By(holder, id): By<Holder, Path<EnrolmentId>>,
    ctx: Data<Context>,
) -> Result<Json<Challenge>, Problem> {
    run(ctx, move |ctx| enrolments::confirm(ctx, &holder.0, *id)).await.map(Json)
}

/// `POST /v1/enrolments/{id}/captures`
pub async fn submit_capture(
    By(holder, (id, body)): By<Holder, (Path<EnrolmentId>, Multipart)>,
    request: HttpRequest,
    uploads: Data<Uploads>,
    ctx: Data<Context>,
) -> Result<Json<Enrolled>, Problem> {
    let signed = uploads::capture(&uploads, request.headers(), body);
    let mut signed = ctx.metrics.stage_async(Stage::EnrolmentUpload, signed).await?;
    let signature = signed.by_wallet()?;
    let enrolled = run(ctx, move |ctx| {
        let _until_judged = signed.place;
        enrolments::submit_capture(ctx, &holder.0, *id, signed.capture, &signature)
    });
    enrolled.await.map(Json)
}

/// `GET /v1/enrolments/{id}`
pub async fn show(
    By(holder, id): By<Holder, Path<EnrolmentId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| proofing::show(ctx, &holder.0, *id, Kind::Document)).await.map(Json)
}
