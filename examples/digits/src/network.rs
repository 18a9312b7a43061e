//! The model: a network with one hidden layer, its loss and the gradient of its loss.

use crate::data::{CLASSES, PIXELS, Set};
use ndarray::{Array1, Array2, Axis, Zip};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// A network: 64 pixels, `hidden` rectified units, 10 classes. Also the shape of its own gradient.
///
/// In `f64`: twice the time of `f32`, and finite differences can check the gradient closely.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    hidden_weights: Array2<f64>,
    hidden_bias: Array1<f64>,
    output_weights: Array2<f64>,
    output_bias: Array1<f64>,
}

/// How well a network does on a set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Score {
    /// The share of images whose digit it names, in `0.0..=1.0`.
    pub(crate) accuracy: f64,
    /// The mean cross-entropy, in nats; without the penalty on the weights.
    pub(crate) loss: f64,
}

impl Network {
    /// Weights at random with variance 2 / inputs (He et al., ICCV 2015), biases zero.
    pub(crate) fn random(hidden: usize, random: &mut impl Rng) -> Self {
        Self {
            hidden_weights: layer(PIXELS, hidden, random),
            hidden_bias: Array1::zeros(hidden),
            output_weights: layer(hidden, CLASSES, random),
            output_bias: Array1::zeros(CLASSES),
        }
    }

    /// The same shape, filled with zeros.
    pub(crate) fn zeros_like(&self) -> Self {
        Self {
            hidden_weights: Array2::zeros(self.hidden_weights.raw_dim()),
            hidden_bias: Array1::zeros(self.hidden_bias.raw_dim()),
            output_weights: Array2::zeros(self.output_weights.raw_dim()),
            output_bias: Array1::zeros(self.output_bias.raw_dim()),
        }
    }

    /// What the hidden units give, one image a row.
    fn hidden(&self, images: &Array2<f64>) -> Array2<f64> {
        let mut units = images.dot(&self.hidden_weights) + &self.hidden_bias;
        units.mapv_inplace(|unit| unit.max(0.0));
        units
    }

    /// The probability of each class, one image a row, from the hidden units.
    fn classes(&self, units: &Array2<f64>) -> Array2<f64> {
        let mut classes = units.dot(&self.output_weights) + &self.output_bias;
        for mut row in classes.rows_mut() {
            let most = row.fold(f64::NEG_INFINITY, |most, &logit| most.max(logit));
            row.mapv_inplace(|logit| (logit - most).exp());
            let sum = row.sum();
            row.mapv_inplace(|part| part / sum);
        }
        classes
    }

    /// The gradient of the mean cross-entropy plus `l2 / 2` times the sum of squared weights.
    pub(crate) fn gradient(&self, batch: &Set, l2: f64) -> Self {
        let units = self.hidden(&batch.images);
        let mut error = self.classes(&units);
        for (mut row, &label) in error.rows_mut().into_iter().zip(&batch.labels) {
            row[label] -= 1.0;
        }
        error /= as_float(batch.len());

        let mut back = error.dot(&self.output_weights.t());
        Zip::from(&mut back).and(&units).for_each(|back, &unit| {
            if unit <= 0.0 {
                *back = 0.0;
            }
        });

        Self {
            hidden_weights: batch.images.t().dot(&back) + &self.hidden_weights * l2,
            hidden_bias: back.sum_axis(Axis(0)),
            output_weights: units.t().dot(&error) + &self.output_weights * l2,
            output_bias: error.sum_axis(Axis(0)),
        }
    }

    /// Replaces `self` by `keep * self + add * other`: a step down a gradient, or its momentum.
    pub(crate) fn blend(&mut self, keep: f64, other: &Self, add: f64) {
        for (ours, theirs) in self.values_mut().zip(other.values()) {
            *ours = keep * *ours + add * theirs;
        }
    }

    /// Accuracy and loss on a set.
    pub(crate) fn score(&self, set: &Set) -> Score {
        let classes = self.classes(&self.hidden(&set.images));
        let mut right = 0_usize;
        let mut loss = 0.0;
        for (row, &label) in classes.rows().into_iter().zip(&set.labels) {
            if row.iter().enumerate().all(|(class, &p)| class == label || p < row[label]) {
                right += 1;
            }
            loss -= row[label].max(f64::MIN_POSITIVE).ln();
        }
        Score { accuracy: as_float(right) / as_float(set.len()), loss: loss / as_float(set.len()) }
    }

    fn values(&self) -> impl Iterator<Item = &f64> {
        self.hidden_weights
            .iter()
            .chain(&self.hidden_bias)
            .chain(&self.output_weights)
            .chain(&self.output_bias)
    }

    fn values_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        self.hidden_weights
            .iter_mut()
            .chain(&mut self.hidden_bias)
            .chain(&mut self.output_weights)
            .chain(&mut self.output_bias)
    }
}

fn layer(inputs: usize, outputs: usize, random: &mut impl Rng) -> Array2<f64> {
    let spread = (2.0 / as_float(inputs)).sqrt();
    Array2::from_shape_simple_fn((inputs, outputs), || {
        let value: f64 = StandardNormal.sample(random);
        value * spread
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows and units, far below 2^52")]
fn as_float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Parts;
    use rand_pcg::{Pcg64, rand_core::SeedableRng};

    fn penalised(network: &Network, set: &Set, l2: f64) -> f64 {
        let squares = network.hidden_weights.iter().chain(&network.output_weights);
        network.score(set).loss + l2 / 2.0 * squares.map(|weight| weight * weight).sum::<f64>()
    }

    #[test]
    fn the_gradient_agrees_with_finite_differences() {
        let set = Parts::load().unwrap().training.rows(0, 20);
        let network = Network::random(6, &mut Pcg64::seed_from_u64(3));
        let l2 = 0.01;
        let nudge = 1e-6;

        let gradient = network.gradient(&set, l2);

        let mut largest = 0.0_f64;
        for at in 0..network.values().count() {
            let moved = |by: f64| {
                let mut network = network.clone();
                *network.values_mut().nth(at).unwrap() += by;
                penalised(&network, &set, l2)
            };
            let slope = (moved(nudge) - moved(-nudge)) / (2.0 * nudge);
            let stated = *gradient.values().nth(at).unwrap();
            largest = largest.max(stated.abs());
            assert!((slope - stated).abs() < 1e-6, "value {at}: {stated} stated, {slope} found");
        }
        assert!(largest > 0.01, "the test moved nothing: largest slope {largest}");
    }

    #[test]
    fn probabilities_sum_to_one_even_for_huge_logits() {
        let set = Parts::load().unwrap().test.rows(0, 5);
        let mut network = Network::random(8, &mut Pcg64::seed_from_u64(1));
        network.output_weights *= 1e4;

        let classes = network.classes(&network.hidden(&set.images));

        for row in classes.rows() {
            assert!((row.sum() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_network_that_knows_nothing_scores_a_tie_as_wrong() {
        let set = Parts::load().unwrap().test.rows(0, 50);
        let blank = Network::random(4, &mut Pcg64::seed_from_u64(1)).zeros_like();

        let score = blank.score(&set);

        assert!(score.accuracy < 1e-12);
        assert!((score.loss - 10.0_f64.ln()).abs() < 1e-12);
    }
}
