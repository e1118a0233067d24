//! Consents that holders took back, for the relying parties that must delete what they were given by them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::{RedemptionId, RelyingPartyId, WithdrawalId};
use wallet_core::refusal::Refusal;

use super::Context;
use super::callers::RelyingParty;
use crate::stop::Flow;
use crate::store::audit;
use crate::store::withdrawal_notices::{self, Notice};

/// A consent that a holder took back, as the relying party sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = WithdrawalNotice)]
pub struct Shown {
    id: WithdrawalId,
    /// Who it was, as the results named them.
    subject: String,
    /// Without one, all purposes.
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    /// The redemptions whose data are to be deleted.
    redemptions: Vec<RedemptionId>,
    withdrawn_at: Timestamp,
    /// Until when.
    due_at: Timestamp,
    /// `waiting`, `confirmed` or `overdue`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
}

impl Shown {
    fn of(notice: Notice, now: Timestamp) -> Shown {
        Shown {
            id: notice.id,
            subject: notice.subject,
            purpose: notice.purpose,
            redemptions: notice.redemptions,
            withdrawn_at: notice.withdrawn_at,
            due_at: notice.due_at,
            state: state(notice.confirmed.is_some(), notice.due_at, now),
            confirmed_at: notice.confirmed.map(|(said, _)| said),
            deleted_at: notice.confirmed.map(|(_, deleted)| deleted),
        }
    }
}

/// How a withdrawal stands: what time decides is computed, not stored.
pub(super) fn state(is_confirmed: bool, due_at: Timestamp, now: Timestamp) -> &'static str {
    match is_confirmed {
        true => "confirmed",
        false if now >= due_at => "overdue",
        false => "waiting",
    }
}

/// That the data are deleted.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WithdrawalConfirmation)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// When they were: not in the future, and not before they were to be.
    deleted_at: Timestamp,
}

/// What holders took back, after `after`, the oldest first.
pub fn list(ctx: &Context, rp: &RelyingParty, after: &str, limit: i64) -> Flow<Vec<Shown>> {
    let (now, rp) = (ctx.now(), rp.id);
    let found = ctx.rp_store.read(|conn| Ok(withdrawal_notices::list(conn, rp, after, limit)?))?;
    Ok(found.into_iter().map(|notice| Shown::of(notice, now)).collect())
}

/// The relying party says that the data are deleted. What it said before stands.
pub fn confirm(ctx: &Context, rp: &RelyingParty, id: WithdrawalId, said: &Confirmation) -> Flow<Shown> {
    let (now, rp): (Timestamp, RelyingPartyId) = (ctx.now(), rp.id);
    let notice = ctx.rp_store.write(|conn| {
        let notice = withdrawal_notices::find(conn, rp, id)?.ok_or(Refusal::NotFound)?;
        if said.deleted_at > now || said.deleted_at < notice.withdrawn_at {
            let expected = "a time between the withdrawal and now".to_owned();
            return Err(Refusal::RequestInvalid { field: "deleted_at", expected }.into());
        }
        if withdrawal_notices::confirm(conn, rp, id, said.deleted_at, now)? {
            audit::append(conn, rp, "withdrawal.confirm", id, "done", now)?;
        }
        Ok(withdrawal_notices::find(conn, rp, id)?.ok_or(Refusal::NotFound)?)
    })?;
    Ok(Shown::of(notice, now))
}
