//! The interaction: the 12-6 potential of Lennard-Jones, cut at 3, and the tail beyond the cut.
//!
//! Everything here is in reduced units: lengths in sigma, energies in epsilon, `k_B` = 1.

use std::f64::consts::PI;

/// Where the potential is cut. The values of NIST that we compare with use the same cut.
pub(crate) const CUTOFF: f64 = 3.0;

/// What one pair contributes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pair {
    /// The potential energy.
    pub(crate) energy: f64,
    /// Force times distance; positive where the pair repels.
    pub(crate) virial: f64,
    /// Force over distance: times the way between the two it is the force.
    pub(crate) push: f64,
}

/// The pair at a squared distance of `square`, which must be above 0. Not cut.
#[inline]
pub(crate) fn pair(square: f64) -> Pair {
    let inverse = 1.0 / square;
    let sixth = inverse * inverse * inverse;
    let twelfth = sixth * sixth;
    let virial = 24.0 * (2.0 * twelfth - sixth);
    Pair { energy: 4.0 * (twelfth - sixth), virial, push: virial * inverse }
}

/// The potential energy per particle of all pairs beyond the cut, if they are spread evenly there.
///
/// Allen and Tildesley, *Computer Simulation of Liquids* (2nd edition, 2017), section 2.8.
pub(crate) fn tail_energy(density: f64) -> f64 {
    8.0 * PI * density * (CUTOFF.powi(-9) / 9.0 - CUTOFF.powi(-3) / 3.0)
}

/// The pressure of all pairs beyond the cut, if they are spread evenly there. Source: as above.
pub(crate) fn tail_pressure(density: f64) -> f64 {
    PI * density * density * (32.0 / 9.0 * CUTOFF.powi(-9) - 16.0 / 3.0 * CUTOFF.powi(-3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_virial_is_the_slope_of_the_energy() {
        for distance in [0.95_f64, 1.0, 1.1, 1.5, 2.9] {
            let nudge = 1e-6;
            let energy = |r: f64| pair(r * r).energy;

            let slope = (energy(distance + nudge) - energy(distance - nudge)) / (2.0 * nudge);

            let stated = pair(distance * distance).virial;
            assert!((stated + slope * distance).abs() < 1e-5 * stated.abs(), "at {distance}");
        }
    }

    #[test]
    fn the_well_is_one_deep_at_the_sixth_root_of_two() {
        let bottom = pair(2.0_f64.powf(1.0 / 3.0));

        assert!((bottom.energy + 1.0).abs() < 1e-12);
        assert!(bottom.virial.abs() < 1e-12);
    }

    /// Integrates `f` from the cut to far out, in the variable 1/r, by the midpoint rule.
    fn beyond_the_cut(f: impl Fn(f64) -> f64) -> f64 {
        let slices = 20_000;
        let width = 1.0 / CUTOFF / f64::from(slices);
        (0..slices)
            .map(|slice| (f64::from(slice) + 0.5) * width)
            .map(|inverse| f(1.0 / inverse) * width / (inverse * inverse))
            .sum()
    }

    #[test]
    fn the_tails_are_the_integrals_of_the_pairs_beyond_the_cut() {
        let density = 0.8;

        let energy = 2.0 * PI * density * beyond_the_cut(|r| r * r * pair(r * r).energy);
        let pressure =
            2.0 / 3.0 * PI * density * density * beyond_the_cut(|r| r * r * pair(r * r).virial);

        assert!((tail_energy(density) - energy).abs() < 1e-6);
        assert!((tail_pressure(density) - pressure).abs() < 1e-6);
    }

    /// NIST, *Lennard-Jones Fluid Reference Calculations*: configuration 1 (800 particles in a box
    /// of side 10) has a long-range correction of -198.49 for a cut at 3, configuration 4 (30 in a
    /// box of side 8) one of -0.54517.
    #[test]
    fn the_tail_energy_is_the_one_that_nist_states() {
        assert!((800.0 * tail_energy(0.8) + 198.49).abs() < 0.005);
        assert!((30.0 * tail_energy(30.0 / 512.0) + 0.54517).abs() < 5e-6);
    }
}
