//! Hashes of the tree (RFC 9162 §2.1.1), and proofs made from the hashes of complete subtrees (§2.1.3.1, §2.1.4.1).

use sha2::{Digest, Sha256};

/// SHA-256.
pub type Hash = [u8; 32];

/// The hash of a leaf.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// The hash of an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a tree without leaves.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root over a power of two of neighbouring nodes; `None` for another number of them.
pub fn complete_root(nodes: &[Hash]) -> Option<Hash> {
    match nodes {
        [node] => Some(*node),
        _ if nodes.len().is_power_of_two() => {
            let (left, right) = nodes.split_at(nodes.len() / 2);
            Some(node_hash(&complete_root(left)?, &complete_root(right)?))
        }
        _ => None,
    }
}

/// Where the hashes of complete subtrees come from.
pub trait Nodes {
    /// Why one can't be had.
    type Error;

    /// The root of the complete subtree over the leaves from `index · 2^height` up to `(index + 1) · 2^height`.
    fn node(&mut self, height: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The root of the tree of the first `size` leaves.
pub fn root<N: Nodes>(nodes: &mut N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 { Ok(empty_root()) } else { range(nodes, 0, size) }
}

/// The hashes that lead from the leaf `index` to the root of the first `size` leaves, the lowest first. Empty when there is no such leaf.
pub fn inclusion<N: Nodes>(nodes: &mut N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let (mut low, mut high, mut path) = (0, size, Vec::new());
    while index < high && high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(range(nodes, middle, high)?);
            high = middle;
        } else {
            path.push(range(nodes, low, middle)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that prove that the tree of the first `size` leaves begins with that of the first `earlier` ones. Empty when they are the
/// same, or the earlier one is empty or the larger.
pub fn consistency<N: Nodes>(nodes: &mut N, earlier: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let (mut low, mut high, mut path) = (0, size, Vec::new());
    if earlier == 0 || earlier >= size {
        return Ok(path);
    }
    while earlier != high {
        let middle = low + split(high - low);
        if earlier <= middle {
            path.push(range(nodes, middle, high)?);
            high = middle;
        } else {
            path.push(range(nodes, low, middle)?);
            low = middle;
        }
    }
    // The verifier knows this one if it is the whole earlier tree.
    if low != 0 {
        path.push(range(nodes, low, high)?);
    }
    path.reverse();
    Ok(path)
}

/// The root over the leaves from `low` up to `high`, of which the greater part is a complete subtree.
fn range<N: Nodes>(nodes: &mut N, low: u64, high: u64) -> Result<Hash, N::Error> {
    let count = high - low;
    if count.is_power_of_two() {
        let height = count.trailing_zeros();
        return nodes.node(height, low >> height);
    }
    let middle = low + split(count);
    let left = range(nodes, low, middle)?;
    Ok(node_hash(&left, &range(nodes, middle, high)?))
}

/// The greatest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}
