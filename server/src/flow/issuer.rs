//! What the issuer says of itself, to anybody.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use wallet_core::jws::Jwk;
use wallet_core::refusal::HolderMessage;

use super::{Context, log};
use crate::stop::Flow;

/// The consent text's version. A new text is a new version, and what was agreed to stays on record by it.
pub const CONSENT_VERSION: &str = "2026-11";

/// What the holder agrees to, each by itself (A3.7.2, T3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
#[derive(Debug, Serialize)]
pub struct PurposeText {
    id: ConsentPurpose,
    text: HolderMessage,
}

/// What a wallet shows before anything is sent.
#[derive(Debug, Serialize)]
pub struct ConsentText {
    version: &'static str,
    purposes: Vec<PurposeText>,
    verifiers: Vec<&'static str>,
}

/// The issuer's public face.
#[derive(Debug, Serialize)]
pub struct IssuerMetadata {
    issuer: String,
    /// DER in base64: signer, issuing CA, root.
    x5c: Vec<String>,
    signing_key: Jwk,
    log: LogMetadata,
    /// Where all status lists are named (Token Status List, "Status List Aggregation").
    status_list_aggregation_endpoint: String,
    consent: ConsentText,
}

/// Where the transparency log is, and by which key its checkpoints are verified.
#[derive(Debug, Serialize)]
struct LogMetadata {
    url: String,
    /// `name+id+key`, as C2SP signed-note has it.
    key: String,
}

/// Everything needed to enrol, and to verify offline what we sign.
pub fn metadata(ctx: &Context) -> Flow<IssuerMetadata> {
    let chain = ctx.signer.chain().iter().map(Vec::as_slice).chain([ctx.signer.root()]);
    Ok(IssuerMetadata {
        issuer: ctx.public_url.clone(),
        x5c: chain.map(|der| STANDARD.encode(der)).collect(),
        signing_key: Jwk::of(&ctx.signer.public_key()),
        log: LogMetadata { url: format!("{}/log", ctx.public_url), key: log::verifier(ctx)?.to_string() },
        status_list_aggregation_endpoint: format!("{}/v1/status-lists", ctx.public_url),
        consent: ConsentText {
            version: CONSENT_VERSION,
            purposes: ConsentPurpose::ALL.map(|id| PurposeText { id, text: id.text() }).into(),
            verifiers: vec![ctx.source.name()],
        },
    })
}
