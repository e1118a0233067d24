//! Acts that take a second person: one admin asks, another agrees within a day, and only then it is done, judged anew at that moment.
//!
//! Invariant: nobody decides for what they asked for, but to take it back (and the very first admin, `admins::ask_to_invite`).

mod carrying_out;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use wallet_core::ids::{AdminActionId, AdminId};
use wallet_core::refusal::Refusal;

use super::admins::Invitation;
use super::amounts::invalid;
use super::revocations::Report;
use super::{Context, later};
use crate::roles::{Act, permits};
use crate::stop::{Flow, Stop};
use crate::store::admin_actions::{self, APPROVED, Action, DONE, FAILED, Listed, REJECTED, REQUESTED};
use crate::store::{Conn, admins, audit};

/// From asking to deciding.
pub const TO_DECIDE: SignedDuration = SignedDuration::from_hours(24);
/// The word for what nobody decided in that time.
const EXPIRED: &str = "expired";
/// What was done by the only one who is there.
const ALONE: &str = "alone";
/// That one admin may have waiting; keeps files from filling the table.
const MOST_WAITING: i64 = 20;
/// In an answer.
const PAGE: i64 = 100;
/// Characters of a reason.
const MAX_WHY: usize = 200;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All certificates that a file names.
    RevokeCertificates,
    /// All that a relying party vouched for.
    RevokeSponsored,
    /// A price list.
    AnnouncePrices,
    /// Another admin.
    InviteAdmin,
    /// Other roles of one.
    ChangeRoles,
    /// The end of one.
    EndAdmin,
}

impl Kind {
    const ALL: [Kind; 6] = [
        Kind::RevokeCertificates,
        Kind::RevokeSponsored,
        Kind::AnnouncePrices,
        Kind::InviteAdmin,
        Kind::ChangeRoles,
        Kind::EndAdmin,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Kind::RevokeCertificates => "certificates.revoke",
            Kind::RevokeSponsored => "sponsorships.revoke",
            Kind::AnnouncePrices => "prices.announce",
            Kind::InviteAdmin => "admin.invite",
            Kind::ChangeRoles => "admin.roles",
            Kind::EndAdmin => "admin.end",
        }
    }

    /// Whose roles allow it are those who may decide it.
    const fn act(self) -> Act {
        match self {
            Kind::RevokeCertificates => Act::RevokeCertificates,
            Kind::RevokeSponsored => Act::RevokeSponsored,
            Kind::AnnouncePrices => Act::AnnouncePrices,
            Kind::InviteAdmin => Act::InviteAdmin,
            Kind::ChangeRoles => Act::ChangeRoles,
            Kind::EndAdmin => Act::EndAdmin,
        }
    }

    fn of(action: &Action) -> Flow<Kind> {
        let found = Kind::ALL.into_iter().find(|kind| kind.as_str() == action.kind);
        Ok(found.ok_or_else(|| anyhow::anyhow!("an action of a kind that is none"))?)
    }
}

/// What is asked for, by whoever asks.
pub(super) struct Asked<'a> {
    /// What kind.
    pub kind: Kind,
    /// Whom or what it is about.
    pub subject: String,
    /// What is to be done, without personal data.
    pub parameters: Value,
    /// Why.
    pub why: Option<&'a str>,
    /// What a file says.
    pub file: Option<&'a [u8]>,
}

/// An act that takes a second person, as admins see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminAction)]
pub struct Shown {
    id: AdminActionId,
    /// `certificates.revoke`, `sponsorships.revoke`, `prices.announce`, `admin.invite`, `admin.roles` or `admin.end`.
    kind: String,
    /// Whom or what it is about.
    subject: String,
    /// What is to be done.
    #[schema(value_type = Object)]
    parameters: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    requested_by: AdminId,
    requested_at: Timestamp,
    /// Until when it may be decided.
    decide_until: Timestamp,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<AdminId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<Timestamp>,
    /// What came of it: of what failed, the refusal's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
}

impl Shown {
    fn of(action: Action, now: Timestamp) -> Flow<Shown> {
        let decide_until = later(action.requested_at, TO_DECIDE);
        let expired = action.state == REQUESTED && now >= decide_until;
        Ok(Shown {
            id: action.id,
            kind: action.kind,
            subject: action.subject,
            parameters: serde_json::from_str(&action.parameters)?,
            why: action.why,
            requested_by: action.requested_by,
            requested_at: action.requested_at,
            decide_until,
            state: if expired { EXPIRED.to_owned() } else { action.state },
            decided_by: action.decided_by,
            decided_at: action.decided_at,
            outcome: action.outcome,
        })
    }
}

