//! The sweep: which settings belong to which index of the array.

use thiserror::Error;

const LEARNING_RATES: [f64; 4] = [0.01, 0.03, 0.1, 0.3];
const HIDDEN: [usize; 4] = [16, 32, 64, 128];
const L2: [f64; 2] = [1e-5, 1e-3];

/// How many points the sweep has.
pub(crate) const POINTS: usize = LEARNING_RATES.len() * HIDDEN.len() * L2.len();

/// An index that no point has.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "index {index} is outside the sweep, which has {POINTS} points\n\n  hint: submit it with \
     --array 0-{}",
    POINTS - 1
)]
pub(crate) struct Outside {
    index: usize,
}

/// One point of the grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// Step length at the start.
    pub(crate) learning_rate: f64,
    /// Hidden units.
    pub(crate) hidden: usize,
    /// Penalty on squared weights.
    pub(crate) l2: f64,
}

/// The point at `index`: the learning rate changes fastest, then the hidden units, then the penalty.
pub(crate) fn point(index: usize) -> Result<Point, Outside> {
    let rest = index / LEARNING_RATES.len();
    L2.get(rest / HIDDEN.len())
        .map(|&l2| Point {
            learning_rate: LEARNING_RATES[index % LEARNING_RATES.len()],
            hidden: HIDDEN[rest % HIDDEN.len()],
            l2,
        })
        .ok_or(Outside { index })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_another_point() {
        let points: Vec<Point> = (0..POINTS).map(|index| point(index).unwrap()).collect();

        assert_eq!(POINTS, 32);
        for (at, one) in points.iter().enumerate() {
            assert!(!points[..at].contains(one), "{one:?} occurs twice");
        }
    }

    #[test]
    fn an_index_past_the_end_is_refused_with_the_range() {
        let found = point(32).unwrap_err().to_string();

        assert!(found.starts_with("index 32 is outside the sweep, which has 32 points"));
        assert!(found.ends_with("--array 0-31"));
    }
}
