//! A receipt for every attempt, billed or not, signed so that a relying party can prove its bill to anybody.

use std::fmt;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::chain::{self, ChainRefused};
use crate::es256::{Es256Signer, SigningFailed};
use crate::ids::{AttemptId, ChargeId, LedgerTransactionId, PackId, RedemptionId, RelyingPartyId, UseId};
use crate::jws::{self, JwsError, UnverifiedJws};
use crate::log::tree::{Hash, leaf_hash};
use crate::money::Amount;

const TYP: &str = "ecert-receipt+jwt";
/// Of another type, so that whoever expects a receipt refuses one of a sandbox without having heard of sandboxes (RFC 8725 §3.11).
const SANDBOX_TYP: &str = "ecert-sandbox-receipt+jwt";

/// What was decided about one attempt, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The issuer's public address.
    pub iss: String,
    /// Unix seconds.
    pub iat: i64,
    /// The attempt, which a charge belongs to for ever.
    pub attempt: AttemptId,
    /// What it was made in: `redemption` or `use`.
    #[serde(flatten)]
    pub occasion: Occasion,
    /// Who pays.
    pub relying_party: RelyingPartyId,
    /// What is metered.
    pub service: String,
    /// `passed`, `failed` or `unusable`.
    pub outcome: String,
    /// Why not charged, where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_charged: Option<String>,
    /// The charge, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<ReceiptCharge>,
    /// Of a sandbox: nobody was there, nothing is owed, and the times are those of a test clock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sandbox: bool,
}

/// What an attempt was made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A redemption, which may see several attempts and charges one of them.
    Redemption(RedemptionId),
    /// A call of another service.
    Use(UseId),
}

impl From<RedemptionId> for Occasion {
    fn from(id: RedemptionId) -> Self {
        Occasion::Redemption(id)
    }
}

impl From<UseId> for Occasion {
    fn from(id: UseId) -> Self {
        Occasion::Use(id)
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Occasion::Redemption(id) => id.fmt(f),
            Occasion::Use(id) => id.fmt(f),
        }
    }
}

/// The money part of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReceiptCharge {
    /// The charge.
    pub id: ChargeId,
    /// How much is added to what is owed: nothing when a pack pays.
    pub amount: Amount,
    /// The price list in force when the use was submitted.
    pub price_version: String,
    /// Where it stands in the ledger.
    pub transaction: LedgerTransactionId,
    /// The pack that one unit was drawn from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<PackId>,
    /// The billing period whose statement it stands in; none in receipts from before there were statements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
}

/// Why a receipt was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptRefused {
    /// Not a receipt, or changed since.
    #[error(transparent)]
    Token(#[from] JwsError),
    /// Not of this issuer.
    #[error(transparent)]
    Chain(#[from] ChainRefused),
    /// It does not say of itself that it is of a sandbox, and its type does; or the other way about.
    #[error("the token contradicts its own type")]
    Contradiction,
}

/// The claims of a token of this type, which the issuer signed and which are as they must be.
pub(crate) fn read<T: DeserializeOwned>(
    token: &str,
    typ: &str,
    root: &[u8],
    now: Timestamp,
    is_consistent: impl Fn(&T) -> bool,
) -> Result<T, ReceiptRefused> {
    let token = UnverifiedJws::parse(token, typ)?;
    let key = chain::verify(&token.chain()?, root, now)?;
    let claims = token.verify(&key)?;
    if is_consistent(&claims) { Ok(claims) } else { Err(ReceiptRefused::Contradiction) }
}

/// The leaf of a receipt in the tree of its statement: the RFC 9162 §2.1.1 leaf hash over the SHA-256 of the receipt's text, so that
/// who keeps the tree needs 32 bytes a receipt. Proofs are checked with [`crate::log::proof::includes`].
pub fn statement_leaf(token: &str) -> Hash {
    let digest: Hash = Sha256::digest(token).into();
    leaf_hash(&digest)
}

impl Receipt {
    /// Signs as a JWS. `header` names the signer: `kid`, and `x5c` with its chain ([`jws::x5c`]).
    pub fn sign(
        &self,
        header: Map<String, Value>,
        signer: &(impl Es256Signer + ?Sized),
    ) -> Result<String, SigningFailed> {
        jws::sign(if self.sandbox { SANDBOX_TYP } else { TYP }, header, self, signer)
    }

    /// Checks a receipt offline against the issuer's `root` (DER). The chain is judged at `now`. One of a sandbox is refused.
    pub fn verify(token: &str, root: &[u8], now: Timestamp) -> Result<Receipt, ReceiptRefused> {
        read(token, TYP, root, now, |receipt: &Receipt| !receipt.sandbox)
    }

    /// The same for a receipt of a sandbox; any other is refused.
    pub fn verify_sandbox(token: &str, root: &[u8], now: Timestamp) -> Result<Receipt, ReceiptRefused> {
        read(token, SANDBOX_TYP, root, now, |receipt: &Receipt| receipt.sandbox)
    }
}
