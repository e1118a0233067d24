//! What is read of the log: checkpoint and tiles by anybody, evidence by those whom an act concerns.

use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::log::entry::{Act, Evidence};
use wallet_core::log::note::Checkpoint;
use wallet_core::log::proof::Proof;
use wallet_core::log::tiles::{FromTiles, MissingTile, TilePath, bundle};
use wallet_core::log::tree::inclusion;
use wallet_core::refusal::Refusal;

use super::super::Context;
use super::super::callers::Device;
use super::Keys;
use crate::edge::keys::Secrets;
use crate::stop::{Flow, Stop};
use crate::store::{Conn, Store, log};

/// The newest signed checkpoint.
pub fn checkpoint(ctx: &Context) -> Flow<String> {
    newest_checkpoint(&ctx.rp_store)
}

/// The same, for the command line.
pub fn newest_checkpoint(store: &Store) -> Flow<String> {
    let head = store.read(|conn| Ok(log::head(conn)?))?;
    Ok(head.ok_or(Refusal::NotFound)?.checkpoint)
}

/// The evidence for an act, by its id, or for all that was done to something, by the thing's; oldest first.
pub fn evidence_of(store: &Store, secrets: &Secrets, id: &str) -> Flow<Vec<Evidence>> {
    store.read(|conn| {
        let mut leaves: Vec<(u64, Act)> = log::by_ids(conn, &[id])?.into_values().collect();
        if leaves.is_empty() {
            leaves = log::about(conn, &[id.to_owned()], 0, MOST)?;
        }
        evidence(conn, secrets, leaves)
    })
}

/// The bytes of a tile of hashes or of entries, if the tree has got so far.
pub fn tile(ctx: &Context, path: TilePath) -> Flow<Vec<u8>> {
    let hashes = ctx.rp_store.read(|conn| {
        Ok(match path.level {
            Some(level) => log::tile(conn, level, path.index)?,
            None => log::bundle(conn, path.index)?,
        })
    })?;
    let hashes = hashes.get(..path.width).ok_or(Refusal::NotFound)?;
    Ok(if path.level.is_none() { bundle(hashes) } else { hashes.as_flattened().to_vec() })
}

/// The evidence for one act, by the id of its line in the audit trail; `None` until it has its place. Who may see it is the
/// caller's to decide: it discloses the act.
pub fn proof_of(ctx: &Context, id: &str) -> Flow<Option<Evidence>> {
    let found = ctx.rp_store.read(|conn| {
        let leaves: Vec<(u64, Act)> = log::by_ids(conn, &[id])?.into_values().collect();
        evidence(conn, &ctx.secrets, leaves)
    })?;
    Ok(found.into_iter().next())
}

/// The most evidence that is given at once.
const MOST: i64 = 100;

/// The evidence for what `actor` did to `object`, oldest first: what has its place already.
pub fn evidence_about(ctx: &Context, object: &str, actor: &str) -> Flow<Vec<Evidence>> {
    ctx.rp_store.read(|conn| {
        let mut leaves = log::about(conn, &[object.to_owned()], 0, MOST)?;
        leaves.retain(|(_, act)| act.actor == actor);
        evidence(conn, &ctx.secrets, leaves)
    })
}

/// Evidence for what concerns a holder.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogPage)]
pub struct Page {
    /// Oldest first.
    pub acts: Vec<Evidence>,
    /// Where to go on; nothing more is there yet when it is `None`.
    pub next: Option<u64>,
}

/// What was done with a holder's certificates, and what they were used in, from the leaf `first` on.
pub fn acts_of_holder(ctx: &Context, device: &Device, first: u64, limit: i64) -> Flow<Page> {
    let limit = limit.clamp(1, MOST);
    let objects = ctx.holder_store.read(|conn| Ok(log::objects_of_holder(conn, &device.jkt)?))?;
    ctx.rp_store.read(|conn| {
        let leaves = log::about(conn, &objects, first, limit)?;
        let is_full = i64::try_from(leaves.len()).unwrap_or(i64::MAX) >= limit;
        let next = leaves.last().filter(|_| is_full).map(|(index, _)| index + 1);
        Ok(Page { acts: evidence(conn, &ctx.secrets, leaves)?, next })
    })
}

/// Evidence for acts and their places, all under the newest checkpoint. Tiles are only ever added to, so it does no harm when the
/// log grows meanwhile.
fn evidence(conn: &mut Conn, secrets: &Secrets, leaves: Vec<(u64, Act)>) -> Flow<Vec<Evidence>> {
    let Some(head) = log::head(conn)? else { return Ok(Vec::new()) };
    let keys = Keys::of(secrets)?;
    let size = Checkpoint::open(&head.checkpoint, keys.signer.verifier()).map_err(anyhow::Error::from)?.size;
    let mut nodes = FromTiles::new(|level, index| Ok::<_, Broken>(log::tile(conn, level, index)?));
    // What got its place after the checkpoint was read is seen the next time.
    let leaves = leaves.into_iter().filter(|(index, _)| *index < size);
    let one = |(index, act): (u64, Act)| -> Flow<Evidence> {
        let path = inclusion(&mut nodes, index, size).map_err(|Broken(error)| error)?;
        let proof = Proof { index, path, checkpoint: head.checkpoint.clone() };
        let text = act.to_text().map_err(anyhow::Error::from)?;
        Ok(Evidence::new(text, &keys.salts.of(&act.id), &proof))
    };
    leaves.map(one).collect()
}

/// Why a tile can't be had.
struct Broken(Stop);

impl From<MissingTile> for Broken {
    fn from(missing: MissingTile) -> Self {
        Broken(Stop::Broken(missing.into()))
    }
}

impl From<diesel::result::Error> for Broken {
    fn from(error: diesel::result::Error) -> Self {
        Broken(error.into())
    }
}
