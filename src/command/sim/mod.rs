//! `repower sim`: a recorded workload under one policy or several, by the scheduler's own engine.

mod document;
mod error;
mod journal;
mod options;
mod room;
mod table;
#[cfg(test)]
mod tests;

use repower_core::plan::Discipline;
use repower_model::Span;
use repower_sim::plot::{self, Gallery, Scene, Series, Window};
use repower_sim::replay::{Faults, Replay, Rule, Setup, policy_text, replay};
use repower_sim::report::{Report, check_starts, write_starts};
use repower_sim::rlscheduler;

use crate::arguments::Look;
use crate::clock::Stopwatch;
use crate::failure::{Exit, Failure};
use crate::render::Screen;
use crate::render::progress::Steps;
use error::SimError;
use room::Room;

pub use options::Sim;

/// What one policy came to.
#[derive(Debug)]
struct Outcome {
    policy: &'static str,
    replay: Replay,
    report: Report,
    /// How long the replay took; `None`: this is how it went in truth.
    seconds: Option<f64>,
}

impl Outcome {
    /// Jobs of the trace for each second that the replay took.
    fn jobs_per_second(&self) -> Option<f64> {
        let jobs = u32::try_from(self.report.jobs).map_or(f64::from(u32::MAX), f64::from);
        self.seconds.map(|seconds| jobs / seconds.max(1e-6))
    }
}

impl Sim {
    /// Returns how to show the result.
    pub(super) fn look(&self) -> &Look {
        &self.look
    }

    /// Runs the workload under each policy, one after another, and compares.
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        self.check()?;
        let policies = self.policies()?;
        let room = Room::open(&self)?;
        if !screen.is_json() && !screen.is_quiet() {
            room.describe(screen)?;
        }
        if let Some(path) = &self.starts {
            check_starts(path).map_err(SimError::from)?;
        }
        if let Some(folder) = &self.plot {
            plot::prepare(folder).map_err(SimError::from)?;
        }
        let mut outcomes = Vec::new();
        if let Some(replay) = room.recorded.clone() {
            let report = Report::of(&room.workload, &room.machine, &replay);
            outcomes.push(Outcome { policy: "recorded", replay, report, seconds: None });
        }
        for policy in policies {
            outcomes.push(self.one(&room, policy, screen)?);
        }
        // A disk that fills up at the end takes the files, but not what was found.
        let starts = self.write_starts(&room, &outcomes);
        let drawn = self.draw(&room, &outcomes);
        let gallery = drawn.as_ref().map(Gallery::clone).unwrap_or_default();
        if screen.is_json() {
            screen.json(&document::Document::of(&room, &outcomes, &gallery))?;
        } else {
            table::show(screen, &outcomes)?;
            pictures(screen, &gallery)?;
        }
        screen.flush()?;
        starts.and(drawn)?;
        Ok(Exit::OK)
    }

    fn write_starts(&self, room: &Room, outcomes: &[Outcome]) -> Result<(), SimError> {
        if let Some(path) = &self.starts {
            let columns = outcomes.iter().map(|one| (one.policy, &one.replay));
            let columns: Vec<_> = columns.collect();
            write_starts(path, &room.workload, &columns)?;
        }
        Ok(())
    }

    fn draw(&self, room: &Room, outcomes: &[Outcome]) -> Result<Gallery, SimError> {
        let Some(folder) = &self.plot else { return Ok(Gallery::default()) };
        let series: Vec<Series<'_>> = outcomes
            .iter()
            .filter(|one| one.seconds.is_some())
            .map(|one| Series { name: one.policy, replay: &one.replay })
            .collect();
        let days = |days: u32| Span::from_secs(u64::from(days) * 86_400);
        let window = Window { from: days(self.plot_day), length: days(self.plot_days) };
        let (workload, machine) = (&room.workload, &room.machine);
        Ok(plot::draw(folder, &Scene { workload, machine, series: &series, window })?)
    }

    fn one(&self, room: &Room, policy: Discipline, screen: &Screen) -> Result<Outcome, Failure> {
        if let Some(backfill) = self.semantics.backfill() {
            let stopwatch = Stopwatch::start();
            let went = rlscheduler::run(&room.workload, &room.machine, policy, backfill);
            let (replay, report) = went.map_err(SimError::from)?;
            let (policy, seconds) = (policy.as_str(), Some(stopwatch.seconds()));
            return Ok(Outcome { policy, replay, report, seconds });
        }
        let setup = Setup {
            machine: &room.machine,
            policy: policy_text(policy),
            rule: Rule::from(self.passes),
            faults: self.faults.map(|(mtbf, mttr)| Faults { mtbf, mttr, seed: self.seed }),
            sampled: self.plot.is_some(),
            checked: false,
        };
        let jobs = room.workload.jobs.len() as u64;
        let progress = Steps::new(!screen.is_quiet(), policy.as_str(), jobs);
        let stopwatch = Stopwatch::start();
        let went = replay(&room.workload, &setup, &mut |ended| progress.at(ended));
        let seconds = Some(stopwatch.seconds());
        progress.end();
        let replay = went.map_err(|source| SimError::Replay { policy, source })?;
        let report = Report::of(&room.workload, &room.machine, &replay);
        Ok(Outcome { policy: policy.as_str(), replay, report, seconds })
    }
}

/// Says which pictures there are, and which are not.
fn pictures(screen: &mut Screen, gallery: &Gallery) -> Result<(), Failure> {
    if screen.is_quiet() || gallery.pictures.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    for path in &gallery.pictures {
        screen.line(format_args!("drawn: {}", path.display()))?;
    }
    for what in &gallery.left_out {
        screen.line(format_args!("not drawn: {what}"))?;
    }
    Ok(())
}
