//! What a holder agreed to: once for all when they enrolled, and each time a code of theirs was shown; and taking it back.
//!
//! A withdrawal is the holder's. A job tells the relying party, on whose side it is a notice with a deadline, and what that says of it is read
//! from there: no transaction spans both (adr/0007).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use wallet_core::attributes::Attribute;
use wallet_core::ids::{ConsentId, RedemptionId, RelyingPartyId, WithdrawalId};
use wallet_core::redemption::State;
use wallet_core::refusal::Refusal;

use super::callers::Device;
use super::certificates::of_phone;
use super::past_uses::{Who, who};
use super::withdrawals::state;
use super::{Context, later, telling};
use crate::delivery::event::Kind;
use crate::stop::Flow;
use crate::store::withdrawal_notices::{self, Notice};
use crate::store::withdrawals::{self, Withdrawal};
use crate::store::{audit, exports, holders, past_uses, redemptions, relying_parties, throttles};

/// Within which data are to be deleted: below the 15 working days of China's rules for apps (App违法违规收集使用个人信息行为认定方法, art. 6)
/// and the month of GDPR art. 12(3).
const DUE: SignedDuration = SignedDuration::from_hours(15 * 24);
/// Uses that are looked at, the newest.
const MOST_USES: usize = 5000;
/// Uses that a withdrawal names.
const MOST_NAMED: i64 = 1000;
/// Withdrawals that are shown, the newest.
const SHOWN: i64 = 100;
/// Withdrawals in a day (UTC).
const A_DAY: i64 = 20;
/// Seconds in a day.
const DAY: i64 = 86_400;
/// Withdrawals that are told in a run.
const TOLD_AT_ONCE: i64 = 50;
/// As long as the name of a purpose may be.
const MAX_PURPOSE: usize = 80;
/// Redemptions that an event names; the relying party's list has all of them.
const NAMED_IN_EVENT: usize = 20;

/// All that a holder agreed to.
#[derive(Serialize, ToSchema)]
pub struct Consents {
    /// To be enrolled, or recovered; newest first.
    enrolments: Vec<ToEnrolment>,
    /// By showing a code: who was given what, by purpose; the latest first.
    relying_parties: Vec<ToRelyingParty>,
    /// What was taken back, newest first.
    pub(super) withdrawals: Vec<Taken>,
    /// Whom the holder refuses.
    pub(super) blocked: Vec<Who>,
}

/// A consent that an enrolment began with.
#[derive(Serialize, ToSchema)]
#[schema(as = EnrolmentConsent)]
struct ToEnrolment {
    id: ConsentId,
    text_version: String,
    agreed_at: Timestamp,
    /// `document` or `recovery`.
    kind: String,
}

/// What a relying party was given for a purpose.
#[derive(Serialize, ToSchema)]
#[schema(as = RelyingPartyConsent)]
struct ToRelyingParty {
    relying_party: Who,
    purpose: String,
    /// All that was given in any of the uses.
    attributes: BTreeSet<Attribute>,
    times: u64,
    first: Timestamp,
    last: Timestamp,
}

/// A consent that was taken back.
#[derive(Serialize, ToSchema)]
#[schema(as = Withdrawal)]
pub struct Taken {
    id: WithdrawalId,
    relying_party: Who,
    /// Without one, all purposes.
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    withdrawn_at: Timestamp,
    /// Until when the relying party must have deleted the data.
    due_at: Timestamp,
    /// `waiting`, `confirmed` or `overdue`.
    state: &'static str,
    /// When the data were deleted, as the relying party says.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
}

/// What is taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WithdrawalRequest)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    relying_party: RelyingPartyId,
    /// Without one, all purposes.
    #[serde(default)]
    purpose: Option<String>,
    /// Whether the relying party is refused from now on.
    #[serde(default)]
    block: bool,
}

