//! Rounds: requests that want the same of the database at the same time go there together. Whoever comes while nobody of its kind is
//! under way leads a round at once; whoever comes later waits, and the first of those leads the next one with all of them. So
//! nobody waits for company, and the busier the service, the cheaper is each.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Instant;

use anyhow::anyhow;
use diesel::QueryResult;
use parking_lot::{Condvar, Mutex};
use wallet_core::es256::PublicKey;
use wallet_core::ids::{ApiKeyId, CertificateId};

use super::certificates::{self, Certificate, Owner};
use super::codes::{self, Spending};
use super::handles;
use super::idempotency::{self, Claiming};
use super::openings::{self, Opening};
use super::relying_parties::{self, ByKey};
use super::settlements::{self, Settlement};
use super::transact::{Store, overloaded};
use super::{Conn, patience};
use crate::stop::{Flow, Stop};

/// Requests in one round at most: it bounds how long the first of them waits, and what a failed round costs.
const MOST: usize = 64;
/// Rounds of one kind under way at once, in this process.
const AT_ONCE: usize = 1;
/// Requests that may wait for one kind of round; whoever is further behind would wait in vain.
const WAITING: usize = 1024;

/// What each redemption wants of the databases, a kind of round each.
pub struct Rounds {
    /// The relying party of an API key, and the hash of the key's secret.
    pub relying_parties: Round<ApiKeyId, Option<ByKey>>,
    /// Whose certificate a handle names, and the key that its codes are signed with.
    pub handles: Round<[u8; 32], Option<(CertificateId, PublicKey)>>,
    /// Uses up a QR by itself; `false` when it must be looked at more closely.
    pub spends: Round<Spending, bool>,
    /// Opens a redemption, and uses up its QR where [`Rounds::in_one`] says that it may.
    pub openings: Round<Opening, openings::Outcome>,
    /// Claims a key for judging, and finds what is to be judged; `None` when something is known of the key already.
    pub claims: Round<Claiming, Option<idempotency::Found>>,
    /// A certificate, with the eid of its holder.
    pub certificates: Round<CertificateId, Option<(Certificate, Owner)>>,
    /// Writes a judged attempt; `false` when the redemption was closed before.
    pub settlements: Round<Settlement, bool>,
    /// Whether the tables of holders lie beside those of relying parties. One statement may then write to both; it is never
    /// needed to.
    pub in_one: bool,
}

impl Rounds {
    /// Over the tables of relying parties and those of holders.
    pub fn new(rp_store: &Store, holder_store: &Store) -> Rounds {
        Rounds {
            relying_parties: Round::new(rp_store, Kind::Read, relying_parties::by_keys),
            handles: Round::new(holder_store, Kind::Read, handles::with_keys),
            spends: Round::new(holder_store, Kind::Write, codes::spend_all),
            openings: Round::new(rp_store, Kind::Write, openings::insert_all),
            claims: Round::new(rp_store, Kind::Write, idempotency::claim_all),
            certificates: Round::new(holder_store, Kind::Read, certificates::with_owners),
            settlements: Round::new(rp_store, Kind::Write, settlements::insert_all),
            in_one: rp_store.is_same_as(holder_store),
        }
    }
}

/// Whether a round changes anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
}

/// One kind of round. `I` is what each brings, `O` what it takes home.
pub struct Round<I, O> {
    store: Store,
    kind: Kind,
    /// Answers in the order of what it is given.
    work: fn(&mut Conn, &[I]) -> QueryResult<Vec<O>>,
    gate: Mutex<Gate<I, O>>,
}

struct Gate<I, O> {
    leaders: usize,
    waiting: VecDeque<Arc<Place<I, O>>>,
}

struct Place<I, O> {
    turn: Mutex<Turn<I, O>>,
    changed: Condvar,
}

enum Turn<I, O> {
    Waiting(I),
    /// Woken to lead the next round.
    Leading(I),
    /// In a round that is under way.
    Along,
    Done(Flow<O>),
    Gone,
}

impl<I, O> Round<I, O> {
    fn new(store: &Store, kind: Kind, work: fn(&mut Conn, &[I]) -> QueryResult<Vec<O>>) -> Self {
        let gate = Mutex::new(Gate { leaders: 0, waiting: VecDeque::new() });
        Self { store: store.clone(), kind, work, gate }
    }

