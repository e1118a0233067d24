//! A relying party's app: an API key, and an Idempotency-Key with every POST.

use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use wallet_core::capture::Statement;
use wallet_core::face::Mode;

use super::{Answer, fresh_key, nonce, text};
use crate::motion::capture::Taken;

/// A relying party.
#[derive(Clone)]
pub struct RelyingParty {
    http: Client,
    base: String,
    /// Who it is.
    pub id: String,
    /// Its API key.
    pub api_key: String,
}

/// A redemption that was opened.
#[derive(Debug, Clone)]
pub struct Open {
    /// Which.
    pub id: String,
    /// What the capture must be bound to.
    pub nonce: [u8; 16],
}

impl RelyingParty {
    /// At the service `base`, with an API key.
    pub fn new(base: &str, id: &str, api_key: &str) -> RelyingParty {
        let (base, id, api_key) = (base.to_owned(), id.to_owned(), api_key.to_owned());
        RelyingParty { http: Client::new(), base, id, api_key }
    }

    fn post(&self, path: &str, key: &str) -> RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.api_key);
        request.header("Idempotency-Key", key)
    }

    /// GETs a path.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::to(self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.api_key)).await
    }

    /// Submits a code under the purpose `check`.
    pub async fn redeem(&self, code: &str) -> anyhow::Result<Answer> {
        self.redeem_with(json!({ "code": code, "purpose": "check" }), &fresh_key()).await
    }

    /// Opens a redemption with any body and key.
    pub async fn redeem_with(&self, body: Value, key: &str) -> anyhow::Result<Answer> {
        Answer::to(self.post("/v1/redemptions", key).json(&body)).await
    }

    /// Submits a code that is expected to be good.
    pub async fn open(&self, code: &str) -> anyhow::Result<Open> {
        let opened = self.redeem(code).await?.expect_status(201)?;
        Ok(Open { id: text(&opened, "/id")?, nonce: nonce(&opened, "/challenge/nonce")? })
    }

    /// The same, where liveness is to be shown in this mode.
    pub async fn open_for(&self, code: &str, mode: Mode) -> anyhow::Result<Open> {
        let body = json!({ "code": code, "purpose": "check", "liveness": mode });
        let opened = self.redeem_with(body, &fresh_key()).await?.expect_status(201)?;
        Ok(Open { id: text(&opened, "/id")?, nonce: nonce(&opened, "/challenge/nonce")? })
    }

    /// Submits what was taken for the challenge.
    pub async fn judge_taken(&self, open: &Open, taken: &Taken) -> anyhow::Result<Answer> {
        self.judge_stated(open, &taken.statement(&open.nonce), &taken.pictures()).await
    }

    /// Submits frames with any statement.
    pub async fn judge_stated(
        &self,
        open: &Open,
        statement: &Statement,
        frames: &[Vec<u8>],
    ) -> anyhow::Result<Answer> {
        let path = format!("/v1/redemptions/{}/captures", open.id);
        Answer::to(self.post(&path, &fresh_key()).multipart(capture_form(statement, frames)?)).await
    }

    /// Submits a capture for judgement under a fresh key.
    pub async fn judge(&self, open: &Open, frames: &[Vec<u8>]) -> anyhow::Result<Answer> {
        self.judge_with(open, frames, &fresh_key()).await
    }

    /// Submits a capture for judgement under `key`.
    pub async fn judge_with(&self, open: &Open, frames: &[Vec<u8>], key: &str) -> anyhow::Result<Answer> {
        let form = capture_form(&Statement::about(&open.nonce, frames, 200), frames)?;
        Answer::to(self.post(&format!("/v1/redemptions/{}/captures", open.id), key).multipart(form)).await
    }

    /// Redeems and judges: the whole visit.
    pub async fn visit(&self, code: &str, frames: &[Vec<u8>]) -> anyhow::Result<Answer> {
        let open = self.open(code).await?;
        self.judge(&open, frames).await
    }

    /// The redemption as it stands.
    pub async fn show(&self, open: &Open) -> anyhow::Result<Answer> {
        self.get(&format!("/v1/redemptions/{}", open.id)).await
    }
}

/// A multipart body with a statement and its frames.
pub(crate) fn capture_form(statement: &Statement, frames: &[Vec<u8>]) -> anyhow::Result<Form> {
    Ok(frames
        .iter()
        .fold(Form::new().part("capture", Part::bytes(serde_json::to_vec(statement)?)), |form, frame| {
            form.part("frame", Part::bytes(frame.clone()).file_name("frame.jpg"))
        }))
}
