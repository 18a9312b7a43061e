//! Another simulator's loop, for comparison with published rows: that of RLScheduler (Zhang et al., SC 2020).
//!
//! This is *not* Repower's engine and no model of it. It differs from the textbook in three ways,
//! which change the digits by orders of magnitude:
//!
//! - the job that is picked is *committed to*: time goes on until it fits, whatever arrives meanwhile;
//! - with backfill, others start while the picked one waits if they end before it could start, by
//!   estimates, in order of submission, and never beside it;
//! - a job that waits counts as scheduled at second -1, so WFP3 and UNICEF see a wait of -1 - submission.
//!
//! Its utilisation ends at the last *start*, not at the last end. Estimates are those of the trace.

mod score;
mod state;

use repower_core::plan::Discipline;
use repower_model::Span;

use crate::replay::{Replay, Run};
use crate::report::Report;
use crate::trace::{Machine, Workload};

use state::State;

/// Whether others may start while the picked job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backfill {
    /// No.
    Off,
    /// If they end before it could start, by estimates.
    On,
}

/// What cannot be run by this loop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RlError {
    /// A policy that its authors did not have.
    #[error("RLScheduler has no policy `{policy}`")]
    Policy {
        /// Which.
        policy: Discipline,
    },
    /// A machine of several nodes.
    #[error("RLScheduler has one machine, and not {nodes} nodes")]
    Nodes {
        /// How many.
        nodes: usize,
    },
}

impl RlError {
    /// What can be done about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Policy { .. } => "use fcfs, sjf, wfp3, unicef, f1, f2, f3 or f4",
            Self::Nodes { .. } => "leave `--nodes` and `--node-list` out, or give one node",
        }
    }
}

/// Runs a workload as RLScheduler does.
///
/// # Errors
///
/// [`RlError`] if it has no such policy or machine.
pub fn run(
    workload: &Workload,
    machine: &Machine,
    policy: Discipline,
    backfill: Backfill,
) -> Result<(Replay, Report), RlError> {
    let nodes = machine.nodes.len();
    if nodes != 1 {
        return Err(RlError::Nodes { nodes });
    }
    if !score::has(policy) {
        return Err(RlError::Policy { policy });
    }
    let mut state = State::new(workload, machine.cpus().as_milli(), policy);
    state.run(backfill);
    let ends = |start: Span, run: Span| Span::from_millis(start.as_millis() + run.as_millis());
    let pairs = workload.jobs.iter().zip(&state.starts);
    let runs = pairs.map(|(job, start)| {
        let start = start.unwrap_or_default();
        Run { start, end: ends(start, job.run), node: 0, done: true }
    });
    let replay = Replay { runs: runs.collect(), ..Replay::default() };
    let mut report = Report::of(workload, machine, &replay);
    report.utilisation = utilisation(workload, machine, &replay);
    Ok((replay, report))
}

/// Until the last start, as its authors have it.
fn utilisation(workload: &Workload, machine: &Machine, replay: &Replay) -> f64 {
    let first = workload.jobs.first().map(|job| job.submit).unwrap_or_default();
    let last = replay.runs.iter().map(|run| run.start).max().unwrap_or_default();
    let span = Span::from_millis(last.as_millis().saturating_sub(first.as_millis()));
    crate::report::utilisation(workload, machine, span)
}
