//! The training: stochastic gradient descent with momentum, and the choice of the best epoch.

use crate::data::{Parts, Set};
use crate::distort::Distortion;
use crate::network::{Network, Score};
use ndarray::Axis;
use rand::{Rng, seq::SliceRandom};
use rand_pcg::{Pcg64, rand_core::SeedableRng};
use std::f64::consts::PI;

/// Images a step.
const BATCH: usize = 32;
/// Share of the last step that the next one keeps.
const MOMENTUM: f64 = 0.9;

/// What a person or a sweep chooses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    /// Step length at the start; falls to zero along half a cosine.
    pub(crate) learning_rate: f64,
    /// Hidden units.
    pub(crate) hidden: usize,
    /// Penalty on squared weights.
    pub(crate) l2: f64,
    /// Passes over the training rows.
    pub(crate) epochs: u32,
    /// Seed of the first weights and of the order of the rows.
    pub(crate) seed: u64,
}

/// The network of the best epoch, and how it did.
#[derive(Debug)]
pub(crate) struct Trained {
    /// The weights.
    pub(crate) network: Network,
    /// The epoch they are from; 0 is before training.
    pub(crate) epoch: u32,
    /// On the validation rows.
    pub(crate) validation: Score,
}

/// Trains, and returns the network that did best on the validation rows; ties go to the lower loss.
///
/// `watch` is told of every epoch. The test rows are not looked at.
pub(crate) fn train(
    parts: &Parts,
    settings: Settings,
    mut watch: impl FnMut(u32, Score),
) -> Trained {
    let mut random = Pcg64::seed_from_u64(settings.seed);
    let mut network = Network::random(settings.hidden, &mut random);
    let mut step = network.zeros_like();
    let mut order: Vec<usize> = (0..parts.training.len()).collect();
    let mut best = Trained {
        epoch: 0,
        validation: network.score(&parts.validation),
        network: network.clone(),
    };

    for epoch in 1..=settings.epochs {
        let done = f64::from(epoch - 1) / f64::from(settings.epochs);
        let length = settings.learning_rate * 0.5 * (1.0 + (PI * done).cos());
        order.shuffle(&mut random);
        for rows in order.chunks(BATCH) {
            let batch = distorted(&parts.training, rows, &mut random);
            let gradient = network.gradient(&batch, settings.l2);
            step.blend(MOMENTUM, &gradient, -length);
            network.blend(1.0, &step, 1.0);
        }
        let validation = network.score(&parts.validation);
        watch(epoch, validation);
        if better(validation, best.validation) {
            best = Trained { network: network.clone(), epoch, validation };
        }
    }
    best
}

fn better(one: Score, other: Score) -> bool {
    one.accuracy.total_cmp(&other.accuracy).then(other.loss.total_cmp(&one.loss)).is_gt()
}

/// The chosen rows, each distorted anew.
fn distorted(set: &Set, rows: &[usize], random: &mut impl Rng) -> Set {
    let mut images = set.images.select(Axis(0), rows);
    for mut image in images.rows_mut() {
        let changed = Distortion::random(random).apply(&image.view());
        image.assign(&changed);
    }
    Set { images, labels: set.labels.select(Axis(0), rows) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Settings =
        Settings { learning_rate: 0.05, hidden: 16, l2: 1e-4, epochs: 4, seed: 1 };

    #[test]
    fn four_epochs_do_far_better_than_chance_on_writers_never_seen() {
        let parts = Parts::load().unwrap();

        let trained = train(&parts, QUICK, |_, _| ());

        let accuracy = trained.network.score(&parts.test).accuracy;
        assert!(accuracy > 0.85, "{accuracy}");
    }

    #[test]
    fn the_same_seed_gives_the_same_network() {
        let parts = Parts::load().unwrap();
        let run = |seed| {
            let settings = Settings { epochs: 1, seed, ..QUICK };
            train(&parts, settings, |_, _| ()).network.score(&parts.test)
        };

        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn the_best_epoch_is_kept_not_the_last() {
        let parts = Parts::load().unwrap();
        let mut seen = Vec::new();

        let trained = train(&parts, QUICK, |_, score| seen.push(score));

        assert!(seen.iter().all(|&score| !better(score, trained.validation)));
        assert_eq!(seen[trained.epoch as usize - 1], trained.validation);
    }

    #[test]
    fn a_step_length_that_explodes_still_ends_with_a_score() {
        let parts = Parts::load().unwrap();
        let wild = Settings { learning_rate: 1e6, epochs: 1, ..QUICK };

        let trained = train(&parts, wild, |_, _| ());

        assert!((0.0..=1.0).contains(&trained.validation.accuracy));
    }
}
