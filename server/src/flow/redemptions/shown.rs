//! How a redemption stands, as its relying party sees it; and taking one back.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::attributes::Attribute;
use wallet_core::ids::RedemptionId;
use wallet_core::money::Amount;
use wallet_core::redemption::{Cancellation, Device, Event, State};
use wallet_core::refusal::Refusal;

use super::super::answers::{self, Judged};
use super::super::callers::RelyingParty;
use super::super::captures::Challenge;
use super::super::retention::READABLE;
use super::super::{Context, tokens};
use crate::stop::Flow;
use crate::store::approvals::{self, Approval};
use crate::store::redemptions::{self, Judged as JudgedRow, Redemption};
use crate::store::{Conn, attempts, audit};

/// A redemption that is not judged, as its relying party sees it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Redemption)]
pub struct Opened {
    pub(super) id: RedemptionId,
    state: String,
    purpose: String,
    asked: BTreeSet<Attribute>,
    /// While a capture on the relying party's own device is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    challenge: Option<Challenge>,
    /// Two digits to show to the holder, who enters them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<Amount>,
    /// Until when the holder may answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer_by: Option<Timestamp>,
    /// Who did not want it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancelled_by: Option<String>,
}

impl Opened {
    /// As it was opened.
    pub(super) fn of(redemption: &Redemption) -> Self {
        let challenge = Some(Challenge::from(&redemption.challenge));
        Opened { challenge, ..Opened::in_state(redemption, "challenged") }
    }

    fn in_state(redemption: &Redemption, state: &str) -> Self {
        Opened {
            id: redemption.id,
            state: state.to_owned(),
            purpose: redemption.purpose.clone(),
            asked: redemption.asked.clone(),
            challenge: None,
            number: None,
            amount: None,
            answer_by: None,
            cancelled_by: None,
        }
    }

    /// As it stands now.
    pub(in crate::flow) fn at(redemption: &Redemption, approval: Option<&Approval>, now: Timestamp) -> Self {
        let mut opened = Opened::in_state(redemption, redemption.state.word(now));
        opened.amount = approval.and_then(|approval| approval.amount);
        match redemption.state {
            State::AwaitingHolder { deadline } => {
                opened.answer_by = Some(deadline);
                opened.number = approval.map(|approval| format!("{:02}", approval.number));
            }
            state if state.awaits_capture_on(Device::RelyingParty, now) => {
                opened.challenge = Some(Challenge::from(&redemption.challenge));
            }
            State::Cancelled(Cancellation::ByRelyingParty) => {
                opened.cancelled_by = Some("relying_party".to_owned());
            }
            State::Cancelled(_) => opened.cancelled_by = Some("holder".to_owned()),
            _ => {}
        }
        opened
    }
}

/// A redemption as it stands.
pub enum Shown {
    /// Waiting for a capture, or over without one that could be judged.
    Open(Box<Opened>),
    /// Judged, and readable.
    Judged(Box<Judged>),
}

/// A redemption of the relying party; for one of its terminals, only what it opened itself.
fn own(conn: &mut Conn, rp: &RelyingParty, id: RedemptionId) -> Flow<Redemption> {
    let found = redemptions::find(conn, id, rp.id)?.filter(|redemption| rp.opened(redemption.terminal));
    Ok(found.ok_or(Refusal::NotFound)?)
}

/// Reads a redemption of the relying party; the answer for 72 h, and each reading of it is on record.
pub fn show(ctx: &Context, rp: &RelyingParty, id: RedemptionId) -> Flow<Shown> {
    let now = ctx.now();
    let redemption = ctx.rp_store.read(|conn| own(conn, rp, id))?;
    match &redemption.judged {
        Some(JudgedRow { sealed_answer: Some(sealed), at }) if now.duration_since(*at) <= READABLE => {
            let judged = answers::open_answer(ctx, id, sealed)?;
            ctx.rp_store.write(|conn| Ok(audit::append(conn, rp.id, "redemption.read", id, "done", now)?))?;
            Ok(Shown::Judged(judged))
        }
        Some(_) => Err(Refusal::NotFound.into()),
        None => {
            let approval = ctx.rp_store.read(|conn| Ok(approvals::find(conn, rp.id, id)?))?;
            Ok(Shown::Open(Box::new(Opened::at(&redemption, approval.as_ref(), now))))
        }
    }
}

/// The relying party takes an open redemption back, at no cost. Taking it back twice is no error; nor is it that the holder did so before.
pub fn cancel(ctx: &Context, rp: &RelyingParty, id: RedemptionId) -> Flow<Opened> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        let mut redemption = own(conn, rp, id)?;
        if !matches!(redemption.state, State::Cancelled(_)) {
            let event = Event::Cancelled(Cancellation::ByRelyingParty);
            let next = redemption.state.after(event, now).map_err(|_| Refusal::RedemptionClosed)?;
            redemptions::advance(conn, &redemption, next, &redemption.challenge)?;
            audit::append(conn, rp.id, "redemption.cancel", id, "done", now)?;
            redemption.state = next;
        }
        Ok(Opened::at(&redemption, None, now))
    })
}

/// The signed receipts of a redemption's attempts, oldest first. They hold no personal data and stay readable.
pub fn receipts(ctx: &Context, rp: &RelyingParty, id: RedemptionId) -> Flow<Vec<String>> {
    let stored = ctx.rp_store.read(|conn| {
        own(conn, rp, id)?;
        Ok(attempts::receipts(conn, id.into(), rp.id)?)
    })?;
    stored.iter().map(|receipt| tokens::expand(ctx, receipt)).collect()
}
