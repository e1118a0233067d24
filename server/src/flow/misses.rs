//! What keeps 16 digits from being guessed: well-formed digits that are not known are counted, and too many of them shut whoever sends
//! them out. The counters lie in the database, so that they hold over all replicas; only a miss writes to them.
//!
//! A QR is signed and can't be guessed, so expired pictures of one are not counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::{Condvar, Mutex};
use wallet_core::ids::RelyingPartyId;
use wallet_core::refusal::Refusal;

use super::Context;
use crate::stop::Flow;
use crate::store::{Conn, throttles};

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
/// Of a relying party.
const A_MINUTE: i64 = 5;
const A_DAY: i64 = 100;
/// Of one of its terminals.
const A_MINUTE_PER_TERMINAL: i64 = 3;
/// While all relying parties together miss too often, digits are taken from those only that have missed no more than this today, and not
/// in this minute.
const CLEAN_A_DAY: i64 = 2;
/// The counter of all misses is parted, so that relying parties under attack do not wait for one another.
const PARTS: u8 = 16;
/// Digits of one relying party that are looked up at once in this process; others wait. Misses are counted after the look-up: this bounds
/// how many can be tried before the first of them counts.
const AT_ONCE: u32 = 5;
/// How long others wait. A look-up takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// When whoever waited in vain may come again, in seconds.
const COME_AGAIN: u32 = 1;

/// The limits of this process.
pub struct Misses {
    breaker: i64,
    looking: Arc<Looking>,
}

/// How many look up digits, by relying party.
#[derive(Debug, Default)]
struct Looking {
    counts: Mutex<HashMap<RelyingPartyId, u32>>,
    left: Condvar,
}

/// Leave to look digits up, until it is dropped.
#[derive(Debug)]
pub(super) struct Leave {
    rp: RelyingPartyId,
    looking: Arc<Looking>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut counts = self.looking.counts.lock();
        if let Some(count) = counts.get_mut(&self.rp) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.rp);
            }
        }
        drop(counts);
        // Whoever waits may wait for another relying party's, so all look.
        self.looking.left.notify_all();
    }
}

impl Misses {
    /// `breaker`: misses a minute, over all relying parties, from which on digits are taken from clean ones only.
    pub fn new(breaker: u32) -> Misses {
        Misses { breaker: breaker.into(), looking: Arc::default() }
    }

    fn enter(&self, rp: RelyingPartyId, patience: Duration) -> Result<Leave, Refusal> {
        let until = Instant::now() + patience;
        let mut counts = self.looking.counts.lock();
        while counts.get(&rp).is_some_and(|count| *count >= AT_ONCE) {
            if self.looking.left.wait_until(&mut counts, until).timed_out() {
                return Err(Refusal::RateLimited { retry_after: COME_AGAIN });
            }
        }
        *counts.entry(rp).or_insert(0) += 1;
        Ok(Leave { rp, looking: Arc::clone(&self.looking) })
    }
}

/// Who sent digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) rp: RelyingPartyId,
    /// A till, a tablet: the relying party's own name for it.
    pub(super) terminal: Option<&'a str>,
}

impl Sender<'_> {
    fn subject(self, window: i64) -> String {
        format!("code-misses/{window}/{}", self.rp)
    }

    fn terminal_subject(self) -> Option<String> {
        Some(format!("code-misses/terminal/{}/{}", self.rp, self.terminal?))
    }

    fn part(self) -> u8 {
        self.rp.to_bytes().last().copied().unwrap_or(0) % PARTS
    }
}

fn part_subject(part: u8) -> String {
    format!("code-misses/all/{part}")
}

fn start(now: Timestamp, window: i64) -> i64 {
    now.as_second() / window * window
}

fn limited(now: Timestamp, window: i64) -> Refusal {
    let left = start(now, window) + window - now.as_second();
    Refusal::RateLimited { retry_after: u32::try_from(left).unwrap_or(1).max(1) }
}

/// Leave to look digits up, unless too many were missed. Hold it until a miss is counted.
pub(super) fn admit(ctx: &Context, sender: Sender<'_>, now: Timestamp) -> Flow<Leave> {
    let leave = ctx.misses.enter(sender.rp, PATIENCE)?;
    ctx.rp_store.read(|conn| {
        let today = throttles::read(conn, &sender.subject(DAY), start(now, DAY))?;
        if today >= A_DAY {
            return Err(limited(now, DAY).into());
        }
        let minute = start(now, MINUTE);
        let lately = throttles::read(conn, &sender.subject(MINUTE), minute)?;
        let here = match sender.terminal_subject() {
            Some(subject) if lately > 0 => throttles::read(conn, &subject, minute)?,
            _ => 0,
        };
        let is_clean = lately == 0 && today <= CLEAN_A_DAY;
        let shut = lately >= A_MINUTE
            || here >= A_MINUTE_PER_TERMINAL
            // Whoever is clean need not be held against the misses of all.
            || !is_clean && everybodys(conn, minute)? >= ctx.misses.breaker;
        if shut { Err(limited(now, MINUTE).into()) } else { Ok(()) }
    })?;
    Ok(leave)
}

fn everybodys(conn: &mut Conn, minute: i64) -> Flow<i64> {
    let parts: Vec<String> = (0..PARTS).map(part_subject).collect();
    Ok(throttles::sum(conn, &parts, minute)?)
}

/// Counts a miss.
pub(super) fn count(conn: &mut Conn, sender: Sender<'_>, now: Timestamp) -> Flow<()> {
    let minute = start(now, MINUTE);
    throttles::count(conn, &sender.subject(MINUTE), minute)?;
    throttles::count(conn, &sender.subject(DAY), start(now, DAY))?;
    if let Some(subject) = sender.terminal_subject() {
        throttles::count(conn, &subject, minute)?;
    }
    Ok(throttles::count(conn, &part_subject(sender.part()), minute)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_look_at_once_and_who_leaves_makes_room() {
        let (misses, rp) = (Misses::new(1), RelyingPartyId::first_at(Timestamp::UNIX_EPOCH));
        let enter = |rp| misses.enter(rp, Duration::from_millis(10));
        let mut inside: Vec<Leave> = (0..AT_ONCE).map(|_| enter(rp).unwrap()).collect();
        assert_eq!(enter(rp).unwrap_err(), Refusal::RateLimited { retry_after: COME_AGAIN });
        enter(RelyingPartyId::new(Timestamp::UNIX_EPOCH, &mut rand::rng())).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| misses.enter(rp, PATIENCE).unwrap());
            inside.pop();
            inside.push(waiting.join().unwrap());
        });
        inside.clear();
        assert!(misses.looking.counts.lock().is_empty());
    }
}
