//! A use of a service that is no redemption: one call, judged and charged once under its Idempotency-Key.
//!
//! Two transactions around the models' work: the first claims the key, the second writes attempt, charge, postings and the
//! answer. What crashes in between was never judged, and the same call asked again is judged then.

use std::cell::Cell;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::{AttemptId, UseId};
use wallet_core::receipt::ReceiptCharge;
use wallet_core::refusal::{Reason, Refusal};

use super::answers::Unusable;
use super::callers::RelyingParty;
use super::charging::{self, Attempted, When, gate};
use super::idempotency::{Idempotency, answered, claim_alone, finish, give_back};
use super::{Context, caps, tokens};
use crate::billing::price::Service;
use crate::stop::{Flow, Stop};
use crate::store::attempts::{self, Attempt};
use crate::store::idempotency::Lease;
use crate::store::{Conn, audit, charges};

/// Who calls what.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) rp: &'a RelyingParty,
    pub(super) service: Service,
    pub(super) idempotency: &'a Idempotency,
}

/// What the work of a call came to.
pub(super) struct Verdict<T> {
    /// `false` when the answer is a no: another face, nobody found. It costs the same.
    pub(super) passed: bool,
    /// Why not.
    pub(super) reason: Option<&'static str>,
    pub(super) answer: T,
}

impl<T> Verdict<T> {
    /// A yes, or an answer to what is no yes-or-no question.
    pub(super) fn passed(answer: T) -> Self {
        Verdict { passed: true, reason: None, answer }
    }
}

/// The answer to a call that was judged, and charged.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Used<T> {
    /// Which use of the service this was.
    pub id: UseId,
    /// `passed` or `failed`.
    pub outcome: String,
    /// What the service found.
    #[serde(flatten)]
    pub answer: T,
    /// What it cost.
    pub charge: ReceiptCharge,
    /// JWS `ecert-receipt+jwt`.
    pub receipt: String,
}

/// What came of a call. Kept under its key with a short receipt.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome<T> {
    /// Passed or failed, and charged.
    Judged(Box<Used<T>>),
    /// Not judgeable, not charged.
    Unusable(Unusable),
}

impl<T> Outcome<T> {
    fn receipt(&mut self) -> &mut String {
        match self {
            Outcome::Judged(used) => &mut used.receipt,
            Outcome::Unusable(unusable) => &mut unusable.receipt,
        }
    }
}

/// How a call ended, for what is written beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Passed,
    Failed,
    Unusable,
}

impl End {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            End::Passed => "passed",
            End::Failed => "failed",
            End::Unusable => "unusable",
        }
    }
}

/// Does a call: `work` judges, `beside` writes what else must stand or fall with the charge.
pub(super) fn metered<T: Serialize + DeserializeOwned + Clone>(
    ctx: &Context,
    call: Call<'_>,
    work: impl FnOnce() -> Flow<Verdict<T>>,
    beside: impl Fn(&mut Conn, End) -> Flow<()>,
) -> Flow<Outcome<T>> {
    let submitted_at = ctx.now();
    gate(ctx, call.rp, call.service, None)?;
    let lease = call.idempotency.lease(call.rp.id, submitted_at);
    if let Some(kept) = claim_alone(ctx, &lease, submitted_at)? {
        return whole(ctx, kept);
    }
    let done = work();
    let settled = match done {
        Ok(verdict) => judged(ctx, call, &lease, verdict, submitted_at, &beside),
        Err(Stop::Refused(Refusal::CaptureUnusable(reason) | Refusal::DocumentUnusable(reason))) => {
            unusable(ctx, call, &lease, &reason, &beside)
        }
        Err(stop) => Err(stop),
    };
    if settled.is_err() {
        give_back(ctx, &lease);
    }
    settled
}

fn judged<T: Serialize + DeserializeOwned + Clone>(
    ctx: &Context,
    call: Call<'_>,
    lease: &Lease,
    verdict: Verdict<T>,
    submitted_at: jiff::Timestamp,
    beside: &impl Fn(&mut Conn, End) -> Flow<()>,
) -> Flow<Outcome<T>> {
    for _ in 0..charging::GUESSES {
        if let Some(outcome) = charged(ctx, call, lease, &verdict, submitted_at, beside)? {
            return Ok(outcome);
        }
        charging::guessed_wrong(ctx, call.rp.id)?;
    }
    Err(Refusal::Overloaded { retry_after: 1 }.into())
}

