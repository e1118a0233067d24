//! Signatures of Standard Webhooks (standardwebhooks.com, "signature scheme"): HMAC-SHA-256 over id, time and body, by which what we send
//! is proven, and what payment gateways send us.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;

/// How far a message's time may be from ours, before or after.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// What a signature of this scheme begins with.
const VERSION: &str = "v1,";

/// The text is no secret; why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoSecret(&'static str);

/// A secret that both sides know.
#[derive(Clone)]
pub struct Secret(hmac::Key);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The text of a secret of these bytes: `whsec_` and base64.
pub fn secret_text(bytes: &[u8; 32]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(bytes))
}

impl Secret {
    /// Reads the text of a secret.
    ///
    /// # Errors
    /// When it is not `whsec_` and 24 to 64 bytes in base64.
    pub fn parse(text: &str) -> Result<Secret, NoSecret> {
        let base64 = text.strip_prefix(PREFIX).ok_or(NoSecret("a secret begins with whsec_"))?;
        let bytes = STANDARD.decode(base64).map_err(|_| NoSecret("the rest of a secret is base64"))?;
        if !BYTES.contains(&bytes.len()) {
            return Err(NoSecret("a secret has 24 to 64 bytes"));
        }
        Ok(Secret(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    fn sign(&self, message: &[u8]) -> String {
        format!("{VERSION}{}", STANDARD.encode(hmac::sign(&self.0, message)))
    }
}

fn message(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [format!("{id}.{timestamp}.").as_bytes(), body].concat()
}

/// The header `webhook-signature`: a signature by each secret, with a space between them.
pub fn sign(secrets: &[Secret], id: &str, at: Timestamp, body: &[u8]) -> String {
    let message = message(id, &at.as_second().to_string(), body);
    secrets.iter().map(|secret| secret.sign(&message)).collect::<Vec<_>>().join(" ")
}

/// A message as it was received.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`: seconds since 1970.
    pub timestamp: &'a str,
    /// `webhook-signature`: `v1,BASE64`, several with a space between them.
    pub signature: &'a str,
    /// Byte for byte.
    pub body: &'a [u8],
}

/// Nobody who knows a secret says so, or not now; in what way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Forged(pub &'static str);

/// Proves a message: signed by one of the secrets, within five minutes of `now`. Signatures are compared in constant time.
///
/// # Errors
/// [`Forged`].
pub fn verify(secrets: &[Secret], signed: &Signed<'_>, now: Timestamp) -> Result<(), Forged> {
    let at = signed.timestamp.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let at = at.ok_or(Forged("the notice has no webhook-timestamp"))?;
    if at.duration_since(now).abs() > TOLERANCE {
        return Err(Forged("the notice is not of the last five minutes"));
    }
    let message = message(signed.id, signed.timestamp, signed.body);
    let tags = signed.signature.split(' ').filter_map(|one| one.strip_prefix(VERSION));
    let mut tags = tags.filter_map(|tag| STANDARD.decode(tag).ok());
    let is_ours = |tag: Vec<u8>| secrets.iter().any(|secret| hmac::verify(&secret.0, &message, &tag).is_ok());
    if tags.any(is_ours) { Ok(()) } else { Err(Forged("the notice's signature is not valid")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The examples of the specification's own libraries, in Rust and in Python.
    const EXAMPLES: [(&str, &str, i64, &[u8], &str); 2] = [
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            br#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ];

    #[test]
    fn we_sign_as_the_published_examples_do() {
        for (secret, id, second, body, signature) in EXAMPLES {
            let secrets = [Secret::parse(secret).unwrap()];
            assert_eq!(sign(&secrets, id, Timestamp::from_second(second).unwrap(), body), signature);
        }
    }

    #[test]
    fn a_text_that_is_no_secret_is_refused() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for wrong in ["", "whsec_", "whsec_?", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &of(23), &of(65)] {
            assert!(Secret::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Secret::parse(&of(24)).is_ok() && Secret::parse(&of(64)).is_ok());
        assert!(Secret::parse(&secret_text(&[7; 32])).is_ok());
    }

    proptest! {
        #[test]
        fn each_of_two_secrets_verifies_what_both_signed_and_a_third_does_not(
            keys: [[u8; 32]; 3], id in "[a-zA-Z_0-9]{1,40}", second in 0_i64..4_000_000_000, body: Vec<u8>, changed: u8,
        ) {
            prop_assume!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
            let secret = |key: &[u8; 32]| Secret::parse(&secret_text(key)).unwrap();
            let at = Timestamp::from_second(second).unwrap();
            let signature = sign(&[secret(&keys[0]), secret(&keys[1])], &id, at, &body);
            let timestamp = second.to_string();
            let signed = Signed { id: &id, timestamp: &timestamp, signature: &signature, body: &body };
            for key in &keys[..2] {
                prop_assert_eq!(verify(&[secret(key)], &signed, at), Ok(()));
            }
            prop_assert!(verify(&[secret(&keys[2])], &signed, at).is_err());
            let longer = [&body[..], &[changed]].concat();
            let longer = Signed { body: &longer, ..signed };
            prop_assert!(verify(&[secret(&keys[0])], &longer, at).is_err());
        }
    }
}