/// An act that was asked for or decided, with what came of it and is told once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminActionAnswer)]
pub struct Decided {
    /// As it stands now.
    pub action: Shown,
    /// Where the new admin makes a passkey: pass it on by a safe way, it is not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation: Option<Invitation>,
    /// What became of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
    /// Certificates that were revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<usize>,
}

impl Decided {
    pub(super) fn of(action: Shown) -> Decided {
        Decided { action, invitation: None, report: None, revoked: None }
    }

    pub(super) fn with(self, invitation: Invitation) -> Decided {
        Decided { invitation: Some(invitation), ..self }
    }

    /// Whether nobody else is waited for.
    pub fn is_done(&self) -> bool {
        self.action.state == DONE
    }
}

fn checked_why(why: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(why) = why.map(str::trim) else { return Ok(None) };
    let fits = (1..=MAX_WHY).contains(&why.chars().count()) && !why.chars().any(char::is_control);
    if fits {
        Ok(Some(why.to_owned()))
    } else {
        Err(invalid("why", format!("1 to {MAX_WHY} characters in one line")))
    }
}

fn new(admin: AdminId, asked: &Asked<'_>, now: Timestamp) -> Flow<Action> {
    Ok(Action {
        id: AdminActionId::new(now, &mut rand::rng()),
        kind: asked.kind.as_str().to_owned(),
        subject: asked.subject.clone(),
        parameters: asked.parameters.to_string(),
        why: checked_why(asked.why)?,
        requested_by: admin,
        requested_at: now,
        state: REQUESTED.to_owned(),
        decided_by: None,
        decided_at: None,
        outcome: None,
    })
}

fn sealed_for(id: AdminActionId) -> String {
    format!("admin_actions.payload {id}")
}

fn note(conn: &mut Conn, admin: AdminId, verb: &'static str, action: &Action, now: Timestamp) -> Flow<()> {
    let said = (action.kind.as_str(), action.why.as_deref());
    Ok(audit::append_why(conn, admin, verb, action.id, said, now)?)
}

/// Asks for an act, once whoever asks was found to be able to.
pub(super) fn ask(ctx: &Context, admin: AdminId, asked: &Asked<'_>) -> Flow<Shown> {
    let now = ctx.now();
    let action = new(admin, asked, now)?;
    let sealed = asked.file.map(|file| ctx.vault.seal(&sealed_for(action.id), file)).transpose()?;
    ctx.rp_store.write(|conn| {
        let since = now.saturating_sub(TO_DECIDE).unwrap_or(Timestamp::MIN);
        if admin_actions::waiting_of(conn, admin, since)? >= MOST_WAITING {
            return Err(Refusal::RateLimited { retry_after: 3600 }.into());
        }
        admin_actions::insert(conn, &action, sealed.as_deref())?;
        note(conn, admin, "action.request", &action, now)
    })?;
    Shown::of(action, now)
}

/// Notes an act that nobody else can agree to, and that is done in the same transaction.
pub(super) fn done_alone(conn: &mut Conn, admin: AdminId, asked: &Asked<'_>, now: Timestamp) -> Flow<Shown> {
    let action = Action {
        state: DONE.to_owned(),
        decided_by: Some(admin),
        decided_at: Some(now),
        outcome: Some(ALONE.to_owned()),
        ..new(admin, asked, now)?
    };
    admin_actions::insert(conn, &action, None)?;
    note(conn, admin, "action.alone", &action, now)?;
    Shown::of(action, now)
}

/// A page of them, the newest first: in one state, and before an id.
pub fn list(ctx: &Context, state: Option<&str>, before: Option<AdminActionId>) -> Flow<Vec<Shown>> {
    let now = ctx.now();
    let end = now.saturating_sub(TO_DECIDE).unwrap_or(Timestamp::MIN);
    let any = Listed { before, ..Listed::default() };
    let listed = match state {
        None => any,
        Some(EXPIRED) => Listed { state: Some(REQUESTED), until: Some(end), ..any },
        Some(REQUESTED) => Listed { state: Some(REQUESTED), after: Some(end), ..any },
        Some(state @ (APPROVED | DONE | FAILED | REJECTED)) => Listed { state: Some(state), ..any },
        Some(_) => {
            let expected = format!("{REQUESTED}, {APPROVED}, {DONE}, {FAILED}, {REJECTED} or {EXPIRED}");
            return Err(invalid("state", expected).into());
        }
    };
    let found = ctx.rp_store.read(|conn| Ok(admin_actions::list(conn, &listed, PAGE)?))?;
    found.into_iter().map(|action| Shown::of(action, now)).collect()
}

