//! The fluid: particles in a periodic cube, moved by velocity Verlet.

use crate::lattice;
use crate::neighbours::{Neighbours, SKIN, Vector};
use crate::potential::{self, CUTOFF, tail_energy, tail_pressure};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The time step, in sigma * sqrt(mass / epsilon); about 9 femtoseconds of argon.
pub(crate) const TIME_STEP: f64 = 0.004;

/// A box that cannot hold the interaction.
#[derive(Debug, Error, PartialEq)]
#[error(
    "{particles} particles at density {density} fill a cube of side {side:.2}, but the cut needs \
     {least:.2}\n\n  hint: use at least {enough} particles"
)]
pub(crate) struct TooSmall {
    particles: u32,
    density: f64,
    side: f64,
    least: f64,
    enough: u32,
}

/// A neighbour within the cut.
#[derive(Debug, Clone, Copy, Default)]
struct Near {
    particle: u32,
    way: Vector,
    square: f64,
}

/// The fluid at one instant.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fluid {
    side: f64,
    positions: Vec<Vector>,
    velocities: Vec<Vector>,
    forces: Vec<Vector>,
    neighbours: Neighbours,
    /// Kept for its memory.
    #[serde(skip)]
    near: Vec<Near>,
    potential: f64,
    virial: f64,
    pairs: u32,
}

impl Fluid {
    /// Particles on a face-centred cubic lattice, with random velocities and no common motion.
    pub(crate) fn lattice(
        particles: u32,
        density: f64,
        temperature: f64,
        random: &mut impl Rng,
    ) -> Result<Self, TooSmall> {
        let side = (f64::from(particles) / density).cbrt();
        let least = 2.0 * (CUTOFF + SKIN);
        if side < least {
            let enough = whole((density * least.powi(3)).ceil());
            return Err(TooSmall { particles, density, side, least, enough });
        }
        let positions = lattice::face_centred(particles, side);
        let mut fluid = Self {
            side,
            velocities: positions
                .iter()
                .map(|_| [(); 3].map(|()| StandardNormal.sample(random)))
                .collect(),
            forces: vec![[0.0; 3]; positions.len()],
            positions,
            neighbours: Neighbours::default(),
            near: Vec::new(),
            potential: 0.0,
            virial: 0.0,
            pairs: 0,
        };
        fluid.stop_common_motion();
        fluid.scale_velocities((temperature / fluid.temperature()).sqrt());
        fluid.find_forces();
        Ok(fluid)
    }

    /// One time step. Energy and momentum are conserved, up to the size of the step.
    pub(crate) fn step(&mut self) {
        self.kick();
        for (x, v) in self.positions.iter_mut().flatten().zip(self.velocities.iter().flatten()) {
            *x += TIME_STEP * v;
        }
        self.find_forces();
        self.kick();
    }

    /// Multiplies all velocities.
    pub(crate) fn scale_velocities(&mut self, by: f64) {
        for v in self.velocities.iter_mut().flatten() {
            *v *= by;
        }
    }

    /// Ways to move: three a particle, less three, since the fluid as a whole does not move.
    pub(crate) fn freedoms(&self) -> f64 {
        3.0 * self.particles() - 3.0
    }

    /// How many particles, as a number to compute with.
    pub(crate) fn particles(&self) -> f64 {
        f64::from(u32::try_from(self.positions.len()).expect("at most 4,000 particles"))
    }

    /// Particles per volume.
    pub(crate) fn density(&self) -> f64 {
        self.particles() / self.side.powi(3)
    }

    /// The edge of the cube.
    pub(crate) fn side(&self) -> f64 {
        self.side
    }

    /// Where the particles are: in the cube, or less than the skin outside.
    pub(crate) fn positions(&self) -> &[Vector] {
        &self.positions
    }

    /// The kinetic energy of all particles.
    pub(crate) fn kinetic(&self) -> f64 {
        0.5 * self.velocities.iter().flatten().map(|v| v * v).sum::<f64>()
    }

    /// The temperature of this instant.
    pub(crate) fn temperature(&self) -> f64 {
        2.0 * self.kinetic() / self.freedoms()
    }

    /// The potential energy per particle, with the tail beyond the cut.
    pub(crate) fn energy_per_particle(&self) -> f64 {
        self.potential / self.particles() + tail_energy(self.density())
    }

    /// The pressure of this instant by the virial, with the tail beyond the cut.
    pub(crate) fn pressure(&self) -> f64 {
        self.density() * self.temperature()
            + self.virial / (3.0 * self.side.powi(3))
            + tail_pressure(self.density())
    }

    /// What velocity Verlet conserves: with the potential shifted to be 0 at the cut, since a step
    /// there does no work on a pair that crosses it.
    #[cfg(test)]
    fn conserved(&self) -> f64 {
        let shift = potential::pair(CUTOFF * CUTOFF).energy;
        self.kinetic() + self.potential - f64::from(self.pairs) * shift
    }

    fn kick(&mut self) {
        for (v, f) in self.velocities.iter_mut().flatten().zip(self.forces.iter().flatten()) {
            *v += 0.5 * TIME_STEP * f;
        }
    }

