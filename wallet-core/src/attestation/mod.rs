//! Key attestation: what the maker of a phone says of the key that the wallet shows.
//!
//! Android Key Attestation is a chain of certificates from the key up to a root that the operator trusts; the key's own certificate
//! describes it (<https://source.android.com/docs/security/features/keystore/attestation>). Apple's App Attest is of another form
//! and would stand beside it. Invariant: nothing that the phone says is looked at before its chain has led to such a root.

pub mod challenge;
mod der;
mod description;
mod path;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::description::{ALGORITHM_EC, Authorizations, CURVE_P256, Description, ORIGIN_GENERATED};
pub use self::path::{Anchors, NotAnchors};
use crate::es256::PublicKey;

/// Where a key lives, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = KeyLevel))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// In the operating system: whoever controls that has the key.
    Software,
    /// In a part of the processor that the operating system can't read.
    TrustedEnvironment,
    /// In a chip of its own.
    StrongBox,
}

/// Why an attestation does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = AttestationReason))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Not DER certificates of version 3, or more of them than a phone has.
    ChainMalformed,
    /// The same key twice.
    ChainDuplicate,
    /// A signature of an algorithm that is not allowed.
    ChainAlgorithm,
    /// An extension that must be understood, and is not.
    ChainExtension,
    /// A certificate that signed another and may not, or the other way round.
    ChainUse,
    /// It does not lead to a root that is trusted.
    ChainUntrusted,
    /// A certificate is outside its validity.
    ChainNotCurrent,
    /// A key that is itself described signed another one: the forgery that an attested key can be used for.
    ChainExtended,
    /// The key is not described, or not in the form that it must have.
    DescriptionMalformed,
    /// The key was not made for a challenge of ours.
    ChallengeUnknown,
    /// It was made for one that is too old.
    ChallengeExpired,
    /// It is another key than the wallet shows.
    KeyMismatch,
    /// The key was brought into the phone, so that others may have it.
    KeyImported,
    /// The key is for something else than to sign.
    KeyPurpose,
    /// The key is not one of P-256.
    KeyAlgorithm,
    /// The phone did not say that its own system was started.
    BootUnverified,
    /// Anybody may put another system on the phone.
    BootUnlocked,
    /// It is another app's.
    AppUnknown,
}

/// An app, as its phone knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The name of its package.
    pub package: String,
    /// SHA-256 of the certificate that signed it.
    pub signed_by: [u8; 32],
}

impl std::str::FromStr for App {
    type Err = NotAnApp;

    /// `PACKAGE:SHA256`, the digest as 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<App, NotAnApp> {
        let (package, digest) = text.split_once(':').ok_or(NotAnApp)?;
        let (pairs, []) = digest.as_bytes().as_chunks::<2>() else { return Err(NotAnApp) };
        let byte = |pair: &[u8; 2]| {
            let digits = std::str::from_utf8(pair).ok().filter(|digits| !digits.starts_with('+'))?;
            u8::from_str_radix(digits, 16).ok()
        };
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        let signed_by = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(NotAnApp)?;
        if package.is_empty() { Err(NotAnApp) } else { Ok(App { package: package.to_owned(), signed_by }) }
    }
}

/// The text names no app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an app is written PACKAGE:SHA256, the digest of the certificate that signed it as 64 hexadecimal digits"
)]
pub struct NotAnApp;

/// What an attestation is held against.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The key that the wallet proved.
    pub key: &'a PublicKey,
    /// What challenges are made with.
    pub challenge_key: &'a [u8; 32],
    /// The app; any, where none is named.
    pub app: Option<&'a App>,
    /// Now.
    pub now: Timestamp,
}

/// What an attestation is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = AttestationVerdict))]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// No root is trusted, so that nothing could be judged.
    NotChecked,
    /// The phone's maker vouches for the key.
    Attested {
        /// Where the key lives.
        level: Level,
        /// As the phone says it: 140000 is Android 14.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        os_version: Option<u64>,
        /// The month of the system's last security patch, 202611.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        os_patch_level: Option<u64>,
    },
    /// It does not hold.
    Failed {
        /// Where the key lives, if the chain is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        level: Option<Level>,
        /// Each reason once.
        reasons: BTreeSet<Reason>,
    },
}

/// Judges an Android Key Attestation: `certificates` (DER) from the key's own up to the root or the one below it. Pure; what it costs is
/// bounded by the limits on their number and length, and nothing is verified for a chain that is not one.
pub fn verify_android(certificates: &[Vec<u8>], anchors: &Anchors, expected: &Expected<'_>) -> Verdict {
    if anchors.is_empty() {
        return Verdict::NotChecked;
    }
    let failed = |reason| Verdict::Failed { level: None, reasons: BTreeSet::from([reason]) };
    let leaf = match path::verify(certificates, anchors, expected.now) {
        Ok(leaf) => leaf,
        Err(reason) => return failed(reason),
    };
    let Ok(description) = Description::from_der(&leaf.description) else {
        return failed(Reason::DescriptionMalformed);
    };
    let reasons = reasons(&description, leaf.key.as_ref(), expected);
    let level = description.level;
    if !reasons.is_empty() {
        return Verdict::Failed { level: Some(level), reasons };
    }
    let enforced = description.of_key();
    Verdict::Attested { level, os_version: enforced.os_version, os_patch_level: enforced.os_patch_level }
}

fn reasons(said: &Description<'_>, key: Option<&PublicKey>, expected: &Expected<'_>) -> BTreeSet<Reason> {
    let enforced = said.of_key();
    let challenge = challenge::check(expected.challenge_key, said.challenge, expected.now).err();
    let boot = match (&enforced.root_of_trust, said.level) {
        // The operating system vouches for nothing that is below it.
        (_, Level::Software) => None,
        (Some(root), _) if !root.is_verified => Some(Reason::BootUnverified),
        (Some(root), _) if !root.is_locked => Some(Reason::BootUnlocked),
        (Some(_), _) => None,
        (None, _) => Some(Reason::BootUnverified),
    };
    let all = [
        (key != Some(expected.key), Reason::KeyMismatch),
        (enforced.origin != Some(ORIGIN_GENERATED), Reason::KeyImported),
        (!enforced.only_signs(), Reason::KeyPurpose),
        (!is_p256(enforced), Reason::KeyAlgorithm),
        (expected.app.is_some_and(|app| !is_of(said, app)), Reason::AppUnknown),
    ];
    let found = all.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason);
    found.chain(challenge).chain(boot).collect()
}

/// The curve was named by nobody before version 2 of the description; the key itself was compared.
fn is_p256(enforced: &Authorizations<'_>) -> bool {
    enforced.algorithm == Some(ALGORITHM_EC)
        && enforced.curve.is_none_or(|curve| curve == CURVE_P256)
        && enforced.key_size.is_none_or(|bits| bits == 256)
}

/// Who an app is, its phone's system says and no part below it; a key that all apps may use is none's.
fn is_of(said: &Description<'_>, app: &App) -> bool {
    let is_shared = said.software.all_applications || said.hardware.all_applications;
    said.software.application.as_ref().is_some_and(|application| {
        !is_shared
            && application.packages.contains(&app.package.as_bytes())
            && application.digests.contains(&app.signed_by.as_slice())
    })
}
