//! The equation of state of the Lennard-Jones fluid by Thol, Rutkai, Köster, Lustig, Span and Vrabec,
//! J. Phys. Chem. Ref. Data 45, 023101 (2016), <https://doi.org/10.1063/1.4945000>.
//!
//! A fit of the residual Helmholtz energy to thousands of simulations of the full potential (not
//! cut), for the fluid from the triple point (temperature 0.661) to temperature 9. Not for the solid.

/// The lowest temperature that the fit was made for: the triple point.
const COLDEST: f64 = 0.661;
/// The highest.
const HOTTEST: f64 = 9.0;

/// The critical temperature and density, by which the paper reduces.
const REDUCING: (f64, f64) = (1.32, 0.31);

/// `n * tau^t * delta^d`, times `exp(-delta^l)` where `l` is above 0. Table 2 of the paper.
struct Power {
    n: f64,
    t: f64,
    d: i32,
    l: i32,
}

/// `n * tau^t * delta^d * exp(-eta (delta - epsilon)^2 - beta (tau - gamma)^2)`. Table 2.
struct Bell {
    n: f64,
    t: f64,
    d: i32,
    eta: f64,
    beta: f64,
    gamma: f64,
    epsilon: f64,
}

const POWERS: [Power; 12] = [
    Power { n: 0.005_208_073, t: 1.0, d: 4, l: 0 },
    Power { n: 2.186_252, t: 0.32, d: 1, l: 0 },
    Power { n: -2.161_016, t: 0.505, d: 1, l: 0 },
    Power { n: 1.4527, t: 0.672, d: 2, l: 0 },
    Power { n: -2.041_792, t: 0.843, d: 2, l: 0 },
    Power { n: 0.186_952_86, t: 0.898, d: 3, l: 0 },
    Power { n: -0.090_988_445, t: 1.294, d: 5, l: 1 },
    Power { n: -0.497_456_1, t: 2.59, d: 2, l: 2 },
    Power { n: 0.109_014_31, t: 1.786, d: 2, l: 1 },
    Power { n: -0.800_559_22, t: 2.77, d: 3, l: 2 },
    Power { n: -0.568_839, t: 1.786, d: 1, l: 2 },
    Power { n: -0.620_862_5, t: 1.205, d: 1, l: 1 },
];

#[rustfmt::skip]
const BELLS: [Bell; 11] = [
    Bell { n: -1.466_717_7, t: 2.83, d: 1, eta: 2.067, beta: 0.625, gamma: 0.71, epsilon: 0.2053 },
    Bell { n: 1.891_469, t: 2.548, d: 1, eta: 1.522, beta: 0.638, gamma: 0.86, epsilon: 0.409 },
    Bell { n: -0.138_370_1, t: 4.65, d: 2, eta: 8.82, beta: 3.91, gamma: 1.94, epsilon: 0.6 },
    Bell { n: -0.386_964_5, t: 1.385, d: 3, eta: 1.722, beta: 0.156, gamma: 1.48, epsilon: 1.203 },
    Bell { n: 0.126_570_2, t: 1.46, d: 3, eta: 0.679, beta: 0.157, gamma: 1.49, epsilon: 1.829 },
    Bell { n: 0.605_781, t: 1.351, d: 2, eta: 1.883, beta: 0.153, gamma: 1.945, epsilon: 1.397 },
    Bell { n: 1.179_189, t: 0.66, d: 1, eta: 3.925, beta: 1.16, gamma: 3.02, epsilon: 1.39 },
    Bell { n: -0.477_326_79, t: 1.496, d: 2, eta: 2.461, beta: 1.73, gamma: 1.11, epsilon: 0.539 },
    Bell { n: -9.921_857_5, t: 1.83, d: 3, eta: 28.2, beta: 383.0, gamma: 1.17, epsilon: 0.934 },
    Bell { n: -0.574_793_2, t: 1.616, d: 1, eta: 0.753, beta: 0.112, gamma: 1.33, epsilon: 2.369 },
    Bell { n: 0.003_772_923, t: 4.97, d: 1, eta: 0.82, beta: 0.119, gamma: 0.24, epsilon: 2.43 },
];

/// The slopes of the residual Helmholtz energy over temperature, each times its variable.
struct Slopes {
    /// By the reduced density.
    delta: f64,
    /// By the inverse reduced temperature.
    tau: f64,
}

fn slopes(density: f64, temperature: f64) -> Slopes {
    let tau = REDUCING.0 / temperature;
    let delta = density / REDUCING.1;
    let mut slopes = Slopes { delta: 0.0, tau: 0.0 };
    for &Power { n, t, d, l } in &POWERS {
        let damping = if l > 0 { delta.powi(l) } else { 0.0 };
        let term = n * tau.powf(t) * delta.powi(d) * (-damping).exp();
        slopes.delta += term * (f64::from(d) - f64::from(l) * damping);
        slopes.tau += term * t;
    }
    for &Bell { n, t, d, eta, beta, gamma, epsilon } in &BELLS {
        let (off_delta, off_tau) = (delta - epsilon, tau - gamma);
        let bell = (-eta * off_delta * off_delta - beta * off_tau * off_tau).exp();
        let term = n * tau.powf(t) * delta.powi(d) * bell;
        slopes.delta += term * (f64::from(d) - 2.0 * eta * delta * off_delta);
        slopes.tau += term * (t - 2.0 * beta * tau * off_tau);
    }
    slopes
}