    fn stop_common_motion(&mut self) {
        let particles = self.particles();
        for axis in 0..3 {
            let mean = self.velocities.iter().map(|v| v[axis]).sum::<f64>() / particles;
            for v in &mut self.velocities {
                v[axis] -= mean;
            }
        }
    }

    /// Forces, potential energy and virial at the present positions.
    fn find_forces(&mut self) {
        if self.neighbours.stale(&self.positions) {
            self.neighbours.remake(&mut self.positions, self.side);
        }
        let images = self.neighbours.images();
        let positions = self.positions.as_slice();
        let forces = self.forces.as_mut_slice();
        let (mut potential, mut virial, mut pairs) = (0.0, 0.0, 0);
        forces.fill([0.0; 3]);
        for (at, &[x, y, z]) in positions.iter().enumerate() {
            // Written always, kept only if within the cut: a branch would be guessed wrong too often.
            let neighbours = self.neighbours.of(at);
            self.near.resize(neighbours.len().max(self.near.len()), Near::default());
            let near = self.near.as_mut_slice();
            let mut kept = 0;
            for neighbour in neighbours {
                let [a, b, c] = positions[neighbour.particle as usize];
                let [shift_x, shift_y, shift_z] = images[neighbour.image as usize];
                let way = [x - a + shift_x, y - b + shift_y, z - c + shift_z];
                let square = way[0] * way[0] + way[1] * way[1] + way[2] * way[2];
                near[kept] = Near { particle: neighbour.particle, way, square };
                kept += usize::from(square < CUTOFF * CUTOFF);
            }
            let mut force = [0.0; 3];
            for &Near { particle, way, square } in &near[..kept] {
                let pair = potential::pair(square);
                potential += pair.energy;
                virial += pair.virial;
                let back = &mut forces[particle as usize];
                for axis in 0..3 {
                    let part = pair.push * way[axis];
                    force[axis] += part;
                    back[axis] -= part;
                }
            }
            pairs += u32::try_from(kept).expect("less than 4,000 particles");
            for axis in 0..3 {
                forces[at][axis] += force[axis];
            }
        }
        (self.potential, self.virial, self.pairs) = (potential, virial, pairs);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of particles, below 400"
)]
fn whole(count: f64) -> u32 {
    count as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbours::nearest;
    use rand_pcg::{Pcg64, rand_core::SeedableRng};

    fn liquid(steps: u32) -> Fluid {
        let mut random = Pcg64::seed_from_u64(2);
        let mut fluid = Fluid::lattice(256, 0.8, 1.5, &mut random).unwrap();
        for _ in 0..steps {
            fluid.step();
        }
        fluid
    }

    #[test]
    fn energy_is_conserved_while_the_lattice_melts() {
        let mut fluid = liquid(0);
        let first = fluid.conserved();
        let mut farthest = 0.0_f64;

        for _ in 0..1000 {
            fluid.step();
            farthest = farthest.max((fluid.conserved() - first).abs());
        }

        let exchanged = (fluid.temperature() - 1.5).abs() * 1.5 * fluid.particles();
        assert!(exchanged > 50.0, "nothing happened: {exchanged}");
        assert!(farthest / fluid.particles() < 1.5e-3, "{farthest}");
    }

    #[test]
    fn the_fluid_as_a_whole_stays_at_rest() {
        let fluid = liquid(300);

        for axis in 0..3 {
            let momentum: f64 = fluid.velocities.iter().map(|v| v[axis]).sum();
            assert!(momentum.abs() < 1e-9, "{momentum}");
        }
    }

    #[test]
    fn the_list_misses_no_pair() {
        let fluid = liquid(333);
        let (mut energy, mut pairs) = (0.0, 0);

        for (at, one) in fluid.positions.iter().enumerate() {
            for other in &fluid.positions[at + 1..] {
                let square = nearest(one, other, fluid.side);
                if square < CUTOFF * CUTOFF {
                    energy += potential::pair(square).energy;
                    pairs += 1;
                }
            }
        }

        assert_eq!(pairs, fluid.pairs);
        assert!((energy - fluid.potential).abs() < 1e-8 * energy.abs());
    }

    #[test]
    fn forces_are_the_slope_of_the_energy() {
        let mut fluid = liquid(100);
        let stated = fluid.forces[7];
        let nudge = 1e-5;

        for (axis, force) in stated.into_iter().enumerate() {
            let mut energy_at = |by: f64| {
                fluid.positions[7][axis] += by;
                fluid.find_forces();
                let energy = fluid.conserved() - fluid.kinetic();
                fluid.positions[7][axis] -= by;
                energy
            };
            let slope = (energy_at(nudge) - energy_at(-nudge)) / (2.0 * nudge);
            assert!((force + slope).abs() < 1e-4 * (1.0 + force.abs()), "{force} and {slope}");
        }
    }

    #[test]
    fn a_box_smaller_than_the_cut_is_refused_with_a_way_out() {
        let refused =
            |particles| Fluid::lattice(particles, 0.8, 1.0, &mut Pcg64::seed_from_u64(1)).err();

        let found = refused(100).unwrap();

        assert!(found.to_string().contains("side 5.00, but the cut needs 6.60"), "{found}");
        assert!(refused(found.enough).is_none());
    }
}
