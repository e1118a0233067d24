//! What a holder sees of the uses of their codes: who asks now, who asked, for what, what was given, and who asked for too much.
//!
//! Which uses there are stands on the holder's side, what became of each on the relying parties'. It is read from both, never copied from
//! one to the other: a redemption pays nothing for it, and it can't be out of date.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::attributes::{Attribute, released};
use wallet_core::code::qr::Bound;
use wallet_core::ids::{CertificateId, RedemptionId, RelyingPartyId};
use wallet_core::log::entry::Evidence;
use wallet_core::money::Amount;
use wallet_core::redemption::{Cancellation, Device, State};
use wallet_core::refusal::Refusal;

use super::callers::{Device as Phone, RelyingParty};
use super::captures::Challenge;
use super::certificates::in_force;
use super::idempotency::Idempotency;
use super::log::evidence_of;
use super::redemptions::Opening;
use super::{Context, approvals, codes};
use crate::stop::{Flow, Stop};
use crate::store::approvals::{self as approval_rows, Approval};
use crate::store::certificates::{self, Certificate};
use crate::store::past_uses::{self, OverAsking, Use};
use crate::store::redemptions::{self, Redemption};
use crate::store::{Conn, relying_parties};

/// Uses on a page.
const PAGE: usize = 50;
/// Uses that are looked up in one statement.
const AT_ONCE: usize = 500;
/// Refused requests that are shown, the newest ones.
const OVER_ASKINGS: i64 = 50;
/// As long as the name of a purpose may be.
const MAX_PURPOSE: usize = 80;

/// What is told of a relying party.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RelyingPartyName)]
pub struct Who {
    pub(super) id: RelyingPartyId,
    pub(super) name: String,
}

/// A use of a code, as its holder sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Use)]
pub struct SeenUse {
    id: RedemptionId,
    pub(super) relying_party: Who,
    /// When the code was used.
    pub(super) at: Timestamp,
    pub(super) state: &'static str,
    /// `holder` or `rp`: on whose device.
    capture: &'static str,
    pub(super) purpose: String,
    asked: BTreeSet<Attribute>,
    /// What was given; while it is open, what will be.
    pub(super) given: BTreeSet<Attribute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Amount>,
    /// Why there was no judgement.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled: Option<&'static str>,
    /// Until when the holder may answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_by: Option<Timestamp>,
    /// After the holder agreed: what their capture must show.
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<Challenge>,
}

/// A request for more than was registered, which was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OverAsking)]
pub struct SeenOverAsking {
    pub(super) relying_party: Who,
    pub(super) at: Timestamp,
    pub(super) purpose: String,
    pub(super) asked: BTreeSet<Attribute>,
    /// Why it was refused.
    refusal: String,
}

/// A page of a holder's uses.
#[derive(Debug, Serialize, ToSchema)]
pub struct Uses {
    /// What waits for the holder first, then newest first.
    redemptions: Vec<SeenUse>,
    over_asked: Vec<SeenOverAsking>,
    /// Give it as `before` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<RedemptionId>,
}

/// The holder's redemption, and the certificate that their phone has.
pub(super) struct OwnUse {
    pub(super) rp: RelyingPartyId,
    pub(super) certificate: CertificateId,
}

/// The certificate of a phone. A revoked one shows nothing: the phone may be in other hands.
pub(super) fn certificate_of(conn: &mut Conn, phone: &Phone, now: Timestamp) -> Flow<Certificate> {
    let certificate = certificates::of_device(conn, &phone.jkt)?.ok_or(Refusal::NotFound)?;
    Ok(in_force(certificate, now)?)
}

/// Finds a redemption of this holder's.
pub(super) fn own_use(ctx: &Context, phone: &Phone, id: RedemptionId, now: Timestamp) -> Flow<OwnUse> {
    ctx.holder_store.read(|conn| {
        let certificate = certificate_of(conn, phone, now)?;
        let all = past_uses::certificates_of(conn, certificate.holder)?;
        let (rp, _) = past_uses::find(conn, &all, id)?.ok_or(Refusal::NotFound)?;
        Ok(OwnUse { rp, certificate: certificate.id })
    })
}

/// One use.
pub fn show(ctx: &Context, phone: &Phone, id: RedemptionId) -> Flow<SeenUse> {
    let now = ctx.now();
    let own = own_use(ctx, phone, id, now)?;
    Ok(seen(ctx, &[(own.rp, id)], now)?.pop().ok_or(Refusal::NotFound)?)
}

/// What was done in one use, each act with its proof: for ever, while [`super::log::acts_of_holder`] has uses of two days.
pub fn log(ctx: &Context, phone: &Phone, id: RedemptionId) -> Flow<Vec<Evidence>> {
    own_use(ctx, phone, id, ctx.now())?;
    evidence_of(&ctx.rp_store, &ctx.secrets, &id.to_string())
}

/// The newest uses older than `before`, what waits for the holder first.
pub fn list(ctx: &Context, phone: &Phone, before: Option<RedemptionId>) -> Flow<Uses> {
    let now = ctx.now();
    let (mut uses, over_asked) = ctx.holder_store.read(|conn| {
        let certificate = certificate_of(conn, phone, now)?;
        let all = past_uses::certificates_of(conn, certificate.holder)?;
        let uses = past_uses::newest(conn, &all, before, PAGE + 1)?;
        let over_asked = match before {
            None => past_uses::over_askings(conn, &all, OVER_ASKINGS)?,
            Some(_) => Vec::new(),
        };
        Ok((uses, over_asked))
    })?;
    let is_more = uses.len() > PAGE;
    uses.truncate(PAGE);
    let next = uses.last().filter(|_| is_more).map(|(_, id)| *id);
    let mut redemptions = seen(ctx, &uses, now)?;
    redemptions.sort_by_key(|use_| use_.answer_by.is_none() && use_.challenge.is_none());
    Ok(Uses { redemptions, over_asked: seen_over_askings(ctx, over_asked)?, next })
}

