//! Runs world after world, seed by seed, until one breaks a rule.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use repower_sim::fault::{Fault, Faults};
use repower_sim::shrink::{attempt, shrink};
use repower_sim::transcript::Transcript;

/// Runs worlds with random trouble and checks all that happens in them.
#[derive(Debug, Parser)]
struct Options {
    /// How many worlds to run.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The seed of the first one.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Only these faults, by name, instead of those of the seed; `none` for none.
    #[arg(long, value_delimiter = ',')]
    faults: Option<Vec<String>>,
    /// How many of the last events of a failed world to print.
    #[arg(long, default_value_t = 60)]
    events: usize,
}

/// Lines of progress in all.
const REPORTS: u64 = 20;

fn main() -> io::Result<ExitCode> {
    let options = Options::parse();
    let mut out = io::stdout().lock();
    let only = match options.faults.as_deref().map(named).transpose() {
        Ok(only) => only,
        Err(name) => {
            writeln!(out, "error: there is no fault `{name}`")?;
            writeln!(out, "hint: use {}", Fault::ALL.into_iter().collect::<Faults>())?;
            return Ok(ExitCode::from(2));
        }
    };
    let every = (options.seeds / REPORTS).max(1);
    let (mut facts, mut attempts, mut secs) = (0, 0, 0);
    for (done, seed) in (1..=options.seeds).zip(options.from..) {
        let faults = only.clone().unwrap_or_else(|| Faults::of(seed));
        match attempt(seed, &faults, &mut Transcript::off()) {
            Ok(summary) => {
                facts += summary.facts;
                attempts += summary.attempts;
                secs += summary.took.as_millis() / 1000;
            }
            Err(_) => return tell(&mut out, seed, &faults, options.events),
        }
        if done % every == 0 || done == options.seeds {
            writeln!(
                out,
                "{done} of {} worlds: {facts} facts, {attempts} attempts, {} hours of their time",
                options.seeds,
                secs / 3600
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn named(names: &[String]) -> Result<Faults, String> {
    names
        .iter()
        .filter(|name| *name != "none")
        .map(|name| Fault::named(name).ok_or_else(|| name.clone()))
        .collect()
}

/// Runs a failed world once more, and tells what happened in it.
fn tell(out: &mut impl Write, seed: u64, faults: &Faults, events: usize) -> io::Result<ExitCode> {
    let mut transcript = Transcript::latest(events);
    let Err(failure) = attempt(seed, faults, &mut transcript) else {
        writeln!(out, "seed {seed} failed once and not again: it is not deterministic")?;
        return Ok(ExitCode::FAILURE);
    };
    write!(out, "{transcript}")?;
    let needed = shrink(seed, faults, failure.violation.rule);
    writeln!(out, "\nseed {seed} fails at {} ms", failure.at.as_millis())?;
    writeln!(out, "rule:   {}", failure.violation.rule)?;
    writeln!(out, "detail: {}", failure.violation.detail)?;
    writeln!(out, "faults: {faults}")?;
    writeln!(out, "needed: {needed}")?;
    writeln!(out, "again:  soak --from {seed} --seeds 1 --faults {needed}")?;
    Ok(ExitCode::FAILURE)
}