fn find(conn: &mut Conn, id: AdminActionId) -> Flow<Action> {
    Ok(admin_actions::find(conn, id)?.ok_or(Refusal::NotFound)?)
}

/// One of them.
pub fn show(ctx: &Context, id: AdminActionId) -> Flow<Shown> {
    Shown::of(ctx.rp_store.read(|conn| find(conn, id))?, ctx.now())
}

/// One that this admin may decide, as far as roles go.
fn to_decide(conn: &mut Conn, admin: AdminId, id: AdminActionId) -> Flow<Action> {
    let action = find(conn, id)?;
    let roles = admins::find(conn, admin)?.map(|admin| admin.roles).unwrap_or_default();
    if !permits(&roles, Kind::of(&action)?.act()) {
        return Err(Refusal::RoleMissing.into());
    }
    Ok(action)
}

/// Says no, or takes back what one asked for oneself.
pub fn reject(ctx: &Context, admin: AdminId, id: AdminActionId) -> Flow<Shown> {
    let now = ctx.now();
    let rejected = ctx.rp_store.write(|conn| {
        let action = to_decide(conn, admin, id)?;
        let in_time = now < later(action.requested_at, TO_DECIDE);
        if !in_time || !admin_actions::decide(conn, id, REJECTED, admin, now)? {
            return Err(Refusal::ActionDecided.into());
        }
        note(conn, admin, "action.reject", &action, now)?;
        find(conn, id)
    })?;
    Shown::of(rejected, now)
}

/// Agrees, as the second person, and has it done. What can't be done any more has failed, and says why; what broke off on the way is carried
/// on when the same person agrees again.
pub fn approve(ctx: &Context, admin: AdminId, id: AdminActionId) -> Flow<Decided> {
    let now = ctx.now();
    let action = ctx.rp_store.write(|conn| claim(conn, admin, id, now))?;
    match carrying_out::carry_out(ctx, &action, now) {
        Err(Stop::Refused(refusal)) if refusal.retry_after().is_none() => {
            let failed = ctx.rp_store.write(|conn| {
                finish(conn, admin, &action, (FAILED, refusal.code()), now)?;
                find(conn, id)
            })?;
            Ok(Decided::of(Shown::of(failed, now)?))
        }
        other => other,
    }
}

fn claim(conn: &mut Conn, admin: AdminId, id: AdminActionId, now: Timestamp) -> Flow<Action> {
    let action = to_decide(conn, admin, id)?;
    if action.requested_by == admin {
        return Err(Refusal::SecondPersonNeeded.into());
    }
    if action.state == APPROVED && action.decided_by == Some(admin) {
        return Ok(action);
    }
    let in_time = now < later(action.requested_at, TO_DECIDE);
    if !in_time || !still_asks(conn, &action)? || !admin_actions::decide(conn, id, APPROVED, admin, now)? {
        return Err(Refusal::ActionDecided.into());
    }
    note(conn, admin, "action.approve", &action, now)?;
    find(conn, id)
}

/// Whether who asked is still here, with a role that allows it: what somebody asked for is not done in their name after they left.
fn still_asks(conn: &mut Conn, action: &Action) -> Flow<bool> {
    let asked = admins::find(conn, action.requested_by)?.filter(|admin| admin.ended_at.is_none());
    let act = Kind::of(action)?.act();
    Ok(asked.is_some_and(|admin| permits(&admin.roles, act)))
}

/// Notes what came of it, if it is still being done.
fn finish(
    conn: &mut Conn,
    by: AdminId,
    action: &Action,
    (state, outcome): (&'static str, &str),
    now: Timestamp,
) -> Flow<()> {
    if find(conn, action.id)?.state != APPROVED {
        return Err(Refusal::ActionDecided.into());
    }
    admin_actions::finish(conn, action.id, state, outcome)?;
    Ok(audit::append(conn, by, "action.carry_out", action.id, state, now)?)
}