/// The newest uses of these certificates, and requests for too much, as far back as these numbers reach.
pub(super) fn of_certificates(
    ctx: &Context,
    all: &[CertificateId],
    most: usize,
    most_over_askings: i64,
    now: Timestamp,
) -> Flow<(Vec<SeenUse>, Vec<SeenOverAsking>)> {
    let (uses, over_asked) = ctx.holder_store.read(|conn| {
        let uses = past_uses::newest(conn, all, None, most)?;
        Ok((uses, past_uses::over_askings(conn, all, most_over_askings)?))
    })?;
    let mut redemptions = Vec::with_capacity(uses.len());
    for page in uses.chunks(AT_ONCE) {
        redemptions.extend(seen(ctx, page, now)?);
    }
    Ok((redemptions, seen_over_askings(ctx, over_asked)?))
}

fn seen_over_askings(ctx: &Context, over_asked: Vec<OverAsking>) -> Flow<Vec<SeenOverAsking>> {
    let names =
        ctx.rp_store.read(|conn| Ok(relying_parties::names(conn, over_asked.iter().map(|o| o.rp))?))?;
    let seen = over_asked.into_iter().map(|noted| SeenOverAsking {
        relying_party: who(noted.rp, &names),
        at: noted.at,
        purpose: noted.purpose,
        asked: noted.asked,
        refusal: noted.refusal,
    });
    Ok(seen.collect())
}

pub(super) fn who(rp: RelyingPartyId, names: &HashMap<RelyingPartyId, String>) -> Who {
    Who { id: rp, name: names.get(&rp).cloned().unwrap_or_default() }
}

/// What became of these uses, newest first. A code may have been used up for a redemption that was never opened: of that there is
/// nothing to tell.
fn seen(ctx: &Context, uses: &[Use], now: Timestamp) -> Flow<Vec<SeenUse>> {
    let (mut found, approvals, names) = ctx.rp_store.read(|conn| {
        let found = redemptions::find_all(conn, uses)?;
        let approvals: HashMap<_, _> = approval_rows::find_all(conn, uses)?.into_iter().collect();
        let names = relying_parties::names(conn, uses.iter().map(|(rp, _)| *rp))?;
        Ok((found, approvals, names))
    })?;
    found.sort_by_key(|redemption| std::cmp::Reverse(redemption.id));
    Ok(found.iter().map(|redemption| one(redemption, approvals.get(&redemption.id), &names, now)).collect())
}

fn one(
    redemption: &Redemption,
    approval: Option<&Approval>,
    names: &HashMap<RelyingPartyId, String>,
    now: Timestamp,
) -> SeenUse {
    let state = redemption.state;
    let cancelled = match state {
        State::Cancelled(Cancellation::ByRelyingParty) => Some("by_relying_party"),
        State::Cancelled(Cancellation::Refused) => Some("refused"),
        State::Cancelled(Cancellation::Reported) => Some("reported"),
        State::Cancelled(Cancellation::NumberMismatch) => Some("number_mismatch"),
        _ => None,
    };
    let is_given = state == State::Passed || state.is_open(now);
    let answer_by = match state {
        State::AwaitingHolder { deadline } if state.is_open(now) => Some(deadline),
        _ => None,
    };
    let is_due = state.awaits_capture_on(Device::Holder, now);
    SeenUse {
        id: redemption.id,
        relying_party: who(redemption.rp, names),
        at: redemption.id.moment(),
        state: state.word(now),
        capture: if approval.is_some() { "holder" } else { "rp" },
        purpose: redemption.purpose.clone(),
        asked: redemption.asked.clone(),
        given: if is_given { released(&redemption.asked, redemption.share) } else { BTreeSet::new() },
        amount: approval.and_then(|approval| approval.amount),
        cancelled,
        answer_by,
        challenge: is_due.then(|| Challenge::from(&redemption.challenge)),
    }
}

/// Tells the holder, if the code is somebody's, that more was asked than may be; `false` if it is nobody's. The code is not used up.
/// Whoever sent digits was admitted before ([`super::misses::admit`]).
pub(super) fn tell_of_over_asking(
    ctx: &Context,
    rp: &RelyingParty,
    idempotency: &Idempotency,
    opening: &Opening,
    refusal: &Refusal,
) -> Flow<bool> {
    let now = ctx.now();
    let bound = Bound::to(rp.id, &opening.purpose, opening.amount);
    let Some(presented) = codes::resolve(ctx, &opening.code, &bound, now)? else { return Ok(false) };
    if presented.standing {
        let counted = ctx.rp_store.write(|conn| {
            approvals::limit_unapproved(conn, rp.id, presented.certificate, now)?;
            approvals::count_unapproved(conn, rp.id, presented.certificate, now)
        });
        match counted {
            Err(Stop::Refused(Refusal::RateLimited { .. })) => return Ok(true),
            counted => counted?,
        }
    }
    let spending = presented.spending(rp.id, idempotency.mac(ctx, rp), now);
    let noted = OverAsking {
        certificate: spending.certificate,
        code_id: spending.code_id,
        rp: rp.id,
        purpose: opening.purpose.chars().take(MAX_PURPOSE).collect(),
        asked: opening.attributes.clone().unwrap_or_default(),
        refusal: refusal.code().to_owned(),
        at: now,
    };
    ctx.holder_store.write_guarded(|conn| Ok(past_uses::note_over_asking(conn, &noted)?))?;
    Ok(true)
}
