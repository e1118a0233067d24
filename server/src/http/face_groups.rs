//! `/v1/face-groups`: faces that a relying party searches in.

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;
use wallet_core::ids::{FaceGroupId, GroupFaceId};
use wallet_core::refusal::Refusal;

use super::callers::{By, RelyingParty};
use super::idempotency::{idempotency, key};
use super::problem::Problem;
use super::run;
use super::uploads::{self, Form, Uploads};
use super::uses::{answer, fingerprint};
use crate::edge::metrics::Stage;
use crate::flow::Context;
use crate::flow::face_groups::{self, Group};

/// Characters of a name or a label.
const MAX_NAME: usize = 80;
/// Matches of one search.
const MAX_MATCHES: usize = 20;

/// The body that makes a group.
#[derive(Deserialize, ToSchema)]
#[schema(as = FaceGroupRequest)]
#[serde(deny_unknown_fields)]
pub struct CreateRequest {
    name: String,
}

/// How many matches a search may give.
#[derive(Deserialize, ToSchema)]
#[schema(as = FaceSearchQuery)]
pub struct SearchQuery {
    #[serde(default = "one")]
    matches: usize,
}

fn one() -> usize {
    1
}

/// `POST /v1/face-groups`
pub async fn create(
    By(rp, body): By<RelyingParty, Json<CreateRequest>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let name = named("name", body.into_inner().name)?;
    let group = run(ctx, move |ctx| face_groups::create(ctx, &rp.0, name)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(group))
}

/// `GET /v1/face-groups/{id}`
pub async fn show(
    By(rp, id): By<RelyingParty, Path<FaceGroupId>>,
    ctx: Data<Context>,
) -> Result<Json<Group>, Problem> {
    run(ctx, move |ctx| face_groups::show(ctx, &rp.0, *id)).await.map(Json)
}

/// `DELETE /v1/face-groups/{id}`
pub async fn erase(
    By(rp, id): By<RelyingParty, Path<FaceGroupId>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| face_groups::erase(ctx, &rp.0, *id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /v1/face-groups/{id}/faces`
pub async fn add_face(
    By(rp, (id, body)): By<RelyingParty, (Path<FaceGroupId>, Multipart)>,
    request: HttpRequest,
    uploads: Data<Uploads>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let form = uploads::form(&uploads, request.headers(), body, ["picture"], &["label"]);
    let Form { pictures: [picture], mut words, place } =
        ctx.metrics.stage_async(Stage::UseUpload, form).await?;
    let label = named("label", words.remove("label").unwrap_or_default())?;
    let added = run(ctx, move |ctx| {
        let _until_judged = place;
        face_groups::add_face(ctx, &rp.0, *id, label, picture)
    });
    Ok(HttpResponse::build(StatusCode::CREATED).json(added.await?))
}

/// `DELETE /v1/face-groups/{id}/faces/{face}`
pub async fn remove_face(
    By(rp, path): By<RelyingParty, Path<(FaceGroupId, GroupFaceId)>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let (group, face) = path.into_inner();
    run(ctx, move |ctx| face_groups::remove_face(ctx, &rp.0, group, face)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /v1/face-groups/{id}:search`
pub async fn search(
    By(rp, (id, query, body)): By<RelyingParty, (Path<FaceGroupId>, Query<SearchQuery>, Multipart)>,
    request: HttpRequest,
    uploads: Data<Uploads>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let key = key(&request)?;
    let most = query.matches;
    if !(1..=MAX_MATCHES).contains(&most) {
        let expected = format!("1 to {MAX_MATCHES}");
        return Err(Refusal::RequestInvalid { field: "matches", expected }.into());
    }
    let form = uploads::form(&uploads, request.headers(), body, ["picture"], &[]);
    let Form { pictures: [picture], place, .. } = ctx.metrics.stage_async(Stage::UseUpload, form).await?;
    let sent = fingerprint([most.to_string().as_bytes(), &picture]);
    let idempotency = idempotency(&ctx, &request, key, &sent);
    let found = run(ctx, move |ctx| {
        let _until_judged = place;
        face_groups::search(ctx, &rp.0, *id, &idempotency, picture, most)
    });
    answer(found.await?)
}

fn named(field: &'static str, name: String) -> Result<String, Problem> {
    let fits = !name.trim().is_empty() && name.chars().count() <= MAX_NAME;
    if fits && !name.chars().any(char::is_control) {
        return Ok(name);
    }
    Err(Refusal::RequestInvalid { field, expected: format!("1 to {MAX_NAME} characters") }.into())
}
