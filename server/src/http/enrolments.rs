//! `/v1/enrolments`: a person proves once who they are.

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use wallet_core::ids::{EnrolmentId, SponsorshipId};
use wallet_core::refusal::Refusal;

use super::callers::{By, Holder, NewDevice};
use super::problem::Problem;
use super::run;
use super::uploads::{self, Uploads};
use crate::edge::metrics::Stage;
use crate::flow::Context;
use crate::flow::captures::Challenge;
use crate::flow::enrolments::{self, Consent, DocumentRead, Enrolled};

/// The body that begins an enrolment.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartRequest {
    consent: Consent,
    /// Of a relying party that vouches for the person.
    #[serde(default)]
    sponsorship: Option<SponsorshipId>,
}

/// `POST /v1/enrolments`
pub async fn start(
    By(device, body): By<NewDevice, Json<StartRequest>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let started = run(ctx, move |ctx| {
        let start = || enrolments::start(ctx, &device.0, &body.consent, body.sponsorship);
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
        enrolments::submit_document(ctx, &holder.0, *id, document.front, document.back)
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
    let signed = ctx.metrics.stage_async(Stage::EnrolmentUpload, signed).await?;
    let signature = signed.signature.ok_or_else(|| {
        let expected = "a wallet signs the statement with its device key".to_owned();
        Refusal::RequestInvalid { field: "signature", expected }
    })?;
    let enrolled = run(ctx, move |ctx| {
        let _until_judged = signed.place;
        enrolments::submit_capture(ctx, &holder.0, *id, signed.capture, &signature)
    });
    enrolled.await.map(Json)
}
