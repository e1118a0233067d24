//! What the issuer says of itself, to anybody.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::jws::Jwk;
use wallet_core::refusal::{HolderMessage, Refusal};

use super::{Context, log, status_lists};
use crate::edge::keyring::Published;
use crate::stop::Flow;

/// The consent text's version. A new text is a new version, and what was agreed to stays on record by it.
pub const CONSENT_VERSION: &str = "2026-11";

/// What the holder agrees to, each by itself (A3.7.2, T3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentPurpose {
    /// Identity data is sent to us.
    SendIdentityData,
    /// It is checked against lawful holders of the data.
    VerifyWithAuthority,
    /// The result is returned to the relying party.
    ReturnResult,
}

impl ConsentPurpose {
    /// All three are needed.
    pub const ALL: [ConsentPurpose; 3] =
        [ConsentPurpose::SendIdentityData, ConsentPurpose::VerifyWithAuthority, ConsentPurpose::ReturnResult];

    fn text(self) -> HolderMessage {
        match self {
            ConsentPurpose::SendIdentityData => (
                "将我的身份信息、证件照片和人脸图像发送给 E-Cert，用于核验我的身份",
                "Send my identity data, document pictures and face pictures to E-Cert to prove my identity",
            ),
            ConsentPurpose::VerifyWithAuthority => (
                "将我的姓名和证件号码与下列合法持有者的数据进行比对",
                "Check my name and document number with the lawful holders of the data named below",
            ),
            ConsentPurpose::ReturnResult => (
                "在我出示电子证时，将核验结果和我选择的信息返回给对方",
                "Return the result, and the attributes I choose, to the party I show my E-cert to",
            ),
        }
        .into()
    }
}

/// One purpose as shown to the holder.
#[derive(Debug, Serialize, ToSchema)]
pub struct PurposeText {
    id: ConsentPurpose,
    text: HolderMessage,
}

/// What a wallet shows before anything is sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentText {
    version: &'static str,
    purposes: Vec<PurposeText>,
    verifiers: Vec<&'static str>,
}

/// The issuer's public face.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuerMetadata {
    issuer: String,
    /// DER in base64: signer, issuing CA, root.
    x5c: Vec<String>,
    signing_key: Jwk,
    log: LogMetadata,
    /// Where all status lists are named (Token Status List, "Status List Aggregation").
    status_list_aggregation_endpoint: String,
    /// Every key by which something of ours verifies (a JWK set, RFC 7517 §5), the newest first.
    keys: Vec<PublishedKey>,
    consent: ConsentText,
}

/// Where the transparency log is, and by which key its checkpoints are verified.
#[derive(Debug, Serialize, ToSchema)]
struct LogMetadata {
    url: String,
    /// `name+id+key`, as C2SP signed-note has it.
    key: String,
}

/// A key as verifiers look it up by the `kid` of a token.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublishedKey {
    #[serde(flatten)]
    jwk: Jwk,
    /// Its thumbprint (RFC 7638).
    kid: String,
    r#use: &'static str,
    alg: &'static str,
    /// DER in base64: the key's certificate, the issuing CA's, the root's.
    x5c: Vec<String>,
    /// From when it signs.
    active_from: Timestamp,
    /// Until when what it signed verifies.
    expires_at: Timestamp,
}

impl From<Published> for PublishedKey {
    fn from(key: Published) -> Self {
        Self {
            jwk: Jwk::of(&key.key),
            kid: key.kid,
            r#use: "sig",
            alg: "ES256",
            x5c: key.chain.iter().map(|der| STANDARD.encode(der)).collect(),
            active_from: key.active_from,
            expires_at: key.ends,
        }
    }
}

/// Everything needed to enrol, and to verify offline what we sign.
pub fn metadata(ctx: &Context) -> Flow<IssuerMetadata> {
    let signer = ctx.signer.current();
    let chain = signer.chain().iter().map(Vec::as_slice).chain([signer.root()]);
    Ok(IssuerMetadata {
        issuer: ctx.public_url.clone(),
        x5c: chain.map(|der| STANDARD.encode(der)).collect(),
        signing_key: Jwk::of(&signer.public_key()),
        keys: ctx.signer.published().into_iter().map(PublishedKey::from).collect(),
        log: LogMetadata { url: format!("{}/log", ctx.public_url), key: log::verifier(ctx)?.to_string() },
        status_list_aggregation_endpoint: format!("{}/v1/status-lists", ctx.public_url),
        consent: ConsentText {
            version: CONSENT_VERSION,
            purposes: ConsentPurpose::ALL.map(|id| PurposeText { id, text: id.text() }).into(),
            verifiers: vec![ctx.source.name()],
        },
    })
}

/// A list of certificates that were taken back (DER): `root`, `issuing`, or the kid of an issuing CA.
pub fn crl(ctx: &Context, name: &str) -> Flow<Arc<[u8]>> {
    Ok(ctx.signer.crl(name).ok_or(Refusal::NotFound)?)
}

/// Follows the key store, when somebody changed it. Status lists are then signed anew, since they may be of a key that was taken
/// back.
pub fn follow_keys(ctx: &Context) -> Flow<()> {
    if ctx.signer.refresh()? {
        status_lists::publish_all(ctx)?;
    }
    Ok(())
}

/// Renews a signer at its end, and destroys what is not needed any more.
pub fn keep_up(ctx: &Context) -> Flow<()> {
    let done = ctx.signer.keep_up(ctx.renew_signer)?;
    if let Some(kid) = &done.renewed {
        tracing::info!(kid, "the signer was renewed, since the one before it comes to its end");
    }
    if !done.spent.is_empty() {
        tracing::info!(kids = done.spent.join(" "), "private keys that sign no more were destroyed");
    }
    Ok(())
}
