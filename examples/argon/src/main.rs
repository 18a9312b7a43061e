//! `argon`: molecular dynamics of a Lennard-Jones fluid, compared with published values.
//!
//! A few hundred particles in a periodic cube, moved by velocity Verlet at constant temperature. It
//! prints temperature, pressure with its error, energy and the first peak of the radial distribution
//! function, beside the pressure that others published for the same state.
//!
//! All quantities are in reduced units. For argon (sigma 3.405 angstrom, epsilon 119.8 K times `k_B`,
//! mass 39.95 u) a temperature of 1 is 119.8 K, a density of 1 is 1.68 grams a cubic centimetre, a pressure of 1 is
//! 41.9 megapascal, and a unit of time is 2.16 picoseconds.
//!
//! This is an example of a workload. It knows nothing of the scheduler but three variables of its
//! environment, `REPOWER_TASK_INDEX`, `REPOWER_CHECKPOINT_DIR` and `REPOWER_PROGRESS`.

mod blocks;
mod checkpoint;
mod claims;
mod clock;
mod fluid;
mod lattice;
mod neighbours;
mod potential;
mod published;
mod rdf;
mod report;
mod run;
mod state_equation;
mod sweep;
mod thermostat;

use anyhow::Context;
use checkpoint::Checkpoints;
use claims::Claims;
use clap::{CommandFactory, Parser, error::ErrorKind};
use clock::Stopwatch;
use report::Report;
use run::{Failed, Settings};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Simulates a Lennard-Jones fluid and prints one line of JSON, then its radial distribution function.
#[derive(Debug, Parser)]
#[command(name = "argon", version)]
struct Asked {
    /// Takes the density from the sweep at the index, and temperature 0.9
    #[arg(long, conflicts_with_all = ["density", "temperature"])]
    sweep: bool,

    /// Index of the density of the sweep, 0 to 7
    #[arg(long, env = "REPOWER_TASK_INDEX", value_name = "N")]
    index: Option<usize>,

    /// Particles per cubic sigma, 0.0001 to 1.2
    #[arg(long, default_value = "0.8", value_name = "X", value_parser = density)]
    density: f64,

    /// In units of epsilon, 0.5 to 10
    #[arg(long, default_value = "1.0", value_name = "X", value_parser = temperature)]
    temperature: f64,

    /// How many particles, 32 to 4000
    #[arg(long, default_value = "500", value_name = "N", value_parser = clap::value_parser!(u32).range(32..=i64::from(lattice::PARTICLES_MAX)))]
    particles: u32,

    /// Time steps of the measurement, 20 to 100000000
    #[arg(long, default_value = "10000", value_name = "N", value_parser = clap::value_parser!(u32).range(20..=100_000_000))]
    steps: u32,

    /// Seed of the velocities and of the thermostat
    #[arg(long, default_value = "1", value_name = "N")]
    seed: u64,

    /// Says how far it is in this file, a line that replaces the one before
    #[arg(long, env = "REPOWER_PROGRESS", value_name = "FILE")]
    progress: Option<PathBuf>,

    /// Writes the radial distribution function to a file, not after the line of JSON
    #[arg(long, value_name = "FILE")]
    rdf: Option<PathBuf>,

    /// Folder in which the run saves how far it is, and from which it goes on
    #[arg(long, env = "REPOWER_CHECKPOINT_DIR", value_name = "FOLDER")]
    checkpoints: Option<PathBuf>,

    /// Saves after each so many steps
    #[arg(long, default_value = "1000", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    checkpoint_every: u32,
}

fn main() -> ExitCode {
    let asked = Asked::parse();
    let settings = settings(&asked).unwrap_or_else(|refusal| refusal.exit());
    simulate(&asked, settings).map_or_else(|error| tell(&error), |()| ExitCode::SUCCESS)
}

/// Simulates, and writes what was found.
fn simulate(asked: &Asked, settings: Settings) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    let file = asked.rdf.as_deref().map(create).transpose()?;
    let every = asked.checkpoint_every;
    let checkpoints = asked.checkpoints.as_deref().map(|folder| Checkpoints::new(folder, every));
    let mut claims = Claims::new(asked.progress.clone());
    let (saved, log) = (checkpoints.as_ref(), &mut std::io::stderr().lock());
    let measured = match run::run(settings, saved, &mut claims, log) {
        Err(Failed::TooSmall(why)) => refused(ErrorKind::ValueValidation, why.to_string()).exit(),
        result => result?,
    };
    let report = Report::new(asked.index, settings, &measured, watch.seconds());
    let mut out = BufWriter::new(std::io::stdout().lock());
    serde_json::to_writer(&mut out, &report).context("cannot write the report")?;
    writeln!(out).context("cannot write the report")?;
    let table = "cannot write the radial distribution function";
    match file {
        Some(mut file) => {
            measured.distribution.write(&mut file).and_then(|()| file.flush()).context(table)?;
        }
        None => measured.distribution.write(&mut out).context(table)?,
    }
    out.flush().context("cannot write the report")
}

/// Tells standard error what went wrong and why; the exit status says it even if nobody listens.
fn tell(error: &anyhow::Error) -> ExitCode {
    let mut err = std::io::stderr().lock();
    let told = writeln!(err, "error: {error}").and_then(|()| {
        error.chain().skip(1).try_for_each(|cause| writeln!(err, "because: {cause}"))
    });
    match told {
        Ok(()) | Err(_) => ExitCode::FAILURE,
    }
}

/// The settings that the arguments ask for.
fn settings(asked: &Asked) -> Result<Settings, clap::Error> {
    let mut settings = Settings {
        density: asked.density,
        temperature: asked.temperature,
        particles: asked.particles,
        steps: asked.steps,
        seed: asked.seed,
    };
    if asked.sweep {
        let index = asked.index.ok_or_else(|| {
            refused(
                ErrorKind::MissingRequiredArgument,
                "--sweep needs an index: give --index, or set REPOWER_TASK_INDEX".to_owned(),
            )
        })?;
        settings.density = sweep::density(index)
            .map_err(|outside| refused(ErrorKind::ValueValidation, outside.to_string()))?;
        settings.temperature = sweep::TEMPERATURE;
    }
    Ok(settings)
}

fn refused(kind: ErrorKind, why: String) -> clap::Error {
    Asked::command().error(kind, why)
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(BufWriter::new(file))
}

fn density(text: &str) -> Result<f64, String> {
    number(text, 0.0001, 1.2)
}

fn temperature(text: &str) -> Result<f64, String> {
    number(text, 0.5, 10.0)
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| format!("it must be a number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Settings, clap::Error> {
        Asked::try_parse_from(line.split(' ')).and_then(|asked| settings(&asked))
    }

    #[test]
    fn the_arguments_are_well_formed() {
        Asked::command().debug_assert();
    }

    #[test]
    fn a_sweep_takes_its_density_from_the_index() {
        let found = asked("argon --sweep --index 3 --steps 100").unwrap();

        assert!((found.density - 0.82).abs() < 1e-12 && (found.temperature - 0.9).abs() < 1e-12);
        assert_eq!(found.steps, 100);
    }

    #[test]
    fn bad_arguments_exit_with_2() {
        for line in [
            "argon --density 0",
            "argon --density nan",
            "argon --temperature -1",
            "argon --particles 5",
            "argon --steps 3",
            "argon --sweep --index 8",
            "argon --sweep --index 3 --density 0.5",
            "argon --desnity 0.5",
        ] {
            let refusal = asked(line).expect_err(line);

            assert_eq!(refusal.exit_code(), 2, "{line}: {refusal}");
        }
    }
}
