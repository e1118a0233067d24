//! The transparency log: acts get their places, checkpoints are signed, and whoever is concerned is given evidence.
//!
//! A trigger queues each act in the transaction that does it. The sequencer, which one replica runs at a time, takes what is
//! committed and gives it places, whatever order it was committed in: an id that is born early and committed late comes in a later
//! batch. Where the queue lies in the database of the log, an act leaves it in the transaction that appends it. Where holders are
//! apart, it is appended first and taken out afterwards; a crash in between makes it be looked at again, and it is known by its id.
//! Two sequencers at once can't fork the log: each ends in a compare-and-set of its size.

pub mod acts;
mod evidence;
pub mod verify;

pub use evidence::{
    Page, acts_of_holder, checkpoint, evidence_about, evidence_of, newest_checkpoint, proof_of, tile,
};

use jiff::Timestamp;
use wallet_core::log::edge::Edge;
use wallet_core::log::entry::{Act, Commitment, Salts, commit};
use wallet_core::log::note::{LogKey, VerifierKey};
use wallet_core::log::tiles::Tile;
use wallet_core::log::tree::leaf_hash;
use wallet_core::pairwise::keyed;

use super::Context;
use crate::edge::keys::Secrets;
use crate::stop::Flow;
use crate::store::{Conn, Store, log};

/// Acts in one batch: with seven columns, what SQLite takes in one statement.
const BATCH: i64 = 4000;
/// Batches in one run, so that it ends before its lease does.
const BATCHES: usize = 10;

/// The keys of the log.
pub struct Keys {
    /// Signs checkpoints.
    pub signer: LogKey,
    /// What each act is committed to under.
    pub salts: Salts,
}

impl Keys {
    /// Derived from the installation's secret for the log. The log is named after its key, so whatever address it is read at, it
    /// is the same log.
    pub fn of(secrets: &Secrets) -> anyhow::Result<Keys> {
        let seed = keyed(&secrets.log, &[b"signature"]);
        let unnamed = LogKey::new("ecert-log", &seed)?;
        let id = keyed(&[0; 32], &[unnamed.verifier().to_string().as_bytes()]);
        let digits = base16ct::lower::encode_string(&id);
        let signer = LogKey::new(&format!("ecert-log/{digits:.16}"), &seed)?;
        Ok(Keys { signer, salts: Salts::new(keyed(&secrets.log, &[b"salts"])) })
    }

    /// What a leaf says of an act.
    pub fn commitment(&self, act: &Act) -> anyhow::Result<Commitment> {
        Ok(commit(&self.salts.of(&act.id), &act.to_text()?))
    }
}

/// By which key the log's checkpoints are verified.
pub fn verifier(ctx: &Context) -> anyhow::Result<VerifierKey> {
    Ok(Keys::of(&ctx.secrets)?.signer.verifier().clone())
}

/// Whether any act waits for its place, or the log has no checkpoint yet.
pub fn any_waits(ctx: &Context) -> Flow<bool> {
    let begun = ctx.rp_store.read(|conn| Ok(log::head(conn)?.is_some()))?;
    Ok(!begun || ctx.rp_store.read(|conn| Ok(log::any_waits(conn)?))? || {
        !ctx.rp_store.is_same_as(&ctx.holder_store)
            && ctx.holder_store.read(|conn| Ok(log::any_waits(conn)?))?
    })
}

/// Gives the acts that wait their places.
pub fn sequence(ctx: &Context) -> Flow<()> {
    let sequencer = Sequencer {
        log: &ctx.rp_store,
        holders: &ctx.holder_store,
        keys: Keys::of(&ctx.secrets)?,
        now: ctx.now(),
    };
    sequencer.run().map(drop)
}

/// Who gives acts their places.
pub struct Sequencer<'a> {
    /// Where the log is, and the queue of relying parties and the house.
    pub log: &'a Store,
    /// Where the queue of holders is.
    pub holders: &'a Store,
    /// The keys of the log.
    pub keys: Keys,
    /// Now.
    pub now: Timestamp,
}

impl Sequencer<'_> {
    /// Works on the queues until they are empty, or for so many batches that a job may take; how many acts there were.
    pub fn run(&self) -> Flow<usize> {
        let apart = (!self.log.is_same_as(self.holders)).then_some(self.holders);
        let mut taken = 0;
        for queue in std::iter::once(self.log).chain(apart) {
            for _ in 0..BATCHES {
                let batch = self.batch(queue)?;
                taken += batch;
                if i64::try_from(batch).unwrap_or(i64::MAX) < BATCH {
                    break;
                }
            }
        }
        Ok(taken)
    }

    /// Appends one batch from a queue; how many acts were in it.
    fn batch(&self, queue: &Store) -> Flow<usize> {
        if queue.is_same_as(self.log) {
            return self.log.write_guarded(|conn| {
                let acts = log::waiting(conn, BATCH)?;
                self.append(conn, &acts)?;
                log::take_out(conn, &acts)?;
                Ok(acts.len())
            });
        }
        let acts = queue.read(|conn| Ok(log::waiting(conn, BATCH)?))?;
        if !acts.is_empty() {
            self.log.write_guarded(|conn| self.append(conn, &acts))?;
            queue.write_guarded(|conn| Ok(log::take_out(conn, &acts)?))?;
        }
        Ok(acts.len())
    }

    /// Appends acts that have no leaf yet, and signs the new checkpoint. Within a batch they are in the order of their commitments,
    /// which is chance: it says nothing of who came after whom.
    fn append(&self, conn: &mut Conn, acts: &[Act]) -> Flow<()> {
        log::lock(conn)?;
        let ids: Vec<&str> = acts.iter().map(|act| act.id.as_str()).collect();
        let known = log::by_ids(conn, &ids)?;
        let fresh = acts.iter().filter(|act| !known.contains_key(&act.id));
        let fresh: anyhow::Result<Vec<(Commitment, Act)>> =
            fresh.map(|act| Ok((self.keys.commitment(act)?, act.clone()))).collect();
        let (mut fresh, head) = (fresh?, log::head(conn)?);
        fresh.sort();
        let size = head.as_ref().map_or(0, log::Head::size);
        if fresh.is_empty() && head.is_some() {
            return Ok(());
        }
        let mut edge = edge(conn, size)?;
        let mut tiles = Vec::new();
        for (commitment, _) in &fresh {
            edge.push(leaf_hash(commitment), &mut tiles);
        }
        tiles.extend(edge.tiles());
        let checkpoint = self.keys.signer.sign(edge.size(), edge.root());
        log::advance(conn, head.as_ref(), edge.size(), &checkpoint, self.now)?;
        log::append(conn, size, &fresh)?;
        for tile in &tiles {
            log::put_tile(conn, tile)?;
        }
        Ok(())
    }
}

/// The right edge of the tree as it is stored.
fn edge(conn: &mut Conn, size: u64) -> Flow<Edge> {
    let mut tiles = Vec::new();
    for (level, index, _) in Edge::places(size) {
        tiles.push(Tile { level, index, hashes: log::tile(conn, level, index)? });
    }
    Ok(Edge::restore(size, &tiles).map_err(anyhow::Error::from)?)
}
