//! `/v1/me/redemptions`: a holder sees who asks and who asked, answers, and shows their face on their own phone.

use std::collections::BTreeSet;

use actix_multipart::Multipart;
use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::attributes::Attribute;
use wallet_core::ids::RedemptionId;
use wallet_core::log::entry::Evidence;
use wallet_core::refusal::Refusal;

use super::callers::{By, Holder};
use super::problem::Problem;
use super::run;
use super::uploads::{self, Uploads};
use crate::edge::metrics::Stage;
use crate::flow::Context;
use crate::flow::answers::Answer;
use crate::flow::approvals::{self, Decided, Decision};
use crate::flow::past_uses::{self, SeenUse, Uses};

/// Which page of the uses.
#[derive(Deserialize, ToSchema)]
#[schema(as = UsesQuery)]
#[serde(deny_unknown_fields)]
pub struct Page {
    #[serde(default)]
    before: Option<String>,
}

/// `GET /v1/me/redemptions`
pub async fn list(
    By(holder, page): By<Holder, Query<Page>>,
    ctx: Data<Context>,
) -> Result<Json<Uses>, Problem> {
    let invalid =
        |_| Refusal::RequestInvalid { field: "before", expected: "the `next` of a page".to_owned() };
    let before = page.before.as_deref().map(str::parse).transpose().map_err(invalid)?;
    run(ctx, move |ctx| past_uses::list(ctx, &holder.0, before)).await.map(Json)
}

/// `GET /v1/me/redemptions/{id}`
pub async fn show(
    By(holder, id): By<Holder, Path<RedemptionId>>,
    ctx: Data<Context>,
) -> Result<Json<SeenUse>, Problem> {
    run(ctx, move |ctx| past_uses::show(ctx, &holder.0, *id)).await.map(Json)
}

/// What was done in one use.
#[derive(Serialize, ToSchema)]
pub struct UseLog {
    /// Each act with its proof, oldest first.
    log: Vec<Evidence>,
}

/// `GET /v1/me/redemptions/{id}/log`
pub async fn log(
    By(holder, id): By<Holder, Path<RedemptionId>>,
    ctx: Data<Context>,
) -> Result<Json<UseLog>, Problem> {
    let log = run(ctx, move |ctx| past_uses::log(ctx, &holder.0, *id)).await?;
    Ok(Json(UseLog { log }))
}

/// The holder's answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRequest {
    decision: Word,
    /// The two digits that the relying party shows.
    #[serde(default)]
    number: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ApprovalDecision)]
#[serde(rename_all = "snake_case")]
enum Word {
    Agree,
    Refuse,
    Report,
}

/// `POST /v1/me/redemptions/{id}/approval`
pub async fn decide(
    By(holder, (id, body)): By<Holder, (Path<RedemptionId>, Json<ApprovalRequest>)>,
    ctx: Data<Context>,
) -> Result<Json<Decided>, Problem> {
    let number =
        body.number.as_deref().filter(|text| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()));
    let number = number.and_then(|text| text.parse().ok());
    let decision = match (&body.decision, number) {
        (Word::Agree, Some(number)) => Decision::Agree { number },
        (Word::Agree, None) => {
            let expected = "the two digits that the relying party shows".to_owned();
            return Err(Refusal::RequestInvalid { field: "number", expected }.into());
        }
        (Word::Refuse, _) => Decision::Refuse,
        (Word::Report, _) => Decision::Report,
    };
    run(ctx, move |ctx| approvals::decide(ctx, &holder.0, *id, decision)).await.map(Json)
}

/// What the holder is told of the judgement: nothing of what the relying party bought beside it.
#[derive(Serialize, ToSchema)]
#[schema(as = HolderJudgement)]
pub struct Judged {
    id: RedemptionId,
    outcome: String,
    /// What the relying party was given.
    given: BTreeSet<Attribute>,
}

/// `POST /v1/me/redemptions/{id}/captures`
pub async fn submit_capture(
    By(holder, (id, body)): By<Holder, (Path<RedemptionId>, Multipart)>,
    request: HttpRequest,
    uploads: Data<Uploads>,
    ctx: Data<Context>,
) -> Result<Json<Judged>, Problem> {
    let upload = uploads::capture(&uploads, request.headers(), body);
    let sent = ctx.metrics.stage_async(Stage::RedemptionUpload, upload).await?;
    let uploads::SignedCapture { capture, signature, place } = sent;
    let expected = || "the device's ES256 signature over the part `capture`".to_owned();
    let signature =
        signature.ok_or_else(|| Refusal::RequestInvalid { field: "signature", expected: expected() })?;
    let answer = run(ctx, move |ctx| {
        let _until_judged = place;
        approvals::submit_capture(ctx, &holder.0, *id, capture, &signature)
    });
    match answer.await? {
        Answer::Judged(judged) => {
            let given = judged.given();
            Ok(Json(Judged { id: judged.id, outcome: judged.outcome, given }))
        }
        // The receipt is the relying party's.
        Answer::Unusable(unusable) => Err(Problem::unusable(unusable.reason, unusable.hint)),
    }
}
