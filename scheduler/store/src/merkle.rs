//! The Merkle tree of RFC 6962 over the facts of a journal.
//!
//! A leaf is `SHA-256(0x00 || body)`, an inner node `SHA-256(0x01 || left || right)`, and a tree of `n` leaves splits
//! at the largest power of two below `n`. Leaves are counted from zero: the leaf of the fact `seq` is `seq - 1`.
//! Nothing here touches a file; what is stored where is the business of the journal.

mod frontier;
mod proof;
#[cfg(test)]
mod vectors;

pub use frontier::{Frontier, FrontierError};
pub use proof::{ProofError, consistency, inclusion, root, verify_consistency, verify_inclusion};

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// Returns the hash of a leaf.
pub fn leaf(body: &[u8]) -> Hash {
    let mut digest = Sha256::new();
    digest.update([0]);
    digest.update(body);
    digest.finalize().into()
}

/// Returns the hash of an inner node.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    Sha256::digest(bytes).into()
}

/// Returns the root of the tree without leaves: the hash of nothing.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}
