//! Relying parties that want to be told: webhooks and contacts.

use serde_json::{Value, json};

use super::{Answer, RelyingParty, text};

/// A webhook of a relying party.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Which.
    pub id: String,
    /// What it is signed with.
    pub secret: String,
}

impl Hook {
    /// Its address, and what is below it.
    pub fn path(&self, below: &str) -> String {
        format!("/v1/webhooks/{}{below}", self.id)
    }
}

impl RelyingParty {
    /// Asks for a webhook.
    pub async fn ask_webhook(&self, url: &str) -> anyhow::Result<Answer> {
        self.post_json("/v1/webhooks", &json!({ "url": url })).await
    }

    /// Makes a webhook for these kinds of events.
    pub async fn webhook(&self, url: &str, events: &[&str]) -> anyhow::Result<Hook> {
        let made = self.post_json("/v1/webhooks", &json!({ "url": url, "events": events })).await?;
        let made = made.expect_status(201)?;
        Ok(Hook { id: text(&made, "/id")?, secret: text(&made, "/secret")? })
    }

    /// A webhook as it stands.
    pub async fn show_webhook(&self, hook: &Hook) -> anyhow::Result<Value> {
        self.get(&hook.path("")).await?.expect_status(200)
    }

    /// The deliveries of a webhook, the newest first.
    pub async fn deliveries(&self, hook: &Hook) -> anyhow::Result<Vec<Value>> {
        let page = self.get(&hook.path("/deliveries")).await?.expect_status(200)?;
        Ok(page["deliveries"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until the newest delivery stands like this after so many tries; how it stands then.
    pub async fn delivery_is(&self, hook: &Hook, state: &str, tries: i64) -> anyhow::Result<Value> {
        for _ in 0..1500 {
            let newest = self.deliveries(hook).await?.into_iter().next().unwrap_or_default();
            if newest["state"] == state && newest["tries"] == tries {
                return Ok(newest);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        anyhow::bail!("it never was {state} after {tries} tries: {:?}", self.deliveries(hook).await?)
    }

    /// Begins a delivery anew.
    pub async fn replay(&self, hook: &Hook, delivery: &Value) -> anyhow::Result<Answer> {
        let path = format!("/deliveries/{}:replay", text(delivery, "/id")?);
        self.post_json(&hook.path(&path), &json!({})).await
    }

    /// Makes another secret.
    pub async fn rotate(&self, hook: &Hook, body: Value) -> anyhow::Result<Answer> {
        self.post_json(&hook.path("/secrets"), &body).await
    }

    /// Asks for a mail address to be told.
    pub async fn ask_contact(&self, address: &str) -> anyhow::Result<Answer> {
        self.post_json("/v1/contacts", &json!({ "address": address })).await
    }

    /// Gives back what was mailed to a contact.
    pub async fn confirm_contact(&self, contact: &Value, token: &str) -> anyhow::Result<Answer> {
        let path = format!("/v1/contacts/{}:confirm", text(contact, "/id")?);
        self.post_json(&path, &json!({ "token": token })).await
    }

    /// The kinds of its messages, the oldest first.
    pub async fn message_kinds(&self) -> anyhow::Result<Vec<String>> {
        let told = self.get("/v1/messages").await?.expect_status(200)?;
        let messages = told["messages"].as_array().cloned().unwrap_or_default();
        messages.iter().map(|message| text(message, "/kind")).collect()
    }
}
