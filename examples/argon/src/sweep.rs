//! The sweep: densities of the liquid on the isotherm of temperature 0.9, from near boiling to near
//! freezing.

use thiserror::Error;

/// The temperature of every point.
pub(crate) use crate::published::NIST_TEMPERATURE as TEMPERATURE;

const DENSITIES: [f64; 8] = [0.776, 0.78, 0.8, 0.82, 0.84, 0.86, 0.88, 0.9];

/// An index that no point has.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "index {index} is outside the sweep, which has {} points\n\n  hint: submit it with --array 0-{}",
    DENSITIES.len(),
    DENSITIES.len() - 1
)]
pub(crate) struct Outside {
    index: usize,
}

/// The density at `index`; they grow with it.
pub(crate) fn density(index: usize) -> Result<f64, Outside> {
    DENSITIES.get(index).copied().ok_or(Outside { index })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published;

    #[test]
    fn every_point_has_a_published_value() {
        for index in 0..DENSITIES.len() {
            assert!(published::at(density(index).unwrap(), TEMPERATURE).is_some());
        }
    }

    #[test]
    fn an_index_past_the_end_is_refused_with_the_range() {
        let found = density(8).unwrap_err().to_string();

        assert!(found.starts_with("index 8 is outside the sweep, which has 8 points"), "{found}");
        assert!(found.ends_with("--array 0-7"), "{found}");
    }
}
