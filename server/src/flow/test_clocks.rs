//! Test clocks: what time it is for the bills of a relying party of the sandbox, and what happens as it passes.
//!
//! For everybody else time is the service's own, and jobs close days. A clock of the sandbox stands where its relying party stopped it, until
//! it is advanced: then all that would have happened by itself happens step by step, each closing at its own moment. A step can be done
//! again ([`Books`], `earning`, `orders` and `alerts` find what they did), and is noted as done after all of it; so whatever dies in between is
//! gone on from, and of two who advance one clock each writes only while nobody else has moved it ([`clocks::hold_moving`]).

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::refusal::Refusal;

use super::amounts::invalid;
use super::callers::RelyingParty;
use super::{Context, alerts, earning, later, orders};
use crate::billing::periods::{CLOSING_WAIT, Cycle, Period};
use crate::stop::{Flow, Stop};
use crate::store::relying_parties::Whose;
use crate::store::test_clocks::{self as clocks, TestClock};
use crate::store::{Conn, audit, cycles as cycle_rows};

/// How far a clock may be ahead of the real time: a year's pack, and a month to see it end. Signers live longer than this by themselves.
pub const FURTHEST: SignedDuration = SignedDuration::from_hours(24 * 400);
/// How long a request moves a clock on by itself; a job does the rest.
const AT_ONCE: Duration = Duration::from_secs(2);
/// How long a run of the job moves one clock on, before it looks at the next.
const A_TURN: Duration = Duration::from_secs(2);
/// Clocks that are looked up together.
const PAGE: i64 = 500;

/// What is asked in a transaction before anything is written in it.
pub(super) type Hold<'a> = &'a dyn Fn(&mut Conn) -> Flow<()>;

/// A moment of a relying party's bills.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// When.
    pub(super) at: Timestamp,
    /// In the sandbox, what the clock was when this was read from it.
    clock: Option<TestClock>,
}

impl Moment {
    /// Refuses while the clock is on its way.
    pub(super) fn standing(&self) -> Result<(), Refusal> {
        let is_moving = self.clock.is_some_and(|clock| clock.target.is_some());
        if is_moving { Err(Refusal::TestClockAdvancing) } else { Ok(()) }
    }

    /// Sees to it that this is still the moment when what is written in this transaction is there. Outside of the sandbox, that is left to
    /// the periods ([`crate::billing::periods`]).
    pub(super) fn hold(&self, conn: &mut Conn) -> Flow<()> {
        let Some(clock) = self.clock else { return Ok(()) };
        let held = clocks::hold(conn, clock.rp, clock.epoch)?;
        if held { Ok(()) } else { Err(Refusal::TestClockAdvancing.into()) }
    }
}

impl Context {
    /// Now, for the bills of a relying party.
    pub(super) fn moment_of(&self, rp: &RelyingParty) -> Flow<Moment> {
        if !rp.sandbox {
            return Ok(Moment { at: self.now(), clock: None });
        }
        let clock = self.rp_store.read(|conn| of(conn, rp))?;
        Ok(Moment { at: clock.at.unwrap_or_else(|| self.now()), clock: Some(clock) })
    }
}

fn of(conn: &mut Conn, rp: &RelyingParty) -> Flow<TestClock> {
    let clock = clocks::find(conn, rp.id)?;
    Ok(clock.ok_or_else(|| anyhow::anyhow!("a relying party of the sandbox has no clock"))?)
}

/// A clock as its relying party sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TestClock)]
pub struct Shown {
    /// `real`: as the service's; `ready`: it stands; `advancing`.
    state: &'static str,
    now: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    advancing_to: Option<Timestamp>,
    /// Until when the clock may be advanced today.
    furthest: Timestamp,
}

fn shown(ctx: &Context, clock: &TestClock) -> Shown {
    let state = match clock {
        TestClock { at: None, .. } => "real",
        TestClock { target: None, .. } => "ready",
        _ => "advancing",
    };
    let now = ctx.now();
    let furthest = later(now, FURTHEST);
    Shown { state, now: clock.at.unwrap_or(now), advancing_to: clock.target, furthest }
}

