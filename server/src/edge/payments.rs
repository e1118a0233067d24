//! Payment gateways: what they tell us, and how they prove that it is theirs. An adapter for each way of signing; the one here is
//! Standard Webhooks (standardwebhooks.com), which the gateways' bridges speak.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use wallet_core::money::SentAmount;

use crate::billing::account::{Provider, SANDBOX};
use crate::delivery::signature::{Forged, Secret, verify};

pub use crate::delivery::signature::Signed;

/// Money that came in.
#[derive(Debug, Clone, Deserialize)]
pub struct Paid {
    /// What the gateway calls the payment.
    pub payment: String,
    /// Whose it is.
    pub rp: String,
    /// What it is for.
    pub order: Option<String>,
    /// How much.
    pub amount: SentAmount,
    /// When.
    pub paid_at: Timestamp,
}

/// Money that went back.
#[derive(Debug, Clone, Deserialize)]
pub struct TakenBack {
    /// What the gateway calls the payment.
    pub payment: String,
    /// What it calls this.
    pub refund: String,
    /// The refund of ours that it is, if it is one.
    pub merchant_refund: Option<String>,
    /// How much.
    pub amount: SentAmount,
}

/// What a gateway tells.
#[derive(Debug, Clone)]
pub enum Notice {
    /// `payment.succeeded`
    Paid(Paid),
    /// `payment.refunded`
    TakenBack(TakenBack),
    /// Something that is of no interest here.
    Other,
}

/// Why a notice is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Nobody we know says so, or not now.
    Forged(&'static str),
    /// The gateway says so, but not as agreed.
    Malformed(&'static str, &'static str),
}

impl Unreadable {
    /// In a word, for the log.
    pub fn why(self) -> &'static str {
        match self {
            Unreadable::Forged(why) | Unreadable::Malformed(_, why) => why,
        }
    }
}

/// A gateway.
pub trait PaymentGateway: Send + Sync {
    /// Its name, here and in the ledger.
    fn provider(&self) -> &Provider;
    /// Proves and reads a notice.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn read(&self, signed: &Signed<'_>, now: Timestamp) -> Result<Notice, Unreadable>;
}

/// The gateways that are set up, by name.
#[derive(Default)]
pub struct Gateways(BTreeMap<String, Box<dyn PaymentGateway>>);

impl Gateways {
    /// Those of a file: on each line a name and a secret, `alipay whsec_…`. Two lines of one name hold while a secret is changed.
    ///
    /// # Errors
    /// When the file can't be read, or a line is not as it must be; no secret is told.
    pub fn in_file(file: &Path) -> anyhow::Result<Gateways> {
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("can't read the payment gateways in {}", file.display()))?;
        Gateways::parse(&text).with_context(|| format!("{} is no list of payment gateways", file.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Gateways> {
        let mut secrets: BTreeMap<String, Vec<Secret>> = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, secret) = line
                .split_once(char::is_whitespace)
                .with_context(|| format!("line {number}: a name and a secret, `alipay whsec_…`"))?;
            let secret = Secret::parse(secret.trim()).with_context(|| format!("line {number}"))?;
            secrets.entry(name.to_owned()).or_default().push(secret);
        }
        let mut gateways = Gateways::default();
        for (name, secrets) in secrets {
            let provider = Provider::parse(&name).filter(|_| name != "bank" && name != SANDBOX);
            let Some(provider) = provider else {
                bail!("`{name}` is no name for a gateway: a-z, 0-9, _ and -")
            };
            gateways.0.insert(name, Box::new(StandardWebhook { provider, secrets }));
        }
        Ok(gateways)
    }

    /// The gateway of a name.
    pub fn of(&self, name: &str) -> Option<&dyn PaymentGateway> {
        self.0.get(name).map(AsRef::as_ref)
    }
}

/// A gateway that signs as Standard Webhooks has it.
struct StandardWebhook {
    provider: Provider,
    secrets: Vec<Secret>,
}

