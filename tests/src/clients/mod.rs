//! The three who talk to the service, each over real HTTP with its own credentials.

pub mod admin;
pub mod buying;
pub mod events;
pub mod holder;
pub mod relying_party;
pub mod sandbox;
pub mod staff;
pub mod telling;
pub mod terminal;

pub use admin::Admin;
pub use buying::Gateway;
pub use holder::Holder;
pub use relying_party::RelyingParty;
pub use staff::Staff;
pub use terminal::Terminal;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::Value;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON, or `null` where there is none.
    pub body: Value,
}

impl Answer {
    /// Sends, and reads the whole answer.
    pub async fn to(request: RequestBuilder) -> anyhow::Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into());
        Ok(Answer { status, headers, body })
    }

    /// The body, if the status is this one.
    pub fn expect_status(self, status: u16) -> anyhow::Result<Value> {
        if self.status != status {
            bail!("expected {status}, got {}: {}", self.status, self.body);
        }
        Ok(self.body)
    }

    /// `status code` or `status code/reason` of a refusal.
    pub fn refusal(&self) -> String {
        let code = self.body["code"].as_str().unwrap_or("-");
        match self.body["reason"].as_str() {
            Some(reason) => format!("{} {code}/{reason}", self.status),
            None => format!("{} {code}", self.status),
        }
    }
}

/// A member of a JSON object as text.
pub fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    Ok(found.with_context(|| format!("no text at {pointer} in {value}"))?.to_owned())
}

/// Sixteen bytes at a pointer, in base64url.
pub fn nonce(value: &Value, pointer: &str) -> anyhow::Result<[u8; 16]> {
    let bytes = wallet_core::jws::from_base64url(&text(value, pointer)?)?;
    bytes.try_into().ok().with_context(|| format!("{pointer} is not 16 bytes"))
}

/// The root certificate that an issuer shows at /.well-known/ecert, DER.
pub fn root(issuer: &Value) -> anyhow::Result<Vec<u8>> {
    let last = issuer["x5c"].as_array().and_then(|chain| chain.last()).and_then(Value::as_str);
    Ok(STANDARD.decode(last.context("the issuer shows no chain")?)?)
}

/// A fresh Idempotency-Key.
pub fn fresh_key() -> String {
    wallet_core::jws::base64url(&rand::random::<[u8; 16]>())
}
