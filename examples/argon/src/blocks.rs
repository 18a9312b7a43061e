//! Averages with their errors: samples that follow each other are alike, so the error is taken from
//! the means of long blocks of them (Flyvbjerg and Petersen, J. Chem. Phys. 91, 461, 1989).

use serde::{Deserialize, Serialize};

/// How many blocks a run is cut into.
pub(crate) const BLOCKS: u32 = 20;

/// An average over a run of known length.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Average {
    expected: u32,
    taken: u32,
    sums: [f64; BLOCKS as usize],
    counts: [u32; BLOCKS as usize],
}

/// A mean and its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    /// The mean of all samples.
    pub(crate) mean: f64,
    /// The standard error of the mean, from the spread of the blocks.
    pub(crate) error: f64,
}

impl Average {
    /// For `samples` samples, at least one a block.
    pub(crate) fn of(samples: u32) -> Self {
        assert!(samples >= BLOCKS, "{samples} samples do not fill {BLOCKS} blocks");
        Self {
            expected: samples,
            taken: 0,
            sums: [0.0; BLOCKS as usize],
            counts: [0; BLOCKS as usize],
        }
    }

    /// Takes the next sample; at most as many as were said.
    pub(crate) fn take(&mut self, sample: f64) {
        assert!(self.taken < self.expected, "more than {} samples", self.expected);
        let block = u64::from(self.taken) * u64::from(BLOCKS) / u64::from(self.expected);
        let block = usize::try_from(block).expect("below BLOCKS");
        self.sums[block] += sample;
        self.counts[block] += 1;
        self.taken += 1;
    }

    /// The mean, once all samples were taken.
    pub(crate) fn estimate(&self) -> Estimate {
        let mean = self.sums.iter().sum::<f64>() / f64::from(self.taken);
        let spread: f64 = self
            .sums
            .iter()
            .zip(self.counts)
            .map(|(sum, count)| sum / f64::from(count) - mean)
            .map(|off| off * off)
            .sum();
        let blocks = f64::from(BLOCKS);
        Estimate { mean, error: (spread / (blocks - 1.0) / blocks).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, StandardNormal};
    use rand_pcg::{Pcg64, rand_core::SeedableRng};

    #[test]
    fn the_error_of_independent_samples_is_their_spread_by_the_root_of_their_number() {
        let mut random = Pcg64::seed_from_u64(9);
        let mut average = Average::of(40_000);

        for _ in 0..40_000 {
            let noise: f64 = StandardNormal.sample(&mut random);
            average.take(5.0 + noise);
        }

        let found = average.estimate();
        assert!((found.mean - 5.0).abs() < 0.02, "{found:?}");
        assert!((0.003..0.008).contains(&found.error), "{found:?}");
    }

    #[test]
    fn samples_that_are_alike_do_not_count_as_many() {
        let mut random = Pcg64::seed_from_u64(9);
        let mut average = Average::of(40_000);

        for _ in 0..400 {
            let noise: f64 = StandardNormal.sample(&mut random);
            for _ in 0..100 {
                average.take(noise);
            }
        }

        assert!((0.03..0.08).contains(&average.estimate().error));
    }

    #[test]
    fn a_constant_has_no_error() {
        let mut average = Average::of(45);
        for _ in 0..45 {
            average.take(2.5);
        }

        let found = average.estimate();

        assert!((found.mean - 2.5).abs() < 1e-12 && found.error < 1e-12);
    }
}