/// What a holder agreed to, and took back.
pub fn list(ctx: &Context, device: &Device) -> Flow<Consents> {
    let now = ctx.now();
    let (enrolments, uses, taken, blocked) = ctx.holder_store.read(|conn| {
        let holder = of_phone(conn, device)?.holder;
        let all = past_uses::certificates_of(conn, holder)?;
        let uses = past_uses::newest(conn, &all, None, MOST_USES)?;
        let taken = withdrawals::of_holder(conn, holder, SHOWN)?;
        Ok((exports::consents_of(conn, holder)?, uses, taken, withdrawals::blocked(conn, holder)?))
    })?;
    let (given, told, names) = ctx.rp_store.read(|conn| {
        let mut given = Vec::with_capacity(uses.len());
        // So few that PostgreSQL goes by their keys.
        for some in uses.chunks(500) {
            given.extend(
                redemptions::find_all(conn, some)?.into_iter().filter(|one| one.state == State::Passed),
            );
        }
        let of: Vec<_> = taken.iter().map(|taken| (taken.rp, taken.id)).collect();
        let rps = uses.iter().map(|(rp, _)| *rp).chain(of.iter().map(|(rp, _)| *rp)).chain(blocked.clone());
        Ok((given, withdrawal_notices::find_all(conn, &of)?, relying_parties::names(conn, rps)?))
    })?;
    let told: HashMap<WithdrawalId, Notice> = told.into_iter().map(|notice| (notice.id, notice)).collect();
    let enrolments = enrolments.into_iter().map(|consent| ToEnrolment {
        id: consent.id,
        text_version: consent.text_version,
        agreed_at: consent.agreed_at,
        kind: consent.kind,
    });
    let taken = taken.into_iter().map(|taken| shown(&taken, told.get(&taken.id), &names, now));
    Ok(Consents {
        enrolments: enrolments.collect(),
        relying_parties: by_purpose(&given, &names),
        withdrawals: taken.collect(),
        blocked: blocked.into_iter().map(|rp| who(rp, &names)).collect(),
    })
}

