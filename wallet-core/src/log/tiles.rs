//! Tiles (C2SP tlog-tiles): 256 neighbouring nodes of every eighth height of the tree, so that readers and caches get much at
//! once. A full tile never changes.

use std::collections::HashMap;

use super::entry::Commitment;
use super::tree::{Hash, Nodes, complete_root};

/// Nodes of a full tile.
pub const FULL: usize = 256;
/// Heights from one level of tiles to the next.
pub(super) const LEVEL_BITS: u32 = 8;
/// Levels of a tree whose size fits in a `u64`.
pub(super) const LEVELS: u8 = 8;
/// Decimal digits in each part of a tile's number.
const PART: u64 = 1000;

/// A tile of hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// 0 for the leaves' hashes.
    pub level: u8,
    /// Which of its level.
    pub index: u64,
    /// 256 of them, or fewer at the tree's edge.
    pub hashes: Vec<Hash>,
}

/// What an address below `/log/tile/` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePath {
    /// The level; `None` for entries.
    pub level: Option<u8>,
    /// Which of its level.
    pub index: u64,
    /// How many nodes or entries: 256, or fewer of a partial one.
    pub width: usize,
}

impl TilePath {
    /// From `L/N[.p/W]` or `entries/N[.p/W]`, where N is in parts of three digits, all but the last behind an `x`. Only the one
    /// right spelling is read.
    pub fn parse(path: &str) -> Option<TilePath> {
        let (kind, rest) = path.split_once('/')?;
        let level = if kind == "entries" { None } else { Some(kind.parse().ok()?) };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|width| (1..FULL).contains(width))?),
            None => (rest, FULL),
        };
        let mut index = 0_u64;
        for part in number.split('/') {
            let digits: u64 = part.strip_prefix('x').unwrap_or(part).parse().ok()?;
            index = index.checked_mul(PART)?.checked_add(digits)?;
        }
        let tile = TilePath { level, index, width };
        (tile.to_string() == path && level.is_none_or(|level| level < LEVELS)).then_some(tile)
    }
}

impl std::fmt::Display for TilePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.level {
            Some(level) => write!(f, "{level}/")?,
            None => write!(f, "entries/")?,
        }
        let (mut parts, mut rest) = (vec![format!("{:03}", self.index % PART)], self.index / PART);
        while rest > 0 {
            parts.push(format!("x{:03}", rest % PART));
            rest /= PART;
        }
        parts.reverse();
        write!(f, "{}", parts.join("/"))?;
        if self.width < FULL { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// A bundle of entries as it is served: each behind its length in two bytes, big-endian.
pub fn bundle(entries: &[Commitment]) -> Vec<u8> {
    entries.iter().flat_map(|entry| [0, 32].into_iter().chain(*entry)).collect()
}

/// The entries of a bundle; `None` when it has another form.
pub fn from_bundle(bytes: &[u8]) -> Option<Vec<Commitment>> {
    let (entries, rest) = bytes.as_chunks::<34>();
    let entry = |bytes: &[u8; 34]| bytes.strip_prefix(&[0, 32]).and_then(|entry| entry.try_into().ok());
    if rest.is_empty() { entries.iter().map(entry).collect() } else { None }
}

/// Hashes from the bytes of a tile; `None` when it has another form.
pub fn hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| hashes.to_vec())
}

/// A node that no tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tile of the log is missing or too short: level {level}, number {index}")]
pub struct MissingTile {
    level: u8,
    index: u64,
}

/// Nodes out of tiles, each of which is read once. `read` is given a level and a number, and gives what is there of that tile.
pub struct FromTiles<R> {
    read: R,
    known: HashMap<(u8, u64), Vec<Hash>>,
}

impl<R> FromTiles<R> {
    /// Nodes out of the tiles that `read` gives.
    pub fn new(read: R) -> Self {
        FromTiles { read, known: HashMap::new() }
    }
}

impl<E: From<MissingTile>, R: FnMut(u8, u64) -> Result<Vec<Hash>, E>> Nodes for FromTiles<R> {
    type Error = E;

    fn node(&mut self, height: u32, index: u64) -> Result<Hash, E> {
        let level = u8::try_from(height / LEVEL_BITS).unwrap_or(LEVELS);
        let above = height % LEVEL_BITS;
        let first = index << above;
        let tile = first / FULL as u64;
        let missing = MissingTile { level, index: tile };
        if level >= LEVELS {
            return Err(missing.into());
        }
        let from = usize::try_from(first % FULL as u64).unwrap_or(FULL);
        let hashes = match self.known.entry((level, tile)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => place.insert((self.read)(level, tile)?),
        };
        let nodes = hashes.get(from..from + (1 << above)).ok_or(missing)?;
        complete_root(nodes).ok_or_else(|| missing.into())
    }
}