#[derive(Deserialize)]
struct Envelope {
    r#type: String,
    data: Value,
}

impl PaymentGateway for StandardWebhook {
    fn provider(&self) -> &Provider {
        &self.provider
    }

    fn read(&self, signed: &Signed<'_>, now: Timestamp) -> Result<Notice, Unreadable> {
        verify(&self.secrets, signed, now).map_err(|Forged(why)| Unreadable::Forged(why))?;
        let malformed = |_| Unreadable::Malformed("body", "a notice of the documented form");
        let Envelope { r#type, data } = serde_json::from_slice(signed.body).map_err(malformed)?;
        match r#type.as_str() {
            "payment.succeeded" => serde_json::from_value(data).map(Notice::Paid).map_err(malformed),
            "payment.refunded" => serde_json::from_value(data).map(Notice::TakenBack).map_err(malformed),
            _ => Ok(Notice::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// The example of the Standard Webhooks specification's libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const EXAMPLE: Signed<'static> = Signed {
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp: "1614265330",
        signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        body: BODY,
    };

    fn gateway(text: &str) -> Gateways {
        Gateways::parse(text).unwrap()
    }

    fn prove(gateways: &Gateways, signed: &Signed<'_>, second: i64) -> Result<(), Unreadable> {
        let read = gateways.of("alipay").unwrap().read(signed, Timestamp::from_second(second).unwrap());
        match read {
            // Its form is another matter.
            Ok(_) | Err(Unreadable::Malformed(..)) => Ok(()),
            Err(forged) => Err(forged),
        }
    }

    #[test]
    fn the_published_example_is_taken_and_nothing_near_it() {
        let gateways = gateway(&format!("# ours\nalipay {SECRET}\n"));
        let at = 1_614_265_330;
        assert_eq!(prove(&gateways, &EXAMPLE, at), Ok(()));
        assert_eq!(
            (prove(&gateways, &EXAMPLE, at + 300), prove(&gateways, &EXAMPLE, at - 300)),
            (Ok(()), Ok(()))
        );
        let several = format!("v1a,x v1,AAAA {}", EXAMPLE.signature);
        assert_eq!(prove(&gateways, &Signed { signature: &several, ..EXAMPLE }, at), Ok(()));
        for (changed, second) in [
            (EXAMPLE, at + 301),
            (EXAMPLE, at - 301),
            (Signed { body: br#"{"test": 2432232315}"#, ..EXAMPLE }, at),
            (Signed { id: "msg_other", ..EXAMPLE }, at),
            (Signed { timestamp: "1614265331", ..EXAMPLE }, at),
            (Signed { timestamp: "now", ..EXAMPLE }, at),
            (Signed { signature: "", ..EXAMPLE }, at),
            (Signed { signature: "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", ..EXAMPLE }, at),
        ] {
            assert!(matches!(prove(&gateways, &changed, second), Err(Unreadable::Forged(_))), "{changed:?}");
        }
    }

    #[test]
    fn both_secrets_hold_while_one_is_changed_and_a_wrong_file_is_refused() {
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let both = gateway(&format!("alipay {other}\nalipay   {SECRET}\n\nunionpay {other}"));
        assert_eq!(prove(&both, &EXAMPLE, 1_614_265_330), Ok(()));
        assert!(prove(&gateway(&format!("alipay {other}")), &EXAMPLE, 1_614_265_330).is_err());
        assert!(both.of("unionpay").is_some() && both.of("paypal").is_none());
        for wrong in ["alipay", "alipay x", "alipay whsec_AAAA", "alipay whsec_?", "bank", "Ali"] {
            let line = if wrong.contains(' ') { wrong.to_owned() } else { format!("{wrong} {other}x") };
            assert!(Gateways::parse(&line).is_err(), "{line}");
        }
        assert!(Gateways::parse(&format!("bank {other}")).is_err());
    }
}
