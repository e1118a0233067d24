//! What the maker of a phone says of a device key, when the phone begins an enrolment or a recovery (docs/adr/0021).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::attestation::{Expected, Verdict, challenge, verify_android};
use wallet_core::jws::{base64url, from_base64url};
use wallet_core::refusal::Refusal;

use super::callers::Device;
use super::{Context, random};

/// What a wallet sends of it, by the kind of its phone.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AttestationEvidence)]
#[serde(tag = "format", rename_all = "snake_case", deny_unknown_fields)]
pub enum Evidence {
    /// Android Key Attestation.
    AndroidKey {
        /// DER in base64url, from the key's own up to the root or the one below it.
        certificates: Vec<String>,
    },
}

/// For which a phone is to make its key.
#[derive(Serialize, ToSchema)]
#[schema(as = AttestationChallenge)]
pub struct Challenge {
    challenge: String,
    expires_at: Timestamp,
}

/// Makes a challenge. Nothing is kept of it, so that whoever asks for many costs no more than the asking.
pub fn challenge(ctx: &Context) -> Challenge {
    let (challenge, expires_at) = challenge::mint(&ctx.secrets.attestation, random(), ctx.now());
    Challenge { challenge: base64url(&challenge), expires_at }
}

/// Judges what a wallet sent against the key that it proved.
pub(super) fn judge(ctx: &Context, device: &Device, evidence: &Evidence) -> Result<Verdict, Refusal> {
    let Evidence::AndroidKey { certificates } = evidence;
    let decoded = certificates.iter().map(|text| from_base64url(text)).collect::<Result<Vec<_>, _>>();
    let certificates = decoded.map_err(|_| Refusal::RequestInvalid {
        field: "attestation",
        expected: "certificates, DER in base64url".to_owned(),
    })?;
    let expected = Expected {
        key: &device.key,
        challenge_key: &ctx.secrets.attestation,
        app: ctx.attestation.app.as_ref(),
        now: ctx.now(),
    };
    Ok(verify_android(&certificates, &ctx.attestation.roots, &expected))
}
