//! Sponsorships: a relying party vouches for a person who is to enrol (an employer, a bank), and may end what was issued under its
//! word. It learns whether its word was used, never by whom.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::ids::{AdminId, RelyingPartyId, SponsorshipId};
use wallet_core::refusal::Refusal;

use super::admin_actions::{self, Asked, Decided, Kind};
use super::callers::RelyingParty;
use super::certificates::{self, Said};
use super::{Context, later};
use crate::stop::Flow;
use crate::store::revocations::{self, Ended, Revocation, Why};
use crate::store::sponsorships::{self, Sponsorship};
use crate::store::{Conn, audit, relying_parties};

/// From the letter to the enrolment.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Unused ones of one relying party; keeps it from filling the table.
const MOST_OPEN: i64 = 10_000;
/// Certificates that are ended in one transaction.
const AT_ONCE: i64 = 1000;

/// A sponsorship as its sponsor sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sponsorship)]
pub struct Shown {
    id: SponsorshipId,
    /// `open`, `used`, `expired`, `revoked`.
    state: &'static str,
    /// Whether a certificate was issued under it.
    used: bool,
    created_at: Timestamp,
    /// Until when it may be used.
    expires_at: Timestamp,
}

impl Shown {
    fn of(sponsorship: &Sponsorship, now: Timestamp) -> Shown {
        let used = sponsorship.used_at.is_some();
        let state = match sponsorship {
            Sponsorship { revoked_at: Some(_), .. } => "revoked",
            _ if used => "used",
            _ if sponsorship.expires_at <= now => "expired",
            _ => "open",
        };
        let Sponsorship { id, created_at, expires_at, .. } = *sponsorship;
        Shown { id, state, used, created_at, expires_at }
    }
}

/// Gives a word for one person.
pub fn create(ctx: &Context, rp: &RelyingParty) -> Flow<Shown> {
    if !rp.active {
        return Err(Refusal::RpSuspended.into());
    }
    if rp.sandbox {
        return Err(Refusal::LiveOnly.into());
    }
    let now = ctx.now();
    let sponsorship = Sponsorship {
        id: SponsorshipId::new(now, &mut rand::rng()),
        rp: rp.id,
        created_at: now,
        expires_at: later(now, LIFETIME),
        used_at: None,
        revoked_at: None,
    };
    ctx.holder_store.write_guarded(|conn| {
        if sponsorships::count_open(conn, rp.id, now)? >= MOST_OPEN {
            return Err(Refusal::RateLimited { retry_after: 3600 }.into());
        }
        sponsorships::insert(conn, &sponsorship)?;
        Ok(audit::append(conn, rp.id, "sponsorship.create", sponsorship.id, "done", now)?)
    })?;
    Ok(Shown::of(&sponsorship, now))
}

/// Shows a sponsor its own.
pub fn show(ctx: &Context, rp: &RelyingParty, id: SponsorshipId) -> Flow<Shown> {
    let found = ctx.holder_store.read(|conn| find(conn, rp, id))?;
    Ok(Shown::of(&found, ctx.now()))
}

fn find(conn: &mut Conn, rp: &RelyingParty, id: SponsorshipId) -> Flow<Sponsorship> {
    Ok(sponsorships::find(conn, id)?.filter(|found| found.rp == rp.id).ok_or(Refusal::NotFound)?)
}

/// A sponsor takes its word back, and what was issued under it ends. Which certificate that is, and whether it had ended before,
/// is not told.
pub fn revoke(ctx: &Context, rp: &RelyingParty, id: SponsorshipId, said: &Said) -> Flow<()> {
    let (ended, now) = (Ended::Revoked(said.check()?), ctx.now());
    ctx.holder_store.write(|conn| {
        find(conn, rp, id)?;
        sponsorships::revoke(conn, id, now)?;
        for open in revocations::open_of_sponsorship(conn, id)? {
            certificates::end_and_tell(conn, open, &ended, now)?;
            audit::append(conn, rp.id, "certificate.revoke", open.id, "done", now)?;
        }
        Ok(audit::append(conn, rp.id, "sponsorship.revoke", id, "done", now)?)
    })
}

/// What was ended.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct AllRevoked {
    /// Certificates.
    pub revoked: usize,
}

/// Asks for the end of all that a relying party has sponsored; a second person agrees.
pub fn ask_to_revoke_all(ctx: &Context, admin: AdminId, rp: RelyingPartyId, said: &Said) -> Flow<Decided> {
    said.check()?;
    known(ctx, rp)?;
    let asked = Asked {
        kind: Kind::RevokeSponsored,
        subject: rp.to_string(),
        parameters: serde_json::to_value(said)?,
        why: None,
        file: None,
    };
    admin_actions::ask(ctx, admin, &asked).map(Decided::of)
}

fn known(ctx: &Context, rp: RelyingPartyId) -> Flow<()> {
    ctx.rp_store.read(|conn| Ok(relying_parties::is_sandbox(conn, rp)?.ok_or(Refusal::NotFound)?)).map(drop)
}

/// What was asked for and agreed to: all that a relying party has sponsored ends, and all its words are taken back.
pub(super) fn carry_out(ctx: &Context, admin: AdminId, subject: &str, parameters: &str) -> Flow<AllRevoked> {
    let rp: RelyingPartyId = subject.parse().map_err(anyhow::Error::from)?;
    let said: Said = serde_json::from_str(parameters)?;
    let (why, now) = (said.check()?, ctx.now());
    let actor = admin.to_string();
    // First, so that nothing more is issued under them while we are at it.
    ctx.holder_store.write(|conn| {
        sponsorships::revoke_all(conn, rp, now)?;
        Ok(audit::append(conn, admin, "sponsorship.revoke", rp, "done", now)?)
    })?;
    let mut all = AllRevoked::default();
    loop {
        let ended = ctx.holder_store.write(|conn| {
            let open = revocations::open_of_sponsor(conn, rp, AT_ONCE)?;
            let batch: Vec<Revocation> =
                open.iter().map(|open| Revocation { certificate: open.id, why: Why::clone(&why) }).collect();
            let done = revocations::revoke_all(conn, &batch, &actor, now)?;
            for list in done.lists {
                certificates::republish(conn, list, now)?;
            }
            Ok(done.revoked.len())
        })?;
        if ended == 0 {
            return Ok(all);
        }
        all.revoked += ended;
    }
}

/// What a person names when they enrol, if it can be used. One answer for all that can't.
pub(super) fn check(conn: &mut Conn, id: SponsorshipId, now: Timestamp) -> Flow<()> {
    let found = sponsorships::find(conn, id)?;
    let usable = found.is_some_and(|found| Shown::of(&found, now).state == "open");
    if usable { Ok(()) } else { Err(not_open()) }
}

/// Uses a sponsorship up, in the transaction that issues.
pub(super) fn use_up(conn: &mut Conn, id: SponsorshipId, now: Timestamp) -> Flow<()> {
    if sponsorships::use_up(conn, id, now)? { Ok(()) } else { Err(not_open()) }
}

fn not_open() -> crate::stop::Stop {
    let expected = "a sponsorship that was not used, revoked or left to expire, or none".to_owned();
    Refusal::RequestInvalid { field: "sponsorship", expected }.into()
}
