//! The right edge of a tree: all that is needed to append and to tell the root.

use super::{Hash, empty_root, node};

/// The roots of the perfect subtrees that a tree of `size` leaves consists of, largest first.
///
/// There is one for each bit set in `size`, so 64 at most; appending costs O(log n) at worst and O(1) in the mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

/// Bytes that are not a frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// The length does not follow from the size.
    #[error("a frontier of {size} leaves has {expected} bytes, these are {bytes}")]
    Length {
        /// How many leaves the first eight bytes promise.
        size: u64,
        /// How many bytes such a frontier has.
        expected: usize,
        /// How many there are.
        bytes: usize,
    },
    /// There are fewer than eight bytes.
    #[error("a frontier has at least 8 bytes, these are {bytes}")]
    Short {
        /// How many there are.
        bytes: usize,
    },
}

impl Frontier {
    /// Returns the frontier of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf.
    pub fn push(&mut self, leaf: Hash) {
        // As many peaks as the size has ones at its end are full with this leaf, smallest last.
        let full = self.size.trailing_ones() as usize;
        let merged = self.peaks.drain(self.peaks.len() - full..).rev();
        let peak = merged.fold(leaf, |right, left| node(&left, &right));
        self.peaks.push(peak);
        self.size += 1;
    }

    /// Returns the root of the tree.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else {
            return empty_root();
        };
        peaks.fold(*last, |right, left| node(left, &right))
    }

    /// Returns the frontier as bytes: the size (8 bytes, big-endian), then the peaks, largest first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 32 * self.peaks.len());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        for peak in &self.peaks {
            bytes.extend_from_slice(peak);
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrontierError> {
        let short = FrontierError::Short { bytes: bytes.len() };
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or(short)?;
        let size = u64::from_be_bytes(*size);
        let (peaks, odd) = rest.as_chunks::<32>();
        if !odd.is_empty() || peaks.len() != size.count_ones() as usize {
            let expected = 8 + 32 * size.count_ones() as usize;
            return Err(FrontierError::Length { size, expected, bytes: bytes.len() });
        }
        Ok(Self { size, peaks: peaks.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf;

    #[test]
    fn a_frontier_survives_its_bytes() {
        let mut frontier = Frontier::new();
        for n in 0..100_u64 {
            assert_eq!(Frontier::from_bytes(&frontier.to_bytes()), Ok(frontier.clone()));
            frontier.push(leaf(&n.to_be_bytes()));
        }
    }

    #[test]
    fn bytes_that_are_no_frontier_are_refused_with_both_lengths() {
        let mut frontier = Frontier::new();
        (0..3_u8).for_each(|n| frontier.push(leaf(&[n])));
        let bytes = frontier.to_bytes();

        assert_eq!(Frontier::from_bytes(&bytes[..4]), Err(FrontierError::Short { bytes: 4 }));
        let expected = FrontierError::Length { size: 3, expected: 72, bytes: 71 };
        assert_eq!(Frontier::from_bytes(&bytes[..71]), Err(expected));
        let expected = FrontierError::Length { size: 3, expected: 72, bytes: 40 };
        assert_eq!(Frontier::from_bytes(&bytes[..40]), Err(expected));
    }
}
