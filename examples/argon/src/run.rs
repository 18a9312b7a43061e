//! The experiment: melt the lattice, bring the fluid to its temperature, then measure.

use crate::blocks::{Average, Estimate};
use crate::checkpoint::{self, Checkpoints};
use crate::claims::Claims;
use crate::fluid::{Fluid, TooSmall};
use crate::rdf::Distribution;
use crate::thermostat::Thermostat;
use rand_pcg::{Pcg64, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use thiserror::Error;

/// Steps before the measurement; the first third of them melts the lattice.
pub(crate) const EQUILIBRATION: u32 = 3_000;
/// The temperature at which the lattice melts at any density of the liquid.
const MELTING: f64 = 2.5;
/// Steps between two samples of the radial distribution function.
const RDF_EVERY: u32 = 20;

/// What to simulate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// Particles per cubic sigma.
    pub(crate) density: f64,
    /// In epsilon.
    pub(crate) temperature: f64,
    /// How many.
    pub(crate) particles: u32,
    /// Time steps of the measurement.
    pub(crate) steps: u32,
    /// Seed of the velocities and of the thermostat.
    pub(crate) seed: u64,
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    /// The mean temperature.
    pub(crate) temperature: f64,
    /// The mean pressure.
    pub(crate) pressure: Estimate,
    /// The mean potential energy per particle.
    pub(crate) energy: Estimate,
    /// Who is how far from whom.
    pub(crate) distribution: Distribution,
}

/// A run that gave nothing.
#[derive(Debug, Error)]
pub(crate) enum Failed {
    /// The box is too small.
    #[error(transparent)]
    TooSmall(#[from] TooSmall),
    /// Numbers that are none: particles came too near in one step.
    #[error(
        "energy or temperature is no number after {step} steps: particles moved too far in one\n\n  hint: \
         lower the density or the temperature"
    )]
    Diverged {
        /// When it was noticed.
        step: u32,
    },
    /// What an earlier run has saved is of no use, or this one cannot save.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Failed),
    /// The progress could not be told.
    #[error("cannot write the progress")]
    Progress(#[source] io::Error),
}

/// A simulation on its way: all that the rest of it depends on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Course {
    /// Of what.
    pub(crate) settings: Settings,
    /// How many steps are done, from melting on.
    done: u32,
    random: Pcg64,
    fluid: Fluid,
    temperatures: Average,
    pressures: Average,
    energies: Average,
    distribution: Distribution,
}

/// Simulates, and tells `log` how it goes. What an earlier run has saved is gone on with, and the same comes of it to the
/// last bit.
pub(crate) fn run(
    settings: Settings,
    checkpoints: Option<&Checkpoints>,
    claims: &mut Claims,
    log: &mut impl Write,
) -> Result<Measured, Failed> {
    let mut course = match checkpoints.map(|all| all.load(settings)).transpose()?.flatten() {
        Some(course) => {
            writeln!(log, "going on after step {}", course.done).map_err(Failed::Progress)?;
            course
        }
        None => Course::new(settings)?,
    };
    while course.done < course.all() {
        course.step(log)?;
        claims.tell(course.done, course.all(), log).map_err(Failed::Progress)?;
        if let Some(checkpoints) = checkpoints.filter(|all| all.is_due(course.done)) {
            checkpoints.save(&course)?;
            writeln!(log, "saved after step {}", course.done).map_err(Failed::Progress)?;
        }
    }
    Ok(Measured {
        temperature: course.temperatures.estimate().mean,
        pressure: course.pressures.estimate(),
        energy: course.energies.estimate(),
        distribution: course.distribution,
    })
}

impl Course {
    fn new(settings: Settings) -> Result<Self, TooSmall> {
        let Settings { density, temperature, particles, steps, seed } = settings;
        let mut random = Pcg64::seed_from_u64(seed);
        let fluid = Fluid::lattice(particles, density, temperature.max(MELTING), &mut random)?;
        Ok(Self {
            settings,
            done: 0,
            random,
            distribution: Distribution::new(fluid.side(), fluid.particles()),
            fluid,
            temperatures: Average::of(steps),
            pressures: Average::of(steps),
            energies: Average::of(steps),
        })
    }

    /// How many steps there are, from melting on.
    fn all(&self) -> u32 {
        EQUILIBRATION + self.settings.steps
    }

