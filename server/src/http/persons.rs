//! `/v1/persons:verify`: a document and a live face, judged together.

use actix_multipart::Multipart;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use wallet_core::refusal::Refusal;

use super::callers::{By, RelyingParty};
use super::idempotency::{idempotency, key};
use super::problem::Problem;
use super::run;
use super::uploads::{self, CardAndCapture, Uploads};
use super::uses::{answer, fingerprint};
use crate::edge::metrics::Stage;
use crate::flow::Context;
use crate::flow::persons::{self, Submission};

/// `POST /v1/persons:verify`
pub async fn verify(
    By(rp, body): By<RelyingParty, Multipart>,
    request: HttpRequest,
    uploads: Data<Uploads>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let key = key(&request)?;
    let upload = uploads::card_and_capture(&uploads, request.headers(), body);
    let CardAndCapture { session, front, back, capture, place } =
        ctx.metrics.stage_async(Stage::UseUpload, upload).await?;
    let sent = [session.as_bytes(), &front, &back, &capture.fingerprint()].map(<[u8]>::to_vec);
    let idempotency = idempotency(&ctx, &request, key, &fingerprint(sent));
    let session = session.trim().parse().map_err(|_| {
        let expected = "the id of a liveness session, `lvs_…`".to_owned();
        Refusal::RequestInvalid { field: "session", expected }
    })?;
    let submission = Submission { session, front, back, capture };
    let verified = run(ctx, move |ctx| {
        let _until_judged = place;
        persons::verify(ctx, &rp.0, &idempotency, submission)
    });
    answer(verified.await?)
}