/// Charges a verdict; `None`, and nothing is written, when it was guessed wrong which pack pays.
fn charged<T: Serialize + DeserializeOwned + Clone>(
    ctx: &Context,
    call: Call<'_>,
    lease: &Lease,
    verdict: &Verdict<T>,
    submitted_at: jiff::Timestamp,
    beside: &impl Fn(&mut Conn, End) -> Flow<()>,
) -> Flow<Option<Outcome<T>>> {
    let Call { rp, service, .. } = call;
    let when = When::of(ctx, rp, submitted_at)?;
    let id = UseId::new(when.now, &mut rand::rng());
    let end = if verdict.passed { End::Passed } else { End::Failed };
    let (charge, postings) = charging::charge(ctx, rp.id, id.into(), service, &when)?;
    let (told, outcome) = (charging::told(&charge), end.as_str());
    let attempted = Attempted {
        id: charge.attempt,
        rp: rp.id,
        sandbox: rp.sandbox,
        occasion: id.into(),
        service,
        outcome,
        charge: Ok(told.clone()),
    };
    let receipt = charging::sign_receipt(ctx, attempted, when.billed)?;
    let answer = verdict.answer.clone();
    let used = Used { id, outcome: outcome.to_owned(), answer, charge: told, receipt };
    let guessed_wrong = Cell::new(false);
    let written = write(ctx, lease, Outcome::Judged(Box::new(used)), |conn, receipt| {
        beside(conn, end)?;
        let attempt = Attempt {
            id: charge.attempt,
            rp: rp.id,
            occasion: id.into(),
            service: service.as_str(),
            outcome,
            reason: verdict.reason,
            charge: Some(charge.id),
            receipt,
        };
        attempts::insert(conn, &attempt, when.billed)?;
        guessed_wrong.set(!when.hold(conn)? || !charges::book(conn, &charge, &postings, when.billed)?);
        if guessed_wrong.get() {
            // Undoes the transaction.
            return Err(Refusal::Overloaded { retry_after: 1 }.into());
        }
        caps::count(conn, rp, None, &charge, ctx.moments(when.billed))?;
        Ok(audit::append(conn, rp.id, service.as_str(), id, outcome, when.now)?)
    });
    if guessed_wrong.get() {
        return Ok(None);
    }
    let written = written?;
    if written.is_new && !rp.sandbox {
        ctx.metrics.charged(service.as_str(), charge.micros().get());
    }
    Ok(Some(written.value))
}

fn unusable<T: Serialize + DeserializeOwned>(
    ctx: &Context,
    call: Call<'_>,
    lease: &Lease,
    reason: &Reason,
    beside: &impl Fn(&mut Conn, End) -> Flow<()>,
) -> Flow<Outcome<T>> {
    let Call { rp, service, .. } = call;
    let When { now, billed, .. } = When::of(ctx, rp, ctx.now())?;
    let (occasion, id) = (UseId::new(now, &mut rand::rng()), AttemptId::new(now, &mut rand::rng()));
    let outcome = End::Unusable.as_str();
    let attempted = Attempted {
        id,
        rp: rp.id,
        sandbox: rp.sandbox,
        occasion: occasion.into(),
        service,
        outcome,
        charge: Err(reason.code),
    };
    let receipt = charging::sign_receipt(ctx, attempted, billed)?;
    let unusable = Unusable { reason: reason.code.to_owned(), hint: reason.hint.clone(), receipt };
    let written = write(ctx, lease, Outcome::Unusable(unusable), |conn, receipt| {
        beside(conn, End::Unusable)?;
        let attempt = Attempt {
            id,
            rp: rp.id,
            occasion: occasion.into(),
            service: service.as_str(),
            outcome,
            reason: Some(reason.code),
            charge: None,
            receipt,
        };
        attempts::insert(conn, &attempt, billed)?;
        Ok(audit::append(conn, rp.id, service.as_str(), occasion, outcome, now)?)
    })?;
    Ok(written.value)
}

struct Written<T> {
    value: Outcome<T>,
    is_new: bool,
}

/// Keeps the outcome under the key and writes what belongs to it, or finds that another try was faster.
fn write<T: Serialize + DeserializeOwned>(
    ctx: &Context,
    lease: &Lease,
    mut outcome: Outcome<T>,
    rows: impl Fn(&mut Conn, String) -> Flow<()>,
) -> Flow<Written<T>> {
    let short = tokens::shorten(ctx, outcome.receipt())?;
    let receipt = std::mem::replace(outcome.receipt(), short.clone());
    let earlier = ctx.rp_store.write_guarded(|conn| {
        if let Some(kept) = answered(ctx, conn, lease)? {
            return Ok(Some(kept));
        }
        rows(conn, short.clone())?;
        finish(ctx, conn, lease, &outcome, ctx.now())?;
        Ok(None)
    })?;
    match earlier {
        Some(kept) => Ok(Written { value: whole(ctx, kept)?, is_new: false }),
        None => {
            *outcome.receipt() = receipt;
            Ok(Written { value: outcome, is_new: true })
        }
    }
}

/// An outcome as it was kept, with its whole receipt.
fn whole<T>(ctx: &Context, mut kept: Outcome<T>) -> Flow<Outcome<T>> {
    *kept.receipt() = tokens::expand(ctx, kept.receipt())?;
    Ok(kept)
}
