//! `/v1/faces:…`: pictures of faces compared and described for a relying party.

use actix_multipart::Multipart;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::callers::{By, RelyingParty};
use super::idempotency::{idempotency, key};
use super::problem::Problem;
use super::run;
use super::uploads::{self, Form, Uploads};
use super::uses::{answer, fingerprint};
use crate::edge::metrics::Stage;
use crate::flow::{Context, faces};

/// `POST /v1/faces:compare`
pub async fn compare(
    By(rp, body): By<RelyingParty, Multipart>,
    request: HttpRequest,
    uploads: Data<Uploads>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let key = key(&request)?;
    let form = uploads::form(&uploads, request.headers(), body, ["first", "second"], &[]);
    let Form { pictures, place, .. } = ctx.metrics.stage_async(Stage::UseUpload, form).await?;
    let idempotency = idempotency(&ctx, &request, key, &fingerprint(&pictures));
    let compared = run(ctx, move |ctx| {
        let _until_judged = place;
        faces::compare(ctx, &rp.0, &idempotency, pictures)
    });
    answer(compared.await?)
}

/// `POST /v1/faces:attributes`
pub async fn describe(
    By(rp, body): By<RelyingParty, Multipart>,
    request: HttpRequest,
    uploads: Data<Uploads>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let key = key(&request)?;
    let form = uploads::form(&uploads, request.headers(), body, ["picture"], &[]);
    let Form { pictures: [picture], place, .. } = ctx.metrics.stage_async(Stage::UseUpload, form).await?;
    let idempotency = idempotency(&ctx, &request, key, &fingerprint([&picture]));
    let described = run(ctx, move |ctx| {
        let _until_judged = place;
        faces::describe(ctx, &rp.0, &idempotency, picture)
    });
    answer(described.await?)
}
