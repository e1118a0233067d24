//! An admin, with a bearer token or with a session.

use anyhow::{Context as _, ensure};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Answer, RelyingParty, text};

/// What a browser keeps of a session.
#[derive(Debug, Clone)]
pub struct Session {
    /// `name=value`
    pub cookie: String,
    /// What the page says with whatever is no GET.
    pub csrf_token: String,
}

impl Session {
    /// From the answer that begins one, or changes its cookie.
    pub fn of(answer: Answer) -> anyhow::Result<Session> {
        ensure!([200, 201].contains(&answer.status), "no session: {} {}", answer.status, answer.body);
        let cookie = answer.headers.get("set-cookie").context("no cookie")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Session { cookie, csrf_token: text(&answer.body, "/csrf_token")? })
    }
}

#[derive(Clone)]
enum Proof {
    Token(String),
    Session(Session),
}

/// An admin.
#[derive(Clone)]
pub struct Admin {
    http: Client,
    base: String,
    proof: Proof,
}

impl Admin {
    /// At the service `base`, with a token.
    pub fn new(base: &str, token: &str) -> Admin {
        Admin { http: Client::new(), base: base.to_owned(), proof: Proof::Token(token.to_owned()) }
    }

    /// At the service `base`, with a session.
    pub fn signed_in(base: &str, session: Session) -> Admin {
        Admin { http: Client::new(), base: base.to_owned(), proof: Proof::Session(session) }
    }

    /// The bearer token, if they have one.
    pub fn token(&self) -> &str {
        match &self.proof {
            Proof::Token(token) => token,
            Proof::Session(_) => "",
        }
    }

    /// The session, if they have one.
    pub fn session(&self) -> anyhow::Result<&Session> {
        match &self.proof {
            Proof::Session(session) => Ok(session),
            Proof::Token(_) => anyhow::bail!("an admin without a session"),
        }
    }

    /// A request as they make it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.proof {
            Proof::Token(token) => request.bearer_auth(token),
            Proof::Session(Session { cookie, csrf_token }) => {
                request.header("Cookie", cookie).header("X-CSRF-Token", csrf_token)
            }
        }
    }

    /// POSTs JSON to a path.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        Answer::to(self.request(Method::POST, path).json(body)).await
    }

    /// GETs a path.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::to(self.request(Method::GET, path)).await
    }

    /// DELETEs a path.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::to(self.request(Method::DELETE, path)).await
    }

    /// Decides what somebody else asked for: `approve`, `reject`.
    pub async fn decide(&self, asked: &Value, word: &str) -> anyhow::Result<Answer> {
        let path = format!("/v1/admin/actions/{}:{word}", text(asked, "/action/id")?);
        self.post(&path, &json!({})).await
    }

    /// Takes in a relying party that asks for `attributes` under the purpose `check` and has bought redemptions.
    pub async fn admit(&self, name: &str, attributes: &[&str]) -> anyhow::Result<RelyingParty> {
        self.admit_with(name, attributes, &["ecert.redeem"]).await
    }

    /// Takes in a relying party with these services.
    pub async fn admit_with(
        &self,
        name: &str,
        attributes: &[&str],
        services: &[&str],
    ) -> anyhow::Result<RelyingParty> {
        let purposes = json!([{ "name": "check", "attributes": attributes }]);
        self.admitted(&json!({ "name": name, "purposes": purposes, "services": services })).await
    }

    /// Takes in whoever applies so.
    pub async fn admitted(&self, application: &Value) -> anyhow::Result<RelyingParty> {
        let admitted = self.post("/v1/admin/relying-parties", application).await?.expect_status(201)?;
        Ok(RelyingParty::new(&self.base, &text(&admitted, "/id")?, &text(&admitted, "/api_key")?))
    }

    /// Revokes a certificate.
    pub async fn revoke(&self, certificate: &str, reason: &str) -> anyhow::Result<Answer> {
        self.post(&format!("/v1/admin/certificates/{certificate}/revocation"), &json!({ "reason": reason }))
            .await
    }

    /// Ends the standing number of a certificate's holder.
    pub async fn revoke_number(&self, certificate: &str, reason: &str) -> anyhow::Result<Answer> {
        let path = format!("/v1/admin/certificates/{certificate}/number/revocation");
        self.post(&path, &json!({ "reason": reason })).await
    }

    /// Suspends a certificate.
    pub async fn suspend(&self, certificate: &str) -> anyhow::Result<Answer> {
        let why = json!({ "reason": "misuse", "note": "looked into" });
        self.post(&format!("/v1/admin/certificates/{certificate}/suspension"), &why).await
    }

    /// Brings a suspended certificate back.
    pub async fn reactivate(&self, certificate: &str) -> anyhow::Result<Answer> {
        self.delete(&format!("/v1/admin/certificates/{certificate}/suspension")).await
    }

    /// A certificate as admins see it.
    pub async fn certificate(&self, certificate: &str) -> anyhow::Result<Answer> {
        self.get(&format!("/v1/admin/certificates/{certificate}")).await
    }

    /// Asks for what a CSV file names to be revoked.
    pub async fn revoke_csv(&self, file: impl Into<reqwest::Body>) -> anyhow::Result<Answer> {
        let request = self.request(Method::POST, "/v1/admin/certificates:revoke");
        Answer::to(request.header("Content-Type", "text/csv").body(file)).await
    }

    /// The trial balance.
    pub async fn ledger(&self) -> anyhow::Result<Answer> {
        self.get("/v1/admin/ledger").await
    }
}
