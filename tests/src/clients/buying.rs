//! What is bought beforehand, and the money for it: relying parties that order, admins that record, gateways that notify.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecert_server::edge::clock::{Clock as _, ManualClock};
use reqwest::Client;
use ring::hmac;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::{Admin, Answer, RelyingParty, fresh_key, text};

/// So many yuan, as on the wire.
pub fn yuan(yuan: i64) -> Value {
    json!({ "currency": "CNY", "micros": yuan * 1_000_000 })
}

impl RelyingParty {
    /// Asks what an offer costs.
    pub async fn quote(&self, body: Value) -> anyhow::Result<Answer> {
        self.post_json("/v1/quotes", &body).await
    }

    /// Orders an offer; the order.
    pub async fn order(&self, offer: &str) -> anyhow::Result<Value> {
        self.order_as(json!({ "offer": offer })).await?.expect_status(201)
    }

    /// Orders with any body.
    pub async fn order_as(&self, body: Value) -> anyhow::Result<Answer> {
        self.post_json("/v1/orders", &body).await
    }

    /// Pays an order from the balance.
    pub async fn pay(&self, order: &Value) -> anyhow::Result<Answer> {
        self.pay_with(order, &fresh_key()).await
    }

    /// The same under a key.
    pub async fn pay_with(&self, order: &Value, key: &str) -> anyhow::Result<Answer> {
        self.post_json_with(&format!("/v1/orders/{}:pay", text(order, "/id")?), &json!({}), key).await
    }

    /// Gives an order up.
    pub async fn cancel_order(&self, order: &Value) -> anyhow::Result<Answer> {
        self.post_json(&format!("/v1/orders/{}:cancel", text(order, "/id")?), &json!({})).await
    }

    /// Gives an order back.
    pub async fn withdraw(&self, order: &Value) -> anyhow::Result<Answer> {
        self.post_json(&format!("/v1/orders/{}:withdraw", text(order, "/id")?), &json!({})).await
    }

    /// An order as it stands.
    pub async fn show_order(&self, order: &Value) -> anyhow::Result<Value> {
        self.get(&format!("/v1/orders/{}", text(order, "/id")?)).await?.expect_status(200)
    }

    /// Buys with what is in the balance.
    pub async fn buy(&self, offer: &str) -> anyhow::Result<Value> {
        let order = self.order(offer).await?;
        self.pay(&order).await?.expect_status(200)
    }
}

impl Admin {
    /// Records a bank transfer; the whole answer.
    pub async fn record_transfer(&self, transfer: Value) -> anyhow::Result<Answer> {
        self.post("/v1/admin/payments", &transfer).await
    }

    /// Decides a payment: `approve`, `reject`.
    pub async fn decide_payment(&self, payment: &Value, word: &str) -> anyhow::Result<Answer> {
        self.post(&format!("/v1/admin/payments/{}:{word}", text(payment, "/id")?), &json!({})).await
    }

    /// Asks for a refund of so many micro-yuan of a payment.
    pub async fn ask_refund(&self, payment: &Value, micros: i64) -> anyhow::Result<Answer> {
        let path = format!("/v1/admin/payments/{}:refund", text(payment, "/id")?);
        self.post(&path, &json!({ "micros": micros })).await
    }

    /// Decides a refund: `approve`, `reject`.
    pub async fn decide_refund(&self, refund: &Value, word: &str) -> anyhow::Result<Answer> {
        self.post(&format!("/v1/admin/refunds/{}:{word}", text(refund, "/id")?), &json!({})).await
    }

    /// What an account of the ledger holds: micro-yuan or units, debits positive.
    pub async fn account(&self, name: &str) -> anyhow::Result<i64> {
        let ledger = self.ledger().await?.expect_status(200)?;
        Ok(ledger["accounts"][name].as_i64().unwrap_or(0))
    }

    /// What a relying party has paid beforehand and not spent, by the ledger.
    pub async fn balance(&self, rp: &RelyingParty) -> anyhow::Result<i64> {
        Ok(-self.account(&format!("rp:{}:balance", rp.id)).await?)
    }

    /// The units that a relying party has of a service, by the ledger.
    pub async fn units(&self, rp: &RelyingParty, service: &str) -> anyhow::Result<i64> {
        self.account(&format!("rp:{}:packs:{service}", rp.id)).await
    }
}

/// A payment gateway that signs as Standard Webhooks has it.
pub struct Gateway {
    http: Client,
    secret: Vec<u8>,
    file: NamedTempFile,
}

impl Gateway {
    /// One of the name `alipay`, known from a file.
    pub fn new() -> anyhow::Result<Gateway> {
        let secret = rand::random::<[u8; 32]>().to_vec();
        let mut file = NamedTempFile::new()?;
        writeln!(file, "alipay whsec_{}", STANDARD.encode(&secret))?;
        Ok(Gateway { http: Client::new(), secret, file })
    }

    /// The flags of a service that knows it.
    pub fn flags(&self) -> anyhow::Result<[&str; 2]> {
        Ok(["--payment-gateways", self.file.path().to_str().context("a path that is text")?])
    }

    /// What it signs a notice with.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let message = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, &message)))
    }

    /// Sends a notice with any signature.
    pub async fn send(
        &self,
        base: &str,
        (id, timestamp, signature): (&str, i64, &str),
        body: Vec<u8>,
    ) -> anyhow::Result<Answer> {
        let request = self.http.post(format!("{base}/v1/payment-notifications/alipay"));
        let request = request
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature);
        Answer::to(request.body(body)).await
    }

    /// Sends a notice of now.
    pub async fn notify(
        &self,
        base: &str,
        clock: &Arc<ManualClock>,
        kind: &str,
        data: Value,
    ) -> anyhow::Result<Answer> {
        let (id, now) = (fresh_key(), clock.now().as_second());
        let body = serde_json::to_vec(&json!({ "type": kind, "data": data }))?;
        let signature = self.sign(&id, now, &body);
        self.send(base, (&id, now, &signature), body).await
    }
}
