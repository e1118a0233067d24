//! A wallet: a P-256 key of its own, DPoP on every request, QR codes that it signs by itself, each by a handle's key.

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
use wallet_core::code::handles::{BATCH, Handle, Handles};
use wallet_core::code::qr::{BareCert, Bound, Q1, Q2, Q3};
use wallet_core::dpop::{Request, prove};
use wallet_core::ecert::Disclosure;
use wallet_core::es256::{Es256Signer as _, PublicKey};
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
    /// What its codes are made with.
    pub handles: Handles<SigningKey>,
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
            handles: Handles::default(),
        }
    }

    /// The same wallet, talking to another replica.
    pub fn at(self, base: &str) -> Holder {
        Holder { base: base.to_owned(), ..self }
    }

    /// A DPoP proof for a request at this moment.
    pub fn proof(&self, method: &str, url: &str) -> anyhow::Result<String> {
        let request = Request { method, url, access_token: self.token.as_deref() };
        Ok(prove(&self.key, &(&self.key).into(), request, &fresh_key(), self.clock.now())?)
    }

    /// A request with everything a holder's request needs.
    pub fn request(&self, method: Method, path: &str) -> anyhow::Result<RequestBuilder> {
        // RFC 9449 §4.2: `htu` is without query.
        let url = format!("{}{}", self.base, path.split('?').next().unwrap_or_default());
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
        self.start_under(None).await?.expect_status(201)
    }

    /// The same, under a relying party's sponsorship.
    pub async fn start_under(&mut self, sponsorship: Option<&str>) -> anyhow::Result<Answer> {
        let mut body = json!({ "consent": self.consent().await? });
        if let Some(sponsorship) = sponsorship {
            body["sponsorship"] = sponsorship.into();
        }
        self.start_with(&body).await
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

    /// What a wallet remembers when its answer came: the E-cert and the rest. It fetches its handles then.
    pub async fn remember(&mut self, issued: Value) -> anyhow::Result<()> {
        (self.issued, self.handles) = (issued, Handles::default());
        self.refill().await.map(drop)
    }

    /// Photographs the card.
    pub async fn submit_document(&self, photos: &CardPhotos) -> anyhow::Result<Answer> {
        let part = |bytes: &[u8]| Part::bytes(bytes.to_vec()).file_name("side.jpg");
        let form = Form::new().part("front", part(&photos.front)).part("back", part(&photos.back));
        self.submit_photographs(form).await
    }

    /// Photographs the page of a passport.
    pub async fn submit_passport(&self, page: &[u8]) -> anyhow::Result<Answer> {
        self.submit_photographs(
            Form::new().part("passport", Part::bytes(page.to_vec()).file_name("page.jpg")),
        )
        .await
    }

    /// Sends photographs of a document in a form of one's own.
    pub async fn submit_photographs(&self, form: Form) -> anyhow::Result<Answer> {
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

    /// The whole enrolment, up to the E-cert and handles for its codes.
    pub async fn enrol(&mut self, photos: &CardPhotos, frames: &[Vec<u8>]) -> anyhow::Result<Value> {
        let nonce = self.reach_challenge(photos).await?;
        self.issued = self.submit_capture(&nonce, frames).await?.expect_status(200)?;
        // Who was set aside has no certificate that a handle could lead to.
        if self.issued["state"] == "approved" {
            self.refill().await?;
        }
        Ok(self.issued.clone())
    }

    /// The id of the certificate.
    pub fn certificate(&self) -> anyhow::Result<String> {
        text(&self.issued, "/certificate_id")
    }

    /// Makes a batch of keys and fetches a handle for each; what the server said.
    pub async fn refill(&mut self) -> anyhow::Result<Value> {
        let keys: Vec<SigningKey> =
            (0..BATCH).map(|_| SigningKey::generate_from_rng(&mut rand::rng())).collect();
        let refilled = self.send_keys(&keys).await?.expect_status(201)?;
        let handles = refilled["handles"].as_array().context("no handles")?;
        for (key, handle) in keys.into_iter().zip(handles) {
            let id = from_base64url(handle.as_str().unwrap_or_default())?;
            let id = id.try_into().ok().context("a handle has 16 bytes")?;
            self.handles.add([Handle { id, key }]);
        }
        Ok(refilled)
    }

    /// Sends public keys for handles.
    pub async fn send_keys(&self, keys: &[SigningKey]) -> anyhow::Result<Answer> {
        let keys: Vec<String> = keys.iter().map(|key| base64url(&PublicKey::from(key).to_sec1())).collect();
        self.post("/v1/me/handles", &json!({ "keys": keys })).await
    }

    /// The handle and the key for the next code.
    pub fn handle(&mut self) -> anyhow::Result<&Handle<SigningKey>> {
        self.handles.take().context("the wallet has no handles")
    }

    /// A fresh QR, made without the network.
    pub fn qr(&mut self, share: Share) -> anyhow::Result<String> {
        let now = self.clock.now();
        let handle = self.handle()?;
        Ok(Q1::new(handle.id, share, now, &mut rand::rng()).sign(&handle.key)?)
    }

    /// A fresh QR that is good for one thing only.
    pub fn bound_qr(&mut self, share: Share, bound: Bound) -> anyhow::Result<String> {
        let now = self.clock.now();
        let handle = self.handle()?;
        Ok(Q2::new(handle.id, share, bound, now, &mut rand::rng()).sign(&handle.key)?)
    }

    /// A fresh QR that holds the E-cert itself.
    pub fn offline_qr(&self, share: Share) -> anyhow::Result<String> {
        let ecert = BareCert::of(&from_base64url(&text(&self.issued, "/certificate")?)?)?;
        let disclosures: Vec<Disclosure> = serde_json::from_value(self.issued["disclosures"].clone())?;
        Ok(Q3::new(ecert, &disclosures, share, self.clock.now(), &mut rand::rng()).sign(&self.key)?)
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
        self.revoke_by_sheet(json!({ "revocation_code": code })).await
    }

    /// The same with any body.
    pub async fn revoke_by_sheet(&self, body: Value) -> anyhow::Result<Answer> {
        Answer::to(self.http.post(format!("{}/v1/revocations", self.base)).json(&body)).await
    }

    /// The paper code, as it stands on the sheet.
    pub fn paper(&self) -> anyhow::Result<String> {
        text(&self.issued, "/revocation_code")
    }
}

/// Who asks, who asked, and the face on one's own phone.
impl Holder {
    /// GETs a path.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::to(self.request(Method::GET, path)?).await
    }

    /// Everything that was, or is, asked.
    pub async fn redemptions(&self) -> anyhow::Result<Value> {
        self.get("/v1/me/redemptions").await?.expect_status(200)
    }

    /// What is asked in one redemption.
    pub async fn redemption(&self, id: &str) -> anyhow::Result<Answer> {
        self.get(&format!("/v1/me/redemptions/{id}")).await
    }

    /// Agrees, with the number that the other side shows.
    pub async fn agree(&self, id: &str, number: &str) -> anyhow::Result<Answer> {
        self.decide(id, &json!({ "decision": "agree", "number": number })).await
    }

    /// Answers in any way.
    pub async fn decide(&self, id: &str, decision: &Value) -> anyhow::Result<Answer> {
        self.post(&format!("/v1/me/redemptions/{id}/approval"), decision).await
    }

    /// Shows the face on one's own phone.
    pub async fn show_face(&self, id: &str, nonce: &[u8; 16], frames: &[Vec<u8>]) -> anyhow::Result<Answer> {
        self.show_face_signed(id, nonce, frames, &self.key).await
    }

    /// The same, signed by a given key.
    pub async fn show_face_signed(
        &self,
        id: &str,
        nonce: &[u8; 16],
        frames: &[Vec<u8>],
        key: &SigningKey,
    ) -> anyhow::Result<Answer> {
        let statement = Statement::about(nonce, frames, 200);
        let signature = key.sign(&serde_json::to_vec(&statement)?)?;
        let form = capture_form(&statement, frames)?.text("signature", base64url(&signature));
        let path = format!("/v1/me/redemptions/{id}/captures");
        Answer::to(self.request(Method::POST, &path)?.multipart(form)).await
    }

    /// Gets a standing number.
    pub async fn number(&self, share: &str) -> anyhow::Result<String> {
        let made = self.post("/v1/me/number", &json!({ "share": share })).await?.expect_status(201)?;
        text(&made, "/number")
    }

    /// Whether there is one.
    pub async fn shown_number(&self) -> anyhow::Result<Answer> {
        self.get("/v1/me/number").await
    }

    /// Switches it off.
    pub async fn switch_number_off(&self) -> anyhow::Result<Answer> {
        Answer::to(self.request(Method::DELETE, "/v1/me/number")?).await
    }
}
