//! The radial distribution function: how much likelier than by chance two particles are at a
//! distance.

use crate::neighbours::{Vector, nearest};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::io::{self, Write};

/// Width of a bin.
const WIDTH: f64 = 0.025;
/// How far we look, unless half the box is less.
const FARTHEST: f64 = 5.0;

/// Counts of pairs by distance.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Distribution {
    side: f64,
    counts: Vec<u64>,
    samples: u32,
    particles: f64,
}

/// The highest point of the distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peak {
    /// At which distance.
    pub(crate) distance: f64,
    /// How high.
    pub(crate) height: f64,
}

impl Distribution {
    /// An empty one, for `particles` in a cube of `side`.
    pub(crate) fn new(side: f64, particles: f64) -> Self {
        let bins = whole(FARTHEST.min(side / 2.0) / WIDTH);
        Self { side, counts: vec![0; bins], samples: 0, particles }
    }

    /// Counts all pairs of an instant.
    pub(crate) fn take(&mut self, positions: &[Vector]) {
        let bins = u32::try_from(self.counts.len()).expect("at most FARTHEST / WIDTH");
        let far = f64::from(bins) * WIDTH;
        for (at, one) in positions.iter().enumerate() {
            for other in &positions[at + 1..] {
                let square = nearest(one, other, self.side);
                if square < far * far
                    && let Some(count) = self.counts.get_mut(whole(square.sqrt() / WIDTH))
                {
                    *count += 1;
                }
            }
        }
        self.samples += 1;
    }

    /// The middle of each bin and the distribution there; empty before the first sample.
    pub(crate) fn points(&self) -> Vec<(f64, f64)> {
        let pairs = self.particles * (self.particles - 1.0) / 2.0;
        let chance = f64::from(self.samples) * pairs / self.side.powi(3);
        self.counts
            .iter()
            .zip(0_u32..)
            .filter(|_| self.samples > 0)
            .map(|(&count, bin)| {
                let (inner, outer) = (f64::from(bin) * WIDTH, f64::from(bin + 1) * WIDTH);
                let shell = 4.0 / 3.0 * PI * (outer.powi(3) - inner.powi(3));
                (inner + WIDTH / 2.0, as_float(count) / (shell * chance))
            })
            .collect()
    }

    /// The highest point, between bins by the parabola through the three highest.
    pub(crate) fn peak(&self) -> Option<Peak> {
        let points = self.points();
        let top = (0..points.len()).max_by(|&a, &b| points[a].1.total_cmp(&points[b].1))?;
        let (distance, height) = points[top];
        let around =
            top.checked_sub(1).and_then(|left| Some((points[left].1, points.get(top + 1)?.1)));
        let Some((left, right)) = around else {
            return Some(Peak { distance, height });
        };
        let bend = left - 2.0 * height + right;
        let off = if bend < 0.0 { 0.5 * (left - right) / bend } else { 0.0 };
        Some(Peak {
            distance: distance + off * WIDTH,
            height: height - 0.25 * (left - right) * off,
        })
    }

    /// Writes `r,g` lines under a header.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "r,g")?;
        for (distance, height) in self.points() {
            writeln!(out, "{distance:.4},{height:.5}")?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of pairs, below 2^52 in any run that ends")]
fn as_float(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a distance over the width of a bin: not negative, and a few hundred"
)]
fn whole(bins: f64) -> usize {
    bins as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use rand_pcg::{Pcg64, rand_core::SeedableRng};

    #[test]
    fn points_strewn_at_random_give_one_at_every_distance() {
        let mut random = Pcg64::seed_from_u64(6);
        let mut distribution = Distribution::new(10.0, 300.0);

        for _ in 0..200 {
            let strewn: Vec<Vector> =
                (0..300).map(|_| [(); 3].map(|()| random.random_range(0.0..10.0))).collect();
            distribution.take(&strewn);
        }

        let points = distribution.points();
        assert_eq!(points.len(), 200);
        for &(distance, height) in points.iter().filter(|(distance, _)| *distance > 1.0) {
            assert!((height - 1.0).abs() < 0.1, "{height} at {distance}");
        }
    }

    #[test]
    fn the_peak_of_a_single_pair_is_at_its_distance() {
        let mut distribution = Distribution::new(10.0, 2.0);

        distribution.take(&[[0.2, 5.0, 5.0], [9.1, 5.0, 5.0]]);

        let peak = distribution.peak().unwrap();
        assert!((peak.distance - 1.1).abs() < WIDTH, "{peak:?}");
    }

    #[test]
    fn the_table_has_a_header_and_a_line_a_bin() {
        let mut distribution = Distribution::new(10.0, 2.0);
        distribution.take(&[[1.0; 3], [2.0; 3]]);
        let mut out = Vec::new();

        distribution.write(&mut out).unwrap();

        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("r,g\n0.0125,0.00000\n"), "{text}");
        assert_eq!(text.lines().count(), 201);
    }
}
