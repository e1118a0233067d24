//! An admin with a bearer token.

use reqwest::Client;
use serde_json::{Value, json};

use super::{Answer, RelyingParty, text};

/// An admin.
#[derive(Clone)]
pub struct Admin {
    http: Client,
    base: String,
    token: String,
}

impl Admin {
    /// At the service `base`, with a token.
    pub fn new(base: &str, token: &str) -> Admin {
        Admin { http: Client::new(), base: base.to_owned(), token: token.to_owned() }
    }

    /// The bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// POSTs JSON to a path.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        Answer::to(self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token).json(body)).await
    }

    /// GETs a path.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::to(self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token)).await
    }

    /// DELETEs a path.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::to(self.http.delete(format!("{}{path}", self.base)).bearer_auth(&self.token)).await
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

    /// Revokes what a CSV file names.
    pub async fn revoke_csv(&self, file: impl Into<reqwest::Body>) -> anyhow::Result<Answer> {
        let request = self.http.post(format!("{}/v1/admin/certificates:revoke", self.base));
        Answer::to(request.bearer_auth(&self.token).header("Content-Type", "text/csv").body(file)).await
    }

    /// The trial balance.
    pub async fn ledger(&self) -> anyhow::Result<Answer> {
        self.get("/v1/admin/ledger").await
    }
}