/// The pressure.
pub(crate) fn pressure(density: f64, temperature: f64) -> f64 {
    density * temperature * (1.0 + slopes(density, temperature).delta)
}

/// The potential energy per particle.
pub(crate) fn energy_per_particle(density: f64, temperature: f64) -> f64 {
    temperature * slopes(density, temperature).tau
}

/// Whether the equation holds at a state: between its temperatures, not where gas and liquid part,
/// and not where the fluid freezes.
pub(crate) fn holds(density: f64, temperature: f64) -> bool {
    (COLDEST..=HOTTEST).contains(&temperature)
        && density <= freezing_density(temperature)
        && (temperature >= REDUCING.0 || !parts(density, temperature))
}

/// Whether gas and liquid part, below the critical temperature: equations 45 and 46 of the paper.
///
/// The last term for the gas is left out: from the triple point up it is below 1e-9.
fn parts(density: f64, temperature: f64) -> bool {
    let below = 1.0 - temperature / REDUCING.0;
    let sum = |terms: &[(f64, f64)]| terms.iter().map(|(n, t)| n * below.powf(*t)).sum::<f64>();
    let liquid = [(1.362, 0.313), (2.093, 0.94), (-2.11, 1.63), (0.329, 17.0), (1.41, 2.4)];
    let gas =
        [(-6.9655, 1.32), (-103.31, 19.24), (-2.0325, 0.36), (-44.481, 8.78), (-18.463, 4.04)];
    density > REDUCING.1 * sum(&gas).exp() && density < REDUCING.1 * (1.0 + sum(&liquid))
}

/// The density at which the liquid freezes: Mastny and de Pablo, J. Chem. Phys. 127, 104504 (2007),
/// equation 21.
fn freezing_density(temperature: f64) -> f64 {
    let inverse = 1.0 / temperature;
    let terms = [0.90735, -0.27120, 0.91784, -1.16270, 0.68012, -0.15284];
    temperature.powf(0.25) * terms.iter().rev().fold(0.0, |sum, term| sum * inverse + term)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with NIST's `teqp` 0.23.2, model `LJ126_TholJPCRD2016`: an independent program.
    #[test]
    fn it_gives_the_values_of_another_implementation() {
        for (temperature, density, p, u) in [
            (0.9, 0.82, 0.824_019_374_510_941_2, -5.746_623_412_912_758),
            (1.0, 0.8, 1.023_271_905_245_869_4, -5.534_414_837_205_399),
            (1.5, 0.5, 0.416_967_638_071_640_7, -3.324_024_874_187_816),
            (2.0, 0.1, 0.177_798_957_197_462_97, -0.667_426_253_565_499_2),
            (2.0, 0.8, 5.290_635_468_097_822, -4.752_103_526_418_096),
        ] {
            assert!((pressure(density, temperature) - p).abs() < 1e-10);
            assert!((energy_per_particle(density, temperature) - u).abs() < 1e-10);
        }
    }

    #[test]
    fn a_thin_gas_is_ideal() {
        let pressure = pressure(1e-6, 2.0);

        assert!((pressure / 2e-6 - 1.0).abs() < 1e-5);
    }

    #[test]
    fn it_holds_for_gas_and_liquid_and_not_between_them() {
        assert!(holds(0.01, 0.9) && !holds(0.02, 0.9));
        assert!(!holds(0.75, 0.9) && holds(0.76, 0.9));
        assert!(holds(0.3, 1.4) && !holds(0.3, 0.5));
    }

    /// Densities of saturated gas and liquid, by `teqp` from the equation itself.
    #[test]
    fn gas_and_liquid_part_where_another_implementation_says_so() {
        for (temperature, gas, liquid) in
            [(0.7, 0.001_992, 0.842_65), (0.9, 0.014_462, 0.752_77), (1.2, 0.097_923, 0.565_62)]
        {
            assert!(parts(gas * 1.001, temperature) && !parts(gas * 0.999, temperature));
            assert!(parts(liquid * 0.999, temperature) && !parts(liquid * 1.001, temperature));
        }
    }

    #[test]
    fn the_equation_ends_where_the_liquid_freezes() {
        assert!((freezing_density(0.9) - 0.898).abs() < 0.001);
        assert!((freezing_density(1.0) - 0.918_57).abs() < 1e-9);
        assert!(holds(0.88, 0.9) && !holds(0.95, 0.9));
    }
}