pub(super) fn sandbox_only(rp: &RelyingParty) -> Result<(), Refusal> {
    if rp.sandbox { Ok(()) } else { Err(Refusal::SandboxOnly) }
}

/// What time it is.
pub fn show(ctx: &Context, rp: &RelyingParty) -> Flow<Shown> {
    sandbox_only(rp)?;
    let clock = ctx.rp_store.read(|conn| of(conn, rp))?;
    Ok(shown(ctx, &clock))
}

/// Stops the clock where it is, for good: from then on it is advanced. Stopping one that stands changes nothing.
pub fn stop(ctx: &Context, rp: &RelyingParty) -> Flow<Shown> {
    sandbox_only(rp)?;
    let now = ctx.now();
    let clock = ctx.rp_store.write(|conn| {
        let before = of(conn, rp)?;
        if before.at.is_some() {
            return Ok(before);
        }
        let after = TestClock { at: Some(now.max(before.through)), epoch: before.epoch + 1, ..before };
        replace(conn, &before, &after)?;
        audit::append(conn, rp.id, "test_clock.stop", rp.id, "done", now)?;
        Ok(after)
    })?;
    Ok(shown(ctx, &clock))
}

/// To which moment a clock is to be advanced.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TestClockAdvance)]
#[serde(deny_unknown_fields)]
pub struct Advance {
    to: Timestamp,
}

/// Sends the clock on its way, and goes along for a while: a month is done in this, and what is not, a job does. The same again is the same.
pub fn advance(ctx: &Context, rp: &RelyingParty, advance: &Advance) -> Flow<Shown> {
    sandbox_only(rp)?;
    let now = ctx.now();
    // As the databases keep it.
    let to = Timestamp::from_microsecond(advance.to.as_microsecond()).map_err(anyhow::Error::from)?;
    let clock = ctx.rp_store.write(|conn| {
        let before = of(conn, rp)?;
        let at = before.at.ok_or_else(|| invalid("to", "a clock that stands: POST /v1/test-clock first"))?;
        if before.target == Some(to) || (before.target.is_none() && at == to) {
            return Ok(before);
        }
        before.target.map_or(Ok(()), |_| Err(Refusal::TestClockAdvancing))?;
        if to < at {
            return Err(invalid("to", format!("later than {at}: a clock is never put back")).into());
        }
        if to > later(now, FURTHEST) {
            return Err(invalid("to", "at most 400 days from the real time").into());
        }
        let after = TestClock { target: Some(to), epoch: before.epoch + 1, ..before };
        replace(conn, &before, &after)?;
        audit::append(conn, rp.id, "test_clock.advance", rp.id, "begun", now)?;
        Ok(after)
    })?;
    go(ctx, &cycles(ctx)?, clock, Some(AT_ONCE), usize::MAX)?;
    // Who has just come into arrears, or out of them, is not to be told otherwise for a second.
    ctx.caches.changes.invalidate(&());
    show(ctx, rp)
}

fn replace(conn: &mut Conn, before: &TestClock, after: &TestClock) -> Flow<()> {
    if clocks::replace(conn, before, after)? { Ok(()) } else { Err(Refusal::TestClockAdvancing.into()) }
}

/// Whether any clock is on its way.
pub fn any_advances(ctx: &Context) -> Flow<bool> {
    ctx.rp_store.read(|conn| Ok(!clocks::advancing(conn, 1)?.is_empty()))
}

/// The job: moves on what is on its way, whoever left it there.
pub fn go_on(ctx: &Context) -> Flow<()> {
    go_on_by(ctx, usize::MAX)
}

/// The same, by so many steps of each clock at most.
pub fn go_on_by(ctx: &Context, most: usize) -> Flow<()> {
    let cycles = cycles(ctx)?;
    for clock in ctx.rp_store.read(|conn| Ok(clocks::advancing(conn, PAGE)?))? {
        go(ctx, &cycles, clock, Some(A_TURN), most)?;
    }
    Ok(())
}

