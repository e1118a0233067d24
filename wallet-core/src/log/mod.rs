//! The transparency log: an append-only Merkle tree over commitments to acts (RFC 9162 §2.1, laid out as C2SP tlog-tiles), its
//! signed checkpoints (C2SP tlog-checkpoint, signed-note), and proofs that anybody can check.
//!
//! Nothing in the tree says who or what: a leaf is a commitment under a salt of its own ([`entry`]). Who has the act and the salt
//! can prove that it was logged; nobody else learns anything from it, not even its kind.

pub mod edge;
pub mod entry;
pub mod note;
pub mod proof;
pub mod tiles;
pub mod tree;

#[cfg(test)]
mod tests;

pub use tree::Hash;