    /// Does it, alone or with others. What one of them does wrong is not felt by the rest: a round that fails is repeated one by
    /// one.
    pub fn join(&self, item: I) -> Flow<O> {
        // SQLite reads in our own process: there is no way to share.
        if self.kind == Kind::Read && !self.store.is_postgres() {
            return self.run(&[item]).pop().unwrap_or_else(|| Err(missing()));
        }
        let place = {
            let mut gate = self.gate.lock();
            if gate.leaders < AT_ONCE {
                gate.leaders += 1;
                drop(gate);
                return self.lead(item);
            }
            if gate.waiting.len() >= WAITING {
                return Err(overloaded());
            }
            let place = Arc::new(Place { turn: Mutex::new(Turn::Waiting(item)), changed: Condvar::new() });
            gate.waiting.push_back(Arc::clone(&place));
            place
        };
        match patience::waiting(|| self.turn(&place)) {
            Turn::Leading(item) => self.lead(item),
            Turn::Done(outcome) => outcome,
            Turn::Waiting(_) | Turn::Along | Turn::Gone => Err(overloaded()),
        }
    }

    /// Waits for the turn of a place: until it leads, is done, or has run out of patience before a round took it along.
    fn turn(&self, place: &Arc<Place<I, O>>) -> Turn<I, O> {
        let until = Instant::now() + patience::left(self.store.settings().patience);
        let mut turn = place.turn.lock();
        loop {
            match &*turn {
                Turn::Waiting(_) => {
                    let late = place.changed.wait_until(&mut turn, until).timed_out();
                    if late && matches!(*turn, Turn::Waiting(_)) {
                        // Whoever leads next takes the gate first, then the place: so must we.
                        drop(turn);
                        let mut gate = self.gate.lock();
                        gate.waiting.retain(|other| !Arc::ptr_eq(other, place));
                        turn = place.turn.lock();
                        if matches!(*turn, Turn::Waiting(_)) {
                            return std::mem::replace(&mut *turn, Turn::Gone);
                        }
                    }
                }
                // The leader is bounded by the time-outs of its statements.
                Turn::Along => place.changed.wait(&mut turn),
                Turn::Leading(_) | Turn::Done(_) | Turn::Gone => {
                    return std::mem::replace(&mut *turn, Turn::Gone);
                }
            }
        }
    }

    /// Leads a round: our own item first, then all that wait.
    fn lead(&self, item: I) -> Flow<O> {
        // Whoever has a core to wait for, and is about to join, may do so first. It costs nothing where there are cores to spare, and
        // on a busy machine a third of all rounds.
        std::thread::yield_now();
        let (mut items, mut others) = (vec![item], Vec::new());
        {
            let mut gate = self.gate.lock();
            while items.len() < MOST
                && let Some(place) = gate.waiting.pop_front()
            {
                let before = std::mem::replace(&mut *place.turn.lock(), Turn::Along);
                if let Turn::Waiting(item) = before {
                    items.push(item);
                    others.push(place);
                }
            }
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.run(&items)));
        self.hand_on();
        let (mut outcomes, panic) = match outcome {
            Ok(outcomes) => (outcomes.into_iter(), None),
            Err(panic) => (Vec::new().into_iter(), Some(panic)),
        };
        let ours = outcomes.next();
        for place in others {
            let outcome = outcomes.next().unwrap_or_else(|| Err(missing()));
            *place.turn.lock() = Turn::Done(outcome);
            place.changed.notify_one();
        }
        match (ours, panic) {
            (_, Some(panic)) => resume_unwind(panic),
            (Some(outcome), None) => outcome,
            (None, None) => Err(missing()),
        }
    }

    /// The first of those who wait leads the next round.
    fn hand_on(&self) {
        let mut gate = self.gate.lock();
        match gate.waiting.pop_front() {
            None => gate.leaders -= 1,
            Some(place) => {
                let mut turn = place.turn.lock();
                *turn = match std::mem::replace(&mut *turn, Turn::Gone) {
                    Turn::Waiting(item) => Turn::Leading(item),
                    other => other,
                };
                place.changed.notify_one();
            }
        }
    }

    fn run(&self, items: &[I]) -> Vec<Flow<O>> {
        let work = |conn: &mut Conn| Ok((self.work)(conn, items)?);
        let outcomes = match self.kind {
            Kind::Read => self.store.read(work),
            Kind::Write if items.len() == 1 => self.store.write_statement(work),
            Kind::Write => self.store.write_once(work),
        };
        match outcomes {
            Ok(outcomes) if outcomes.len() == items.len() => outcomes.into_iter().map(Ok).collect(),
            Err(stop) if items.len() == 1 => vec![Err(stop)],
            // No connection, no room, no time: there would be none for one either.
            Err(Stop::Refused(_)) => items.iter().map(|_| Err(overloaded())).collect(),
            Err(Stop::Broken(_)) => items.chunks(1).flat_map(|item| self.run(item)).collect(),
            Ok(_) => items.iter().map(|_| Err(missing())).collect(),
        }
    }
}

fn missing() -> Stop {
    anyhow!("a round has no outcome for one of its members").into()
}

#[cfg(test)]
mod tests;
