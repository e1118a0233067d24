//! A wallet: a P-256 key of its own, DPoP on every request, QR codes that it signs by itself.

use std::sync::Arc;

use anyhow::Context as _;
use ecert_server::edge::clock::Clock;
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate as _;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use wallet_core::attributes::Share;
use wallet_core::capture::Statement;
use wallet_core::code::qr::Q1;
use wallet_core::dpop::{Request, prove};
use wallet_core::es256::Es256Signer as _;
use wallet_core::jws::{base64url, from_base64url, thumbprint};

use super::relying_party::capture_form;
use super::{Answer, fresh_key, nonce, text};
use crate::motion::capture::Taken;
use crate::specimen::CardPhotos;

/// A person with a wallet.
#[derive(Clone)]
pub struct Holder {
    http: Client,
    base: String,
    clock: Arc<dyn Clock>,
    /// The device key.
    pub key: SigningKey,
    /// The access token, once there is one.
    pub token: Option<String>,
    /// The enrolment, once begun.
    pub enrolment: String,
    /// What was issued.
    pub issued: Value,
    used_handles: usize,
}

impl Holder {
    /// A new wallet at the service `base`, whose clock is `clock`.
    pub fn new(base: &str, clock: Arc<dyn Clock>) -> Holder {
        Holder {
            http: Client::new(),
            base: base.to_owned(),
            clock,
            key: SigningKey::generate_from_rng(&mut rand::rng()),
            token: None,
            enrolment: String::new(),
            issued: Value::Null,
            used_handles: 0,
        }
    }

    /// A DPoP proof for a request at this moment.
    pub fn proof(&self, method: &str, url: &str) -> anyhow::Result<String> {
        let request = Request { method, url, access_token: self.token.as_deref() };
        Ok(prove(&self.key, &(&self.key).into(), request, &fresh_key(), self.clock.now())?)
    }

    /// A request with everything a holder's request needs.
    pub fn request(&self, method: Method, path: &str) -> anyhow::Result<RequestBuilder> {
        let url = format!("{}{path}", self.base);
        self.request_with(method.clone(), path, &self.proof(method.as_str(), &url)?)
    }

    /// The same with a given proof.
    pub fn request_with(&self, method: Method, path: &str, proof: &str) -> anyhow::Result<RequestBuilder> {
        let request = self.http.request(method, format!("{}{path}", self.base)).header("DPoP", proof);
        Ok(match &self.token {
            Some(token) => request.header("Authorization", format!("DPoP {token}")),
            None => request,
        })
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        Answer::to(self.request(Method::POST, path)?.json(body)).await
    }

    /// What the issuer says of itself.
    pub async fn issuer(&self) -> anyhow::Result<Value> {
        Answer::to(self.http.get(format!("{}/.well-known/ecert", self.base))).await?.expect_status(200)
    }

    /// All three purposes, agreed to.
    pub async fn consent(&self) -> anyhow::Result<Value> {
        let consent = &self.issuer().await?["consent"];
        let purposes: Vec<&Value> =
            consent["purposes"].as_array().into_iter().flatten().map(|p| &p["id"]).collect();
        Ok(json!({ "version": consent["version"], "purposes": purposes }))
    }

    /// Agrees to all three purposes.
    pub async fn start(&mut self) -> anyhow::Result<Value> {
        let body = json!({ "consent": self.consent().await? });
        self.start_with(&body).await?.expect_status(201)
    }

    /// Begins an enrolment with this body; what it begins is remembered.
    pub async fn start_with(&mut self, body: &Value) -> anyhow::Result<Answer> {
        self.begin("/v1/enrolments", body).await
    }

    /// Begins a recovery of the E-cert behind a number.
    pub async fn recover(&mut self, number: &str) -> anyhow::Result<Answer> {
        let body = json!({ "consent": self.consent().await?, "document_number": number });
        self.begin("/v1/recoveries", &body).await
    }

    async fn begin(&mut self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        // A device that begins has no token.
        self.token = None;
        let answer = self.post(path, body).await?;
        if answer.status == 201 {
            self.token = Some(text(&answer.body, "/access_token")?);
            self.enrolment = text(&answer.body, "/id")?;
        }
        Ok(answer)
    }

    /// Shows the face in a recovery, whose nonce this is.
    pub async fn submit_recovery(&self, nonce: &[u8; 16], frames: &[Vec<u8>]) -> anyhow::Result<Answer> {
        self.submit_to("recoveries", &Statement::about(nonce, frames, 200), frames, &self.key).await
    }

    /// The same as the challenge asks for.
    pub async fn submit_recovery_taken(&self, nonce: &[u8; 16], taken: &Taken) -> anyhow::Result<Answer> {
        self.submit_to("recoveries", &taken.statement(nonce), &taken.pictures(), &self.key).await
    }

    /// Asks for something, or does something without a body.
    pub async fn call(&self, method: Method, path: &str) -> anyhow::Result<Answer> {
        Answer::to(self.request(method, path)?).await
    }

