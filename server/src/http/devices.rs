//! `/v1/me/devices`, `/v1/me/token`, `/v1/me/notices`: a holder's phones, and what happened to them.

use std::net::IpAddr;

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::callers::{By, Holder};
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::devices::{self, DeviceList, NoticeList, RenewedToken};

/// `POST /v1/me/token`
pub async fn renew_token(holder: Holder, ctx: Data<Context>) -> Result<Json<RenewedToken>, Problem> {
    run(ctx, move |ctx| devices::renew_token(ctx, &holder.0)).await.map(Json)
}

/// `GET /v1/me/devices`
pub async fn list(holder: Holder, ctx: Data<Context>) -> Result<Json<DeviceList>, Problem> {
    run(ctx, move |ctx| devices::list(ctx, &holder.0)).await.map(Json)
}

/// `DELETE /v1/me/devices/{jkt}`
pub async fn revoke(
    By(holder, jkt): By<Holder, Path<String>>,
    ctx: Data<Context>,
) -> Result<HttpResponse, Problem> {
    run(ctx, move |ctx| devices::revoke(ctx, &holder.0, &jkt)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /v1/me/notices`
pub async fn notices(holder: Holder, ctx: Data<Context>) -> Result<Json<NoticeList>, Problem> {
    run(ctx, move |ctx| devices::notices(ctx, &holder.0)).await.map(Json)
}

/// The network that a request came from, too coarse to be one household: 24 bits of an IPv4 address, 48 of an IPv6 address. Behind a
/// proxy it is the proxy's: what a header says of it anybody could have written.
pub(super) fn coarse_network(request: &HttpRequest) -> Option<String> {
    Some(match request.peer_addr()?.ip().to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    })
}
