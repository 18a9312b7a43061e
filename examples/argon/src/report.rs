//! What the program prints: the measurement beside what is published.

use crate::published;
use crate::run::{Measured, Settings};
use serde::Serialize;

/// How far from a published pressure we may be besides three standard errors: the published ones
/// are themselves known to about this (see `published`), and 500 particles are not infinitely many.
const ALLOWANCE: f64 = 0.01;

/// One line of JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    index: Option<usize>,
    density: f64,
    temperature: f64,
    pressure: f64,
    pressure_error: f64,
    energy_per_particle: f64,
    energy_error: f64,
    rdf_peak_r: Option<f64>,
    rdf_peak_g: Option<f64>,
    published_pressure: Option<f64>,
    published_energy: Option<f64>,
    published_source: Option<&'static str>,
    tolerance: f64,
    agrees: Option<bool>,
    particles: u32,
    steps: u32,
    seed: u64,
    seconds: f64,
}

impl Report {
    /// Compares with what is published, if anything is.
    pub(crate) fn new(
        index: Option<usize>,
        settings: Settings,
        measured: &Measured,
        seconds: f64,
    ) -> Self {
        let Measured { temperature, pressure, energy, ref distribution } = *measured;
        let published = published::at(settings.density, settings.temperature);
        let tolerance = 3.0 * pressure.error + ALLOWANCE;
        let peak = distribution.peak();
        Self {
            index,
            density: settings.density,
            temperature: rounded(temperature, 1e4),
            pressure: rounded(pressure.mean, 1e5),
            pressure_error: rounded(pressure.error, 1e5),
            energy_per_particle: rounded(energy.mean, 1e5),
            energy_error: rounded(energy.error, 1e5),
            rdf_peak_r: peak.map(|peak| rounded(peak.distance, 1e4)),
            rdf_peak_g: peak.map(|peak| rounded(peak.height, 1e3)),
            published_pressure: published.map(|known| rounded(known.pressure, 1e5)),
            published_energy: published.map(|known| rounded(known.energy_per_particle, 1e5)),
            published_source: published.map(|known| known.source),
            tolerance: rounded(tolerance, 1e5),
            agrees: published.map(|known| (pressure.mean - known.pressure).abs() <= tolerance),
            particles: settings.particles,
            steps: settings.steps,
            seed: settings.seed,
            seconds: rounded(seconds, 1e3),
        }
    }
}

/// `value` to the nearest part of one, for a report that people read.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::Estimate;
    use crate::rdf::Distribution;

    fn report(density: f64, pressure: f64) -> Report {
        let settings = Settings { density, temperature: 0.9, particles: 500, steps: 100, seed: 1 };
        let measured = Measured {
            temperature: 0.9,
            pressure: Estimate { mean: pressure, error: 0.01 },
            energy: Estimate { mean: -5.7, error: 0.001 },
            distribution: Distribution::new(8.0, 500.0),
        };
        Report::new(Some(3), settings, &measured, 1.0)
    }

    #[test]
    fn a_pressure_within_three_errors_agrees_and_one_beyond_does_not() {
        assert_eq!(report(0.82, 0.86).agrees, Some(true));
        assert_eq!(report(0.82, 0.88).agrees, Some(false));
    }

    #[test]
    fn where_nothing_is_published_nothing_is_claimed() {
        let found = serde_json::to_value(report(0.3, 0.86)).unwrap();

        for field in ["published_pressure", "published_source", "agrees"] {
            assert!(found[field].is_null(), "{field}");
        }
    }
}
