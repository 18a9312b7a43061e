//! The thermostat: rescales the velocities so that the kinetic energy is distributed as it should be
//! at the temperature, in mean and in spread.
//!
//! Stochastic velocity rescaling (Bussi, Donadio and Parrinello, J. Chem. Phys. 126, 014101, 2007).
//! It acts on all particles by one factor, so it disturbs their motion little. For the same reason
//! it is no good for a thin gas, where particles hardly meet: see the README.

use crate::fluid::{Fluid, TIME_STEP};
use rand::Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};

/// How long the kinetic energy takes to forget, in units of time: ten steps.
///
/// Short, so that the mean temperature of a run is sharp: pressure rises by 5 with temperature.
const RELAXATION: f64 = 10.0 * TIME_STEP;

/// A bath at one temperature.
#[derive(Debug)]
pub(crate) struct Thermostat {
    temperature: f64,
    keep: f64,
    others: ChiSquared<f64>,
}

impl Thermostat {
    /// A bath for a fluid of as many freedoms.
    pub(crate) fn new(temperature: f64, freedoms: f64) -> Self {
        Self {
            temperature,
            keep: (-TIME_STEP / RELAXATION).exp(),
            others: ChiSquared::new(freedoms - 1.0).expect("a fluid has more than one freedom"),
        }
    }

    /// Exchanges heat for the span of one time step.
    pub(crate) fn touch(&self, fluid: &mut Fluid, random: &mut impl Rng) {
        let one: f64 = StandardNormal.sample(random);
        let sum = one * one + self.others.sample(random);
        let ratio = self.temperature / 2.0 / fluid.kinetic();
        let square = self.keep
            + (1.0 - self.keep) * sum * ratio
            + 2.0 * one * (self.keep * (1.0 - self.keep) * ratio).sqrt();
        fluid.scale_velocities(square.max(0.0).sqrt());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_pcg::{Pcg64, rand_core::SeedableRng};

    #[test]
    fn the_kinetic_energy_has_the_mean_and_the_spread_of_the_canonical_ensemble() {
        let mut random = Pcg64::seed_from_u64(4);
        let mut fluid = Fluid::lattice(300, 0.8, 3.0, &mut random).unwrap();
        let bath = Thermostat::new(0.9, fluid.freedoms());
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);

        for touch in 0..400_000 {
            bath.touch(&mut fluid, &mut random);
            if touch >= 1000 {
                let temperature = fluid.temperature();
                count += 1.0;
                sum += temperature;
                squares += temperature * temperature;
            }
        }

        let mean = sum / count;
        let spread = squares / count - mean * mean;
        let canonical = 2.0 * 0.9 * 0.9 / fluid.freedoms();
        assert!((mean - 0.9).abs() < 0.002, "{mean}");
        assert!((spread / canonical - 1.0).abs() < 0.1, "{spread} for {canonical}");
    }
}
