//! `digits`: trains a classifier of handwritten digits and prints how well it does.
//!
//! The data is UCI's *Optical Recognition of Handwritten Digits* (see `data/README.md`), embedded,
//! so the program runs from any folder. The model is a network with one hidden layer, trained by
//! stochastic gradient descent on distorted copies of the images. Validation rows choose the epoch, and are what a sweep is to be
//! judged by; the test rows, written by other people, are measured once at the end.
//!
//! Built on `ndarray` and a page of calculus rather than on an ML crate: `linfa` and `smartcore`
//! have no neural network, and `candle` and `burn` bring over 150 crates each, too long to compile
//! on the small machines that this demonstration is for. `ndarray` brings seven.
//!
//! This is an example of a workload. It knows nothing of the scheduler but one variable of its
//! environment, `REPOWER_TASK_INDEX`.

mod clock;
mod data;
mod distort;
mod network;
mod sweep;
mod train;

use anyhow::Context;
use clap::{CommandFactory, Parser, error::ErrorKind};
use clock::Stopwatch;
use data::Parts;
use serde::Serialize;
use std::io::Write;
use std::process::ExitCode;
use train::Settings;

/// Trains a classifier of handwritten digits and prints one line of JSON.
#[derive(Debug, Parser)]
#[command(name = "digits", version)]
struct Asked {
    /// Takes learning rate, hidden units and penalty from the point of the sweep at the index
    #[arg(long, conflicts_with_all = ["learning_rate", "hidden", "l2"])]
    sweep: bool,

    /// Index of the point of the sweep, 0 to 31
    #[arg(long, env = "REPOWER_TASK_INDEX", value_name = "N")]
    index: Option<usize>,

    /// Step length at the start, above 0 and up to 10
    #[arg(long, default_value = "0.1", value_name = "X", value_parser = step_length)]
    learning_rate: f64,

    /// Hidden units, 1 to 1024
    #[arg(long, default_value = "64", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    hidden: u16,

    /// Penalty on squared weights, 0 to 1
    #[arg(long, default_value = "0.0001", value_name = "X", value_parser = penalty)]
    l2: f64,

    /// Passes over the training rows, 1 to 10000
    #[arg(long, default_value = "80", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    epochs: u32,

    /// Seed of the first weights and of the order of the rows
    #[arg(long, default_value = "1", value_name = "N")]
    seed: u64,
}

/// What the program prints.
#[derive(Debug, Serialize)]
struct Report {
    index: Option<usize>,
    learning_rate: f64,
    hidden: usize,
    l2: f64,
    epochs: u32,
    seed: u64,
    best_epoch: u32,
    validation_accuracy: f64,
    validation_loss: f64,
    test_accuracy: f64,
    seconds: f64,
}

fn main() -> ExitCode {
    let asked = Asked::parse();
    let settings = settings(&asked).unwrap_or_else(|refusal| refusal.exit());
    run(asked.index, settings)
        .and_then(|report| print(&report))
        .map_or_else(|error| tell(&error), |()| ExitCode::SUCCESS)
}

fn print(report: &Report) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, report).context("cannot write the report")?;
    writeln!(out).context("cannot write the report")
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
        learning_rate: asked.learning_rate,
        hidden: usize::from(asked.hidden),
        l2: asked.l2,
        epochs: asked.epochs,
        seed: asked.seed,
    };
    if asked.sweep {
        let refused = |kind, why: String| Asked::command().error(kind, why);
        let index = asked.index.ok_or_else(|| {
            refused(
                ErrorKind::MissingRequiredArgument,
                "--sweep needs an index: give --index, or set REPOWER_TASK_INDEX".to_owned(),
            )
        })?;
        let point = sweep::point(index)
            .map_err(|outside| refused(ErrorKind::ValueValidation, outside.to_string()))?;
        settings.learning_rate = point.learning_rate;
        settings.hidden = point.hidden;
        settings.l2 = point.l2;
    }
    Ok(settings)
}

/// Trains once, telling standard error how it goes.
fn run(index: Option<usize>, settings: Settings) -> anyhow::Result<Report> {
    let watch = Stopwatch::start();
    let parts = Parts::load()?;
    let mut log = std::io::stderr().lock();
    let every = settings.epochs.div_ceil(10);
    let mut told = Ok(());
    let trained = train::train(&parts, settings, |epoch, score| {
        if told.is_ok() && (epoch % every == 0 || epoch == settings.epochs) {
            told = writeln!(
                log,
                "epoch {epoch} of {}: validation accuracy {:.4}, loss {:.4}",
                settings.epochs, score.accuracy, score.loss
            );
        }
    });
    told.context("cannot write to standard error")?;
    let test = trained.network.score(&parts.test);
    Ok(Report {
        index,
        learning_rate: settings.learning_rate,
        hidden: settings.hidden,
        l2: settings.l2,
        epochs: settings.epochs,
        seed: settings.seed,
        best_epoch: trained.epoch,
        validation_accuracy: rounded(trained.validation.accuracy, 1e4),
        validation_loss: rounded(trained.validation.loss, 1e4),
        test_accuracy: rounded(test.accuracy, 1e4),
        seconds: rounded(watch.seconds(), 1e3),
    })
}

fn step_length(text: &str) -> Result<f64, String> {
    number(text, "above 0 and up to 10", |value| value > 0.0 && value <= 10.0)
}

fn penalty(text: &str) -> Result<f64, String> {
    number(text, "from 0 to 1", |value| (0.0..=1.0).contains(&value))
}

fn number(text: &str, range: &str, fits: impl Fn(f64) -> bool) -> Result<f64, String> {
    text.parse().ok().filter(|&value| fits(value)).ok_or_else(|| format!("it must be {range}"))
}

/// `value` to the nearest part of one, for a report that people read.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
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
    fn a_sweep_takes_its_point_from_the_index() {
        let found = asked("digits --sweep --index 5 --epochs 3").unwrap();

        assert_eq!((found.hidden, found.epochs), (32, 3));
        assert!((found.learning_rate - 0.03).abs() < 1e-12);
    }

    #[test]
    fn bad_arguments_exit_with_2() {
        for line in [
            "digits --learning-rate 0",
            "digits --learning-rate nan",
            "digits --hidden 0",
            "digits --l2 -1",
            "digits --epochs 0",
            "digits --sweep --index 32",
            "digits --sweep --index 3 --hidden 8",
            "digits --sweeep",
        ] {
            let refusal = asked(line).expect_err(line);

            assert_eq!(refusal.exit_code(), 2, "{line}: {refusal}");
        }
    }
}