/// The job: closes days of relying parties of the sandbox whose clock goes with the real time.
pub fn close_due(ctx: &Context) -> Flow<()> {
    let (cycles, mut after) = (cycles(ctx)?, String::new());
    loop {
        let page = ctx.rp_store.read(|conn| Ok(clocks::going(conn, &after, PAGE)?))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.rp.to_string();
        for clock in page {
            if next_closing(ctx, &cycles, clock.through)?.0 <= ctx.now() {
                go(ctx, &cycles, clock, None, usize::MAX)?;
            }
        }
    }
}

/// Moves a clock on, step by step, until it is there, the time is up, so many steps are done, or somebody else has moved it.
fn go(
    ctx: &Context,
    cycles: &[Cycle],
    mut clock: TestClock,
    time: Option<Duration>,
    most: usize,
) -> Flow<()> {
    let began = Instant::now();
    let end = clock.target.unwrap_or_else(|| ctx.now());
    for _ in 0..most {
        let is_there = clock.target.is_none() && (clock.at.is_some() || clock.through >= end);
        if is_there || time.is_some_and(|time| began.elapsed() > time) {
            break;
        }
        clock = match step(ctx, cycles, &clock, end) {
            Err(Stop::Refused(Refusal::TestClockAdvancing)) => break,
            stepped => stepped?,
        };
    }
    Ok(())
}

/// One step: to the next moment at which something is closed, or to the end. The clock after it.
fn step(ctx: &Context, cycles: &[Cycle], clock: &TestClock, end: Timestamp) -> Flow<TestClock> {
    let (moment, periods) = next_closing(ctx, cycles, clock.through)?;
    let at = moment.min(end);
    let hold: Hold<'_> = &|conn| {
        let held = clocks::hold_moving(conn, clock)?;
        if held { Ok(()) } else { Err(Refusal::TestClockAdvancing.into()) }
    };
    if moment <= end {
        for period in periods {
            ctx.books().close_in_sandbox(clock.rp, period, (at, ctx.now()), hold)?;
        }
    }
    let whose = Whose::One(clock.rp);
    earning::void_ended(ctx, whose, at, hold)?;
    orders::expire_those(ctx, whose, at, hold)?;
    alerts::tell_those(ctx, whose, at, hold)?;
    let after = match clock.target {
        Some(target) if at >= target => {
            TestClock { at: Some(target), target: None, through: target, epoch: clock.epoch + 1, ..*clock }
        }
        Some(_) => TestClock { at: Some(at), through: at, ..*clock },
        None => TestClock { through: at, ..*clock },
    };
    ctx.rp_store.write_guarded(|conn| replace(conn, clock, &after))?;
    Ok(after)
}

/// The cycles in use.
fn cycles(ctx: &Context) -> Flow<Vec<Cycle>> {
    let changes = ctx.rp_store.read(|conn| Ok(cycle_rows::all(conn)?))?;
    let used = |cycle| changes.values().flatten().any(|change| change.cycle == cycle);
    let is_used = |cycle: &Cycle| *cycle == Cycle::default() || used(*cycle);
    Ok(Cycle::ALL.into_iter().filter(is_used).collect())
}

/// The first moment after `through` at which periods may be closed, and which.
fn next_closing(ctx: &Context, cycles: &[Cycle], through: Timestamp) -> Flow<(Timestamp, Vec<Period>)> {
    // What ends after this may not be closed by `through`, and is the first of its cycle that may not.
    let since = through.saturating_sub(CLOSING_WAIT).unwrap_or(through);
    let of = |cycle: &Cycle| Period::of(*cycle, since, &ctx.zone).map_err(anyhow::Error::from);
    let mut periods = cycles.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    let moment = periods.iter().map(Period::closable_at).min().unwrap_or(Timestamp::MAX);
    periods.retain(|period| period.closable_at() == moment);
    Ok((moment, periods))
}
