//! `/v1/admin/payments`, `/v1/admin/refunds`: money, recorded by one and decided by another. `/v1/payment-notifications`: gateways tell.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use wallet_core::ids::PaymentId;
use wallet_core::refusal::Refusal;

use super::callers::{Admin, By};
use super::problem::Problem;
use super::run;
use crate::edge::payments::Signed;
use crate::flow::Context;
use crate::flow::payment_notices::{self, Received};
use crate::flow::payments::{self, Shown, Transfer, Waiting};
use crate::flow::refunds::{self, Wanted};
use crate::roles::acts::{
    ApprovePayment, ApproveRefund, ListPayments, RecordPayment, RejectPayment, RejectRefund, RequestRefund,
};

/// A notice: a few hundred bytes are usual.
const MAX_NOTICE: usize = 16 * 1024;

/// `POST /v1/admin/payments`
pub async fn record(
    By(admin, body): By<Admin<RecordPayment>, Json<Transfer>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let recorded = run(ctx, move |ctx| payments::record(ctx, admin.0, &body)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(recorded))
}

/// `GET /v1/admin/payments`
pub async fn waiting(admin: Admin<ListPayments>, ctx: Data<Context>) -> Result<Json<Waiting>, Problem> {
    run(ctx, move |ctx| payments::waiting(ctx, admin.0)).await.map(Json)
}

/// `POST /v1/admin/payments/{id}:approve`
pub async fn approve(
    By(admin, id): By<Admin<ApprovePayment>, Path<PaymentId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| payments::approve(ctx, admin.0, *id)).await.map(Json)
}

/// `POST /v1/admin/payments/{id}:reject`
pub async fn reject(
    By(admin, id): By<Admin<RejectPayment>, Path<PaymentId>>,
    ctx: Data<Context>,
) -> Result<Json<Shown>, Problem> {
    run(ctx, move |ctx| payments::reject(ctx, admin.0, *id)).await.map(Json)
}

/// `POST /v1/admin/payments/{id}:refund`
pub async fn refund(
    By(admin, (id, body)): By<Admin<RequestRefund>, (Path<PaymentId>, Json<Wanted>)>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let requested = run(ctx, move |ctx| refunds::request(ctx, admin.0, *id, &body)).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(requested))
}

/// `POST /v1/admin/refunds/{id}:approve`
pub async fn approve_refund(
    By(admin, id): By<Admin<ApproveRefund>, Path<PaymentId>>,
    ctx: Data<Context>,
) -> Result<Json<refunds::Shown>, Problem> {
    run(ctx, move |ctx| refunds::approve(ctx, admin.0, *id)).await.map(Json)
}

/// `POST /v1/admin/refunds/{id}:reject`
pub async fn reject_refund(
    By(admin, id): By<Admin<RejectRefund>, Path<PaymentId>>,
    ctx: Data<Context>,
) -> Result<Json<refunds::Shown>, Problem> {
    run(ctx, move |ctx| refunds::reject(ctx, admin.0, *id)).await.map(Json)
}

/// `POST /v1/payment-notifications/{provider}`
pub async fn notify(
    provider: Path<String>,
    body: Bytes,
    request: HttpRequest,
    ctx: Data<Context>,
) -> Result<Json<Received>, Problem> {
    if body.len() > MAX_NOTICE {
        let expected = "at most 16 KiB".to_owned();
        return Err(Refusal::RequestInvalid { field: "body", expected }.into());
    }
    let [id, timestamp, signature] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| header(&request, name));
    run(ctx, move |ctx| {
        let signed = Signed { id: &id, timestamp: &timestamp, signature: &signature, body: &body };
        payment_notices::receive(ctx, &provider, &signed)
    })
    .await
    .map(Json)
}

/// A header's text; nothing where there is none, or it is no text.
fn header(request: &HttpRequest, name: &str) -> String {
    let found = request.headers().get(name).and_then(|value| value.to_str().ok());
    found.unwrap_or_default().to_owned()
}