    /// One step, of whatever comes next.
    fn step(&mut self, log: &mut impl Write) -> Result<(), Failed> {
        let Settings { temperature, steps, .. } = self.settings;
        let melting = EQUILIBRATION / 3;
        let is_hot = self.done < melting;
        let bath = if is_hot { temperature.max(MELTING) } else { temperature };
        self.fluid.step();
        Thermostat::new(bath, self.fluid.freedoms()).touch(&mut self.fluid, &mut self.random);
        self.done += 1;
        if self.done <= EQUILIBRATION {
            let (at, of) = if is_hot {
                (self.done, melting)
            } else {
                (self.done - melting, EQUILIBRATION - melting)
            };
            return if at == of { tell(log, &self.fluid, "equilibration", at, of) } else { Ok(()) };
        }
        let step = self.done - EQUILIBRATION;
        self.temperatures.take(self.fluid.temperature());
        self.pressures.take(self.fluid.pressure());
        self.energies.take(self.fluid.energy_per_particle());
        if step.is_multiple_of(RDF_EVERY) {
            self.distribution.take(self.fluid.positions());
        }
        if step.is_multiple_of(steps.div_ceil(5)) || step == steps {
            tell(log, &self.fluid, "measurement", step, steps)?;
        }
        Ok(())
    }
}

fn tell(
    log: &mut impl Write,
    fluid: &Fluid,
    what: &str,
    step: u32,
    steps: u32,
) -> Result<(), Failed> {
    let energy = fluid.energy_per_particle();
    if !(energy + fluid.temperature()).is_finite() {
        return Err(Failed::Diverged { step });
    }
    writeln!(
        log,
        "{what}, step {step} of {steps}: temperature {:.3}, pressure {:.3}, energy {energy:.3}",
        fluid.temperature(),
        fluid.pressure(),
    )
    .map_err(Failed::Progress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_equation;

    fn measured(density: f64, temperature: f64, particles: u32, steps: u32) -> Measured {
        let settings = Settings { density, temperature, particles, steps, seed: 1 };
        run(settings, None, &mut Claims::new(None), &mut io::sink()).unwrap()
    }

    #[test]
    fn a_thin_gas_has_the_pressure_of_an_ideal_one() {
        let found = measured(0.002, 3.0, 100, 500);

        let ideal = 0.002 * found.temperature;
        assert!((found.pressure.mean / ideal - 1.0).abs() < 0.02, "{:?}", found.pressure);
    }

    #[test]
    fn a_hot_dense_fluid_agrees_with_the_equation_of_state() {
        let found = measured(0.5, 2.0, 150, 6_000);

        let pressure = state_equation::pressure(0.5, 2.0);
        let energy = state_equation::energy_per_particle(0.5, 2.0);
        assert!((found.temperature - 2.0).abs() < 0.03, "{}", found.temperature);
        assert!((found.pressure.mean - pressure).abs() < 4.0 * found.pressure.error + 0.02);
        assert!((found.energy.mean - energy).abs() < 4.0 * found.energy.error + 0.01);
        assert!(found.pressure.error < 0.05, "{:?}", found.pressure);
    }

    #[test]
    fn particles_keep_apart_and_gather_in_the_first_shell() {
        let found = measured(0.8, 1.0, 240, 500);

        let peak = found.distribution.peak().unwrap();
        assert!((1.05..1.15).contains(&peak.distance), "{peak:?}");
        assert!((2.3..3.0).contains(&peak.height), "{peak:?}");
        let inside = found.distribution.points().into_iter().filter(|(r, _)| *r < 0.8);
        assert!(inside.map(|(_, g)| g).sum::<f64>() < 1e-12);
    }

    #[test]
    fn the_same_seed_gives_the_same_pressure() {
        let pressure = || measured(0.8, 1.0, 240, 40).pressure;

        assert_eq!(pressure(), pressure());
    }

    #[test]
    fn numbers_that_are_none_are_reported_not_averaged() {
        let settings =
            Settings { density: 0.8, temperature: 1e300, particles: 240, steps: 40, seed: 1 };

        let failed = run(settings, None, &mut Claims::new(None), &mut io::sink()).unwrap_err();

        assert!(matches!(failed, Failed::Diverged { .. }), "{failed}");
    }
}
