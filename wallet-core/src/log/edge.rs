//! The right edge of a growing tree: all that is needed to append to it, whatever its size.

use super::tiles::{FULL, LEVEL_BITS, LEVELS, Tile};
use super::tree::{Hash, complete_root, empty_root, node_hash};

/// The partial tiles of a tree, one a level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// By level: the nodes of its last tile, which is never full.
    levels: Vec<Vec<Hash>>,
}

/// The tiles given are not those of the edge of a tree of that size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tiles at the edge of the log do not fit its size")]
pub struct BrokenEdge;

impl Edge {
    /// Where the tiles of the edge of a tree of this size are: their level, number and width, without empty ones.
    pub fn places(size: u64) -> impl Iterator<Item = (u8, u64, usize)> {
        (0..LEVELS).filter_map(move |level| {
            let nodes = size >> (u32::from(level) * LEVEL_BITS);
            let width = usize::try_from(nodes % FULL as u64).unwrap_or(0);
            (width > 0).then_some((level, nodes / FULL as u64, width))
        })
    }

    /// The edge of a tree of this size, from its tiles.
    ///
    /// # Errors
    /// When they are not as [`Edge::places`] says.
    pub fn restore(size: u64, tiles: &[Tile]) -> Result<Edge, BrokenEdge> {
        let mut levels = Vec::new();
        for (level, index, width) in Edge::places(size) {
            let found = tiles.iter().find(|tile| (tile.level, tile.index) == (level, index));
            let tile = found.filter(|tile| tile.hashes.len() == width).ok_or(BrokenEdge)?;
            levels.resize(usize::from(level), Vec::new());
            levels.push(tile.hashes.clone());
        }
        Ok(Edge { size, levels })
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf; tiles that it makes full are added to `full`.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<Tile>) {
        self.size += 1;
        let mut node = leaf;
        for level in 0..LEVELS {
            let place = usize::from(level);
            if self.levels.len() <= place {
                self.levels.resize(place + 1, Vec::new());
            }
            let Some(nodes) = self.levels.get_mut(place) else { return };
            nodes.push(node);
            if nodes.len() < FULL {
                return;
            }
            let hashes = std::mem::take(nodes);
            let Some(parent) = complete_root(&hashes) else { return };
            node = parent;
            let index = (self.size >> (u32::from(level) * LEVEL_BITS)) / FULL as u64 - 1;
            full.push(Tile { level, index, hashes });
        }
    }

    /// The partial tiles, none of them empty.
    pub fn tiles(&self) -> Vec<Tile> {
        let tile = |(level, index, _)| {
            let hashes = self.levels.get(usize::from(level)).cloned().unwrap_or_default();
            Tile { level, index, hashes }
        };
        Edge::places(self.size).map(tile).collect()
    }

    /// The root of the whole tree.
    pub fn root(&self) -> Hash {
        let mut root = None;
        for nodes in &self.levels {
            let mut rest = nodes.as_slice();
            // The smallest complete subtrees are the rightmost ones.
            while !rest.is_empty() {
                let (before, subtree) = rest.split_at(rest.len() - (1 << rest.len().trailing_zeros()));
                let Some(left) = complete_root(subtree) else { break };
                root = Some(root.map_or(left, |right| node_hash(&left, &right)));
                rest = before;
            }
        }
        root.unwrap_or_else(empty_root)
    }
}
