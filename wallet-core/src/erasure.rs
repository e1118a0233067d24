//! A receipt for an erasure: what of a holder was destroyed, and what is kept, why and for how long, signed for the holder to keep. It names
//! the person by an id that means nothing to anybody any more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::es256::{Es256Signer, SigningFailed};
use crate::ids::{CertificateId, HolderId};
use crate::jws;
use crate::receipt::{ReceiptRefused, read};

const TYP: &str = "ecert-erasure+jwt";

/// What was done to what was held of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureReceipt {
    /// The issuer's public address.
    pub iss: String,
    /// Unix seconds: when it was done.
    pub iat: i64,
    /// Who it was, to us alone.
    pub holder: HolderId,
    /// Their certificates, none of which is good any more.
    pub certificates: Vec<CertificateId>,
    /// What was destroyed.
    pub erased: Vec<Erased>,
    /// What is kept.
    pub kept: Vec<Kept>,
}

/// What is destroyed by an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Erased {
    /// The key that all that was sealed of the person was under: also what lies in copies is closed by it.
    DataKey,
    /// What stood on the document.
    Attributes,
    /// What faces were compared with.
    FaceTemplate,
    /// The picture on the document.
    Portrait,
    /// What phones said of themselves.
    DeviceSignals,
    /// Enrolments that had not ended, and answers to those that had.
    Enrolments,
    /// Access tokens.
    Tokens,
    /// Handles of QR codes, digits, and the E-cert number.
    Codes,
    /// Who used the E-cert, and who asked for too much, as the holder saw it.
    RecordOfUses,
    /// What the holder was told.
    Notices,
    /// The keyed hash of the document's number.
    Identifier,
}

impl Erased {
    /// All of it.
    pub const ALL: [Erased; 11] = [
        Erased::DataKey,
        Erased::Attributes,
        Erased::FaceTemplate,
        Erased::Portrait,
        Erased::DeviceSignals,
        Erased::Enrolments,
        Erased::Tokens,
        Erased::Codes,
        Erased::RecordOfUses,
        Erased::Notices,
        Erased::Identifier,
    ];
}

/// Something that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What.
    pub what: KeptWhat,
    /// Why it may be.
    pub why: KeptWhy,
}

/// What outlives an erasure: ids and times, no personal data of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptWhat {
    /// Bills, receipts and outcomes of relying parties; they name redemptions.
    BillsOfRelyingParties,
    /// Answers that relying parties were given, for 72 hours after each.
    RecentAnswers,
    /// Which codes were used up, for 48 hours.
    RecentCodes,
    /// What relying parties were told of consents that were taken back, and what they answered.
    Withdrawals,
    /// The audit trail and the transparency log: acts, ids, times.
    AuditTrail,
    /// The certificates' places in the status lists.
    StatusListEntries,
    /// The consent that the holder gave: which text, when.
    ConsentReceipt,
    /// This receipt, and for 30 days the key of the phone that asked, so that it can ask again.
    ErasureReceipt,
}

/// Why something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptWhy {
    /// A law asks for it (GDPR art. 17(3)(b); PIPL art. 47).
    LegalObligation,
    /// Claims are made or refused by it (GDPR art. 17(3)(e)).
    LegalClaims,
    /// Whoever relies on a certificate must learn that it has ended.
    Reliance,
    /// That there was consent must be shown (GDPR art. 7(1)).
    ProofOfConsent,
    /// For a time, so that the same request is one request.
    Technical,
}

impl ErasureReceipt {
    /// Signs as a JWS. `header` names the signer: `kid`, and `x5c` with its chain ([`jws::x5c`]).
    ///
    /// # Errors
    /// When the signer can't.
    pub fn sign(
        &self,
        header: Map<String, Value>,
        signer: &(impl Es256Signer + ?Sized),
    ) -> Result<String, SigningFailed> {
        jws::sign(TYP, header, self, signer)
    }

    /// Checks one offline against the issuer's `root` (DER). The chain is judged at `now`.
    ///
    /// # Errors
    /// When it is none, was changed, or is not of this issuer.
    pub fn verify(token: &str, root: &[u8], now: Timestamp) -> Result<ErasureReceipt, ReceiptRefused> {
        read(token, TYP, root, now, |_: &ErasureReceipt| true)
    }
}
