//! A till of a relying party: a key of its own, DPoP on every request, an Idempotency-Key where something may charge.

use std::sync::Arc;

use ecert_server::edge::clock::Clock;
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate as _;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use wallet_core::capture::Statement;
use wallet_core::dpop::{Request, prove};

use super::relying_party::capture_form;
use super::{Answer, RelyingParty, fresh_key, text};
use crate::clients::relying_party::Open;

/// A terminal.
#[derive(Clone)]
pub struct Terminal {
    http: Client,
    base: String,
    clock: Arc<dyn Clock>,
    /// Its key.
    pub key: SigningKey,
    /// Its id, once it is activated.
    pub id: String,
    /// Its access token, once it is activated.
    pub token: Option<String>,
}

impl Terminal {
    /// A tablet that nobody has activated, at the service `base`.
    pub fn new(base: &str, clock: Arc<dyn Clock>) -> Terminal {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        Terminal { http: Client::new(), base: base.to_owned(), clock, key, id: String::new(), token: None }
    }

    /// The same terminal at another replica.
    pub fn at(&self, base: &str) -> Terminal {
        Terminal { base: base.to_owned(), ..self.clone() }
    }

    /// A request with its proof.
    pub fn request(&self, method: Method, path: &str) -> anyhow::Result<RequestBuilder> {
        let url = format!("{}{}", self.base, path.split('?').next().unwrap_or_default());
        let proven = Request { method: method.as_str(), url: &url, access_token: self.token.as_deref() };
        let proof = prove(&self.key, &(&self.key).into(), proven, &fresh_key(), self.clock.now())?;
        let request = self.http.request(method, format!("{}{path}", self.base)).header("DPoP", proof);
        Ok(match &self.token {
            Some(token) => request.header("Authorization", format!("DPoP {token}")),
            None => request,
        })
    }

    /// Asks to be activated by a secret; the answer as it is.
    pub async fn ask_activation(&self, activation: &str) -> anyhow::Result<Answer> {
        let request = self.request(Method::POST, "/v1/terminals:activate")?;
        Answer::to(request.json(&json!({ "activation": activation }))).await
    }

    /// Is activated by what the relying party was given for it.
    pub async fn activate(&mut self, created: &Value) -> anyhow::Result<()> {
        let answer = self.ask_activation(&text(created, "/activation")?).await?.expect_status(201)?;
        (self.id, self.token) = (text(&answer, "/id")?, Some(text(&answer, "/access_token")?));
        Ok(())
    }

    /// GETs a path.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::to(self.request(Method::GET, path)?).await
    }

    /// POSTs to a path, without a body.
    pub async fn post(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::to(self.request(Method::POST, path)?).await
    }

    /// Opens a redemption with any body and key.
    pub async fn redeem_with(&self, body: Value, key: &str) -> anyhow::Result<Answer> {
        let request = self.request(Method::POST, "/v1/redemptions")?.header("Idempotency-Key", key);
        Answer::to(request.json(&body)).await
    }

    /// Submits a code under the purpose `check`.
    pub async fn redeem(&self, code: &str) -> anyhow::Result<Answer> {
        self.redeem_with(json!({ "code": code, "purpose": "check" }), &fresh_key()).await
    }

    /// Submits a code that is expected to be good.
    pub async fn open(&self, code: &str) -> anyhow::Result<Open> {
        RelyingParty::opened(&self.redeem(code).await?.expect_status(201)?)
    }

    /// Submits a capture under a key.
    pub async fn judge_with(&self, open: &Open, frames: &[Vec<u8>], key: &str) -> anyhow::Result<Answer> {
        let form = capture_form(&Statement::about(&open.nonce, frames, 200), frames)?;
        let request = self.request(Method::POST, &format!("/v1/redemptions/{}/captures", open.id))?;
        Answer::to(request.header("Idempotency-Key", key).multipart(form)).await
    }

    /// Submits a capture under a fresh key.
    pub async fn judge(&self, open: &Open, frames: &[Vec<u8>]) -> anyhow::Result<Answer> {
        self.judge_with(open, frames, &fresh_key()).await
    }
}
