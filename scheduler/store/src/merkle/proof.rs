//! Proofs that a leaf is in a tree, and that one tree is the beginning of another.
//!
//! Made as in RFC 6962 section 2.1, checked as in RFC 9162 sections 2.1.3.2 and 2.1.4.2. Making a proof hashes every
//! leaf once: O(n) time, O(log n) memory beside the leaves.

use super::{Frontier, Hash, node};

/// A proof that does not prove what it was given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf lies outside of the tree.
    #[error("leaf {index} lies outside of a tree of {size} leaves")]
    Outside {
        /// The leaf, counted from zero.
        index: u64,
        /// The leaves of the tree.
        size: u64,
    },
    /// The older tree is larger than the newer one.
    #[error("a tree of {old} leaves cannot be the beginning of one of {new}")]
    Backwards {
        /// The leaves of the older tree.
        old: u64,
        /// The leaves of the newer tree.
        new: u64,
    },
    /// The proof has too many or too few hashes.
    #[error("the proof has {hashes} hashes, which does not fit a tree of {size} leaves")]
    Length {
        /// The hashes of the proof.
        hashes: usize,
        /// The leaves of the (newer) tree.
        size: u64,
    },
    /// The proof leads to another root.
    #[error("the proof leads to another root than that of the tree of {size} leaves")]
    Root {
        /// The leaves of the tree whose root does not come out.
        size: u64,
    },
}

/// Returns the root of the tree over these leaf hashes.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// Returns the audit path of leaf `index` (counted from zero), nearest sibling first.
///
/// # Errors
///
/// [`ProofError::Outside`] if there is no such leaf.
pub fn inclusion(leaves: &[Hash], index: u64) -> Result<Vec<Hash>, ProofError> {
    let size = leaves.len() as u64;
    let outside = ProofError::Outside { index, size };
    let mut index = usize::try_from(index).map_err(|_| outside)?;
    if index >= leaves.len() {
        return Err(outside);
    }
    let mut part = leaves;
    let mut path = Vec::new();
    while part.len() > 1 {
        let (left, right) = part.split_at(split(part.len()));
        if index < left.len() {
            path.push(root(right));
            part = left;
        } else {
            path.push(root(left));
            index -= left.len();
            part = right;
        }
    }
    path.reverse();
    Ok(path)
}

/// Returns the proof that the tree of the first `old` leaves is the beginning of the tree of all of them.
///
/// Empty where there is nothing to prove: `old` is zero or all.
///
/// # Errors
///
/// [`ProofError::Backwards`] if there are fewer than `old` leaves.
pub fn consistency(leaves: &[Hash], old: u64) -> Result<Vec<Hash>, ProofError> {
    let backwards = ProofError::Backwards { old, new: leaves.len() as u64 };
    let mut old = usize::try_from(old).map_err(|_| backwards)?;
    if old > leaves.len() {
        return Err(backwards);
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let mut part = leaves;
    let mut path = Vec::new();
    // Whether the older tree, cut down with `part`, is still the whole older tree: then its root is known.
    let mut whole = true;
    while old < part.len() {
        let (left, right) = part.split_at(split(part.len()));
        if old <= left.len() {
            path.push(root(right));
            part = left;
        } else {
            path.push(root(left));
            old -= left.len();
            part = right;
            whole = false;
        }
    }
    if !whole {
        path.push(root(part));
    }
    path.reverse();
    Ok(path)
}

/// Checks that `leaf` is leaf `index` (counted from zero) of the tree of `size` leaves with this root.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Outside { index, size });
    }
    let length = ProofError::Length { hashes: path.len(), size };
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return Err(length);
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            skip_missing_siblings(&mut at, &mut last);
        } else {
            hash = node(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root { size }) }
}

/// Checks that the tree of `old` leaves with `old_root` is the beginning of that of `new` leaves with `new_root`.
pub fn verify_consistency(
    (old, old_root): (u64, &Hash),
    (new, new_root): (u64, &Hash),
    path: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Backwards { old, new });
    }
    let length = ProofError::Length { hashes: path.len(), size: new };
    if old == new || old == 0 {
        let same = if old == 0 { *old_root == super::empty_root() } else { old_root == new_root };
        return match (same, path.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => Err(length),
            (false, _) => Err(ProofError::Root { size: old }),
        };
    }
    // A complete older tree is a subtree of the newer one: its root is the first hash, and need not be sent.
    let (first, rest) = if old.is_power_of_two() {
        (*old_root, path)
    } else {
        path.split_first().map(|(f, r)| (*f, r)).ok_or(length)?
    };
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut from_old, mut from_new) = (first, first);
    for sibling in rest {
        if last == 0 {
            return Err(length);
        }
        if at & 1 == 1 || at == last {
            from_old = node(sibling, &from_old);
            from_new = node(sibling, &from_new);
            skip_missing_siblings(&mut at, &mut last);
        } else {
            from_new = node(&from_new, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(length);
    }
    if from_old != *old_root {
        return Err(ProofError::Root { size: old });
    }
    if from_new == *new_root { Ok(()) } else { Err(ProofError::Root { size: new }) }
}

/// Climbs past the levels on which the last node of a tree has no sibling and is carried up as it is.
fn skip_missing_siblings(at: &mut u64, last: &mut u64) {
    while *at & 1 == 0 && *at != 0 {
        *at >>= 1;
        *last >>= 1;
    }
}

/// Returns the largest power of two below `size`, which is at least 2.
fn split(size: usize) -> usize {
    size.next_power_of_two() / 2
}
