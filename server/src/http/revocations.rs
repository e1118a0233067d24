//! Many certificates at once: of a holder, and from a CSV file.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Data, Json, Path, Payload, Query};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;
use wallet_core::ids::HolderId;
use wallet_core::refusal::Refusal;

use super::admin_actions::asked;
use super::callers::{Admin, By};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::certificates::Said;
use crate::flow::revocations::{self, HEADER, MAX_BYTES, MAX_LINES};
use crate::flow::sponsorships::AllRevoked;
use crate::roles::acts::{RevokeCertificates, RevokeHolder};

/// `POST /v1/admin/holders/{id}/revocation`
pub async fn revoke_holder(
    By(admin, (id, said)): By<Admin<RevokeHolder>, (Path<HolderId>, Json<Said>)>,
    ctx: Data<Context>,
) -> Result<Json<AllRevoked>, Problem> {
    run(ctx, move |ctx| revocations::revoke_holder(ctx, admin.0, *id, &said)).await.map(Json)
}

/// Why so many.
#[derive(Deserialize, ToSchema)]
#[schema(as = RevocationQuery)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// For the second person, and the record: 1 to 200 characters.
    #[serde(default)]
    why: Option<String>,
}

/// `POST /v1/admin/certificates:revoke`
pub async fn revoke_csv(
    By(admin, (said, body)): By<Admin<RevokeCertificates>, (Query<Why>, Payload)>,
    request: HttpRequest,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let invalid = |expected: String| Refusal::RequestInvalid { field: "body", expected };
    if !request.content_type().eq_ignore_ascii_case("text/csv") {
        let expected = format!("{CONTENT_TYPE} text/csv, with the header {}", HEADER.join(","));
        return Err(invalid(expected).into());
    }
    let file = bounded(body, MAX_BYTES).await?;
    let file = file
        .ok_or_else(|| invalid(format!("at most {MAX_LINES} lines and {} MiB", MAX_BYTES / (1024 * 1024))))?;
    run(ctx, move |ctx| revocations::ask(ctx, admin.0, &file, said.why.as_deref())).await.map(asked)
}

/// A whole body; `None` when it is longer than `most` bytes.
pub(super) async fn bounded(body: Payload, most: usize) -> Result<Option<Bytes>, Problem> {
    match body.to_bytes_limited(most).await {
        Ok(Ok(bytes)) => Ok(Some(bytes)),
        Ok(Err(_)) => {
            Err(Refusal::RequestInvalid { field: "body", expected: "a complete body".to_owned() }.into())
        }
        Err(_) => Ok(None),
    }
}
