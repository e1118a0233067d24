//! The answer to an attempt: its form, how it is kept, and how it is given again.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::replace;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use wallet_core::attributes::Attribute;
use wallet_core::ecert::AssuranceLevel;
use wallet_core::face::{Judgement, Thresholds};
use wallet_core::ids::{RedemptionId, RelyingPartyId};
use wallet_core::receipt::ReceiptCharge;
use wallet_core::refusal::{HolderMessage, Refusal};

use super::idempotency::answered;
use super::{Context, tokens};
use crate::stop::Flow;
use crate::store::Conn;
use crate::store::idempotency::Lease;
use crate::store::redemptions::{self, Judged as JudgedRow};

/// The answer to an attempt.
pub enum Answer {
    /// Passed or failed, and charged.
    Judged(Box<Judged>),
    /// Not judgeable, not charged.
    Unusable(Unusable),
}

/// What is kept of an answer under the idempotency key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kept {
    /// It stands in the redemption.
    Judged,
    /// The whole of it.
    Unusable(Unusable),
}

/// Passed or failed.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = JudgedRedemption)]
pub struct Judged {
    /// The redemption.
    pub id: RedemptionId,
    /// `passed` or `failed`.
    pub outcome: String,
    pub(super) purpose: String,
    pub(super) asked: BTreeSet<Attribute>,
    /// Who: only when passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) assurance_level: Option<AssuranceLevel>,
    /// Exactly what was asked for and allowed: only when passed.
    pub(super) attributes: BTreeMap<Attribute, Value>,
    pub(super) judgement: Judgement,
    pub(super) thresholds: Thresholds,
    pub(super) model: String,
    /// What it cost.
    pub charge: ReceiptCharge,
    /// JWS `ecert-receipt+jwt`.
    pub receipt: String,
    /// JWS `ecert-result+jwt` over subject, outcome and attributes.
    pub(super) result: String,
}

impl Judged {
    /// Which attributes were given.
    pub fn given(&self) -> BTreeSet<Attribute> {
        self.attributes.keys().copied().collect()
    }
}

/// Not judgeable.
#[derive(Clone, Serialize, Deserialize)]
pub struct Unusable {
    /// Why.
    pub reason: String,
    /// What the person can do.
    pub hint: HolderMessage,
    /// JWS: the proof that it cost nothing.
    pub receipt: String,
}

/// What sealed answers are bound to.
pub(super) fn answer_context(id: RedemptionId) -> String {
    format!("redemptions.answer {id}")
}

/// The answer to a judged redemption, as it was sealed.
pub(super) fn open_answer(ctx: &Context, id: RedemptionId, sealed: &[u8]) -> Flow<Box<Judged>> {
    let mut judged: Box<Judged> = ctx.vault.open_json(&answer_context(id), sealed)?;
    judged.receipt = tokens::expand(ctx, &judged.receipt)?;
    judged.result = tokens::expand(ctx, &judged.result)?;
    Ok(judged)
}

/// The answer as it is stored: with short tokens. The first of the two is the short receipt.
pub(super) fn seal_answer(ctx: &Context, answer: &mut Judged) -> Flow<(String, Vec<u8>)> {
    let receipt = tokens::shorten(ctx, &answer.receipt)?;
    let result = tokens::shorten(ctx, &answer.result)?;
    let whole = (replace(&mut answer.receipt, receipt), replace(&mut answer.result, result));
    let sealed = ctx.vault.seal_json(&answer_context(answer.id), answer)?;
    let receipt = replace(&mut answer.receipt, whole.0);
    answer.result = whole.1;
    Ok((receipt, sealed))
}

/// The answer that was given before, as it stands in the database.
pub(super) enum Earlier {
    /// Sealed.
    Judged(Vec<u8>),
    /// The whole of it.
    Unusable(Unusable),
}

/// Finds the answer that was given before, from what was kept of it.
pub(super) fn recall(conn: &mut Conn, rp: RelyingPartyId, id: RedemptionId, kept: &Kept) -> Flow<Earlier> {
    match kept {
        Kept::Unusable(unusable) => Ok(Earlier::Unusable(unusable.clone())),
        Kept::Judged => match redemptions::find(conn, id, rp)?.and_then(|redemption| redemption.judged) {
            Some(JudgedRow { sealed_answer: Some(sealed), .. }) => Ok(Earlier::Judged(sealed)),
            _ => Err(Refusal::NotFound.into()),
        },
    }
}

impl Earlier {
    /// The answer itself.
    pub(super) fn open(self, ctx: &Context, id: RedemptionId) -> Flow<Answer> {
        Ok(match self {
            Earlier::Judged(sealed) => Answer::Judged(open_answer(ctx, id, &sealed)?),
            Earlier::Unusable(unusable) => Answer::Unusable(unusable),
        })
    }
}

/// Another attempt decided this redemption: the same request gets that answer, any other one a no.
pub(super) fn faster(
    ctx: &Context,
    conn: &mut Conn,
    lease: &Lease,
    rp: RelyingPartyId,
    id: RedemptionId,
) -> Flow<Earlier> {
    match answered(ctx, conn, lease)? {
        Some(kept) => recall(conn, rp, id, &kept),
        None => Err(Refusal::RedemptionClosed.into()),
    }
}
