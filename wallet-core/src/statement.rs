//! A statement: the bill of a relying party for a period, signed, with the root of a tree over the receipts that it is made from. Who has the
//! receipts can recompute it offline; who has one of them can prove that it is in there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::es256::{Es256Signer, SigningFailed};
use crate::ids::{PackId, RelyingPartyId, StatementId};
use crate::jws::{self, UnverifiedJws};
use crate::money::Amount;
use crate::receipt::{ReceiptRefused, read};

const TYP: &str = "ecert-statement+jwt";
/// As with receipts: whoever expects a bill refuses one of a sandbox.
const SANDBOX_TYP: &str = "ecert-sandbox-statement+jwt";

/// What a relying party used in a period, and what it comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The issuer's public address.
    pub iss: String,
    /// Unix seconds.
    pub iat: i64,
    /// Which.
    pub id: StatementId,
    /// Who pays.
    pub relying_party: RelyingPartyId,
    /// Which period: a day as `2026-11-22`, a month as `2026-11`, an hour as `2026-11-22T09+08`.
    pub period: String,
    /// The zone of the period, by its IANA name.
    pub zone: String,
    /// By service, price list and pack.
    pub items: Vec<Item>,
    /// Charges in all.
    pub uses: u64,
    /// What is owed for them.
    pub amount: Amount,
    /// The root (RFC 9162 §2.1.1, SHA-256, base64url) of the tree over the receipts in the order of their charges' ids.
    pub root: String,
    /// Of a sandbox: nothing of it is owed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sandbox: bool,
}

/// Charges that have service, price list and pack in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = StatementItem))]
pub struct Item {
    /// What was used.
    pub service: String,
    /// By which price list.
    pub price_version: String,
    /// From which pack; without one, on account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<PackId>,
    /// How many charges.
    pub uses: u64,
    /// What is owed for them: nothing from a pack.
    pub amount: Amount,
}

impl Statement {
    /// Signs as a JWS. `header` names the signer: `kid`, and `x5c` with its chain ([`jws::x5c`]).
    ///
    /// # Errors
    /// When the signer can't.
    pub fn sign(
        &self,
        header: Map<String, Value>,
        signer: &(impl Es256Signer + ?Sized),
    ) -> Result<String, SigningFailed> {
        jws::sign(if self.sandbox { SANDBOX_TYP } else { TYP }, header, self, signer)
    }

    /// Which key a statement says that it was signed by; nothing is checked.
    pub fn key_id(token: &str) -> Option<String> {
        let token = [TYP, SANDBOX_TYP].iter().find_map(|typ| UnverifiedJws::parse(token, typ).ok())?;
        token.header("kid")?.as_str().map(str::to_owned)
    }

    /// Checks a statement offline against the issuer's `root` (DER). The chain is judged at `now`.
    ///
    /// # Errors
    /// When it is no statement or one of a sandbox, was changed, or is not of this issuer.
    pub fn verify(token: &str, root: &[u8], now: Timestamp) -> Result<Statement, ReceiptRefused> {
        read(token, TYP, root, now, |statement: &Statement| !statement.sandbox)
    }

    /// The same for a statement of a sandbox; any other is refused.
    ///
    /// # Errors
    /// As [`Statement::verify`].
    pub fn verify_sandbox(token: &str, root: &[u8], now: Timestamp) -> Result<Statement, ReceiptRefused> {
        read(token, SANDBOX_TYP, root, now, |statement: &Statement| statement.sandbox)
    }
}
