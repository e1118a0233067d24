//! An admin at a browser: an authenticator, and the session that it began.

use reqwest::Client;
use serde_json::{Value, json};

use super::admin::{Admin, Session};
use super::{Answer, text};
use crate::authenticator::Authenticator;

/// Somebody who works here.
pub struct Staff {
    /// What they prove themselves by.
    pub authenticator: Authenticator,
    /// The session.
    pub admin: Admin,
    base: String,
}

/// Who our pages are from, as a browser says it of a service at `base`.
pub fn origin_of(base: &str) -> String {
    base.replace("//127.0.0.1", "//localhost")
}

/// POSTs JSON as a page without a session.
pub async fn post(base: &str, path: &str, body: &Value) -> anyhow::Result<Answer> {
    Answer::to(Client::new().post(format!("{base}{path}")).header("Origin", origin_of(base)).json(body)).await
}

impl Staff {
    /// Takes up an invitation; the answer to the last request, and who is there if it is a good one.
    pub async fn take_up(
        base: &str,
        invitation: &str,
        mut authenticator: Authenticator,
    ) -> anyhow::Result<(Answer, Authenticator)> {
        let begun = post(base, "/v1/admin/registrations", &json!({ "invitation": invitation })).await?;
        let begun = begun.expect_status(201)?;
        let credential = authenticator.create(&begun["options"])?;
        let path = format!("/v1/admin/registrations/{}", text(&begun, "/id")?);
        Ok((post(base, &path, &json!({ "credential": credential, "name": "phone" })).await?, authenticator))
    }

    /// Takes up an invitation with a new passkey.
    pub async fn invited(base: &str, invitation: &str) -> anyhow::Result<Staff> {
        let authenticator = Authenticator::new(&origin_of(base));
        let (answer, authenticator) = Staff::take_up(base, invitation, authenticator).await?;
        let admin = Admin::signed_in(base, Session::of(answer)?);
        Ok(Staff { authenticator, admin, base: base.to_owned() })
    }

    /// What begins signing in.
    pub async fn begin_sign_in(&self) -> anyhow::Result<Value> {
        post(&self.base, "/v1/admin/sign-ins", &json!({})).await?.expect_status(201)
    }

    /// Shows a passkey for it; the answer as it is.
    pub async fn finish_sign_in(&self, begun: &Value, credential: &Value) -> anyhow::Result<Answer> {
        let path = format!("/v1/admin/sign-ins/{}", text(begun, "/id")?);
        post(&self.base, &path, &json!({ "credential": credential })).await
    }

    /// Signs in anew; the answer as it is.
    pub async fn try_sign_in(&mut self) -> anyhow::Result<Answer> {
        let begun = self.begin_sign_in().await?;
        let credential = self.authenticator.get(&begun["options"])?;
        self.finish_sign_in(&begun, &credential).await
    }

    /// Signs in anew.
    pub async fn sign_in(&mut self) -> anyhow::Result<()> {
        let answer = self.try_sign_in().await?;
        self.admin = Admin::signed_in(&self.base, Session::of(answer)?);
        Ok(())
    }

    /// Shows the passkey again; the answer as it is.
    pub async fn try_step_up(&mut self) -> anyhow::Result<Answer> {
        let begun = self.admin.post("/v1/admin/session/step-ups", &json!({})).await?.expect_status(201)?;
        let credential = self.authenticator.get(&begun["options"])?;
        let path = format!("/v1/admin/session/step-ups/{}", text(&begun, "/id")?);
        self.admin.post(&path, &json!({ "credential": credential })).await
    }

    /// Shows the passkey again, for acts that want it.
    pub async fn step_up(&mut self) -> anyhow::Result<()> {
        let answer = self.try_step_up().await?;
        self.admin = Admin::signed_in(&self.base, Session::of(answer)?);
        Ok(())
    }

    /// The same person, ready for acts that want a passkey shown again.
    pub async fn stepped_up(mut self) -> anyhow::Result<Admin> {
        self.step_up().await?;
        Ok(self.admin)
    }
}