    /// The thumbprint of the device key.
    pub fn jkt(&self) -> String {
        thumbprint(&(&self.key).into())
    }

    /// What a wallet remembers when its answer came: the E-cert and the rest.
    pub fn remember(&mut self, issued: Value) {
        (self.issued, self.used_handles) = (issued, 0);
    }

    /// Photographs the card.
    pub async fn submit_document(&self, photos: &CardPhotos) -> anyhow::Result<Answer> {
        let part = |bytes: &[u8]| Part::bytes(bytes.to_vec()).file_name("side.jpg");
        let form = Form::new().part("front", part(&photos.front)).part("back", part(&photos.back));
        let path = format!("/v1/enrolments/{}/document", self.enrolment);
        Answer::to(self.request(Method::POST, &path)?.multipart(form)).await
    }

    /// Confirms what was read; the nonce of the challenge.
    pub async fn confirm(&self) -> anyhow::Result<[u8; 16]> {
        let path = format!("/v1/enrolments/{}/confirmation", self.enrolment);
        nonce(&self.post(&path, &Value::Null).await?.expect_status(200)?, "/nonce")
    }

    /// Everything up to the challenge; its nonce.
    pub async fn reach_challenge(&mut self, photos: &CardPhotos) -> anyhow::Result<[u8; 16]> {
        self.start().await?;
        self.submit_document(photos).await?.expect_status(200)?;
        self.confirm().await
    }

    /// Shows the face.
    pub async fn submit_capture(&self, nonce: &[u8; 16], frames: &[Vec<u8>]) -> anyhow::Result<Answer> {
        self.submit_capture_signed(nonce, frames, &self.key).await
    }

    /// Shows the face in a capture that a given key signs.
    pub async fn submit_capture_signed(
        &self,
        nonce: &[u8; 16],
        frames: &[Vec<u8>],
        key: &SigningKey,
    ) -> anyhow::Result<Answer> {
        self.submit_stated(&Statement::about(nonce, frames, 200), frames, key).await
    }

    /// Shows the face as the challenge asks for.
    pub async fn submit_taken(&self, nonce: &[u8; 16], taken: &Taken) -> anyhow::Result<Answer> {
        self.submit_stated(&taken.statement(nonce), &taken.pictures(), &self.key).await
    }

    async fn submit_stated(
        &self,
        statement: &Statement,
        frames: &[Vec<u8>],
        key: &SigningKey,
    ) -> anyhow::Result<Answer> {
        self.submit_to("enrolments", statement, frames, key).await
    }

    async fn submit_to(
        &self,
        what: &str,
        statement: &Statement,
        frames: &[Vec<u8>],
        key: &SigningKey,
    ) -> anyhow::Result<Answer> {
        let signature = key.sign(&serde_json::to_vec(statement)?)?;
        let form = capture_form(statement, frames)?.text("signature", base64url(&signature));
        let path = format!("/v1/{what}/{}/captures", self.enrolment);
        Answer::to(self.request(Method::POST, &path)?.multipart(form)).await
    }

    /// The whole enrolment, up to the E-cert.
    pub async fn enrol(&mut self, photos: &CardPhotos, frames: &[Vec<u8>]) -> anyhow::Result<Value> {
        let nonce = self.reach_challenge(photos).await?;
        self.issued = self.submit_capture(&nonce, frames).await?.expect_status(200)?;
        Ok(self.issued.clone())
    }

    /// The id of the certificate.
    pub fn certificate(&self) -> anyhow::Result<String> {
        text(&self.issued, "/certificate_id")
    }

    /// The next unused handle.
    pub fn handle(&mut self) -> anyhow::Result<[u8; 16]> {
        let handle = text(&self.issued, &format!("/handles/{}", self.used_handles))?;
        self.used_handles += 1;
        from_base64url(&handle)?.try_into().ok().context("a handle has 16 bytes")
    }

    /// A fresh QR, made without the network.
    pub fn qr(&mut self, share: Share) -> anyhow::Result<String> {
        let handle = self.handle()?;
        Ok(Q1::new(handle, rand::random(), share, self.clock.now()).sign(&self.key)?)
    }

    /// Sixteen digits from the server.
    pub async fn digits(&self, share: &str) -> anyhow::Result<String> {
        let minted = self.post("/v1/me/codes", &json!({ "share": share })).await?.expect_status(201)?;
        text(&minted, "/code")
    }

    /// Revokes the certificate.
    pub async fn revoke(&self) -> anyhow::Result<Answer> {
        let path = format!("/v1/me/certificates/{}/revocation", self.certificate()?);
        self.post(&path, &Value::Null).await
    }

    /// Revokes with the paper code, from any phone.
    pub async fn revoke_by_paper(&self, code: &str) -> anyhow::Result<Answer> {
        let request = self.http.post(format!("{}/v1/revocations", self.base));
        Answer::to(request.json(&json!({ "revocation_code": code }))).await
    }
}
