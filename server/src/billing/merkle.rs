//! The tree over the receipts of a statement (RFC 9162 §2.1.1), made leaf by leaf in the memory of one hash a height.

use wallet_core::log::Hash;
use wallet_core::log::tree::{empty_root, node_hash};

/// A complete subtree over the leaves from `first` up to `end`.
#[derive(Debug, Clone, Copy)]
struct Subtree {
    first: u64,
    end: u64,
    hash: Hash,
}

impl Subtree {
    fn leaves(&self) -> u64 {
        self.end - self.first
    }

    fn covers(&self, index: u64) -> bool {
        (self.first..self.end).contains(&index)
    }
}

/// A tree that grows.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    size: u64,
    /// Each smaller than the one before it.
    subtrees: Vec<Subtree>,
    watched: Option<u64>,
    /// From the watched leaf up, as far as it is known.
    path: Vec<Hash>,
}

/// A whole tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rooted {
    /// Its leaves.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The way from the watched leaf to the root, the lowest first, as `wallet_core::log::proof::includes` reads it; `None` when none
    /// was watched, or there is no such leaf.
    pub path: Option<Vec<Hash>>,
}

impl Tree {
    /// A tree that also keeps the way up from the leaf `index`.
    pub fn watching(index: u64) -> Tree {
        Tree { watched: Some(index), ..Tree::default() }
    }

    /// Appends a leaf: its hash, as `wallet_core::receipt::statement_leaf` makes it.
    pub fn push(&mut self, leaf: Hash) {
        let mut subtree = Subtree { first: self.size, end: self.size + 1, hash: leaf };
        self.size += 1;
        while let Some(left) = self.subtrees.pop_if(|left| left.leaves() == subtree.leaves()) {
            subtree = self.join(left, subtree);
        }
        self.subtrees.push(subtree);
    }

    /// The root of all that was appended, and the way to it.
    pub fn finish(mut self) -> Rooted {
        let mut whole = self.subtrees.pop();
        while let (Some(left), Some(right)) = (self.subtrees.pop(), whole) {
            whole = Some(self.join(left, right));
        }
        let known = self.watched.is_some_and(|index| index < self.size);
        let root = whole.map_or_else(empty_root, |whole| whole.hash);
        Rooted { size: self.size, root, path: known.then_some(self.path) }
    }

    fn join(&mut self, left: Subtree, right: Subtree) -> Subtree {
        if let Some(index) = self.watched {
            if left.covers(index) {
                self.path.push(right.hash);
            } else if right.covers(index) {
                self.path.push(left.hash);
            }
        }
        Subtree { first: left.first, end: right.end, hash: node_hash(&left.hash, &right.hash) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wallet_core::log::edge::Edge;
    use wallet_core::log::proof::includes;
    use wallet_core::receipt::statement_leaf;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|number| statement_leaf(&format!("receipt {number}"))).collect()
    }

    fn grown(mut tree: Tree, leaves: &[Hash]) -> Rooted {
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree.finish()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_root_is_that_of_the_log_and_a_proof_holds_for_its_leaf_alone(
            size in 1_u64..700, watched in any::<prop::sample::Index>(),
        ) {
            let leaves = leaves(size);
            let index = watched.index(leaves.len());
            let mut edge = Edge::default();
            leaves.iter().for_each(|leaf| edge.push(*leaf, &mut Vec::new()));
            let rooted = grown(Tree::watching(index as u64), &leaves);
            prop_assert_eq!((rooted.size, rooted.root), (size, edge.root()));
            prop_assert_eq!(grown(Tree::default(), &leaves), Rooted { path: None, ..rooted.clone() });
            let path = rooted.path.unwrap();
            prop_assert!(includes(&leaves[index], index as u64, size, &rooted.root, &path));
            let changed = statement_leaf(&format!("receipt {index}."));
            prop_assert!(!includes(&changed, index as u64, size, &rooted.root, &path));
            let next = (index as u64 + 1) % size;
            prop_assert!(size == 1 || !includes(&leaves[index], next, size, &rooted.root, &path));
        }
    }

    #[test]
    fn a_tree_without_leaves_has_a_root_and_no_way_to_it() {
        let rooted = Tree::watching(0).finish();
        assert_eq!((rooted.size, rooted.root, rooted.path), (0, empty_root(), None));
        assert_eq!(grown(Tree::watching(3), &leaves(3)).path, None);
    }
}