fn by_purpose(
    given: &[redemptions::Redemption],
    names: &HashMap<RelyingPartyId, String>,
) -> Vec<ToRelyingParty> {
    let mut all: BTreeMap<(RelyingPartyId, &str), ToRelyingParty> = BTreeMap::new();
    for one in given {
        let at = one.id.moment();
        let entry = all.entry((one.rp, &one.purpose)).or_insert_with(|| ToRelyingParty {
            relying_party: who(one.rp, names),
            purpose: one.purpose.clone(),
            attributes: BTreeSet::new(),
            times: 0,
            first: at,
            last: at,
        });
        entry.attributes.extend(wallet_core::attributes::released(&one.asked, one.share));
        entry.times += 1;
        (entry.first, entry.last) = (entry.first.min(at), entry.last.max(at));
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_by_key(|consent| std::cmp::Reverse(consent.last));
    all
}

fn shown(
    taken: &Withdrawal,
    told: Option<&Notice>,
    names: &HashMap<RelyingPartyId, String>,
    now: Timestamp,
) -> Taken {
    let due_at = later(taken.at, DUE);
    let confirmed = told.and_then(|told| told.confirmed);
    Taken {
        id: taken.id,
        relying_party: who(taken.rp, names),
        purpose: taken.purpose.clone(),
        withdrawn_at: taken.at,
        due_at,
        state: state(confirmed.is_some(), due_at, now),
        deleted_at: confirmed.map(|(_, deleted_at)| deleted_at),
    }
}

/// Takes a consent back: of a relying party that was given something.
pub fn withdraw(ctx: &Context, device: &Device, asked: &Asked) -> Flow<Taken> {
    let (now, rp) = (ctx.now(), asked.relying_party);
    if asked
        .purpose
        .as_ref()
        .is_some_and(|purpose| purpose.is_empty() || purpose.chars().count() > MAX_PURPOSE)
    {
        let expected = format!("1 to {MAX_PURPOSE} characters, or none for all purposes");
        return Err(Refusal::RequestInvalid { field: "purpose", expected }.into());
    }
    let named = named(ctx, device, asked)?;
    let taken = ctx.holder_store.write(|conn| {
        let holder = of_phone(conn, device)?.holder;
        let (subject, today) = (format!("withdrawals/{holder}"), now.as_second().div_euclid(DAY) * DAY);
        if throttles::read(conn, &subject, today)? >= A_DAY {
            let left = u32::try_from(today + DAY - now.as_second()).unwrap_or(1).max(1);
            return Err(Refusal::RateLimited { retry_after: left }.into());
        }
        throttles::count(conn, &subject, today)?;
        let taken = Withdrawal {
            holder,
            id: WithdrawalId::new(now, &mut rand::rng()),
            rp,
            purpose: asked.purpose.clone(),
            subject: holders::eid(conn, holder)?.subject(&ctx.secrets.subject, rp),
            redemptions: named.clone(),
            at: now,
        };
        withdrawals::insert(conn, &taken)?;
        if asked.block {
            withdrawals::block(conn, holder, rp, now)?;
        }
        let outcome = if asked.block { "blocked" } else { "done" };
        audit::append(conn, &device.jkt, "consent.withdraw", taken.id, outcome, now)?;
        Ok(taken)
    })?;
    let names = ctx.rp_store.read(|conn| Ok(relying_parties::names(conn, [rp])?))?;
    Ok(shown(&taken, None, &names, now))
}

/// The redemptions by which something was given to the relying party for the purpose; there must be one.
fn named(ctx: &Context, device: &Device, asked: &Asked) -> Flow<Vec<RedemptionId>> {
    let rp = asked.relying_party;
    let uses = ctx.holder_store.read(|conn| {
        let holder = of_phone(conn, device)?.holder;
        let all = past_uses::certificates_of(conn, holder)?;
        Ok(past_uses::by_relying_party(conn, &all, rp, MOST_NAMED)?)
    })?;
    let uses: Vec<_> = uses.into_iter().map(|id| (rp, id)).collect();
    let given = ctx.rp_store.read(|conn| Ok(redemptions::find_all(conn, &uses)?))?;
    let is_meant = |one: &&redemptions::Redemption| {
        one.state == State::Passed && asked.purpose.as_ref().is_none_or(|purpose| *purpose == one.purpose)
    };
    let named: Vec<_> = given.iter().filter(is_meant).map(|one| one.id).collect();
    if named.is_empty() { Err(Refusal::NotFound.into()) } else { Ok(named) }
}

/// Refuses a relying party no more.
pub fn lift(ctx: &Context, device: &Device, rp: RelyingPartyId) -> Flow<()> {
    let now = ctx.now();
    ctx.holder_store.write(|conn| {
        let holder = of_phone(conn, device)?.holder;
        if !withdrawals::lift(conn, holder, rp)? {
            return Err(Refusal::NotFound.into());
        }
        Ok(audit::append(conn, &device.jkt, "consent.unblock", rp, "done", now)?)
    })
}

/// Whether a relying party was not told of a withdrawal yet.
pub fn any_waits(ctx: &Context) -> Flow<bool> {
    ctx.holder_store.read(|conn| Ok(!withdrawals::waiting(conn, 1)?.is_empty()))
}

/// Tells relying parties of withdrawals: first on their side, where it is done once, then that it was.
pub fn tell_waiting(ctx: &Context) -> Flow<()> {
    let waiting = ctx.holder_store.read(|conn| Ok(withdrawals::waiting(conn, TOLD_AT_ONCE)?))?;
    // One that can't be told does not hold up the others.
    waiting.iter().map(|taken| tell(ctx, taken)).fold(Ok(()), Result::and)
}

fn tell(ctx: &Context, taken: &Withdrawal) -> Flow<()> {
    let now = ctx.now();
    let notice = Notice {
        rp: taken.rp,
        id: taken.id,
        subject: taken.subject.clone(),
        purpose: taken.purpose.clone(),
        redemptions: taken.redemptions.clone(),
        withdrawn_at: taken.at,
        due_at: later(taken.at, DUE),
        confirmed: None,
    };
    ctx.rp_store.write(|conn| {
        if withdrawal_notices::insert(conn, &notice)? {
            telling::message(conn, notice.rp, Kind::ConsentWithdrawn, &told(&notice), now.into())?;
        }
        Ok(())
    })?;
    ctx.holder_store.write(|conn| Ok(withdrawals::told(conn, taken, now)?))
}

/// What the event says: ids of the relying party's own.
fn told(notice: &Notice) -> serde_json::Value {
    let some: Vec<_> = notice.redemptions.iter().take(NAMED_IN_EVENT).collect();
    json!({
        "withdrawal": notice.id, "subject": notice.subject, "purpose": notice.purpose, "redemptions": some,
        "redemptions_in_all": notice.redemptions.len(), "due_at": notice.due_at,
    })
}
