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

/// An answer that is a file, or a refusal.
#[derive(Debug, Clone)]
pub struct Document {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub media: String,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Document {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// `status code` of a refusal.
    pub fn refusal(&self) -> String {
        format!("{} {}", self.status, self.json()["code"].as_str().unwrap_or("-"))
    }
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

    /// A statement as PDF.
    pub async fn pdf(&self, path: &str) -> anyhow::Result<Document> {
        self.pdf_in(path, None).await
    }

    /// The same, for whoever likes these languages.
    pub async fn pdf_in(&self, path: &str, languages: Option<&str>) -> anyhow::Result<Document> {
        let mut request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.api_key);
        request = request.header("Accept", "application/pdf");
        if let Some(languages) = languages {
            request = request.header("Accept-Language", languages);
        }
        let response = request.send().await?;
        let media = response.headers().get("content-type").and_then(|media| media.to_str().ok());
        let (status, media) = (response.status().as_u16(), media.unwrap_or_default().to_owned());
        Ok(Document { status, media, bytes: response.bytes().await?.to_vec() })
    }

    /// PUTs a body.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let request = self.http.put(format!("{}{path}", self.base)).bearer_auth(&self.api_key);
        Answer::to(request.json(body)).await
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
        Self::opened(&self.redeem(code).await?.expect_status(201)?)
    }

    /// What was opened, from the answer.
    pub fn opened(answer: &Value) -> anyhow::Result<Open> {
        Ok(Open { id: text(answer, "/id")?, nonce: nonce(answer, "/challenge/nonce")? })
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

    /// Asks the holder on their own phone; the whole answer.
    pub async fn ask_holder(&self, code: &str) -> anyhow::Result<Answer> {
        let body = json!({ "code": code, "purpose": "check", "capture": "holder" });
        self.redeem_with(body, &fresh_key()).await
    }

    /// Takes a redemption back.
    pub async fn cancel(&self, id: &str) -> anyhow::Result<Answer> {
        let request = self.http.post(format!("{}/v1/redemptions/{id}:cancel", self.base));
        Answer::to(request.bearer_auth(&self.api_key)).await
    }

    /// The redemption as it stands.
    pub async fn show(&self, open: &Open) -> anyhow::Result<Answer> {
        self.get(&format!("/v1/redemptions/{}", open.id)).await
    }
}

/// The other services: pictures and sessions.
impl RelyingParty {
    /// POSTs a form under a key.
    pub async fn post_form(&self, path: &str, form: Form, key: &str) -> anyhow::Result<Answer> {
        Answer::to(self.post(path, key).multipart(form)).await
    }

    /// POSTs JSON.
    pub async fn post_json(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        Answer::to(self.post(path, &fresh_key()).json(body)).await
    }

    /// POSTs JSON under a key.
    pub async fn post_json_with(&self, path: &str, body: &Value, key: &str) -> anyhow::Result<Answer> {
        Answer::to(self.post(path, key).json(body)).await
    }

    /// DELETEs what is at a path.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::to(self.http.delete(format!("{}{path}", self.base)).bearer_auth(&self.api_key)).await
    }

    /// Compares two pictures.
    pub async fn compare(&self, first: &[u8], second: &[u8]) -> anyhow::Result<Answer> {
        let form = pictures(&[("first", first), ("second", second)]);
        self.post_form("/v1/faces:compare", form, &fresh_key()).await
    }

    /// Has the face in a picture described.
    pub async fn describe(&self, picture: &[u8]) -> anyhow::Result<Answer> {
        self.post_form("/v1/faces:attributes", pictures(&[("picture", picture)]), &fresh_key()).await
    }

    /// Opens a liveness session.
    pub async fn liveness_session(&self) -> anyhow::Result<Open> {
        Self::opened(&self.post_json("/v1/liveness-sessions", &json!({})).await?.expect_status(201)?)
    }

    /// Submits the capture of a liveness session under `key`.
    pub async fn judge_liveness(&self, open: &Open, frames: &[Vec<u8>], key: &str) -> anyhow::Result<Answer> {
        let form = capture_form(&Statement::about(&open.nonce, frames, 200), frames)?;
        self.post_form(&format!("/v1/liveness-sessions/{}/captures", open.id), form, key).await
    }

    /// Verifies a person by both sides of a card and a capture.
    pub async fn verify_person(
        &self,
        open: &Open,
        card: [&[u8]; 2],
        frames: &[Vec<u8>],
    ) -> anyhow::Result<Answer> {
        let [front, back] = card.map(|side| Part::bytes(side.to_vec()).file_name("card.jpg"));
        let form = capture_form(&Statement::about(&open.nonce, frames, 200), frames)?
            .text("session", open.id.clone())
            .part("front", front)
            .part("back", back);
        self.post_form("/v1/persons:verify", form, &fresh_key()).await
    }

    /// Makes a face group; its id.
    pub async fn face_group(&self, name: &str) -> anyhow::Result<String> {
        let made = self.post_json("/v1/face-groups", &json!({ "name": name })).await?.expect_status(201)?;
        text(&made, "/id")
    }

    /// Puts a face into a group.
    pub async fn add_face(&self, group: &str, label: &str, picture: &[u8]) -> anyhow::Result<Answer> {
        let form = pictures(&[("picture", picture)]).text("label", label.to_owned());
        self.post_form(&format!("/v1/face-groups/{group}/faces"), form, &fresh_key()).await
    }

    /// Searches a group.
    pub async fn search(&self, group: &str, picture: &[u8]) -> anyhow::Result<Answer> {
        let path = format!("/v1/face-groups/{group}:search?matches=5");
        self.post_form(&path, pictures(&[("picture", picture)]), &fresh_key()).await
    }
}

/// A multipart body with pictures.
pub fn pictures(parts: &[(&'static str, &[u8])]) -> Form {
    parts.iter().fold(Form::new(), |form, (name, picture)| {
        form.part(*name, Part::bytes(picture.to_vec()).file_name("picture.jpg"))
    })
}

/// A multipart body with a statement and its frames.
pub(crate) fn capture_form(statement: &Statement, frames: &[Vec<u8>]) -> anyhow::Result<Form> {
    Ok(frames
        .iter()
        .fold(Form::new().part("capture", Part::bytes(serde_json::to_vec(statement)?)), |form, frame| {
            form.part("frame", Part::bytes(frame.clone()).file_name("frame.jpg"))
        }))
}
