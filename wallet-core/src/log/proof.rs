//! Checking proofs (RFC 9162 §2.1.3.2, §2.1.4.2), and their text form (C2SP tlog-proof).

use super::note::{Checkpoint, NoteError, VerifierKey, from_base64, to_base64};
use super::tree::{Hash, leaf_hash, node_hash};

/// No proof of a tree that fits in a `u64` is longer.
const MOST_HASHES: usize = 64;
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Whether the leaf with this hash is the one at `index` of the tree with `size` leaves and this root.
pub fn includes(leaf: &Hash, index: u64, size: u64, root: &Hash, path: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(sibling, &hash);
            (place, last) = skip_left_edge(place, last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether the tree with `size` leaves begins with the one with `earlier` leaves; each with its root.
pub fn is_consistent(earlier: (u64, &Hash), later: (u64, &Hash), path: &[Hash]) -> bool {
    let ((earlier, earlier_root), (size, root)) = (earlier, later);
    if earlier == size {
        return path.is_empty() && earlier_root == root;
    }
    if earlier == 0 || earlier > size {
        return earlier == 0 && path.is_empty();
    }
    // A complete earlier tree is a node of the later one, and left out of the path.
    let whole = earlier.is_power_of_two().then_some(earlier_root);
    let mut hashes = whole.into_iter().chain(path);
    let Some(first) = hashes.next().filter(|_| !path.is_empty()) else { return false };
    let shift = (earlier - 1).trailing_ones();
    let (mut place, mut last) = ((earlier - 1) >> shift, (size - 1) >> shift);
    let (mut before, mut after) = (*first, *first);
    for sibling in hashes {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            (before, after) = (node_hash(sibling, &before), node_hash(sibling, &after));
            (place, last) = skip_left_edge(place, last);
        } else {
            after = node_hash(&after, sibling);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && before == *earlier_root && after == *root
}

/// Up from the ragged right edge, to where the node is a right child.
fn skip_left_edge(mut place: u64, mut last: u64) -> (u64, u64) {
    while place & 1 == 0 && place != 0 {
        (place, last) = (place >> 1, last >> 1);
    }
    (place, last)
}

/// A proof by itself: where a leaf stands, the way to the root, and the signed checkpoint of that root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Which leaf.
    pub index: u64,
    /// The way to the root, the lowest first.
    pub path: Vec<Hash>,
    /// The signed note.
    pub checkpoint: String,
}

/// A proof that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The text is no tlog-proof.
    #[error("not a proof in the form of c2sp.org/tlog-proof@v1")]
    Form,
    /// The checkpoint does not hold.
    #[error(transparent)]
    Checkpoint(#[from] NoteError),
    /// The path does not lead from the entry to the root.
    #[error("the entry is not where the proof says in the tree of the checkpoint")]
    NotIncluded,
}

impl Proof {
    /// As text, for a file `.tlog-proof`.
    pub fn to_text(&self) -> String {
        let path: String = self.path.iter().map(|hash| to_base64(hash) + "\n").collect();
        format!("{HEADER}\nindex {}\n{path}\n{}", self.index, self.checkpoint)
    }

    /// From its text; an `extra` line is passed over.
    ///
    /// # Errors
    /// [`ProofError::Form`].
    pub fn parse(text: &str) -> Result<Proof, ProofError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Form)?;
        let mut lines = head.lines();
        if lines.next() != Some(HEADER) {
            return Err(ProofError::Form);
        }
        let line = lines.next().ok_or(ProofError::Form)?;
        let line = if line.starts_with("extra ") { lines.next().ok_or(ProofError::Form)? } else { line };
        let index = line.strip_prefix("index ").and_then(|digits| digits.parse().ok());
        let index = index.ok_or(ProofError::Form)?;
        let path: Option<Vec<Hash>> = lines.take(MOST_HASHES + 1).map(from_base64).collect();
        let path = path.filter(|path| path.len() <= MOST_HASHES).ok_or(ProofError::Form)?;
        Ok(Proof { index, path, checkpoint: checkpoint.to_owned() })
    }

    /// The checkpoint under which `entry` is in the log, if the proof holds.
    ///
    /// # Errors
    /// When it does not: the signature, or the path.
    pub fn verify(&self, entry: &[u8], key: &VerifierKey) -> Result<Checkpoint, ProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        let leaf = leaf_hash(entry);
        if !includes(&leaf, self.index, checkpoint.size, &checkpoint.root, &self.path) {
            return Err(ProofError::NotIncluded);
        }
        Ok(checkpoint)
    }
}
