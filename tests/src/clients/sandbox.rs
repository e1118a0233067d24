//! A relying party of the sandbox: its clock, its money, and the people whom it meets there.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use wallet_core::code::test_people::TestPerson;

use super::buying::yuan;
use super::{Admin, Answer, RelyingParty, fresh_key, text};

/// What nobody looks at: a test person's outcome is known before.
pub fn any_frames() -> Vec<Vec<u8>> {
    vec![b"one".to_vec(), b"two".to_vec()]
}

impl Admin {
    /// Takes in a relying party of the sandbox that may ask for everything and has bought redemptions.
    pub async fn admit_to_the_sandbox(&self) -> anyhow::Result<RelyingParty> {
        self.admit_to_the_sandbox_with(&["ecert.redeem"]).await
    }

    /// The same with these services.
    pub async fn admit_to_the_sandbox_with(&self, services: &[&str]) -> anyhow::Result<RelyingParty> {
        let all = ["over_18", "over_14", "name", "birth_date", "document_number"];
        let purposes = json!([{ "name": "check", "attributes": all }]);
        let name = "Corner Shop's Tests";
        self.admitted(&json!({ "name": name, "purposes": purposes, "services": services, "mode": "sandbox" }))
            .await
    }
}

impl RelyingParty {
    /// What its clock shows.
    pub async fn clock(&self) -> anyhow::Result<Value> {
        self.get("/v1/test-clock").await?.expect_status(200)
    }

    /// Stops its clock.
    pub async fn stop_clock(&self) -> anyhow::Result<Answer> {
        self.post_json("/v1/test-clock", &json!({})).await
    }

    /// The moment at which its clock stands.
    pub async fn time(&self) -> anyhow::Result<Timestamp> {
        Ok(text(&self.clock().await?, "/now")?.parse()?)
    }

    /// Sends its clock to a moment.
    pub async fn advance_to(&self, to: Timestamp) -> anyhow::Result<Answer> {
        self.post_json("/v1/test-clock:advance", &json!({ "to": to })).await
    }

    /// Advances its clock, and waits until it is there.
    pub async fn advance(&self, by: SignedDuration) -> anyhow::Result<()> {
        let to = self.time().await? + by;
        self.advance_to(to).await?.expect_status(200)?;
        for _ in 0..600 {
            if self.clock().await?["state"] == "ready" {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        anyhow::bail!("the clock does not come to {to}")
    }

    /// Pays so many yuan in.
    pub async fn pay_in(&self, amount: i64) -> anyhow::Result<Value> {
        let paid = json!({ "amount": yuan(amount) });
        self.post_json_with("/v1/sandbox/payments", &paid, &fresh_key()).await?.expect_status(201)
    }

    /// Redeems a test person's digits and has them judged: the whole visit.
    pub async fn meet(&self, person: TestPerson) -> anyhow::Result<Answer> {
        let answer = self.redeem(&person.code().grouped()).await?;
        if answer.status != 201 {
            return Ok(answer);
        }
        self.judge(&Self::opened(&answer.body)?, &any_frames()).await
    }
}
