//! `/v1/status-lists`: which certificates are suspended or ended, for whoever verifies offline.

use actix_web::http::header::{
    ACCEPT, Accept, CACHE_CONTROL, ETAG, EntityTag, Header as _, IF_NONE_MATCH, IfNoneMatch, Quality, VARY,
};
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::status_lists::{self, Form, Published, TTL};

/// `GET /v1/status-lists/{number}`
pub async fn show(
    number: Path<i64>,
    request: HttpRequest,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let form = negotiate(&request)
        .ok_or_else(|| Problem::not_acceptable(&[Form::Jwt, Form::Cwt].map(media_type).join(", ")))?;
    let list = run(ctx, move |ctx| status_lists::token(ctx, *number, form)).await?;
    let tag = tag(&list, form);
    let known = is_known(&request, &tag);
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((ETAG, tag.to_string()))
        .insert_header((VARY, "Accept"))
        .insert_header((CACHE_CONTROL, format!("public, max-age={}", TTL.as_secs())));
    if known {
        return Ok(answer.finish());
    }
    Ok(answer.content_type(media_type(form)).body(list.token))
}

fn media_type(form: Form) -> &'static str {
    match form {
        Form::Jwt => "application/statuslist+jwt",
        Form::Cwt => "application/statuslist+cwt",
    }
}

/// The form that the caller would rather have (RFC 9110 §12.5.1); a JWT for those who do not mind, `None` when neither will do.
fn negotiate(request: &HttpRequest) -> Option<Form> {
    if !request.headers().contains_key(ACCEPT) {
        return Some(Form::Jwt);
    }
    let accept = Accept::parse(request).ok()?;
    let wanted = |form: Form| {
        // The most specific range that fits decides.
        let fits =
            |range: &str| [media_type(form), "application/*", "*/*"].iter().position(|fit| *fit == range);
        let ranges = accept.iter().filter_map(|item| Some((fits(item.item.essence_str())?, item.quality)));
        ranges.min_by_key(|(place, _)| *place).map_or(Quality::ZERO, |(_, quality)| quality)
    };
    let (jwt, cwt) = (wanted(Form::Jwt), wanted(Form::Cwt));
    match jwt.max(cwt) {
        Quality::ZERO => None,
        _ if jwt >= cwt => Some(Form::Jwt),
        _ => Some(Form::Cwt),
    }
}

/// Version, moment of publication and form: any of them changed is another list.
fn tag<T>(list: &Published<T>, form: Form) -> EntityTag {
    let form = match form {
        Form::Jwt => "jwt",
        Form::Cwt => "cwt",
    };
    EntityTag::new_strong(format!("{}-{}-{form}", list.version, list.published_at))
}

fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => request.headers().contains_key(IF_NONE_MATCH),
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

/// Every list there is (Token Status List, "Status List Aggregation").
#[derive(Serialize, ToSchema)]
#[schema(as = StatusLists)]
pub struct Aggregation {
    status_lists: Vec<String>,
}

/// `GET /v1/status-lists`
pub async fn all(ctx: Data<Context>) -> Result<Json<Aggregation>, Problem> {
    let status_lists = run(ctx, status_lists::all).await?;
    Ok(Json(Aggregation { status_lists }))
}
